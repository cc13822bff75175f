//! Every provider against a server that checks what it is sent, answers as documented, and fails in every way that is
//! known. No fault loses an answer, is taken for one, or shows a key.

use std::fmt::Write as _;
use std::io::Write as _;

use insta::assert_snapshot;

use crate::sandbox::{Ended, Sandbox};
use crate::server::{Server, json_reply};

/// A key that must never be seen.
const MARKER: &str = "MARKER-key-5f3a9c71d2e84b06";

/// A provider as a project names it, what is expected of its requests, and an answer that says `fine`.
struct Provider {
    name: &'static str,
    /// The keys of its entry; `URL` stands for the server.
    entry: &'static str,
    /// The variable with its key.
    key: Option<&'static str>,
    path: &'static str,
    /// What the head of a request must hold.
    head: &'static [&'static str],
    /// What the body must hold.
    body: &'static [&'static str],
    good: &'static str,
    /// An answer that was cut off, and one that was filtered.
    cut: &'static str,
    filtered: &'static str,
}

const PROVIDERS: [Provider; 9] = [
    Provider {
        name: "openai",
        entry: "provider: openai, base-url: 'URL/v1', api-key-env: OPENAI_API_KEY",
        key: Some("OPENAI_API_KEY"),
        path: "POST /v1/chat/completions HTTP/1.1",
        head: &["authorization: Bearer MARKER", "content-type: application/json", "user-agent: promptctl/"],
        body: &[r#""messages":[{"role":"user","content":"hi"}]"#, r#""model":"m""#],
        good: r#"{"model":"served","choices":[{"message":{"content":"fine"},"finish_reason":"stop"}]}"#,
        cut: r#"{"choices":[{"message":{"content":"fi"},"finish_reason":"length"}]}"#,
        filtered: r#"{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]}"#,
    },
    Provider {
        name: "openai-responses",
        entry: "provider: openai-responses, base-url: 'URL/v1', api-key-env: OPENAI_API_KEY",
        key: Some("OPENAI_API_KEY"),
        path: "POST /v1/responses HTTP/1.1",
        head: &["authorization: Bearer MARKER"],
        body: &[r#""input":"hi""#],
        good: r#"{"model":"served","status":"completed","output":[{"type":"reasoning","summary":[]},{"type":"message","content":[{"type":"output_text","text":"fine"}]}]}"#,
        cut: r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"message","content":[{"type":"output_text","text":"fi"}]}]}"#,
        filtered: r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}"#,
    },
    Provider {
        name: "anthropic",
        entry: "provider: anthropic, base-url: 'URL', api-key-env: ANTHROPIC_API_KEY",
        key: Some("ANTHROPIC_API_KEY"),
        path: "POST /v1/messages HTTP/1.1",
        head: &["x-api-key: MARKER", "anthropic-version: 2023-06-01"],
        body: &[r#""max_tokens":4096"#, r#""messages":[{"role":"user","content":"hi"}]"#],
        good: r#"{"type":"message","model":"served","content":[{"type":"text","text":"fine"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":1,"cache_read_input_tokens":3}}"#,
        cut: r#"{"content":[{"type":"text","text":"fi"}],"stop_reason":"max_tokens"}"#,
        filtered: r#"{"content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","category":"cyber"}}"#,
    },
    Provider {
        name: "gemini",
        entry: "provider: gemini, base-url: 'URL/v1beta', api-key-env: GEMINI_API_KEY",
        key: Some("GEMINI_API_KEY"),
        path: "POST /v1beta/models/m:generateContent HTTP/1.1",
        head: &["x-goog-api-key: MARKER"],
        body: &[r#""contents":[{"role":"user","parts":[{"text":"hi"}]}]"#],
        good: r#"{"modelVersion":"served","candidates":[{"content":{"parts":[{"text":"fine"}]},"finishReason":"STOP"}]}"#,
        cut: r#"{"candidates":[{"content":{"parts":[{"text":"fi"}]},"finishReason":"MAX_TOKENS"}]}"#,
        filtered: r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
    },
    Provider {
        name: "ollama",
        entry: "provider: ollama, base-url: 'URL'",
        key: None,
        path: "POST /api/chat HTTP/1.1",
        head: &["content-type: application/json"],
        body: &[r#""stream":false"#],
        good: r#"{"model":"served","message":{"role":"assistant","content":"fine"},"done":true,"done_reason":"stop"}"#,
        cut: r#"{"message":{"content":"fi"},"done":true,"done_reason":"length"}"#,
        filtered: r#"{"message":{"content":""},"done":true,"done_reason":"stop"}"#,
    },
    Provider {
        name: "azure-openai",
        entry: "provider: azure-openai, base-url: 'URL', api-version: '2024-10-21', deployment: d",
        key: Some("AZURE_OPENAI_API_KEY"),
        path: "POST /openai/deployments/d/chat/completions?api-version=2024-10-21 HTTP/1.1",
        head: &["api-key: MARKER"],
        body: &[r#""messages":[{"role":"user","content":"hi"}]"#],
        good: r#"{"model":"served","choices":[{"message":{"content":"fine"},"finish_reason":"stop"}]}"#,
        cut: r#"{"choices":[{"message":{"content":"fi"},"finish_reason":"length"}]}"#,
        filtered: r#"{"choices":[{"message":{},"finish_reason":"content_filter"}]}"#,
    },
    Provider {
        name: "bedrock",
        entry: "provider: bedrock, base-url: 'URL', region: us-east-1",
        key: Some("AWS_BEARER_TOKEN_BEDROCK"),
        path: "POST /model/m/converse HTTP/1.1",
        head: &["authorization: Bearer MARKER"],
        body: &[r#""messages":[{"role":"user","content":[{"text":"hi"}]}]"#],
        good: r#"{"output":{"message":{"content":[{"text":"fine"}]}},"stopReason":"end_turn"}"#,
        cut: r#"{"output":{"message":{"content":[{"text":"fi"}]}},"stopReason":"max_tokens"}"#,
        filtered: r#"{"output":{"message":{"content":[{"text":"No."}]}},"stopReason":"guardrail_intervened"}"#,
    },
    Provider {
        name: "bedrock signed",
        entry: "provider: bedrock, base-url: 'URL', region: us-east-1",
        key: Some("AWS_SECRET_ACCESS_KEY"),
        path: "POST /model/m/converse HTTP/1.1",
        head: &[
            "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/",
            "x-amz-date: ",
            "SignedHeaders=content-type;host;x-amz-date",
        ],
        body: &[r#""messages":[{"role":"user","content":[{"text":"hi"}]}]"#],
        good: r#"{"output":{"message":{"content":[{"text":"fine"}]}},"stopReason":"end_turn"}"#,
        cut: r#"{"output":{"message":{"content":[{"text":"fi"}]}},"stopReason":"max_tokens"}"#,
        filtered: r#"{"output":{"message":{"content":[{"text":"No."}]}},"stopReason":"content_filtered"}"#,
    },
    Provider {
        name: "http",
        entry: "provider: http, base-url: 'URL/generate', api-key-env: OWN_KEY, key-header: x-token, headers: { x-model: '{{ model }}' }, body: { prompt: '{{ last_user_message }}', all: '{{ messages }}', n: 1 }, response: { text: $.out, finish-reason: $.why, error: $.oops, finish-reasons: { done: stop, cut: length, bad: content-filter } }",
        key: Some("OWN_KEY"),
        path: "POST /generate HTTP/1.1",
        head: &["x-token: MARKER", "x-model: m"],
        body: &[r#""prompt":"hi""#, r#""n":1"#, r#""all":[{"#],
        good: r#"{"out":"fine","why":"done"}"#,
        cut: r#"{"out":"fi","why":"cut"}"#,
        filtered: r#"{"out":"","why":"bad"}"#,
    },
];

fn project(provider: &Provider, server: &Server, limits: &str) -> Sandbox {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: fine }] }\n");
    let entry = provider.entry.replace("URL", &server.origin());
    sandbox.write("promptctl.yaml", format!("models:\n  it: {{ {entry}, model: m, limits: {limits} }}\n"));
    sandbox
}

fn run(provider: &Provider, sandbox: &Sandbox, args: &[&str]) -> Ended {
    let mut variables = vec![("PROMPTCTL_ALLOWED_HOSTS", "127.0.0.1"), ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")];
    variables.extend(provider.key.map(|name| (name, MARKER)));
    sandbox.run_with(args, &variables)
}

fn raw(head: &str, body: &[u8]) -> Vec<u8> {
    let mut reply = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    reply.extend_from_slice(body);
    reply
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("written");
    encoder.finish().expect("finished")
}

/// Fails where the key is to be seen; whoever has no key has none to hide.
fn reveals(provider: &Provider, fault: &str, ended: &Ended, sandbox: &Sandbox) {
    if provider.key.is_none() {
        return;
    }
    assert!(!ended.stdout.contains(MARKER), "{} {fault}: {}", provider.name, ended.stdout);
    assert!(!ended.stderr.contains(MARKER), "{} {fault}: {}", provider.name, ended.stderr);
    for (path, bytes) in sandbox.files() {
        let found = bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes());
        assert!(!found, "{} {fault}: {path} holds the key", provider.name);
    }
}

#[test]
fn requests_have_the_form_and_the_key_of_their_protocol() {
    for provider in &PROVIDERS {
        let server = Server::answering(|_, _| (200, provider.good.to_owned()));
        let sandbox = project(provider, &server, "{}");
        let ended = run(provider, &sandbox, &["test", "--verbose"]);
        assert_eq!(ended.code, 0, "{}: {}{}", provider.name, ended.stdout, ended.stderr);
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{}", provider.name);
        assert!(requests[0].starts_with(provider.path), "{}: {}", provider.name, requests[0]);
        for wanted in provider.head.iter().chain(provider.body) {
            let wanted = wanted.replace("MARKER", MARKER);
            assert!(requests[0].contains(&wanted), "{} lacks {wanted}: {}", provider.name, requests[0]);
        }
        let traced = format!("{}{}", ended.stdout, ended.stderr);
        assert!(traced.contains("→ POST http://127.0.0.1") && traced.contains("← 200"), "{}: {traced}", provider.name);
        reveals(provider, "a good answer", &ended, &sandbox);
    }
}

#[test]
fn answers_that_are_cut_or_filtered_are_recorded_and_fail() {
    for provider in &PROVIDERS {
        for (body, reason) in [(provider.cut, "length"), (provider.filtered, "")] {
            let server = Server::answering(move |_, _| (200, body.to_owned()));
            let sandbox = project(provider, &server, "{}");
            let ended = run(provider, &sandbox, &["test"]);
            assert_eq!(ended.code, 1, "{}: {}", provider.name, ended.stdout);
            let recorded = sandbox.read("fixtures/p/recorded/it.jsonl");
            assert!(recorded.contains(&format!("\"finish_reason\":\"{reason}")), "{}: {recorded}", provider.name);
            assert_eq!(run(provider, &sandbox, &["test", "--offline"]).code, 1, "{}", provider.name);
        }
    }
}

/// What a server does wrong once, and whether asking again mends it.
fn faults(good: &str) -> Vec<(&'static str, Vec<u8>, bool)> {
    let echo = format!("{{\"error\": {{\"message\": \"no: {MARKER}\", \"type\": \"x\"}}}}");
    let mut cut = raw("200 OK\r\ncontent-type: text/plain", good.as_bytes());
    cut.truncate(cut.len() - 5);
    vec![
        ("429 with a time", raw("429 X\r\nretry-after: 0", echo.as_bytes()), true),
        ("429 without a time", raw("429 X", echo.as_bytes()), true),
        ("500", raw("500 X", echo.as_bytes()), true),
        ("529", raw("529 X\r\nretry-after: 0", echo.as_bytes()), true),
        ("401", raw("401 X", echo.as_bytes()), false),
        ("404", raw("404 X", echo.as_bytes()), false),
        ("400", raw("400 X", echo.as_bytes()), false),
        ("a cut body", cut, true),
        ("HTML", raw("200 OK", format!("<html>{MARKER}\u{1b}[31m</html>").as_bytes()), false),
        ("no answer", Vec::new(), true),
        ("invalid UTF-8", raw("200 OK", b"{\"choices\": \"\xff\xfe\"}"), false),
        ("50 MB", raw("200 OK", &vec![b' '; 50_000_000]), false),
        ("a redirect", raw("307 X\r\nlocation: http://localhost:1/", echo.as_bytes()), false),
        ("nothing", raw("204 X", b""), false),
    ]
}

#[test]
fn no_fault_is_an_answer_or_shows_a_key() {
    // Most of the time is spent waiting, so all wait together.
    let shown: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = PROVIDERS.iter().map(|provider| scope.spawn(|| try_faults(provider))).collect();
        running.into_iter().map(|thread| thread.join().expect("no fault passes for an answer")).collect()
    });
    assert_snapshot!("what_is_said_of_faults", shown[2]);
}

/// What a person is told of each fault that asking again does not mend.
fn try_faults(provider: &Provider) -> String {
    let mut shown = String::new();
    for (fault, reply, passes) in faults(provider.good) {
        let good = provider.good;
        let server = Server::raw(move |number, _| match number {
            0 => reply.clone(),
            _ => json_reply(200, good),
        });
        let sandbox = project(provider, &server, "{ retries: 1, timeout: 1s }");
        let ended = run(provider, &sandbox, &["test", "--verbose"]);
        let code = if passes { 0 } else { 3 };
        assert_eq!(ended.code, code, "{} {fault}: {}{}", provider.name, ended.stdout, ended.stderr);
        assert_eq!(server.requests().len(), if passes { 2 } else { 1 }, "{} {fault}", provider.name);
        assert_eq!(sandbox.exists("fixtures/p/recorded"), passes, "{} {fault}", provider.name);
        assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains("panicked"), "{fault}");
        reveals(provider, fault, &ended, &sandbox);
        if !passes {
            let reason = ended.stdout.lines().find(|line| line.starts_with("    ")).unwrap_or_default();
            writeln!(shown, "{fault}:{reason}").expect("written");
        }
    }
    shown
}

#[test]
fn a_packed_answer_is_unpacked() {
    for provider in &PROVIDERS {
        let server = Server::raw(|_, _| {
            raw("200 OK\r\ncontent-encoding: gzip\r\ncontent-type: application/json", &gzip(provider.good))
        });
        let sandbox = project(provider, &server, "{}");
        let ended = run(provider, &sandbox, &["test"]);
        assert_eq!(ended.code, 0, "{}: {}", provider.name, ended.stdout);
    }
}

#[test]
fn a_bomb_of_zeros_is_no_answer() {
    let zeros = gzip(&" ".repeat(40 << 20));
    assert!(zeros.len() < 100_000);
    let server = Server::raw(move |_, _| raw("200 OK\r\ncontent-encoding: gzip", &zeros));
    let sandbox = project(&PROVIDERS[0], &server, "{ retries: 0 }");
    let ended = run(&PROVIDERS[0], &sandbox, &["test"]);
    assert!(ended.code == 3 && ended.stdout.contains("larger than 16 MiB"), "{}", ended.stdout);
}

#[test]
fn a_key_that_the_model_says_back_is_kept_out_of_everything() {
    for provider in PROVIDERS.iter().filter(|provider| provider.key.is_some()) {
        let good = provider.good.replace("fine", &format!("fine {MARKER}"));
        let server = Server::answering(move |_, _| (200, good.clone()));
        let sandbox = project(provider, &server, "{}");
        let report = sandbox.path("report.json");
        let json = format!("json={}", report.display());
        for args in [
            &["test", "--verbose", "--report", &json][..],
            &["list"],
            &["models"],
            &["review"],
            &["pending"],
            &["render", "--json"],
            &["test", "--offline", "--report", "json"],
            &["accept", "p"],
            &["prune"],
        ] {
            let ended = run(provider, &sandbox, args);
            assert!(ended.code < 6, "{} {args:?}: {}", provider.name, ended.stderr);
            reveals(provider, &format!("{args:?}"), &ended, &sandbox);
        }
        assert!(sandbox.read("fixtures/p/recorded/it.jsonl").contains("[redacted:"), "{}", provider.name);
    }
}

#[test]
fn a_well_known_key_stays_at_home() {
    let server = Server::answering(|_, _| (200, PROVIDERS[0].good.to_owned()));
    for provider in PROVIDERS.iter().filter(|provider| provider.key.is_some_and(|key| key != "OWN_KEY")) {
        let sandbox = project(provider, &server, "{}");
        let variables = [(provider.key.expect("a key"), MARKER), ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")];
        let ended = sandbox.run_with(&["test"], &variables);
        assert_eq!(ended.code, 2, "{}: {}", provider.name, ended.stderr);
        assert!(ended.stderr.contains("PROMPTCTL_ALLOWED_HOSTS=127.0.0.1"), "{}", ended.stderr);
        let elsewhere = [variables.as_slice(), &[("PROMPTCTL_ALLOWED_HOSTS", "example.org")]].concat();
        assert_eq!(sandbox.run_with(&["test"], &elsewhere).code, 2);
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_server_with_a_strange_certificate_is_not_spoken_to() {
    let address = crate::tls::serve();
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: fine }] }\n");
    let entry = format!("provider: openai, base-url: 'https://localhost:{}/v1', api-key-env: OWN_KEY", address.port);
    sandbox.write("promptctl.yaml", format!("models:\n  it: {{ {entry}, model: m }}\n"));
    let ended = sandbox.run_with(&["test"], &[("OWN_KEY", MARKER)]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(ended.stdout.contains("certificate") && ended.stdout.contains("SSL_CERT_FILE"), "{}", ended.stdout);
    assert!(!ended.stdout.contains(MARKER));
    sandbox.write("ca.pem", &address.certificate);
    let path = sandbox.path("ca.pem").display().to_string();
    let ended = sandbox.run_with(&["test"], &[("OWN_KEY", MARKER), ("SSL_CERT_FILE", &path)]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
}
