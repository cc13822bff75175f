//! `tests:`, `scenarios:` and `defaultTest:` of a configuration, read but not yet given to prompts.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::expectations::{Around, assertion, number};
use super::super::finding::{Keys, scalar, shown};
use super::super::intake::{Intake, Loaded, ending};
use super::super::javascript;
use super::super::models::{Provider, providers};
use super::super::table;
use super::prompts::labels;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Source};
use crate::core::yaml::{Data, Node};

/// What the tests of a configuration may refer to.
#[derive(Clone, Copy)]
pub(super) struct Config<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) folder: &'a TreePath,
    pub(super) templates: Option<&'a Node>,
    pub(super) providers: &'a [Provider],
}

/// A test as it is written.
#[derive(Clone)]
pub(in super::super) struct Test {
    pub(in super::super) name: Option<String>,
    /// The variables with all their values, where one has several.
    pub(in super::super) variables: Vec<(String, Vec<Value>)>,
    pub(in super::super) expect: Vec<Value>,
    pub(in super::super) threshold: Option<f64>,
    pub(in super::super) repeat: Option<Value>,
    pub(in super::super) tags: Vec<String>,
    pub(in super::super) prefix: Option<String>,
    pub(in super::super) suffix: Option<String>,
    pub(in super::super) models: Option<Vec<String>>,
    /// The prompts that it is meant for; left out: all.
    pub(in super::super) prompts: Option<Vec<String>>,
    pub(in super::super) without_defaults: bool,
    /// Whether it names only providers that there are not, and is never run.
    pub(in super::super) is_for_nobody: bool,
    /// What is done to the answer before each of its expectations sees it.
    pub(in super::super) transform: Option<Value>,
    /// Variables whose values could not be read.
    pub(in super::super) missing: Vec<String>,
    /// Whether it is a row of a table.
    pub(in super::super) is_row: bool,
    pub(in super::super) place: Place,
}

impl Test {
    pub(in super::super) fn new(place: Place) -> Self {
        Self {
            name: None,
            variables: Vec::new(),
            expect: Vec::new(),
            threshold: None,
            repeat: None,
            tags: Vec::new(),
            prefix: None,
            suffix: None,
            models: None,
            prompts: None,
            without_defaults: false,
            is_for_nobody: false,
            transform: None,
            missing: Vec::new(),
            is_row: false,
            place,
        }
    }
}

/// What holds for every test.
#[derive(Clone, Default)]
pub(super) struct Defaults {
    pub(super) test: Option<Test>,
    /// The alias of the model that judges.
    pub(super) judge: Option<String>,
}

pub(super) fn defaults(intake: &mut Intake<'_>, config: &Config<'_>, node: &Node) -> Defaults {
    let place = Place::span(config.source, node.span.clone());
    if let Data::Text(name) = &node.data {
        let Some((source, node, folder)) = yaml_file(intake, config.folder, name, &place) else {
            return Defaults::default();
        };
        let config = Config { source: &source, folder: &folder, ..*config };
        return match node.data {
            Data::Map(_) => defaults(intake, &config, &node),
            _ => Defaults::default(),
        };
    }
    let judge = node.get("options").and_then(|options| options.get("provider"));
    let judge = judge.and_then(|node| judge_of(intake, config, node));
    let mut found = Vec::new();
    test(intake, config, node, &mut found);
    Defaults { test: found.pop(), judge }
}

fn yaml_file(
    intake: &mut Intake<'_>,
    folder: &TreePath,
    name: &str,
    place: &Place,
) -> Option<(Arc<Source>, Node, TreePath)> {
    let path = intake.path(folder, name, place)?;
    let source = intake.source(&path, place)?;
    let node = intake.yaml(&source)?;
    Some((source, node, path.parent()))
}

/// The model that judges; a mapping by kinds of providers is reduced to the one for texts.
fn judge_of(intake: &mut Intake<'_>, config: &Config<'_>, node: &Node) -> Option<String> {
    let node = node.get("text").unwrap_or(node);
    let source = config.source;
    named(config, node)
        .or_else(|| providers(intake, config.folder, source, node, false).first().map(|known| known.alias.clone()))
}

/// The model that the source names by a label.
fn named(config: &Config<'_>, node: &Node) -> Option<String> {
    let Data::Text(name) = &node.data else { return None };
    let known = config.providers.iter().find(|provider| provider.names.contains(name))?;
    Some(known.alias.clone())
}

pub(super) fn tests(intake: &mut Intake<'_>, config: &Config<'_>, node: &Node) -> Vec<Test> {
    let nodes = match &node.data {
        Data::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut found = Vec::new();
    for node in nodes {
        let place = Place::span(config.source, node.span.clone());
        match (&node.data, node.get("path")) {
            (Data::Text(name), _) => test_file(intake, config, name, &place, &mut found),
            (Data::Map(_), Some(_)) if node.get("vars").is_none() => {
                let Some(mut keys) = Keys::new(config.source, node, "a file of tests", &mut intake.findings) else {
                    continue;
                };
                let name = keys.text("path", &mut intake.findings).unwrap_or_default();
                keys.finish(&[("config", "a file of tests takes no settings")], &mut intake.findings);
                test_file(intake, config, &name, &place, &mut found);
            }
            _ => test(intake, config, node, &mut found),
        }
    }
    found
}

fn test_file(intake: &mut Intake<'_>, config: &Config<'_>, name: &str, place: &Place, found: &mut Vec<Test>) {
    if name.starts_with("http") || name.contains("://") && !name.starts_with("file://") {
        let message = format!("the tests of `{}` are not carried over: they are not in the folder", shown(name));
        return intake.findings.lost(place.clone(), message, "save them as a csv file, and name that");
    }
    let plain = name.strip_prefix("file://").unwrap_or(name);
    if plain.contains('*') {
        for path in super::super::files::matching(intake, config.folder, plain, place) {
            one_test_file(intake, config, &path, place, found);
        }
        return;
    }
    let Some(path) = intake.path(config.folder, plain, place) else { return };
    one_test_file(intake, config, &path, place, found);
}

fn one_test_file(intake: &mut Intake<'_>, config: &Config<'_>, path: &TreePath, place: &Place, found: &mut Vec<Test>) {
    match ending(path.file_name()).as_str() {
        "csv" => {
            let Some(source) = intake.source(path, place) else { return };
            let provider = |_: &mut Intake<'_>, _: &Arc<Source>, _: &Node| None;
            let around = Around { folder: &path.parent(), judge: None, templates: None, provider: &provider };
            found.extend(table::rows(intake, &source, &around));
        }
        "jsonl" => {
            let Some(source) = intake.source(path, place) else { return };
            let folder = path.parent();
            for (number, line) in source.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                // Its places are those of the line, as far as a message needs them.
                let padded = Source::new(path.as_str(), format!("{}{line}", "\n".repeat(number.min(1_000_000))));
                let Some(node) = intake.yaml(&padded) else { continue };
                let config = Config { source: &padded, folder: &folder, ..*config };
                test(intake, &config, &node, found);
            }
        }
        "yaml" | "yml" | "json" => {
            let Some(source) = intake.source(path, place) else { return };
            let Some(node) = intake.yaml(&source) else { return };
            let folder = path.parent();
            let config = Config { source: &source, folder: &folder, ..*config };
            let items = match &node.data {
                Data::List(items) => items.as_slice(),
                _ => std::slice::from_ref(&node),
            };
            for item in items {
                test(intake, &config, item, found);
            }
        }
        _ => {
            let message = format!("the tests of `{path}` are not carried over: they are no csv, jsonl, json or yaml");
            intake.findings.lost(place.clone(), message, "let the program write them into a file, and name that");
        }
    }
}

pub(super) fn scenarios(intake: &mut Intake<'_>, config: &Config<'_>, node: &Node) -> Vec<Test> {
    let Data::List(items) = &node.data else {
        intake.findings.lost(Place::span(config.source, node.span.clone()), "`scenarios` is no list", "");
        return Vec::new();
    };
    let mut all = Vec::new();
    for item in items {
        if let Data::Text(name) = &item.data {
            let place = Place::span(config.source, item.span.clone());
            let Some((source, node, folder)) = yaml_file(intake, config.folder, name, &place) else { continue };
            if !matches!(node.data, Data::Text(_)) {
                let config = Config { source: &source, folder: &folder, ..*config };
                let inner = if matches!(node.data, Data::List(_)) {
                    node
                } else {
                    Node { span: 0..0, data: Data::List(vec![node]) }
                };
                all.extend(scenarios(intake, &config, &inner));
            }
            continue;
        }
        let Some(mut keys) = Keys::new(config.source, item, "a scenario", &mut intake.findings) else { continue };
        let title = keys.text("description", &mut intake.findings);
        let rows = keys.take("config").map(|node| tests(intake, config, node)).unwrap_or_default();
        let tested = keys.take("tests").map(|node| tests(intake, config, node)).unwrap_or_default();
        keys.finish(&[], &mut intake.findings);
        for row in &rows {
            for test in &tested {
                all.push(combined(row, test, title.as_deref(), rows.len() * tested.len() > 1));
            }
        }
    }
    all
}

/// A test with the variables and assertions of a row of its scenario.
fn combined(row: &Test, test: &Test, title: Option<&str>, several: bool) -> Test {
    let mut whole = test.clone();
    let own: Vec<&str> = test.variables.iter().map(|(name, _)| name.as_str()).collect();
    let inherited = row.variables.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    whole.variables = inherited.cloned().chain(test.variables.clone()).collect();
    whole.expect = row.expect.iter().chain(&test.expect).cloned().collect();
    whole.tags.extend(row.tags.clone());
    whole.missing.extend(row.missing.clone());
    whole.threshold = test.threshold.or(row.threshold);
    let parts: Vec<&str> = [title, row.name.as_deref(), test.name.as_deref()].into_iter().flatten().collect();
    let values: Vec<String> = whole
        .variables
        .iter()
        .filter(|(_, values)| values.len() == 1)
        .filter_map(|(_, values)| values.first().and_then(Value::as_str).map(|text| text.chars().take(30).collect()))
        .collect();
    whole.name = match (parts.is_empty(), several) {
        (true, _) => None,
        // What tells the tests of a scenario apart are their values.
        (false, true) if row.name.is_none() => Some(format!("{}: {}", parts.join(", "), values.join(", "))),
        (false, _) => Some(parts.join(", ")),
    };
    whole
}

/// Reads one test.
fn test(intake: &mut Intake<'_>, config: &Config<'_>, node: &Node, found: &mut Vec<Test>) {
    let Some(mut keys) = Keys::new(config.source, node, "a test", &mut intake.findings) else { return };
    let mut test = Test::new(keys.whole());
    test.name = keys.text("description", &mut intake.findings);
    test.threshold = keys.number("threshold", &mut intake.findings);
    if test.threshold.take_if(|threshold| *threshold <= 0.0).is_some() {
        let message = "a `threshold` of 0 lets every answer pass, and is not carried over: every expectation must hold";
        intake.findings.lost(keys.whole(), message, "give what must not decide `weight: 0`");
    }
    let mut judge = None;
    let mut expands = true;
    if let Some(node) = keys.take("options") {
        options(intake, config, node, &mut test, &mut judge, &mut expands);
    }
    if let Some(node) = keys.take("vars") {
        variables(intake, config, node, expands, &mut test);
    }
    let provider = |intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node| {
        let node = node.get("text").unwrap_or(node);
        named(config, node)
            .or_else(|| providers(intake, config.folder, source, node, false).first().map(|known| known.alias.clone()))
    };
    let around =
        Around { folder: config.folder, judge: judge.as_deref(), templates: config.templates, provider: &provider };
    if let Some(node) = keys.take("assert") {
        let items = match &node.data {
            Data::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        test.expect = items.iter().filter_map(|item| assertion(intake, config.source, item, &around, 0)).collect();
    }
    if let Some(node) = keys.take("metadata") {
        test.tags = tags(intake, config.source, node);
    }
    if let Some(node) = keys.take("provider") {
        let aliases: Vec<String> = match named(config, node) {
            Some(alias) => vec![alias],
            None => providers(intake, config.folder, config.source, node, false).into_iter().map(|p| p.alias).collect(),
        };
        test.models = Some(aliases).filter(|aliases| !aliases.is_empty());
    }
    if let Some(node) = keys.take("providers") {
        let wanted = labels(node);
        for name in wanted.iter().filter(|name| !config.providers.iter().any(|provider| provider.is_called(name))) {
            let message = format!("a test is meant for the provider `{}`, which there is not", shown(name));
            intake.findings.lost(keys.place(node), message, "name a provider by its label or its id");
        }
        let known = config.providers.iter().filter(|provider| wanted.iter().any(|name| provider.is_called(name)));
        let known: Vec<String> = known.map(|provider| provider.alias.clone()).collect();
        test.is_for_nobody = known.is_empty();
        test.models = Some(known);
    }
    test.prompts = keys.take("prompts").map(labels);
    keys.finish(
        &[
            ("providerOutput", "put the answer into a file of JSON lines, and record it with `promptctl import FILE --prompt … --model …`"),
            ("assertScoringFunction", "give the expectations weights, and the case a `threshold:`"),
        ],
        &mut intake.findings,
    );
    found.push(test);
}

fn options(
    intake: &mut Intake<'_>,
    config: &Config<'_>,
    node: &Node,
    test: &mut Test,
    judge: &mut Option<String>,
    expands: &mut bool,
) {
    let Some(mut keys) = Keys::new(config.source, node, "the options of a test", &mut intake.findings) else { return };
    let place = keys.whole();
    if let Some(node) = keys.take("provider") {
        *judge = judge_of(intake, config, node);
    }
    test.prefix = keys.text("prefix", &mut intake.findings).map(|text| intake.jinja(&text, &place));
    test.suffix = keys.text("suffix", &mut intake.findings).map(|text| intake.jinja(&text, &place));
    test.repeat = keys.number("repeat", &mut intake.findings).filter(|repeat| *repeat >= 1.0).map(number);
    let is_set = |node: Option<&Node>| node.is_some_and(|node| matches!(node.data, Data::Bool(true)));
    *expands = !is_set(keys.take("disableVarExpansion"));
    test.without_defaults = is_set(keys.take("disableDefaultAsserts"));
    // Each case is one request: there is no conversation to be kept out, and no order.
    let _ = (keys.take_entry("disableConversationVar"), keys.take_entry("runSerially"));
    for name in ["transform", "postprocess"] {
        let Some(script) = keys.text(name, &mut intake.findings) else { continue };
        match javascript::transform(&script) {
            Some(steps) => test.transform = Some(steps),
            None => {
                let message =
                    format!("the transform `{}` is not carried over; the whole answer is checked", shown(&script));
                let help = "say it with `transform:` beside the expectations";
                intake.findings.lost(place.clone(), message, help);
                // It would have stood in for the usual one, too.
                test.transform = Some(json!([]));
            }
        }
    }
    keys.finish(
        &[
            ("storeOutputAs", "each case is one request; write the turns before it with role()"),
            ("rubricPrompt", "write the judge's prompt as a prompt of the project, and name it with `prompt:`"),
            ("transformVars", "prepare the values in the case"),
            ("response_format", "ask for it with `output: { schema: … }` in the front matter of the prompt"),
            ("tools", "name them with `tools:` in the front matter of the prompt"),
        ],
        &mut intake.findings,
    );
}

/// `metadata:` as tags, by which cases are selected.
fn tags(intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node) -> Vec<String> {
    let Data::Map(entries) = &node.data else {
        intake.findings.lost(Place::span(source, node.span.clone()), "`metadata` is no mapping", "");
        return Vec::new();
    };
    let mut tags = Vec::new();
    for (key, value) in entries {
        let values: Vec<String> = match &value.data {
            Data::List(items) => items.iter().filter_map(scalar).collect(),
            _ => scalar(value).into_iter().collect(),
        };
        if values.is_empty() {
            let message = format!("`{}` of the metadata is no text, and is not carried over", shown(&key.text));
            intake.findings.lost(Place::span(source, key.span.clone()), message, "");
        }
        let tag = |value: String| if key.text == "tags" { value } else { table::tag(&key.text, &value) };
        tags.extend(values.into_iter().map(tag));
    }
    tags
}

/// Reads `vars:`: a mapping, or files with one.
fn variables(intake: &mut Intake<'_>, config: &Config<'_>, node: &Node, expands: bool, into: &mut Test) {
    let place = Place::span(config.source, node.span.clone());
    match &node.data {
        Data::Text(name) => {
            let Some(path) = intake.path(config.folder, name, &place) else { return };
            let Some(source) = intake.source(&path, &place) else { return };
            let Some(node) = intake.yaml(&source) else { return };
            if matches!(node.data, Data::Map(_)) {
                let folder = path.parent();
                variables(intake, &Config { source: &source, folder: &folder, ..*config }, &node, expands, into);
            }
        }
        Data::List(items) => {
            for item in items.iter().filter(|item| matches!(item.data, Data::Text(_))) {
                variables(intake, config, item, expands, into);
            }
        }
        Data::Map(entries) => {
            for (key, value) in entries {
                let place = Place::span(config.source, value.span.clone());
                let values = values(intake, config, value, expands, &place);
                let name = super::super::template::own_name(key.text.trim());
                into.variables.retain(|(known, _)| *known != name);
                if values.is_empty() {
                    into.missing.push(name);
                } else {
                    into.variables.push((name, values));
                }
            }
        }
        _ => intake.findings.lost(place, format!("`vars` is {}", node.kind()), ""),
    }
}

/// The values of a variable: several where it is a list that is expanded.
fn values(intake: &mut Intake<'_>, config: &Config<'_>, node: &Node, expands: bool, place: &Place) -> Vec<Value> {
    match &node.data {
        Data::List(items) if expands && !items.is_empty() => {
            items.iter().flat_map(|item| values_of_item(intake, config, item, place)).collect()
        }
        _ => values_of_item(intake, config, node, place),
    }
}

fn values_of_item(intake: &mut Intake<'_>, config: &Config<'_>, node: &Node, place: &Place) -> Vec<Value> {
    match &node.data {
        Data::Text(name) if name.starts_with("file://") && name.contains('*') => {
            let pattern = name.trim_start_matches("file://");
            let found = super::super::files::matching(intake, config.folder, pattern, place);
            found.iter().filter_map(|path| file_value(intake, &TreePath::root(), path.as_str(), place)).collect()
        }
        Data::Text(name) if name.starts_with("file://") => {
            file_value(intake, config.folder, name, place).into_iter().collect()
        }
        Data::Text(name) if name.starts_with("package:") => {
            let message = format!("`{}` is not carried over: it is a program", shown(name));
            intake.findings.lost(place.clone(), message, "write the value out");
            Vec::new()
        }
        // What is printed of it is settled with the template.
        Data::Null => vec![Value::Null],
        Data::Number(value, _) => {
            vec![value.as_f64().filter(|v| v.fract() == 0.0).map_or_else(|| node.to_json(), number)]
        }
        // One line end at the end of a value does not count there.
        Data::Text(text) => vec![json!(text.strip_suffix('\n').unwrap_or(text))],
        _ => super::super::draft::variable(node, place, &mut intake.findings).into_iter().collect(),
    }
}

/// A variable that is the text of a file: the file is copied.
fn file_value(intake: &mut Intake<'_>, folder: &TreePath, name: &str, place: &Place) -> Option<Value> {
    match intake.load(folder, name, place)? {
        Loaded::Text(text) => {
            let file = name.trim_start_matches("file://").rsplit('/').next().unwrap_or(name).to_owned();
            let kept = intake.draft.add_file(&file, text.into_bytes());
            Some(json!({ "file": intake.draft.file_reference(&kept) }))
        }
        // A mapping becomes the text of its JSON there, too.
        Loaded::Value(value) => Some(Value::String(Value::to_string(&value))),
    }
}

/// The variables of a test with one value each, in every combination.
pub(super) fn combinations(variables: &[(String, Vec<Value>)], most: usize) -> Vec<Map<String, Value>> {
    let mut all = vec![Map::new()];
    for (name, values) in variables {
        let mut next = Vec::new();
        for map in &all {
            for value in values {
                let mut map: Map<String, Value> = map.clone();
                map.insert(name.clone(), value.clone());
                next.push(map);
                if next.len() > most {
                    return next;
                }
            }
        }
        all = next;
    }
    all
}
