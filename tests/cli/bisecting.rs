//! `promptctl bisect`: the first commit at which a case fails.

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::Sandbox;

fn commit(sandbox: &Sandbox, message: &str) {
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "--allow-empty", "-m", message]);
}

/// Twenty commits, each another word in the prompt; at the eleventh it becomes careless. What a commit sends is recorded
/// in it where `records` says so.
fn project(replies: &str, records: bool) -> Sandbox {
    let cases = "cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: right }], snapshot: none }\n  - { name: two, vars: { q: ho }, expect: [{ contains: ho }], snapshot: none }\n";
    let sandbox = Sandbox::with_cases(cases);
    sandbox.write("promptctl.yaml", format!("models:\n  it:\n    provider: mock\n    replies:\n{replies}"));
    sandbox.git(&["init"]);
    for n in 0..20 {
        let manner = if n < 11 { "Careful" } else { "Careless" };
        sandbox.write("prompts/p.j2", format!("{manner} as of {n}: {{{{ q }}}}\n"));
        sandbox.write("prompts/other.j2", format!("{n} {{{{ q }}}}\n"));
        if records {
            sandbox.run(&["test"]);
        }
        commit(&sandbox, &format!("word {n}"));
        sandbox.write("README.md", n.to_string());
        commit(&sandbox, "nothing to do with it");
    }
    sandbox
}

const SURE: &str = "      - { when: '^Careless.*hi', say: wrong }\n      - { say: 'right: {{ last_user_message }}' }\n";
/// Careless prompts are right in one answer of four, careful ones in nine of ten.
const FLAKY: &str = "      - { when: '^Careless.*hi', say: '{% if sample % 4 == 0 %}right{% else %}wrong{% endif %}' }\n      - { say: '{% if sample % 10 == 1 %}wrong{% else %}right{% endif %}: {{ last_user_message }}' }\n";

fn json(sandbox: &Sandbox, args: &[&str]) -> Value {
    let ended = sandbox.run(&[&["bisect", "p", "--json"], args].concat());
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    serde_json::from_str(&ended.stdout).expect("JSON")
}

#[test]
fn the_commit_that_broke_a_case_is_found_from_recordings() {
    let sandbox = project(SURE, true);
    let ended = sandbox.run(&["bisect", "p", "--offline"]);
    let hash = regex::Regex::new("[0-9a-f]{40}|[0-9a-f]{12}").expect("valid");
    let date = regex::Regex::new("[0-9]{4}-[0-9]{2}-[0-9]{2}").expect("valid");
    assert_snapshot!("bisected", date.replace_all(&hash.replace_all(&ended.shown(), "[hash]"), "[date]"));
    let found = json(&sandbox, &["--case", "one"]);
    assert_eq!((&found["first_bad"]["summary"], &found["calls_made"]), (&"word 11".into(), &0.into()));
    assert_eq!((&found["candidates"], &found["commits"]), (&20.into(), &40.into()));
    assert!(found["loaded"].as_u64() <= Some(6), "{found}");
    // A range that begins later has fewer candidates.
    let found = json(&sandbox, &["--good", "HEAD~20"]);
    assert_eq!(found["first_bad"]["summary"], "word 11");
    assert!(found["loaded"].as_u64() <= Some(5), "{found}");
}

#[test]
fn only_what_was_never_asked_is_asked_and_that_once() {
    let sandbox = project(SURE, false);
    let first = json(&sandbox, &["--case", "one"]);
    assert_eq!(first["first_bad"]["summary"], "word 11");
    assert_eq!(first["calls_made"], first["loaded"]);
    assert_eq!(json(&sandbox, &["--case", "one"])["calls_made"], 0);
    assert!(!sandbox.exists("fixtures/p/recorded"), "answers of old versions are kept aside");
    let offline = project(SURE, false).run(&["bisect", "p", "--offline"]);
    assert!(offline.code == 3 && offline.stderr.contains("cannot be told"), "{}", offline.shown());
}

#[test]
fn answers_that_disagree_are_repeated_until_they_decide() {
    let sandbox = project(FLAKY, false);
    let found = json(&sandbox, &["--case", "one", "--repeat", "4"]);
    assert_eq!(found["first_bad"]["summary"], "word 11", "{found}");
    let answers: Vec<u64> =
        found["steps"].as_array().expect("a list").iter().filter_map(|step| step["answers"].as_u64()).collect();
    assert!(answers.iter().all(|count| *count > 4), "{answers:?}");
    let found = json(&sandbox, &["--case", "one", "--repeat", "20", "--min-pass-rate", "0.8"]);
    assert_eq!(found["first_bad"]["summary"], "word 11", "{found}");
}

#[test]
fn commits_that_cannot_be_loaded_are_passed_over() {
    let sandbox = project(SURE, true);
    sandbox.git(&["checkout", "-b", "broken", "HEAD~12"]);
    sandbox.write("prompts/p.j2", "Careless {{ q\n");
    commit(&sandbox, "broken");
    sandbox.write("prompts/p.j2", "Careless after all: {{ q }}\n");
    sandbox.run(&["test"]);
    commit(&sandbox, "mended");
    let found = json(&sandbox, &["--case", "one"]);
    assert_eq!(found["first_bad"]["summary"], "word 11", "{found}");
    // Where the broken one may be it, both are named.
    sandbox.write("prompts/p.j2", "Careful once more: {{ q }}\n");
    sandbox.run(&["test"]);
    commit(&sandbox, "careful again");
    sandbox.write("prompts/p.j2", "Careless {{ q\n");
    commit(&sandbox, "broken again");
    sandbox.write("prompts/p.j2", "Careless for good: {{ q }}\n");
    sandbox.run(&["test"]);
    commit(&sandbox, "mended again");
    let ended = sandbox.run(&["bisect", "p", "--case", "one", "--good", "HEAD~2"]);
    assert!(ended.code == 3 && ended.stdout.contains("one of these"), "{}", ended.shown());
    assert!(ended.stdout.contains("broken again") && ended.stdout.contains("mended again"), "{}", ended.stdout);
}

#[test]
fn where_there_is_nothing_to_find_it_is_said() {
    let sandbox = project(SURE, true);
    for (args, code, said) in [
        (&["bisect", "p", "--case", "two"][..], 4, "nothing fails at HEAD"),
        (&["bisect", "p", "--case", "three"], 4, "no such case"),
        (&["bisect", "nobody"], 4, "no such prompt"),
        (&["bisect", "p", "--good", "nowhere"], 2, "no commit `nowhere`"),
        (&["bisect", "p", "--bad", "HEAD~30", "--good", "HEAD"], 2, "did not lead to"),
        (&["bisect", "p", "--case", "["], 2, "no valid glob"),
    ] {
        let ended = sandbox.run(args);
        assert!(ended.code == code && ended.stderr.contains(said), "{args:?}: {}", ended.shown());
    }
}

#[test]
fn a_case_that_failed_from_its_beginning_is_blamed_on_the_commit_that_brought_it() {
    let sandbox = project(SURE, true);
    sandbox.edit(
        "fixtures/p/cases.yaml",
        "cases:",
        "cases:\n  - { name: new, vars: { q: x }, expect: [{ contains: y }], snapshot: none }",
    );
    sandbox.run(&["test"]);
    commit(&sandbox, "a new case");
    sandbox.git(&["mv", "prompts/p.j2", "prompts/q.j2"]);
    sandbox.git(&["mv", "fixtures/p", "fixtures/q"]);
    commit(&sandbox, "renamed");
    let ended = sandbox.run(&["bisect", "q", "--case", "new", "--json"]);
    let found: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(found["first_bad"]["summary"], "a new case", "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn an_innocent_edit_is_not_blamed_for_recordings_that_were_replaced_later() {
    let sandbox = project(SURE, true);
    sandbox.git(&["reset", "--hard", "HEAD~24"]);
    sandbox.edit("promptctl.yaml", "right: {{ last_user_message }}", "no idea about h-i");
    sandbox.run(&["test", "--refresh"]);
    commit(&sandbox, "the model moved");
    sandbox.write("README.md", "later");
    commit(&sandbox, "later");
    for args in [&["--case", "one"][..], &["--case", "one", "--good", "HEAD~2"]] {
        let found = json(&sandbox, args);
        assert_eq!(found["first_bad"]["summary"], "the model moved", "{args:?} {found}");
        assert_eq!(found["first_bad"]["changes"][0]["kind"], "recordings");
        assert_eq!(found["calls_made"], 0);
    }
}

#[test]
fn damage_at_one_commit_is_passed_over() {
    let sandbox = project(SURE, true);
    sandbox.git(&["checkout", "-b", "damaged", "HEAD~8"]);
    let recorded = sandbox.read("fixtures/p/recorded/it.jsonl");
    sandbox.write("fixtures/p/recorded/it.jsonl", format!("<<<<<<< ours\n{recorded}"));
    sandbox.write("prompts/p.j2", "Careless and damaged: {{ q }}\n");
    commit(&sandbox, "damaged");
    sandbox.write("fixtures/p/recorded/it.jsonl", recorded);
    sandbox.write("prompts/p.j2", "Careless and repaired: {{ q }}\n");
    sandbox.run(&["test"]);
    commit(&sandbox, "repaired");
    assert_eq!(json(&sandbox, &["--case", "one"])["first_bad"]["summary"], "word 11");
}

#[test]
fn a_case_with_a_snapshot_alone_fails_where_its_answer_is_not_the_accepted_one() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi } }\n");
    sandbox.git(&["init"]);
    for n in 0..6 {
        sandbox.write("prompts/p.j2", format!("{}{{{{ q }}}}\n", if n < 4 { "" } else { "Oh, " }));
        sandbox.run(&["test", "--snapshots", if n == 0 { "accept" } else { "warn" }]);
        sandbox.write("README.md", n.to_string());
        sandbox.git(&["add", "README.md", "prompts", "fixtures", "snapshots", "promptctl.yaml"]);
        sandbox.git(&["commit", "-m", &format!("edit {n}")]);
    }
    assert_eq!(json(&sandbox, &[])["first_bad"]["summary"], "edit 4");
}

#[test]
fn innocent_edits_after_recordings_that_were_replaced_are_not_blamed() {
    let sandbox = project(SURE, true);
    sandbox.git(&["reset", "--hard", "HEAD~24"]);
    sandbox.edit("promptctl.yaml", "right: {{ last_user_message }}", "no idea about h-i");
    sandbox.run(&["test", "--refresh"]);
    commit(&sandbox, "the model moved");
    for edit in ["innocent", "innocent, too"] {
        sandbox.write("prompts/p.j2", format!("{edit}: {{{{ q }}}}\n"));
        sandbox.run(&["test"]);
        commit(&sandbox, edit);
    }
    assert_eq!(json(&sandbox, &["--case", "one"])["first_bad"]["summary"], "the model moved");
}

#[test]
fn a_case_that_was_broken_and_mended_before_is_not_what_is_looked_for() {
    let sandbox = project(SURE, true);
    sandbox.git(&["reset", "--hard", "HEAD~24"]);
    sandbox.edit("fixtures/p/cases.yaml", "q: ho", "q: oho");
    sandbox.edit(
        "promptctl.yaml",
        "- { when: '^Careless.*hi', say: wrong }",
        "- { when: '^(AAA.*oho|BBB.* hi)', say: wrong }",
    );
    for (word, message) in [("AAA", "breaks two"), ("fixed", "mends two"), ("BBB", "breaks one")] {
        sandbox.write("prompts/p.j2", format!("{word}: {{{{ q }}}}\n"));
        sandbox.run(&["test"]);
        commit(&sandbox, message);
    }
    let found = json(&sandbox, &[]);
    assert_eq!((&found["first_bad"]["summary"], &found["cases"]), (&"breaks one".into(), &serde_json::json!(["one"])));
}

#[test]
fn a_commit_that_is_called_good_and_fails_is_not_believed() {
    let sandbox = project(SURE, true);
    let ended = sandbox.run(&["bisect", "p", "--case", "one", "--good", "HEAD~2"]);
    assert!(ended.code == 2 && ended.stderr.contains("called good fails as well"), "{}", ended.shown());
}
