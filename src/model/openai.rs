//! OpenAI's Chat Completions, spoken by many servers: `POST {base}/chat/completions`.
//!
//! Embeddings: `POST {base}/embeddings`. Parameters are passed on as they were written. Source of the shapes: OpenAI's API
//! reference of the endpoints.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::embedding::{self, Embeds, text_of};
use super::fault::{Fault, FaultKind};
use super::params::Parameter;
use super::provider::{BatchForm, Building, Exchange, Provider, Reply};
use super::wire::{Endpoint, Told, arguments, arguments_text, cannot_pair, data_url, is_strict, parts, promised};
use crate::core::record::{FinishReason, Image, Logprob, Message, Request, Response, Role, ToolCall, Usage};

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 3] = ["headers", "body", "max-tokens-name"];
pub(super) const PARAMETERS: [Parameter; 0] = [];
pub(super) const MAX_TOKENS_NAME: &str = "max-tokens-name";
const VENDOR: &str = "https://api.openai.com/v1";
pub(super) const API: &str = "an OpenAI-compatible API";

/// Models of OpenAI that refuse `max_tokens`: they count what they think, too.
static REASONING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(o\d|gpt-5)").unwrap_or_else(|_| unreachable!("a constant")));

/// The names of the one limit.
const LIMITS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

struct OpenAi {
    endpoint: Endpoint,
    chat: Chat,
}

/// The body of a request and the reading of an answer, which Azure shares.
#[derive(Debug, Default)]
pub(super) struct Chat {
    /// The name under which this server wants the limit on tokens.
    limit: Option<&'static str>,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    let endpoint = Endpoint::read(building, VENDOR)?;
    Some(Box::new(OpenAi { endpoint, chat: Chat::read(building)? }))
}

impl Provider for OpenAi {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        let url = format!("{}/chat/completions", self.endpoint.base);
        Exchange::Http(self.endpoint.call(url, self.chat.body(request)))
    }

    fn host(&self) -> Option<String> {
        self.endpoint.host()
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        Chat::cannot(request)
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        Some(self)
    }

    fn batch(&self, request: &Request) -> Option<(BatchForm, Value)> {
        let body = Value::Object(self.endpoint.whole(self.chat.body(request)));
        Some((BatchForm::OpenAi { path: "/v1/chat/completions" }, body))
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        Chat::parse(&self.endpoint, reply)
    }
}

impl Embeds for OpenAi {
    fn exchange(&self, request: &Request, _attempt: u32) -> Exchange {
        let url = format!("{}/embeddings", self.endpoint.base);
        Exchange::Http(self.endpoint.call(url, embeddings_body(request)))
    }

    fn parse(&self, request: &Request, reply: &Reply) -> Result<Response, Fault> {
        parse_embedding(&self.endpoint, request, reply)
    }
}

/// The body of a request for an embedding, which Azure shares.
pub(super) fn embeddings_body(request: &Request) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("input".into(), json!(text_of(request)));
    body.extend(request.params.clone());
    body
}

/// The response in a reply with embeddings.
pub(super) fn parse_embedding(endpoint: &Endpoint, request: &Request, reply: &Reply) -> Result<Response, Fault> {
    let answer: Embedded = endpoint.decode(reply, API)?;
    if let Some(error) = answer.error.filter(|error| !error.is_null()) {
        return Err(error_in_answer(&error));
    }
    let only = embedding::only(answer.data.iter().map(|item| &item.embedding));
    let tokens = answer.usage.and_then(|usage| usage.prompt_tokens);
    embedding::response(request, reply, API, only, tokens, answer.model)
}

fn error_in_answer(error: &Value) -> Fault {
    let said = Told::read(error.to_string().as_bytes()).message;
    Fault::new(FaultKind::Server, format!("the server answered with an error: {said}")).again(true)
}

impl Chat {
    pub(super) fn read(building: &mut Building<'_, '_>) -> Option<Self> {
        let mut chat = Self::default();
        if let Some(node) = building.option(MAX_TOKENS_NAME) {
            chat.limit = Some(building.decoder().choice(node, MAX_TOKENS_NAME, &LIMITS.map(|name| (name, name)))?);
        }
        Some(chat)
    }

    /// What of a request Chat Completions have no way to say.
    pub(super) fn cannot(request: &Request) -> Option<String> {
        let has = |name: &str| request.params.contains_key(name);
        if LIMITS.iter().all(|name| has(name)) {
            return Some("`max_tokens` beside `max_completion_tokens`".to_owned());
        }
        if has("response_format") && request.response_format.is_some() {
            return Some("`response_format` beside the `output:` of the prompt".to_owned());
        }
        cannot_pair(request)
    }

    pub(super) fn body(&self, request: &Request) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("model".into(), json!(request.model));
        body.insert("messages".into(), request.messages.iter().map(message).collect());
        if let Some(format) = &request.response_format {
            let schema = json!({"name": format.name, "strict": is_strict(&format.schema), "schema": format.schema});
            body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": schema}));
        }
        if !request.tools.is_empty() {
            let tools: Vec<Value> =
                request.tools.iter().map(|tool| json!({"type": "function", "function": tool})).collect();
            body.insert("tools".into(), json!(tools));
        }
        let limit = self.limit.or_else(|| REASONING.is_match(&request.model).then_some(LIMITS[1]));
        for (name, value) in &request.params {
            let name = limit.filter(|_| LIMITS.contains(&name.as_str())).unwrap_or(name);
            body.insert(name.to_owned(), value.clone());
        }
        body
    }

    pub(super) fn parse(endpoint: &Endpoint, reply: &Reply) -> Result<Response, Fault> {
        if let Some(filtered) = filtered(reply) {
            return Ok(filtered);
        }
        let completion: Completion = endpoint.decode(reply, API)?;
        if let Some(error) = completion.error.filter(|error| !error.is_null()) {
            return Err(error_in_answer(&error));
        }
        let Some(choice) = completion.choices.into_iter().next() else {
            return Err(promised("there is no choice", &reply.body, API));
        };
        let message = choice.message;
        let usage = completion.usage.unwrap_or_default();
        let refused = message.refusal.filter(|refusal| !refusal.is_empty());
        let finish_reason = match &refused {
            Some(_) => FinishReason::Refusal,
            None => finish_reason(choice.finish_reason.as_deref()),
        };
        let cached = usage.prompt_tokens_details.unwrap_or_default();
        Ok(Response {
            text: message.content.map(content_text).unwrap_or_default(),
            tool_calls: message.tool_calls.unwrap_or_default().into_iter().map(Into::into).collect(),
            finish_detail: choice.finish_reason.filter(|_| finish_reason == FinishReason::Unknown),
            finish_reason,
            usage: Usage {
                input: usage.prompt_tokens,
                cached_input: cached.cached_tokens,
                cache_write: cached.cache_write_tokens,
                output: usage.completion_tokens,
                reasoning: usage.completion_tokens_details.and_then(|details| details.reasoning_tokens),
            },
            model: completion.model,
            system_fingerprint: completion.system_fingerprint,
            refusal: refused,
            reasoning: message.reasoning_content.or(message.reasoning).filter(|text| !text.is_empty()),
            logprobs: choice.logprobs.and_then(|l| l.content).unwrap_or_default().into_iter().map(Into::into).collect(),
            ..Response::default()
        })
    }
}

fn message(message: &Message) -> Value {
    let content = if message.images.is_empty() {
        json!(message.content)
    } else {
        let text = |text: &str| json!({"type": "text", "text": text});
        let image = |image: &Image| json!({"type": "image_url", "image_url": {"url": data_url(image)}});
        json!(parts(message, text, image))
    };
    let mut value = json!({"role": message.role.name(), "content": content});
    if !message.tool_calls.is_empty() {
        let call = |call: &ToolCall| {
            let function = json!({"name": call.name, "arguments": arguments_text(&call.arguments)});
            json!({"id": call.id, "type": "function", "function": function})
        };
        value["tool_calls"] = message.tool_calls.iter().map(call).collect();
        if message.content.is_empty() {
            value["content"] = Value::Null;
        }
    }
    if let (Role::Tool, Some(id)) = (message.role, &message.tool_call_id) {
        value["tool_call_id"] = json!(id);
    }
    value
}

/// A prompt that a filter did not let through: an answer, though it comes with the status of an error.
fn filtered(reply: &Reply) -> Option<Response> {
    if reply.status != 400 {
        return None;
    }
    let told = Told::read(&reply.body);
    (told.code == "content_filter").then(|| Response {
        finish_reason: FinishReason::ContentFilter,
        finish_detail: Some(told.message),
        ..Response::default()
    })
}

fn finish_reason(text: Option<&str>) -> FinishReason {
    match text {
        Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some("tool_calls" | "function_call") => FinishReason::ToolCalls,
        Some("content_filter") => FinishReason::ContentFilter,
        _ => FinishReason::Unknown,
    }
}

fn content_text(content: Value) -> String {
    match content {
        Value::String(text) => text,
        // Some servers answer with a list of parts.
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
        _ => String::new(),
    }
}

impl From<WireToolCall> for ToolCall {
    fn from(call: WireToolCall) -> Self {
        let arguments = arguments(call.function.arguments);
        Self { id: call.id.unwrap_or_default(), name: call.function.name, arguments }
    }
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<WireUsage>,
    model: Option<String>,
    system_fingerprint: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Embedded {
    #[serde(default)]
    data: Vec<EmbeddingItem>,
    usage: Option<WireUsage>,
    model: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct EmbeddingItem {
    embedding: Value,
}

#[derive(Deserialize)]
struct Choice {
    message: WireMessage,
    finish_reason: Option<String>,
    logprobs: Option<WireLogprobs>,
}

#[derive(Deserialize)]
struct WireLogprobs {
    content: Option<Vec<WireLogprob>>,
}

/// A token's probability, as both of OpenAI's protocols tell it.
#[derive(Deserialize)]
pub(super) struct WireLogprob {
    token: String,
    logprob: f64,
    top_logprobs: Option<Vec<WireTop>>,
}

#[derive(Deserialize)]
struct WireTop {
    token: String,
    logprob: f64,
}

impl From<WireLogprob> for Logprob {
    fn from(wire: WireLogprob) -> Self {
        let top = wire.top_logprobs.unwrap_or_default().into_iter().map(|top| (top.token, top.logprob)).collect();
        Self { token: wire.token, logprob: wire.logprob, top }
    }
}

#[derive(Deserialize)]
struct WireMessage {
    content: Option<Value>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<WireToolCall>>,
}

/// A call of a tool, as Ollama tells it, too.
#[derive(Deserialize)]
pub(super) struct WireToolCall {
    id: Option<String>,
    function: WireFunction,
}

#[derive(Deserialize)]
struct WireFunction {
    name: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Default, Deserialize)]
struct WireUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
}

/// Of the tokens that were read, as both of OpenAI's protocols tell it.
#[derive(Default, Deserialize)]
pub(super) struct InputDetails {
    pub(super) cached_tokens: Option<u64>,
    pub(super) cache_write_tokens: Option<u64>,
}

/// Of the tokens that were written.
#[derive(Deserialize)]
pub(super) struct OutputDetails {
    pub(super) reasoning_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{RequestKind, ResponseFormat, Tool};
    use crate::model::tests::{provider, sent};

    fn parse(status: u16, body: &str) -> Result<Response, Fault> {
        provider("provider: openai\n").parse(&Reply { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn a_request_has_the_documented_shape() {
        let request = Request {
            provider: "openai".into(),
            model: "gpt-4o-mini".into(),
            kind: RequestKind::Answer,
            messages: vec![Message::new(Role::User, "hi")],
            tools: vec![Tool { name: "f".into(), description: "d".into(), parameters: json!({"type": "object"}) }],
            response_format: Some(ResponseFormat {
                name: "out".into(),
                schema: json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}),
            }),
            params: json!({"max_completion_tokens": 64}).as_object().cloned().unwrap_or_default(),
            extras: None,
            retrieved: None,
        };
        let (_, _, body) = sent(&*provider("provider: openai\n"), &request);
        assert_eq!(
            body,
            json!({
                "model": "gpt-4o-mini",
                "messages": [{"role": "user", "content": "hi"}],
                "response_format": {"type": "json_schema", "json_schema": {"name": "out", "strict": true, "schema": request.response_format.as_ref().map(|f| &f.schema)}},
                "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
                "max_completion_tokens": 64,
            })
        );
        assert!(!is_strict(&json!({"type": "object", "properties": {"a": {}}})));
    }

    #[test]
    fn an_answer_is_read_with_everything_in_it() {
        let response = parse(
            200,
            r#"{"id":"x","object":"chat.completion","created":1,"model":"gpt-4o-mini-2024-07-18","system_fingerprint":"fp_1",
              "choices":[{"index":0,"message":{"role":"assistant","content":"Hello!","refusal":null,
                "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
                              {"id":"c2","type":"function","function":{"name":"g","arguments":"{broken"}}]},
                "logprobs":null,"finish_reason":"tool_calls"}],
              "usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,
                "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}"#,
        )
        .expect("an answer");
        assert_eq!(response.text, "Hello!");
        assert_eq!(response.tool_calls[0].arguments, json!({"a": 1}));
        assert_eq!(response.tool_calls[1].arguments, json!("{broken"));
        assert_eq!(response.finish_reason, FinishReason::ToolCalls);
        let usage =
            Usage { input: Some(19), cached_input: Some(4), output: Some(10), reasoning: Some(2), cache_write: None };
        assert_eq!(response.usage, usage);
        assert_eq!(response.model.as_deref(), Some("gpt-4o-mini-2024-07-18"));
    }

    #[test]
    fn what_is_unknown_stays_unknown() {
        let response =
            parse(200, r#"{"choices":[{"message":{"content":null},"finish_reason":"eos"}]}"#).expect("an answer");
        assert_eq!((response.text.as_str(), response.finish_reason), ("", FinishReason::Unknown));
        let refused = r#"{"choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}"#;
        assert_eq!(parse(200, refused).expect("an answer").finish_reason, FinishReason::Refusal);
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        let html = parse(200, "<html>\u{1b}[31mproxy</html>").expect_err("a fault");
        assert_eq!((html.kind, html.again), (FaultKind::Protocol, false));
        assert!(!html.message.contains('\u{1b}'), "{}", html.message);
        assert!(parse(200, r#"{"choices":[]}"#).is_err());
        assert!(parse(200, r#"{"error":{"message":"overloaded","code":500}}"#).expect_err("a fault").again);
        let quota =
            parse(429, r#"{"error":{"message":"no credit","code":"insufficient_quota"}}"#).expect_err("a fault");
        assert!(!quota.again);
        assert!(parse(429, r#"{"error":{"message":"slow down","code":null}}"#).expect_err("a fault").again);
        let param = parse(400, r#"{"error":{"message":"Unsupported parameter","param":"max_tokens","code":"x"}}"#);
        assert!(param.expect_err("a fault").help.is_some_and(|help| help.contains("max_tokens")));
        assert_eq!(
            parse(401, r#"{"error":{"message":"bad key","code":401}}"#).expect_err("a fault").kind,
            FaultKind::Credentials
        );
        assert_eq!(parse(404, "not found").expect_err("a fault").kind, FaultKind::NotFound);
    }
}
