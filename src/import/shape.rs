//! Tools and forms of answers, as OpenAI and others write them, for the front matter of a prompt.

use serde_json::{Map, Value, json};

use super::finding::Findings;
use crate::core::problem::Place;

/// `tools:` of a list of tools.
pub(super) fn tools(value: &Value, findings: &mut Findings, place: &Place) -> Option<Value> {
    let Some(items) = value.as_array() else {
        findings.lost(place.clone(), "`tools` is no list, and is not carried over", "");
        return None;
    };
    let tools: Vec<Value> = items.iter().filter_map(|item| tool(item, findings, place)).collect();
    (!tools.is_empty()).then(|| Value::Array(tools))
}

fn tool(item: &Value, findings: &mut Findings, place: &Place) -> Option<Value> {
    let function = item.get("function").unwrap_or(item);
    let Some(name) = function.get("name").and_then(Value::as_str) else {
        let message = "a tool without a name is not carried over: only functions can be offered";
        findings.lost(place.clone(), message, "");
        return None;
    };
    let mut tool = Map::from_iter([("name".to_owned(), json!(name))]);
    if let Some(text) = function.get("description").and_then(Value::as_str) {
        tool.insert("description".to_owned(), json!(text));
    }
    let parameters = ["parameters", "input_schema", "inputSchema"].iter().find_map(|key| function.get(key));
    if let Some(parameters) = parameters {
        tool.insert("parameters".to_owned(), parameters.get("json").unwrap_or(parameters).clone());
    }
    if function.get("strict") == Some(&json!(true)) {
        findings.lost(place.clone(), format!("`strict` of the tool `{name}` is not carried over"), "");
    }
    Some(Value::Object(tool))
}

/// `output:` of a response format with a JSON Schema.
pub(super) fn output(value: &Value, findings: &mut Findings, place: &Place) -> Option<Value> {
    let inner = value.get("json_schema").unwrap_or(value);
    let Some(schema) = inner.get("schema").filter(|schema| schema.is_object()) else {
        findings.lost(place.clone(), "a response format without a `schema` is not carried over", "");
        return None;
    };
    let mut output = Map::from_iter([("schema".to_owned(), schema.clone())]);
    if let Some(name) = inner.get("name").and_then(Value::as_str) {
        output.insert("name".to_owned(), json!(name));
    }
    Some(Value::Object(output))
}
