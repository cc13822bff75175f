//! What was asked and what came back, free of any wire protocol.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::digest::{canonical_json, sha256_hex};
pub use super::document::{Document, digest_of_documents};
pub use super::embedding::{Embedding, NoEmbedding};
pub use super::message::{Image, Message, Part, Role};
use super::names::RequestKey;

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// The function's name.
    pub name: String,
    /// What it is for, as the model reads it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A JSON Schema of its arguments.
    pub parameters: Value,
}

/// The form that an answer is asked to have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseFormat {
    /// A name for the schema, as some protocols want one.
    pub name: String,
    /// A JSON Schema.
    pub schema: Value,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// An answer to the messages.
    #[default]
    Answer,
    /// The embedding of the one message, which is the user's.
    Embedding,
    /// The documents that fit the one message, which is the user's.
    Retrieval,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_answer(kind: &RequestKind) -> bool {
    *kind == RequestKind::Answer
}

/// Everything that a model is shown and told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The kind of provider (`openai`, `mock`, …).
    pub provider: String,
    /// The provider's own id of the model.
    pub model: String,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "is_answer")]
    pub kind: RequestKind,
    /// The conversation so far; for an embedding the text, for a retrieval the query, as one message of the user.
    pub messages: Vec<Message>,
    /// The tools on offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// The form asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// Sampling and other parameters, by the provider's own names.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// SHA-256 of what the model entry adds to what is sent, where it adds anything: a body, a form of asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extras: Option<String>,
    /// The digest of the documents that were retrieved for it, where the prompt has a retriever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieved: Option<String>,
}

impl Request {
    /// A request without any message, to see what would be made of its parameters.
    #[must_use]
    pub fn of_params(provider: &str, model: &str, params: Map<String, Value>) -> Self {
        Self {
            provider: provider.to_owned(),
            model: model.to_owned(),
            kind: RequestKind::Answer,
            messages: Vec::new(),
            tools: Vec::new(),
            response_format: None,
            params,
            extras: None,
            retrieved: None,
        }
    }

    /// A request for at most `top` documents that fit a query. `definition` is the digest of what else decides which.
    #[must_use]
    pub fn retrieval(retriever: &str, kind: &str, query: &str, top: usize, definition: &str) -> Self {
        Self {
            kind: RequestKind::Retrieval,
            messages: vec![Message::new(Role::User, query)],
            extras: Some(definition.to_owned()),
            ..Self::of_params(kind, retriever, Map::from_iter([("top".to_owned(), json!(top))]))
        }
    }

    /// A request for the embedding of a text.
    #[must_use]
    pub fn embedding(provider: &str, model: &str, text: &str, params: Map<String, Value>) -> Self {
        Self {
            kind: RequestKind::Embedding,
            messages: vec![Message::new(Role::User, text)],
            ..Self::of_params(provider, model, params)
        }
    }

    /// The JSON that the key is the SHA-256 of: the request and the sample number, keys sorted, no white space.
    #[must_use]
    pub fn canonical(&self, sample: u32) -> String {
        let format = self.response_format.as_ref().map(|f| json!({"name": f.name, "schema": f.schema}));
        let messages: Vec<Value> = self.messages.iter().map(Message::canonical).collect();
        let tools: Vec<Value> = self
            .tools
            .iter()
            .map(|t| json!({"description": t.description, "name": t.name, "parameters": t.parameters}))
            .collect();
        let mut whole = json!({
            "messages": messages,
            "model": self.model,
            "params": self.params,
            "provider": self.provider,
            "response_format": format,
            "sample": sample,
            "tools": tools,
        });
        if let Some(extras) = &self.extras {
            whole["extras"] = json!(extras);
        }
        if let Some(retrieved) = &self.retrieved {
            whole["retrieved"] = json!(retrieved);
        }
        // Left out for answers, whose keys are older than the kinds.
        if self.kind != RequestKind::Answer {
            whole["kind"] = json!(self.kind);
        }
        canonical_json(&whole)
    }

    /// The key under which an answer to this request is recorded.
    #[must_use]
    pub fn key(&self, sample: u32) -> RequestKey {
        let digest = sha256_hex(self.canonical(sample).as_bytes());
        RequestKey::new(&digest).unwrap_or_else(|_| unreachable!("a SHA-256 has 64 hexadecimal digits"))
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    /// The model was done, or met a stop sequence.
    Stop,
    /// It ran into the limit on output tokens or into the end of its window.
    Length,
    /// It wants tools to be called.
    ToolCalls,
    /// A filter cut or replaced the answer.
    ContentFilter,
    /// The model declined, and the provider says so.
    Refusal,
    /// The provider gave none, or one that is not known here. Never taken for `Stop`.
    #[default]
    Unknown,
}

impl FinishReason {
    /// Every reason and its name.
    pub const ALL: [(&'static str, Self); 6] = [
        ("stop", Self::Stop),
        ("length", Self::Length),
        ("tool-calls", Self::ToolCalls),
        ("content-filter", Self::ContentFilter),
        ("refusal", Self::Refusal),
        ("unknown", Self::Unknown),
    ];

    /// The reason's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, reason)| *reason == self).map_or("", |(name, _)| name)
    }
}

/// A call of a tool that the model asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The provider's id of the call.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as parsed JSON; a string that holds the raw text where that is not JSON.
    pub arguments: Value,
}

/// Tokens, as the provider counted them. `None` is "not told", which is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Everything that the model read, cached or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// The part of `input` that came from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<u64>,
    /// The part of `input` that was written into a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Everything that the model wrote, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// The part of `output` that was reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Whether nothing was told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How likely the model found a token that it wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logprob {
    /// The token.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// The likeliest tokens at this place, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(String, f64)>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The text of the answer, byte for byte; empty where there is none.
    #[serde(default)]
    pub text: String,
    /// Tools that the model wants to be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why the answer ended.
    #[serde(default)]
    pub finish_reason: FinishReason,
    /// The provider's own word for why it ended, where that says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_detail: Option<String>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// From sending the request to the whole answer, retries not counted, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// The model id that the server reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The server's fingerprint of its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_fingerprint: Option<String>,
    /// The words with which the model declined, where the provider keeps them apart from the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The model's reasoning, where the provider shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// How likely each token was, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<Logprob>,
    /// The embedding, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Embedding>,
    /// The documents, where they were asked for, the best first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documents: Option<Vec<Document>>,
    /// How many times the request was sent, where more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

impl Response {
    /// The model that answered, as the server reported it, with its fingerprint.
    #[must_use]
    pub fn served(&self) -> Option<String> {
        let model = self.model.as_ref()?;
        Some(match &self.system_fingerprint {
            Some(fingerprint) => format!("{model} {fingerprint}"),
            None => model.clone(),
        })
    }

    /// Whether there is no answer at all: no text but white space, no call of a tool, no embedding, no list of documents.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
            && self.tool_calls.is_empty()
            && self.embedding.is_none()
            && self.documents.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            provider: "openai".into(),
            model: "m".into(),
            kind: RequestKind::Answer,
            messages: vec![Message::new(Role::User, "hi")],
            tools: vec![Tool { name: "t".into(), description: "d".into(), parameters: json!({"a": 1, "b": 2}) }],
            response_format: Some(ResponseFormat { name: "s".into(), schema: json!({"type": "object"}) }),
            params: json!({"temperature": 0, "seed": 1}).as_object().cloned().unwrap_or_default(),
            extras: None,
            retrieved: None,
        }
    }

    #[test]
    fn each_field_alone_changes_the_key() {
        let base = request();
        let mut keys = vec![base.key(0), base.key(1)];
        let mut changed = |change: fn(&mut Request)| {
            let mut request = request();
            change(&mut request);
            keys.push(request.key(0));
        };
        changed(|r| r.provider = "mock".into());
        changed(|r| r.model = "n".into());
        changed(|r| r.messages[0].content.push('!'));
        changed(|r| r.messages[0].role = Role::System);
        changed(|r| r.messages.push(Message::new(Role::User, "")));
        changed(|r| r.messages[0].images.push(Image::new("a.png", "image/png", b"1".as_slice().into()).at(0)));
        changed(|r| r.messages[0].images.push(Image::new("a.png", "image/png", b"2".as_slice().into()).at(0)));
        changed(|r| r.messages[0].images.push(Image::new("a.png", "image/png", b"2".as_slice().into()).at(1)));
        changed(|r| r.messages[0].tool_call_id = Some("call_1".into()));
        changed(|r| r.extras = Some("e".into()));
        changed(|r| r.kind = RequestKind::Embedding);
        changed(|r| r.tools[0].name = "u".into());
        changed(|r| r.tools[0].description = "e".into());
        changed(|r| r.tools[0].parameters = json!({}));
        changed(|r| r.tools.clear());
        changed(|r| r.response_format = None);
        changed(|r| {
            r.params.insert("temperature".into(), json!(0.5));
        });
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn an_answer_is_asked_for_under_the_key_that_it_always_had() {
        let request = Request::of_params("mock", "m", Map::new());
        let canonical =
            r#"{"messages":[],"model":"m","params":{},"provider":"mock","response_format":null,"sample":0,"tools":[]}"#;
        assert_eq!(request.canonical(0), canonical);
        let text = serde_json::to_string(&request).expect("JSON");
        assert!(!text.contains("kind"), "{text}");
        assert_eq!(serde_json::from_str::<Request>(&text).expect("the same"), request);
        let wanted = Request::embedding("mock", "m", "hi", Map::new());
        let text = serde_json::to_string(&wanted).expect("JSON");
        assert!(text.contains(r#""kind":"embedding""#), "{text}");
        assert_eq!(serde_json::from_str::<Request>(&text).expect("the same"), wanted);
    }

    #[test]
    fn the_order_of_keys_does_not_change_the_key() {
        let mut other = request();
        other.params = json!({"seed": 1, "temperature": 0}).as_object().cloned().unwrap_or_default();
        other.tools[0].parameters = json!({"b": 2, "a": 1});
        assert_eq!(other.key(0), request().key(0));
    }
}
