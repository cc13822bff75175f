//! An answer as it is compared and kept: redacted, and in the form that its case asks for.

use serde_json::Value;
use serde_json_path::NormalizedPath;

use super::format::Snapshot;
use crate::core::digest::sha256_hex;
use crate::core::json::{Leeway, alike};
use crate::core::record::Response;
use crate::project::{Compare, Redaction, RedactionTarget, SnapshotSettings};

/// What stands between a text and the tool calls behind it.
const TOOL_CALLS: &str = "--- tool calls ---";

/// An answer, ready to be compared with an accepted one.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    body: String,
    sha256: String,
    json: Option<Value>,
    compare: Compare,
    leeway: Leeway,
}

impl Answer {
    /// The answer of a response: redactions first, then the form. An answer that is no JSON where JSON is compared is
    /// kept as text, and so differs from any accepted JSON.
    #[must_use]
    pub fn new(response: &Response, compare: Compare, settings: &SnapshotSettings) -> Self {
        let text = redact(&response.text, &settings.redact);
        let mut json = match compare {
            Compare::Json => serde_json::from_str::<Value>(&text).ok(),
            Compare::Text | Compare::None => None,
        };
        let mut body = match &json {
            Some(value) => format!("{value:#}"),
            None => text,
        };
        if !response.tool_calls.is_empty() {
            // With tool calls behind it the body as a whole is text.
            json = None;
            body = with_tool_calls(&body, response, &settings.redact);
        }
        // A text that looks like tool calls is not the same answer as tool calls: the digest tells them apart.
        let calls = if response.tool_calls.is_empty() { "" } else { TOOL_CALLS };
        let sha256 = sha256_hex(format!("{body}{calls}").as_bytes());
        Self { body, sha256, json, compare, leeway: settings.leeway() }
    }

    /// The body of a snapshot file.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The SHA-256 of the body, and of whether there are tool calls in it.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How it is compared.
    #[must_use]
    pub fn compare(&self) -> Compare {
        self.compare
    }

    /// Whether it is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// Whether this is the accepted answer.
    ///
    /// Byte for byte; as JSON, whatever the order of keys, the white space, and `1.0` for `1`, and with the leeway that its
    /// case gives. insta's tools trim the
    /// end of a body and its carriage returns: such a body counts as the answer whose SHA-256 its header names.
    #[must_use]
    pub fn matches(&self, accepted: &Snapshot) -> bool {
        let is_ours = || accepted.header().is_ok_and(|header| header.info.sha256 == self.sha256);
        if self.body == accepted.body() {
            return !self.body.contains(TOOL_CALLS) || is_ours();
        }
        if let Some(json) = &self.json
            && let Ok(other) = serde_json::from_str::<Value>(accepted.body())
        {
            return alike(json, &other, self.leeway);
        }
        normalised(&self.body) == normalised(accepted.body()) && is_ours()
    }
}

fn normalised(body: &str) -> String {
    let mut body = body.to_owned();
    // insta drops a carriage return when it reads, and another one when it writes.
    while body.contains("\r\n") {
        body = body.replace("\r\n", "\n");
    }
    body.trim_end().to_owned()
}

fn with_tool_calls(text: &str, response: &Response, redactions: &[Redaction]) -> String {
    let calls: Vec<Value> = response
        .tool_calls
        .iter()
        .map(|call| serde_json::json!({"name": call.name, "arguments": call.arguments}))
        .collect();
    // A list of plain values always has a YAML form.
    let yaml = serde_yaml::to_string(&calls).unwrap_or_default();
    let yaml = redact(yaml.trim_end(), redactions);
    if text.is_empty() { format!("{TOOL_CALLS}\n{yaml}") } else { format!("{text}\n{TOOL_CALLS}\n{yaml}") }
}

fn redact(text: &str, redactions: &[Redaction]) -> String {
    let mut text = text.to_owned();
    for redaction in redactions {
        match &redaction.target {
            RedactionTarget::Pattern(regex) => {
                text = regex.replace_all(&text, redaction.replacement.as_str()).into_owned();
            }
            RedactionTarget::Path(path) => {
                let Ok(mut json) = serde_json::from_str::<Value>(&text) else { continue };
                let pointers: Vec<String> =
                    path.query_located(&json).locations().map(NormalizedPath::to_json_pointer).collect();
                for pointer in &pointers {
                    if let Some(value) = json.pointer_mut(pointer) {
                        *value = Value::String(redaction.replacement.clone());
                    }
                }
                if !pointers.is_empty() {
                    text = json.to_string();
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::format::Info;
    use super::*;
    use crate::core::record::ToolCall;
    use regex::Regex;
    use serde_json_path::JsonPath;

    fn response(text: &str) -> Response {
        Response { text: text.into(), ..Response::default() }
    }

    fn accepted(body: &str, sha256: &str) -> Snapshot {
        let info = Info { sha256: sha256.into(), ..Info::default() };
        Snapshot::new("a", "b", &info, body.into())
    }

    fn answer(text: &str, compare: Compare) -> Answer {
        Answer::new(&response(text), compare, &SnapshotSettings::default())
    }

    #[test]
    fn text_is_compared_byte_for_byte() {
        let text = answer("a \r\nb\n", Compare::Text);
        assert!(text.matches(&accepted("a \r\nb\n", "")));
        assert!(!text.matches(&accepted("a \r\nb", "")), "a trailing line feed is a change");
        assert!(text.matches(&accepted("a \nb", text.sha256())), "what insta trimmed is still the answer");
    }

    #[test]
    fn json_is_compared_by_what_it_says() {
        let json = answer("{\"b\":1.0,\"a\":[1,2]}", Compare::Json);
        assert_eq!(json.body(), "{\n  \"b\": 1.0,\n  \"a\": [\n    1,\n    2\n  ]\n}");
        assert!(json.matches(&accepted("{\"a\": [1, 2], \"b\": 1}", "")));
        assert!(!json.matches(&accepted("{\"a\": [2, 1], \"b\": 1}", "")));
        assert!(!answer("no json", Compare::Json).matches(&accepted("{}", "")));
    }

    #[test]
    fn a_text_that_looks_like_tool_calls_is_not_tool_calls() {
        let call = ToolCall { id: "1".into(), name: "refund".into(), arguments: serde_json::json!({"order": 7}) };
        let real = Response { text: "Done.".into(), tool_calls: vec![call], ..Response::default() };
        let real = Answer::new(&real, Compare::Text, &SnapshotSettings::default());
        let forged = answer(real.body(), Compare::Text);
        assert_eq!(forged.body(), real.body());
        assert!(real.matches(&accepted(real.body(), real.sha256())));
        assert!(!forged.matches(&accepted(real.body(), real.sha256())));
    }

    #[test]
    fn volatile_parts_are_replaced_before_comparing() {
        let redact = vec![
            Redaction {
                target: RedactionTarget::Pattern(Regex::new(r"\d{4}-\d\d-\d\d").expect("valid")),
                replacement: "[date]".into(),
            },
            Redaction {
                target: RedactionTarget::Path(JsonPath::parse("$.items[*].id").expect("valid")),
                replacement: "[id]".into(),
            },
        ];
        let settings = SnapshotSettings { redact, ..SnapshotSettings::default() };
        let text = Answer::new(&response("on 2026-01-02"), Compare::Text, &settings);
        assert_eq!(text.body(), "on [date]");
        let json = Answer::new(&response(r#"{"items":[{"id":1},{"id":2}]}"#), Compare::Json, &settings);
        assert!(json.matches(&accepted(r#"{"items":[{"id":"[id]"},{"id":"[id]"}]}"#, "")));
    }
}
