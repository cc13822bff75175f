//! OpenAI's Responses: `POST {base}/responses`. Source of the shapes: OpenAI's API reference of the endpoint.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::{Fault, FaultKind};
use super::openai::{InputDetails, OutputDetails, WireLogprob};
use super::params::{Parameter, cannot, renamed, translated};
use super::provider::{BatchForm, Building, Exchange, Provider, Reply};
use super::wire::{
    BODY, Endpoint, HEADERS, Told, ToolChoice, arguments, arguments_text, cannot_pair, data_url, is_strict, parts,
    promised, put,
};
use crate::core::record::{FinishReason, Image, Message, Request, Response, Role, ToolCall, Usage};

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 2] = [HEADERS, BODY];
pub(super) const PARAMETERS: [Parameter; 10] = [
    renamed("max_tokens", "max_output_tokens"),
    renamed("max_completion_tokens", "max_output_tokens"),
    cannot("seed", ""),
    cannot("stop", ""),
    cannot("presence_penalty", ""),
    cannot("frequency_penalty", ""),
    cannot("logit_bias", ""),
    cannot("input", "the prompt's template makes the messages"),
    cannot("instructions", "write them as the prompt's first message, of the role `system`"),
    cannot("background", "answers are waited for"),
];
const VENDOR: &str = "https://api.openai.com/v1";
const API: &str = "OpenAI's Responses API";

struct Responses {
    endpoint: Endpoint,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    Some(Box::new(Responses { endpoint: Endpoint::read(building, VENDOR)? }))
}

impl Provider for Responses {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        let url = format!("{}/responses", self.endpoint.base);
        Exchange::Http(self.endpoint.call(url, body(request)))
    }

    fn host(&self) -> Option<String> {
        self.endpoint.host()
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        cannot_pair(request)
    }

    fn batch(&self, request: &Request) -> Option<(BatchForm, Value)> {
        let body = Value::Object(self.endpoint.whole(body(request)));
        Some((BatchForm::OpenAi { path: "/v1/responses" }, body))
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        let answer: Answer = self.endpoint.decode(reply, API)?;
        if let Some(error) = answer.error.filter(|error| !error.is_null()) {
            let told = Told::read(error.to_string().as_bytes());
            let again = ["server_error", "rate_limit_exceeded"].contains(&told.code.as_str());
            let kind = if told.code == "rate_limit_exceeded" { FaultKind::RateLimited } else { FaultKind::Server };
            let message = format!("the server answered with an error ({}): {}", told.code, told.message);
            return Err(Fault::new(kind, message).again(again));
        }
        let Some(output) = answer.output else { return Err(promised("there is no output", &reply.body, API)) };
        let mut response = Response::default();
        let (mut refusals, mut thoughts) = (Vec::new(), Vec::new());
        for item in output {
            match item {
                Item::Message { content } => {
                    for part in content {
                        match part {
                            Content::OutputText { text, logprobs } => {
                                response.text.push_str(&text);
                                response.logprobs.extend(logprobs.unwrap_or_default().into_iter().map(Into::into));
                            }
                            Content::Refusal { refusal } => refusals.push(refusal),
                            Content::Other => {}
                        }
                    }
                }
                Item::FunctionCall { call_id, name, arguments: given } => {
                    response.tool_calls.push(ToolCall { id: call_id, name, arguments: arguments(given) });
                }
                Item::Reasoning { summary } => {
                    thoughts.extend(summary.into_iter().filter_map(|part| part.text).filter(|text| !text.is_empty()));
                }
                Item::Other => {}
            }
        }
        response.reasoning = (!thoughts.is_empty()).then(|| thoughts.join("\n\n"));
        let incomplete = answer.incomplete_details.and_then(|details| details.reason);
        response.finish_reason = match (answer.status.as_deref(), incomplete.as_deref()) {
            _ if !refusals.is_empty() => FinishReason::Refusal,
            (_, Some("max_output_tokens")) => FinishReason::Length,
            (_, Some("content_filter")) => FinishReason::ContentFilter,
            (Some("completed"), _) if !response.tool_calls.is_empty() => FinishReason::ToolCalls,
            (Some("completed"), _) => FinishReason::Stop,
            _ => FinishReason::Unknown,
        };
        if response.finish_reason == FinishReason::Unknown {
            response.finish_detail = incomplete.or(answer.status);
        }
        let usage = answer.usage.unwrap_or_default();
        let cached = usage.input_tokens_details.unwrap_or_default();
        response.usage = Usage {
            input: usage.input_tokens,
            cached_input: cached.cached_tokens,
            cache_write: cached.cache_write_tokens,
            output: usage.output_tokens,
            reasoning: usage.output_tokens_details.and_then(|details| details.reasoning_tokens),
        };
        response.refusal = (!refusals.is_empty()).then(|| refusals.join("\n"));
        response.model = answer.model;
        Ok(response)
    }
}

fn body(request: &Request) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    // One message of instructions at the beginning has a field of its own; more of them keep their places.
    let (instructions, rest) = match request.messages.split_first() {
        Some((first, rest)) if first.role == Role::System && !rest.is_empty() => (Some(&first.content), rest),
        _ => (None, &request.messages[..]),
    };
    if let Some(text) = instructions {
        body.insert("instructions".into(), json!(text));
    }
    let input = match rest {
        [only] if only.role == Role::User && only.images.is_empty() => json!(only.content),
        _ => rest.iter().flat_map(items).collect(),
    };
    body.insert("input".into(), input);
    if let Some(format) = &request.response_format {
        let strict = is_strict(&format.schema);
        let format = json!({"type": "json_schema", "name": format.name, "strict": strict, "schema": format.schema});
        put(&mut body, "text", "format", format);
    }
    if !request.tools.is_empty() {
        let tool = |tool: &crate::core::record::Tool| {
            let mut value = json!({"type": "function", "name": tool.name, "parameters": tool.parameters});
            if !tool.description.is_empty() {
                value["description"] = json!(tool.description);
            }
            value["strict"] = json!(is_strict(&tool.parameters));
            value
        };
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    for (name, value) in translated(&request.params, &PARAMETERS) {
        match name.as_str() {
            "reasoning_effort" => put(&mut body, "reasoning", "effort", value),
            "verbosity" => put(&mut body, "text", "verbosity", value),
            "reasoning" | "text" if value.is_object() => {
                for (inner, value) in value.as_object().cloned().unwrap_or_default() {
                    put(&mut body, &name, &inner, value);
                }
            }
            "logprobs" if value.is_boolean() => {
                if value == json!(true) {
                    include(&mut body, json!(["message.output_text.logprobs"]));
                }
            }
            "include" => include(&mut body, value),
            "tool_choice" => {
                let value = match ToolChoice::read(&value) {
                    Some(ToolChoice::Named(name)) => json!({"type": "function", "name": name}),
                    _ => value,
                };
                body.insert(name, value);
            }
            _ => {
                body.insert(name, value);
            }
        }
    }
    body
}

/// Adds to what is to be included in an answer.
fn include(body: &mut Map<String, Value>, more: Value) {
    let all = body.entry("include").or_insert_with(|| json!([]));
    if let (Value::Array(all), Value::Array(more)) = (all, more) {
        all.extend(more);
    }
}

/// The items that a message is.
fn items(message: &Message) -> Vec<Value> {
    if let (Role::Tool, Some(id)) = (message.role, &message.tool_call_id) {
        return vec![json!({"type": "function_call_output", "call_id": id, "output": message.content})];
    }
    let mut items = Vec::new();
    if !message.images.is_empty() {
        let text = |text: &str| json!({"type": "input_text", "text": text});
        let image = |image: &Image| json!({"type": "input_image", "image_url": data_url(image)});
        items.push(json!({"role": message.role.name(), "content": parts(message, text, image)}));
    } else if message.tool_calls.is_empty() || !message.content.is_empty() {
        items.push(json!({"role": message.role.name(), "content": message.content}));
    }
    for call in &message.tool_calls {
        let given = arguments_text(&call.arguments);
        items.push(json!({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": given}));
    }
    items
}

#[derive(Deserialize)]
struct Answer {
    status: Option<String>,
    error: Option<Value>,
    incomplete_details: Option<Incomplete>,
    model: Option<String>,
    output: Option<Vec<Item>>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    Message {
        #[serde(default)]
        content: Vec<Content>,
    },
    FunctionCall {
        #[serde(default)]
        call_id: String,
        name: String,
        #[serde(default)]
        arguments: Value,
    },
    Reasoning {
        #[serde(default)]
        summary: Vec<Summary>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Summary {
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content {
    OutputText {
        text: String,
        logprobs: Option<Vec<WireLogprob>>,
    },
    Refusal {
        refusal: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Default, Deserialize)]
struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}
