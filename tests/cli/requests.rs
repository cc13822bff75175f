//! What goes into a request: pictures, turns of tools, keys of a `.env`, programs, batches, and what cannot be sent.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::server::Server;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

fn config(server: &Server, entry: &str) -> String {
    format!("models:\n  it: {{ model: m, base-url: '{}', {entry} }}\n", server.url())
}

fn body(server: &Server, number: usize) -> Value {
    let request = &server.requests()[number];
    serde_json::from_str(request.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON")
}

fn fine() -> Server {
    Server::answering(|_, _| (200, Server::completion("fine")))
}

#[test]
fn pictures_of_the_tree_are_shown_to_the_model() {
    let server = fine();
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: one, vars: { q: What is it?, photo: { image: photos/a.png } }, expect: [{ contains: fine }] }\n",
    );
    sandbox.write("promptctl.yaml", config(&server, "provider: openai"));
    sandbox.write("prompts/p.j2", "{{ role('user') }}\nLook: {{ image(photo) }}\n{{ q }}\n");
    sandbox.write("fixtures/p/photos/a.png", PNG);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    assert_eq!(
        body(&server, 0)["messages"],
        json!([{"role": "user", "content": [
            {"type": "text", "text": "Look: "},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="}},
            {"type": "text", "text": "\nWhat is it?"},
        ]}])
    );
    let recorded = sandbox.read("fixtures/p/recorded/it.jsonl");
    assert!(recorded.contains("fixtures/p/photos/a.png") && !recorded.contains("iVBORw0KGgo"), "{recorded}");
    // Another file with the same bytes is the same picture; the same file with other bytes is not.
    sandbox.write("fixtures/p/photos/b.png", PNG);
    sandbox.edit("fixtures/p/cases.yaml", "a.png", "b.png");
    assert_eq!(sandbox.run(&["test", "--offline"]).code, 0);
    sandbox.write("fixtures/p/photos/b.png", [PNG, b"x"].concat());
    let ended = sandbox.run(&["test", "--offline"]);
    assert!(ended.code == 5 && ended.stdout.contains("b.png"), "{}", ended.stdout);
}

#[test]
fn a_picture_that_cannot_be_shown_is_named_with_its_case() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: missing, vars: { q: { image: no.png } }, snapshot: text }\n  - { name: text, vars: { q: { image: cases.yaml } }, snapshot: text }\n  - { name: outside, vars: { q: ../../secret.png }, snapshot: text }\n  - { name: number, vars: { q: 5 }, snapshot: text }\n",
    );
    sandbox.write("prompts/p.j2", "{{ image(q) }}\n");
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 2);
    assert_snapshot!("pictures_that_cannot_be_shown", ended.shown());
}

#[test]
fn turns_of_tools_are_told_in_each_protocol() {
    let prompt = "---\ntools: [{ name: find, description: Finds., parameters: { type: object, properties: { id: { type: integer } } } }]\n---\n{{ role('user') }}\nWhere is order 5?\n{{ role('assistant') }}\n{{ tool_call('find', {'id': 5}) }}\n{{ role('tool') }}\n{{ q }}\n{{ role('user') }}\nWell?\n";
    let mut shown = String::new();
    let replies = [
        ("openai", Server::completion("fine"), ""),
        (
            "openai-responses",
            json!({"status": "completed", "output": [{"type": "message", "content": [{"type": "output_text", "text": "fine"}]}]}).to_string(),
            "",
        ),
        ("anthropic", json!({"content": [{"type": "text", "text": "fine"}], "stop_reason": "end_turn"}).to_string(), ""),
        ("gemini", json!({"candidates": [{"content": {"parts": [{"text": "fine"}]}, "finishReason": "STOP"}]}).to_string(), ""),
        ("ollama", json!({"message": {"content": "fine"}, "done": true, "done_reason": "stop"}).to_string(), ""),
    ];
    for (provider, reply, more) in replies {
        let server = Server::answering(move |_, _| (200, reply.clone()));
        let sandbox =
            Sandbox::with_cases("cases:\n  - { name: one, vars: { q: In Rome. }, expect: [{ contains: fine }] }\n");
        sandbox.write("prompts/p.j2", prompt);
        sandbox.write("promptctl.yaml", config(&server, &format!("provider: {provider}{more}")));
        let ended = sandbox.run(&["test"]);
        assert_eq!(ended.code, 0, "{provider}: {}{}", ended.stdout, ended.stderr);
        let body = body(&server, 0);
        let turns = ["messages", "input", "contents"].iter().find_map(|name| body.get(*name)).expect("turns");
        shown.push_str(&format!("{provider}: {turns:#}\n"));
    }
    assert_snapshot!("turns_of_tools", shown);
}

#[test]
fn what_a_provider_cannot_be_sent_is_an_error_when_the_project_is_loaded() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, snapshot: text }\n");
    sandbox.write(
        "promptctl.yaml",
        "models:\n  a:\n    provider: anthropic\n    params: { seed: 1 }\n  b: { provider: openai-responses, params: { stop: x } }\n  c: { provider: gemini, params: { max_tokens: 5, maxOutputTokens: 6 } }\n  d: { provider: ollama, params: { stream: true } }\n  e: { provider: bedrock, region: '../x' }\n  f: { provider: azure-openai, api-version: 1 }\n  g: { provider: http, base-url: 'http://127.0.0.1:1' }\n  h: { provider: exec }\n  i: { provider: openai, max-tokens-name: tokens, headers: { Authorization: x } }\n  j: { provider: anthropic, ignore: [seed] }\ndefaults: { models: [j] }\n",
    );
    sandbox.write("prompts/p.j2", "---\nparams: { seed: 7, logprobs: true }\n---\n{{ role('user') }}{{ q }}\n");
    let ended = sandbox.run(&["test", "--offline"]);
    assert_eq!(ended.code, 2);
    assert_snapshot!("what_cannot_be_sent", ended.shown());
    // What is left out is left out of the request and of its key.
    sandbox.write("promptctl.yaml", "models:\n  j: { provider: anthropic, ignore: [seed, logprobs] }\n");
    let rendered: Value = serde_json::from_str(&sandbox.run(&["render", "--json"]).stdout).expect("JSON");
    assert_eq!(rendered[0]["request"].get("params"), None);
    // A model that is asked for on the command line is checked, too.
    sandbox.write("promptctl.yaml", "models:\n  j: { provider: anthropic, ignore: [seed, logprobs] }\n  k: { provider: anthropic }\ndefaults: { models: [j] }\n");
    let ended = sandbox.run(&["test", "--offline", "--model", "k"]);
    assert!(ended.code == 2 && ended.stderr.contains("cannot be sent `seed`"), "{}", ended.stderr);
}

#[test]
fn a_conversation_that_a_protocol_cannot_tell_is_an_error() {
    let prompts = [
        ("{{ role('user') }}a\n{{ role('system') }}{{ q }}", "in the midst of a conversation"),
        ("{{ role('system') }}{{ q }}", "instructions alone"),
        ("{{ role('assistant') }}{{ q }}", "the assistant begins"),
        ("{{ role('user') }}a\n{{ role('tool') }}{{ q }}", "without the call that it answers"),
    ];
    for (prompt, reason) in prompts {
        let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, snapshot: text }\n");
        sandbox.write("promptctl.yaml", "models:\n  j: { provider: anthropic }\n");
        sandbox.write("prompts/p.j2", prompt);
        let ended = sandbox.run(&["test", "--offline"]);
        assert!(ended.code == 2 && ended.stderr.contains(reason), "{prompt}: {}", ended.stderr);
    }
}

#[test]
fn a_key_may_stand_in_a_dot_env_file() {
    let server = fine();
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: fine }] }\n");
    sandbox.write("promptctl.yaml", config(&server, "provider: openai, api-key-env: OWN_KEY"));
    sandbox.write(".env", "# keys\nexport OWN_KEY=\"from the file\"\n");
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(server.requests()[0].contains("authorization: Bearer from the file\r\n"), "{}", server.requests()[0]);
    // The environment wins.
    sandbox.run_with(&["test", "--refresh"], &[("OWN_KEY", "from outside")]);
    assert!(server.requests()[1].contains("authorization: Bearer from outside\r\n"));
    // What the file says of anything but keys is nobody's permission.
    sandbox.write(
        ".env",
        "OWN_KEY=secret-of-mine\nPROMPTCTL_ALLOWED_HOSTS=127.0.0.1\nPROMPTCTL_ALLOW_EXEC=1\nOPENAI_API_KEY=k\n",
    );
    sandbox.write("promptctl.yaml", "models:\n  it: { provider: exec, command: [cat] }\n");
    assert_eq!(sandbox.run(&["test"]).code, 2);
    sandbox.write("promptctl.yaml", config(&server, "provider: openai, api-key-env: OPENAI_API_KEY"));
    assert_eq!(sandbox.run(&["test", "--refresh"]).code, 2);
    sandbox.write(".env", "OWN_KEY=fine\nsecret-of-mine without a name\n");
    let ended = sandbox.run(&["test"]);
    assert!(
        ended.code == 2 && ended.stderr.contains(".env:2") && !ended.stderr.contains("of-mine"),
        "{}",
        ended.stderr
    );
    sandbox.write(".env", "OWN_KEY=fine\n");
    sandbox.git(&["init"]);
    sandbox.git(&["add", "-f", ".env"]);
    assert!(sandbox.run(&["test", "--offline"]).stderr.contains("git tracks this file"));
}

#[cfg(unix)]
#[test]
fn a_program_runs_only_where_it_is_allowed_and_ends_with_its_children() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: HI }] }\n");
    let entry = |command: &str, limits: &str| {
        format!("models:\n  it: {{ provider: exec, command: {command}, limits: {limits} }}\n")
    };
    sandbox.write("answer.sh", "read line\necho \"$line\" | grep -q '\"content\":\"hi\"' || exit 4\necho '{\"text\": \"HI\", \"usage\": {\"input\": 1, \"output\": 2}}'\n");
    sandbox.write("promptctl.yaml", entry("[sh, answer.sh]", "{ retries: 0 }"));
    let path = [("PATH", "/usr/bin:/bin")];
    let ended = sandbox.run_with(&["test"], &path);
    assert!(ended.code == 2 && ended.stderr.contains("--allow-exec"), "{}", ended.stderr);
    let ended = sandbox.run_with(&["test", "--allow-exec"], &path);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    // What is recorded needs no permission.
    assert_eq!(sandbox.run_with(&["test"], &path).code, 0);
    let allowed = [path[0], ("PROMPTCTL_ALLOW_EXEC", "1")];
    let bad = [
        ("[sh, -c, 'echo no >&2; exit 3']", "exit status: 3: no"),
        ("[sh, -c, 'echo hello']", "not what the protocol promises"),
        ("[sh, -c, 'echo \"{\\\"error\\\": {\\\"message\\\": \\\"busy\\\"}}\"']", "busy"),
        ("[no-such-program]", "cannot be started"),
    ];
    for (command, said) in bad {
        sandbox.write("promptctl.yaml", entry(command, "{ retries: 0 }"));
        let ended = sandbox.run_with(&["test", "--refresh"], &allowed);
        assert!(ended.code == 3 && ended.stdout.contains(said), "{command}: {}{}", ended.stdout, ended.stderr);
    }
    let mark = format!("{}", std::process::id() + 100_000);
    sandbox.write(
        "promptctl.yaml",
        entry(&format!("[sh, -c, 'sleep {mark} & sleep {mark}']"), "{ retries: 0, timeout: 500ms }"),
    );
    let begun = Instant::now();
    let ended = sandbox.run_with(&["test", "--refresh"], &allowed);
    assert!(ended.code == 3 && ended.stdout.contains("no answer within 0.5 s"), "{}", ended.stdout);
    assert!(begun.elapsed() < Duration::from_secs(30));
    std::thread::sleep(Duration::from_millis(200));
    let alive = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok).any(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mark))
    });
    assert!(!alive, "a child outlived the program");
}

fn batch_project(provider: &str) -> Sandbox {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: one, vars: { q: q1 }, expect: [{ contains: a }] }\n  - { name: two, vars: { q: q2 }, expect: [{ contains: a }] }\n  - { name: same as one, vars: { q: q1 }, expect: [{ contains: a }] }\n",
    );
    sandbox.write("promptctl.yaml", format!("models:\n  it: {{ provider: {provider}, model: m }}\n"));
    sandbox
}

#[test]
fn a_batch_goes_out_as_openai_takes_it_and_comes_back_as_recordings() {
    let sandbox = batch_project("openai");
    let ended = sandbox.run(&["batch", "export", "--model", "it", "--out", "requests.jsonl"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let requests: Vec<Value> =
        sandbox.read("requests.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(requests.len(), 2, "the same request goes once");
    let question = |request: &Value| request["body"]["messages"][0]["content"].as_str().expect("text").to_owned();
    let result = |request: &Value, text: &str| json!({"id": "x", "custom_id": request["custom_id"], "response": {"status_code": 200, "request_id": "r", "body": {"model": "m", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}}, "error": null});
    assert_eq!(requests[0]["url"], "/v1/chat/completions");
    assert_eq!(requests[0]["method"], "POST");
    let good: Vec<String> = requests.iter().map(|r| result(r, &format!("a to {}", question(r))).to_string()).collect();
    // Whole or not at all.
    let stranger = json!({"custom_id": "0".repeat(64), "response": {"status_code": 200, "body": {}}}).to_string();
    for wrong in [stranger.as_str(), "{", "{}", good[0].as_str(), "{\"custom_id\": \"mine\"}"] {
        sandbox.write("results.jsonl", format!("{}\n\n{wrong}\n{}\n", good[0], good[1]));
        let ended = sandbox.run(&["batch", "import", "results.jsonl"]);
        assert!(ended.code == 2 && ended.stderr.contains("results.jsonl:3"), "{wrong}: {}", ended.stderr);
        assert!(!sandbox.exists("fixtures/p/recorded"), "{wrong}");
    }
    let expired = json!({"custom_id": requests[1]["custom_id"], "response": null, "error": {"code": "batch_expired", "message": "too late"}});
    sandbox.write("results.jsonl", format!("{}\n{expired}\n", good[0]));
    let ended = sandbox.run(&["batch", "import", "results.jsonl"]);
    assert!(ended.code == 3 && ended.stderr.contains("results.jsonl:2: too late"), "{}", ended.stderr);
    let ended = sandbox.run(&["batch", "export", "--model", "it"]);
    assert_eq!(ended.stdout.lines().count(), 1, "only what is missing: {}", ended.stdout);
    sandbox.write("results.jsonl", &good[1]);
    assert_eq!(sandbox.run(&["batch", "import", "results.jsonl"]).code, 0);
    assert_eq!(sandbox.run(&["test", "--offline"]).code, 0);
    assert_eq!(sandbox.read("fixtures/p/recorded/it.jsonl").lines().count(), 2);
    assert!(sandbox.run(&["batch", "export", "--model", "it"]).stderr.contains("nothing to export"));
}

#[test]
fn a_batch_goes_out_as_anthropic_takes_it() {
    let sandbox = batch_project("anthropic");
    let ended = sandbox.run(&["batch", "export", "--model", "it"]);
    let whole: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let requests = whole["requests"].as_array().expect("requests");
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0]["params"]["max_tokens"], 4096);
    let id = requests[0]["custom_id"].as_str().expect("an id");
    assert!(id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
    let good = json!({"custom_id": id, "result": {"type": "succeeded", "message": {"content": [{"type": "text", "text": "a"}], "stop_reason": "end_turn"}}});
    let bad = json!({"custom_id": requests[1]["custom_id"], "result": {"type": "errored", "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}}});
    sandbox.write("results.jsonl", format!("{good}\n{bad}\n"));
    let ended = sandbox.run(&["batch", "import", "results.jsonl"]);
    assert!(ended.code == 3 && ended.stderr.contains("too long"), "{}{}", ended.stdout, ended.stderr);
    let bad = json!({"custom_id": requests[1]["custom_id"], "result": {"type": "expired"}});
    sandbox.write("results.jsonl", format!("{bad}\n"));
    assert!(sandbox.run(&["batch", "import", "results.jsonl"]).stderr.contains("the request is expired"));
}

#[test]
fn a_model_without_batches_is_told_so() {
    let ended = batch_project("gemini").run(&["batch", "export", "--model", "it"]);
    assert!(ended.code == 2 && ended.stderr.contains("has no batches"), "{}", ended.stderr);
}

#[test]
fn models_are_listed_with_their_prices_and_without_their_keys() {
    let sandbox = batch_project("openai");
    sandbox.write("promptctl.yaml", "models:\n  a: { provider: openai, model: gpt-4.1-mini-2025-04-14, params: { temperature: 0 } }\n  b: { provider: bedrock, model: amazon.nova-lite-v1:0, region: eu-central-1 }\n  c: { provider: ollama, model: llama3.2, price: { input: 1, output: 2 } }\ndefaults: { models: [a] }\n");
    let variables = [("OPENAI_API_KEY", "the-key-itself"), ("AWS_ACCESS_KEY_ID", "x")];
    let ended = sandbox.run_with(&["models"], &variables);
    let own: String = ended.stdout.split("\n\n").next().unwrap_or_default().to_owned();
    assert_snapshot!("models", own);
    assert!(ended.stdout.contains("Prices of well-known models") && !ended.stdout.contains("the-key-itself"));
    let json: Value = serde_json::from_str(&sandbox.run_with(&["models", "--json"], &variables).stdout).expect("JSON");
    assert!(json["prices"].as_array().expect("prices").len() > 50);
    assert_eq!(Sandbox::empty().run(&["models"]).code, 0, "the table is there without a project");
}
