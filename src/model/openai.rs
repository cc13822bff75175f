//! OpenAI's Chat Completions, spoken by many servers: `POST {base}/chat/completions`.
//!
//! Parameters are passed on as they were written. Source of the shapes: OpenAI's API reference of the endpoint.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::{Fault, FaultKind, start_of};
use super::http::status_fault;
use super::provider::{Exchange, HttpCall, Provider, Reply};
use crate::core::decode::Decoder;
use crate::core::problem::Problems;
use crate::core::record::{FinishReason, Request, Response, ToolCall, Usage};
use crate::project::ModelEntry;

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 2] = ["headers", "body"];
const VENDOR: &str = "https://api.openai.com/v1";

struct OpenAi {
    url: String,
    headers: Vec<(String, String)>,
    body: Map<String, Value>,
    alias: String,
}

pub(super) fn build(entry: &ModelEntry, problems: &mut Problems) -> Option<Box<dyn Provider>> {
    let mut decoder = Decoder { source: &entry.source, problems };
    let base = entry.base_url.as_deref().unwrap_or(VENDOR);
    let mut provider = OpenAi {
        url: format!("{base}/chat/completions"),
        headers: Vec::new(),
        body: Map::new(),
        alias: entry.alias.to_string(),
    };
    for (key, node) in &entry.options {
        match key.text.as_str() {
            "headers" => {
                for (name, value) in decoder.map(node, "headers")?.iter() {
                    if ["authorization", "api-key", "x-api-key", "cookie"].contains(&name.text.to_lowercase().as_str())
                    {
                        let help = "name the variable that holds the key with `api-key-env`";
                        let message =
                            format!("the header `{}` carries a key, which does not belong into a file", name.text);
                        decoder.error_help(name.span.clone(), message, help);
                        continue;
                    }
                    let text = decoder.text(value, "a header")?;
                    let valid = reqwest::header::HeaderName::from_bytes(name.text.as_bytes()).is_ok()
                        && reqwest::header::HeaderValue::from_str(&text).is_ok();
                    if !valid {
                        decoder.error(name.span.clone(), format!("`{}` is no valid HTTP header", name.text));
                        continue;
                    }
                    provider.headers.push((name.text.clone(), text));
                }
            }
            "body" => {
                decoder.map(node, "body")?;
                provider.body = node.to_json().as_object().cloned().unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(Box::new(provider))
}

impl Provider for OpenAi {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(self.headers.iter().cloned());
        let body = self.body(request).to_string().into_bytes();
        Exchange::Http(HttpCall { url: self.url.clone(), headers, body })
    }

    fn host(&self) -> Option<String> {
        reqwest::Url::parse(&self.url).ok()?.host_str().map(str::to_owned)
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        if !(200..300).contains(&reply.status) {
            return Err(self.fault(reply));
        }
        let promised = |why: String| {
            let message = format!("the answer is not what the protocol promises ({why}): {}", start_of(&reply.body));
            Fault::new(FaultKind::Protocol, message).help("is base-url the address of an OpenAI-compatible API?")
        };
        let completion: Completion =
            serde_json::from_slice(&reply.body).map_err(|error| promised(error.to_string()))?;
        if let Some(error) = completion.error.filter(|error| !error.is_null()) {
            return Err(Fault::new(
                FaultKind::Server,
                format!("the server answered with an error: {}", error_text(&error)),
            )
            .again(true));
        }
        let choice = completion.choices.into_iter().next().ok_or_else(|| promised("there is no choice".into()))?;
        let message = choice.message;
        let usage = completion.usage.unwrap_or_default();
        Ok(Response {
            text: message.content.map(content_text).unwrap_or_default(),
            tool_calls: message.tool_calls.unwrap_or_default().into_iter().map(tool_call).collect(),
            finish_reason: match &message.refusal {
                Some(refusal) if !refusal.is_empty() => FinishReason::Refusal,
                _ => finish_reason(choice.finish_reason.as_deref()),
            },
            usage: Usage {
                input: usage.prompt_tokens,
                cached_input: usage.prompt_tokens_details.and_then(|details| details.cached_tokens),
                output: usage.completion_tokens,
                reasoning: usage.completion_tokens_details.and_then(|details| details.reasoning_tokens),
            },
            model: completion.model,
            system_fingerprint: completion.system_fingerprint,
            refusal: message.refusal.filter(|refusal| !refusal.is_empty()),
            reasoning: message.reasoning_content.filter(|text| !text.is_empty()),
            ..Response::default()
        })
    }
}

impl OpenAi {
    fn body(&self, request: &Request) -> Value {
        let messages: Vec<Value> =
            request.messages.iter().map(|m| json!({"role": m.role.name(), "content": m.content})).collect();
        let mut body = Map::new();
        body.insert("model".into(), json!(request.model));
        body.insert("messages".into(), json!(messages));
        if let Some(format) = &request.response_format {
            let schema = json!({"name": format.name, "strict": is_strict(&format.schema), "schema": format.schema});
            body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": schema}));
        }
        if !request.tools.is_empty() {
            let tools: Vec<Value> =
                request.tools.iter().map(|tool| json!({"type": "function", "function": tool})).collect();
            body.insert("tools".into(), json!(tools));
        }
        body.extend(request.params.clone());
        body.extend(self.body.clone());
        Value::Object(body)
    }

    fn fault(&self, reply: &Reply) -> Fault {
        let error = serde_json::from_slice::<Value>(&reply.body).ok();
        let error = error.as_ref().and_then(|body| body.get("error").or(body.get("message")));
        let said = error.map_or_else(|| start_of(&reply.body), error_text);
        let code = error.and_then(|error| error.get("code")).and_then(Value::as_str).unwrap_or_default();
        let fault = status_fault(reply.status, &said, &self.alias);
        if code == "insufficient_quota" {
            // It comes with the status of a rate limit, but waiting does not help.
            return fault.again(false).help("the account has no credit left");
        }
        let parameter = error.and_then(|error| error.get("param")).and_then(Value::as_str);
        match parameter.filter(|_| reply.status == 400) {
            Some(name) => {
                fault.help(format!("see `{name}` in `params` of the prompt or of the model `{}`", self.alias))
            }
            None => fault,
        }
    }
}

/// OpenAI's strict mode wants every object closed and every property required; other schemas are sent as a wish.
fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            let closed = match map.get("properties").and_then(Value::as_object) {
                Some(properties) => {
                    let required: Vec<&str> = map
                        .get("required")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .collect();
                    map.get("additionalProperties") == Some(&Value::Bool(false))
                        && properties.keys().all(|key| required.contains(&key.as_str()))
                }
                None => map.get("type").and_then(Value::as_str) != Some("object"),
            };
            closed && map.values().all(is_strict)
        }
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    }
}

fn error_text(error: &Value) -> String {
    let message = error.get("message").and_then(Value::as_str).or(error.as_str());
    message.map_or_else(|| start_of(error.to_string().as_bytes()), |text| start_of(text.as_bytes()))
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

fn tool_call(call: WireToolCall) -> ToolCall {
    let arguments = match call.function.arguments {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    };
    ToolCall { id: call.id.unwrap_or_default(), name: call.function.name, arguments }
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
struct Choice {
    message: WireMessage,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct WireMessage {
    content: Option<Value>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<WireToolCall>>,
}

#[derive(Deserialize)]
struct WireToolCall {
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

#[derive(Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{Message, ResponseFormat, Role, Tool};

    fn provider() -> OpenAi {
        OpenAi {
            url: format!("{VENDOR}/chat/completions"),
            headers: Vec::new(),
            body: Map::new(),
            alias: "fast".into(),
        }
    }

    fn parse(status: u16, body: &str) -> Result<Response, Fault> {
        provider().parse(&Reply { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn a_request_has_the_documented_shape() {
        let request = Request {
            provider: "openai".into(),
            model: "gpt-4o-mini".into(),
            messages: vec![Message { role: Role::User, content: "hi".into() }],
            tools: vec![Tool { name: "f".into(), description: "d".into(), parameters: json!({"type": "object"}) }],
            response_format: Some(ResponseFormat {
                name: "out".into(),
                schema: json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}),
            }),
            params: json!({"max_completion_tokens": 64}).as_object().cloned().unwrap_or_default(),
        };
        let body = provider().body(&request);
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
        let usage = Usage { input: Some(19), cached_input: Some(4), output: Some(10), reasoning: Some(2) };
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
