//! An answer without secrets.

use serde_json::{Map, Value};

use super::record::{Document, Logprob, Response, ToolCall};
use super::redact::Secrets;

/// Replaces every known secret in an answer.
pub fn redact_response(response: &mut Response, secrets: &Secrets) {
    // Every field is named, so that a new one is not forgotten here.
    let Response {
        text,
        tool_calls,
        finish_reason: _,
        finish_detail,
        usage: _,
        latency_ms: _,
        model,
        system_fingerprint,
        refusal,
        reasoning,
        logprobs,
        embedding: _,
        documents,
        attempts: _,
    } = response;
    redact_text(text, secrets);
    for text in [model, system_fingerprint, refusal, reasoning, finish_detail].into_iter().flatten() {
        redact_text(text, secrets);
    }
    for Logprob { token, logprob: _, top } in logprobs {
        redact_text(token, secrets);
        for (token, _) in top {
            redact_text(token, secrets);
        }
    }
    for Document { id, text, score: _, source } in documents.iter_mut().flatten() {
        redact_text(id, secrets);
        redact_text(text, secrets);
        if let Some(source) = source {
            redact_text(source, secrets);
        }
    }
    for ToolCall { id, name, arguments } in tool_calls {
        redact_text(id, secrets);
        redact_text(name, secrets);
        redact_value(arguments, secrets);
    }
}

fn redact_text(text: &mut String, secrets: &Secrets) {
    if secrets.found_in(text) {
        *text = secrets.redact(text).into_owned();
    }
}

fn redact_value(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) => redact_text(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|item| redact_value(item, secrets)),
        Value::Object(map) => {
            let redacted = |(mut name, mut item): (String, Value)| {
                redact_text(&mut name, secrets);
                redact_value(&mut item, secrets);
                (name, item)
            };
            *map = std::mem::take(map).into_iter().map(redacted).collect::<Map<_, _>>();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
