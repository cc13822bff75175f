//! Expectations as the assertions of promptfoo.

use minijinja::value::Serde;
use serde_json::{Map, Value, json};

use super::Exported;
use super::template::rendered_there;
use crate::case::Check;
use crate::core::problem::Place;
use crate::plan::Workspace;
use crate::prompt::Inline;
use crate::prompt::elsewhere::tags;

/// Expectations that have the same name there, or another one.
#[rustfmt::skip]
const NAMES: [(&str, &str); 38] = [
    ("equals", "equals"), ("contains", "contains"), ("icontains", "icontains"), ("contains-all", "contains-all"),
    ("contains-any", "contains-any"), ("icontains-all", "icontains-all"), ("icontains-any", "icontains-any"),
    ("starts-with", "starts-with"), ("regex", "regex"), ("is-json", "is-json"), ("contains-json", "contains-json"),
    ("json-schema", "is-json"), ("is-html", "is-html"), ("contains-html", "contains-html"), ("is-xml", "is-xml"),
    ("contains-xml", "contains-xml"), ("is-sql", "is-sql"), ("contains-sql", "contains-sql"),
    ("is-refusal", "is-refusal"), ("word-count", "word-count"), ("finish-reason", "finish-reason"),
    ("levenshtein", "levenshtein"), ("bleu", "bleu"), ("gleu", "gleu"), ("rouge-n", "rouge-n"), ("meteor", "meteor"),
    ("similar", "similar"), ("latency", "latency"), ("cost", "cost"),
    ("valid-tool-arguments", "is-valid-openai-tools-call"), ("llm-rubric", "llm-rubric"), ("g-eval", "g-eval"),
    ("factuality", "factuality"), ("answer-relevance", "answer-relevance"), ("select-best", "select-best"),
    ("context-faithfulness", "context-faithfulness"), ("context-recall", "context-recall"),
    ("context-relevance", "context-relevance"),
];

/// The model of an alias as it is written there.
pub(super) type Judges<'a> = dyn Fn(&str, &mut Exported) -> Option<Value> + 'a;

/// Options that stand beside a value in both.
const OPTIONS: [&str; 3] = ["threshold", "weight", "metric"];

/// An expectation taken apart: its name, its value, what stands beside it.
pub(super) fn parts(written: &Value) -> (String, Option<Value>, Map<String, Value>) {
    match written {
        Value::String(name) => (name.clone(), None, Map::new()),
        Value::Object(map) => {
            let mut rest = map.clone();
            if let Some(Value::String(name)) = rest.shift_remove("type") {
                let value = rest.shift_remove("value");
                return (name, value, rest);
            }
            let known = |key: &&String| {
                let bare = key.strip_prefix("not-").unwrap_or(key);
                crate::expect::names().any(|name| name == bare)
            };
            match map.keys().find(known).cloned() {
                Some(name) => {
                    let value = rest.shift_remove(&name).filter(|value| !value.is_null());
                    (name, value, rest)
                }
                None => (String::new(), None, rest),
            }
        }
        _ => (String::new(), None, Map::new()),
    }
}

/// The assertion of an expectation; what it cannot say is reported.
pub(super) fn assertion(
    workspace: &Workspace,
    check: &Check,
    variables: &Map<String, Value>,
    providers: &Judges<'_>,
    exported: &mut Exported,
) -> Option<Value> {
    let place = Place::span(&check.source, check.node.span.clone());
    let read = |name: &str| {
        let path = check.folder.join(name).ok()?;
        serde_yaml::from_str::<Value>(&workspace.tree.text(&path).ok()?).ok()
    };
    convert(&as_there(check.node.to_json(), variables), &read, providers, &place, exported)
}

/// An expectation whose templates say there what they say here; one that would not is written out.
fn as_there(written: Value, variables: &Map<String, Value>) -> Value {
    match written {
        Value::String(text) if text.contains("{{") || text.contains("{%") => {
            let scope = minijinja::Value::from(Serde(variables));
            let Ok(inline) = Inline::new(&text) else { return Value::String(text) };
            let Ok(here) = inline.render(&scope) else { return Value::String(text) };
            if rendered_there(&text, variables).as_ref() == Some(&here) {
                return Value::String(text);
            }
            let is_one = tags(&text).first().is_some_and(|tag| *tag == text.trim());
            match inline.evaluate(&scope) {
                Ok(whole @ (Value::Array(_) | Value::Object(_))) if is_one => whole,
                _ => Value::String(here),
            }
        }
        Value::Array(items) => items.into_iter().map(|item| as_there(item, variables)).collect(),
        Value::Object(map) => {
            // There, these are the variables of those names.
            let is_variable = |key: &str, value: &Value| {
                matches!((key, value.as_str()), ("context", Some("{{ context }}")) | ("question", Some("{{ query }}")))
            };
            let with_ours = |(key, value): (String, Value)| {
                let value = if is_variable(&key, &value) { value } else { as_there(value, variables) };
                (key, value)
            };
            Value::Object(map.into_iter().map(with_ours).collect())
        }
        other => other,
    }
}

fn convert(
    written: &Value,
    read: &dyn Fn(&str) -> Option<Value>,
    providers: &Judges<'_>,
    place: &Place,
    exported: &mut Exported,
) -> Option<Value> {
    let (name, value, options) = parts(written);
    let (bare, not) = name.strip_prefix("not-").map_or((name.as_str(), ""), |bare| (bare, "not-"));
    if bare == "all" && not.is_empty() {
        let items = value.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let inner: Vec<Value> =
            items.iter().filter_map(|item| convert(item, read, providers, place, exported)).collect();
        let mut set = Map::from_iter([("type".to_owned(), json!("assert-set")), ("assert".to_owned(), json!(inner))]);
        beside(&mut set, &name, options, providers, place, exported);
        return (!inner.is_empty()).then_some(Value::Object(set));
    }
    let plain = value.as_ref().and_then(Value::as_str).filter(|text| !text.contains("{{") && !text.contains("{%"));
    let script = match (bare, plain, &value) {
        ("ends-with", Some(text), _) => Some(format!("output.endsWith({})", json!(text))),
        ("json-path", _, Some(Value::Object(map))) => member_test(map),
        _ => None,
    };
    let (kind, value) = match (script, NAMES.iter().find(|(own, _)| *own == bare)) {
        (Some(script), _) if not.is_empty() => ("javascript".to_owned(), Some(json!(script))),
        (_, Some((_, theirs))) => (format!("{not}{theirs}"), value),
        _ => {
            exported.lost(place.clone(), format!("`{name}` has no counterpart, and is left out"), "");
            return None;
        }
    };
    let is_nested = value.as_ref().is_some_and(|value| value.is_object() || value.is_array());
    if bare == "equals" && is_nested && value.as_ref().is_some_and(|value| value.to_string().contains("{{")) {
        let message = format!("a template within the JSON of `{name}` may be plain text there");
        exported.lost(place.clone(), message, "look at the assertion there once");
    }
    let mut assertion = Map::from_iter([("type".to_owned(), json!(kind))]);
    match (bare, value) {
        ("latency" | "cost", Some(limit)) => {
            let limit = limit.as_str().map_or(Some(limit.clone()), |text| {
                crate::core::time::parse_duration_ms(text)
                    .map(Value::from)
                    .or_else(|| text.parse::<f64>().ok().map(Value::from))
            });
            assertion.insert("threshold".to_owned(), limit.unwrap_or_default());
        }
        ("is-json" | "contains-json" | "json-schema", Some(Value::Object(map)))
            if map.len() == 1 && map.contains_key("file") =>
        {
            let schema = map.get("file").and_then(Value::as_str).and_then(read);
            assertion.insert("value".to_owned(), schema.unwrap_or_default());
        }
        ("finish-reason", Some(Value::String(reason))) => {
            assertion.insert("value".to_owned(), json!(reason.replace('-', "_")));
        }
        ("levenshtein", Some(Value::Object(map))) => assertion.extend(map),
        (_, Some(value)) => {
            assertion.insert("value".to_owned(), value);
        }
        (_, None) => {}
    }
    beside(&mut assertion, &name, options, providers, place, exported);
    Some(Value::Object(assertion))
}

/// `JSON.parse(output).a.b === value` for a path of names and places.
fn member_test(map: &Map<String, Value>) -> Option<String> {
    let (path, equals) = (map.get("path")?.as_str()?, map.get("equals")?);
    let members = path.strip_prefix('$')?;
    let simple =
        !members.is_empty() && members.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '[' | ']'));
    let scalar = equals.is_number()
        || equals.is_boolean()
        || equals.as_str().is_some_and(|text| !text.contains("{{") && !text.contains(['"', '\\', '\n']));
    (map.len() == 2 && simple && scalar && !members.contains(".."))
        .then(|| format!("JSON.parse(output){members} === {equals}"))
}

fn beside(
    assertion: &mut Map<String, Value>,
    name: &str,
    options: Map<String, Value>,
    providers: &Judges<'_>,
    place: &Place,
    exported: &mut Exported,
) {
    for (key, value) in options {
        let theirs = match (key.as_str(), &value) {
            (key, _) if OPTIONS.contains(&key) => Some((key.to_owned(), value.clone())),
            ("transform", value) => script_of(value).map(|script| ("transform".to_owned(), json!(script))),
            ("model", Value::String(alias)) => providers(alias, exported).map(|judge| ("provider".to_owned(), judge)),
            // There, these are the variables of those names.
            ("context", Value::String(text)) if text == "{{ context }}" => continue,
            ("question", Value::String(text)) if text == "{{ query }}" => continue,
            ("flags", Value::String(flags))
                if assertion.get("type").is_some_and(|kind| kind == "regex" || kind == "not-regex") =>
            {
                let pattern = assertion.get("value").and_then(Value::as_str).unwrap_or_default();
                let with_flags = format!("(?{flags}){pattern}");
                assertion.insert("value".to_owned(), json!(with_flags));
                let message = "the flags of `regex` stand in the expression now, which JavaScript does not read";
                exported.lost(place.clone(), message, "");
                continue;
            }
            _ => None,
        };
        match theirs {
            Some((key, value)) => {
                assertion.insert(key, value);
            }
            None => exported.lost(place.clone(), format!("`{key}` of `{name}` is left out"), ""),
        }
    }
}

/// The line of JavaScript that says what a transform says.
fn script_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::String(step) if step == "trim" => Some("output.trim()"),
        Value::String(step) if step == "lower" => Some("output.toLowerCase()"),
        Value::Array(steps) if *steps == [json!("trim"), json!("lower")] => Some("output.trim().toLowerCase()"),
        _ => None,
    }
}
