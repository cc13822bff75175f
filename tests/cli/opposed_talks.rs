//! Conversations and judged answers side by side: in comparisons, against a model that moved, under two names.

use crate::sandbox::{Sandbox, says};

const MODELS: &str = r#"models:
  bot:
    provider: mock
    replies:
      - { when: "Second", say: "good {{ messages[0].content }}" }
      - { say: "first" }
"#;

/// Ten conversations of two turns, committed with what they recorded.
fn project() -> Sandbox {
    let sandbox = Sandbox::with_cases(&cases("expect: [contains: first]", "expect: [contains: good]"));
    sandbox.write("promptctl.yaml", MODELS);
    sandbox.write("prompts/p.j2", "{{ q }}\n");
    sandbox.write(".gitignore", ".promptctl/\n");
    sandbox.git(&["init", "-q"]);
    says(&sandbox.run(&["test"]), 0, &["10 passed"]);
    commit(&sandbox);
    sandbox
}

fn cases(first: &str, second: &str) -> String {
    let case = |i| {
        format!("  - {{ name: c{i}, vars: {{ q: q{i} }}, {first}, messages: [{{ user: \"Second?\", {second} }}] }}\n")
    };
    format!("defaults: {{ snapshot: none }}\ncases:\n{}", (0..10).map(case).collect::<String>())
}

fn commit(sandbox: &Sandbox) {
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "another"]);
}

#[test]
fn a_later_answer_that_got_worse_is_seen_where_the_first_one_stayed() {
    let sandbox = project();
    sandbox.edit("promptctl.yaml", "good", "bad");
    says(&sandbox.run(&["test", "--refresh"]), 1, &["10 failed"]);
    commit(&sandbox);
    says(&sandbox.run(&["compare", "HEAD~1..HEAD", "--offline"]), 1, &["10 of 10 → 0 of 10", "REGRESSED"]);
    says(&sandbox.run(&["compare", "HEAD..HEAD", "--offline"]), 0, &["UNCHANGED"]);
}

#[test]
fn base_is_asked_by_its_own_prompt() {
    let sandbox = project();
    sandbox.write("prompts/p.j2", "Please: {{ q }}\n");
    sandbox.edit("promptctl.yaml", "good", "bad");
    says(&sandbox.run(&["test"]), 1, &["10 failed"]);
    commit(&sandbox);
    says(&sandbox.run(&["compare", "HEAD~1..HEAD", "--offline"]), 1, &["10 of 10 → 0 of 10", "REGRESSED"]);
    // Nothing is asked either where it may be: both conversations are recorded to their end.
    let ended = sandbox.run(&["compare", "HEAD~1..HEAD"]);
    says(&ended, 1, &["10 of 10 → 0 of 10"]);
    assert!(!ended.shown().contains("unpriced"), "{}", ended.shown());
}

#[test]
fn a_conversation_that_ends_earlier_in_base_is_left_out() {
    let sandbox = project();
    let longer = cases("expect: [contains: first]", "expect: [contains: good]")
        .replace("}] }", "}, { user: \"Second and last?\", expect: [contains: good] }] }");
    sandbox.write("fixtures/p/cases.yaml", longer);
    says(&sandbox.run(&["test"]), 0, &["10 passed"]);
    commit(&sandbox);
    let ended = sandbox.run(&["compare", "HEAD~1..HEAD", "--offline", "--json"]);
    assert_ne!(ended.code, 1, "{}", ended.shown());
    assert!(ended.stdout.contains("the conversation of the other side ends before"), "{}", ended.shown());
}

#[test]
fn drift_hears_the_later_answers() {
    let sandbox = project();
    sandbox.edit("promptctl.yaml", "good", "bad");
    says(&sandbox.run(&["drift", "--all"]), 1, &["10 of 10 recorded answers asked again", "10 of 10 → 0 of 10"]);
    says(&sandbox.run(&["test", "--offline"]), 0, &["10 passed"]);
    says(&sandbox.run(&["drift", "--update"]), 1, &["recorded in the place of the old ones"]);
    says(&sandbox.run(&["test", "--offline"]), 1, &["10 failed"]);
}

#[test]
fn drift_keeps_no_half_of_a_conversation() {
    let sandbox = project();
    sandbox.write("fixtures/p/cases.yaml", cases("expect: [contains: irst]", "expect: [contains: good]"));
    sandbox.edit("promptctl.yaml", "say: \"first\"", "say: \"First\"");
    says(&sandbox.run(&["drift", "--update", "--max-calls", "10", "--jobs", "1"]), 6, &["nothing is replaced"]);
    says(&sandbox.run(&["test", "--offline"]), 0, &["10 passed"]);
    says(&sandbox.run(&["drift", "--update"]), 0, &["recorded in the place of the old ones"]);
    says(&sandbox.run(&["test", "--offline"]), 0, &["10 passed"]);
    assert!(sandbox.read("fixtures/p/recorded/bot.jsonl").contains("First"));
}

#[test]
fn a_conversation_that_only_its_snapshot_checks_drifts_too() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: c, vars: { q: hi }, messages: [{ user: \"Second?\" }] }\n");
    sandbox.write("promptctl.yaml", MODELS);
    says(&sandbox.run(&["test"]), 0, &["1 new"]);
    sandbox.edit("promptctl.yaml", "good", "bad");
    says(&sandbox.run(&["drift", "--fail-on", "changed"]), 1, &["1 of these answers differ"]);
}

#[test]
fn two_models_of_one_name_are_asked_each_for_itself() {
    let sandbox = Sandbox::with_cases(&cases("expect: [contains: first]", "expect: [contains: good]"));
    sandbox.write(
        "promptctl.yaml",
        r#"models:
  a: { provider: mock, model: same, replies: [{ when: "Second", say: "good" }, { say: "first" }] }
  b: { provider: mock, model: same, replies: [{ when: "Second", say: "bad" }, { say: "first" }] }
defaults: { models: [a, b] }
"#,
    );
    says(&sandbox.run(&["test"]), 1, &["10 passed + 10 failed", "40 calls"]);
    says(&sandbox.run(&["compare", "HEAD", "--base-model", "a", "--head-model", "b"]), 2, &[]);
    sandbox.write(".gitignore", ".promptctl/\n");
    sandbox.git(&["init", "-q"]);
    commit(&sandbox);
    let ended = sandbox.run(&["compare", "--base-model", "a", "--head-model", "b", "--offline"]);
    says(&ended, 1, &["10 of 10 → 0 of 10"]);
}

#[test]
fn figures_of_a_comparison_are_those_of_all_turns() {
    let sandbox = project();
    sandbox.edit("promptctl.yaml", "good", "good good good good");
    says(&sandbox.run(&["test", "--refresh"]), 0, &["10 passed"]);
    commit(&sandbox);
    let ended = sandbox.run(&["compare", "HEAD~1..HEAD", "--offline", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let row = &document["prompts"][0];
    assert!(row["length_ratio"]["ratio"].as_f64().is_some_and(|ratio| ratio > 1.5), "{row}");
    assert!(row["token_ratio"]["ratio"].as_f64().is_some_and(|ratio| ratio > 1.2), "{row}");
}

#[test]
fn calls_of_judges_that_fail_are_counted() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: c, vars: { q: one }, snapshot: none, expect: [{ llm-rubric: polite }, { contains: first }] }\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  bot: { provider: mock, replies: [{ say: first }] }\n  strict: { provider: mock, replies: [{ error: { status: 400, message: no } }] }\ndefaults: { models: [bot] }\njudge: { model: strict }\n",
    );
    sandbox.write("prompts/p.j2", "{{ q }}\n");
    says(&sandbox.run(&["test"]), 3, &["1 errored", "judges: 1 call"]);
}

#[test]
fn base_is_judged_where_a_variable_changed() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: c, vars: { q: \"one?\" }, snapshot: none, expect: [{ llm-rubric: polite }, { contains: first }] }\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  bot: { provider: mock, replies: [{ say: first }] }\n  strict: { provider: mock, replies: [{ say: '{\"reason\": \"fine\", \"pass\": true, \"score\": 1}' }] }\ndefaults: { models: [bot] }\njudge: { model: strict }\n",
    );
    sandbox.write("prompts/p.j2", "{{ q }}\n");
    sandbox.write(".gitignore", ".promptctl/\n");
    sandbox.git(&["init", "-q"]);
    says(&sandbox.run(&["test"]), 0, &["1 passed"]);
    commit(&sandbox);
    sandbox.edit("fixtures/p/cases.yaml", "one?", "two?");
    let ended = sandbox.run(&["compare", "HEAD"]);
    assert!(!ended.stdout.contains("not judged"), "{}", ended.shown());
    says(&ended, 0, &["1 of 1 → 1 of 1"]);
}

#[test]
fn the_difference_of_two_commits_shows_later_answers() {
    let sandbox = project();
    sandbox.edit("promptctl.yaml", "good", "bad");
    says(&sandbox.run(&["test", "--refresh"]), 1, &["10 failed"]);
    commit(&sandbox);
    let ended = sandbox.run(&["diff", "HEAD~1..HEAD"]);
    assert!(ended.stdout.contains("{+bad+}"), "{}", ended.shown());
    says(&sandbox.run(&["log", "p"]), 0, &["4 tokens in"]);
}
