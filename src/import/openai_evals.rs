//! The registry of openai/evals: an entry with a class and a file of samples; or a file of samples alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::chat::{our_role, turns_of};
use super::draft::{DatasetDraft, PromptDraft, type_of};
use super::expectations::checked;
use super::finding::{Keys, shown};
use super::intake::{Intake, ending};
use super::table::CASE;
use super::template::literal;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::yaml::{self, Data, Node};

/// The most prompts that the samples of one evaluation may make: one for each order of roles.
const MOST_FORMS: usize = 20;

/// How the answers of an evaluation are checked.
struct Check {
    class: String,
    ignore_case: bool,
    spec: Option<String>,
}

/// Reads a registry file, or a file of samples, into the draft.
pub(super) fn read(intake: &mut Intake<'_>, path: &TreePath) -> Result<(), Problems> {
    let place = Place::File(path.to_string());
    if ending(path.file_name()) == "jsonl" {
        let source = intake.tree.source(path).map_err(|error| Problems::from(error.into_problem()))?;
        let name = path.file_name().trim_end_matches(".jsonl");
        let message = "nothing says how the answers are checked; each must begin with one of the ideal ones";
        intake.findings.note(place.clone(), message, "name the registry file to have its class");
        let check = Check { class: "Match".to_owned(), ignore_case: false, spec: None };
        samples(intake, &source, name, None, &check);
    } else {
        let source = intake.tree.source(path).map_err(|error| Problems::from(error.into_problem()))?;
        let node = yaml::parse(&source)?;
        registry(intake, &source, &node, path)?;
    }
    if intake.draft.prompts.is_empty() {
        let found = intake.findings.sorted();
        let lines: Vec<String> = found.iter().map(|finding| finding.problem.in_a_line()).collect();
        return Err(Problem::error(place, "there is no sample that could be carried over")
            .help(lines.join("\n"))
            .into());
    }
    Ok(())
}

fn registry(intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node, path: &TreePath) -> Result<(), Problems> {
    let Data::Map(entries) = &node.data else {
        return Err(Problem::error(
            Place::File(path.to_string()),
            "a registry file is a mapping of names to evaluations",
        )
        .into());
    };
    let mut descriptions: BTreeMap<String, String> = BTreeMap::new();
    for (key, entry) in entries.iter().filter(|(_, entry)| entry.get("class").is_none()) {
        let Some(mut keys) = Keys::new(source, entry, "an evaluation", &mut intake.findings) else { continue };
        let id = keys.text("id", &mut intake.findings).unwrap_or_else(|| key.text.clone());
        if let Some(text) = keys.text("description", &mut intake.findings) {
            descriptions.insert(id, text);
        }
        let _ = keys.take_entry("metrics");
        keys.finish(&[("disclaimer", "write it into the description")], &mut intake.findings);
    }
    for (key, entry) in entries.iter().filter(|(_, entry)| entry.get("class").is_some()) {
        evaluation(intake, source, path, (&key.text, entry), &descriptions);
    }
    Ok(())
}

fn evaluation(
    intake: &mut Intake<'_>,
    source: &Arc<Source>,
    path: &TreePath,
    (id, entry): (&str, &Node),
    descriptions: &BTreeMap<String, String>,
) {
    let Some(mut keys) = Keys::new(source, entry, "an evaluation", &mut intake.findings) else { return };
    let place = keys.whole();
    let class = keys.text("class", &mut intake.findings).unwrap_or_default();
    let class = class.rsplit([':', '.']).next().unwrap_or_default().to_owned();
    let Some(mut given) = keys.take("args").and_then(|args| Keys::new(source, args, "args", &mut intake.findings))
    else {
        intake.findings.lost(place, format!("`{}` names no samples, and is not carried over", shown(id)), "");
        let _ = keys.rest();
        return;
    };
    let file = given.text("samples_jsonl", &mut intake.findings);
    let ignore_case = given.take("ignore_case").is_some_and(|node| matches!(node.data, Data::Bool(true)));
    let spec = given.text("modelgraded_spec", &mut intake.findings);
    given.finish(
        &[
            ("few_shot_jsonl", "write the examples into the prompt with role()"),
            ("num_few_shot", "write the examples into the prompt with role()"),
            ("eval_type", "a judge gives its reasons before its verdict"),
            ("max_tokens", "write it under `params:` of the front matter"),
        ],
        &mut intake.findings,
    );
    keys.finish(&[], &mut intake.findings);
    let Some(file) = file else {
        intake.findings.lost(place, format!("`{}` names no samples, and is not carried over", shown(id)), "");
        return;
    };
    let Some(samples_path) = samples_path(intake, path, &file, &place) else { return };
    let Some(sampled) = intake.source(&samples_path, &place) else { return };
    let name = id.split('.').next().unwrap_or(id);
    let check = Check { class, ignore_case, spec };
    samples(intake, &sampled, name, descriptions.get(id), &check);
}

/// Samples are named from `data/` beside the folder of the registry's file, or from that file's own folder.
fn samples_path(intake: &mut Intake<'_>, path: &TreePath, file: &str, place: &Place) -> Option<TreePath> {
    let data = path.parent().parent().join("data").ok()?;
    let beside = data.join(file).ok().filter(|path| intake.tree.read(path, u64::MAX).is_ok());
    match beside {
        Some(path) => Some(path),
        None => intake.path(&path.parent(), file, place),
    }
}

/// A sample: the roles and texts of its messages, its ideal answers, and the rest.
struct Sample {
    turns: Vec<(String, String)>,
    ideals: Vec<String>,
    more: Map<String, Value>,
}

fn samples(intake: &mut Intake<'_>, source: &Arc<Source>, name: &str, description: Option<&String>, check: &Check) {
    let mut forms: BTreeMap<Vec<String>, Vec<Sample>> = BTreeMap::new();
    let mut speakers = Speakers::new();
    for (number, line) in source.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = Place::Line(source.path.clone(), number + 1);
        let Some(sample) = sample(intake, line, &place, &mut speakers) else { continue };
        let roles = sample.turns.iter().map(|(role, _)| role.clone()).collect();
        forms.entry(roles).or_default().push(sample);
    }
    for (name, (place, count)) in speakers {
        let messages = if count == 1 { "1 message".to_owned() } else { format!("{count} messages") };
        let message = format!("the name `{}` of {messages} is not carried over", shown(&name));
        intake.findings.lost(place, message, "a message has a role only; say in its text who speaks");
    }
    if forms.len() > MOST_FORMS {
        let message = format!("the samples have {} different orders of roles; {MOST_FORMS} are the most", forms.len());
        intake.findings.lost(Place::File(source.path.clone()), message, "");
    }
    // The commonest form first: it has the plain name.
    let mut forms: Vec<Vec<Sample>> = forms.into_values().collect();
    forms.sort_by_key(|samples| std::cmp::Reverse(samples.len()));
    forms.truncate(MOST_FORMS);
    // Whether files are shared by several prompts decides where they lie: the names are taken before the files.
    let place = Place::File(source.path.clone());
    let first = intake.draft.prompts.len();
    for _ in &forms {
        let mut prompt = PromptDraft::new(name, String::new(), place.clone());
        prompt.description = description.cloned();
        intake.draft.add_prompt(prompt);
    }
    for (i, samples) in forms.iter().enumerate() {
        form(intake, first + i, samples, check, &place);
    }
}

/// Names of messages: where each is first, and of how many.
type Speakers = BTreeMap<String, (Place, usize)>;

fn sample(intake: &mut Intake<'_>, line: &str, place: &Place, speakers: &mut Speakers) -> Option<Sample> {
    let mut map = match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(map)) => map,
        Ok(_) => {
            intake.findings.lost(place.clone(), "a sample must be a JSON object", "");
            return None;
        }
        Err(error) => {
            intake.findings.lost(place.clone(), format!("this is not valid JSON: {error}"), "");
            return None;
        }
    };
    let turns = match map.shift_remove("input") {
        Some(Value::String(text)) => vec![("user".to_owned(), text)],
        Some(value) => {
            let Some(turns) = turns_of(&value) else {
                intake.findings.lost(place.clone(), "`input` is neither a text nor a list of messages", "");
                return None;
            };
            for name in turns.iter().filter_map(|turn| turn.name.clone()) {
                speakers.entry(name).or_insert_with(|| (place.clone(), 0)).1 += 1;
            }
            let text = |turn: super::chat::Turn| {
                let content = turn.content.as_str().map_or_else(|| turn.content.to_string(), str::to_owned);
                (our_role(&turn.role, &mut intake.findings, place).name().to_owned(), content)
            };
            turns.into_iter().map(text).collect()
        }
        None => {
            intake.findings.lost(place.clone(), "a sample without `input` is not carried over", "");
            return None;
        }
    };
    let ideals = match map.shift_remove("ideal").or_else(|| map.shift_remove("answer")) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
        }
        Some(other) => vec![other.to_string()],
        None => Vec::new(),
    };
    let ideals = ideals.into_iter().filter(|ideal| !ideal.is_empty()).collect();
    Some(Sample { turns, ideals, more: map })
}

/// The prompt of samples whose messages have the same roles: what is the same in all is text, the rest variables.
fn form(intake: &mut Intake<'_>, index: usize, samples: &[Sample], check: &Check, place: &Place) {
    let Some(first) = samples.first() else { return };
    let mut names: Vec<Option<String>> = Vec::new();
    let mut body = String::new();
    for (at, (role, text)) in first.turns.iter().enumerate() {
        body.push_str(&format!("{{{{ role(\"{role}\") }}}}\n"));
        let fixed = samples.len() > 1 && samples.iter().all(|sample| sample.turns[at].1 == *text);
        if fixed {
            body.push_str(&literal(text));
            names.push(None);
        } else {
            let number = names.iter().flatten().filter(|name| name.starts_with(role.as_str())).count();
            let name = if number == 0 { format!("{role}_message") } else { format!("{role}_message_{}", number + 1) };
            body.push_str(&format!("{{{{ {name} }}}}"));
            names.push(Some(name));
        }
        body.push('\n');
    }
    let most = samples.iter().map(|sample| sample.ideals.len()).max().unwrap_or(0);
    let without = samples.iter().filter(|sample| sample.ideals.is_empty()).count();
    if without > 0 && without < samples.len() {
        let message = format!("{without} samples have no ideal answer, and are not carried over");
        intake.findings.lost(place.clone(), message, "");
    }
    let name = intake.draft.prompts[index].name.clone();
    let mut text = String::new();
    let mut rows = 0;
    let mut columns: BTreeMap<String, Option<&'static str>> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| most == 0 || !sample.ideals.is_empty()) {
        let mut row = Map::from_iter([(CASE.to_owned(), json!(format!("{name} {}", rows + 1)))]);
        for (name, (_, content)) in names.iter().zip(&sample.turns) {
            if let Some(name) = name {
                row.insert(name.clone(), json!(content));
                columns.insert(name.clone(), Some("string"));
            }
        }
        for at in 0..most {
            // A sample with fewer ideal answers says its last one again.
            let ideal = sample.ideals.get(at).or(sample.ideals.last());
            row.insert(ideal_name(at, most), json!(ideal));
        }
        for (name, value) in &sample.more {
            if samples.iter().all(|other| other.more.contains_key(name)) {
                columns.insert(name.clone(), type_of(value));
            }
            row.entry(name.clone()).or_insert_with(|| value.clone());
        }
        text.push_str(&Value::Object(row).to_string());
        text.push('\n');
        rows += 1;
    }
    let kept = intake.draft.add_file(&format!("{name}.jsonl"), text.into_bytes());
    let mut entry = Map::from_iter([
        ("file".to_owned(), json!(intake.draft.file_reference(&kept))),
        ("name".to_owned(), json!(format!("{{{{ {CASE} }}}}"))),
    ]);
    let ideals: Vec<String> = (0..most).map(|at| format!("{{{{ {} }}}}", ideal_name(at, most))).collect();
    match expectation(intake, check, &ideals, samples, place) {
        Some(expect) => {
            entry.insert("expect".to_owned(), json!([expect]));
        }
        None => {
            entry.insert("snapshot".to_owned(), json!({ "compare": "text" }));
        }
    }
    let prompt = &mut intake.draft.prompts[index];
    prompt.body = body;
    prompt.datasets.push(DatasetDraft { entry, columns, rows });
}

fn ideal_name(at: usize, most: usize) -> String {
    if most == 1 { "ideal".to_owned() } else { format!("ideal_{}", at + 1) }
}

fn expectation(
    intake: &mut Intake<'_>,
    check: &Check,
    ideals: &[String],
    samples: &[Sample],
    place: &Place,
) -> Option<Value> {
    let any = |name: &str| match ideals {
        [only] => json!({ name: only }),
        several => json!({ "any": several.iter().map(|ideal| json!({ name: ideal })).collect::<Vec<_>>() }),
    };
    let has = |name: &str| samples.iter().all(|sample| sample.more.contains_key(name));
    let (written, note) = match (check.class.as_str(), check.spec.as_deref()) {
        (_, None) if ideals.is_empty() && check.class != "ModelBasedClassify" => {
            intake.findings.lost(
                place.clone(),
                "the samples have no ideal answer; the answers are kept as snapshots",
                "",
            );
            return None;
        }
        ("Match" | "MultipleChoice" | "MatchWithSolvers", _) => (any("starts-with"), ""),
        ("Includes", _) => {
            let name = if check.ignore_case { "icontains-any" } else { "contains-any" };
            (json!({ name: ideals }), "")
        }
        ("FuzzyMatch", _) => (
            json!({ "icontains-any": ideals }),
            "`FuzzyMatch` also leaves out articles and punctuation, and lets the ideal answer contain the given one",
        ),
        ("JsonMatch", _) => match ideals {
            [only] => (json!({ "json-path": { "path": "$", "equals": only } }), ""),
            several => {
                let one = |ideal: &String| json!({ "json-path": { "path": "$", "equals": ideal } });
                (json!({ "any": several.iter().map(one).collect::<Vec<_>>() }), "")
            }
        },
        ("JsonValidator", _) => (json!("is-json"), ""),
        (_, Some("fact")) if !ideals.is_empty() => {
            (json!({ "factuality": ideals[0] }), "`fact` becomes `factuality`, which judges by another prompt")
        }
        (_, Some("closedqa")) if has("criteria") => (
            json!({ "llm-rubric": "{{ criteria }}" }),
            "`closedqa` becomes `llm-rubric`, which judges by another prompt",
        ),
        (class, spec) => {
            let what = spec
                .map_or_else(|| format!("the class `{}`", shown(class)), |spec| format!("the judge `{}`", shown(spec)));
            let message = format!("{what} is not carried over; the answers are kept as snapshots");
            intake.findings.lost(place.clone(), message, "say what is expected under `expect:` of the data set");
            return None;
        }
    };
    if !note.is_empty() {
        intake.findings.note(place.clone(), note, "");
    }
    checked(intake, place, &check.class, written)
}
