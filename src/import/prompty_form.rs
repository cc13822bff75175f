//! What a `.prompty` file says of the form of things: properties with `kind`, the tools that take them, and values that
//! stand elsewhere (`${file:…}`, `${env:…}`).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::finding::{Keys, scalar, shown};
use super::intake::{Intake, Loaded};
use super::shape;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Source};
use crate::core::yaml::{Data, Node};

/// The type of JSON Schema that a `kind` is.
pub(super) fn schema_type(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "string" => "string",
        "integer" => "integer",
        "float" | "number" => "number",
        "boolean" => "boolean",
        "array" | "list" => "array",
        "object" => "object",
        _ => return None,
    })
}

/// The properties of a list with names, or of a mapping.
fn named(node: &Node) -> Vec<(String, &Node)> {
    match &node.data {
        Data::List(items) => items.iter().filter_map(|item| Some((scalar(item.get("name")?)?, item))).collect(),
        Data::Map(entries) => entries.iter().map(|(key, item)| (key.text.clone(), item)).collect(),
        _ => Vec::new(),
    }
}

/// The JSON Schema of a property, and whether it must be there.
fn property(intake: &mut Intake<'_>, source: &Arc<Source>, name: &str, node: &Node) -> (Value, bool) {
    let mut schema = Map::new();
    if let Some(kind) = scalar(node) {
        schema.extend(schema_type(&kind).map(|kind| ("type".to_owned(), json!(kind))));
        return (Value::Object(schema), false);
    }
    let what = format!("the property `{}`", shown(name));
    let Some(mut keys) = Keys::new(source, node, &what, &mut intake.findings) else {
        return (Value::Object(schema), false);
    };
    let _ = keys.take_entry("name");
    let kind = keys.text("kind", &mut intake.findings).or(keys.text("type", &mut intake.findings));
    match kind.as_deref().map(|kind| (kind, schema_type(kind))) {
        Some((_, Some(kind))) => {
            schema.insert("type".to_owned(), json!(kind));
        }
        Some((kind, None)) => {
            let message = format!("the kind `{}` of {what} is not carried over", shown(kind));
            intake.findings.lost(keys.whole(), message, "");
        }
        None => {}
    }
    for (theirs, own) in
        [("description", "description"), ("enumValues", "enum"), ("enum", "enum"), ("default", "default")]
    {
        if let Some(node) = keys.take(theirs) {
            schema.insert(own.to_owned(), node.to_json());
        }
    }
    if let Some(node) = keys.take("items") {
        let (items, _) = property(intake, source, &format!("{name}[]"), node);
        schema.insert("items".to_owned(), items);
    }
    if let Some(node) = keys.take("properties") {
        schema.extend(object(intake, source, node, &[]));
    }
    let required = keys.take("required").is_some_and(|node| matches!(node.data, Data::Bool(true)));
    keys.finish(&[], &mut intake.findings);
    (Value::Object(schema), required)
}

/// The JSON Schema of an object with these properties, but those that are left out.
fn object(intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node, without: &[String]) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, item) in named(node) {
        if without.contains(&name) {
            continue;
        }
        let (schema, is_required) = property(intake, source, &name, item);
        if is_required {
            required.push(json!(name));
        }
        properties.insert(name, schema);
    }
    let mut schema =
        Map::from_iter([("type".to_owned(), json!("object")), ("properties".to_owned(), Value::Object(properties))]);
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::Array(required));
    }
    schema
}

/// `output:` where the parts of the answer are named. All of them are asked for.
pub(super) fn output(intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node) -> Option<Value> {
    let all: Vec<String> = named(node).into_iter().map(|(name, _)| name).collect();
    if all.is_empty() {
        let message = "`outputs` names nothing, and is not carried over";
        intake.findings.lost(Place::span(source, node.span.clone()), message, "");
        return None;
    }
    let mut schema = object(intake, source, node, &[]);
    schema.insert("required".to_owned(), json!(all));
    schema.insert("additionalProperties".to_owned(), json!(false));
    Some(json!({ "schema": schema }))
}

/// `tools:` of the second version, and of the first, where they are written as OpenAI does.
pub(super) fn tools(intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node) -> Option<Value> {
    if !matches!(node.data, Data::List(_) | Data::Map(_)) {
        let message = "`tools` is no list, and is not carried over";
        intake.findings.lost(Place::span(source, node.span.clone()), message, "");
        return None;
    }
    let mut tools = Vec::new();
    let items: Vec<(Option<String>, &Node)> = match &node.data {
        Data::List(items) => items.iter().map(|item| (item.get("name").and_then(scalar), item)).collect(),
        _ => named(node).into_iter().map(|(name, item)| (Some(name), item)).collect(),
    };
    for (name, item) in items {
        let place = Place::span(source, item.span.clone());
        if item.get("function").is_some() {
            let one = Value::Array(vec![item.to_json()]);
            if let Some(Value::Array(more)) = shape::tools(&one, &mut intake.findings, &place) {
                tools.extend(more);
            }
        } else if let Some(name) = name {
            tools.extend(tool(intake, source, &name, item));
        } else {
            intake.findings.lost(place, "a tool without a name is not carried over: only functions can be offered", "");
        }
    }
    (!tools.is_empty()).then_some(Value::Array(tools))
}

fn tool(intake: &mut Intake<'_>, source: &Arc<Source>, name: &str, node: &Node) -> Option<Value> {
    let what = format!("the tool `{}`", shown(name));
    let mut keys = Keys::new(source, node, &what, &mut intake.findings)?;
    let _ = keys.take_entry("name");
    let kind = keys.text("kind", &mut intake.findings).or(keys.text("type", &mut intake.findings));
    if let Some(kind) = kind.filter(|kind| kind != "function") {
        let message = format!("{what} is of the kind `{}`, and is not carried over", shown(&kind));
        intake.findings.lost(keys.whole(), message, "only functions can be offered; write its functions as tools");
        let _ = keys.rest();
        return None;
    }
    let mut tool = Map::from_iter([("name".to_owned(), json!(name))]);
    if let Some(text) = keys.text("description", &mut intake.findings) {
        tool.insert("description".to_owned(), json!(text));
    }
    let bound: Vec<String> = match keys.take("bindings") {
        Some(bindings) => {
            let bound: Vec<String> = named(bindings).into_iter().map(|(name, _)| name).collect();
            let message = format!("{} of {what} is bound to an input; the model is not asked for it", bound.join(", "));
            intake.findings.note(keys.place(bindings), message, "the program that runs the tool gives the value");
            bound
        }
        None => Vec::new(),
    };
    for name in ["parameters", "input_schema", "inputSchema"] {
        if let Some(node) = keys.take(name) {
            tool.insert("parameters".to_owned(), parameters(intake, source, node, &bound));
        }
    }
    if keys.take("strict").is_some_and(|node| matches!(node.data, Data::Bool(true))) {
        intake.findings.lost(keys.whole(), format!("`strict` of {what} is not carried over"), "");
    }
    keys.finish(&[], &mut intake.findings);
    Some(Value::Object(tool))
}

/// The JSON Schema of a tool's parameters: one that is written out, or a list or a mapping of properties.
fn parameters(intake: &mut Intake<'_>, source: &Arc<Source>, node: &Node, bound: &[String]) -> Value {
    let has_kinds = named(node.get("properties").unwrap_or(node)).iter().any(|(_, item)| item.get("kind").is_some());
    let words = ["type", "$ref", "anyOf", "oneOf", "allOf", "properties"];
    if has_kinds || !words.iter().any(|key| node.get(key).is_some()) {
        let Some(inner) = node.get("properties") else { return Value::Object(object(intake, source, node, bound)) };
        if let Some(mut keys) = Keys::new(source, node, "the parameters of a tool", &mut intake.findings) {
            let _ = (keys.take_entry("properties"), keys.take_entry("kind"), keys.take_entry("type"));
            keys.finish(&[], &mut intake.findings);
        }
        return Value::Object(object(intake, source, inner, bound));
    }
    let mut schema = node.to_json();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !bound.contains(name));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_none_or(|name| bound.iter().all(|other| other != name)));
    }
    schema
}

/// A value of the front matter: what a whole text of it refers to is put in, or reported.
pub(super) fn resolved(intake: &mut Intake<'_>, folder: &TreePath, value: Value, place: &Place) -> Value {
    match value {
        Value::String(text) => reference(intake, folder, text, place),
        Value::Array(items) => items.into_iter().map(|item| resolved(intake, folder, item, place)).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, resolved(intake, folder, value, place))).collect()
        }
        other => other,
    }
}

fn reference(intake: &mut Intake<'_>, folder: &TreePath, text: String, place: &Place) -> Value {
    let inner = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let Some((protocol, rest)) = inner.and_then(|inner| inner.split_once(':')) else { return Value::String(text) };
    match protocol.trim() {
        "file" => match intake.load(folder, rest.trim(), place) {
            Some(Loaded::Text(text)) => Value::String(text),
            Some(Loaded::Value(value)) => value,
            None => Value::String(text),
        },
        "env" => {
            let (name, default) = rest.split_once(':').map_or((rest, None), |(name, default)| (name, Some(default)));
            let (message, value) = match default {
                Some(default) => ("its default is written instead", default.to_owned()),
                None => ("the reference is written as text", text.clone()),
            };
            let message = format!("`{}` of the environment is out of reach of a case; {message}", shown(name));
            intake.findings.lost(place.clone(), message, "give the value as a variable of the case");
            Value::String(value)
        }
        _ => Value::String(text),
    }
}
