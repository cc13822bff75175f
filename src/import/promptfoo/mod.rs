//! `promptfooconfig.yaml` and the files that it names.

mod cases;
mod prompts;
mod tests_of;

use std::sync::Arc;

use serde_json::{Value, json};

pub(super) use self::cases::add_rows;
use self::tests_of::Defaults;
pub(super) use self::tests_of::Test;
use super::finding::{Keys, Reason};
use super::intake::{Intake, ending};
use super::judges;
use super::models::{Provider, providers};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::yaml::{self, Data, Node};

/// The names that a configuration has where only its folder is given.
pub(super) const FILES: [&str; 3] = ["promptfooconfig.yaml", "promptfooconfig.yml", "promptfooconfig.json"];

/// Keys at the top that are not carried over, and what to do instead.
const REASONS: [Reason; 14] = [
    ("outputPath", "write a report with `promptctl test --report`"),
    ("sharing", "nothing is uploaded; a report is a file"),
    ("env", "set the variables where promptctl runs"),
    ("extensions", "no program runs around a test"),
    ("derivedMetrics", "give expectations a `metric:`, and read its sum in the report"),
    ("nunjucksFilters", "use a filter of Jinja, or prepare the value in the case"),
    ("redteam", "attacks are not generated; write them as cases"),
    ("commandLineOptions", "give options on the command line"),
    ("tracing", "a trace is not recorded"),
    ("tags", "give cases `tags:`"),
    ("metadata", "give cases `tags:`"),
    ("writeLatestResults", "every run is kept in the history"),
    ("tests", "give a list of tests, or a file with one"),
    ("$schema", "`promptctl schema project` gives ours"),
];

/// Reads a configuration into the draft.
pub(super) fn read(intake: &mut Intake<'_>, path: &TreePath) -> Result<(), Problems> {
    let kind = ending(path.file_name());
    if ["js", "ts", "mjs", "cjs", "mts", "cts", "py"].contains(&kind.as_str()) {
        let message = "this configuration is a program, which an import does not run";
        let help = "let it print itself as JSON, and import that file";
        return Err(Problem::error(Place::File(path.to_string()), message).help(help).into());
    }
    let source = intake.tree.source(path).map_err(|error| Problems::from(error.into_problem()))?;
    let node = yaml::parse(&source)?;
    if !matches!(node.data, Data::Map(_)) {
        let message = format!("a configuration of promptfoo is a mapping, and this is {}", node.kind());
        return Err(Problem::error(Place::File(path.to_string()), message).into());
    }
    if ["prompts", "providers", "targets", "tests", "scenarios"].iter().all(|key| node.get(key).is_none()) {
        let message = "this is no configuration of promptfoo: it has neither `prompts` nor `providers` nor `tests`";
        return Err(Problem::error(Place::File(path.to_string()), message).into());
    }
    let folder = path.parent();
    let Some(mut keys) = Keys::new(&source, &node, "the configuration", &mut intake.findings) else { return Ok(()) };
    intake.draft.description = keys.text("description", &mut intake.findings);
    let answering = keys.take("providers").or_else(|| keys.take("targets"));
    let answering = answering.map(|node| each_provider(intake, &folder, &source, node)).unwrap_or_default();
    if let Some(node) = keys.take("prompts") {
        prompts::read(intake, &folder, &source, node);
    }
    if intake.draft.prompts.is_empty() {
        let message = "there is no prompt that could be carried over";
        return Err(Problem::error(keys.whole(), message).help(lost_help(intake)).into());
    }
    shape_prompts(intake, &answering);
    let templates = keys.take("assertionTemplates");
    let config = tests_of::Config { source: &source, folder: &folder, templates, providers: &answering };
    let defaults = match keys.take("defaultTest") {
        Some(node) => tests_of::defaults(intake, &config, node),
        None => Defaults::default(),
    };
    let mut tests = Vec::new();
    if let Some(node) = keys.take("tests") {
        tests.extend(tests_of::tests(intake, &config, node));
    }
    if let Some(node) = keys.take("scenarios") {
        tests.extend(tests_of::scenarios(intake, &config, node));
    }
    if let Some(node) = keys.take("evaluateOptions") {
        evaluate_options(intake, &source, node);
    }
    let place = keys.whole();
    keys.finish(&REASONS, &mut intake.findings);
    let judge = defaults.judge.clone();
    cases::add(intake, defaults, tests);
    judges::name_judges(&mut intake.draft, &mut intake.findings, judge.as_deref(), &place);
    Ok(())
}

fn lost_help(intake: &Intake<'_>) -> String {
    let found = intake.findings.sorted();
    found.iter().map(|finding| finding.problem.in_a_line()).collect::<Vec<_>>().join("\n")
}

fn each_provider(intake: &mut Intake<'_>, folder: &TreePath, source: &Arc<Source>, node: &Node) -> Vec<Provider> {
    let nodes = match &node.data {
        Data::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut all: Vec<Provider> = Vec::new();
    for node in nodes {
        for provider in providers(intake, folder, source, node, true) {
            if all.iter().any(|known| known.alias == provider.alias) {
                let message = format!("a provider stands here twice; `{}` is one model", provider.alias);
                let help = "give each of them a `label`, or ask several times with `repeat:`";
                intake.findings.lost(Place::span(source, node.span.clone()), message, help);
            }
            all.push(provider);
        }
    }
    all
}

/// Gives the prompts what the source says at its providers: tools, the form of the answer, and which of them they go to.
fn shape_prompts(intake: &mut Intake<'_>, answering: &[Provider]) {
    for (what, of) in [
        ("tools", (|p| p.shaping.tools.clone()) as fn(&Provider) -> _),
        ("response_format", |p| p.shaping.output.clone()),
    ] {
        let found: Vec<(Value, Place)> = answering.iter().filter_map(of).collect();
        let Some((value, place)) = found.first().cloned() else { continue };
        if found.len() != answering.len() || found.iter().any(|(other, _)| *other != value) {
            let message =
                format!("`{what}` of one provider is not carried over: here it belongs to the prompt, for every model");
            intake.findings.lost(place, message, "write a prompt for it, with `models:` in its front matter");
            continue;
        }
        for at in 0..intake.draft.prompts.len() {
            prompts::shape(intake, at, what, &value, &place);
        }
    }
    if answering.iter().all(|provider| provider.prompts.is_none()) {
        return;
    }
    for prompt in &mut intake.draft.prompts {
        let takes = |provider: &&Provider| {
            provider.prompts.as_ref().is_none_or(|wanted| wanted.iter().any(|name| prompts::is_called(prompt, name)))
        };
        let models: Vec<String> = answering.iter().filter(takes).map(|provider| provider.alias.clone()).collect();
        if models.len() < answering.len() {
            prompt.models = Some(models);
        }
    }
}

fn evaluate_options(intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node) {
    let Some(mut keys) = Keys::new(source, node, "evaluateOptions", &mut intake.findings) else { return };
    if let Some(repeat) = keys.number("repeat", &mut intake.findings).filter(|repeat| *repeat > 1.0) {
        intake.draft.defaults.insert("repeat".to_owned(), super::expectations::number(repeat));
    }
    if let Some(most) = keys.number("maxConcurrency", &mut intake.findings).filter(|most| *most >= 1.0) {
        let limits = json!({ "concurrency": super::expectations::number(most) });
        for model in intake.draft.models.iter_mut().filter(|model| model.entry["provider"] != "mock") {
            model.entry.entry("limits").or_insert_with(|| limits.clone());
        }
    }
    // How a run is shown and kept says nothing of what is tested.
    for harmless in ["cache", "showProgressBar", "interactiveProviders", "generateSuggestions", "silent"] {
        let _ = keys.take_entry(harmless);
    }
    keys.finish(
        &[
            ("delay", "write `limits: { requests-per-minute: … }` in the model entry"),
            ("timeoutMs", "write `limits: { timeout: 60s }` in the model entry"),
            ("maxEvalTimeMs", "stop the run from outside; what was answered is kept"),
        ],
        &mut intake.findings,
    );
}
