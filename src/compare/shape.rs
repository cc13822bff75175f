//! The shape of answers: which fields there are, of which types. A field that is gone breaks programs that no expectation
//! thought of.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::core::json::kind;
use crate::core::record::Response;

/// The most differences that are told.
const MOST: usize = 50;
/// What differs from answer to answer and says nothing of the model.
const BESIDE: [&str; 2] = ["latency_ms", "attempts"];

/// A field that another version of a model gives otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShapeChange {
    /// Where it is: `usage.cached_input`, `text.$.items[].name`.
    pub field: String,
    /// Its types in base's answers; empty where no answer has it.
    pub base: Vec<&'static str>,
    /// Its types in head's.
    pub head: Vec<&'static str>,
}

type Shape = BTreeMap<String, BTreeSet<&'static str>>;

/// The fields that only one side has, or that have other types.
#[must_use]
pub fn shape_changes(base: &[Response], head: &[Response]) -> Vec<ShapeChange> {
    let (old, new) = (shape(base), shape(head));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let types = |shape: &Shape, name: &str| shape.get(name).map(|t| t.iter().copied().collect()).unwrap_or_default();
    let differs = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let change = |name: &String| ShapeChange { field: name.clone(), base: types(&old, name), head: types(&new, name) };
    differs.take(MOST).map(change).collect()
}

fn shape(answers: &[Response]) -> Shape {
    let mut shape = Shape::new();
    for answer in answers {
        let Ok(Value::Object(fields)) = serde_json::to_value(answer) else { continue };
        for (name, value) in fields.iter().filter(|(name, _)| !BESIDE.contains(&name.as_str())) {
            walk(name, value, &mut shape);
        }
        // Plain text has no shape, and a number alone is no structure.
        if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(answer.text.trim()) {
            walk("text.$", &value, &mut shape);
        }
    }
    shape
}

fn walk(path: &str, value: &Value, shape: &mut Shape) {
    shape.entry(path.to_owned()).or_default().insert(kind(value));
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(&format!("{path}[]"), item, shape)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| walk(&format!("{path}.{name}"), value, shape)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Response {
        Response { text: text.into(), ..Response::default() }
    }

    #[test]
    fn fields_that_are_gone_new_or_of_another_type_are_told() {
        let base = [answer(r#"{"id": 1, "items": [{"name": "a"}], "old": true}"#)];
        let mut head = [answer(r#"{"id": "1", "items": [{"name": "b"}], "new": null}"#)];
        head[0].system_fingerprint = Some("fp".into());
        let changes = shape_changes(&base, &head);
        let told: Vec<String> =
            changes.iter().map(|c| format!("{} {} → {}", c.field, c.base.join("|"), c.head.join("|"))).collect();
        assert_eq!(
            told,
            [
                "system_fingerprint  → string",
                "text.$.id number → string",
                "text.$.new  → null",
                "text.$.old boolean → "
            ]
        );
    }

    #[test]
    fn other_words_are_no_other_shape() {
        assert_eq!(shape_changes(&[answer("yes")], &[answer("no")]), []);
    }
}
