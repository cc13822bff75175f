//! Tests become cases: each with one value for each variable, for each prompt that it is meant for.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::super::draft::{CaseDraft, MOST_CASES};
use super::super::expectations::number;
use super::super::finding::shown;
use super::super::intake::Intake;
use super::super::template::{has_tags, variables};
use super::super::{nunjucks, table};
use super::prompts::is_called;
use super::tests_of::{Defaults, Test, combinations};
use crate::core::problem::Place;
use crate::prompt::Inline;
use crate::prompt::elsewhere::{Dialect, render, tags};

/// How often values may name each other.
const DEEPEST: usize = 8;

/// Gives every prompt its cases.
pub(super) fn add(intake: &mut Intake<'_>, defaults: Defaults, tests: Vec<Test>) {
    let plain = defaults.test;
    let usual = plain.as_ref().and_then(|test| test.transform.clone());
    let common = plain.clone().map(|test| transformed(test, usual.as_ref()));
    let own_steps = tests.iter().any(|test| test.transform.is_some());
    let tests: Vec<Test> = tests
        .into_iter()
        .map(|mut test| {
            // That of a test stands in for the usual one, for every assertion.
            test.transform = test.transform.or_else(|| usual.clone());
            let steps = test.transform.clone();
            with_defaults(transformed(test, steps.as_ref()), common.as_ref())
        })
        .collect();
    // Where every test has them, they stand once at the top.
    let shares_expectations = !own_steps && tests.iter().all(|test| !test.without_defaults);
    tell_of_unknown_prompts(intake, &tests);
    let constants = constants(common.as_ref());
    for index in 0..intake.draft.prompts.len() {
        if let Some(common) = &common {
            let prompt = &mut intake.draft.prompts[index];
            prompt.default_variables.clone_from(&constants);
            if shares_expectations {
                prompt.default_expect.clone_from(&common.expect);
            }
            if let Some(threshold) = common.threshold {
                prompt.default_more.insert("threshold".to_owned(), number(threshold));
            }
        }
        let prompt = &intake.draft.prompts[index];
        let meant =
            |test: &&Test| test.prompts.as_ref().is_none_or(|all| all.iter().any(|name| is_called(prompt, name)));
        let own: Vec<Test> = tests.iter().filter(|test| !test.is_for_nobody).filter(meant).cloned().collect();
        let (rows, mut others): (Vec<Test>, Vec<Test>) = own.into_iter().partition(|test| test.is_row);
        others.extend(if shares_expectations { table::into_dataset(intake, index, rows) } else { rows });
        for test in &others {
            let own = plain.clone().filter(|_| !shares_expectations && !test.without_defaults);
            let own = own.map(|own| transformed(own, test.transform.as_ref()));
            cases_of(intake, index, test, own.as_ref(), &constants);
        }
    }
}

/// Names of prompts that there are not: their tests would be gone without a word.
fn tell_of_unknown_prompts(intake: &mut Intake<'_>, tests: &[Test]) {
    for test in tests {
        for name in test.prompts.iter().flatten() {
            if !intake.draft.prompts.iter().any(|prompt| is_called(prompt, name)) {
                let message = format!("a test is meant for the prompt `{}`, which there is not", shown(name));
                intake.findings.lost(test.place.clone(), message, "name a prompt by its label or its file");
            }
        }
    }
}

/// The steps of a transform stand beside each expectation of a test, before its own.
fn transformed(mut test: Test, steps: Option<&Value>) -> Test {
    let steps = match steps {
        Some(Value::Array(steps)) => steps.clone(),
        Some(step) => vec![step.clone()],
        None => Vec::new(),
    };
    if steps.is_empty() {
        return test;
    }
    for expect in &mut test.expect {
        let long = match std::mem::take(expect) {
            Value::String(name) => Map::from_iter([("type".to_owned(), json!(name))]),
            Value::Object(map) if !map.contains_key("type") && map.len() == 1 => {
                let (name, value) = map.into_iter().next().unwrap_or_default();
                Map::from_iter([("type".to_owned(), json!(name)), ("value".to_owned(), value)])
            }
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let mut long = long;
        let own = match long.remove("transform") {
            Some(Value::Array(own)) => own,
            Some(own) => vec![own],
            None => Vec::new(),
        };
        let mut all: Vec<Value> = steps.iter().cloned().chain(own).collect();
        let whole = if all.len() == 1 { all.remove(0) } else { Value::Array(all) };
        long.insert("transform".to_owned(), whole);
        *expect = Value::Object(long);
    }
    test
}

/// A test with those defaults that cannot stand once at the top.
fn with_defaults(mut test: Test, common: Option<&Test>) -> Test {
    let Some(common) = common else { return test };
    let own: Vec<String> = test.variables.iter().map(|(name, _)| name.clone()).collect();
    let inherited = common.variables.iter().filter(|(name, values)| !own.contains(name) && !is_constant(values));
    test.variables = inherited.cloned().chain(test.variables).collect();
    test.prefix = test.prefix.or_else(|| common.prefix.clone());
    test.suffix = test.suffix.or_else(|| common.suffix.clone());
    test.repeat = test.repeat.or_else(|| common.repeat.clone());
    test.models = test.models.or_else(|| common.models.clone());
    test.tags.extend(common.tags.iter().filter(|tag| !test.tags.contains(tag)).cloned().collect::<Vec<_>>());
    test
}

fn is_constant(values: &[Value]) -> bool {
    matches!(values, [only] if !only.as_str().is_some_and(has_tags))
}

/// The default variables that have one value.
fn constants(common: Option<&Test>) -> Map<String, Value> {
    let all = common.iter().flat_map(|test| &test.variables);
    all.filter(|(_, values)| is_constant(values)).map(|(name, values)| (name.clone(), values[0].clone())).collect()
}

fn cases_of(
    intake: &mut Intake<'_>,
    index: usize,
    test: &Test,
    defaults: Option<&Test>,
    constants: &Map<String, Value>,
) {
    let used = variables(&intake.draft.prompts[index].body).unwrap_or_default();
    if let Some(name) = test.missing.iter().find(|name| used.contains(*name)) {
        let message = format!("a case is not carried over, because its variable `{name}` could not be read");
        return intake.findings.lost(test.place.clone(), message, "");
    }
    let room = MOST_CASES.saturating_sub(intake.draft.prompts.iter().map(|prompt| prompt.cases.len()).sum());
    let mut all = combinations(&test.variables, room);
    if all.len() > room {
        let message =
            format!("the values of the variables make more than {MOST_CASES} cases; the rest is not carried over");
        intake.findings.lost(
            test.place.clone(),
            message,
            "put the values into a csv file, and name it under `datasets:`",
        );
        all.truncate(room);
    }
    let several = all.len() > 1;
    let is_chat = intake.draft.prompts[index].body.contains("{{ role(");
    for mut values in all {
        resolve(intake, &mut values, constants, &test.place, is_chat);
        let mut case = CaseDraft::new(test.place.clone());
        case.name = match (&test.name, several) {
            (Some(name), true) => Some(format!("{name}: {}", varied(test, &values))),
            (name, _) => name.clone(),
        };
        add_affixes(intake, index, test, &mut values);
        case.variables = values;
        case.expect = defaults.iter().flat_map(|test| &test.expect).chain(&test.expect).cloned().collect();
        if let Some(threshold) = test.threshold {
            case.more.insert("threshold".to_owned(), number(threshold));
        }
        if let Some(repeat) = &test.repeat {
            case.more.insert("repeat".to_owned(), repeat.clone());
        }
        case.tags.clone_from(&test.tags);
        case.models.clone_from(&test.models);
        intake.draft.prompts[index].cases.push(case);
    }
}

/// The values that tell the cases of one test apart.
fn varied(test: &Test, variables: &Map<String, Value>) -> String {
    let names = test.variables.iter().filter(|(_, values)| values.len() > 1);
    let value_of = |name: &str| {
        let value = variables.get(name)?;
        let file = value.get("file").and_then(Value::as_str).map(|file| file.rsplit('/').next().unwrap_or(file));
        Some(value.as_str().or(file).map_or_else(|| value.to_string(), str::to_owned))
    };
    let parts: Vec<String> =
        names.filter_map(|(name, _)| value_of(name)).map(|text| text.chars().take(40).collect()).collect();
    parts.join(", ")
}

static RAW: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{%-?\s*(?:raw|verbatim)\b").ok());

fn is_template(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| has_tags(text))
}

/// Values that name other variables are given what they name: here a value is never a template. What is known of a
/// template that says more is written out, too; the rest is told.
fn resolve(
    intake: &mut Intake<'_>,
    variables: &mut Map<String, Value>,
    constants: &Map<String, Value>,
    place: &Place,
    is_chat: bool,
) {
    let scope = |variables: &Map<String, Value>, name: &str| -> Map<String, Value> {
        let own = variables.iter().filter(|(other, _)| *other != name);
        let all = constants.iter().filter(|(other, _)| !variables.contains_key(*other)).chain(own);
        // The text of a file is not in the map.
        all.filter(|(_, value)| !value.is_object()).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    for _ in 0..DEEPEST {
        let templates: BTreeMap<String, String> = variables
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), is_template(value)?.to_owned())))
            // The result of this one may look like a template, and is none.
            .filter(|(_, text)| !RAW.as_ref().is_some_and(|raw| raw.is_match(text)))
            .collect();
        let mut changed = false;
        for (name, text) in templates {
            let mut silent = super::super::finding::Findings::default();
            let jinja = nunjucks::translate(&text, &|_| place.clone(), &mut silent);
            let context = scope(variables, &name);
            let names_one = super::super::template::variables(&jinja).is_some_and(|all| !all.is_empty());
            if silent.lost_count() > 0 || !names_one {
                continue;
            }
            let rendered = render(&jinja, &context, Dialect::Nunjucks).ok().filter(|told| told.unsure.is_empty());
            let known =
                Inline::new(&jinja).is_ok_and(|inline| inline.variables().iter().all(|v| context.contains_key(v)));
            if let Some(told) = rendered.filter(|told| known && told.text != text) {
                let message = format!("the value of `{name}` names other variables; it is written out");
                intake.findings.note(place.clone(), message, "a value is never rendered here");
                variables.insert(name, Value::String(told.text));
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let left: Vec<(String, String)> =
        variables.iter().filter_map(|(name, value)| Some((name.clone(), is_template(value)?.to_owned()))).collect();
    for (name, text) in left {
        let mut silent = super::super::finding::Findings::default();
        let jinja = nunjucks::translate(&text, &|_| place.clone(), &mut silent);
        let context = scope(variables, &name);
        // The text of a file is not at hand, and names that go round in a circle end nowhere.
        let is_open = |v: &String| {
            *v == name
                || variables.get(v).or(constants.get(v)).is_some_and(|v| v.is_object() || is_template(v).is_some())
        };
        let names_open = super::super::template::variables(&jinja).is_some_and(|all| all.iter().any(is_open));
        // In a prompt of messages only names are filled in there.
        let is_known = silent.lost_count() == 0 && !names_open && !is_chat;
        let told = Some(()).filter(|()| is_known).and_then(|()| render(&jinja, &context, Dialect::Nunjucks).ok());
        match told.filter(|told| told.unsure.is_empty()) {
            Some(told) if told.text == text => {}
            Some(told) => {
                let message = format!("the value of `{name}` is a template; it is written out");
                intake.findings.note(place.clone(), message, "a value is never rendered here");
                variables.insert(name, Value::String(told.text));
            }
            None if tags(&text).is_empty() => {}
            None => {
                let message = format!("the value of `{name}` is a template; it is only text here");
                intake.findings.lost(place.clone(), message, "write out what it gives there");
            }
        }
    }
}

/// What stands before and behind the prompt in one test: variables of the template.
fn add_affixes(intake: &mut Intake<'_>, index: usize, test: &Test, variables: &mut Map<String, Value>) {
    for (name, affix) in [("prompt_prefix", &test.prefix), ("prompt_suffix", &test.suffix)] {
        let Some(affix) = affix else { continue };
        let prompt = &mut intake.draft.prompts[index];
        let tag = format!("{{{{ {name} }}}}");
        if prompt.body.contains("{{ role(") {
            let message = "`prefix` and `suffix` are not carried over for a prompt of several messages";
            intake.findings.lost(test.place.clone(), message, "write them into the template");
            return;
        }
        if !prompt.body.contains(&tag) {
            prompt.body = match name {
                "prompt_prefix" => format!("{tag}{}", prompt.body),
                _ => format!("{}{tag}", prompt.body),
            };
        }
        let context = minijinja::Value::from(minijinja::value::Serde(&*variables));
        let value = Inline::new(affix).and_then(|inline| inline.render(&context)).unwrap_or_else(|_| affix.clone());
        variables.insert(name.to_owned(), json!(value));
    }
}

/// The tests of a table as cases of one prompt.
pub(in super::super) fn add_rows(intake: &mut Intake<'_>, index: usize, tests: Vec<Test>) {
    for test in table::into_dataset(intake, index, tests) {
        cases_of(intake, index, &test, None, &Map::new());
    }
}
