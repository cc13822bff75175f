//! Reviewing: without a terminal it prints and does not act; accepting and rejecting write what they say.

use insta::assert_snapshot;

use crate::sandbox::Sandbox;

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
