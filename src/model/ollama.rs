//! Ollama's own protocol: `POST {base}/api/chat` and, for embeddings, `/api/embed`, no key. Source of the shapes: Ollama's API documentation.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::embedding::{self, DIMENSIONS, Embeds, text_of};
use super::fault::{Fault, FaultKind};
use super::openai::{WireLogprob, WireToolCall};
use super::params::{Parameter, cannot, listed, renamed, translated};
use super::provider::{Building, Exchange, Provider, Reply};
use super::wire::{BODY, Endpoint, HEADERS, base64_of, cannot_pair, promised, put};
use crate::core::record::{FinishReason, Message, Request, Response, Role, ToolCall, Usage};

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 2] = [HEADERS, BODY];
pub(super) const PARAMETERS: [Parameter; 9] = [
    renamed("max_tokens", "num_predict"),
    renamed("max_completion_tokens", "num_predict"),
    renamed("reasoning_effort", "think"),
    listed("stop", "stop"),
    cannot("tool_choice", ""),
    cannot("parallel_tool_calls", ""),
    cannot("logit_bias", ""),
    cannot("verbosity", ""),
    cannot("format", "ask for it with `output: { schema: … }` in the front matter of the prompt"),
];
/// Parameters that stand beside `options`, not in it.
const OUTSIDE: [&str; 7] = [DIMENSIONS, "think", "keep_alive", "logprobs", "top_logprobs", "truncate", "shift"];
const VENDOR: &str = "http://localhost:11434";
const API: &str = "Ollama";

struct Ollama {
    endpoint: Endpoint,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    Some(Box::new(Ollama { endpoint: Endpoint::read(building, VENDOR)? }))
}

impl Ollama {
    fn call(&self, operation: &str, body: Map<String, Value>) -> Exchange {
        let base = self.endpoint.base.trim_end_matches("/api");
        Exchange::Http(self.endpoint.call(format!("{base}/api/{operation}"), body))
    }
}

impl Embeds for Ollama {
    fn exchange(&self, request: &Request, _attempt: u32) -> Exchange {
        let mut body = Map::new();
        body.insert("model".into(), json!(request.model));
        body.insert("input".into(), json!(text_of(request)));
        put_params(&mut body, request.params.clone());
        self.call("embed", body)
    }

    fn parse(&self, request: &Request, reply: &Reply) -> Result<Response, Fault> {
        let answer: Embedded = self.endpoint.decode(reply, API)?;
        if let Some(error) = answer.error {
            return Err(error_in_answer(&error));
        }
        embedding::response(
            request,
            reply,
            API,
            embedding::only(&answer.embeddings),
            answer.prompt_eval_count,
            answer.model,
        )
    }
}

fn error_in_answer(error: &str) -> Fault {
    Fault::new(FaultKind::Server, format!("the server answered with an error: {error}")).again(true)
}

impl Provider for Ollama {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        self.call("chat", body(request))
    }

    fn host(&self) -> Option<String> {
        self.endpoint.host()
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        cannot_pair(request)
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        Some(self)
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        let answer: Answer = self.endpoint.decode(reply, API)?;
        if let Some(error) = answer.error {
            return Err(error_in_answer(&error));
        }
        let Some(message) = answer.message else { return Err(promised("there is no message", &reply.body, API)) };
        let tool_calls: Vec<ToolCall> = message.tool_calls.unwrap_or_default().into_iter().map(Into::into).collect();
        let finish_reason = match answer.done_reason.as_deref() {
            Some("stop") if !tool_calls.is_empty() => FinishReason::ToolCalls,
            Some("stop") => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            // Older servers give no reason.
            None if answer.done && !tool_calls.is_empty() => FinishReason::ToolCalls,
            None if answer.done => FinishReason::Stop,
            _ => FinishReason::Unknown,
        };
        Ok(Response {
            text: message.content,
            tool_calls,
            finish_detail: answer.done_reason.filter(|_| finish_reason == FinishReason::Unknown),
            finish_reason,
            usage: Usage { input: answer.prompt_eval_count, output: answer.eval_count, ..Usage::default() },
            model: answer.model,
            reasoning: message.thinking.filter(|text| !text.is_empty()),
            logprobs: answer.logprobs.unwrap_or_default().into_iter().map(Into::into).collect(),
            ..Response::default()
        })
    }
}

fn body(request: &Request) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), request.messages.iter().map(|m| message(m, request)).collect());
    body.insert("stream".into(), json!(false));
    if let Some(format) = &request.response_format {
        body.insert("format".into(), format.schema.clone());
    }
    if !request.tools.is_empty() {
        let tools: Vec<Value> =
            request.tools.iter().map(|tool| json!({"type": "function", "function": tool})).collect();
        body.insert("tools".into(), json!(tools));
    }
    put_params(&mut body, translated(&request.params, &PARAMETERS));
    body
}

/// Puts parameters where they belong: beside `options`, or into it.
fn put_params(body: &mut Map<String, Value>, params: Map<String, Value>) {
    for (name, value) in params {
        match name.as_str() {
            "options" => {
                for (inner, value) in value.as_object().cloned().unwrap_or_default() {
                    put(body, "options", &inner, value);
                }
            }
            name if OUTSIDE.contains(&name) => {
                body.insert(name.to_owned(), value);
            }
            name => put(body, "options", name, value),
        }
    }
}

fn message(message: &Message, request: &Request) -> Value {
    let role = if message.role == Role::Developer { Role::System } else { message.role };
    let mut value = json!({"role": role.name(), "content": message.content});
    if !message.images.is_empty() {
        value["images"] = message.images.iter().map(|image| json!(base64_of(image))).collect();
    }
    if !message.tool_calls.is_empty() {
        let call = |call: &ToolCall| json!({"function": {"name": call.name, "arguments": call.arguments}});
        value["tool_calls"] = message.tool_calls.iter().map(call).collect();
    }
    if let Some(id) = &message.tool_call_id {
        let calls = request.messages.iter().flat_map(|m| &m.tool_calls);
        if let Some(call) = calls.into_iter().find(|call| call.id == *id) {
            value["tool_name"] = json!(call.name);
        }
    }
    value
}

#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    model: Option<String>,
    message: Option<WireMessage>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    logprobs: Option<Vec<WireLogprob>>,
}

#[derive(Deserialize)]
struct Embedded {
    error: Option<String>,
    model: Option<String>,
    #[serde(default)]
    embeddings: Vec<Value>,
    prompt_eval_count: Option<u64>,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(default)]
    content: String,
    thinking: Option<String>,
    tool_calls: Option<Vec<WireToolCall>>,
}
