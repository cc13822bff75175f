//! Embeddings over the wire: what is sent, what is read, and what a server that fails does to them.

use promptctl::model::FaultKind;

use crate::embed::embed;
use crate::sandbox::Sandbox;
use crate::server::{Server, json_reply};

/// A key that must never be seen.
const MARKER: &str = "MARKER-key-5f3a9c71d2e84b06";

/// A provider as a project names it, how its request begins, what it holds, and a good answer.
const PROVIDERS: [(&str, &str, &[&str], &str); 7] = [
    (
        "provider: openai, base-url: 'URL/v1', api-key-env: KEY, params: { dimensions: 2, temperature: 0 }",
        "POST /v1/embeddings HTTP/1.1",
        &["authorization: Bearer MARKER", r#"{"model":"e","input":"a text","dimensions":2}"#],
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"served","usage":{"prompt_tokens":2,"total_tokens":2}}"#,
    ),
    (
        "provider: azure-openai, base-url: 'URL', api-version: '2024-10-21', deployment: d, api-key-env: KEY",
        "POST /openai/deployments/d/embeddings?api-version=2024-10-21 HTTP/1.1",
        &["api-key: MARKER", r#"{"model":"d","input":"a text"}"#],
        r#"{"data":[{"index":0,"embedding":"AAAAPwAAgL8="}],"model":"served","usage":{"prompt_tokens":2}}"#,
    ),
    (
        "provider: gemini, base-url: 'URL/v1beta', api-key-env: KEY, params: { dimensions: 2 }",
        "POST /v1beta/models/e:embedContent HTTP/1.1",
        &["x-goog-api-key: MARKER", r#"{"content":{"parts":[{"text":"a text"}]},"outputDimensionality":2}"#],
        r#"{"embedding":{"values":[0.5,-1]},"usageMetadata":{"promptTokenCount":2}}"#,
    ),
    (
        "provider: ollama, base-url: 'URL', params: { num_ctx: 512, num_predict: 9, truncate: false }",
        "POST /api/embed HTTP/1.1",
        &[r#"{"model":"e","input":"a text","options":{"num_ctx":512},"truncate":false}"#],
        r#"{"model":"served","embeddings":[[0.5,-1]],"prompt_eval_count":2}"#,
    ),
    (
        "provider: bedrock, base-url: 'URL', region: us-east-1, api-key-env: KEY",
        "POST /model/amazon.titan-embed-text-v2%3A0/invoke HTTP/1.1",
        &["authorization: Bearer MARKER", r#"{"inputText":"a text"}"#],
        r#"{"embedding":[0.5,-1],"inputTextTokenCount":2}"#,
    ),
    (
        "provider: bedrock, base-url: 'URL', region: us-east-1, params: { input_type: clustering, dimensions: 2 }",
        "POST /model/cohere.embed-v4%3A0/invoke HTTP/1.1",
        &["authorization: ", r#"{"texts":["a text"],"input_type":"clustering","output_dimension":2}"#],
        r#"{"id":"i","response_type":"embeddings_floats","texts":["a text"],"embeddings":[[0.5,-1]]}"#,
    ),
    (
        "provider: http, base-url: 'URL/embed', api-key-env: KEY, key-header: x-token, body: { text: '{{ last_user_message }}', of: '{{ model }}' }, response: { embedding: $.v, input-tokens: $.n, model: $.m, error: $.oops }",
        "POST /embed HTTP/1.1",
        &["x-token: MARKER", r#"{"text":"a text","of":"e"}"#],
        r#"{"v":[0.5,-1],"n":2,"m":"served"}"#,
    ),
];

fn entry(keys: &str, path: &str, server: &Server) -> String {
    let model = ["amazon.titan-embed-text-v2:0", "cohere.embed-v4:0"]
        .into_iter()
        .find(|model| path.contains(&model.replace(':', "%3A")))
        .unwrap_or("e");
    format!("model: '{model}', limits: {{ retries: 1, timeout: 2s }}, {}", keys.replace("URL", &server.origin()))
}

#[test]
fn a_text_goes_out_and_a_vector_comes_back() {
    for (keys, path, wanted, good) in PROVIDERS {
        let server = Server::answering(move |_, _| (200, good.to_owned()));
        let embedded = embed(&entry(keys, path, &server), MARKER, "a text");
        let response = embedded.result.unwrap_or_else(|fault| panic!("{keys}: {fault}"));
        assert_eq!(response.embedding.as_ref().expect("a vector").values(), [0.5, -1.0], "{keys}");
        let tells = !good.contains("embeddings_floats");
        assert_eq!((response.usage.input, response.usage.output), (tells.then_some(2), Some(0)), "{keys}");
        assert_eq!((response.text.as_str(), response.is_empty()), ("", false));
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{keys}");
        assert!(requests[0].starts_with(path), "{keys}: {}", requests[0]);
        for part in wanted {
            assert!(requests[0].contains(&part.replace("MARKER", MARKER)), "{keys} lacks {part}: {}", requests[0]);
        }
        assert!(embedded.told.contains("→ POST") && !embedded.told.contains(MARKER), "{}", embedded.told);
    }
}

#[test]
fn no_fault_is_a_vector_or_shows_a_key() {
    let echo = format!("{{\"error\": {{\"message\": \"no: {MARKER}\", \"type\": \"x\"}}}}");
    let html = format!("<html>{MARKER}\u{1b}[31m</html>");
    let faults: [(u16, &str, FaultKind, bool); 8] = [
        (500, &echo, FaultKind::Server, true),
        (429, &echo, FaultKind::RateLimited, true),
        (400, &echo, FaultKind::BadRequest, false),
        (401, &echo, FaultKind::Credentials, false),
        (404, &echo, FaultKind::NotFound, false),
        (200, &html, FaultKind::Protocol, false),
        (200, "{}", FaultKind::Protocol, false),
        (200, "", FaultKind::Protocol, false),
    ];
    for (keys, path, _, good) in PROVIDERS {
        // Whoever has no key has none to hide.
        let has_key = !keys.contains("ollama");
        for (status, body, kind, passes) in &faults {
            let (status, bad) = (*status, (*body).to_owned());
            let server = Server::raw(move |number, _| match number {
                0 if status == 429 => {
                    let head = format!("HTTP/1.1 429 X\r\nretry-after: 0\r\ncontent-length: {}\r\n\r\n", bad.len());
                    (head + &bad).into_bytes()
                }
                0 => json_reply(status, &bad),
                _ => json_reply(200, good),
            });
            let embedded = embed(&entry(keys, path, &server), MARKER, "a text");
            let asked = server.requests().len();
            match embedded.result {
                Ok(response) => {
                    assert!(*passes && asked == 2 && response.attempts == Some(2), "{keys}: {status} {body}");
                    assert!(embedded.told.contains("Retried"), "{}", embedded.told);
                }
                Err(fault) => {
                    assert_eq!((fault.kind, asked, *passes), (*kind, 1, false), "{keys}: {status} {body}: {fault}");
                    let said = fault.to_string();
                    assert!(!(has_key && said.contains(MARKER) || said.contains('\u{1b}')), "{said}");
                }
            }
            assert!(!(has_key && embedded.told.contains(MARKER)), "{}", embedded.told);
        }
    }
}

fn similar_project(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: one, vars: { q: hi }, snapshot: none, expect: [{ similar: We give your money back., threshold: 0.9 }] }\n",
    );
    let entry = "provider: openai, model: e, params: { temperature: 0, dimensions: 2 }, limits: { retries: 0 }";
    sandbox.write(
        "promptctl.yaml",
        format!(
            "models:\n  echo: {{ provider: mock, replies: [{{ say: A full refund. }}] }}\n  near: {{ {entry}, base-url: '{}' }}\ndefaults: {{ models: [echo] }}\njudge: {{ embeddings: near }}\n",
            server.url()
        ),
    );
    sandbox
}

/// An answer with a vector for each of the two texts, at an angle whose cosine is 0.96.
fn two_vectors(body: &str) -> String {
    let vector = if body.contains("A full refund.") { "[3, 4]" } else { "[4, 3]" };
    format!(r#"{{"data":[{{"embedding":{vector},"index":0}}],"model":"e","usage":{{"prompt_tokens":3}}}}"#)
}

#[test]
fn what_was_embedded_is_replayed_with_the_same_verdict() {
    let server = Server::answering(|_, body| (200, two_vectors(body)));
    let sandbox = similar_project(&server);
    let live = sandbox.run(&["test"]);
    assert_eq!(live.code, 0, "{}{}", live.stdout, live.stderr);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert!(request.starts_with("POST /v1/embeddings HTTP/1.1"), "{request}");
        assert!(request.contains(r#""dimensions":2"#) && !request.contains("temperature"), "{request}");
    }
    let recorded = sandbox.read("fixtures/p/judged/near.jsonl");
    assert!(recorded.lines().count() == 2 && recorded.lines().all(|line| line.contains(r#""kind":"embedding""#)));
    assert!(recorded.contains(r#""embedding":"AABAQAAAgEA=""#), "{recorded}");
    assert_eq!(sandbox.run(&["test", "--offline"]).code, 0);
    // Nearer than it is cannot be asked for.
    sandbox.edit("fixtures/p/cases.yaml", "threshold: 0.9", "threshold: 0.97");
    let strict = sandbox.run(&["test", "--offline"]);
    assert!(strict.code == 1 && strict.stdout.contains("is 0.960, at least 0.97 is expected"), "{}", strict.stdout);
    assert_eq!(server.requests().len(), 2, "nothing is asked twice");
}

#[test]
fn a_text_that_cannot_be_embedded_is_no_verdict() {
    for body in ["<html>", r#"{"data":[]}"#, r#"{"data":[{"embedding":[0,0]}]}"#, r#"{"data":[{"embedding":[1]}]}"#] {
        let server = Server::answering(move |_, _| (200, body.to_owned()));
        let sandbox = similar_project(&server);
        let ended = sandbox.run(&["test"]);
        assert_eq!(ended.code, 3, "{body}: {}", ended.stdout);
        assert!(ended.stdout.contains("1 errored") && !sandbox.exists("fixtures/p/judged"), "{body}: {}", ended.stdout);
    }
    let sandbox = similar_project(&Server::answering(|_, _| (200, String::new())));
    sandbox.edit("promptctl.yaml", "provider: openai", "provider: anthropic");
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(
        ended.stderr.contains("cannot be sent a text to embed: its protocol has no embeddings"),
        "{}",
        ended.stderr
    );
}
