//! What the tests of the protocols share, and what all protocols have in common.

use serde_json::Value;

use super::provider::{self, Exchange, Provider, Reply};
use crate::core::problem::Problems;
use crate::core::record::{Message, Request, Role};
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
        messages: vec![Message::new(Role::User, "hi")],
        tools: Vec::new(),
        response_format: None,
        params: serde_json::Map::new(),
        extras: None,
    }
}

/// What is sent for a request: address, headers, body.
pub(super) fn sent(provider: &dyn Provider, request: &Request) -> (String, Vec<(String, String)>, Value) {
    match provider.exchange(request, 0, 0) {
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
                if let Err(fault) = provider.parse(&Reply { status, body: body.to_vec() }) {
                    assert!(!fault.message.is_empty(), "{yaml} {status} {body:?}");
                    assert!(!fault.message.contains('\u{1b}'));
                }
            }
        }
    }
}
