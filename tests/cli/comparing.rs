//! `promptctl compare`, on commits and on models.

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::Sandbox;

/// A project of so many cases whose model says its prompt's first word and the question.
fn project(cases: usize) -> Sandbox {
    let case = |n: usize| {
        let tag = if n.is_multiple_of(2) { "even" } else { "odd" };
        format!(
            "  - {{ name: c{n:02}, vars: {{ q: {tag} question {n} }}, tags: [{tag}], expect: [{{ contains: right }}], snapshot: none }}\n"
        )
    };
    let sandbox = Sandbox::with_cases(&format!("cases:\n{}", (0..cases).map(case).collect::<String>()));
    sandbox.write("promptctl.yaml", "models:\n  it:\n    provider: mock\n    replies:\n      - { when: '^Careless.*odd', say: wrong }\n      - { say: 'right: {{ last_user_message }}' }\n");
    sandbox.write("prompts/p.j2", "Careful: {{ q }}\n");
    sandbox.git(&["init"]);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "base"]);
    sandbox
}

#[test]
fn an_edit_that_breaks_a_slice_is_seen_with_what_is_to_blame() {
    let sandbox = project(24);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    assert_eq!(sandbox.run(&["test"]).code, 1);
    let ended = sandbox.run(&["compare"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let hash = regex::Regex::new("commit [0-9a-f]+").expect("valid");
    assert_snapshot!("compared", hash.replace_all(&ended.shown(), "commit [hash]"));
    assert_eq!(sandbox.run(&["compare", "--fail-on", "never"]).code, 0);
    // The other way round it is better.
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "head"]);
    let ended = sandbox.run(&["compare", "HEAD..HEAD~1", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(json["prompts"][0]["verdict"], "improved");
    assert_eq!((&json["prompts"][0]["wins"], &json["prompts"][0]["losses"]), (&12.into(), &0.into()));
    assert_eq!(json["prompts"][0]["changed"]["prompt"], true);
}

#[test]
fn few_cases_never_say_that_all_is_well() {
    let sandbox = project(4);
    let ended = sandbox.run(&["compare"]);
    assert!(
        ended.code == 0 && ended.stdout.contains("UNDECIDED") && ended.stdout.contains("too few cases"),
        "{}",
        ended.stdout
    );
    assert_eq!(sandbox.run(&["compare", "--fail-on", "undecided"]).code, 1);
    assert_eq!(sandbox.run(&["compare", "--fail-on", "changed"]).code, 0);
}

#[test]
fn both_sides_are_scored_under_what_head_expects() {
    let sandbox = project(6);
    let cases = sandbox.read("fixtures/p/cases.yaml").replace("contains: right", "contains: even");
    sandbox.write("fixtures/p/cases.yaml", cases);
    let ended = sandbox.run(&["compare"]);
    assert!(ended.stdout.contains("3 of 6 → 3 of 6"), "{}", ended.stdout);
    assert!(ended.stdout.contains("the expectations differ, too"), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let sandbox = project(3);
    sandbox.write("prompts/p.j2", "Unheard: {{ q }}\n");
    let ended = sandbox.run(&["compare"]);
    assert!(ended.code == 4 && ended.stderr.contains("3 cases have no recorded answer"), "{}", ended.stderr);
    assert_eq!(sandbox.run(&["compare", "no-such-branch"]).code, 2);
    assert_eq!(sandbox.run(&["compare", "--base-model", "it"]).code, 2);
    assert_eq!(sandbox.run(&["compare", "--alpha", "2"]).code, 2);
    let outside = Sandbox::with_cases("cases: []\n");
    assert_eq!(outside.run(&["compare"]).code, 2, "not a git repository");
}
