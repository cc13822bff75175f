//! Google's Gemini: `POST {base}/models/{model}:generateContent`, for embeddings `:embedContent`. Source of the shapes: Google's API reference.

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::embedding::{self, Embeds, params_with, text_of};
use super::fault::Fault;
use super::params::{Parameter, cannot, listed, renamed, translated};
use super::provider::{Building, Exchange, KeyHeader, Provider, Reply};
use super::wire::{BODY, Endpoint, HEADERS, ToolChoice, Turns, base64_of, cannot_take_turns, parts, promised, put};
use crate::core::record::{FinishReason, Image, Logprob, Message, Request, Response, Role, Tool, ToolCall, Usage};

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 2] = [HEADERS, BODY];
pub(super) const PARAMETERS: [Parameter; 14] = [
    renamed("max_tokens", "maxOutputTokens"),
    renamed("max_completion_tokens", "maxOutputTokens"),
    renamed("top_p", "topP"),
    renamed("top_k", "topK"),
    renamed("presence_penalty", "presencePenalty"),
    renamed("frequency_penalty", "frequencyPenalty"),
    listed("stop", "stopSequences"),
    cannot("logit_bias", ""),
    cannot("reasoning_effort", "write `thinkingConfig`"),
    cannot("parallel_tool_calls", ""),
    cannot("candidateCount", "ask for several answers with `repeat:`"),
    cannot("contents", "the prompt's template makes the messages"),
    cannot("systemInstruction", "write it as the prompt's first message, of the role `system`"),
    cannot("verbosity", ""),
];
/// Parameters that stand beside `generationConfig`, not in it.
const OUTSIDE: [&str; 5] = ["safetySettings", "toolConfig", "cachedContent", "labels", "serviceTier"];
/// The keywords of JSON Schema that `responseSchema` takes; for any other there is `responseJsonSchema`.
const OPENAPI: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];
/// Google's documented word for "there is no signature", in base64: `skip_thought_signature_validator`.
const NO_SIGNATURE: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";
const VENDOR: &str = "https://generativelanguage.googleapis.com/v1beta";
const API: &str = "Gemini's API";

struct Gemini {
    endpoint: Endpoint,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    Some(Box::new(Gemini { endpoint: Endpoint::read(building, VENDOR)? }))
}

impl Gemini {
    fn url(&self, model: &str, operation: &str) -> String {
        let Ok(mut url) = Url::parse(&self.endpoint.base) else { return self.endpoint.base.clone() };
        if let Ok(mut path) = url.path_segments_mut() {
            let model = model.trim_start_matches("models/");
            path.pop_if_empty().extend(["models", &format!("{model}:{operation}")]);
        }
        url.into()
    }
}

impl Embeds for Gemini {
    fn exchange(&self, request: &Request, _attempt: u32) -> Exchange {
        let mut body = Map::new();
        body.insert("content".into(), json!({"parts": [{"text": text_of(request)}]}));
        body.extend(params_with(request, "outputDimensionality"));
        Exchange::Http(self.endpoint.call(self.url(&request.model, "embedContent"), body))
    }

    fn parse(&self, request: &Request, reply: &Reply) -> Result<Response, Fault> {
        let answer: Embedded = self.endpoint.decode(reply, API)?;
        let only = embedding::only(answer.embedding.as_ref().map(|embedding| &embedding.values));
        let tokens = answer.usage_metadata.and_then(|usage| usage.prompt);
        embedding::response(request, reply, API, only, tokens, None)
    }
}

impl Provider for Gemini {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        Exchange::Http(self.endpoint.call(self.url(&request.model, "generateContent"), body(request)))
    }

    fn host(&self) -> Option<String> {
        self.endpoint.host()
    }

    fn key_header(&self) -> KeyHeader {
        KeyHeader::Named("x-goog-api-key".to_owned())
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        cannot_take_turns(request)
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        Some(self)
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        let answer: Answer = self.endpoint.decode(reply, API)?;
        let usage = answer.usage_metadata.unwrap_or_default();
        let mut response = Response {
            usage: Usage {
                // What tools brought in is read by the model, too.
                input: usage.prompt.map(|n| n + usage.tools.unwrap_or(0)),
                cached_input: usage.cached,
                cache_write: None,
                output: match (usage.candidates, usage.thoughts) {
                    (None, None) => None,
                    (answer, thoughts) => Some(answer.unwrap_or(0) + thoughts.unwrap_or(0)),
                },
                reasoning: usage.thoughts,
            },
            model: answer.model_version,
            ..Response::default()
        };
        let Some(candidate) = answer.candidates.into_iter().next() else {
            let feedback = answer.prompt_feedback.unwrap_or_default();
            let Some(reason) = feedback.block_reason.or(feedback.block_reason_message) else {
                return Err(promised("there is no candidate", &reply.body, API));
            };
            response.finish_reason = FinishReason::ContentFilter;
            response.finish_detail = Some(format!("the prompt was blocked: {reason}"));
            return Ok(response);
        };
        let mut thoughts = String::new();
        for part in candidate.content.unwrap_or_default().parts {
            if let Some(call) = part.function_call {
                let id = call.id.unwrap_or_default();
                response.tool_calls.push(ToolCall { id, name: call.name, arguments: call.args.unwrap_or(json!({})) });
            }
            let Some(text) = part.text else { continue };
            if part.thought { &mut thoughts } else { &mut response.text }.push_str(&text);
        }
        response.reasoning = Some(thoughts).filter(|text| !text.is_empty());
        let reason = candidate.finish_reason.unwrap_or_default();
        response.finish_reason = match reason.as_str() {
            "STOP" if !response.tool_calls.is_empty() => FinishReason::ToolCalls,
            "STOP" => FinishReason::Stop,
            "MAX_TOKENS" => FinishReason::Length,
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "MODEL_ARMOR"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "LANGUAGE" => FinishReason::ContentFilter,
            _ => FinishReason::Unknown,
        };
        if matches!(response.finish_reason, FinishReason::ContentFilter | FinishReason::Unknown) && !reason.is_empty() {
            response.finish_detail = Some(reason);
        }
        response.logprobs = candidate.logprobs_result.map(LogprobsResult::logprobs).unwrap_or_default();
        Ok(response)
    }
}

fn body(request: &Request) -> Map<String, Value> {
    let conversation = Turns::of(request);
    let mut body = Map::new();
    if !conversation.instructions.is_empty() {
        let parts: Vec<Value> = conversation.instructions.iter().map(|text| json!({"text": text})).collect();
        body.insert("systemInstruction".into(), json!({"parts": parts}));
    }
    let turn = |(role, messages): &(Role, Vec<&Message>)| {
        let role = if *role == Role::Assistant { "model" } else { "user" };
        json!({"role": role, "parts": messages.iter().flat_map(|m| message_parts(m, request)).collect::<Vec<_>>()})
    };
    body.insert("contents".into(), conversation.turns.iter().map(turn).collect());
    for (name, value) in translated(&request.params, &PARAMETERS) {
        match name.as_str() {
            "generationConfig" => {
                for (inner, value) in value.as_object().cloned().unwrap_or_default() {
                    put(&mut body, "generationConfig", &inner, value);
                }
            }
            "tool_choice" => {
                let choice = ToolChoice::read(&value).map_or(value, |choice| function_calling(&choice));
                put(&mut body, "toolConfig", "functionCallingConfig", choice);
            }
            // OpenAI's switch and Gemini's number share a name.
            "top_logprobs" => put(&mut body, "generationConfig", "logprobs", value),
            "logprobs" if value.is_boolean() => put(&mut body, "generationConfig", "responseLogprobs", value),
            name if OUTSIDE.contains(&name) => {
                body.insert(name.to_owned(), value);
            }
            name => put(&mut body, "generationConfig", name, value),
        }
    }
    if let Some(format) = &request.response_format {
        let name = if is_openapi(&format.schema) { "responseSchema" } else { "responseJsonSchema" };
        put(&mut body, "generationConfig", "responseMimeType", json!("application/json"));
        put(&mut body, "generationConfig", name, format.schema.clone());
    }
    if !request.tools.is_empty() {
        let declaration = |tool: &Tool| {
            let mut value = json!({"name": tool.name});
            if !tool.description.is_empty() {
                value["description"] = json!(tool.description);
            }
            let name = if is_openapi(&tool.parameters) { "parameters" } else { "parametersJsonSchema" };
            value[name] = tool.parameters.clone();
            value
        };
        let declarations: Vec<Value> = request.tools.iter().map(declaration).collect();
        body.insert("tools".into(), json!([{"functionDeclarations": declarations}]));
    }
    body
}

fn function_calling(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    }
}

fn message_parts(message: &Message, request: &Request) -> Vec<Value> {
    if let (Role::Tool, Some(id)) = (message.role, &message.tool_call_id) {
        // A result is named by its function, and is an object.
        let calls = request.messages.iter().flat_map(|m| &m.tool_calls);
        let name = calls.into_iter().find(|call| call.id == *id).map_or("", |call| call.name.as_str());
        let result = serde_json::from_str::<Map<String, Value>>(&message.content);
        let result = result.map_or_else(|_| json!({"result": message.content}), Value::Object);
        return vec![json!({"functionResponse": {"id": id, "name": name, "response": result}})];
    }
    let image = |image: &Image| json!({"inlineData": {"mimeType": image.media_type, "data": base64_of(image)}});
    let mut all = parts(message, |text| json!({"text": text}), image);
    for call in &message.tool_calls {
        let mut part = json!({"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}});
        // Newer models want a proof that a call was their own, or this word for one that was not.
        if !["gemini-1", "gemini-2"].iter().any(|older| request.model.starts_with(older)) {
            part["thoughtSignature"] = json!(NO_SIGNATURE);
        }
        all.push(part);
    }
    all
}

/// Whether a schema says nothing that `responseSchema` does not take.
fn is_openapi(schema: &Value) -> bool {
    let Some(map) = schema.as_object() else { return false };
    map.iter().all(|(key, value)| {
        OPENAPI.contains(&key.as_str())
            && match key.as_str() {
                "properties" => value.as_object().is_some_and(|all| all.values().all(is_openapi)),
                "items" => is_openapi(value),
                "anyOf" => value.as_array().is_some_and(|all| all.iter().all(is_openapi)),
                // It knows one type at a time.
                "type" => value.is_string(),
                "enum" => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
                _ => true,
            }
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<WireUsage>,
    model_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embedded {
    embedding: Option<ContentEmbedding>,
    usage_metadata: Option<WireUsage>,
}

#[derive(Deserialize)]
struct ContentEmbedding {
    #[serde(default)]
    values: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
    block_reason_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
    logprobs_result: Option<LogprobsResult>,
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<WirePart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePart {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    function_call: Option<FunctionCall>,
}

#[derive(Deserialize)]
struct FunctionCall {
    id: Option<String>,
    name: String,
    args: Option<Value>,
}

#[derive(Default, Deserialize)]
struct WireUsage {
    #[serde(rename = "promptTokenCount")]
    prompt: Option<u64>,
    #[serde(rename = "candidatesTokenCount")]
    candidates: Option<u64>,
    #[serde(rename = "thoughtsTokenCount")]
    thoughts: Option<u64>,
    #[serde(rename = "cachedContentTokenCount")]
    cached: Option<u64>,
    #[serde(rename = "toolUsePromptTokenCount")]
    tools: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogprobsResult {
    #[serde(default)]
    chosen_candidates: Vec<WireLogprob>,
    #[serde(default)]
    top_candidates: Vec<TopCandidates>,
}

#[derive(Deserialize)]
struct TopCandidates {
    #[serde(default)]
    candidates: Vec<WireLogprob>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLogprob {
    #[serde(default)]
    token: String,
    #[serde(default)]
    log_probability: f64,
}

impl LogprobsResult {
    fn logprobs(self) -> Vec<Logprob> {
        let mut top = self.top_candidates.into_iter();
        let logprob = |chosen: WireLogprob| {
            let at = top.next().map(|top| top.candidates).unwrap_or_default();
            let top = at.into_iter().map(|top| (top.token, top.log_probability)).collect();
            Logprob { token: chosen.token, logprob: chosen.log_probability, top }
        };
        self.chosen_candidates.into_iter().map(logprob).collect()
    }
}
