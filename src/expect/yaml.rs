//! `is-yaml`: whether an answer is a mapping or a list in YAML, and of what shape.

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;

use super::argument::Arguments;
use super::fixed::fixed;
use super::schema::{mismatch, validator};
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};

/// The longest text that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// The most brackets that are open at once: for the parser many of them take time that grows with their square.
const DEEPEST: usize = 200;

/// Whether more brackets are open at once than anybody nests, wherever they stand.
fn is_deep(text: &str) -> bool {
    let mut open: usize = 0;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > DEEPEST
    })
}

struct Yaml(Option<Arc<Validator>>);

pub(super) fn is_yaml(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let schema = match arguments.value {
        Some(node) => Some(Arc::new(validator(arguments, node)?)),
        None => None,
    };
    Some(fixed(Yaml(schema)))
}

impl Check for Yaml {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        if text.len() > LONGEST {
            return Finding::unknown(format!(
                "the answer is longer than {} MiB, too long to be read as YAML",
                LONGEST >> 20
            ));
        }
        if is_deep(text) {
            return Finding::unknown(format!(
                "the answer has more than {DEEPEST} brackets open at once, and is not read as YAML"
            ));
        }
        // A pair of escapes for one character is JSON's, and every JSON is YAML.
        let read = crate::core::surrogates::joined(text);
        let value = match serde_yaml::from_str::<serde_yaml::Value>(&read) {
            Ok(value @ (serde_yaml::Value::Mapping(_) | serde_yaml::Value::Sequence(_))) => value,
            Ok(_) => {
                let why = "it is one value; every word is that in YAML, so only a mapping or a list counts";
                return Finding::new(false, format!("the answer is no YAML ({why}): {}", quoted(text)));
            }
            Err(error) => return Finding::new(false, format!("the answer is no YAML ({error}): {}", quoted(text))),
        };
        let Some(schema) = &self.0 else { return Finding::new(true, format!("the answer is YAML: {}", quoted(text))) };
        let Ok(json @ (Value::Object(_) | Value::Array(_))) = serde_json::to_value(&value) else {
            return Finding::new(false, "the YAML has keys or tags that JSON has not, so it fits no schema");
        };
        match mismatch(schema, &json) {
            Some(why) => Finding::new(false, format!("the YAML does not fit the schema{why}")),
            None => Finding::new(true, format!("the answer is YAML that fits: {}", quoted(text))),
        }
    }
}
