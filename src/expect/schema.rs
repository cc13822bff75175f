//! `is-json`, `contains-json` and `json-schema`: whether an answer is JSON, holds some, and of what shape.

use std::sync::Arc;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::argument::Arguments;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::Node;

/// Where the JSON is looked for.
#[derive(Clone, Copy)]
enum Where {
    Whole,
    Anywhere,
}

struct JsonCheck {
    place: Where,
    schema: Option<Validator>,
}

struct Shared(Arc<JsonCheck>);

impl Written for Shared {
    fn bind(&self, _: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        Ok(Arc::clone(&self.0) as Arc<dyn Check>)
    }
}

fn build(arguments: &mut Arguments<'_, '_, '_>, place: Where, required: bool) -> Option<Box<dyn Written>> {
    let node = if required { Some(arguments.required("a JSON Schema")?) } else { arguments.value };
    let schema = match node {
        Some(node) => Some(validator(arguments, node)?),
        None => None,
    };
    Some(Box::new(Shared(Arc::new(JsonCheck { place, schema }))))
}

/// The validator of a schema that is written at a node.
pub(super) fn validator(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<Validator> {
    let schema = arguments.schema(node)?;
    // Nothing is ever fetched: jsonschema is built without a client.
    match jsonschema::options().should_validate_formats(true).build(&schema) {
        Ok(validator) => Some(validator),
        Err(error) => {
            arguments.decoder.error(node.span.clone(), format!("this is not a JSON Schema: {error}"));
            None
        }
    }
}

pub(super) fn is_json(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, Where::Whole, false)
}

pub(super) fn contains_json(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, Where::Anywhere, false)
}

pub(super) fn json_schema(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, Where::Whole, true)
}

impl JsonCheck {
    /// Whether all that a schema refuses are values, and neither keys nor types.
    fn refuses_values(&self, value: &Value) -> bool {
        self.schema.as_ref().is_some_and(|schema| {
            schema.iter_errors(value).all(|error| {
                matches!(
                    error.kind(),
                    ValidationErrorKind::Enum { .. }
                        | ValidationErrorKind::Constant { .. }
                        | ValidationErrorKind::Pattern { .. }
                        | ValidationErrorKind::Minimum { .. }
                        | ValidationErrorKind::Maximum { .. }
                        | ValidationErrorKind::ExclusiveMinimum { .. }
                        | ValidationErrorKind::ExclusiveMaximum { .. }
                        | ValidationErrorKind::Not { .. }
                )
            })
        })
    }

    fn mismatch(&self, value: &Value) -> Option<String> {
        Some(format!("the JSON does not fit the schema{}", mismatch(self.schema.as_ref()?, value)?))
    }
}

/// Where and why a value does not fit a schema, to stand behind a sentence.
pub(super) fn mismatch(schema: &Validator, value: &Value) -> Option<String> {
    let error = schema.iter_errors(value).next()?;
    let path = error.instance_path().to_string();
    let path = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
    Some(format!("{path}: {}", shorten(&error.to_string())))
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 300 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(300).collect::<String>())
    }
}

impl Check for JsonCheck {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        match self.place {
            Where::Whole => match serde_json::from_str::<Value>(text) {
                Ok(value) => match self.mismatch(&value) {
                    Some(why) => Finding { of_values: self.refuses_values(&value), ..Finding::new(false, why) },
                    None => Finding::new(true, format!("the answer is JSON: {}", quoted(text))),
                },
                Err(error) => Finding::new(false, not_json(text, &error)),
            },
            Where::Anywhere => {
                let (mut mismatch, mut of_values) = (None, false);
                for value in found_in(text) {
                    match self.mismatch(&value) {
                        Some(why) => (mismatch, of_values) = (Some(why), self.refuses_values(&value)),
                        None => return Finding::new(true, format!("the answer holds {}", quoted(&value.to_string()))),
                    }
                }
                let why = mismatch.unwrap_or_else(|| format!("there is no JSON object or list in {}", quoted(text)));
                Finding { of_values, ..Finding::new(false, why) }
            }
        }
    }
}

/// Why a text is no JSON; a text that only wraps JSON is told apart, because that is a change of format.
pub(super) fn not_json(text: &str, error: &serde_json::Error) -> String {
    let inner = text.trim().strip_prefix("```").and_then(|rest| rest.trim_end().strip_suffix("```"));
    let inner = inner.map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    if inner.is_some_and(|inner| serde_json::from_str::<Value>(inner).is_ok()) {
        return format!("the answer is no JSON: it is valid JSON inside a code fence: {}", quoted(text));
    }
    if found_in(text).next().is_some() {
        return format!("the answer is no JSON: it is valid JSON with text around it: {}", quoted(text));
    }
    format!("the answer is no JSON ({error}): {}", quoted(text))
}

/// Every JSON object and list in a text, from left to right. What stands inside one that was found is not told again.
pub(super) fn found_in(text: &str) -> impl Iterator<Item = Value> {
    slices_in(text).filter_map(|slice| serde_json::from_str(slice).ok())
}

/// The same as they are written.
pub(super) fn slices_in(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    // A text of opening brackets alone would be read again from each of them.
    let mut attempts = 2_000;
    std::iter::from_fn(move || {
        while attempts > 0 {
            let start = at + text[at..].find(['{', '['])?;
            attempts -= 1;
            let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
            match stream.next() {
                Some(Ok(_)) => {
                    at = start + stream.byte_offset();
                    return Some(&text[start..at]);
                }
                _ => at = start + 1,
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<String> {
        found_in(text).map(|value| value.to_string()).collect()
    }

    #[test]
    fn json_is_found_anywhere_and_braces_do_not_confuse() {
        assert_eq!(found(r#"so {"a": "}"} and [1,2] end"#), [r#"{"a":"}"}"#, "[1,2]"]);
        assert_eq!(found("a { b"), Vec::<String>::new());
        assert_eq!(found("text {not json} text"), Vec::<String>::new());
        assert_eq!(found("[[[[[1]"), ["[1]"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_search_panic(text in any::<String>()) {
            let _ = found_in(&text).count();
        }
    }
}
