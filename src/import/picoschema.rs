//! Picoschema, the short form of a JSON Schema in dotprompt.

use serde_json::{Map, Value, json};

use super::finding::{Findings, shown};
use crate::core::problem::Place;

const SCALARS: [&str; 6] = ["string", "number", "integer", "boolean", "null", "any"];

/// The JSON Schema of a value that is one already, or Picoschema.
pub(super) fn schema(value: &Value, findings: &mut Findings, place: &Place) -> Value {
    match value {
        Value::Object(map) => {
            let is_schema = map
                .get("type")
                .and_then(Value::as_str)
                .is_some_and(|kind| SCALARS.contains(&kind) || matches!(kind, "object" | "array"));
            if is_schema || map.contains_key("$schema") { value.clone() } else { object(map, findings, place) }
        }
        Value::String(text) => scalar(text, findings, place),
        other => other.clone(),
    }
}

/// `type, description`.
fn scalar(text: &str, findings: &mut Findings, place: &Place) -> Value {
    let (kind, description) = text.split_once(',').map_or((text, ""), |(kind, rest)| (kind, rest));
    let kind = kind.trim();
    let mut schema = Map::new();
    match kind {
        "any" => {}
        kind if SCALARS.contains(&kind) => {
            schema.insert("type".to_owned(), json!(kind));
        }
        other => {
            let message = format!("the type `{}` is not known; any value is allowed", shown(other));
            findings.lost(place.clone(), message, "write the schema out");
        }
    }
    describe(&mut schema, description);
    Value::Object(schema)
}

fn describe(schema: &mut Map<String, Value>, description: &str) {
    let description = description.trim();
    if !description.is_empty() {
        schema.insert("description".to_owned(), json!(description));
    }
}

fn object(map: &Map<String, Value>, findings: &mut Findings, place: &Place) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut others = json!(false);
    for (key, value) in map {
        let (name, in_brackets) = match key.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.trim_end().strip_suffix(')')),
            None => (key.trim(), None),
        };
        if name == "*" || name.is_empty() && in_brackets == Some("*") || in_brackets == Some("*") {
            others = schema(value, findings, place);
            continue;
        }
        let (name, optional) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let mut property = match in_brackets {
            None => schema(value, findings, place),
            Some(text) => bracketed(text, value, findings, place),
        };
        if optional {
            nullable(&mut property);
        } else {
            required.push(json!(name));
        }
        properties.insert(name.to_owned(), property);
    }
    let mut schema =
        Map::from_iter([("type".to_owned(), json!("object")), ("properties".to_owned(), Value::Object(properties))]);
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::Array(required));
    }
    schema.insert("additionalProperties".to_owned(), others);
    Value::Object(schema)
}

/// `name(array, description): …`, and the same with `object` and `enum`.
fn bracketed(text: &str, value: &Value, findings: &mut Findings, place: &Place) -> Value {
    let (kind, description) = text.split_once(',').map_or((text, ""), |(kind, rest)| (kind, rest));
    let mut made = match kind.trim() {
        "array" => {
            Map::from_iter([("type".to_owned(), json!("array")), ("items".to_owned(), schema(value, findings, place))])
        }
        "enum" => Map::from_iter([("enum".to_owned(), value.clone())]),
        "object" => schema(value, findings, place).as_object().cloned().unwrap_or_default(),
        other => {
            let message = format!("`({})` is not known in a schema; any value is allowed", shown(other));
            findings.lost(place.clone(), message, "write the schema out");
            Map::new()
        }
    };
    describe(&mut made, description);
    Value::Object(made)
}

fn nullable(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    if let Some(kind @ Value::String(_)) = map.get("type").cloned() {
        map.insert("type".to_owned(), json!([kind, "null"]));
    }
    if let Some(Value::Array(values)) = map.get_mut("enum") {
        values.push(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_becomes_a_schema() {
        let mut findings = Findings::default();
        let short = json!({
            "title": "string, what it is called",
            "pages?": "integer",
            "kind(enum, of book)": ["novel", "essay"],
            "authors(array)": {"name": "string", "born?": "number"},
            "place(object, where)": {"city": "string"},
            "(*)": "any",
        });
        let made = schema(&short, &mut findings, &Place::Nowhere);
        assert_eq!(
            made,
            json!({
                "type": "object",
                "properties": {
                    "title": {"type": "string", "description": "what it is called"},
                    "pages": {"type": ["integer", "null"]},
                    "kind": {"enum": ["novel", "essay"], "description": "of book"},
                    "authors": {"type": "array", "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "born": {"type": ["number", "null"]}},
                        "required": ["name"],
                        "additionalProperties": false,
                    }},
                    "place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                              "additionalProperties": false, "description": "where"},
                },
                "required": ["title", "kind", "authors", "place"],
                "additionalProperties": {},
            })
        );
        assert_eq!(findings.lost_count(), 0);
        assert_eq!(schema(&json!({"type": "object"}), &mut findings, &Place::Nowhere), json!({"type": "object"}));
        schema(&json!({"x": "strng"}), &mut findings, &Place::Nowhere);
        assert_eq!(findings.lost_count(), 1);
    }
}
