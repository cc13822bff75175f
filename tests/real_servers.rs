//! Against servers that nobody here wrote. `scripts/real-servers` starts them and runs these tests.

#![allow(unreachable_pub, reason = "modules of one test binary")]

mod common;
#[path = "common/embed.rs"]
mod embed;
#[path = "cli/sandbox.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod sandbox;

use std::fmt::Write as _;

use embed::embed;
use promptctl::model::FaultKind;
use sandbox::Sandbox;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run scripts/real-servers"))
}

const TICKETS: [(&str, &str, bool); 4] = [
    ("hello I was charged twice, this is blocking us", "billing", true),
    ("the page will not load, we are losing money", "technical", true),
    ("where is my parcel", "shipping", false),
    ("reset my password", "account", false),
];

/// A project that sorts tickets with both versions of the tiny model.
fn project(params: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let mut config = String::from("models:\n");
    for version in 1..=2 {
        let url = variable(&format!("PROMPTCTL_REAL_V{version}"));
        writeln!(config, "  v{version}:\n    provider: openai\n    model: triage-v{version}\n    base-url: {url}\n    api-key-env: REAL_KEY\n    params: {params}\n    limits: {{ retries: 1 }}").expect("written");
    }
    sandbox.write("promptctl.yaml", config + "defaults: { models: [v1] }\n");
    sandbox.write("prompts/triage.j2", "---\noutput: { schema: { type: object, properties: { queue: { enum: [billing, technical, account, shipping] }, urgent: { type: boolean } }, required: [queue, urgent], additionalProperties: false } }\n---\n{{ role('system') }}\nYou triage support tickets. Reply in JSON with queue and urgent.\n{{ role('user') }}\n{{ ticket }}\n");
    let cases: String = TICKETS
        .iter()
        .map(|(ticket, queue, urgent)| format!("  - {{ name: {queue}, vars: {{ ticket: \"{ticket}\" }}, expect: [{{ equals: {{ queue: {queue}, urgent: {urgent} }} }}] }}\n"))
        .collect();
    sandbox.write("fixtures/triage/cases.yaml", format!("cases:\n{cases}"));
    sandbox
}

fn with_key(sandbox: &Sandbox, args: &[&str]) -> sandbox::Ended {
    sandbox.run_with(args, &[("REAL_KEY", &variable("PROMPTCTL_REAL_KEY"))])
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_run_is_recorded_and_replayed_and_the_second_version_has_drifted() {
    let sandbox = project("{ temperature: 0, max_tokens: 60 }");
    let live = with_key(&sandbox, &["test", "--snapshots", "accept"]);
    assert_eq!(live.code, 0, "{}{}", live.stdout, live.stderr);
    assert!(live.stdout.contains("4 calls"), "{}", live.stdout);
    let offline = sandbox.run(&["test", "--offline"]);
    assert!(offline.code == 0 && offline.stdout.contains("4 passed"), "{}", offline.stdout);
    assert!(
        sandbox.read("fixtures/triage/recorded/v1.jsonl").contains("\"model\":\"triage-v1\""),
        "the served model is kept"
    );
    let again = with_key(&sandbox, &["test", "--refresh"]);
    assert!(again.code == 0 && again.stdout.contains("4 passed"), "the same at temperature 0: {}", again.stdout);
    let drifted = with_key(&sandbox, &["test", "--model", "v2"]);
    assert_eq!(drifted.code, 1, "{}", drifted.stdout);
    assert!(drifted.stdout.contains("2 failed"), "{}", drifted.stdout);
    for (path, bytes) in sandbox.files() {
        assert!(!String::from_utf8_lossy(&bytes).contains(&variable("PROMPTCTL_REAL_KEY")), "the key is in {path}");
    }
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_model_that_is_replaced_behind_its_alias_has_moved() {
    let sandbox = project("{ temperature: 0, max_tokens: 60 }");
    assert_eq!(with_key(&sandbox, &["test", "--snapshots", "accept"]).code, 0);
    let same = with_key(&sandbox, &["drift", "--all"]);
    assert!(same.code == 0 && same.stdout.contains("4 of 4 → 4 of 4"), "{}", same.stdout);
    // The vendor puts the second version behind the first one's address.
    sandbox.edit("promptctl.yaml", &variable("PROMPTCTL_REAL_V1"), &variable("PROMPTCTL_REAL_V2"));
    let moved = with_key(&sandbox, &["drift", "--all", "--fail-on", "changed"]);
    assert_eq!(moved.code, 1, "{}", moved.stdout);
    assert!(moved.stdout.contains("2 losses, 0 wins"), "{}", moved.stdout);
    assert!(moved.stdout.contains("another model answers: triage-v1"), "{}", moved.stdout);
    let offline = sandbox.run(&["test", "--offline"]);
    assert!(offline.stdout.contains("4 passed"), "what is recorded stays: {}", offline.stdout);
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn an_audit_reads_the_gaps_of_a_real_model_and_is_not_sure_of_one_flip() {
    let sandbox = project("{ temperature: 0, max_tokens: 60 }");
    sandbox.edit("promptctl.yaml", "defaults:", "audit: { stronger: [v2], examples: 1 }\ndefaults:");
    sandbox.write(
        "prompts/word.j2",
        "{{ role('system') }}\nYou triage support tickets. Answer with one word.\n{{ role('user') }}\n{{ ticket }}\n",
    );
    let cases = [
        ("parcel", "where is my parcel", "[contains: shipping]"),
        // It knows the queue, and was never asked for JSON.
        ("wants json", "reset my password", "[is-json, { contains: account }]"),
        // The first version says shipping, the second one account.
        ("cancel", "Please cancel everything immediately", "[contains: account]"),
        // What this case expects is wrong, whatever some wording makes the model say.
        ("wrong case", "hello I was charged twice", "[contains: technical]"),
    ];
    let cases: String = cases
        .iter()
        .map(|(name, ticket, expect)| {
            format!("  - {{ name: {name}, vars: {{ ticket: {ticket} }}, facts: [Cancelling is for the account queue.], expect: {expect}, snapshot: none }}\n")
        })
        .collect();
    sandbox.write("fixtures/word/cases.yaml", format!("cases:\n{cases}"));
    let ended = with_key(&sandbox, &["audit", "word", "--json"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let found = |name: &str| {
        let cases = json["prompts"][0]["cases"].as_array().expect("cases");
        let case = cases.iter().find(|case| case["case"] == name).unwrap_or_else(|| panic!("{name}: {json:#}"));
        (case["gap"].as_str().expect("a gap").to_owned(), case["confidence"].as_str().expect("a word").to_owned())
    };
    assert_eq!(json["failing"], 3, "{json:#}");
    assert_eq!(found("wants json"), ("behaviour".to_owned(), "confident".to_owned()), "{json:#}");
    // At temperature 0 each side is one answer, and one flip proves nothing.
    assert_ne!(found("wrong case").1, "confident", "{json:#}");
    assert_ne!(found("cancel").1, "confident", "{json:#}");
    assert!(["knowledge", "skill"].contains(&found("cancel").0.as_str()), "{json:#}");
    let again = with_key(&sandbox, &["audit", "word", "--json"]);
    assert!(again.stdout.contains("\"calls_made\": 0"), "what was asked is replayed: {}", again.stdout);
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_wrong_key_is_an_error_and_is_recorded_nowhere() {
    let sandbox = project("{ temperature: 0 }");
    let wrong = sandbox.run_with(&["test"], &[("REAL_KEY", "a-wrong-key-of-nobody")]);
    assert_eq!(wrong.code, 3, "{}", wrong.stdout);
    assert!(wrong.stdout.contains("4 errored") && wrong.stdout.contains("401"), "{}", wrong.stdout);
    assert!(!wrong.stdout.contains("a-wrong-key-of-nobody"));
    assert!(!sandbox.exists("fixtures/triage/recorded/v1.jsonl"));
    assert_eq!(sandbox.run(&["test"]).code, 6, "without any key the run is incomplete");
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn an_answer_that_is_cut_fails_for_that_reason() {
    let sandbox = project("{ temperature: 0, max_tokens: 5 }");
    let cut = with_key(&sandbox, &["test"]);
    assert_eq!(cut.code, 1, "{}", cut.stdout);
    assert!(cut.stdout.contains("cut off at the limit on tokens"), "{}", cut.stdout);
    assert!(
        sandbox.read("fixtures/triage/recorded/v1.jsonl").contains("\"finish_reason\":\"length\""),
        "a cut answer is an answer"
    );
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_schema_shapes_the_answer() {
    let sandbox = project("{ temperature: 0, max_tokens: 60 }");
    sandbox.edit("prompts/triage.j2", "properties: { queue:", "properties: { reason: { const: because }, queue:");
    sandbox.edit("prompts/triage.j2", "required: [queue", "required: [reason, queue");
    with_key(&sandbox, &["test"]);
    let recorded = sandbox.read("fixtures/triage/recorded/v1.jsonl");
    assert!(recorded.lines().count() == 4 && recorded.lines().all(|line| line.contains("because")), "{recorded}");
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn more_at_once_gives_the_same_answers() {
    let texts: Vec<String> = ["1", "2"]
        .iter()
        .map(|jobs| {
            let sandbox = project("{ temperature: 0, max_tokens: 60 }");
            with_key(&sandbox, &["test", "--jobs", jobs]);
            let text = sandbox.read("fixtures/triage/recorded/v1.jsonl");
            // How long an answer took, and what the server found in its cache, is not the answer.
            let volatile = regex::Regex::new("\"(latency_ms|cached_input)\":\\d+").expect("valid");
            volatile.replace_all(&text, "").into_owned()
        })
        .collect();
    assert_eq!(texts[0], texts[1]);
}

/// The protocols that llama.cpp's server speaks beside chat completions, with the same model behind them.
#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn the_same_model_answers_alike_through_every_protocol_of_its_server() {
    let base = variable("PROMPTCTL_REAL_V1");
    let protocols = [
        ("openai", base.clone(), "max_tokens: 60"),
        ("openai-responses", base.clone(), "max_tokens: 60"),
        ("anthropic", base.trim_end_matches("/v1").to_owned(), "max_tokens: 60"),
    ];
    let mut answers = Vec::new();
    for (provider, url, limit) in protocols {
        let sandbox = project("{}");
        let prompt = sandbox.read("prompts/triage.j2").replace("---\noutput: ", "---\n# output: ");
        sandbox.write("prompts/triage.j2", prompt);
        sandbox.write("promptctl.yaml", format!("models:\n  v1:\n    provider: {provider}\n    model: triage-v1\n    base-url: {url}\n    api-key-env: REAL_KEY\n    params: {{ temperature: 0, {limit} }}\n    limits: {{ retries: 1 }}\n"));
        let ended = with_key(&sandbox, &["test", "--verbose"]);
        assert_eq!(ended.code, 0, "{provider}: {}{}", ended.stdout, ended.stderr);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(&variable("PROMPTCTL_REAL_KEY")), "{provider}");
        let recorded = sandbox.read("fixtures/triage/recorded/v1.jsonl");
        let texts: Vec<String> = recorded
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                assert!(line["response"]["usage"]["input"].as_u64().is_some_and(|n| n > 0), "{provider}: {line}");
                assert_eq!(line["response"]["finish_reason"], "stop", "{provider}: {line}");
                format!("{} {}", line["case"], line["response"]["text"])
            })
            .collect();
        assert_eq!(texts.len(), 4);
        answers.push((provider, texts));
    }
    assert_eq!(answers[0].1, answers[1].1, "{} and {}", answers[0].0, answers[1].0);
    assert_eq!(answers[0].1, answers[2].1, "{} and {}", answers[0].0, answers[2].0);
}

/// Every protocol of the mock: its name, where it is below the server, and what its entry says beyond that.
const MOCKED: [(&str, &str, &str); 7] = [
    ("openai", "/v1", "api-key-env: REAL_KEY"),
    ("openai-responses", "/v1", "api-key-env: REAL_KEY"),
    ("anthropic", "", "api-key-env: REAL_KEY"),
    ("gemini", "/v1beta", "api-key-env: REAL_KEY"),
    ("ollama", "", "api-key-env: REAL_KEY"),
    ("azure-openai", "", "api-key-env: REAL_KEY, api-version: 2024-10-21"),
    ("bedrock", "", "api-key-env: REAL_KEY, region: us-east-1"),
];

fn mocked(provider: (&str, &str, &str), question: &str, test: &str) -> Sandbox {
    let (name, path, more) = provider;
    let sandbox = Sandbox::empty();
    let base = variable("PROMPTCTL_REAL_MOCK");
    // Whoever bills by the test, and not by the address, counts its own failures.
    sandbox.write("promptctl.yaml", format!("models:\n  it:\n    {{ provider: {name}, model: mocked, base-url: '{base}{path}', {more}, headers: {{ x-test-id: '{test}-{name}' }}, limits: {{ retries: 3, timeout: 5s }} }}\n"));
    sandbox.write("prompts/p.j2", "{{ role('system') }}\nBe brief.\n{{ role('user') }}\n{{ q }}\n");
    sandbox.write(
        "fixtures/p/cases.yaml",
        format!("cases:\n  - {{ name: one, vars: {{ q: {question} }}, snapshot: text }}\n"),
    );
    sandbox
}

fn recorded(sandbox: &Sandbox) -> serde_json::Value {
    serde_json::from_str(&sandbox.read("fixtures/p/recorded/it.jsonl")).expect("one line of JSON")
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn every_protocol_of_the_mock_is_understood() {
    for provider in MOCKED {
        let sandbox = mocked(provider, "hello", "plain");
        let ended = with_key(&sandbox, &["test"]);
        assert_eq!(ended.code, 0, "{}: {}{}", provider.0, ended.stdout, ended.stderr);
        let line = recorded(&sandbox);
        assert_eq!(line["response"]["text"], "Hello from a mock.", "{}", provider.0);
        assert_eq!(line["response"]["finish_reason"], "stop", "{}", provider.0);
        // The mock counts no tokens for Ollama.
        if provider.0 != "ollama" {
            assert_eq!(line["response"]["usage"]["output"], 5, "{}: {line}", provider.0);
        }
    }
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn limits_and_failures_of_the_mock_are_waited_out() {
    for provider in MOCKED {
        for (question, answer, attempts) in
            [("RATE_LIMITED", "after the limit", 2), ("FAILS_TWICE", "after two failures", 3)]
        {
            let sandbox = mocked(provider, question, "faults");
            let begun = std::time::Instant::now();
            let ended = with_key(&sandbox, &["test"]);
            assert_eq!(ended.code, 0, "{} {question}: {}", provider.0, ended.stdout);
            let line = recorded(&sandbox);
            assert_eq!(line["response"]["text"], answer, "{}", provider.0);
            assert_eq!(line["response"]["attempts"], attempts, "{}", provider.0);
            if question == "RATE_LIMITED" {
                assert!(begun.elapsed().as_millis() >= 1000, "{} did not wait as it was asked to", provider.0);
            }
        }
    }
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn the_chaos_of_the_mock_is_never_recorded() {
    for provider in MOCKED {
        for question in ["BROKEN", "HANGS_UP", "DROPPED", "REFUSED"] {
            let sandbox = mocked(provider, question, "chaos");
            let ended = with_key(&sandbox, &["test"]);
            assert_eq!(ended.code, 3, "{} {question}: {}", provider.0, ended.stdout);
            assert!(!sandbox.exists("fixtures/p/recorded"), "{} {question}", provider.0);
        }
        let sandbox = mocked(provider, "CUT", "chaos");
        // The mock says of Ollama's answers that they ended well, whatever happened, and of Responses' nothing.
        if !["ollama", "openai-responses"].contains(&provider.0) {
            assert_eq!(with_key(&sandbox, &["test"]).code, 1, "{}", provider.0);
            assert_eq!(recorded(&sandbox)["response"]["finish_reason"], "length", "{}", provider.0);
        }
    }
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_tool_is_called_and_its_result_told_through_every_protocol() {
    let tool = "---\ntools: [{ name: get_weather, description: The weather., parameters: { type: object, properties: { city: { type: string } }, required: [city] } }]\n---\n";
    for provider in MOCKED {
        let sandbox = mocked(provider, "WEATHER", "tools");
        sandbox.write("prompts/p.j2", format!("{tool}{{{{ role('user') }}}}\n{{{{ q }}}}\n"));
        sandbox.write("fixtures/p/cases.yaml", "cases:\n  - { name: one, vars: { q: WEATHER }, snapshot: text }\n");
        let ended = with_key(&sandbox, &["test"]);
        assert_eq!(ended.code, 0, "{}: {}{}", provider.0, ended.stdout, ended.stderr);
        let line = recorded(&sandbox);
        let call = &line["response"]["tool_calls"][0];
        assert_eq!(
            (&call["name"], &call["arguments"]["city"]),
            (&"get_weather".into(), &"Paris".into()),
            "{}: {line}",
            provider.0
        );
        sandbox.write("prompts/p.j2", format!("{tool}{{{{ role('user') }}}}\n{{{{ q }}}}\n{{{{ role('assistant') }}}}{{{{ tool_call('get_weather', {{'city': 'Paris'}}) }}}}\n{{{{ role('tool') }}}}18 degrees\n"));
        with_key(&sandbox, &["test"]);
        let text = sandbox.read("fixtures/p/recorded/it.jsonl");
        assert!(text.contains("It is 18 degrees."), "{}: {text}", provider.0);
    }
}

/// What LiteLLM, which nobody here wrote, reads in a request of Gemini's or Anthropic's protocol.
#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn litellm_reads_the_same_request_in_every_protocol() {
    let base = variable("PROMPTCTL_REAL_LITELLM");
    let mock = variable("PROMPTCTL_REAL_MOCK");
    let routes = [("openai", "/v1"), ("openai-responses", "/v1"), ("anthropic", ""), ("gemini", "/v1beta")];
    let mut seen = Vec::new();
    for (provider, path) in routes {
        let question = format!("hello through {provider}");
        let sandbox = mocked((provider, "", "api-key-env: REAL_KEY"), &question, "litellm");
        let config = sandbox.read("promptctl.yaml").replace(&mock, &format!("{base}{path}"));
        sandbox
            .write("promptctl.yaml", config.replace("limits:", "params: { temperature: 0.5, max_tokens: 7 }, limits:"));
        let ended = with_key(&sandbox, &["test"]);
        assert_eq!(ended.code, 0, "{provider}: {}{}", ended.stdout, ended.stderr);
        assert_eq!(recorded(&sandbox)["response"]["text"], "Hello from a mock.", "{provider}");
        let journal = std::process::Command::new("curl")
            .args([
                "-s",
                "-H",
                &format!("authorization: Bearer {}", variable("PROMPTCTL_REAL_KEY")),
                &format!("{mock}/__aimock/journal?path=chat/completions"),
            ])
            .output()
            .expect("curl");
        let journal: Vec<serde_json::Value> = serde_json::from_slice(&journal.stdout).expect("JSON");
        let body =
            &journal.iter().rev().find(|entry| entry.to_string().contains(&question)).expect("it arrived")["body"];
        let text = |message: &serde_json::Value| match &message["content"] {
            serde_json::Value::Array(parts) => parts[0]["text"].as_str().unwrap_or_default().to_owned(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let messages: Vec<String> = body["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .map(|m| format!("{} {}", m["role"], text(m)))
            .collect();
        seen.push(format!(
            "{} {} {}",
            messages.join("|").replace(&question, "hello"),
            body["temperature"],
            body["max_tokens"]
        ));
    }
    assert_eq!(seen[0], "\"system\" Be brief.|\"user\" hello 0.5 7");
    for (other, (provider, _)) in seen.iter().zip(routes) {
        assert_eq!(*other, seen[0], "{provider}");
    }
}

/// The tiny model itself, asked in Gemini's and in Anthropic's protocol.
#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn litellm_passes_every_protocol_on_to_the_real_model() {
    let base = variable("PROMPTCTL_REAL_LITELLM");
    for (provider, path) in [("gemini", "/v1beta"), ("anthropic", "")] {
        let sandbox = project("{}");
        let prompt = sandbox.read("prompts/triage.j2").replace("---\noutput: ", "---\n# output: ");
        sandbox.write("prompts/triage.j2", prompt);
        sandbox.write("promptctl.yaml", format!("models:\n  v1:\n    provider: {provider}\n    model: triage-v1\n    base-url: {base}{path}\n    api-key-env: REAL_KEY\n    params: {{ temperature: 0, max_tokens: 60 }}\n    limits: {{ retries: 1 }}\n"));
        let ended = with_key(&sandbox, &["test"]);
        assert_eq!(ended.code, 0, "{provider}: {}{}", ended.stdout, ended.stderr);
    }
}

/// The vector of a text by a model of embeddings, through our client.
fn vector(entry: &str, text: &str) -> Vec<f32> {
    let embedded = embed(entry, &variable("PROMPTCTL_REAL_KEY"), text);
    assert!(!embedded.told.contains(&variable("PROMPTCTL_REAL_KEY")), "{}", embedded.told);
    let response = embedded.result.unwrap_or_else(|fault| panic!("{entry}: {fault}"));
    response.embedding.expect("an embedding").values().to_vec()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn minilm(base: &str, more: &str) -> String {
    format!(
        "provider: openai, model: minilm, base-url: '{base}', api-key-env: REAL_KEY, limits: {{ retries: 1 }}{more}"
    )
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_real_model_embeds_texts_near_what_they_mean() {
    let entry = minilm(&variable("PROMPTCTL_REAL_EMBEDDINGS"), "");
    let person = vector(&entry, "That is a happy person");
    assert_eq!(person.len(), 384);
    // What the model's own page says of these.
    for (text, similarity) in
        [("That is a happy dog", 0.695), ("That is a very happy person", 0.943), ("Today is a sunny day", 0.257)]
    {
        let found = cosine(&person, &vector(&entry, text));
        assert!((found - similarity).abs() < 0.005, "{text}: {found}");
    }
    let base64 = minilm(&variable("PROMPTCTL_REAL_EMBEDDINGS"), ", params: { encoding_format: base64 }");
    assert!(cosine(&person, &vector(&base64, "That is a happy person")) > 0.999_999);
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn what_a_server_of_embeddings_does_not_do_is_said() {
    let base = variable("PROMPTCTL_REAL_EMBEDDINGS");
    let key = variable("PROMPTCTL_REAL_KEY");
    let wrong = embed(&minilm(&base, ""), "a-wrong-key-of-nobody-4711", "hello").result.expect_err("a fault");
    assert_eq!(wrong.kind, FaultKind::Credentials, "{wrong}");
    // This server takes no notice of `dimensions`.
    let long = embed(&minilm(&base, ", params: { dimensions: 64 }"), &key, "hello").result.expect_err("a fault");
    assert!(long.to_string().contains("64 dimensions were asked for, and 384 came"), "{long}");
    let large = embed(&minilm(&base, ""), &key, &"word ".repeat(5000)).result.expect_err("a fault");
    assert!(large.kind == FaultKind::BadRequest && large.attempts == 1, "{large}");
    // A server of answers has no embeddings.
    let none = embed(&minilm(&variable("PROMPTCTL_REAL_V1"), ""), &key, "hello").result.expect_err("a fault");
    assert!(!none.to_string().contains(&key), "{none}");
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn every_protocol_of_embeddings_of_the_mock_is_understood() {
    let base = variable("PROMPTCTL_REAL_MOCK");
    for (provider, path, more) in MOCKED {
        // The mock answers Ollama's newer endpoint in the form of its older one.
        if !["openai", "azure-openai", "gemini"].contains(&provider) {
            continue;
        }
        let entry = format!(
            "provider: {provider}, model: mocked, base-url: '{base}{path}', {more}, headers: {{ x-test-id: 'embed-{provider}' }}, limits: {{ retries: 2 }}"
        );
        assert_eq!(vector(&entry, "hello"), [0.5, -1.0, 0.25], "{provider}");
        let again = embed(&entry, &variable("PROMPTCTL_REAL_KEY"), "FAILS_ONCE").result;
        assert_eq!(again.unwrap_or_else(|fault| panic!("{provider}: {fault}")).attempts, Some(2), "{provider}");
    }
}

/// A project whose answers are checked by their meaning and by a judge: all models below one address each.
fn judged(answers: &str, judge: &str, embeddings: &str, rubric: &str) -> Sandbox {
    let sandbox = project("{ temperature: 0, max_tokens: 60 }");
    let entry = |alias: &str, model: &str, base: &str| {
        format!(
            "  {alias}: {{ provider: openai, model: {model}, base-url: '{base}', api-key-env: REAL_KEY, params: {{ temperature: 0, max_tokens: 200 }}, limits: {{ retries: 1 }} }}\n"
        )
    };
    let models = [
        entry("v1", "triage-v1", answers),
        entry("judge", judge.rsplit('#').next().unwrap_or_default(), judge.split('#').next().unwrap_or_default()),
        entry("near", "minilm", embeddings),
    ];
    sandbox.write(
        "promptctl.yaml",
        format!(
            "models:\n{}defaults: {{ models: [v1] }}\njudge: {{ model: judge, embeddings: near }}\n",
            models.concat()
        ),
    );
    sandbox.write(
        "prompts/triage.j2",
        "{{ role('system') }}\nYou triage support tickets. Answer with one word.\n{{ role('user') }}\n{{ ticket }}\n",
    );
    sandbox.write("fixtures/triage/cases.yaml", format!("defaults: {{ snapshot: none }}\ncases:\n  - {{ name: near, vars: {{ ticket: where is my parcel }}, expect: [{{ similar: the delivery of a parcel, threshold: 0.3 }}] }}\n  - {{ name: far, vars: {{ ticket: where is my parcel }}, expect: [{{ similar: That is a happy person, threshold: 0.3 }}] }}\n  - {{ name: judged, vars: {{ ticket: where is my parcel }}, expect: [{rubric}] }}\n"));
    sandbox
}

/// What each case's only expectation says: whether it holds, how well, why, and by whose word.
fn said(ended: &sandbox::Ended) -> Vec<serde_json::Value> {
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let results = report["results"].as_array().expect("results");
    results.iter().map(|result| result["samples"][0]["expectations"][0].clone()).collect()
}

/// Runs, then replays without any server, and gives what was found, which is the same.
fn judged_and_replayed(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    let live = with_key(sandbox, &["test", "--report", "json"]);
    let offline = sandbox.run(&["test", "--offline", "--report", "json"]);
    assert_eq!(said(&live), said(&offline), "{}{}", live.stderr, offline.stderr);
    assert_eq!(live.code, offline.code);
    let embedded = sandbox.read("fixtures/triage/judged/near.jsonl");
    assert_eq!(embedded.lines().count(), 3, "an answer and two texts: {embedded}");
    assert!(embedded.lines().all(|line| line.contains("\"kind\":\"embedding\"") && !line.contains("temperature")));
    for (path, bytes) in sandbox.files() {
        assert!(!String::from_utf8_lossy(&bytes).contains(&variable("PROMPTCTL_REAL_KEY")), "the key is in {path}");
    }
    said(&live)
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn what_a_real_judge_and_a_real_embedder_say_is_replayed() {
    let (base, embeddings) = (variable("PROMPTCTL_REAL_V1"), variable("PROMPTCTL_REAL_EMBEDDINGS"));
    // The tiny model knows tickets and little else: its judge has a prompt of its own, and a form that it cannot leave.
    let sandbox = judged(
        &base,
        &format!("{base}#triage-v1"),
        &embeddings,
        "{ llm-rubric: It names a queue., prompt: judges/tiny }",
    );
    sandbox.write("prompts/judges/tiny.j2", "---\noutput: { schema: { type: object, properties: { reason: { const: because }, pass: { const: true }, score: { enum: [0.5, 1] } }, required: [reason, pass, score], additionalProperties: false } }\n---\n{{ role('system') }}\nYou triage support tickets. Reply in JSON with queue and urgent.\n{{ role('user') }}\n{{ output }}\n");
    let found = judged_and_replayed(&sandbox);
    let pass: Vec<bool> = found.iter().map(|check| check["pass"].as_bool().expect("known")).collect();
    assert_eq!(pass[..2], [true, false], "{found:?}");
    assert!(found[2]["lack"].is_null() && found[2]["judge"]["prompt"] == "judges/tiny", "{found:?}");
    assert!(sandbox.read("fixtures/triage/judged/judge.jsonl").contains("because"));
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn litellm_judges_and_embeds_and_is_replayed() {
    let base = format!("{}/v1", variable("PROMPTCTL_REAL_LITELLM"));
    for (rubric, why, pass) in [("It names a queue.", "", true), ("IT_IS_A_POEM", "It is one word.", false)] {
        let sandbox = judged(&base, &format!("{base}#mocked"), &base, &format!("{{ llm-rubric: {rubric} }}"));
        let found = judged_and_replayed(&sandbox);
        assert_eq!(found[2]["pass"], pass, "{found:?}");
        assert!(found[2]["reason"].to_string().contains(why), "{found:?}");
        assert_eq!((&found[0]["pass"], &found[1]["pass"]), (&true.into(), &false.into()), "{found:?}");
    }
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn litellm_passes_embeddings_on_to_the_real_model() {
    let direct = minilm(&variable("PROMPTCTL_REAL_EMBEDDINGS"), "");
    let through = minilm(&format!("{}/v1", variable("PROMPTCTL_REAL_LITELLM")), "");
    for text in ["You can get a full refund.", "wo ist mein Paket?"] {
        assert!(cosine(&vector(&direct, text), &vector(&through, text)) > 0.999_999, "{text}");
    }
}
