//! Tables of tests as promptfoo reads them: special columns begin with `__`, every other one is a variable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::{Map, Value, json};

use super::draft::{CaseDraft, DatasetDraft, MOST_CASES, case_name};
use super::expectations::{Around, Named, TYPES, build};
use super::finding::shown;
use super::intake::{Intake, Loaded};
use super::promptfoo::Test;
use super::template::{has_tags, own_name};
use crate::core::problem::{Place, Source};

/// A table with more rows than this becomes a data set, where its rows are checked alike.
const FEW_ROWS: usize = 50;
/// The threshold that promptfoo gives a score of a table where the cell has none.
const CELL_THRESHOLD: f64 = 0.75;

static EXPECTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)^(not-)?([a-z][a-z0-9:-]*?)(?:\((\d+(?:\.\d+)?)\))?(?::(.*))?$").ok());

/// The tag of an entry of metadata.
pub(super) fn tag(name: &str, value: &str) -> String {
    let whole = format!("{}={}", name.trim(), value.trim());
    whole.chars().filter(|c| !crate::core::escape::is_hidden(*c) && *c != '\n' && *c != '\t').take(100).collect()
}

/// The expectation of a cell: a type with a colon, else the text that the answer equals.
pub(super) fn expected(intake: &mut Intake<'_>, cell: &str, around: &Around<'_>, place: &Place) -> Option<Value> {
    let cell = cell.trim();
    let judge = around.judge.map(str::to_owned);
    for (mark, kind) in [
        ("javascript:", "javascript"),
        ("fn:", "javascript"),
        ("eval:", "javascript"),
        ("grade:", "llm-rubric"),
        ("python:", "python"),
    ] {
        if let Some(rest) = cell.strip_prefix(mark) {
            let value = Some(intake.jinja_value(json!(rest.trim()), place));
            return build(intake, place, &Named { kind, judge }, value, None, Map::new());
        }
    }
    if let Some(file) = cell.strip_prefix("file://") {
        let kind = if file.contains(".py") { "python" } else { "javascript" };
        return build(intake, place, &Named { kind, judge }, Some(json!(file)), None, Map::new());
    }
    let found = EXPECTED.as_ref().and_then(|regex| regex.captures(cell));
    let known = found.filter(|found| TYPES.iter().any(|(name, _)| *name == &found[2]));
    let Some(found) = known else {
        let value = intake.jinja_value(json!(cell), place);
        return build(intake, place, &Named { kind: "equals", judge: None }, Some(value), None, Map::new());
    };
    let bare = found[2].to_owned();
    let kind = format!("{}{bare}", found.get(1).map_or("", |m| m.as_str()));
    let text = found.get(4).map(|m| m.as_str().trim().to_owned()).filter(|text| !text.is_empty());
    let threshold = found.get(3).and_then(|m| m.as_str().parse::<f64>().ok());
    let scored = [
        "answer-relevance",
        "context-faithfulness",
        "context-recall",
        "context-relevance",
        "cost",
        "latency",
        "levenshtein",
        "rouge-n",
        "similar",
    ];
    let threshold = threshold.or_else(|| scored.contains(&bare.as_str()).then_some(CELL_THRESHOLD));
    let value = match text {
        Some(text) if matches!(bare.as_str(), "is-json" | "contains-json") => {
            Some(schema(intake, &text, around, place))
        }
        Some(text) => Some(intake.jinja_value(json!(text), place)),
        None => None,
    };
    build(intake, place, &Named { kind: &kind, judge }, value, threshold, Map::new())
}

fn schema(intake: &mut Intake<'_>, text: &str, around: &Around<'_>, place: &Place) -> Value {
    if text.starts_with("file://")
        && let Some(Loaded::Value(value)) = intake.load(around.folder, text, place)
    {
        return value;
    }
    serde_yaml::from_str(text).unwrap_or_else(|_| json!(text))
}

/// The tests of a table, a row each.
pub(super) fn rows(intake: &mut Intake<'_>, source: &Arc<Source>, around: &Around<'_>) -> Vec<Test> {
    let text = source.text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(|name| name.trim().to_owned()).collect(),
        Err(error) => {
            intake.findings.lost(Place::Line(source.path.clone(), 1), format!("this is not valid CSV: {error}"), "");
            return Vec::new();
        }
    };
    check_header(intake, source, &header);
    let unclosed = unclosed_quote(&source.text);
    let mut tests = Vec::new();
    for record in reader.records() {
        let line_of = |position: Option<&csv::Position>| {
            position.map_or(1, |position| usize::try_from(position.line()).unwrap_or(1))
        };
        match record {
            Ok(record) => {
                let place = Place::Line(source.path.clone(), line_of(record.position()));
                if unclosed.is_some_and(|line| line <= line_of(record.position())) {
                    let help = "close it; nothing from here to the end of the table is carried over";
                    intake.findings.lost(place, OPEN, help);
                    break;
                }
                if record.iter().all(|cell| cell.trim().is_empty()) {
                    continue;
                }
                if record.len() > header.len() {
                    let message = format!("the row has {} columns, the header {}", record.len(), header.len());
                    intake.findings.lost(place.clone(), message, "put quotes around a text with commas");
                }
                if tests.len() >= MOST_CASES {
                    intake.findings.lost(place, format!("a table has at most {MOST_CASES} rows here"), "");
                    break;
                }
                tests.push(row(intake, &header, &record, around, &place));
            }
            Err(error) => {
                let place = Place::Line(source.path.clone(), line_of(error.position()));
                intake.findings.lost(place, format!("this row is not valid CSV: {error}"), "");
            }
        }
    }
    tests
}

/// What is said of a quote that is opened and never closed.
pub(super) const OPEN: &str = "a quote is opened in this row and not closed";

/// The line of the row in which a quote is opened that nothing closes: for a reader of CSV it takes in all that follows.
pub(super) fn unclosed_quote(text: &str) -> Option<usize> {
    const LAST: &str = "\u{0}the last row";
    let with_last = format!("{}\n{LAST}", text.trim_start_matches('\u{feff}'));
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(with_last.as_bytes());
    let last = reader.records().filter_map(Result::ok).last()?;
    let is_open = last.iter().ne([LAST]);
    is_open.then(|| last.position().map_or(1, |position| usize::try_from(position.line()).unwrap_or(1)))
}

fn check_header(intake: &mut Intake<'_>, source: &Arc<Source>, header: &[String]) {
    let place = Place::Line(source.path.clone(), 1);
    for (at, name) in header.iter().enumerate() {
        if header[..at].contains(name) && !name.is_empty() {
            let message = format!("two columns have the name `{}`; the last one counts", shown(name));
            intake.findings.lost(place.clone(), message, "");
        }
        if name.is_empty() {
            intake.findings.lost(
                place.clone(),
                format!("the column {} has no name, and is not carried over", at + 1),
                "",
            );
        }
        if name.starts_with("__config:") || name == "__provider" || name == "__metadata" || name == "__providerOutput" {
            intake.findings.lost(place.clone(), format!("the column `{}` is not carried over", shown(name)), "");
        }
    }
}

fn row(
    intake: &mut Intake<'_>,
    header: &[String],
    record: &csv::StringRecord,
    around: &Around<'_>,
    place: &Place,
) -> Test {
    let mut test = Test { is_row: true, ..Test::new(place.clone()) };
    let mut metric = None;
    for (name, cell) in header.iter().zip(record.iter()) {
        let filled = Some(cell).filter(|cell| !cell.trim().is_empty());
        match name.as_str() {
            "" | "__metadata" | "__providerOutput" => {}
            "__description" => test.name = filled.map(str::to_owned),
            "__prefix" => test.prefix = filled.map(|text| intake.jinja(text, place)),
            "__suffix" => test.suffix = filled.map(|text| intake.jinja(text, place)),
            "__metric" => metric = filled.map(str::to_owned),
            "__threshold" => {
                test.threshold = filled.and_then(|text| text.trim().parse().ok()).filter(|t: &f64| t.is_finite());
                if let (Some(text), None) = (filled, test.threshold) {
                    intake.findings.lost(place.clone(), format!("the threshold `{}` is no number", shown(text)), "");
                }
            }
            name if name.starts_with("__expected") => {
                if let Some(cell) = filled {
                    test.expect.extend(expected(intake, cell, around, place));
                }
            }
            name if name.starts_with("__config:") || name == "__provider" => {}
            name => match name.strip_prefix("__metadata:") {
                Some(key) => {
                    let values: Vec<&str> = match key.strip_suffix("[]") {
                        Some(_) => cell.split(',').map(str::trim).collect(),
                        None => vec![cell],
                    };
                    let key = key.trim_end_matches("[]");
                    test.tags.extend(values.iter().filter(|v| !v.trim().is_empty()).map(|value| tag(key, value)));
                }
                None => {
                    let name = own_name(name);
                    test.variables.retain(|(known, _)| *known != name);
                    test.variables.push((name, vec![json!(cell)]));
                }
            },
        }
    }
    if let Some(metric) = metric {
        test.expect = std::mem::take(&mut test.expect)
            .into_iter()
            .filter_map(|value| with_metric(intake, value, &metric, place))
            .collect();
    }
    test
}

fn with_metric(intake: &mut Intake<'_>, value: Value, metric: &str, place: &Place) -> Option<Value> {
    let long = match value {
        Value::String(name) => json!({ "type": name, "metric": metric }),
        Value::Object(map) if map.len() == 1 && !map.contains_key("type") => {
            let (name, value) = map.into_iter().next()?;
            json!({ "type": name, "value": value, "metric": metric })
        }
        Value::Object(mut map) => {
            map.insert("metric".to_owned(), json!(metric));
            Value::Object(map)
        }
        other => other,
    };
    super::expectations::checked(intake, place, "expected", long)
}

/// A large table whose rows are all checked alike becomes a data set; what does not fit comes back.
pub(super) fn into_dataset(intake: &mut Intake<'_>, index: usize, tests: Vec<Test>) -> Vec<Test> {
    let alike = |a: &Test, b: &Test| {
        a.expect.iter().map(shape_of).eq(b.expect.iter().map(shape_of))
            && a.threshold.map(f64::to_bits) == b.threshold.map(f64::to_bits)
            && a.prefix.is_none()
            && a.suffix.is_none()
            && a.variables
                .iter()
                .all(|(_, values)| matches!(values.as_slice(), [Value::String(text)] if !has_tags(text)))
    };
    let fits = tests.len() > FEW_ROWS
        && tests.iter().all(|test| alike(test, &tests[0]) && test.expect.iter().all(|e| shape_of(e).is_some()));
    if !fits {
        return tests;
    }
    let rows = tests.len();
    let mut columns: BTreeSet<String> = BTreeSet::new();
    let mut text = String::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for test in &tests {
        let mut object = Map::from_iter([(CASE.to_owned(), json!(unique_name(test, &mut names)))]);
        for (name, values) in &test.variables {
            columns.insert(name.clone());
            object.insert(name.clone(), values.first().cloned().unwrap_or_default());
        }
        for (i, expect) in test.expect.iter().enumerate() {
            if let Some((_, value)) = short(expect) {
                object.insert(format!("expected_{}", i + 1), value);
            }
        }
        if !test.tags.is_empty() {
            object.insert("case_tags".to_owned(), json!(test.tags));
        }
        text.push_str(&Value::Object(object).to_string());
        text.push('\n');
    }
    let first = &tests[0];
    let kept = intake.draft.add_file("rows.jsonl", text.into_bytes());
    let mut entry = Map::from_iter([("file".to_owned(), json!(intake.draft.file_reference(&kept)))]);
    entry.insert("name".to_owned(), json!(format!("{{{{ {CASE} }}}}")));
    if tests.iter().any(|test| !test.tags.is_empty()) {
        let most = tests.iter().map(|test| test.tags.len()).max().unwrap_or(0);
        let tags: Vec<String> =
            (0..most).map(|i| format!("{{{{ (case_tags | default([]))[{i}] | default('') }}}}")).collect();
        entry.insert("tags".to_owned(), json!(tags));
    }
    let expect = first.expect.iter().enumerate().filter_map(|(i, expect)| {
        let (name, value) = short(expect)?;
        Some(if value.is_null() { json!(name) } else { json!({ name: format!("{{{{ expected_{} }}}}", i + 1) }) })
    });
    let expect: Vec<Value> = expect.collect();
    if expect.is_empty() {
        entry.insert("snapshot".to_owned(), json!({ "compare": "text" }));
    } else {
        entry.insert("expect".to_owned(), Value::Array(expect));
    }
    if let Some(threshold) = first.threshold {
        entry.insert("threshold".to_owned(), super::expectations::number(threshold));
    }
    let columns = columns.into_iter().map(|name| (name, Some("string"))).collect();
    intake.draft.prompts[index].datasets.push(DatasetDraft { entry, columns, rows });
    Vec::new()
}

/// The column with the name of a row's case.
pub(super) const CASE: &str = "case_name";

fn unique_name(test: &Test, names: &mut BTreeMap<String, usize>) -> String {
    let variables = test.variables.iter().filter_map(|(name, values)| Some((name.clone(), values.first()?.clone())));
    let draft =
        CaseDraft { name: test.name.clone(), variables: variables.collect(), ..CaseDraft::new(test.place.clone()) };
    let name = case_name(&draft, names.len() + 1);
    let count = names.entry(name.clone()).or_insert(0);
    *count += 1;
    if *count > 1 { format!("{name} #{count}") } else { name }
}

/// The name of an expectation with a value that a row can hold: a text without a template.
fn shape_of(expect: &Value) -> Option<String> {
    let (name, value) = short(expect)?;
    match &value {
        Value::Null => Some(name),
        Value::String(text) if !has_tags(text) && !text.is_empty() => Some(format!("{name}:")),
        _ => None,
    }
}

fn short(expect: &Value) -> Option<(String, Value)> {
    match expect {
        Value::String(name) => Some((name.clone(), Value::Null)),
        Value::Object(map) if map.len() == 1 && !map.contains_key("all") => {
            map.iter().next().map(|(name, value)| (name.clone(), value.clone()))
        }
        _ => None,
    }
}
