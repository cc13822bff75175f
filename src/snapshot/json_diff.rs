//! What differs between two JSON values, by path.

use serde::Serialize;
use serde_json::Value;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JsonChange {
    /// Where, as a JSON path (`$.items[2].price`).
    pub path: String,
    /// The former value; `None` where something was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// The present value; `None` where something was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// All differences between two values, in the order of the former, then what was added.
#[must_use]
pub fn diff_json(old: &Value, new: &Value) -> Vec<JsonChange> {
    let mut changes = Vec::new();
    walk("$", old, new, &mut changes);
    changes
}

fn walk(path: &str, old: &Value, new: &Value, changes: &mut Vec<JsonChange>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                let path = member(path, key);
                match b.get(key) {
                    Some(other) => walk(&path, value, other, changes),
                    None => changes.push(JsonChange { path, old: Some(value.clone()), new: None }),
                }
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                changes.push(JsonChange { path: member(path, key), old: None, new: Some(value.clone()) });
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for i in 0..a.len().max(b.len()) {
                let path = format!("{path}[{i}]");
                match (a.get(i), b.get(i)) {
                    (Some(a), Some(b)) => walk(&path, a, b, changes),
                    (old, new) => changes.push(JsonChange { path, old: old.cloned(), new: new.cloned() }),
                }
            }
        }
        _ if old == new || old.is_number() && new.is_number() && old.as_f64() == new.as_f64() => {}
        _ => changes.push(JsonChange { path: path.to_owned(), old: Some(old.clone()), new: Some(new.clone()) }),
    }
}

fn member(path: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c.is_alphanumeric() || c == '_') && !key.starts_with(|c: char| c.is_ascii_digit());
    if plain && !key.is_empty() {
        format!("{path}.{key}")
    } else {
        format!("{path}[{}]", Value::String(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_named_by_their_path() {
        let old = json!({"items": [{"price": 12}, {"price": 3}], "gone": true, "same": 1.0});
        let new = json!({"same": 1, "items": [{"price": 13}], "two words": "x"});
        let changes: Vec<String> =
            diff_json(&old, &new).into_iter().map(|c| format!("{} {:?} {:?}", c.path, c.old, c.new)).collect();
        assert_eq!(
            changes,
            [
                "$.items[0].price Some(Number(12)) Some(Number(13))",
                "$.items[1] Some(Object {\"price\": Number(3)}) None",
                "$.gone Some(Bool(true)) None",
                "$[\"two words\"] None Some(String(\"x\"))",
            ]
        );
    }
}
