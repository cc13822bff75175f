//! What must not be written: secrets that this process knows, and texts that look like somebody's key.
//!
//! Texts are looked at as they are. In a line's JSON a line feed is `\n`, whose `n` would hide the start of a word.

use serde::Serialize;
use serde_json::Value;

use super::line::Line;
use crate::core::record::Response;
use crate::core::redact::{Secrets, key_shape};
use crate::core::redacted::redact_response;

/// A secret that may not be written, and cannot be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leak {
    /// Whether it is in the request or in the answer.
    pub(super) part: &'static str,
    /// What it looks like.
    pub(super) shape: &'static str,
}

/// The line with every known secret in its answer replaced. A secret in what was asked is refused, because the key
/// would no longer match; so is whatever looks like a key.
pub(super) fn redacted(line: &Line, secrets: &Secrets) -> Result<Line, Leak> {
    let mut line = line.clone();
    redact_response(&mut line.response, secrets);
    check(&line, secrets)?;
    Ok(line)
}

/// Refuses a line that holds a known secret or the shape of a key.
pub(super) fn check(line: &Line, secrets: &Secrets) -> Result<(), Leak> {
    check_part("the request", &(&line.case, &line.model, &line.request), secrets)?;
    // The base64 of numbers may look like anything, and says nothing.
    match &line.response.embedding {
        Some(_) => check_part("the answer", &Response { embedding: None, ..line.response.clone() }, secrets),
        None => check_part("the answer", &line.response, secrets),
    }
}

fn check_part<T: Serialize>(part: &'static str, of_line: &T, secrets: &Secrets) -> Result<(), Leak> {
    // What cannot be looked at is not written either.
    let unreadable = |_| Leak { part, shape: "something that cannot be checked" };
    let value = serde_json::to_value(of_line).map_err(unreadable)?;
    let mut texts = Vec::new();
    collect(&value, &mut texts);
    if texts.iter().any(|text| secrets.found_in(text)) {
        return Err(Leak { part, shape: "a key of this run" });
    }
    // A header may be split into a field and its value, which only stand together in the JSON.
    let json = value.to_string();
    let shape = texts.into_iter().chain([json.as_str()]).find_map(key_shape);
    shape.map_or(Ok(()), |(shape, _)| Err(Leak { part, shape }))
}

fn collect<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(map) => {
            for (name, item) in map {
                texts.push(name);
                collect(item, texts);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::line;
    use super::*;
    use crate::core::record::{Embedding, ToolCall};
    use serde_json::json;

    fn known(value: &str) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("API_KEY", value);
        secrets
    }

    // Put together here, so that no scanner takes this file for a leak.
    fn shaped(head: &str) -> String {
        format!("{head}{}", "a1".repeat(20))
    }

    #[test]
    fn the_numbers_of_an_embedding_are_no_text() {
        let text = format!("AKIA{}/AAAAAAAAAAA", "ABCDEFGH23456777");
        assert!(key_shape(&text).is_some(), "it looks like a key");
        let mut line = line("a", "1", "");
        line.response.embedding = Some(Embedding::from_base64(&text).expect("six floats"));
        assert!(redacted(&line, &Secrets::default()).is_ok());
        line.response.text = shaped("sk-proj-");
        assert!(redacted(&line, &Secrets::default()).is_err(), "what is said beside them is looked at");
    }

    #[test]
    fn a_key_is_seen_after_any_white_space() {
        for before in ["", " ", "\n", "\r\n", "\t", "\u{8}", "\u{c}"] {
            let answer = format!("the key:{before}{}", shaped("sk-proj-"));
            let leak = redacted(&line("a", "1", &answer), &Secrets::default());
            assert_eq!(leak, Err(Leak { part: "the answer", shape: "an OpenAI key" }), "{before:?}");
        }
        let asked = line("a", &format!("x\n{}", shaped("ghp_")), "y");
        let leak = redacted(&asked, &Secrets::default());
        assert_eq!(leak, Err(Leak { part: "the request", shape: "a GitHub token" }));
    }

    #[test]
    fn a_header_is_seen_as_text_and_as_a_field() {
        let value = shaped("Bearer ");
        let as_text = line("a", "1", &format!("{{\"Authorization\": \"{value}\"}}"));
        let mut as_field = line("a", "1", "");
        let arguments = json!({"headers": {"authorization": value}});
        as_field.response.tool_calls = vec![ToolCall { id: String::new(), name: "get".into(), arguments }];
        for line in [as_text, as_field] {
            assert!(redacted(&line, &Secrets::default()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_known_secret_is_replaced_wherever_the_answer_holds_it() {
        let secrets = known("canary\"value\n123");
        let mut leaky = line("a", "1", "it is canary\"value\n123.");
        leaky.response.reasoning = Some("canary\"value\n123".into());
        let arguments = json!({"canary\"value\n123": ["canary\"value\n123", 1]});
        leaky.response.tool_calls = vec![ToolCall { id: String::new(), name: "t".into(), arguments }];
        let clean = redacted(&leaky, &secrets).expect("replaced");
        assert_eq!(clean.response.text, "it is [redacted:API_KEY].");
        assert_eq!(clean.response.tool_calls[0].arguments, json!({"[redacted:API_KEY]": ["[redacted:API_KEY]", 1]}));
        assert!(!clean.to_json().contains("canary"));
    }

    #[test]
    fn a_known_secret_in_what_was_asked_is_refused() {
        let leak = redacted(&line("a", "use canary-value-123", "y"), &known("canary-value-123"));
        assert_eq!(leak, Err(Leak { part: "the request", shape: "a key of this run" }));
    }

    #[test]
    fn the_escape_of_a_line_feed_is_no_part_of_a_secret() {
        let line = line("a", "1", "x\n0t-so-secret");
        assert_eq!(redacted(&line, &known("n0t-so-secret")), Ok(line));
    }
}
