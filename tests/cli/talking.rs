//! Conversations, cases that must pass, named scores, and what asks beyond an answer: programs, other models, meaning.

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::{Ended, Sandbox, says};

const MODELS: &str = r#"models:
  fast:
    provider: mock
    replies:
      - { when: "(?i)my order", say: "Let me see.", tool-calls: [{ name: lookup, arguments: { id: 7 } }, { name: rate, arguments: {} }] }
      - { when: Germany, say: "In Germany within 14 days." }
      - { when: refund, say: "You get it back within 14 days." }
      - { say: "{{ messages | length }} messages, the last by {{ messages[-1].role }}: {{ messages[-1].content }}" }
"#;

/// A project with one prompt whose cases these are.
fn project(cases: &str) -> Sandbox {
    let sandbox = Sandbox::with_cases(cases);
    sandbox.write("promptctl.yaml", MODELS);
    sandbox
}

fn report(sandbox: &Sandbox, args: &[&str]) -> Value {
    let all = [&["test", "--report", "json=report.json"], args].concat();
    sandbox.run(&all);
    serde_json::from_str(&sandbox.read("report.json")).expect("JSON")
}

fn recorded(sandbox: &Sandbox) -> Vec<Value> {
    let text = sandbox.read("fixtures/p/recorded/fast.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const TALK: &str = r#"cases:
  - name: talk
    vars: { q: "a refund?", country: Germany }
    expect: [contains: 14 days]
    messages:
      - user: "And in {{ country }}?"
        expect: [contains: Germany]
      - developer: "Be brief."
        expect: [contains: Germany]
      - user: "My order?"
        expect: [tool-call: lookup, contains: see]
      - tool: { rate: "5", lookup: "sent to {{ country }}" }
        expect: [contains: In Germany]
"#;

#[test]
fn a_conversation_is_held_recorded_and_replayed() {
    let sandbox = project(TALK);
    says(&sandbox.run(&["test"]), 0, &["1 planned, 1 call needed", "1 new", "5 calls, 0 replayed"]);
    let lines = recorded(&sandbox);
    let mut turns: Vec<Option<u64>> = lines.iter().map(|line| line["turn"].as_u64()).collect();
    turns.sort_unstable();
    assert_eq!(turns, [None, Some(2), Some(3), Some(4), Some(5)]);
    let last = lines.iter().find(|line| line["turn"] == 5).expect("the last turn");
    let messages = last["request"]["messages"].as_array().expect("messages");
    let said: Vec<(&str, &str)> =
        messages.iter().map(|m| (m["role"].as_str().unwrap_or(""), m["content"].as_str().unwrap_or(""))).collect();
    assert_eq!(
        said,
        [
            ("user", "a refund?"),
            ("assistant", "You get it back within 14 days."),
            ("user", "And in Germany?"),
            ("assistant", "In Germany within 14 days."),
            ("developer", "Be brief."),
            ("assistant", "In Germany within 14 days."),
            ("user", "My order?"),
            ("assistant", "Let me see."),
            ("tool", "sent to Germany"),
            ("tool", "5"),
        ]
    );
    let ids: Vec<&Value> =
        messages[7]["tool_calls"].as_array().expect("calls").iter().map(|call| &call["id"]).collect();
    assert_eq!(ids, [&messages[8]["tool_call_id"], &messages[9]["tool_call_id"]], "each result answers its call");
    assert_snapshot!("conversation", sandbox.read("snapshots/p/talk@fast.snap.new"));
    says(&sandbox.run(&["accept", "--all"]), 0, &[]);
    says(&sandbox.run(&["test", "--offline"]), 0, &["1 passed", "0 calls, 5 replayed"]);
    says(&sandbox.run(&["prune"]), 0, &["nothing to prune"]);
    let document = report(&sandbox, &["--offline"]);
    let sample = &document["results"][0]["samples"][0];
    assert_eq!(sample["turns"].as_array().map(Vec::len), Some(4));
    assert_eq!(sample["expectations"][1]["turn"], 2);
}

#[test]
fn an_answer_that_changes_makes_what_follows_stale() {
    let sandbox = project(TALK);
    sandbox.run(&["test"]);
    sandbox.edit("fixtures/p/cases.yaml", "And in {{ country }}?", "What about {{ country }}?");
    says(&sandbox.run(&["test", "--offline"]), 5, &["STALE", "turn 2: what is recorded answers another conversation"]);
    // What was said before the change is replayed; what follows is asked.
    says(&sandbox.run(&["test"]), 0, &["4 calls, 1 replayed"]);
    sandbox.edit("fixtures/p/cases.yaml", "tool: { rate", "user: one more\n      - tool: { rate");
    let ended = sandbox.run(&["test", "--offline"]);
    says(&ended, 1, &["the model called lookup, rate, and the script goes on without a result"]);
    sandbox.edit("fixtures/p/cases.yaml", "      - user: one more\n", "");
    sandbox.edit("fixtures/p/cases.yaml", "rate: \"5\"", "rate: \"5\", other: x");
    says(&sandbox.run(&["test", "--offline"]), 0, &[]);
    let unused = sandbox.run(&["prune"]);
    says(&unused, 0, &["fixtures/p/recorded/fast.jsonl", "recordings and"]);
    assert_eq!(unused.stdout.matches("case `talk`").count(), 4, "{}", unused.stdout);
}

#[test]
fn the_first_turn_that_fails_ends_a_conversation() {
    let sandbox = project(
        r#"cases:
  - name: stops
    vars: { q: "a refund?" }
    messages:
      - user: hello
        expect: [contains: xyz, is-json]
      - user: never said
        expect: [contains: x]
  - name: goes on
    vars: { q: "a refund?" }
    threshold: 0.5
    messages:
      - user: hello
        expect: [contains: xyz]
      - user: said all the same
        expect: [contains: 5 messages]
  - name: no tool
    vars: { q: "a refund?" }
    messages:
      - tool: a result
        expect: [contains: x]
  - name: one result of two
    vars: { q: "my order?" }
    messages:
      - tool: a result
  - name: no such tool
    vars: { q: "my order?" }
    messages:
      - tool: { lookup: a, rat: b }
  - name: in order
    vars: { q: "my order?" }
    messages:
      - tool: [first, second]
        expect: [contains: "the last by tool: second"]
  - name: the first answer fails
    vars: { q: "a refund?" }
    expect: [contains: nothing of that]
    messages:
      - user: never said
"#,
    );
    let ended = sandbox.run(&["test"]);
    assert_snapshot!("conversations_that_fail", ended.shown());
    let said: Vec<String> = recorded(&sandbox).iter().map(|line| line["request"]["messages"].to_string()).collect();
    assert!(said.iter().any(|messages| messages.contains("said all the same")));
    assert!(!said.iter().any(|messages| messages.contains("never said")), "what fails is not asked on");
    let document = report(&sandbox, &["--offline"]);
    let expectations = &document["results"][0]["samples"][0]["expectations"];
    assert_eq!((&expectations[2]["lack"], &expectations[2]["turn"]), (&"unasked".into(), &3.into()));
}

#[test]
fn samples_of_a_conversation_are_conversations_of_their_own() {
    let sandbox = project(
        "cases:\n  - name: a\n    vars: { q: hello }\n    repeat: 3\n    messages: [{ user: and now, expect: [contains: 3 messages] }]\n",
    );
    says(&sandbox.run(&["test"]), 0, &["6 calls, 0 replayed"]);
    let mut all: Vec<(u64, Option<u64>)> =
        recorded(&sandbox).iter().map(|line| (line["sample"].as_u64().unwrap_or(9), line["turn"].as_u64())).collect();
    all.sort_unstable();
    assert_eq!(all, [(0, None), (0, Some(2)), (1, None), (1, Some(2)), (2, None), (2, Some(2))]);
    says(&sandbox.run(&["test", "--offline"]), 0, &["0 calls, 6 replayed"]);
    // Limits on calls count every turn.
    sandbox.edit("fixtures/p/cases.yaml", "and now", "and then");
    says(&sandbox.run(&["test", "--max-calls", "1"]), 6, &["SKIPPED", "budget"]);
}

#[test]
fn what_must_pass_is_excused_by_nothing() {
    let cases = "defaults: { min-pass-rate: 0.2, repeat: 2 }\ncases:\n  - { name: a, vars: { q: '{{ x }}' }, must-pass: true, expect: [contains: zero], snapshot: none }\n  - { name: b, vars: { q: hello }, expect: [contains: zero], snapshot: none }\n";
    let sandbox = project(cases);
    sandbox.write(
        "promptctl.yaml",
        "models:\n  fast:\n    provider: mock\n    replies: [{ say: \"{{ 'zero' if sample == 0 else 'one' }}\" }]\n",
    );
    let ended = sandbox.run(&["test", "--flaky-result", "pass"]);
    says(&ended, 1, &["FAILED     p › a › fast", "1 passed + 1 failed"]);
    says(&sandbox.run(&["test", "--offline"]), 1, &["1 passed + 1 failed"]);
    sandbox.edit("fixtures/p/cases.yaml", "must-pass: true", "must-pass: true, min-pass-rate: 0.5");
    says(&sandbox.run(&["test"]), 2, &["`must-pass` and `min-pass-rate` exclude each other"]);
    sandbox.edit("fixtures/p/cases.yaml", "min-pass-rate: 0.5", "quarantine: { until: 2099-01-01 }");
    says(&sandbox.run(&["test"]), 2, &["`must-pass` and `quarantine` exclude each other"]);
    sandbox.edit("fixtures/p/cases.yaml", "must-pass: true, quarantine", "must-pass: maybe, quarantine");
    says(&sandbox.run(&["test"]), 2, &["must-pass must be true or false"]);
}

#[test]
fn a_comparison_fails_where_a_case_that_must_pass_does_not() {
    let mut cases = String::from("cases:\n");
    for n in 0..30 {
        let must = if n == 7 { "must-pass: true, " } else { "" };
        cases.push_str(&format!(
            "  - {{ name: c{n:02}, vars: {{ q: n{n:02} }}, {must}expect: [contains: right], snapshot: none }}\n"
        ));
    }
    let sandbox = project(&cases);
    sandbox.write("promptctl.yaml", "models:\n  fast:\n    provider: mock\n    replies:\n      - { when: 'Careless n07', say: wrong }\n      - { say: right }\n");
    sandbox.write("prompts/p.j2", "Careful {{ q }}\n");
    sandbox.git(&["init"]);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "base"]);
    sandbox.write("prompts/p.j2", "Careless {{ q }}\n");
    assert_eq!(sandbox.run(&["test"]).code, 1);
    let ended = sandbox.run(&["compare", "--json"]);
    says(&ended, 1, &["c07 of p must pass, and 1 of 1 answers fail"]);
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(document["prompts"][0]["must_fail"], serde_json::json!(["c07"]));
    assert_ne!(document["prompts"][0]["verdict"], "regressed", "one of thirty may be chance");
    assert_eq!(sandbox.run(&["compare", "--fail-on", "never"]).code, 0);
    sandbox.edit("fixtures/p/cases.yaml", "must-pass: true, ", "");
    assert_eq!(sandbox.run(&["compare"]).code, 0);
}

#[test]
fn named_scores_are_means_over_the_run() {
    let sandbox = project(
        r#"cases:
  - { name: a, vars: { q: "a refund?" }, expect: [{ icontains: YOU, metric: tone }, { contains: 14, metric: facts, weight: 3 }] }
  - { name: b, vars: { q: hello }, threshold: 0.1, expect: [{ contains: you, metric: tone }, { contains: 1 messages, weight: 2 }] }
  - { name: c, vars: { q: hi }, expect: [{ any: [{ contains: x, metric: facts }, contains: messages], metric: tone }] }
"#,
    );
    let ended = sandbox.run(&["test"]);
    says(&ended, 0, &["facts: 0.750 (mean of 2)", "tone: 0.667 (mean of 3)"]);
    let document = report(&sandbox, &["--offline"]);
    assert_eq!(document["summary"]["metrics"]["facts"]["of"], 2);
    assert!((document["summary"]["metrics"]["tone"]["mean"].as_f64().unwrap_or(0.0) - 2.0 / 3.0).abs() < 1e-9);
    let ended = sandbox.run(&["test", "--offline", "--report", "markdown"]);
    assert!(ended.stdout.contains("tone&#58; 0.667"), "{}", ended.stdout);
}

#[test]
fn a_cost_that_is_not_known_was_scored_as_0() {
    let sandbox = project(
        "cases:\n  - { name: a, vars: { q: hello }, snapshot: none, threshold: 0.1, expect: [{ cost: 1, metric: money }, { contains: hello }] }\n",
    );
    says(&sandbox.run(&["test"]), 0, &["money: no score (0 of 1)"]);
}

#[cfg(unix)]
fn program(sandbox: &Sandbox, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    sandbox.write("check.sh", format!("#!/bin/sh\n{text}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("check.sh"), mode).expect("executable");
}

#[cfg(unix)]
#[test]
fn a_program_checks_only_where_it_was_allowed() {
    let sandbox = project(
        "cases:\n  - { name: a, vars: { q: \"a refund?\", limit: 7 }, expect: [exec: [./check.sh, strict]], snapshot: none }\n",
    );
    program(
        &sandbox,
        "cat > seen.json; [ \"$1\" = strict ] && echo '{\"pass\": true, \"score\": 0.5, \"reason\": \"fine\"}'",
    );
    let refused = sandbox.run(&["test"]);
    says(&refused, 2, &["`exec` runs the program `./check.sh strict`, which was not allowed", "--allow-exec"]);
    assert!(!sandbox.exists("seen.json"));
    says(&sandbox.run(&["test", "--allow-exec"]), 0, &["1 passed"]);
    let seen: Value = serde_json::from_str(&sandbox.read("seen.json")).expect("JSON");
    assert_eq!(seen["output"], "You get it back within 14 days.");
    assert_eq!(
        (&seen["vars"]["limit"], &seen["question"], &seen["model"]),
        (&7.into(), &"a refund?".into(), &"fast".into())
    );
    // A program is no model: it runs offline too, each time anew.
    program(&sandbox, "echo '{\"pass\": false, \"reason\": \"too long\"}'");
    let offline = sandbox.run_with(&["test", "--offline"], &[("PROMPTCTL_ALLOW_EXEC", "1")]);
    says(&offline, 1, &["✗ exec: \"too long\""]);
    for (text, why) in [
        ("echo yes", "printed something else"),
        ("echo '{\"pass\": true, \"score\": 7}'", "it is from 0 to 1"),
        ("echo oops >&2; exit 3", "oops"),
        ("echo '{\"pass\": true, \"sore\": 1}'", "unknown field `sore`"),
    ] {
        program(&sandbox, text);
        says(&sandbox.run(&["test", "--offline", "--allow-exec"]), 3, &["ERRORED", why]);
    }
    std::fs::remove_file(sandbox.path("check.sh")).expect("removed");
    says(&sandbox.run(&["test", "--offline", "--allow-exec"]), 3, &["cannot be started"]);
}

const JUDGED: &str = r#"models:
  short: { provider: mock, replies: [{ say: "14 days." }] }
  long: { provider: mock, replies: [{ say: "You get it back within 14 days, dear customer." }] }
  other: { provider: mock, replies: [{ say: "14 days." }] }
  strict:
    provider: mock
    replies:
      - { when: "(?s)Answer 1: .14 days.*Answer 2: .You", say: '{"reason": "dear", "best": 2}' }
      - { when: "(?s)First answer: .*dear.*Second answer", say: '{"reason": "dear", "better": "first"}' }
      - { when: "(?s)First answer: .*Second answer: .*dear", say: '{"reason": "dear", "better": "second"}' }
      - { say: 'What a question.' }
judge: { model: strict }
defaults: { models: [short, long, other] }
"#;

fn outcomes(document: &Value) -> Vec<(&str, bool)> {
    let results = document["results"].as_array().expect("results");
    let one = |result: &'_ Value| result["samples"][0]["expectations"][0]["pass"].as_bool().unwrap_or(false);
    results.iter().map(|result| (result["model"].as_str().unwrap_or(""), one(result))).collect()
}

#[test]
fn the_best_of_several_models_is_selected_when_all_have_answered() {
    let sandbox = project(
        "cases:\n  - { name: a, vars: { q: \"refund?\" }, expect: [select-best: the most polite], snapshot: none }\n",
    );
    sandbox.write("promptctl.yaml", JUDGED);
    let document = report(&sandbox, &[]);
    assert_eq!(outcomes(&document), [("short", false), ("long", true), ("other", false)]);
    assert_eq!(document["summary"]["judge_calls"], 1, "what three answers have in common is asked once");
    let again = report(&sandbox, &["--offline"]);
    assert_eq!(outcomes(&again), outcomes(&document));
    // One of them is asked again, and all are judged anew.
    says(&sandbox.run(&["test", "--model", "short"]), 3, &["only `short` is asked in this run"]);
}

#[test]
fn an_answer_is_preferred_in_both_orders() {
    let sandbox = project("cases:\n  - { name: a, vars: { q: \"refund?\" }, expect: [prefers: more polite] }\n");
    sandbox.write("promptctl.yaml", JUDGED.replace("[short, long, other]", "[short]"));
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 0, &["1 new"]);
    assert!(!sandbox.exists("fixtures/p/judged"), "there was nothing to be worse than");
    sandbox.edit(
        "promptctl.yaml",
        "short: { provider: mock, replies: [{ say: \"14 days.\"",
        "short: { provider: mock, replies: [{ say: \"In 14 days, dear.\"",
    );
    let document = report(&sandbox, &["--refresh"]);
    let checked = &document["results"][0]["samples"][0]["expectations"][0];
    assert_eq!((&checked["pass"], &checked["score"]), (&true.into(), &1.0.into()), "{checked}");
    assert_eq!(document["summary"]["judge_calls"], 2, "both orders");
    assert_eq!(document["results"][0]["verdict"], "changed");
}

fn near(text: &str, models: &str) -> (Sandbox, Ended) {
    let sandbox =
        project(&format!("cases:\n  - {{ name: a, vars: {{ q: \"refund?\" }}, expect: [{text}], snapshot: none }}\n"));
    sandbox.write(
        "promptctl.yaml",
        format!("{MODELS}{models}defaults: {{ models: [fast] }}\njudge: {{ embeddings: vec }}\n"),
    );
    let ended = sandbox.run(&["test"]);
    (sandbox, ended)
}

#[test]
fn meaning_is_compared_recorded_and_replayed() {
    let vec = "  vec: { provider: mock }\n";
    let (sandbox, ended) = near("similar: You get it back in 14 days.", vec);
    says(&ended, 0, &["1 passed", "judges: 2 calls"]);
    says(&sandbox.run(&["test", "--offline"]), 0, &["judges: 0 calls, 2 replayed"]);
    let line = sandbox.read("fixtures/p/judged/vec.jsonl");
    assert!(line.contains("\"kind\":\"embedding\"") && line.contains("\"check\":\"similar\""), "{line}");
    let (_, ended) = near("similar: The weather is fine", vec);
    says(&ended, 1, &["✗ similar: the similarity to \"The weather is fine\" is"]);
    let (_, ended) = near("similar: The weather is fine", "  vec: { provider: anthropic, model: x }\n");
    says(&ended, 2, &["its protocol has no embeddings"]);
}
