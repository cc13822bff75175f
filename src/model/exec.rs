//! `exec`: a program of one's own. It is given `{"request": …, "sample": N}` on standard input and prints
//! `{"text": …}`, or `{"error": {"message": …}}`. It runs only where somebody outside the repository allows it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::{Fault, FaultKind, start_of};
use super::provider::{Building, Exchange, Provider, Reply};
use super::wire::{arguments, base64_of, unexpected};
use crate::core::record::{FinishReason, Request, Response, ToolCall, Usage};

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 1] = ["command"];
const API: &str = "the program must print one JSON object with `text`, and nothing else";

struct Exec {
    command: Vec<String>,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    let command = command(building)?;
    if building.entry.base_url.is_some() {
        building.wrong("a program has no base-url".to_owned(), "leave it out");
    }
    Some(Box::new(Exec { command }))
}

/// The program of an entry, with its arguments.
pub(super) fn command(building: &mut Building<'_, '_>) -> Option<Vec<String>> {
    let what = format!("the {} `{}`", building.entry.what(), building.entry.alias);
    let command = match building.option("command") {
        Some(node) => building.decoder().texts(node, "command")?,
        None => Vec::new(),
    };
    if command.first().is_none_or(String::is_empty) {
        let message = format!("{what} does not say which program it is");
        building.wrong(message, "write its name and its arguments: `command: [python3, answer.py]`");
        return None;
    }
    if let [only] = command.as_slice()
        && only.contains(char::is_whitespace)
    {
        let message = format!("{what} names the program `{only}`, and no shell cuts that apart");
        let words: Vec<&str> = only.split_whitespace().collect();
        building.wrong(message, &format!("write a list: `command: [{}]`", words.join(", ")));
        return None;
    }
    Some(command)
}

impl Provider for Exec {
    fn exchange(&self, request: &Request, sample: u32, _attempt: u32) -> Exchange {
        let mut shown = json!(request);
        for (message, value) in request.messages.iter().zip(shown["messages"].as_array_mut().into_iter().flatten()) {
            for (image, value) in message.images.iter().zip(value["images"].as_array_mut().into_iter().flatten()) {
                value["data"] = json!(base64_of(image));
            }
        }
        let input = json!({"request": shown, "sample": sample}).to_string().into_bytes();
        Exchange::Program { command: self.command.clone(), input }
    }

    /// The status is the program's exit code.
    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        let answer: Answer =
            serde_json::from_slice(&reply.body).map_err(|error| unexpected(&error.to_string(), &reply.body, API))?;
        if let Some(error) = answer.error {
            let message = error.get("message").and_then(Value::as_str).or(error.as_str()).unwrap_or("an error");
            let again = error.get("retry").and_then(Value::as_bool) == Some(true);
            let message = format!("the program answered with an error: {}", start_of(message.as_bytes()));
            return Err(Fault::new(FaultKind::Server, message).again(again));
        }
        if answer.text.is_none() && answer.tool_calls.is_empty() {
            return Err(unexpected("there is no `text`", &reply.body, API));
        }
        let call = |call: WireCall| ToolCall { id: call.id, name: call.name, arguments: arguments(call.arguments) };
        let tool_calls: Vec<ToolCall> = answer.tool_calls.into_iter().map(call).collect();
        let usual = if tool_calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        Ok(Response {
            text: answer.text.unwrap_or_default(),
            tool_calls,
            finish_reason: answer.finish_reason.unwrap_or(usual),
            usage: answer.usage,
            model: answer.model,
            refusal: answer.refusal,
            reasoning: answer.reasoning,
            ..Response::default()
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    error: Option<Value>,
    text: Option<String>,
    #[serde(default)]
    tool_calls: Vec<WireCall>,
    finish_reason: Option<FinishReason>,
    #[serde(default)]
    usage: Usage,
    model: Option<String>,
    refusal: Option<String>,
    reasoning: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCall {
    #[serde(default)]
    id: String,
    name: String,
    #[serde(default)]
    arguments: Value,
}
