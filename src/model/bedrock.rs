//! Amazon Bedrock's Converse: `POST https://bedrock-runtime.{region}.amazonaws.com/model/{model}/converse`, with a
//! bearer token or with a signature. Embeddings of Amazon's Titan and of Cohere's models: `…/invoke`, whose bodies are the
//! models' own. Source of the shapes: AWS's API reference of the operations, and its user guide of the models.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::embedding::{self, Embeds, params_with, text_of};
use super::fault::Fault;
use super::params::{Parameter, cannot, listed, renamed, translated};
use super::provider::{Building, Exchange, Provider, Reply};
use super::wire::{BODY, Endpoint, HEADERS, ToolChoice, Turns, base64_of, cannot_take_turns, parts, promised, put};
use crate::core::record::{FinishReason, Image, Message, Request, Response, Role, Tool, ToolCall, Usage};

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 3] = [HEADERS, BODY, "region"];
pub(super) const PARAMETERS: [Parameter; 17] = [
    renamed("max_tokens", "maxTokens"),
    renamed("max_completion_tokens", "maxTokens"),
    renamed("top_p", "topP"),
    listed("stop", "stopSequences"),
    cannot("seed", FIELDS),
    cannot("top_k", FIELDS),
    cannot("logprobs", ""),
    cannot("top_logprobs", ""),
    cannot("logit_bias", ""),
    cannot("presence_penalty", FIELDS),
    cannot("frequency_penalty", FIELDS),
    cannot("reasoning_effort", FIELDS),
    cannot("parallel_tool_calls", ""),
    cannot("verbosity", FIELDS),
    cannot("thinking", FIELDS),
    cannot("system", "write it as the prompt's first message, of the role `system`"),
    cannot("toolConfig", "write `tool_choice`, and name tools with `tools:` in the front matter of the prompt"),
];
/// What models know beyond the protocol is passed on to them as it is.
const FIELDS: &str = "write it below `additionalModelRequestFields`, if the model knows it";
/// Parameters that every model knows.
const INFERENCE: [&str; 4] = ["maxTokens", "temperature", "topP", "stopSequences"];
const API: &str = "Amazon Bedrock";

struct Bedrock {
    endpoint: Endpoint,
    region: String,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    let written = match building.option("region") {
        Some(node) => Some(building.decoder().text(node, "region")?),
        None => None,
    };
    let outside = || building.variable("AWS_REGION").or_else(|| building.variable("AWS_DEFAULT_REGION"));
    let region = written.clone().or_else(outside).unwrap_or_default();
    // It becomes part of an address.
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !region.chars().all(valid) {
        building.wrong(format!("`{region}` is no region of AWS"), "write one such as `region: eu-central-1`");
        return None;
    }
    if region.is_empty() && building.variables.is_some() {
        let message = format!("the model `{}` does not say which region of AWS it is in", building.entry.alias);
        building.wrong(message, "write `region: eu-central-1`, or set AWS_REGION");
        return None;
    }
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let vendor = format!("https://bedrock-runtime.{region}.{suffix}");
    Some(Box::new(Bedrock { endpoint: Endpoint::read(building, &vendor)?, region }))
}

impl Bedrock {
    fn call(&self, request: &Request, operation: &str, body: Map<String, Value>) -> Exchange {
        let url = format!("{}/model/{}/{operation}", self.endpoint.base, path_segment(&request.model));
        Exchange::Http(self.endpoint.call(url, body))
    }

    /// The fault of a model that failed: its own status says whether another attempt may help.
    fn failed(&self, reply: &Reply) -> Option<Fault> {
        if reply.status != 424 {
            return None;
        }
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let original = body.get("originalStatusCode").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
        let status = original.unwrap_or(reply.status);
        Some(self.endpoint.fault(&Reply { status, body: reply.body.clone() }))
    }
}

/// The makers of embeddings whose bodies are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    Titan,
    Cohere,
}

impl Maker {
    /// The maker of a model, by its id, which may be a part of an ARN or have a region before it.
    fn of(model: &str) -> Option<Self> {
        match model {
            _ if model.contains("amazon.titan-embed-text") || model.contains("amazon.titan-embed-g1-text") => {
                Some(Self::Titan)
            }
            _ if model.contains("cohere.embed") => Some(Self::Cohere),
            _ => None,
        }
    }
}

impl Embeds for Bedrock {
    fn exchange(&self, request: &Request, _attempt: u32) -> Exchange {
        let text = text_of(request);
        let mut body = Map::new();
        if Maker::of(&request.model) == Some(Maker::Cohere) {
            body.insert("texts".into(), json!([text]));
            body.extend(params_with(request, "output_dimension"));
        } else {
            body.insert("inputText".into(), json!(text));
            body.extend(request.params.clone());
        }
        self.call(request, "invoke", body)
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        match Maker::of(&request.model) {
            None => Some(format!("a text to embed by `{}`: Titan's text embeddings and Cohere's can", request.model)),
            Some(Maker::Cohere) if !request.params.contains_key("input_type") => {
                let forms = "search_document, search_query, classification or clustering";
                Some(format!(
                    "a text to embed without `input_type`, which Cohere's models want among `params`: {forms}"
                ))
            }
            Some(_) => None,
        }
    }

    fn parse(&self, request: &Request, reply: &Reply) -> Result<Response, Fault> {
        if let Some(fault) = self.failed(reply) {
            return Err(fault);
        }
        let answer: Value = self.endpoint.decode(reply, API)?;
        let several = answer.get("embeddings").map(|found| found.get("float").unwrap_or(found));
        let found = match (answer.get("embedding"), several.and_then(Value::as_array)) {
            (Some(only), _) => Ok(only),
            (None, several) => embedding::only(several.into_iter().flatten()),
        };
        // Cohere's models tell their tokens in a header only.
        let tokens = answer.get("inputTextTokenCount").and_then(Value::as_u64);
        embedding::response(request, reply, API, found, tokens, None)
    }
}

impl Provider for Bedrock {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        self.call(request, "converse", body(request))
    }

    fn host(&self) -> Option<String> {
        self.endpoint.host()
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        if request.params.get("tool_choice").and_then(ToolChoice::read) == Some(ToolChoice::None) {
            return Some("`tool_choice: none`: leave the tools out".to_owned());
        }
        cannot_take_turns(request)
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        Some(self)
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        if let Some(fault) = self.failed(reply) {
            return Err(fault);
        }
        let answer: Answer = self.endpoint.decode(reply, API)?;
        let Some(message) = answer.output.and_then(|output| output.message) else {
            return Err(promised("there is no message", &reply.body, API));
        };
        let mut response = Response::default();
        for block in message.content {
            if let Some(text) = block.text {
                response.text.push_str(&text);
            }
            if let Some(call) = block.tool_use {
                response.tool_calls.push(ToolCall { id: call.id, name: call.name, arguments: call.input });
            }
            if let Some(text) = block.reasoning.and_then(|reasoning| reasoning.text).and_then(|text| text.text) {
                response.reasoning.get_or_insert_default().push_str(&text);
            }
        }
        let reason = answer.stop_reason.unwrap_or_default();
        response.finish_reason = match reason.as_str() {
            "end_turn" | "stop_sequence" => FinishReason::Stop,
            "tool_use" => FinishReason::ToolCalls,
            "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
            "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
            "refusal" => FinishReason::Refusal,
            _ => FinishReason::Unknown,
        };
        if matches!(response.finish_reason, FinishReason::ContentFilter | FinishReason::Unknown) && !reason.is_empty() {
            response.finish_detail = Some(reason);
        }
        let usage = answer.usage.unwrap_or_default();
        let cached = usage.cache_read.unwrap_or(0) + usage.cache_write.unwrap_or(0);
        response.usage = Usage {
            input: usage.input.map(|input| input + cached),
            cached_input: usage.cache_read,
            cache_write: usage.cache_write,
            output: usage.output,
            reasoning: None,
        };
        Ok(response)
    }
}

/// A model's id as one segment of a path, in the form that signatures are made over.
fn path_segment(model: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    model.bytes().map(escape).collect()
}

fn body(request: &Request) -> Map<String, Value> {
    let conversation = Turns::of(request);
    let mut body = Map::new();
    if !conversation.instructions.is_empty() {
        let blocks = conversation.instructions.iter().map(|text| json!({"text": text})).collect();
        body.insert("system".into(), blocks);
    }
    let turn = |(role, messages): &(Role, Vec<&Message>)| json!({"role": role.name(), "content": messages.iter().flat_map(|m| blocks(m)).collect::<Vec<_>>()});
    body.insert("messages".into(), conversation.turns.iter().map(turn).collect());
    if !request.tools.is_empty() {
        let spec = |tool: &Tool| {
            let mut value = json!({"name": tool.name});
            if !tool.description.is_empty() {
                value["description"] = json!(tool.description);
            }
            value["inputSchema"] = json!({"json": tool.parameters});
            json!({"toolSpec": value})
        };
        put(&mut body, "toolConfig", "tools", request.tools.iter().map(spec).collect());
    }
    if let Some(format) = &request.response_format {
        // The schema is a text that holds JSON.
        let schema = json!({"schema": format.schema.to_string(), "name": format.name});
        let format = json!({"type": "json_schema", "structure": {"jsonSchema": schema}});
        put(&mut body, "outputConfig", "textFormat", format);
    }
    for (name, value) in translated(&request.params, &PARAMETERS) {
        match name.as_str() {
            "inferenceConfig" | "outputConfig" => {
                for (inner, value) in value.as_object().cloned().unwrap_or_default() {
                    put(&mut body, &name, &inner, value);
                }
            }
            "tool_choice" => {
                let choice = match ToolChoice::read(&value) {
                    Some(ToolChoice::Auto | ToolChoice::None) => json!({"auto": {}}),
                    Some(ToolChoice::Required) => json!({"any": {}}),
                    Some(ToolChoice::Named(name)) => json!({"tool": {"name": name}}),
                    None => value,
                };
                put(&mut body, "toolConfig", "toolChoice", choice);
            }
            name if INFERENCE.contains(&name) => put(&mut body, "inferenceConfig", name, value),
            _ => {
                body.insert(name, value);
            }
        }
    }
    body
}

fn blocks(message: &Message) -> Vec<Value> {
    if let (Role::Tool, Some(id)) = (message.role, &message.tool_call_id) {
        let result = json!({"toolUseId": id, "content": [{"text": message.content}]});
        return vec![json!({"toolResult": result})];
    }
    let image = |image: &Image| {
        let format = image.media_type.trim_start_matches("image/");
        json!({"image": {"format": format, "source": {"bytes": base64_of(image)}}})
    };
    let mut all = parts(message, |text| json!({"text": text}), image);
    for call in &message.tool_calls {
        all.push(json!({"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments}}));
    }
    all
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    output: Option<Output>,
    stop_reason: Option<String>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct Output {
    message: Option<WireMessage>,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(default)]
    content: Vec<Block>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    text: Option<String>,
    tool_use: Option<ToolUse>,
    #[serde(rename = "reasoningContent")]
    reasoning: Option<Reasoning>,
}

#[derive(Deserialize)]
struct ToolUse {
    #[serde(default, rename = "toolUseId")]
    id: String,
    name: String,
    #[serde(default)]
    input: Value,
}

#[derive(Deserialize)]
struct Reasoning {
    #[serde(rename = "reasoningText")]
    text: Option<ReasoningText>,
}

#[derive(Deserialize)]
struct ReasoningText {
    text: Option<String>,
}

#[derive(Default, Deserialize)]
struct WireUsage {
    #[serde(rename = "inputTokens")]
    input: Option<u64>,
    #[serde(rename = "outputTokens")]
    output: Option<u64>,
    #[serde(rename = "cacheReadInputTokens")]
    cache_read: Option<u64>,
    #[serde(rename = "cacheWriteInputTokens")]
    cache_write: Option<u64>,
}
