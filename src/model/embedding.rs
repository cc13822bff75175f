//! Embeddings: what the protocols share that have them. One text goes out, one vector comes back.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::fault::Fault;
use super::provider::{Exchange, Reply};
use super::wire::promised;
use crate::core::record::{Embedding, FinishReason, Request, Response, Role, Usage};
use crate::project::ModelEntry;

/// The embeddings of a wire protocol: pure, a request out, a response in.
pub(super) trait Embeds {
    /// What to do for a request. `attempt` counts from 0.
    fn exchange(&self, request: &Request, attempt: u32) -> Exchange;

    /// The response in a reply, or the fault that it is.
    fn parse(&self, request: &Request, reply: &Reply) -> Result<Response, Fault>;

    /// What of a request this protocol has no way to say.
    fn cannot(&self, _request: &Request) -> Option<String> {
        None
    }
}

/// Parameters that shape how an answer is written. One entry may serve for both, and a text is embedded without them.
const OF_ANSWERS: [&str; 36] = [
    "temperature",
    "top_p",
    "topP",
    "top_k",
    "topK",
    "min_p",
    "typical_p",
    "seed",
    "stop",
    "stop_sequences",
    "stopSequences",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "maxTokens",
    "num_predict",
    "presence_penalty",
    "presencePenalty",
    "frequency_penalty",
    "frequencyPenalty",
    "repetition_penalty",
    "repeat_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "think",
    "thinkingConfig",
    "verbosity",
    "tool_choice",
    "parallel_tool_calls",
    "inferenceConfig",
];

/// The request for the embedding of a text by a model. Of the entry's parameters it has those that do not shape answers.
#[must_use]
pub fn embedding_request(entry: &ModelEntry, text: &str) -> Request {
    let mut params = entry.params.clone();
    params.retain(|name, _| !OF_ANSWERS.contains(&name.as_str()));
    Request { extras: entry.extras.clone(), ..Request::embedding(&entry.provider, &entry.model, text, params) }
}

/// The text that is to be embedded.
pub(super) fn text_of(request: &Request) -> &str {
    request.messages.first().map_or("", |message| message.content.as_str())
}

/// What no protocol with embeddings can be sent.
pub(super) fn cannot(request: &Request) -> Option<String> {
    let alone = matches!(request.messages.as_slice(), [only] if only.role == Role::User && only.images.is_empty());
    if !alone || !request.tools.is_empty() || request.response_format.is_some() {
        return Some("anything to embed but one text of the user".to_owned());
    }
    if text_of(request).trim().is_empty() {
        return Some("an empty text to embed".to_owned());
    }
    let ours = ["model", "input", "content", "texts", "inputText"];
    let own = ours.iter().find(|name| request.params.contains_key(**name))?;
    Some(format!("`{own}` as a parameter of an embedding"))
}

/// The parameters of a request, `dimensions` by the protocol's own name for it.
pub(super) fn params_with(request: &Request, dimensions: &str) -> Map<String, Value> {
    let own = |name: &str| if name == DIMENSIONS { dimensions.to_owned() } else { name.to_owned() };
    request.params.iter().map(|(name, value)| (own(name), value.clone())).collect()
}

/// The common name for the length that a vector shall have, which OpenAI, Ollama and Amazon gave it.
pub(super) const DIMENSIONS: &str = "dimensions";
/// What others call it.
const LENGTHS: [&str; 4] = [DIMENSIONS, "outputDimensionality", "output_dimensionality", "output_dimension"];

/// A vector as servers write it: a list of numbers, or base64 of 32-bit floats.
pub(super) fn vector(value: &Value) -> Result<Embedding, String> {
    let wrong = |why: &dyn Display| format!("this is no embedding: {why}");
    match value {
        Value::String(text) => Embedding::from_base64(text).map_err(|why| wrong(&why)),
        Value::Array(items) if items.iter().any(Value::is_array) => {
            Err("there is a vector for each token: let the server pool them".to_owned())
        }
        Value::Array(items) => {
            // A number that no 32-bit float holds becomes infinite, which is refused.
            #[expect(clippy::cast_possible_truncation, reason = "models reckon with 32 bits or fewer")]
            let numbers =
                items.iter().map(|item| item.as_f64().map(|number| number as f32)).collect::<Option<Vec<_>>>();
            let numbers = numbers.ok_or_else(|| wrong(&"it holds what is no number"))?;
            Embedding::new(numbers).map_err(|why| wrong(&why))
        }
        _ => Err(wrong(&"it is neither a list of numbers nor base64")),
    }
}

/// The only one of the vectors that came, or why there is none.
pub(super) fn only<'v>(vectors: impl IntoIterator<Item = &'v Value>) -> Result<&'v Value, String> {
    let mut vectors = vectors.into_iter();
    match (vectors.next(), vectors.count()) {
        (Some(only), 0) => Ok(only),
        (Some(_), more) => Err(format!("one text was sent, and {} embeddings came", more + 1)),
        (None, _) => Err("there is no embedding".to_owned()),
    }
}

/// The response with a vector. One of another length than was asked for is no answer: it would be compared with others
/// that have it.
pub(super) fn response(
    request: &Request,
    reply: &Reply,
    api: &str,
    found: Result<&Value, String>,
    tokens: Option<u64>,
    model: Option<String>,
) -> Result<Response, Fault> {
    let fault = |why: String| promised(&why, &reply.body, api);
    let embedding = found.and_then(vector).map_err(fault)?;
    let asked = LENGTHS.iter().find_map(|name| request.params.get(*name)?.as_u64());
    let length = embedding.values().len();
    if let Some(asked) = asked.filter(|asked| *asked != length as u64) {
        return Err(fault(format!("{asked} dimensions were asked for, and {length} came")));
    }
    Ok(Response {
        finish_reason: FinishReason::Stop,
        usage: Usage { input: tokens, output: Some(0), ..Usage::default() },
        model,
        embedding: Some(embedding),
        ..Response::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::record::{Message, RequestKind};
    use crate::model::tests::{entry, provider, request, sent};

    /// What a server is asked for, and what is read of its answers: the body of an answer around a vector.
    const SERVERS: [(&str, &str); 5] = [
        (
            "provider: openai\n",
            r#"{"data": [{"index": 0, "embedding": VECTOR}], "model": "served", "usage": {"prompt_tokens": 3}}"#,
        ),
        ("provider: ollama\n", r#"{"embeddings": [VECTOR], "model": "served", "prompt_eval_count": 3}"#),
        ("provider: gemini\n", r#"{"embedding": {"values": VECTOR}, "usageMetadata": {"promptTokenCount": 3}}"#),
        (
            "provider: bedrock\nregion: us-east-1\nmodel: amazon.titan-embed-text-v2:0\n",
            r#"{"embedding": VECTOR, "inputTextTokenCount": 3}"#,
        ),
        (
            "provider: http\nbase-url: https://x.example\nbody: { text: '{{ last_user_message }}' }\nresponse: { embedding: '$.vectors[0]', input-tokens: $.read }\n",
            r#"{"vectors": [VECTOR], "read": 3}"#,
        ),
    ];

    fn embed(params: Value) -> Request {
        let Value::Object(params) = params else { panic!("parameters are a map") };
        Request::embedding("", "amazon.titan-embed-text-v2:0", "a text", params)
    }

    fn read(yaml: &str, request: &Request, body: &str) -> Result<Response, Fault> {
        provider(yaml).parse_of(request, &Reply { status: 200, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn a_vector_is_read_as_numbers_and_as_base64() {
        for (yaml, answer) in SERVERS {
            for vector in ["[1.0, -0.5]", "[1, -5e-1]", "\"AACAPwAAAL8=\""] {
                let response = read(yaml, &embed(json!({})), &answer.replace("VECTOR", vector)).expect(yaml);
                assert_eq!(response.embedding.as_ref().expect("there").values(), [1.0, -0.5], "{yaml}");
                assert_eq!((response.usage.input, response.usage.output), (Some(3), Some(0)), "{yaml}");
                assert_eq!(response.finish_reason, FinishReason::Stop);
            }
        }
    }

    #[test]
    fn what_is_no_vector_is_a_fault() {
        let bad = [
            ("[]", "no numbers"),
            ("[0, 0.0]", "all its numbers are 0"),
            ("[1e300]", "not finite"),
            ("[1, null]", "no number"),
            ("[\"1\"]", "no number"),
            ("[[1, 2], [3, 4]]", "each token"),
            ("\"AAAA\"", "no multiple of 4"),
            ("\"<html>\"", "no base64"),
            ("{}", "neither a list"),
            ("[NaN]", "not what the protocol promises"),
        ];
        for (yaml, answer) in SERVERS {
            for (vector, why) in bad {
                let fault = read(yaml, &embed(json!({})), &answer.replace("VECTOR", vector)).expect_err(vector);
                assert!(fault.message.contains(why), "{yaml} {vector}: {}", fault.message);
                assert!(!fault.again, "{yaml} {vector}: it would come again");
            }
        }
    }

    #[test]
    fn one_text_has_one_vector_of_the_length_that_was_asked_for() {
        let two = r#"{"data": [{"index": 1, "embedding": [1]}, {"index": 0, "embedding": [2]}]}"#;
        let fault = read(SERVERS[0].0, &embed(json!({})), two).expect_err("two");
        assert!(fault.message.contains("2 embeddings came"), "{}", fault.message);
        let none = read(SERVERS[0].0, &embed(json!({})), r#"{"data": []}"#).expect_err("none");
        assert!(none.message.contains("there is no embedding"), "{}", none.message);
        for (yaml, answer) in SERVERS {
            let answer = answer.replace("VECTOR", "[1, 2, 3]");
            let fault = read(yaml, &embed(json!({"dimensions": 2})), &answer).expect_err("another length");
            assert!(fault.message.contains("2 dimensions were asked for, and 3 came"), "{}", fault.message);
            assert!(read(yaml, &embed(json!({"dimensions": 3})), &answer).is_ok());
        }
    }

    #[test]
    fn a_protocol_without_embeddings_says_so_before_anything_runs() {
        for yaml in ["provider: anthropic\n", "provider: openai-responses\n", "provider: exec\ncommand: [cat]\n"] {
            let why = provider(yaml).cannot_be_sent(&embed(json!({}))).expect(yaml);
            assert_eq!(why, "a text to embed: its protocol has no embeddings");
        }
        let without = "provider: http\nbase-url: https://x.example\nbody: { text: '{{ last_user_message }}' }\nresponse: { text: $.a }\n";
        assert!(provider(without).cannot_be_sent(&embed(json!({}))).is_some());
        assert!(provider(SERVERS[4].0).cannot_be_sent(&embed(json!({}))).is_none());
        assert!(
            provider(SERVERS[4].0)
                .cannot_be_sent(&embed(json!({"user": "u"})))
                .is_some_and(|why| why.contains("`params`"))
        );
        assert!(
            provider(SERVERS[4].0).cannot_be_sent(&request("m")).is_some_and(|why| why.contains("no path to a `text`"))
        );
        let bedrock = provider(SERVERS[3].0);
        let of = |model: &str| bedrock.cannot_be_sent(&Request { model: model.into(), ..embed(json!({})) });
        assert!(of("anthropic.claude-3-haiku-20240307-v1:0").is_some_and(|why| why.contains("Titan")));
        assert!(of("cohere.embed-english-v3").is_some_and(|why| why.contains("`input_type`")));
        assert_eq!(of("arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v1"), None);
    }

    #[test]
    fn only_one_text_of_the_user_is_embedded() {
        let openai = provider(SERVERS[0].0);
        let cannot = |change: fn(&mut Request)| {
            let mut request = embed(json!({}));
            change(&mut request);
            openai.cannot_be_sent(&request)
        };
        assert_eq!(cannot(|_| {}), None);
        assert!(cannot(|r| r.messages.push(Message::new(Role::User, "b"))).is_some());
        assert!(cannot(|r| r.messages[0].role = Role::System).is_some());
        assert!(cannot(|r| r.messages.clear()).is_some());
        assert!(cannot(|r| r.messages[0].content = " \n".into()).is_some_and(|why| why.contains("empty")));
        assert!(
            cannot(|r| drop(r.params.insert("input".into(), json!("x")))).is_some_and(|why| why.contains("`input`"))
        );
    }

    #[test]
    fn a_request_has_what_does_not_shape_answers() {
        let entry = entry(
            "provider: openai\nmodel: e\nparams: { temperature: 0, max_tokens: 5, dimensions: 256, input_type: query }\nbody: { a: 1 }\n",
        );
        let request = embedding_request(&entry, "hello");
        assert_eq!(Value::Object(request.params.clone()), json!({"dimensions": 256, "input_type": "query"}));
        assert_eq!((request.kind, request.extras.is_some()), (RequestKind::Embedding, true));
        let (url, _, body) =
            sent(&*provider("provider: openai\nbase-url: https://x.example/v1\nbody: { a: 1 }\n"), &request);
        assert_eq!(url, "https://x.example/v1/embeddings");
        assert_eq!(body, json!({"model": "e", "input": "hello", "dimensions": 256, "input_type": "query", "a": 1}));
    }

    #[test]
    fn every_address_is_the_documented_one() {
        let url =
            |yaml: &str, model: &str| sent(&*provider(yaml), &Request { model: model.into(), ..embed(json!({})) }).0;
        assert_eq!(url("provider: ollama\n", "m"), "http://localhost:11434/api/embed");
        assert_eq!(
            url("provider: gemini\n", "models/gemini-embedding-001"),
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:embedContent"
        );
        assert_eq!(
            url("provider: bedrock\nregion: us-east-1\n", "amazon.titan-embed-text-v2:0"),
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke"
        );
        let azure = "provider: azure-openai\nbase-url: https://n.openai.azure.com\n";
        assert_eq!(url(azure, "m"), "https://n.openai.azure.com/openai/v1/embeddings");
        assert_eq!(
            url(&format!("{azure}deployment: d\napi-version: 2024-10-21\n"), "m"),
            "https://n.openai.azure.com/openai/deployments/d/embeddings?api-version=2024-10-21"
        );
    }

    #[test]
    fn a_scripted_model_puts_texts_with_the_same_words_near_each_other() {
        let mock = provider(
            "provider: mock\nreplies:\n  - { when: '^up$', embedding: [0, 1] }\n  - { when: down, error: { status: 503 } }\n",
        );
        let vector = |text: &str, params: Value| match mock.exchange_of(
            &Request { messages: vec![Message::new(Role::User, text)], ..embed(params) },
            0,
            0,
        ) {
            Exchange::Local { answer, .. } => {
                answer.map(|response| response.embedding.expect("there").values().to_vec())
            }
            other => panic!("{other:?}"),
        };
        let of = |text: &str| vector(text, json!({})).expect("a vector");
        let near = |a: &str, b: &str| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
            let (a, b) = (of(a), of(b));
            dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
        };
        assert!((near("A full refund!", "full REFUND, a") - 1.0).abs() < 1e-9);
        assert!(near("a full refund", "a full moon") > 0.6);
        assert!(near("a full refund", "winter is coming") < 0.01);
        assert!((near("?!", "?!") - 1.0).abs() < 1e-9);
        assert_eq!(of("up"), [0.0, 1.0]);
        assert_eq!(vector("a b", json!({"dimensions": 7})).expect("a vector").len(), 7);
        assert!(vector("a b", json!({"dimensions": 0})).is_err() && vector("a b", json!({"dimensions": "x"})).is_err());
        assert!(vector("it is down", json!({})).is_err());
    }
}
