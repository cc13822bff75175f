//! Reviewing: without a terminal it prints and does not act; accepting and rejecting write what they say.

use insta::assert_snapshot;

use crate::sandbox::{Sandbox, says};

fn changed() -> Sandbox {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: a, vars: { q: We answer within 14 days. Thank you. } }\n  - { name: b, vars: { q: Returns take 14 days at most. } }\n  - { name: c, vars: { q: Nothing changes here. } }\n",
    );
    sandbox.run(&["test", "--snapshots", "accept"]);
    sandbox.edit("fixtures/p/cases.yaml", "14 days", "30 days");
    assert_eq!(sandbox.run(&["test"]).code, 5);
    sandbox
}

#[test]
fn without_a_terminal_review_prints_and_does_not_act() {
    let sandbox = changed();
    let before = sandbox.files();
    assert_snapshot!("review_prints", sandbox.run(&["review"]).shown());
    assert_eq!(sandbox.files(), before);
    assert_snapshot!("pending_groups", sandbox.run(&["pending"]).shown());
    let json: serde_json::Value = serde_json::from_str(&sandbox.run(&["pending", "--json"]).stdout).expect("JSON");
    assert_eq!(json["pending"][0]["change"], "`14` → `30`");
}

#[test]
fn accepting_is_clean_at_once_and_rejecting_keeps_the_old_answer() {
    let sandbox = changed();
    assert_eq!(sandbox.run(&["accept"]).code, 2, "what to accept must be said");
    assert_eq!(sandbox.run(&["accept", "p", "--case", "a"]).code, 0);
    assert!(sandbox.read("snapshots/p/a@echo.snap").contains("30 days"));
    assert_eq!(sandbox.run(&["reject", "--case", "b"]).code, 0);
    assert!(sandbox.read("snapshots/p/b@echo.snap").contains("14 days"));
    assert!(!sandbox.exists("snapshots/p/b@echo.snap.new"));
    let again = sandbox.run(&["test", "--offline"]);
    assert!(again.stdout.contains("2 passed") && again.stdout.contains("1 changed"), "{}", again.stdout);
}

#[test]
fn insta_reads_our_files() {
    let sandbox = changed();
    for name in ["a@echo.snap", "a@echo.snap.new"] {
        let file = sandbox.path(&format!("snapshots/p/{name}"));
        let snapshot = insta::Snapshot::from_file(&file).expect("readable by insta");
        let text = snapshot.as_text().expect("text").to_string();
        assert!(text.starts_with("We answer within"), "{text}");
        assert_eq!(snapshot.metadata().source(), Some("fixtures/p/cases.yaml"));
        assert_eq!(snapshot.metadata().input_file(), Some("prompts/p.j2"));
        assert!(snapshot.metadata().description().is_some_and(|d| d.contains("p · a · echo")));
        assert!(snapshot.metadata().private_info().is_some(), "what promptctl knows is kept");
    }
}

/// The same, under a project that wants reasons, in a repository whose first commit holds what was accepted.
fn changed_with_reasons() -> Sandbox {
    let sandbox = changed();
    sandbox.edit("promptctl.yaml", "models:", "review: { require-reason: true }\nmodels:");
    sandbox.write(".gitignore", ".promptctl/\n*.snap.new\n");
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "one"]);
    sandbox.git(&["checkout", "-qb", "work"]);
    sandbox
}

#[test]
fn a_project_may_want_a_reason_for_what_is_accepted() {
    let sandbox = changed_with_reasons();
    let before = sandbox.files();
    assert_snapshot!("a_reason_is_wanted", sandbox.run(&["accept", "--all"]).shown());
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 2, &["wants a reason", "promptctl accept --reason"]);
    says(&sandbox.run(&["accept", "--all", "--reason", " \n"]), 2, &["the reason is empty"]);
    says(&sandbox.run(&["accept", "--all", "--reason", "a\u{202e}b"]), 2, &["which cannot be seen"]);
    assert_eq!(sandbox.files().len(), before.len());
    says(&sandbox.run(&["accept", "--all", "--reason", "the policy\nmoved: 30 days"]), 0, &["2 accepted"]);
    assert!(sandbox.read("snapshots/p/a@echo.snap").contains("  reason: \"the policy moved: 30 days\"\n"));
    says(&sandbox.run(&["test", "--offline"]), 0, &["3 passed"]);
    // The next one shows why the last was accepted.
    sandbox.edit("fixtures/p/cases.yaml", "30 days", "40 days");
    sandbox.run(&["test"]);
    assert!(sandbox.run(&["pending", "--json"]).stdout.contains("\"accepted_reason\": \"the policy moved: 30 days\""));
    says(&sandbox.run(&["review"]), 5, &["accepted before, because: the policy moved: 30 days"]);
}

#[test]
fn an_answer_that_was_accepted_anew_says_why() {
    let sandbox = changed_with_reasons();
    sandbox.run(&["accept", "--all", "--reason", "the policy moved"]);
    sandbox.edit("snapshots/p/a@echo.snap", "  reason: the policy moved\n", "");
    assert_snapshot!("a_reason_is_missing", sandbox.run(&["test", "--offline"]).shown());
    sandbox.edit("snapshots/p/a@echo.snap", "info:\n", "info:\n  reason: written by hand\n");
    says(&sandbox.run(&["test", "--offline"]), 0, &["3 passed"]);
    // The next change must not carry the reason of this one.
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "two"]);
    sandbox.git(&["branch", "-qf", "main", "HEAD"]);
    sandbox.edit("fixtures/p/cases.yaml", "within 30 days", "within 50 days");
    sandbox.run(&["test"]);
    let same = ["accept", "--all", "--reason", "written by hand"];
    says(&sandbox.run(&same), 2, &["a@echo.snap: the answer before it was accepted for the very same reason"]);
    // A person can still write it there.
    says(&sandbox.run(&["accept", "--all", "--reason", "another"]), 0, &["1 accepted"]);
    sandbox.edit("snapshots/p/a@echo.snap", "reason: another", "reason: written by hand");
    says(&sandbox.run(&["diff", "main"]), 0, &["accepted, because: written by hand"]);
    says(&sandbox.run(&["test", "--offline"]), 2, &["a@echo.snap", "carries the reason of the answer before it"]);
    // Where no base can be told nothing is said.
    std::fs::remove_dir_all(sandbox.path(".git")).expect("removed");
    says(&sandbox.run(&["test", "--offline"]), 0, &["3 passed"]);
}

#[test]
fn what_fails_is_accepted_with_a_reason_whatever_the_project_says() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: a, vars: { q: yes }, expect: [{ contains: no }] }\n");
    assert_eq!(sandbox.run(&["test"]).code, 1);
    says(&sandbox.run(&["pending"]), 5, &["✗ contains:"]);
    says(&sandbox.run(&["accept", "--all"]), 5, &["0 accepted", "1 held back"]);
    says(
        &sandbox.run(&["accept", "--all", "--failing"]),
        2,
        &["its expectations fail, so accepting it needs a reason"],
    );
    says(&sandbox.run(&["accept", "--all", "--failing", "--reason", "a known gap"]), 0, &["1 accepted"]);
    let accepted = sandbox.read("snapshots/p/a@echo.snap");
    assert!(accepted.contains("reason: a known gap") && !accepted.contains("fails:"), "{accepted}");
}

#[test]
fn everything_that_changed_alike_is_accepted_together() {
    let sandbox = changed();
    sandbox.edit("fixtures/p/cases.yaml", "Nothing changes here", "Much changes here");
    sandbox.run(&["test"]);
    says(&sandbox.run(&["accept", "--like", "p/nope"]), 4, &["nothing waits for the case `p/nope`"]);
    says(&sandbox.run(&["accept", "--like", "p/b", "--case", "a"]), 4, &["nothing waits for the case `p/b`"]);
    let done = sandbox.run(&["accept", "--like", "p/b"]);
    says(&done, 0, &["a@echo.snap\n", "b@echo.snap\n", "2 accepted"]);
    says(&sandbox.run(&["pending"]), 5, &["p › c › echo", "1 waiting"]);
}

#[test]
fn what_waits_could_not_be_read_where_a_reason_held_a_hidden_character() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: one, vars: { q: x }, expect: [{ not-contains: said }] }\n  - { name: two, vars: { q: y }, expect: [{ contains: said }] }\n",
    );
    let say = "the model said \\x7f\\uFFFE here";
    sandbox
        .write("promptctl.yaml", format!("models:\n  echo: {{ provider: mock, replies: [{{ say: \"{say}\" }}] }}\n"));
    assert_eq!(sandbox.run(&["test"]).code, 1);
    let ended = sandbox.run(&["pending"]);
    assert!(ended.code == 5 && ended.stdout.contains("2 waiting"), "{}{}", ended.stdout, ended.stderr);
    // And one that is damaged does not hold back the others.
    sandbox.write("snapshots/p/one@echo.snap.new", "---\n: : [\n---\nx\n");
    let ended = sandbox.run(&["accept", "--all"]);
    assert!(ended.stdout.contains("1 accepted") && ended.stderr.contains("one@echo.snap.new"), "{}", ended.stderr);
}
