//! Limits: what is asked at all, how fast, for how much, and when a run stops asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::sandbox::Sandbox;
use crate::server::Server;

fn many(count: usize) -> String {
    let case = |n: usize| format!("  - {{ name: c{n}, vars: {{ q: q{n} }}, expect: [{{ contains: q }}] }}\n");
    format!("cases:\n{}", (0..count).map(case).collect::<String>())
}

/// A project of so many cases on a server that repeats the question.
fn project(server: &Server, count: usize, entry: &str) -> Sandbox {
    let sandbox = Sandbox::with_cases(&many(count));
    let config = format!("models:\n  it: {{ provider: openai, model: m, base-url: '{}', {entry} }}\n", server.url());
    sandbox.write("promptctl.yaml", config);
    sandbox
}

fn echo(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    Server::completion(body["messages"][0]["content"].as_str().expect("text"))
}

#[test]
fn a_refused_key_is_said_once_and_not_a_thousand_times() {
    let server = Server::answering(|_, _| (401, "{\"error\": {\"message\": \"wrong key\"}}".to_owned()));
    let sandbox = project(&server, 1000, "limits: { concurrency: 8 }");
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 3);
    assert!(server.requests().len() <= 16, "asked {} times", server.requests().len());
    assert!(ended.stdout.lines().count() < 50, "{}", ended.stdout);
    assert!(ended.stdout.contains("note: nothing more is asked of it: the server answered 401: wrong key"));
    assert!(ended.stdout.contains("cases were not asked of it, as noted above"), "{}", ended.stdout);
    assert!(ended.stdout.contains("1000 planned = 0 passed"), "{}", ended.stdout);
    assert!(ended.stdout.contains("1000 errored"), "{}", ended.stdout);
}

#[test]
fn a_server_that_is_down_is_left_alone_after_five_in_a_row() {
    let server = Server::answering(|_, _| (500, "down".to_owned()));
    let sandbox = project(&server, 200, "limits: { concurrency: 2, retries: 0 }");
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 3);
    assert!((5..=8).contains(&server.requests().len()), "asked {} times", server.requests().len());
    assert!(ended.stdout.contains("5 requests in a row failed alike"), "{}", ended.stdout);
}

#[test]
fn a_server_that_recovers_is_asked_for_everything() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    let begun = Instant::now();
    let server = Server::answering(move |_, body| {
        if begun.elapsed() < Duration::from_millis(2500) {
            counted.fetch_add(1, Ordering::SeqCst);
            return (429, "{\"error\": {\"message\": \"slow down\"}}".to_owned());
        }
        (200, echo(body))
    });
    let sandbox = project(&server, 100, "limits: { concurrency: 16, retries: 2 }");
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    // The first sixteen at once, and from then on one at a time.
    assert!(refused.load(Ordering::SeqCst) <= 16 + 8, "{refused:?} refusals");
    assert_eq!(sandbox.read("fixtures/p/recorded/it.jsonl").lines().count(), 100);
    assert!(begun.elapsed() < Duration::from_secs(20), "it did not get up to speed again");
}

#[test]
fn a_request_has_a_deadline() {
    let server = Server::raw(|_, _| Vec::new());
    let sandbox = project(&server, 1, "limits: { timeout: 300ms, deadline: 1s, retries: 50 }");
    let begun = Instant::now();
    let ended = sandbox.run(&["test"]);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(ended.code == 3 && ended.stdout.contains("gave up after 1 s (`deadline`)"), "{}", ended.stdout);
    assert!((2..=4).contains(&server.requests().len()), "{}", server.requests().len());
}

#[test]
fn what_the_server_says_is_left_slows_the_run_down_before_it_is_refused() {
    let server = Server::answering(|number, body| {
        let text = echo(body);
        // Of three a second, so that the fourth comes a second later.
        let left = 2_usize.saturating_sub(number % 3);
        let head = format!(
            "x-ratelimit-limit-requests: 3\r\nx-ratelimit-remaining-requests: {left}\r\nx-ratelimit-reset-requests: 1s"
        );
        (
            200,
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            ),
        )
    });
    let sandbox = project(&server, 5, "limits: { concurrency: 1 }");
    let begun = Instant::now();
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!ended.stdout.contains("retr"), "{}", ended.stdout);
}

#[test]
fn requests_a_minute_are_obeyed_across_the_run() {
    let server = Server::answering(|_, body| (200, echo(body)));
    let sandbox = project(&server, 6, "limits: { requests-per-minute: 300 }");
    let begun = Instant::now();
    assert_eq!(sandbox.run(&["test"]).code, 0);
    assert!(begun.elapsed() >= Duration::from_millis(980), "{:?}", begun.elapsed());
    let server = Server::answering(|_, _| {
        let answer = r#"{"choices": [{"message": {"content": "q"}, "finish_reason": "stop"}]}"#;
        (200, answer.to_owned())
    });
    let sandbox = project(&server, 4, "params: { max_tokens: 92 }, limits: { tokens-per-minute: 30000 }");
    let begun = Instant::now();
    assert_eq!(sandbox.run(&["test"]).code, 0);
    // 100 tokens, 0.2 s, each, as the server counts none.
    assert!(begun.elapsed() >= Duration::from_millis(580), "{:?}", begun.elapsed());
}

/// Answers of a hundred tokens, a cent each.
fn priced(count: usize) -> (Server, Sandbox) {
    let server = Server::answering(|_, body| {
        let mut answer: serde_json::Value = serde_json::from_str(&echo(body)).expect("JSON");
        answer["usage"] = serde_json::json!({"prompt_tokens": 0, "completion_tokens": 100});
        (200, answer.to_string())
    });
    let sandbox = project(&server, count, "params: { max_tokens: 100 }, price: { input: 0, output: 100 }");
    (server, sandbox)
}

#[test]
fn no_more_is_spent_than_was_said() {
    let (server, sandbox) = priced(20);
    let ended = sandbox.run(&["test", "--max-cost", "0.055"]);
    assert_eq!(ended.code, 6, "{}", ended.stdout);
    assert_eq!(server.requests().len(), 5, "{}", ended.stdout);
    assert_eq!(sandbox.read("fixtures/p/recorded/it.jsonl").lines().count(), 5, "what arrived is kept");
    assert!(ended.stdout.contains("$0.0500 now") && ended.stdout.contains("15 skipped"), "{}", ended.stdout);
    assert!(ended.stdout.contains("budget: it might cost more than is left of $0.055"), "{}", ended.stdout);
    let ended = sandbox.run(&["test", "--max-cost", "1"]);
    assert_eq!((ended.code, server.requests().len()), (0, 20), "the next run goes on: {}", ended.stdout);
}

#[test]
fn a_limit_on_money_needs_a_price() {
    let server = Server::answering(|_, body| (200, echo(body)));
    let sandbox = project(&server, 2, "");
    let ended = sandbox.run(&["test", "--max-cost", "1"]);
    assert_eq!((ended.code, server.requests().len()), (2, 0));
    assert!(ended.stderr.contains("--max-cost needs the price of the model `it`"), "{}", ended.stderr);
    assert_eq!(sandbox.run(&["test", "--max-cost=-1"]).code, 2);
    assert_eq!(sandbox.run(&["test", "--max-cost", "lots"]).code, 2);
}

#[test]
fn a_dry_run_asks_nothing_and_says_what_it_would_cost() {
    let (server, sandbox) = priced(20);
    let ended = sandbox.run(&["test", "--dry-run", "--max-cost", "0.05"]);
    assert_eq!(server.requests().len(), 0);
    assert_snapshot!("dry_run", ended.shown());
    assert!(!sandbox.exists("fixtures/p/recorded") && !sandbox.exists("snapshots"));
    // Also where calls are not allowed by themselves.
    assert!(sandbox.run_with(&["test", "--dry-run"], &[("CI", "1")]).stdout.contains("20 to ask for"));
}

#[test]
fn one_at_a_time_or_many_or_through_failures_the_answers_are_the_same() {
    let run = |args: &[&str], every: usize| {
        let server = Server::answering(move |number, body| match number % every {
            2 => (500, "HTTP/1.1 500 X\r\nretry-after: 0\r\ncontent-length: 2\r\n\r\nno".to_owned()),
            _ => (200, echo(body)),
        });
        let sandbox = project(&server, 200, "limits: { concurrency: 64, retries: 14 }");
        let ended = sandbox.run(args);
        assert_eq!(ended.code, 0, "{}", ended.stdout);
        let recorded = sandbox.read("fixtures/p/recorded/it.jsonl");
        let mut lines: Vec<serde_json::Value> =
            recorded.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        for line in &mut lines {
            let response = line["response"].as_object_mut().expect("a response");
            response.remove("latency_ms");
            response.remove("attempts");
        }
        let report = sandbox.run(&["test", "--offline", "--report", "json"]);
        let report: serde_json::Value = serde_json::from_str(&report.stdout).expect("JSON");
        let verdicts: Vec<String> =
            report["results"].as_array().expect("results").iter().map(|r| r["verdict"].to_string()).collect();
        (lines, verdicts)
    };
    let one = run(&["test", "--jobs", "1"], usize::MAX);
    assert_eq!(one.0.len(), 200);
    assert_eq!(one, run(&["test", "--jobs", "64"], usize::MAX));
    assert_eq!(one, run(&["test", "--jobs", "64"], 3));
}

#[test]
fn a_proxy_of_the_environment_is_used_but_not_for_this_machine() {
    let proxy = Server::answering(|_, body| (200, echo(body)));
    let sandbox = Sandbox::with_cases(&many(1));
    sandbox.write(
        "promptctl.yaml",
        "models:\n  it: { provider: openai, model: m, base-url: 'http://model.invalid/v1', limits: { retries: 0 } }\n",
    );
    let variables = [("http_proxy", proxy.origin())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ended = sandbox.run_with(&["test"], &variables);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(proxy.requests()[0].starts_with("POST http://model.invalid/v1/chat/completions"), "{:?}", proxy.requests());
    let off = [variables.as_slice(), &[("no_proxy", "model.invalid")]].concat();
    assert_eq!(sandbox.run_with(&["test", "--refresh"], &off).code, 3, "there is no such host");
    let server = Server::answering(|_, body| (200, echo(body)));
    let sandbox = project(&server, 1, "");
    assert_eq!(sandbox.run_with(&["test"], &variables).code, 0);
    assert_eq!((server.requests().len(), proxy.requests().len()), (1, 1));
}

#[test]
fn a_model_that_moved_is_noted() {
    let server = Server::answering(|_, body| (200, echo(body)));
    let sandbox = project(&server, 1, "");
    let ended = sandbox.run(&["test"]);
    assert!(ended.stdout.contains("was asked for `m` and says that `served` answered"), "{}", ended.stdout);
    let moved = Server::answering(|_, body| (200, echo(body).replace("served", "served-later")));
    let config = sandbox.read("promptctl.yaml").replace(&server.url(), &moved.url());
    sandbox.write("promptctl.yaml", config);
    sandbox.write("fixtures/p/cases.yaml", many(2));
    let ended = sandbox.run(&["test"]);
    assert!(ended.stdout.contains("`served` and `served-later`"), "{}", ended.stdout);
}

#[test]
fn a_failure_is_confirmed_before_it_counts() {
    // Of each case the first answer of `noisy` is wrong, and every answer of `bad`.
    let replies = "replies: [{ when: bad, say: wrong }, { when: noisy, say: \"{{ 'wrong' if sample == 0 else 'right' }}\" }, { say: right }]";
    let cases = ["good", "noisy", "bad"]
        .map(|q| format!("  - {{ name: {q}, vars: {{ q: {q} }}, expect: [{{ contains: right }}], snapshot: none }}\n"));
    let sandbox = Sandbox::with_cases(&format!("cases:\n{}", cases.concat()));
    sandbox.write("promptctl.yaml", format!("models:\n  it: {{ provider: mock, {replies} }}\n"));
    let ended = sandbox.run(&["test", "--confirm", "3"]);
    assert_eq!(ended.code, 1);
    assert_snapshot!("confirmed", ended.shown());
    assert_eq!(sandbox.read("fixtures/p/recorded/it.jsonl").lines().count(), 1 + 3 + 3, "the good one is asked once");
    assert_eq!(sandbox.run(&["test", "--confirm", "3", "--offline"]).code, 1);
    assert_eq!(sandbox.run(&["test", "--confirm", "3", "--offline", "--case", "noisy"]).code, 0);
    // Without the other answers the first one counts.
    let ended = sandbox.run(&["test", "--confirm", "5", "--offline", "--case", "noisy"]);
    assert!(ended.code == 1 && ended.stdout.contains("1 failed"), "{}", ended.stdout);
    let ended = sandbox.run(&["test", "--confirm", "3", "--refresh", "--max-calls", "4"]);
    assert!(ended.code == 6 && ended.stdout.contains("4 calls"), "{}", ended.stdout);
    assert_eq!(sandbox.run(&["test", "--confirm", "3", "--repeat", "2"]).code, 2);
}

#[test]
fn a_run_ends_in_time() {
    let server = Server::slow(Duration::from_millis(300), |_, body| (200, echo(body)));
    let sandbox = project(&server, 50, "limits: { concurrency: 2 }");
    let ended = sandbox.run(&["test", "--max-time", "1s"]);
    assert!(ended.code == 6 && ended.stdout.contains("budget: the time that was allowed is over"), "{}", ended.stdout);
    let asked = server.requests().len();
    assert!(asked < 20, "asked {asked} times");
    assert_eq!(sandbox.read("fixtures/p/recorded/it.jsonl").lines().count(), asked, "what arrived is kept");
}

#[test]
fn a_model_that_must_wait_holds_up_no_other() {
    let busy = Server::answering(|number, body| match number {
        0..4 => (200, "HTTP/1.1 429 X\r\nretry-after: 4\r\ncontent-length: 2\r\n\r\n{}".to_owned()),
        _ => (200, echo(body)),
    });
    let quick = Server::answering(|_, body| (200, echo(body)));
    let sandbox = project(&busy, 20, "");
    let entry = |name: &str, server: &Server| {
        format!("  {name}: {{ provider: openai, model: m, base-url: '{}' }}\n", server.url())
    };
    let config =
        format!("models:\n{}{}defaults: {{ models: [busy, quick] }}\n", entry("busy", &busy), entry("quick", &quick));
    sandbox.write("promptctl.yaml", config);
    let child = sandbox.command(&["test", "--jobs", "4"]).stdout(std::process::Stdio::null()).spawn();
    let mut child = child.expect("started");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(quick.requests().len(), 20, "the other model is done long before");
    assert!(child.wait().expect("ended").success());
    assert_eq!(sandbox.read("fixtures/p/recorded/busy.jsonl").lines().count(), 20);
}
