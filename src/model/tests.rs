//! What the tests of the protocols share, and what all protocols have in common.

use serde_json::Value;

use super::provider::{self, Exchange, Provider, Reply};
use crate::core::problem::Problems;
use crate::core::record::{Message, Request, RequestKind, Role};
use crate::project::{Config, ModelEntry};
use crate::tree::Tree;

/// A tree with just one file.
struct OneFile(String);

impl Tree for OneFile {
    fn describe(&self) -> String {
        "a test".into()
    }

    fn list(
        &self,
        _: &crate::core::path::TreePath,
    ) -> Result<Vec<crate::core::path::TreePath>, crate::tree::TreeError> {
        Ok(Vec::new())
    }

    fn read(&self, _: &crate::core::path::TreePath, _: u64) -> Result<Vec<u8>, crate::tree::TreeError> {
        Ok(self.0.clone().into_bytes())
    }
}

/// The entry `m` with these keys.
pub(super) fn entry(yaml: &str) -> ModelEntry {
    let indented: String = yaml.lines().map(|line| format!("    {line}\n")).collect();
    let mut problems = Problems::default();
    let config = Config::load(&OneFile(format!("models:\n  m:\n{indented}")), &mut problems);
    let found: Vec<String> = problems.sorted().into_iter().map(|problem| problem.message).collect();
    assert!(found.is_empty(), "{found:?}");
    config.expect("a project").models.remove(0)
}

/// The provider of an entry with these keys.
pub(super) fn provider(yaml: &str) -> Box<dyn Provider> {
    let mut problems = Problems::default();
    let built = provider::build(&entry(yaml), Some(&|_| None), &mut problems);
    let found: Vec<String> = problems.sorted().into_iter().map(|problem| problem.message).collect();
    assert!(found.is_empty(), "{found:?}");
    built.expect("a provider")
}

/// A request of one word.
pub(super) fn request(model: &str) -> Request {
    Request {
        provider: String::new(),
        model: model.into(),
        kind: RequestKind::Answer,
        messages: vec![Message::new(Role::User, "hi")],
        tools: Vec::new(),
        response_format: None,
        params: serde_json::Map::new(),
        extras: None,
        retrieved: None,
    }
}

/// What is sent for a request: address, headers, body.
pub(super) fn sent(provider: &dyn Provider, request: &Request) -> (String, Vec<(String, String)>, Value) {
    match provider.exchange_of(request, 0, 0) {
        Exchange::Http(call) => (call.url, call.headers, serde_json::from_slice(&call.body).expect("JSON")),
        other => panic!("no call: {other:?}"),
    }
}

#[test]
fn nothing_of_no_protocol_panics_on_what_a_server_says() {
    let providers = [
        "provider: openai\n",
        "provider: openai-responses\n",
        "provider: anthropic\n",
        "provider: gemini\n",
        "provider: ollama\n",
        "provider: azure-openai\nbase-url: https://x.openai.azure.com\n",
        "provider: bedrock\nregion: us-east-1\n",
        "provider: http\nbase-url: https://x.example\nbody: { a: b }\nresponse: { text: $.text }\n",
        "provider: exec\ncommand: [cat]\n",
    ];
    let bodies = [
        &b""[..],
        b"null",
        b"[]",
        b"{}",
        b"\"\"",
        b"[{\"error\": {}}]",
        b"{\"error\": null}",
        b"{\"error\": {\"message\": 5}}",
        b"<html>",
        b"{\"choices\": {}}",
        b"\xff\xfe",
        b"{\"output\": [{\"type\": \"message\"}]}",
        b"{\"content\": [{\"type\": \"text\"}]}",
        b"{\"candidates\": [{}]}",
        b"{\"message\": 1}",
    ];
    for yaml in providers {
        let provider = provider(yaml);
        for body in bodies {
            for status in [200, 400, 424, 429, 500] {
                let reply = Reply { status, body: body.to_vec() };
                let embedding = Request::embedding("", "m", "hi", serde_json::Map::new());
                assert!(provider.parse_of(&embedding, &reply).is_err(), "{yaml} {status} {body:?}");
                for request in [request("m"), embedding] {
                    if let Err(fault) = provider.parse_of(&request, &reply) {
                        assert!(!fault.message.is_empty(), "{yaml} {status} {body:?}");
                        assert!(!fault.message.contains('\u{1b}'));
                    }
                }
            }
        }
    }
}

/// The examples that vendors document: `tests/wire/PROVIDER/NAME.json`.
mod documented {
    use std::path::{Path, PathBuf};

    use serde_json::{Map, json};

    use super::*;
    use crate::core::record::{Image, ResponseFormat, Tool, ToolCall};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
    }

    fn vector(name: &str) -> Value {
        let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).expect("a vector");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The value itself, or the one at a JSON pointer of the documented body.
    fn of(value: &Value, body: &Value) -> Value {
        value.as_str().map_or_else(|| value.clone(), |pointer| body.pointer(pointer).cloned().expect(pointer))
    }

    fn message(value: &Value) -> Message {
        let text = |i: usize| value[i].as_str().expect("text");
        let mut message = Message::new(Role::parse(text(0)).expect("a role"), text(1));
        let Some(more) = value.get(2) else { return message };
        if let Some(at) = more["image"].as_u64() {
            let png = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
            let at = usize::try_from(at).expect("small");
            message.images.push(Image::new("a.png", "image/png", png.as_slice().into()).at(at));
        }
        if let Some(name) = more["call"].as_str() {
            let id = more["id"].as_str().expect("an id").to_owned();
            message.tool_calls.push(ToolCall { id, name: name.into(), arguments: more["arguments"].clone() });
        }
        message.tool_call_id = more["answers"].as_str().map(str::to_owned);
        message
    }

    const EMBEDDINGS: &str = "-embeddings";

    /// A request of the kind that the answers of a folder belong to.
    fn asked(folder: &str) -> Request {
        let answer = request("m");
        if folder.ends_with(EMBEDDINGS) { Request { kind: RequestKind::Embedding, ..answer } } else { answer }
    }

    fn neutral(spec: &Value, body: &Value) -> Request {
        let mut request = request(spec["entry"]["model"].as_str().expect("a model"));
        request.kind = serde_json::from_value(spec.get("kind").cloned().unwrap_or("answer".into())).expect("a kind");
        request.messages = spec["messages"].as_array().expect("messages").iter().map(message).collect();
        if let Some(tool) = spec.get("tools").map(|tool| of(tool, body)) {
            let schema = [tool.get("parameters"), tool.get("input_schema"), tool.pointer("/inputSchema/json")];
            request.tools.push(Tool {
                name: tool["name"].as_str().expect("a name").into(),
                description: tool["description"].as_str().unwrap_or_default().into(),
                parameters: schema.into_iter().flatten().next().cloned().expect("a schema"),
            });
        }
        if let Some(output) = spec.get("output") {
            let name = output["name"].as_str().expect("a name").into();
            request.response_format = Some(ResponseFormat { name, schema: of(&output["schema"], body) });
        }
        request.params = spec["params"].as_object().cloned().unwrap_or_default();
        request
    }

    /// Puts a value at a JSON pointer; null takes away what is there.
    fn place(body: &mut Value, pointer: &str, value: &Value) {
        let (outer, last) = pointer.rsplit_once('/').expect("a pointer");
        match body.pointer_mut(outer).expect(pointer) {
            Value::Array(items) if value.is_null() => {
                items.remove(last.parse().expect("a number"));
            }
            Value::Array(items) => items[last.parse::<usize>().expect("a number")] = value.clone(),
            Value::Object(map) if value.is_null() => {
                map.remove(last);
            }
            Value::Object(map) => {
                map.insert(last.to_owned(), value.clone());
            }
            _ => panic!("{pointer}"),
        }
    }

    #[test]
    fn requests_are_sent_as_the_vendors_document_them() {
        let text = std::fs::read_to_string(folder().join("requests.yaml")).expect("there");
        let specs: Vec<Value> = serde_yaml::from_str(&text).expect("YAML");
        assert!(specs.len() > 30);
        for spec in &specs {
            let name = spec["vector"].as_str().expect("a name");
            let mut expected = vector(name)["body"].clone();
            let entry: Map<String, Value> = spec["entry"].as_object().cloned().expect("an entry");
            let provider = provider(&serde_yaml::to_string(&entry).expect("YAML"));
            let request = neutral(spec, &expected);
            assert_eq!(provider.cannot_be_sent(&request), None, "{name}");
            for (pointer, value) in spec["but"].as_object().into_iter().flatten() {
                place(&mut expected, pointer, value);
            }
            let (_, _, body) = sent(&*provider, &request);
            assert_eq!(body, expected, "{name}\nsent: {body:#}");
        }
    }

    #[test]
    fn answers_and_errors_are_read_as_the_vendors_document_them() {
        let providers = [
            ("openai", "provider: openai\n"),
            ("openai-responses", "provider: openai-responses\n"),
            ("anthropic", "provider: anthropic\n"),
            ("gemini", "provider: gemini\n"),
            ("ollama", "provider: ollama\n"),
            ("azure-openai", "provider: azure-openai\nbase-url: https://x.openai.azure.com\n"),
            ("bedrock", "provider: bedrock\nregion: us-east-1\n"),
            ("openai-embeddings", "provider: openai\n"),
            ("gemini-embeddings", "provider: gemini\n"),
            ("ollama-embeddings", "provider: ollama\n"),
            ("bedrock-embeddings", "provider: bedrock\nregion: us-east-1\n"),
        ];
        for (name, yaml) in providers {
            let provider = provider(yaml);
            let mut names: Vec<String> = std::fs::read_dir(folder().join(name))
                .expect("a folder")
                .map(|file| file.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned())
                .collect();
            names.sort();
            let mut shown = Vec::new();
            for vector_name in names {
                let vector = vector(&format!("{name}/{vector_name}"));
                if vector["direction"] == "request" {
                    continue;
                }
                let status = u16::try_from(vector["status"].as_u64().expect("a status")).expect("a status");
                let reply = Reply { status, body: vector["body"].to_string().into_bytes() };
                let result = match provider.parse_of(&asked(name), &reply) {
                    Ok(response) => json!({"answer": response}),
                    Err(fault) => json!({
                        "fault": format!("{:?}", fault.kind), "message": fault.to_string(), "again": fault.again,
                        "fatal": fault.fatal, "wait": fault.wait.map(|wait| wait.as_secs()),
                    }),
                };
                shown.push(json!({"vector": vector_name, "read": result}));
            }
            assert!(shown.len() >= if name.ends_with(EMBEDDINGS) { 1 } else { 5 }, "{name}");
            insta::with_settings!({snapshot_path => folder().join("read"), prepend_module_to_snapshot => false, omit_expression => true}, {
                insta::assert_yaml_snapshot!(name, shown);
            });
        }
    }

    /// Every documented answer with each of its parts in turn replaced by something else.
    #[test]
    fn an_answer_that_is_damaged_anywhere_never_panics() {
        let providers = [
            ("openai", "provider: openai\n"),
            ("openai-responses", "provider: openai-responses\n"),
            ("anthropic", "provider: anthropic\nstructured-output: tool\n"),
            ("gemini", "provider: gemini\n"),
            ("ollama", "provider: ollama\n"),
            ("azure-openai", "provider: azure-openai\nbase-url: https://x.openai.azure.com\n"),
            ("bedrock", "provider: bedrock\nregion: us-east-1\n"),
            ("openai-embeddings", "provider: openai\n"),
            ("gemini-embeddings", "provider: gemini\n"),
            ("ollama-embeddings", "provider: ollama\n"),
            ("bedrock-embeddings", "provider: bedrock\nregion: us-east-1\n"),
        ];
        let others =
            [Value::Null, json!(-1), json!(1e300), json!(""), json!([]), json!({}), json!([null]), json!({"a": {}})];
        let mut tried = 0;
        for (name, yaml) in providers {
            let provider = provider(yaml);
            for file in std::fs::read_dir(folder().join(name)).expect("a folder") {
                let path = file.expect("a file").path();
                let vector = vector(&format!("{name}/{}", path.file_stem().expect("a name").to_string_lossy()));
                let body = &vector["body"];
                for pointer in pointers(body, "") {
                    for other in &others {
                        let mut damaged = body.clone();
                        *damaged.pointer_mut(&pointer).expect("there") = other.clone();
                        for status in [200, 400, 429] {
                            let reply = Reply { status, body: damaged.to_string().into_bytes() };
                            if let Ok(response) = provider.parse_of(&asked(name), &reply) {
                                // What was read can be written, and read again.
                                let text = serde_json::to_string(&response).expect("JSON");
                                let again: crate::core::record::Response = serde_json::from_str(&text).expect(&text);
                                assert_eq!(again, response);
                            }
                            tried += 1;
                        }
                    }
                }
            }
        }
        assert!(tried > 10_000, "{tried}");
    }

    /// Every place of a document but the whole.
    fn pointers(value: &Value, at: &str) -> Vec<String> {
        let inner: Vec<(String, &Value)> = match value {
            Value::Object(map) => {
                map.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
            }
            // The tenth token says what the first did.
            Value::Array(items) => items.iter().take(3).enumerate().map(|(i, item)| (i.to_string(), item)).collect(),
            _ => Vec::new(),
        };
        inner
            .into_iter()
            .flat_map(|(key, value)| {
                let pointer = format!("{at}/{key}");
                let mut all = pointers(value, &pointer);
                all.push(pointer);
                all
            })
            .collect()
    }
}
