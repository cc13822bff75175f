//! `promptctl drift`: a model behind an alias that is no longer what it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::server::Server;

/// A server whose model can be replaced by a worse one, and a project with recordings of the good one.
fn project(cases: usize) -> (Sandbox, Arc<AtomicBool>, Server) {
    let worse = Arc::new(AtomicBool::new(false));
    let is_worse = Arc::clone(&worse);
    let server = Server::answering(move |_, body| {
        let worse = is_worse.load(Ordering::SeqCst);
        let text = if worse && body.contains("odd") { json!({"ok": "no"}) } else { json!({"ok": true, "of": "it"}) };
        let model = if worse { "model-0701" } else { "model-0613" };
        let answer = json!({
            "model": model, "choices": [{"message": {"content": text.to_string()}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2}
        });
        (200, answer.to_string())
    });
    let case = |n: usize| {
        let tag = if n.is_multiple_of(2) { "even" } else { "odd" };
        format!(
            "  - {{ name: c{n:03}, vars: {{ q: {tag} question {n} }}, tags: [{tag}], expect: [{{ contains: 'true' }}], snapshot: none }}\n"
        )
    };
    let sandbox = Sandbox::with_cases(&format!("cases:\n{}", (0..cases).map(case).collect::<String>()));
    sandbox.write(
        "promptctl.yaml",
        format!("models:\n  it: {{ provider: openai, model: model, base-url: '{}' }}\n", server.url()),
    );
    assert_eq!(sandbox.run(&["test"]).code, 0);
    (sandbox, worse, server)
}

#[test]
fn a_model_that_moved_is_seen_and_what_is_recorded_stays() {
    let (sandbox, worse, _server) = project(24);
    worse.store(true, Ordering::SeqCst);
    let before = sandbox.read("fixtures/p/recorded/it.jsonl");
    let ended = sandbox.run(&["drift", "--all"]);
    let latency = regex::Regex::new(r" · latency \d+ ms( \[[0-9, ]+\])? → \d+ ms( \[[0-9, ]+\])?").expect("valid");
    assert_snapshot!("drifted", latency.replace_all(&ended.shown(), ""));
    assert_eq!(sandbox.read("fixtures/p/recorded/it.jsonl"), before);
    assert_eq!(sandbox.run(&["test", "--offline"]).code, 0, "the old answers are still those that count");
    assert_eq!(sandbox.run(&["drift", "--all", "--fail-on", "never"]).code, 0);
    let ended = sandbox.run(&["drift", "--update", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((ended.code, &json["calls_made"]), (1, &24.into()), "{}", ended.stdout);
    assert_eq!(json["models"][0]["moved"], json!({"base": ["model-0613"], "head": ["model-0701"]}));
    assert_eq!(json["models"][0]["prompts"][0]["losses"], 12);
    let after = sandbox.read("fixtures/p/recorded/it.jsonl");
    assert!(after.lines().count() == 24 && after.contains("model-0701") && !after.contains("model-0613"));
    assert_eq!(sandbox.run(&["test", "--offline"]).code, 1);
}

#[test]
fn asking_stops_as_soon_as_the_verdict_is_known() {
    let (sandbox, worse, server) = project(200);
    let asked = server.requests().len();
    let ended = sandbox.run(&["drift", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(
        (ended.code, &json["models"][0]["prompts"][0]["verdict"]),
        (0, &"not_regressed".into()),
        "{}",
        ended.stderr
    );
    let calls = server.requests().len() - asked;
    assert!(calls < 80, "{calls} of 200");
    assert_eq!(json["calls_made"], calls);
    worse.store(true, Ordering::SeqCst);
    let ended = sandbox.run(&["drift", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((ended.code, &json["models"][0]["prompts"][0]["verdict"]), (1, &"regressed".into()), "{}", ended.stderr);
    assert!(json["calls_made"].as_u64() < Some(60), "{}", json["calls_made"]);
}

#[test]
fn nothing_is_asked_where_it_may_not_be_or_where_nothing_is_recorded() {
    let (sandbox, _, server) = project(3);
    let asked = server.requests().len();
    for (args, variables, code) in [
        (&["drift"][..], &[("CI", "1")][..], 2),
        (&["drift", "--offline"], &[], 2),
        (&["drift", "--model", "nobody"], &[], 4),
        (&["drift", "--sequential", "--all"], &[], 2),
    ] {
        assert_eq!(sandbox.run_with(args, variables).code, code, "{args:?}");
    }
    assert_eq!(server.requests().len(), asked);
    let ended = sandbox.run_with(&["drift", "--live"], &[("CI", "1")]);
    assert!(ended.code == 0 && !sandbox.exists(".promptctl/drift"), "{}", ended.shown());
    let ended = sandbox.run(&["drift", "--max-calls", "1"]);
    assert_eq!(ended.code, 6, "{}", ended.shown());
    sandbox.write("prompts/p.j2", "Other {{ q }}\n");
    let ended = sandbox.run(&["drift"]);
    assert!(ended.code == 4 && ended.stderr.contains("is recorded"), "{}", ended.stderr);
}

#[test]
fn recordings_of_two_models_are_never_mixed_and_what_was_asked_is_not_asked_again() {
    let (sandbox, worse, server) = project(40);
    worse.store(true, Ordering::SeqCst);
    let before = sandbox.read("fixtures/p/recorded/it.jsonl");
    let asked = server.requests().len();
    let ended = sandbox.run(&["drift", "--update", "--max-calls", "16"]);
    assert!(ended.stdout.contains("nothing is replaced") && ended.code == 1, "{}", ended.shown());
    assert_eq!(sandbox.read("fixtures/p/recorded/it.jsonl"), before);
    let ended = sandbox.run(&["drift", "--update"]);
    assert!(ended.stdout.contains("recorded in the place of the old ones"), "{}", ended.shown());
    assert_eq!(server.requests().len() - asked, 40, "the second one goes on from the first");
    assert!(!sandbox.read("fixtures/p/recorded/it.jsonl").contains("model-0613"));
    // One that came to its end is asked anew.
    assert_eq!(sandbox.run(&["drift", "--all"]).code, 0);
    assert_eq!(server.requests().len() - asked, 80);
}

#[test]
fn a_part_of_a_file_is_not_replaced() {
    let (sandbox, worse, _server) = project(4);
    worse.store(true, Ordering::SeqCst);
    let ended = sandbox.run(&["drift", "--update", "--tag", "odd"]);
    assert!(ended.code == 2 && ended.stderr.contains("two models in one file"), "{}", ended.stderr);
    assert!(!sandbox.read("fixtures/p/recorded/it.jsonl").contains("model-0701"));
}

#[test]
fn what_another_model_answered_before_an_interruption_does_not_count() {
    let (sandbox, worse, _server) = project(40);
    assert_eq!(sandbox.run(&["drift", "--update", "--max-calls", "16"]).code, 6);
    worse.store(true, Ordering::SeqCst);
    let ended = sandbox.run(&["drift", "--update"]);
    assert!(ended.stdout.contains("40 of 40 recorded answers"), "{}", ended.shown());
    let recorded = sandbox.read("fixtures/p/recorded/it.jsonl");
    assert!(recorded.lines().all(|line| line.contains("model-0701")), "{recorded}");
}

#[test]
fn one_of_several_backends_is_no_other_model() {
    let number = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let server = Server::answering(move |_, _| {
        let fingerprint = if number.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { "fp_a" } else { "fp_b" };
        let answer = json!({"model": "m", "system_fingerprint": fingerprint, "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]});
        (200, answer.to_string())
    });
    let cases: String = (0..4)
        .map(|n| format!("  - {{ name: c{n}, vars: {{ q: '{n}' }}, expect: [{{ contains: hi }}], snapshot: none }}\n"))
        .collect();
    let sandbox = Sandbox::with_cases(&format!("cases:\n{cases}"));
    sandbox.write(
        "promptctl.yaml",
        format!("models:\n  it: {{ provider: openai, model: m, base-url: '{}' }}\n", server.url()),
    );
    assert_eq!(sandbox.run(&["test", "--jobs", "1"]).code, 0);
    let ended = sandbox.run(&["drift", "--jobs", "1", "--case", "c0", "--fail-on", "changed"]);
    assert!(ended.code == 0 && !ended.stdout.contains("another model"), "{}", ended.shown());
}

#[test]
fn answers_that_cannot_be_had_are_no_drift() {
    let (sandbox, _, _) = project(3);
    let server = Server::answering(|_, _| (400, r#"{"error":{"message":"gone"}}"#.into()));
    let config = format!("models:\n  it: {{ provider: openai, model: model, base-url: '{}' }}\n", server.url());
    sandbox.write("promptctl.yaml", config);
    let ended = sandbox.run(&["drift", "--update"]);
    assert!(ended.code == 3 && ended.stdout.contains("nothing can be said"), "{}", ended.shown());
    assert!(sandbox.read("fixtures/p/recorded/it.jsonl").contains("model-0613"), "nothing recorded is lost");
}
