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
fn where_two_things_differ_the_run_that_tells_them_apart_is_named_and_does() {
    let sandbox = project(24);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    sandbox.edit("promptctl.yaml", "provider: mock", "provider: mock\n    params: { temperature: 1 }");
    let ended = sandbox.run(&["compare"]);
    assert!(ended.stdout.contains("confounded: the prompt and the model differ"), "{}", ended.stdout);
    let command = "git checkout HEAD -- promptctl.yaml && promptctl compare HEAD";
    assert!(ended.stdout.contains(command), "{}", ended.stdout);
    sandbox.git(&["checkout", "HEAD", "--", "promptctl.yaml"]);
    let ended = sandbox.run(&["compare", "HEAD"]);
    assert!(ended.code == 1 && ended.stdout.contains("what differs: the prompt"), "{}", ended.stdout);
}

#[test]
fn three_dots_compare_with_where_a_branch_began() {
    let sandbox = project(24);
    sandbox.git(&["checkout", "-b", "edit"]);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    sandbox.run(&["test"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "careless"]);
    sandbox.git(&["checkout", "main"]);
    sandbox.write("prompts/p.j2", "Careless, too: {{ q }}\n");
    sandbox.run(&["test"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "main is careless meanwhile"]);
    assert_eq!(sandbox.run(&["compare", "main..edit"]).code, 0);
    let ended = sandbox.run(&["compare", "main...edit"]);
    assert!(ended.code == 1 && ended.stdout.contains("12 losses"), "{}", ended.shown());
    sandbox.git(&["checkout", "edit"]);
    assert_eq!(sandbox.run(&["compare", "main..."]).code, 1, "and with the working tree");
    assert!(sandbox.run(&["diff", "p", "main...edit"]).stdout.contains("Careless"));
}

#[test]
fn few_cases_never_say_that_all_is_well() {
    let sandbox = project(4);
    sandbox.write("prompts/p.j2", "Kind: {{ q }}\n");
    sandbox.run(&["test"]);
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
    assert!(ended.stdout.contains("what differs: the expectations"), "{}", ended.stdout);
    assert!(ended.stdout.contains("of base's answers that passed 3 would fail"), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let sandbox = project(3);
    sandbox.write("prompts/p.j2", "Unheard: {{ q }}\n");
    let ended = sandbox.run(&["compare", "--offline"]);
    assert!(ended.code == 4 && ended.stderr.contains("3 cases have no recorded answer"), "{}", ended.stderr);
    assert_eq!(sandbox.run(&["compare", "no-such-branch"]).code, 2);
    assert_eq!(sandbox.run(&["compare", "--base-model", "it"]).code, 2);
    assert_eq!(sandbox.run(&["compare", "--alpha", "2"]).code, 2);
    let outside = Sandbox::with_cases("cases: []\n");
    assert_eq!(outside.run(&["compare"]).code, 2, "not a git repository");
}

#[test]
fn what_is_not_recorded_is_asked_once_and_kept_where_it_belongs() {
    let sandbox = project(6);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    sandbox.git(&["commit", "-am", "an edit without its answers"]);
    sandbox.write("prompts/p.j2", "Careful again: {{ q }}\n");
    let recorded = sandbox.read("fixtures/p/recorded/it.jsonl");
    let offline = sandbox.run_with(&["compare"], &[("CI", "1")]);
    assert!(offline.code == 4 && !sandbox.exists(".promptctl/asked"), "nothing is asked in CI: {}", offline.stderr);
    let ended = sandbox.run(&["compare", "--max-calls", "2", "--json"]);
    assert_eq!(ended.code, 6, "the limit counts for both sides: {}{}", ended.stdout, ended.stderr);
    let ended = sandbox.run(&["compare", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&json["calls_made"], &json["prompts"][0]["wins"]), (&10.into(), &3.into()), "{}", ended.stdout);
    // Head's answers are those of the working tree; base's belong to no file of it.
    let now = sandbox.read("fixtures/p/recorded/it.jsonl");
    assert_eq!(now.lines().count(), recorded.lines().count() + 6);
    assert!(!now.contains("Careless"));
    let again = sandbox.run(&["compare", "--json"]);
    let json: Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!(json["calls_made"], 0);
    assert_eq!(sandbox.run(&["compare", "--offline"]).code, 0, "what was asked is known offline, too");
}

#[test]
fn the_same_request_of_both_sides_is_asked_once() {
    let sandbox = project(6);
    sandbox.git(&["rm", "-r", "fixtures/p/recorded"]);
    sandbox.git(&["commit", "-m", "nothing is recorded"]);
    for (args, variables) in [(&["compare", "--live", "--json"][..], &[("CI", "1")][..]), (&["compare", "--json"], &[])]
    {
        let ended = sandbox.run_with(args, variables);
        let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!((&json["calls_made"], &json["prompts"][0]["losses"]), (&6.into(), &0.into()), "{}", ended.stdout);
    }
}

#[test]
fn nothing_is_asked_for_what_cannot_be_paired() {
    let sandbox = project(6);
    let config = sandbox.read("promptctl.yaml").replace(
        "models:\n",
        "defaults: { models: [other] }\nmodels:\n  other: { provider: mock, replies: [{ say: right }] }\n",
    );
    sandbox.write("promptctl.yaml", config);
    let ended = sandbox.run(&["compare"]);
    assert!(ended.code == 4 && ended.stderr.contains("on another model"), "{}", ended.shown());
    assert!(!sandbox.read("fixtures/p/recorded/it.jsonl").contains("other"), "nothing was asked");
    assert!(!sandbox.exists("fixtures/p/recorded/other.jsonl"));
}

#[test]
fn a_budget_is_spent_on_whole_pairs() {
    let sandbox = project(40);
    sandbox.git(&["rm", "-r", "fixtures/p/recorded"]);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    sandbox.git(&["commit", "-am", "nothing is recorded"]);
    sandbox.write("prompts/p.j2", "Careful as ever: {{ q }}\n");
    let ended = sandbox.run(&["compare", "--max-calls", "40", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((ended.code, &json["calls_made"]), (6, &40.into()), "{}", ended.stderr);
    assert!(json["prompts"][0]["cases"].as_u64() >= Some(16), "{}", json["prompts"][0]["cases"]);
}

#[test]
fn answers_that_only_a_snapshot_checks_are_no_passes() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi } }\n");
    sandbox.git(&["init"]);
    sandbox.run(&["test", "--snapshots", "accept"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "base"]);
    sandbox.write("prompts/p.j2", "Garbage {{ q }}\n");
    assert_eq!(sandbox.run(&["test"]).code, 5);
    let ended = sandbox.run(&["compare"]);
    assert!(ended.code == 4 && ended.stderr.contains("1 are checked by their snapshots alone"), "{}", ended.shown());
    let ended = sandbox.run(&["compare", "--fail-on", "changed"]);
    assert!(ended.code == 1 && ended.stdout.contains("1 of these answers differ"), "{}", ended.shown());
}

#[test]
fn fresh_answers_confirm_what_looks_worse() {
    let sandbox = project(24);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    let ended = sandbox.run(&["compare", "--confirm", "--json"]);
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    // One answer of each case in head, and five more on both sides.
    assert_eq!(json["calls_made"], 24 + 2 * 5 * 24);
    let row = &json["prompts"][0];
    assert_eq!(
        (&row["confirmed_by"], &row["base_answers"], &row["verdict"]),
        (&5.into(), &120.into(), &"regressed".into())
    );
    // What could not be confirmed is no verdict.
    sandbox.write("prompts/p.j2", "Careless again: {{ q }}\n");
    assert_eq!(sandbox.run(&["test"]).code, 1);
    let ended = sandbox.run(&["compare", "--confirm", "--offline"]);
    assert!(ended.code == 5 && ended.stdout.contains("no fresh answers that would confirm it"), "{}", ended.shown());
    // Where nothing looks worse, nothing more is asked.
    sandbox.write("prompts/p.j2", "Careful, too: {{ q }}\n");
    let ended = sandbox.run(&["compare", "--confirm=3", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((ended.code, &json["calls_made"], &json["prompts"][0]["confirmed_by"]), (0, &24.into(), &Value::Null));
}

#[test]
fn no_more_is_asked_once_a_sequence_has_decided() {
    let sandbox = project(200);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    let ended = sandbox.run(&["compare", "--sequential", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let row = &json["prompts"][0];
    assert_eq!((ended.code, &row["verdict"]), (1, &"regressed".into()), "{}", ended.stdout);
    let (calls, after) = (json["calls_made"].as_u64().expect("calls"), row["stopped_after"].as_u64().expect("pairs"));
    assert!(calls < 60 && after <= calls, "{calls} calls, decided after {after}");
    // The verdict is the same with everything at hand.
    assert_eq!(sandbox.run(&["test"]).code, 1);
    let ended = sandbox.run(&["compare", "--sequential", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(json["prompts"][0]["stopped_after"], after);
}

#[test]
fn a_verdict_that_is_known_costs_nothing_more() {
    let sandbox = project(100);
    sandbox.git(&["rm", "-rq", "--cached", "fixtures/p/recorded"]);
    sandbox.git(&["commit", "-m", "nothing is recorded"]);
    sandbox.write("prompts/p.j2", "Careful as ever: {{ q }}\n");
    assert_eq!(sandbox.run(&["compare", "--sequential"]).code, 0);
    for args in [&["compare", "--sequential", "--json"][..], &["compare", "--sequential", "--max-calls", "5", "--json"]]
    {
        let ended = sandbox.run(args);
        let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        assert_eq!((ended.code, &json["calls_made"]), (0, &0.into()), "{}", ended.stderr);
    }
}

#[test]
fn a_case_on_several_models_is_not_several_cases() {
    let sandbox = project(20);
    let reply =
        "provider: mock, replies: [{ when: '^Careless.*(question 1|question 3)$', say: wrong }, { say: 'right' }]";
    sandbox.write(
        "promptctl.yaml",
        format!(
            "models:\n  a: {{ {reply} }}\n  b: {{ {reply} }}\n  c: {{ {reply} }}\ndefaults: {{ models: [a, b, c] }}\n"
        ),
    );
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "three models"]);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    let ended = sandbox.run(&["compare", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let rows: Vec<_> =
        json["prompts"].as_array().expect("rows").iter().map(|r| (&r["model"], &r["losses"], &r["verdict"])).collect();
    let (two, undecided) = (2.into(), "undecided".into());
    assert_eq!(
        rows,
        [(&"a".into(), &two, &undecided), (&"b".into(), &two, &undecided), (&"c".into(), &two, &undecided)]
    );
    assert!(ended.code == 0 && sandbox.run(&["compare"]).stdout.contains("p on b: too few cases"), "{}", ended.stderr);
}

#[test]
fn strict_versions_hold_where_the_base_is_broken_and_for_what_was_selected() {
    let sandbox = branch();
    sandbox.write("promptctl.yaml", format!("{}version-policy: strict\n", sandbox.read("promptctl.yaml")));
    sandbox.write("prompts/z.j2", "{{ \n");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "broken"]);
    sandbox.git(&["branch", "-f", "main"]);
    sandbox.git(&["rm", "-q", "prompts/z.j2"]);
    sandbox.write("prompts/_tone.j2", "Firmly.\n");
    let ended = sandbox.run(&["test", "--changed"]);
    assert!(ended.code == 2 && ended.stderr.contains("its version is still"), "{}", ended.shown());
    assert_eq!(sandbox.run(&["test", "--changed", "p"]).code, 0, "the other one was not selected");
}

#[test]
fn cases_of_a_group_are_not_counted_as_many() {
    let sandbox = project(24);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    assert_eq!(sandbox.run(&["test"]).code, 1);
    let alone: Value = serde_json::from_str(&sandbox.run(&["compare", "--json"]).stdout).expect("JSON");
    let cases = sandbox.read("fixtures/p/cases.yaml").replace("tags: [odd]", "group: a, tags: [odd]");
    sandbox.write("fixtures/p/cases.yaml", cases.replace("tags: [even]", "group: b, tags: [even]"));
    let ended = sandbox.run(&["compare", "--json"]);
    let grouped: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let width = |json: &Value| {
        let interval = &json["prompts"][0]["interval"];
        interval[1].as_f64().expect("a number") - interval[0].as_f64().expect("a number")
    };
    assert_eq!(grouped["prompts"][0]["groups"], 2);
    assert!(width(&grouped) > 4.0 * width(&alone), "{} {}", width(&grouped), width(&alone));
}

/// Two prompts on a branch of its own.
fn branch() -> Sandbox {
    let sandbox = project(2);
    sandbox.write("prompts/other.j2", "---\nversion: 1.0.0\n---\n{% include '_tone.j2' %} {{ q }}\n");
    sandbox.write("prompts/_tone.j2", "Kindly.\n");
    sandbox.write(
        "fixtures/other/cases.yaml",
        "cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: right }], snapshot: none }\n",
    );
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "two prompts"]);
    sandbox.git(&["checkout", "-b", "edit"]);
    sandbox
}

#[test]
fn only_what_a_branch_changes_is_tested() {
    let sandbox = branch();
    let ended = sandbox.run(&["test", "--changed"]);
    assert!(ended.code == 0 && ended.stdout.contains("no prompt changed"), "{}{}", ended.stdout, ended.stderr);
    // A change that comes through a partial.
    sandbox.write("prompts/_tone.j2", "Firmly.\n");
    let ended = sandbox.run(&["test", "--changed"]);
    let hash = regex::Regex::new("[0-9a-f]{12}").expect("valid");
    assert_snapshot!("changed", hash.replace_all(&ended.shown(), "[hash]"));
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "firm"]);
    assert!(sandbox.run(&["test", "--changed"]).stderr.contains(": other; left out"), "committed or not");
    assert!(sandbox.run(&["test", "--changed=HEAD"]).stdout.contains("no prompt changed"));
    // What is expected, and a model entry.
    sandbox.edit("fixtures/p/cases.yaml", "contains: right", "contains: Careful");
    assert!(sandbox.run(&["test", "--changed=HEAD"]).stderr.contains(": p; left out"));
    sandbox.write(
        "promptctl.yaml",
        sandbox.read("promptctl.yaml").replace("    replies:", "    params: { a: 1 }\n    replies:"),
    );
    assert!(sandbox.run(&["test", "--changed=HEAD", "--offline"]).stderr.contains(": other, p; left out"));
    assert_eq!(sandbox.run(&["test", "--changed=nothing-of-that-name"]).code, 2);
}

#[test]
fn a_prompt_that_changed_under_its_version_is_reported() {
    let sandbox = branch();
    sandbox.write("prompts/_tone.j2", "Firmly.\n");
    let ended = sandbox.run(&["test", "--changed"]);
    assert!(ended.code == 0 && ended.stderr.contains("its version is still 1.0.0"), "{}", ended.stderr);
    sandbox.write("promptctl.yaml", format!("{}version-policy: strict\n", sandbox.read("promptctl.yaml")));
    let ended = sandbox.run(&["test", "--changed"]);
    assert!(ended.code == 2 && ended.stderr.contains("`promptctl bump other patch`"), "{}", ended.stderr);
    assert_eq!(sandbox.run(&["bump", "other"]).stdout, "other 1.0.0 → 1.0.1\n");
    assert_eq!(sandbox.run(&["test", "--changed"]).code, 0);
}

#[test]
fn every_test_says_that_a_version_did_not_move() {
    let sandbox = branch();
    assert!(!sandbox.run(&["test"]).stderr.contains("its version"), "nothing changed");
    sandbox.write("prompts/_tone.j2", "Firmly.\n");
    let said = "the prompt `other` changed, and its version is still 1.0.0";
    assert!(sandbox.run(&["test"]).stderr.contains(said));
    assert!(!sandbox.run(&["test", "p"]).stderr.contains(said), "another prompt is tested");
    // Committed on the branch it is still so.
    sandbox.git(&["commit", "-am", "firm"]);
    assert!(sandbox.run(&["test"]).stderr.contains(said));
    sandbox.write("promptctl.yaml", format!("{}version-policy: strict\n", sandbox.read("promptctl.yaml")));
    assert_eq!(sandbox.run(&["test"]).code, 2);
    assert_eq!(sandbox.run(&["bump", "other", "minor"]).code, 0);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    // On the default branch what is committed is past.
    sandbox.edit("promptctl.yaml", "version-policy: strict\n", "");
    sandbox.git(&["commit", "-am", "bumped"]);
    sandbox.git(&["branch", "-f", "main"]);
    sandbox.write("prompts/_tone.j2", "Politely.\n");
    assert!(sandbox.run(&["test"]).stderr.contains("its version is still 1.1.0"));
}

#[test]
fn where_nothing_can_be_compared_the_reason_is_said() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, snapshot: text }\n");
    let ended = sandbox.run(&["test", "--changed"]);
    assert!(ended.code == 2 && ended.stderr.contains("not in a git repository"), "{}", ended.stderr);
    let sandbox = branch();
    sandbox.git(&["branch", "-m", "main", "trunk"]);
    let ended = sandbox.run(&["test", "--changed"]);
    assert!(ended.code == 2 && ended.stderr.contains("--changed=BRANCH"), "{}", ended.stderr);
    assert_eq!(sandbox.run(&["test", "--changed=trunk"]).code, 0);
}

/// A branch whose edit is committed, with its recordings, cloned with one commit only.
fn shallow(how: &[&str]) -> Sandbox {
    let sandbox = branch();
    sandbox.write("prompts/_tone.j2", "Firmly.\n");
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "firm"]);
    sandbox.git(&["checkout", "main"]);
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&[&["clone", "--depth", "1", "--branch", "edit"], how, &[&url, "shallow"]].concat());
    sandbox
}

#[test]
fn a_shallow_clone_says_how_to_get_what_is_missing() {
    let sandbox = shallow(&["--no-single-branch"]);
    let test = |more: &[&str]| sandbox.run(&[&["-C", "shallow", "test", "--offline", "--changed"], more].concat());
    let ended = test(&[]);
    assert_eq!(ended.code, 2);
    insta::assert_snapshot!("shallow", ended.shown());
    let ended = test(&["--changed-fallback", "all"]);
    assert!(ended.code == 0 && ended.stderr.contains("everything is tested, as"), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("3 planned"), "{}", ended.stdout);
    sandbox.git(&["-C", "shallow", "fetch", "--deepen=100"]);
    assert!(test(&[]).stderr.contains(": other; left out"), "after what the advice says");
}

#[test]
fn a_shallow_clone_of_one_branch_does_not_know_the_default_one() {
    let sandbox = shallow(&[]);
    let test =
        |changed: &str, more: &[&str]| sandbox.run(&[&["-C", "shallow", "test", "--offline", changed], more].concat());
    let ended = test("--changed", &[]);
    assert_eq!(ended.code, 2);
    insta::assert_snapshot!("shallow_single_branch", ended.shown());
    let ended = test("--changed=main", &["--changed-fallback=all"]);
    assert!(ended.code == 0 && ended.stderr.contains("does not hold `main`"), "{}{}", ended.stdout, ended.stderr);
    sandbox.git(&["-C", "shallow", "remote", "set-branches", "origin", "*"]);
    sandbox.git(&["-C", "shallow", "fetch", "--unshallow"]);
    assert!(test("--changed=origin/main", &[]).stderr.contains(": other; left out"), "after what the advice says");
    // A misspelt branch of a whole clone stays a mistake.
    assert_eq!(test("--changed=mian", &["--changed-fallback=all"]).code, 2);
    assert_eq!(sandbox.run(&["test", "--changed-fallback=all"]).code, 2, "there is nothing to fall back from");
}

#[test]
fn a_version_is_raised_and_nothing_else_is_touched() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, snapshot: text }\n");
    let prompt = "---\r\n# version: 9.9.9\r\nversion: \"1.2.3-rc.1+build\"   # ours\r\ndescription: version 1.2.3-rc.1\r\n---\r\nversion: {{ q }}\r\n";
    sandbox.write("prompts/p.j2", prompt);
    for (step, before, after) in
        [("patch", "1.2.3-rc.1+build", "1.2.3"), ("minor", "1.2.3", "1.3.0"), ("major", "1.3.0", "2.0.0")]
    {
        let expected =
            sandbox.read("prompts/p.j2").replace(&format!("version: \"{before}\""), &format!("version: \"{after}\""));
        let ended = sandbox.run(&["bump", "p", step]);
        assert_eq!(ended.stdout, format!("p {before} → {after}\n"), "{}", ended.stderr);
        assert_eq!(sandbox.read("prompts/p.j2"), expected);
    }
    sandbox.write("prompts/p.j2", "{{ q }}\n");
    assert_eq!(sandbox.run(&["bump", "p"]).code, 2);
    assert_eq!(sandbox.run(&["bump", "q"]).code, 4);
}

#[test]
fn the_document_of_a_comparison_is_as_its_schema_says_and_is_read_again() {
    let sandbox = project(24);
    sandbox.edit("fixtures/p/cases.yaml", "cases:\n", "cases:\n  - { name: bare, vars: { q: odd }, expect: [] }\n");
    sandbox.edit("promptctl.yaml", "provider: mock", "provider: mock\n    price: { input: 1, output: 2 }");
    sandbox.run(&["test"]);
    sandbox.run(&["accept", "--all"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "one that only its snapshot checks"]);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    let ended = sandbox.run(&["compare", "--json"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let value: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    // Strict here: what the document says and the schema does not is a gap in the schema.
    let schema = include_str!("../../docs/schema/compare.schema.json")
        .replace("\"additionalProperties\": true", "\"additionalProperties\": false");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a JSON Schema");
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    let document = promptctl::compare::Document::read(ended.stdout.as_bytes()).expect("read");
    let mut again = Vec::new();
    document.write(&mut again).expect("memory");
    assert_eq!(String::from_utf8_lossy(&again), ended.stdout);
    assert_eq!((value["exit_code"].as_u64(), document.answers.len(), document.unjudged_changed), (Some(1), 25, 1));
    let means = document.prompts[0].means;
    assert!(means.input_tokens.1.is_some() && means.cost_usd.0.is_some(), "{means:?}");
    let last = document.answers.last().expect("one");
    assert_eq!((last.case.as_str(), last.judged, last.head.shown.text.as_str()), ("bare", false, "wrong"));
}

#[test]
fn prompts_that_nobody_touched_neither_stand_in_the_way_nor_take_from_the_others() {
    let sandbox = project(12);
    // Thirty more prompts: each bet and each test would count thirty-one times.
    for n in 0..30 {
        sandbox.write(&format!("prompts/other{n}.j2"), "Careful: {{ q }}\n");
        sandbox.write(&format!("fixtures/other{n}/cases.yaml"), sandbox.read("fixtures/p/cases.yaml"));
    }
    sandbox.run(&["test"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "others"]);
    let ended = sandbox.run(&["compare", "--fail-on", "undecided"]);
    assert_eq!(ended.code, 0, "nothing differs: {}", ended.stdout);
    assert!(ended.stdout.contains("UNCHANGED      other0, other1, "), "{}", ended.stdout);
    sandbox.write("prompts/p.j2", "Careless: {{ q }}\n");
    sandbox.run(&["test"]);
    let ended = sandbox.run(&["compare", "--report", "json=a.json"]);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let verdicts: Vec<&str> = ended.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(verdicts.iter().filter(|word| **word == "UNCHANGED").count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("and 20 more"), "{}", ended.stdout);
    let json: Value = serde_json::from_str(&sandbox.read("a.json")).expect("JSON");
    let of =
        |verdict: &str| json["prompts"].as_array().map(|rows| rows.iter().filter(|r| r["verdict"] == verdict).count());
    assert_eq!((of("regressed"), of("unchanged")), (Some(1), Some(30)));
    let page = sandbox.run(&["compare", "--report", "markdown"]).stdout;
    assert!(page.starts_with("### ❌ 1 prompt regressed, 30 unchanged; "), "{page}");
    assert!(!page.contains("other7"), "{page}");
    // Another answer to the same request is no longer the same.
    let recorded = sandbox.read("fixtures/other3/recorded/it.jsonl");
    sandbox.write("fixtures/other3/recorded/it.jsonl", recorded.replacen("right: Careful", "right: Carefully", 1));
    let ended = sandbox.run(&["compare", "--offline", "--prompt", "other3"]);
    assert!(ended.stdout.contains("UNDECIDED"), "{}", ended.stdout);
}

#[test]
fn samples_that_only_one_side_took_made_a_prompt_worse() {
    let sandbox = project(8);
    // Every second answer is wrong; base took the first one only.
    let replies = "replies: [{ say: \"{{ 'right' if sample is even else 'wrong' }}\" }]";
    sandbox.write("promptctl.yaml", format!("models:\n  it:\n    provider: mock\n    {replies}\n"));
    sandbox.run(&["test", "--refresh"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "one sample"]);
    sandbox.write(
        "fixtures/p/cases.yaml",
        format!("defaults: {{ repeat: 3 }}\n{}", sandbox.read("fixtures/p/cases.yaml")),
    );
    sandbox.run(&["test"]);
    let ended = sandbox.run(&["compare", "--offline"]);
    assert!(ended.code == 0 && ended.stdout.contains("UNCHANGED"), "{}", ended.stdout);
}

#[test]
fn what_programs_read_is_written_where_nothing_could_be_compared() {
    let sandbox = project(2);
    sandbox.edit("fixtures/p/cases.yaml", "expect: [{ contains: right }], snapshot: none", "snapshot: text");
    let ended = sandbox.run(&["compare", "--prompt", "p", "--tag", "even", "--json", "HEAD"]);
    let json: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((ended.code, &json["exit_code"]), (4, &4.into()));
    let quiet = project(2).run(&["-q", "compare"]);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
}
