//! Bugs that were found once, each under its name.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::server::Server;

const KEY: &str = "canary-secret-0123456789";

fn one(config: &str) -> Sandbox {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: fine }] }\n");
    sandbox.write("promptctl.yaml", config);
    sandbox
}

fn many(count: usize, config: &str) -> Sandbox {
    let case = |n: usize| format!("  - {{ name: c{n}, vars: {{ q: q{n} }}, expect: [{{ contains: fine }}] }}\n");
    let sandbox = Sandbox::with_cases(&format!("cases:\n{}", (0..count).map(case).collect::<String>()));
    sandbox.write("promptctl.yaml", config);
    sandbox
}

fn entry(server: &Server, more: &str) -> String {
    format!("models:\n  it: {{ provider: openai, model: m, base-url: '{}', {more} }}\n", server.url())
}

fn fine() -> Server {
    Server::answering(|_, _| (200, Server::completion("fine")))
}

#[test]
fn a_dot_env_file_could_take_a_key_out_of_the_environment() {
    let server = fine();
    let sandbox = one(&entry(&server, "api-key-env: LEAK"));
    sandbox.write(".env", "LEAK=${OPENAI_API_KEY}\n");
    sandbox.run_with(&["test"], &[("OPENAI_API_KEY", KEY)]);
    assert!(server.requests().iter().all(|request| !request.contains(KEY)), "{:?}", server.requests());
    // A key may hold a dollar sign, and the file may begin with a byte order mark.
    sandbox.write(".env", "\u{feff}LEAK='pa$word-123'\n");
    sandbox.run_with(&["test", "--refresh"], &[("word", "x")]);
    assert!(server.requests().last().expect("asked").contains("Bearer pa$word-123\r\n"));
}

#[cfg(unix)]
#[test]
fn a_dot_env_file_could_be_a_link_out_of_the_project() {
    let server = fine();
    let outside = Sandbox::empty();
    outside.write("keys", "PROD=canary-secret-of-another\n");
    let sandbox = one(&entry(&server, "api-key-env: PROD"));
    std::os::unix::fs::symlink(outside.path("keys"), sandbox.path(".env")).expect("linked");
    let ended = sandbox.run(&["test"]);
    assert!(ended.code == 2 && ended.stderr.contains("leaves the project"), "{}", ended.stderr);
    assert!(server.requests().is_empty());
}

#[test]
fn hosts_that_anybody_can_rent_got_the_keys_of_a_cloud() {
    let strays = [
        ("azure-openai", "https://vm.westeurope.cloudapp.azure.com", "AZURE_OPENAI_API_KEY"),
        ("bedrock, region: us-east-1", "https://ec2-1-2-3-4.compute-1.amazonaws.com", "AWS_BEARER_TOKEN_BEDROCK"),
        ("bedrock, region: us-east-1", "https://bedrock-runtime.a.b.amazonaws.com", "AWS_BEARER_TOKEN_BEDROCK"),
        ("gemini, api-key-env: GEMINI_API_KEY", "https://storage.googleapis.com", "GEMINI_API_KEY"),
        ("openai, api-key-env: OPENAI_API_KEY", "http://api.openai.com/v1", "OPENAI_API_KEY"),
        ("openai, api-key-env: openai_api_key", "https://example.org/v1", "openai_api_key"),
        ("openai, api-key-env: OPENAI_API_KEY", "https://api.openai.com.example.org/v1", "OPENAI_API_KEY"),
    ];
    for (provider, url, variable) in strays {
        let sandbox = one(&format!(
            "models:\n  it: {{ provider: {provider}, model: m, base-url: '{url}', limits: {{ retries: 0 }} }}\n"
        ));
        let ended = sandbox.run_with(&["test"], &[(variable, KEY)]);
        assert_eq!(ended.code, 2, "{url}: {}{}", ended.stdout, ended.stderr);
    }
}

#[test]
fn a_key_was_shown_where_a_message_cut_it() {
    let server = Server::answering(|_, _| {
        (400, json!({"error": {"message": format!("{} {KEY} end", "x".repeat(178))}}).to_string())
    });
    let sandbox = one(&entry(&server, "api-key-env: OWN_KEY"));
    let ended = sandbox.run_with(&["test", "--verbose", "--report", "json=r.json"], &[("OWN_KEY", KEY)]);
    for text in [&ended.stdout, &ended.stderr, &sandbox.read("r.json")] {
        assert!(!text.contains(&KEY[..12]), "{text}");
    }
}

#[test]
fn a_key_with_a_line_end_was_not_known_for_one() {
    let server = fine();
    let sandbox = one(&entry(&server, "api-key-env: OWN_KEY"));
    sandbox.write(
        "fixtures/p/cases.yaml",
        format!("cases:\n  - {{ name: one, vars: {{ q: {KEY} }}, expect: [{{ contains: fine }}] }}\n"),
    );
    let key = format!("{KEY}\n");
    let ended = sandbox.run_with(&["test"], &[("OWN_KEY", &key)]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(!sandbox.exists("fixtures/p/recorded/it.jsonl"));
}

#[cfg(unix)]
#[test]
fn a_program_could_say_the_key_of_another_model() {
    let sandbox = one(
        "models:\n  it: { provider: exec, command: [sh, -c, 'echo bad key $OTHER >&2; exit 1'], limits: { retries: 0 } }\n  other: { provider: openai, model: m, base-url: 'http://127.0.0.1:9', api-key-env: OTHER }\ndefaults: { models: [it] }\n",
    );
    let ended = sandbox.run_with(&["test", "--allow-exec", "--verbose"], &[("OTHER", KEY), ("PATH", "/usr/bin:/bin")]);
    assert!(ended.code == 3 && ended.stdout.contains("bad key [redacted:OTHER]"), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains(KEY));
}

#[test]
fn a_word_for_a_key_was_taken_out_of_every_answer() {
    let server = Server::answering(|_, _| (200, Server::completion("fine: ollama, unknown and length")));
    let sandbox = one(&entry(&server, "api-key-env: OWN_KEY"));
    for key in ["ollama", "unknown", "length", "123456"] {
        let ended = sandbox.run_with(&["test", "--refresh"], &[("OWN_KEY", key)]);
        assert_eq!(ended.code, 0, "{key}: {}", ended.stdout);
        assert!(sandbox.read("fixtures/p/recorded/it.jsonl").contains("ollama, unknown and length"), "{key}");
    }
}

#[test]
fn a_key_in_the_configuration_was_only_found_under_its_own_name() {
    let key = format!("sk-proj-{}", "a1B2".repeat(10));
    for place in [
        format!("headers: {{ X-Anything: {key} }}"),
        format!("body: {{ secret: {key} }}"),
        format!("params: {{ a: {key} }}"),
        "headers: { Proxy-Authorization: abc }".to_owned(),
    ] {
        let ended = one(&format!("models:\n  it: {{ provider: openai, model: m, {place} }}\n")).run(&["list"]);
        assert_eq!(ended.code, 2, "{place}");
    }
    let ended =
        one("models:\n  it: { provider: openai, model: m, base-url: 'http://127.0.0.1/v1?key=abc' }\n").run(&["list"]);
    assert!(ended.code == 2 && ended.stderr.contains("has a query"), "{}", ended.stderr);
}

#[test]
fn attempts_that_brought_nothing_cost_nothing() {
    let server = Server::raw(|_, _| Vec::new());
    let limits = "params: { max_tokens: 100 }, price: { input: 0, output: 1000 }, limits: { timeout: 200ms, retries: 2, concurrency: 4 }";
    let sandbox = many(20, &entry(&server, limits));
    // Each attempt may have cost a tenth of a dollar.
    let ended = sandbox.run(&["test", "--max-cost", "0.1"]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(ended.stdout.contains("19 skipped"), "{}", ended.stdout);
    assert!(server.requests().len() <= 3, "{}", server.requests().len());
}

#[test]
fn answers_without_a_limit_could_cost_many_times_what_was_allowed() {
    let server = Server::answering(|_, _| {
        let mut answer: Value = serde_json::from_str(&Server::completion("fine")).expect("JSON");
        answer["usage"] = json!({"prompt_tokens": 0, "completion_tokens": 100_000});
        (200, answer.to_string())
    });
    let sandbox = many(20, &entry(&server, "price: { input: 0, output: 10 }"));
    let ended = sandbox.run(&["test", "--max-cost", "0.2", "--jobs", "16"]);
    assert_eq!((ended.code, server.requests().len()), (6, 1), "{}", ended.stdout);
}

#[test]
fn a_confirmation_began_with_a_new_budget() {
    let server = Server::answering(|_, _| {
        (200, json!({"choices": [{"message": {"content": "wrong"}, "finish_reason": "stop"}]}).to_string())
    });
    let sandbox = many(4, &entry(&server, "params: { max_tokens: 100 }, price: { input: 0, output: 1000 }"));
    sandbox.run(&["test", "--confirm", "3", "--max-cost", "0.55"]);
    assert_eq!(server.requests().len(), 5, "a tenth of a dollar each, as nobody counted");
}

#[test]
fn limits_were_not_looked_at_while_requests_waited_for_their_turn() {
    let begun = Instant::now();
    let server = Server::answering(|_, _| (401, "{}".to_owned()));
    let sandbox = many(20, &entry(&server, "limits: { requests-per-minute: 60 }"));
    assert_eq!(sandbox.run(&["test"]).code, 3);
    assert_eq!(server.requests().len(), 1);
    let server = fine();
    let sandbox = many(20, &entry(&server, "limits: { requests-per-minute: 60 }"));
    let ended = sandbox.run(&["test", "--max-time", "1500ms"]);
    assert!(ended.code == 6 && server.requests().len() <= 2, "{} {}", ended.stdout, server.requests().len());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_said_to_come_back_at_once_was_asked_without_a_pause() {
    let server =
        Server::answering(|_, _| (200, "HTTP/1.1 429 X\r\nretry-after: 0\r\ncontent-length: 2\r\n\r\n{}".to_owned()));
    let sandbox = many(4, &entry(&server, "limits: { deadline: 3s }"));
    assert_eq!(sandbox.run(&["test"]).code, 3);
    assert!(server.requests().len() < 12, "asked {} times", server.requests().len());
}

#[cfg(unix)]
#[test]
fn a_program_outlived_a_run_that_was_asked_to_end() {
    let mark = format!("{}", std::process::id() + 200_000);
    let sandbox =
        one(&format!("models:\n  it: {{ provider: exec, command: [sh, -c, 'sleep {mark} & sleep {mark}'] }}\n"));
    let alive = || {
        std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok).any(|process| {
            std::fs::read(process.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&mark) && line.starts_with(b"sleep"))
        })
    };
    let mut child = sandbox
        .command(&["test", "--allow-exec"])
        .env("PATH", "/usr/bin:/bin")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("started");
    while !alive() {
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..2 {
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("sent");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!alive());
}

#[test]
fn a_batch_could_not_come_back_because_of_a_prompt_that_had_no_part_in_it() {
    let sandbox = one(
        "models:\n  a: { provider: openai, model: m }\n  c: { provider: anthropic, model: n }\ndefaults: { models: [c] }\n",
    );
    sandbox.write("prompts/z.j2", "---\nmodels: [a]\nparams: { seed: 1 }\n---\n{{ q }}\n");
    sandbox
        .write("fixtures/z/cases.yaml", "cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: fine }] }\n");
    let whole: Value = serde_json::from_str(&sandbox.run(&["batch", "export", "--model", "c"]).stdout).expect("JSON");
    assert_eq!(whole["requests"].as_array().map(Vec::len), Some(1), "only what the model is tested on");
    let id = &whole["requests"][0]["custom_id"];
    let result = json!({"custom_id": id, "result": {"type": "succeeded", "message": {"content": [{"type": "text", "text": "fine"}], "stop_reason": "end_turn"}}});
    sandbox.write("results.jsonl", format!("\u{feff}{result}\r\n"));
    let ended = sandbox.run(&["batch", "import", "results.jsonl"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(sandbox.run(&["test", "--offline", "p"]).code, 0);
}

#[test]
fn a_tool_whose_name_began_like_ours_was_taken_for_the_answer() {
    let answer = json!({"content": [{"type": "tool_use", "id": "t", "name": "answer_question", "input": {"q": 1}}], "stop_reason": "tool_use"});
    let server = Server::answering(move |_, _| (200, answer.to_string()));
    let sandbox = one(&format!(
        "models:\n  it: {{ provider: anthropic, model: m, base-url: '{}', structured-output: tool }}\n",
        server.origin()
    ));
    sandbox
        .write("prompts/p.j2", "---\ntools: [{ name: answer_question, parameters: { type: object } }]\n---\n{{ q }}\n");
    sandbox.write("fixtures/p/cases.yaml", "cases:\n  - { name: one, vars: { q: hi }, snapshot: text }\n");
    sandbox.run(&["test"]);
    let line: Value = serde_json::from_str(&sandbox.read("fixtures/p/recorded/it.jsonl")).expect("JSON");
    assert_eq!(line["response"]["tool_calls"][0]["name"], "answer_question");
}

#[test]
fn parameters_that_contradict_each_other_were_sent_in_silence() {
    let cases = [
        ("params: { max_tokens: 5 }", "max_completion_tokens: 6", "beside `max_completion_tokens`"),
        ("params: {}", "response_format: { type: json_object }", "beside the `output:`"),
    ];
    for (entry, params, said) in cases {
        let sandbox = one(&format!("models:\n  it: {{ provider: openai, model: m, {entry} }}\n"));
        sandbox.write(
            "prompts/p.j2",
            format!("---\nparams: {{ {params} }}\noutput: {{ schema: {{ type: object }} }}\n---\n{{{{ q }}}}\n"),
        );
        let ended = sandbox.run(&["test", "--offline"]);
        assert!(ended.code == 2 && ended.stderr.contains(said), "{}", ended.stderr);
    }
}

#[test]
fn an_api_of_ones_own_was_not_sent_what_its_template_forgot() {
    let config = |body: &str| {
        format!(
            "models:\n  it: {{ provider: http, model: m, base-url: 'http://127.0.0.1:9/x', params: {{ a: 1 }}, body: {body}, response: {{ text: $.t }} }}\n"
        )
    };
    let ended = one(&config("{ p: '{{ last_user_message }}' }")).run(&["test", "--offline"]);
    assert!(ended.code == 2 && ended.stderr.contains("mentions no `params`"), "{}", ended.stderr);
    let ended = one(&config("{ p: '{{ system }}', o: '{{ params }}' }")).run(&["test", "--offline"]);
    assert!(ended.code == 2 && ended.stderr.contains("a message of the user"), "{}", ended.stderr);
    assert_eq!(one(&config("{ p: '{{ messages }}', o: '{{ params }}' }")).run(&["test", "--offline"]).code, 5);
}

#[test]
fn another_deployment_replayed_the_answers_of_the_first() {
    let key = |deployment: &str| {
        let sandbox = one(&format!(
            "models:\n  it: {{ provider: azure-openai, base-url: 'https://n.openai.azure.com', model: m, deployment: {deployment} }}\n"
        ));
        let rendered: Value = serde_json::from_str(&sandbox.run(&["render", "--json"]).stdout).expect("JSON");
        rendered[0]["keys"][0].clone()
    };
    assert_ne!(key("a"), key("b"));
}

#[test]
fn a_servers_words_could_forge_lines_of_the_report() {
    let server = Server::answering(|_, _| {
        (200, json!({"model": "m2\nPASSED everything", "choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}).to_string())
    });
    let ended = one(&entry(&server, "")).run(&["test"]);
    assert!(!ended.stdout.contains("\nPASSED everything"), "{}", ended.stdout);
}

#[test]
fn a_host_was_not_allowed_where_it_was_named_with_its_port() {
    let server = fine();
    let sandbox = one(&entry(&server, "api-key-env: OPENAI_API_KEY"));
    let named = server.origin();
    let port = named.rsplit(':').next().expect("a port").to_owned();
    for (hosts, code) in [
        (format!("127.0.0.1:{port}"), 0),
        (named.clone(), 0),
        (format!("{named}/v1"), 0),
        ("127.0.0.1:1".to_owned(), 2),
        (format!("127.0.0.2:{port}"), 2),
    ] {
        let variables = [("OPENAI_API_KEY", KEY), ("PROMPTCTL_ALLOWED_HOSTS", hosts.as_str())];
        let ended = sandbox.run_with(&["test", "--refresh"], &variables);
        assert_eq!(ended.code, code, "{hosts}: {}", ended.stderr);
    }
}

#[test]
fn a_call_of_a_tool_was_sent_without_its_result() {
    let sandbox = one("models:\n  it: { provider: openai, model: m }\n");
    sandbox.write(
        "prompts/p.j2",
        "{{ role('user') }}{{ q }}{{ role('assistant') }}{{ tool_call('find', {'id': 5}) }}{{ role('user') }}Well?",
    );
    let ended = sandbox.run(&["test", "--offline"]);
    assert!(
        ended.code == 2 && ended.stderr.contains("the call of the tool `find` without its result"),
        "{}",
        ended.stderr
    );
    sandbox.write("prompts/p.j2", "{{ tool_call('find') }}{{ role('user') }}{{ q }}");
    assert_eq!(sandbox.run(&["test", "--offline"]).code, 2, "a call before the first role() vanished");
}

#[test]
fn one_mistake_was_reported_for_every_case() {
    let config = "models:\n  it: { provider: http, model: m, base-url: 'http://127.0.0.1:9/x', params: { a: 1 }, body: { p: '{{ messages }}' }, response: { text: $.t } }\n";
    let ended = many(50, config).run(&["test", "--offline"]);
    assert!(ended.code == 2 && ended.stderr.contains("1 problem in the project"), "{}", ended.stderr);
    let sandbox = many(50, "models:\n  it: { provider: anthropic, model: m }\n");
    sandbox.write("prompts/p.j2", "{{ role('system') }}{{ q }}");
    let ended = sandbox.run(&["test", "--offline"]);
    assert!(ended.stderr.contains("1 problem") && ended.stderr.contains("so 49 more cases"), "{}", ended.stderr);
}

#[test]
fn requests_were_imported_as_if_they_were_results() {
    let sandbox = one("models:\n  it: { provider: openai, model: m }\n");
    sandbox.run(&["batch", "export", "--model", "it", "--out", "requests.jsonl"]);
    let ended = sandbox.run(&["batch", "import", "requests.jsonl"]);
    assert!(ended.code == 2 && ended.stderr.contains("this is a request"), "{}", ended.stderr);
    sandbox.write("empty.jsonl", "");
    assert_eq!(sandbox.run(&["batch", "import", "empty.jsonl"]).code, 2);
}

#[test]
fn a_file_in_the_place_of_the_state_folder_gave_an_os_error() {
    let sandbox = one("models:\n  it: { provider: mock, replies: [{ say: fine }] }\n");
    sandbox.write(".promptctl", "x");
    let ended = sandbox.run(&["test"]);
    assert!(
        ended.stderr.contains("`.promptctl` is a file") && ended.stderr.contains("move it away"),
        "{}",
        ended.shown()
    );
    assert!(!ended.shown().contains("os error"), "{}", ended.shown());
}

#[test]
fn warnings_beside_a_mistake_were_counted_as_mistakes() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ containz: fine }] }\n");
    sandbox.write("prompts/p.j2", "---\nvars: { q: string }\n---\n{{ q }} {q}\n");
    let ended = sandbox.run(&["test"]);
    assert!(ended.stderr.contains("error: 1 problem and 1 warning in the project"), "{}", ended.shown());
}
