//! Anthropic's Messages: `POST {base}/v1/messages`. Source of the shapes: Anthropic's API reference.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::{Fault, FaultKind};
use super::params::{Parameter, cannot, listed, renamed, translated};
use super::provider::{BatchForm, Building, Exchange, HttpCall, KeyHeader, Provider, Reply};
use super::wire::{
    BODY, Endpoint, HEADERS, Told, ToolChoice, Turns, base64_of, cannot_take_turns, parts, promised, put,
};
use crate::core::record::{FinishReason, Image, Message, Request, Response, Role, ToolCall, Usage};
use crate::plan::default_limit;

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 4] = [HEADERS, BODY, STRUCTURED, "version"];
pub(super) const STRUCTURED: &str = "structured-output";
pub(super) const PARAMETERS: [Parameter; 11] = [
    renamed("max_completion_tokens", "max_tokens"),
    listed("stop", "stop_sequences"),
    cannot("seed", ""),
    cannot("logprobs", ""),
    cannot("top_logprobs", ""),
    cannot("logit_bias", ""),
    cannot("presence_penalty", ""),
    cannot("frequency_penalty", ""),
    cannot("system", "write it as the prompt's first message, of the role `system`"),
    cannot("verbosity", ""),
    cannot("modalities", ""),
];
const VENDOR: &str = "https://api.anthropic.com";
const API: &str = "Anthropic's Messages API";
/// The protocol's version, where an entry names no other.
const VERSION: &str = "2023-06-01";

struct Anthropic {
    endpoint: Endpoint,
    version: String,
    /// Whether a form is asked for by a tool that must be called: older models know no other way.
    by_tool: bool,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    let by_tool = match building.option(STRUCTURED) {
        Some(node) => building.decoder().choice(node, STRUCTURED, &[("native", false), ("tool", true)])?,
        None => false,
    };
    let version = match building.option("version") {
        Some(node) => building.decoder().text(node, "version")?,
        None => VERSION.to_owned(),
    };
    Some(Box::new(Anthropic { endpoint: Endpoint::read(building, VENDOR)?, version, by_tool }))
}

impl Provider for Anthropic {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        let base = self.endpoint.base.trim_end_matches("/v1");
        let mut call: HttpCall = self.endpoint.call(format!("{base}/v1/messages"), self.body(request));
        call.headers.push(("anthropic-version".to_owned(), self.version.clone()));
        Exchange::Http(call)
    }

    fn host(&self) -> Option<String> {
        self.endpoint.host()
    }

    fn key_header(&self) -> KeyHeader {
        KeyHeader::Named("x-api-key".to_owned())
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        let other = self.by_tool && request.response_format.is_some() && request.params.contains_key("tool_choice");
        if other {
            return Some(format!("`tool_choice` beside `{STRUCTURED}: tool`, which makes the choice"));
        }
        if request.tools.iter().any(|tool| tool.name == ANSWER) {
            return Some(format!("a tool of the name `{ANSWER}`, which promptctl uses itself"));
        }
        cannot_take_turns(request)
    }

    fn batch(&self, request: &Request) -> Option<(BatchForm, Value)> {
        Some((BatchForm::Anthropic, Value::Object(self.endpoint.whole(self.body(request)))))
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        let answer: Answer = self.endpoint.decode(reply, API)?;
        if let Some(error) = answer.error {
            let told = Told::read(error.to_string().as_bytes());
            let again = ["overloaded_error", "api_error", "rate_limit_error", "timeout_error"];
            let message = format!("the server answered with an error ({}): {}", told.code, told.message);
            return Err(Fault::new(FaultKind::Server, message).again(again.contains(&told.code.as_str())));
        }
        let Some(content) = answer.content else { return Err(promised("there is no content", &reply.body, API)) };
        let mut response = Response::default();
        let mut reasoning = Vec::new();
        for block in content {
            match block {
                Block::Text { text } => response.text.push_str(&text),
                Block::Thinking { thinking } => reasoning.push(thinking),
                Block::ToolUse { name, input, .. } if self.by_tool && name == ANSWER => {
                    response.text.push_str(&input.to_string());
                }
                Block::ToolUse { id, name, input } => {
                    response.tool_calls.push(ToolCall { id, name, arguments: input });
                }
                Block::Other => {}
            }
        }
        response.reasoning = Some(reasoning.join("\n\n")).filter(|text| !text.is_empty());
        response.finish_reason = match answer.stop_reason.as_deref() {
            Some("end_turn" | "stop_sequence") => FinishReason::Stop,
            // The tool that only carries the answer is no call of a tool.
            Some("tool_use") if response.tool_calls.is_empty() && !response.text.is_empty() => FinishReason::Stop,
            Some("tool_use") => FinishReason::ToolCalls,
            Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
            Some("refusal") => FinishReason::Refusal,
            _ => FinishReason::Unknown,
        };
        let details = answer.stop_details.unwrap_or_default();
        response.finish_detail = match (response.finish_reason, answer.stop_reason.as_deref()) {
            (FinishReason::Refusal, _) => details.category,
            (FinishReason::Unknown, reason) | (_, reason @ Some("model_context_window_exceeded")) => {
                reason.map(str::to_owned)
            }
            _ => None,
        };
        response.refusal = details.explanation.filter(|_| response.finish_reason == FinishReason::Refusal);
        response.usage = answer.usage.unwrap_or_default().into();
        response.model = answer.model;
        Ok(response)
    }
}

impl Anthropic {
    fn body(&self, request: &Request) -> Map<String, Value> {
        let conversation = Turns::of(request);
        let mut params = translated(&request.params, &PARAMETERS);
        let mut body = Map::new();
        body.insert("model".into(), json!(request.model));
        body.insert(
            "max_tokens".into(),
            params.remove("max_tokens").unwrap_or_else(|| json!(default_limit("anthropic"))),
        );
        match conversation.instructions.as_slice() {
            [] => {}
            [only] => {
                body.insert("system".into(), json!(only));
            }
            several => {
                body.insert("system".into(), several.iter().map(|text| text_block(text)).collect());
            }
        }
        let turn =
            |(role, messages): &(Role, Vec<&Message>)| json!({"role": role.name(), "content": content(messages)});
        body.insert("messages".into(), conversation.turns.iter().map(turn).collect());
        let tool = |name: &str, description: &str, schema: &Value| {
            let mut value = json!({"name": name});
            if !description.is_empty() {
                value["description"] = json!(description);
            }
            value["input_schema"] = schema.clone();
            value
        };
        let mut tools: Vec<Value> =
            request.tools.iter().map(|t| tool(&t.name, &t.description, &t.parameters)).collect();
        match &request.response_format {
            Some(format) if self.by_tool => {
                tools.push(tool(ANSWER, "Give the answer with this tool.", &format.schema));
                let choice = json!({"type": "tool", "name": ANSWER});
                body.insert("tool_choice".into(), choice);
            }
            Some(format) => {
                let format = json!({"type": "json_schema", "schema": format.schema});
                put(&mut body, "output_config", "format", format);
            }
            None => {}
        }
        if !tools.is_empty() {
            body.insert("tools".into(), json!(tools));
        }
        for (name, value) in params {
            match name.as_str() {
                "tool_choice" => merge(&mut body, "tool_choice", tool_choice(&value).unwrap_or(value)),
                "parallel_tool_calls" => {
                    if value == json!(false) {
                        merge(&mut body, "tool_choice", json!({"disable_parallel_tool_use": true}));
                    }
                }
                "reasoning_effort" => put(&mut body, "output_config", "effort", value),
                "output_config" => merge(&mut body, "output_config", value),
                _ => {
                    body.insert(name, value);
                }
            }
        }
        if let Some(choice) = body.get_mut("tool_choice").and_then(Value::as_object_mut)
            && !choice.contains_key("type")
        {
            choice.insert("type".into(), json!("auto"));
        }
        body
    }
}

/// The tool that carries an answer of a form. No tool of a prompt may be called so.
const ANSWER: &str = "promptctl_answer";

fn merge(body: &mut Map<String, Value>, outer: &str, value: Value) {
    match value {
        Value::Object(map) => map.into_iter().for_each(|(inner, value)| put(body, outer, &inner, value)),
        other => {
            body.insert(outer.to_owned(), other);
        }
    }
}

fn tool_choice(value: &Value) -> Option<Value> {
    Some(match ToolChoice::read(value)? {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
    })
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// What one side says in a row: a text where it is just one, else blocks.
fn content(messages: &[&Message]) -> Value {
    if let [only] = messages
        && only.images.is_empty()
        && only.tool_calls.is_empty()
        && only.role != Role::Tool
    {
        return json!(only.content);
    }
    let mut blocks = Vec::new();
    for message in messages {
        if let (Role::Tool, Some(id)) = (message.role, &message.tool_call_id) {
            blocks.push(json!({"type": "tool_result", "tool_use_id": id, "content": message.content}));
            continue;
        }
        let image = |image: &Image| {
            let source = json!({"type": "base64", "media_type": image.media_type, "data": base64_of(image)});
            json!({"type": "image", "source": source})
        };
        blocks.extend(parts(message, text_block, image));
        for call in &message.tool_calls {
            blocks.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}));
        }
    }
    json!(blocks)
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Value>,
    model: Option<String>,
    content: Option<Vec<Block>>,
    stop_reason: Option<String>,
    stop_details: Option<StopDetails>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    Thinking {
        thinking: String,
    },
    ToolUse {
        #[serde(default)]
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Default, Deserialize)]
struct StopDetails {
    category: Option<String>,
    explanation: Option<String>,
}

#[derive(Default, Deserialize)]
struct WireUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

/// The protocol counts what came from the cache, or went into it, apart from the rest of the input.
impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        let cached = wire.cache_read_input_tokens.unwrap_or(0) + wire.cache_creation_input_tokens.unwrap_or(0);
        Self {
            input: wire.input_tokens.map(|input| input + cached),
            cached_input: wire.cache_read_input_tokens,
            cache_write: wire.cache_creation_input_tokens,
            output: wire.output_tokens,
            reasoning: wire.output_tokens_details.and_then(|details| details.thinking_tokens),
        }
    }
}
