//! The assertions of promptfoo as expectations. One table says what becomes of each type.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::draft::expectation;
use super::finding::{Keys, shown};
use super::intake::{Intake, Loaded};
use super::javascript;
use super::template::literal;
use super::yaml::to_yaml;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problems, Source};
use crate::core::yaml::{Data, Node, parse};
use crate::expect::compile;

/// What becomes of an assertion.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    /// The value alone decides.
    Plain(&'static str),
    /// A score is compared with a threshold.
    Scored(&'static str),
    /// The threshold is the value.
    Limit(&'static str),
    /// The value is a JSON Schema.
    Schema(&'static str),
    /// A model judges by the value.
    Judged(&'static str),
    /// A model judges what was retrieved.
    Context(&'static str),
    /// A line of JavaScript, which may say what an expectation says.
    Script,
    /// There is no counterpart; what to do instead.
    Lost(&'static str),
}

const EXEC: &str = "write a program that reads the answer, and name it with `exec: [PROGRAM, …]`";
const TRACE: &str = "a trace is not recorded; check the answer's calls of tools with `tool-call`";

/// Every type of promptfoo, and what becomes of it.
#[rustfmt::skip]
pub(super) const TYPES: [(&str, Fate); 70] = [
    ("equals", Fate::Plain("equals")), ("contains", Fate::Plain("contains")), ("icontains", Fate::Plain("icontains")),
    ("contains-any", Fate::Plain("contains-any")), ("contains-all", Fate::Plain("contains-all")),
    ("icontains-any", Fate::Plain("icontains-any")), ("icontains-all", Fate::Plain("icontains-all")),
    ("starts-with", Fate::Plain("starts-with")), ("regex", Fate::Plain("regex")),
    ("is-json", Fate::Schema("is-json")), ("contains-json", Fate::Schema("contains-json")),
    ("is-html", Fate::Plain("is-html")), ("contains-html", Fate::Plain("contains-html")),
    ("is-xml", Fate::Plain("is-xml")), ("contains-xml", Fate::Plain("contains-xml")),
    ("is-sql", Fate::Plain("is-sql")), ("contains-sql", Fate::Plain("contains-sql")),
    ("is-refusal", Fate::Plain("is-refusal")), ("word-count", Fate::Plain("word-count")),
    ("finish-reason", Fate::Plain("finish-reason")), ("levenshtein", Fate::Scored("levenshtein")),
    ("bleu", Fate::Scored("bleu")), ("gleu", Fate::Scored("gleu")), ("rouge-n", Fate::Scored("rouge-n")),
    ("meteor", Fate::Scored("meteor")), ("similar", Fate::Scored("similar")),
    ("similar:cosine", Fate::Scored("similar")), ("latency", Fate::Limit("latency")), ("cost", Fate::Limit("cost")),
    ("is-valid-function-call", Fate::Plain("valid-tool-arguments")),
    ("is-valid-openai-function-call", Fate::Plain("valid-tool-arguments")),
    ("is-valid-openai-tools-call", Fate::Plain("valid-tool-arguments")),
    ("llm-rubric", Fate::Judged("llm-rubric")), ("g-eval", Fate::Judged("g-eval")),
    ("factuality", Fate::Judged("factuality")), ("model-graded-factuality", Fate::Judged("factuality")),
    ("model-graded-closedqa", Fate::Judged("llm-rubric")), ("answer-relevance", Fate::Judged("answer-relevance")),
    ("select-best", Fate::Judged("select-best")), ("context-faithfulness", Fate::Context("context-faithfulness")),
    ("context-recall", Fate::Context("context-recall")), ("context-relevance", Fate::Context("context-relevance")),
    ("javascript", Fate::Script), ("python", Fate::Lost(EXEC)), ("ruby", Fate::Lost(EXEC)),
    ("webhook", Fate::Lost(EXEC)),
    ("similar:dot", Fate::Lost("use `similar`, which compares by the cosine")),
    ("similar:euclidean", Fate::Lost("use `similar`, which compares by the cosine")),
    ("tool-call-f1", Fate::Lost("write one `tool-call` for each call that is expected")),
    ("perplexity", Fate::Lost("likelihoods of tokens are not compared")),
    ("perplexity-score", Fate::Lost("likelihoods of tokens are not compared")),
    ("guardrails", Fate::Lost("ask for `finish-reason: content-filter` where a filter shall act")),
    ("conversation-relevance", Fate::Lost("a case is one request; write the turns before it with role()")),
    ("classifier", Fate::Lost(EXEC)), ("moderation", Fate::Lost(EXEC)), ("pi", Fate::Lost(EXEC)),
    ("agent-rubric", Fate::Lost("use `llm-rubric`")), ("search-rubric", Fate::Lost("use `llm-rubric`")),
    ("max-score", Fate::Lost("compare models with `promptctl compare`")),
    ("human", Fate::Lost("answers are judged by people in `promptctl review`")),
    ("skill-used", Fate::Lost(TRACE)), ("trace-span-count", Fate::Lost(TRACE)),
    ("trace-span-duration", Fate::Lost(TRACE)), ("trace-error-spans", Fate::Lost(TRACE)),
    ("trajectory:tool-used", Fate::Lost(TRACE)), ("trajectory:tool-args-match", Fate::Lost(TRACE)),
    ("trajectory:tool-sequence", Fate::Lost(TRACE)), ("trajectory:step-count", Fate::Lost(TRACE)),
    ("trajectory:goal-success", Fate::Lost(TRACE)), ("noise-sensitivity", Fate::Lost("use `context-faithfulness`")),
];

/// The alias of a provider as it is written.
pub(super) type ReadProvider<'a> = dyn Fn(&mut Intake<'_>, &Arc<Source>, &Node) -> Option<String> + 'a;

/// What an assertion may take from what stands around it.
pub(super) struct Around<'a> {
    /// The folder from which files are named.
    pub(super) folder: &'a TreePath,
    /// The alias of the model that judges where the assertion names none.
    pub(super) judge: Option<&'a str>,
    /// Assertions that others refer to.
    pub(super) templates: Option<&'a Node>,
    /// What reads the provider of one assertion.
    pub(super) provider: &'a ReadProvider<'a>,
}

/// How deep sets of assertions and references to them may nest.
const DEEPEST: usize = 8;

/// The expectation that an assertion becomes; what it does not become is reported.
pub(super) fn assertion(
    intake: &mut Intake<'_>,
    source: &Arc<Source>,
    node: &Node,
    around: &Around<'_>,
    depth: usize,
) -> Option<Value> {
    let place = Place::span(source, node.span.clone());
    if depth > DEEPEST {
        intake.findings.lost(place, format!("assertions refer to each other more than {DEEPEST} levels deep"), "");
        return None;
    }
    if let Data::Text(text) = &node.data {
        return super::table::expected(intake, text, around, &place);
    }
    if let Some(reference) = node.get("$ref") {
        return referred(intake, source, reference, around, depth);
    }
    let mut keys = Keys::new(source, node, "an assertion", &mut intake.findings)?;
    let kind = keys.text("type", &mut intake.findings).unwrap_or_default();
    let place = Place::span(source, node.get("type").map_or(node.span.clone(), |node| node.span.clone()));
    if kind == "assert-set" {
        return assert_set(intake, keys, around, depth);
    }
    let value = keys.take("value").map(|value| (value, keys.place(value)));
    let is_program = matches!(fate_of(&kind), Some(Fate::Script | Fate::Lost(_)) | None);
    let value = match value {
        Some((value, _)) if is_program => Some(value.to_json()),
        Some((value, place)) => Some(read_value(intake, value, around.folder, &place)?),
        None => None,
    };
    let threshold = keys.number("threshold", &mut intake.findings);
    let judge = match keys.take("provider") {
        Some(node) => (around.provider)(intake, source, node),
        None => around.judge.map(str::to_owned),
    };
    let mut beside = Map::new();
    common_options(intake, &mut keys, &mut beside, &place);
    if fate_of(&kind).is_some_and(|fate| !matches!(fate, Fate::Lost(_))) {
        keys.finish(&REASONS, &mut intake.findings);
    } else {
        let _ = keys.rest();
    }
    build(intake, &place, &Named { kind: &kind, judge }, value, threshold, beside)
}

fn fate_of(kind: &str) -> Option<Fate> {
    let bare = kind.strip_prefix("not-").unwrap_or(kind);
    TYPES.iter().find(|(name, _)| *name == bare).map(|(_, fate)| *fate)
}

/// The expectation of an assertion that was read: `beside` is what stands beside its value.
pub(super) fn build(
    intake: &mut Intake<'_>,
    place: &Place,
    named: &Named<'_>,
    value: Option<Value>,
    threshold: Option<f64>,
    beside: Map<String, Value>,
) -> Option<Value> {
    let kind = named.kind;
    let fate = match fate_of(kind) {
        None => {
            let message = format!("the assertion `{}` is not known, and is not carried over", shown(kind));
            intake.findings.lost(place.clone(), message, "");
            return None;
        }
        Some(Fate::Lost(help)) => {
            intake.findings.lost(place.clone(), format!("the assertion `{kind}` is not carried over"), help);
            return None;
        }
        Some(fate) => fate,
    };
    let mut options = Map::new();
    let (name, value) = shape(intake, place, named, fate, value, threshold, &mut options)?;
    options.extend(beside);
    let name = match (kind.strip_prefix("not-"), name.strip_prefix("not-")) {
        (Some(_), Some(twice)) => twice.to_owned(),
        (Some(_), None) => format!("not-{name}"),
        (None, _) => name,
    };
    checked(intake, place, kind, expectation(&name, value, options))
}

const REASONS: [(&str, &str); 4] = [
    ("rubricPrompt", "write the judge's prompt as a prompt of the project, and name it with `prompt:`"),
    ("contextTransform", "give the context as a variable of the case"),
    ("config", "write what it says into the value"),
    ("contextTransforms", "give the context as a variable of the case"),
];

/// The type of an assertion, and the alias of the model that judges where one does.
pub(super) struct Named<'a> {
    pub(super) kind: &'a str,
    pub(super) judge: Option<String>,
}

/// The name and the value of the expectation; what stands beside the value goes to `options`.
fn shape(
    intake: &mut Intake<'_>,
    place: &Place,
    named: &Named<'_>,
    fate: Fate,
    value: Option<Value>,
    threshold: Option<f64>,
    options: &mut Map<String, Value>,
) -> Option<(String, Option<Value>)> {
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            options.insert(name.to_owned(), value);
        }
    };
    let lost_threshold = |intake: &mut Intake<'_>| {
        if threshold.is_some() {
            intake.findings.lost(place.clone(), format!("`{}` knows no `threshold`", named.kind), "");
        }
    };
    match fate {
        Fate::Plain(name) => {
            lost_threshold(intake);
            let value = match (name, value) {
                // What these have beside them is not looked at there.
                ("is-html" | "contains-html" | "is-refusal" | "valid-tool-arguments", _) => None,
                ("finish-reason", Some(Value::String(reason))) => Some(json!(reason.replace('_', "-"))),
                // There, no template within an object is rendered; here it would be.
                ("equals", Some(Value::Object(map))) => Some(as_text(Value::Object(map))),
                (_, value) => value,
            };
            Some((name.to_owned(), value))
        }
        Fate::Scored(name) => {
            put("threshold", threshold.map(number));
            if name == "similar" {
                // Only a model that embeds can be asked here; the judge of the test is none.
                let embeds = named.judge.as_ref().is_some_and(|alias| intake.draft.embeds(alias));
                put("model", named.judge.clone().filter(|_| embeds).map(Value::from));
            }
            Some((name.to_owned(), value))
        }
        Fate::Limit(name) => match threshold.map(number).or(value) {
            Some(limit) => Some((name.to_owned(), Some(limit))),
            None => {
                intake.findings.lost(place.clone(), format!("`{name}` has no threshold, and is not carried over"), "");
                None
            }
        },
        Fate::Schema(name) => {
            lost_threshold(intake);
            Some((name.to_owned(), value))
        }
        Fate::Judged(name) => {
            put("threshold", threshold.map(number));
            put("model", named.judge.clone().map(Value::from));
            let value = value.map(|value| match value {
                Value::Array(items) => Value::String(
                    items
                        .iter()
                        .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                        .collect::<Vec<_>>()
                        .join("\n"),
                ),
                Value::Object(map) => Value::String(Value::Object(map).to_string()),
                other => other,
            });
            Some((name.to_owned(), value))
        }
        Fate::Context(name) => {
            put("threshold", threshold.map(number));
            put("model", named.judge.clone().map(Value::from));
            put("context", Some(json!("{{ context }}")));
            Some((name.to_owned(), value))
        }
        Fate::Script => match value.as_ref().and_then(Value::as_str).and_then(|script| {
            let mut translate = |text: &str| intake.jinja(text, place);
            javascript::check(script, &mut translate)
        }) {
            Some((name, value)) if threshold.is_none() => Some((name.to_owned(), Some(value))),
            _ => {
                let message = format!("the assertion `{}` is not carried over: it is a program", named.kind);
                intake.findings.lost(place.clone(), message, EXEC);
                None
            }
        },
        Fate::Lost(_) => None,
    }
}

/// JSON whose texts are no templates.
fn as_text(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(literal(&text)),
        Value::Array(items) => items.into_iter().map(as_text).collect(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, as_text(value))).collect()),
        other => other,
    }
}

/// A number without a fraction as a whole one.
pub(super) fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and far below 2^53")]
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

fn common_options(intake: &mut Intake<'_>, keys: &mut Keys<'_>, options: &mut Map<String, Value>, place: &Place) {
    if let Some(weight) = keys.number("weight", &mut intake.findings) {
        options.insert("weight".to_owned(), number(weight));
    }
    if let Some(metric) = keys.text("metric", &mut intake.findings) {
        options.insert("metric".to_owned(), json!(metric));
    }
    if let Some(transform) = keys.text("transform", &mut intake.findings) {
        match javascript::transform(&transform) {
            Some(steps) => {
                options.insert("transform".to_owned(), steps);
            }
            None => {
                let message =
                    format!("the transform `{}` is not carried over; the whole answer is checked", shown(&transform));
                let help =
                    "say it with `transform:`: `trim`, `lower`, `strip-fence`, `{ json-path: $.a }`, `{ regex: … }`";
                intake.findings.lost(place.clone(), message, help);
            }
        }
    }
}

/// The value of an assertion: templates translated, files read.
fn read_value(intake: &mut Intake<'_>, node: &Node, folder: &TreePath, place: &Place) -> Option<Value> {
    match &node.data {
        Data::Text(text) if text.starts_with("file://") => match intake.load(folder, text, place)? {
            Loaded::Text(text) => Some(Value::String(intake.jinja(&text, place))),
            Loaded::Value(value) => Some(value),
        },
        Data::Number(_, raw) => Some(node.to_json()).filter(Value::is_number).or(Some(json!(raw))),
        _ => Some(intake.jinja_value(node.to_json(), place)),
    }
}

fn referred(
    intake: &mut Intake<'_>,
    source: &Arc<Source>,
    reference: &Node,
    around: &Around<'_>,
    depth: usize,
) -> Option<Value> {
    let place = Place::span(source, reference.span.clone());
    let name = match &reference.data {
        Data::Text(text) => text.strip_prefix("#/assertionTemplates/").map(str::to_owned),
        _ => None,
    };
    let found = name.as_deref().and_then(|name| around.templates?.get(name));
    match found {
        Some(template) => assertion(intake, source, template, around, depth + 1),
        None => {
            let message = "this reference leads nowhere: there is no such entry of `assertionTemplates`";
            intake.findings.lost(place, message, "");
            None
        }
    }
}

fn assert_set(intake: &mut Intake<'_>, mut keys: Keys<'_>, around: &Around<'_>, depth: usize) -> Option<Value> {
    let place = keys.whole();
    let source = Arc::clone(&keys.source);
    let items = match keys.take("assert").map(|node| &node.data) {
        Some(Data::List(items)) => items.as_slice(),
        _ => &[],
    };
    let inner: Vec<Value> =
        items.iter().filter_map(|item| assertion(intake, &source, item, around, depth + 1)).collect();
    let mut composed = Map::from_iter([("all".to_owned(), Value::Array(inner.clone()))]);
    if let Some(threshold) = keys.number("threshold", &mut intake.findings) {
        composed.insert("threshold".to_owned(), number(threshold));
    }
    common_options(intake, &mut keys, &mut composed, &place);
    keys.finish(&REASONS, &mut intake.findings);
    if inner.is_empty() {
        intake.findings.lost(place, "nothing is left of this set of assertions", "");
        return None;
    }
    checked(intake, &place, "assert-set", Value::Object(composed))
}

/// The expectation, if this program accepts it; else why it does not is reported.
pub(super) fn checked(intake: &mut Intake<'_>, place: &Place, kind: &str, written: Value) -> Option<Value> {
    let Some(why) = fault(&written) else { return Some(written) };
    if let Some(without) = without_metric(&written).filter(|without| fault(without).is_none()) {
        intake.findings.lost(place.clone(), format!("the `metric` of `{kind}` is not carried over"), "");
        return Some(without);
    }
    intake.findings.lost(place.clone(), format!("the assertion `{}` is not carried over: {why}", shown(kind)), "");
    None
}

fn without_metric(written: &Value) -> Option<Value> {
    let mut map = written.as_object()?.clone();
    map.remove("metric")?;
    Some(Value::Object(map))
}

/// What is wrong with an expectation; the model that judges is checked with the project.
fn fault(written: &Value) -> Option<String> {
    let source = Source::new("expect", to_yaml(written));
    let node = match parse(&source) {
        Ok(node) => node,
        Err(problems) => return problems.sorted().first().map(|problem| problem.message.clone()),
    };
    let mut problems = Problems::default();
    let compiled = compile(&source, &node, &|_| Err("no file is read here".to_owned()), &mut problems);
    match (compiled, problems.sorted().first()) {
        (Some(_), None) => None,
        (_, Some(problem)) => Some(problem.message.clone()),
        (None, None) => Some("it cannot be read".to_owned()),
    }
}
