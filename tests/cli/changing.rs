//! `promptctl test --changed` is green only where `promptctl test` is: bugs that were found once, each under its name.

use crate::sandbox::{Ended, Sandbox, says};

fn commit(sandbox: &Sandbox, message: &str) {
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", message]);
}

/// Two prompts, recorded and accepted on main; HEAD is on a branch. Every second sample is wrong.
fn branch() -> Sandbox {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: right }, { json-schema: { file: s.json } }], repeat: 2, min-pass-rate: 0.5 }\n  - { name: two, vars: { q: ho, s: low }, expect: [{ not-contains: '{{ s }}' }], snapshot: none }\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  it:\n    provider: mock\n    replies: [{ say: '\"{% if sample == 1 %}wrong{% else %}right{% endif %}\"' }]\n",
    );
    sandbox.write("fixtures/p/s.json", "{ \"type\": \"string\" }");
    sandbox.write("prompts/other.j2", "{{ q }}\n");
    sandbox.write("fixtures/other/cases.yaml", "cases: [{ name: o, vars: { q: a }, expect: [{ contains: right }] }]\n");
    sandbox.git(&["init", "-q"]);
    says(&sandbox.run(&["test", "--snapshots", "accept"]), 0, &[]);
    sandbox.run(&["accept", "--all"]);
    commit(&sandbox, "all");
    sandbox.git(&["checkout", "-q", "-b", "branch"]);
    says(&sandbox.run(&["test", "--offline"]), 0, &[]);
    sandbox
}

fn changed(sandbox: &Sandbox) -> Ended {
    sandbox.run(&["test", "--offline", "--changed"])
}

#[test]
fn a_branch_that_changed_only_what_decides_was_green() {
    let sandbox = branch();
    says(&changed(&sandbox), 0, &["no prompt changed"]);
    let cases = "fixtures/p/cases.yaml";
    let recorded = "fixtures/p/recorded/it.jsonl";
    let edits: [(&str, &str, &str, i32); 7] = [
        (cases, "min-pass-rate: 0.5", "min-pass-rate: 1", 1),
        (cases, "min-pass-rate: 0.5", "min-pass-rate: 0.5, threshold: 0.1", 0),
        (cases, "snapshot: none", "snapshot: text", 0),
        (cases, "s: low", "s: right", 1),
        ("fixtures/p/s.json", "string", "object", 1),
        ("snapshots/p/one@it.snap", "\"right\"", "\"other\"", 5),
        (recorded, "right", "worse", 1),
    ];
    for (path, from, to, code) in edits {
        let before = sandbox.read(path);
        sandbox.edit(path, from, to);
        let whole = sandbox.run(&["test", "--offline"]);
        says(&whole, code, &[]);
        let part = changed(&sandbox);
        says(&part, whole.code, &[": p; left out", ": other ("]);
        sandbox.write(path, before);
    }
    std::fs::remove_file(sandbox.path(recorded)).expect("removed");
    says(&changed(&sandbox), 5, &[": p; left out", "2 unrecorded"]);
}

#[test]
fn what_decides_nothing_is_no_change() {
    let sandbox = branch();
    sandbox.edit("fixtures/p/cases.yaml", "cases:", "# a comment\ncases:");
    let other = sandbox.read("fixtures/p/recorded/it.jsonl");
    sandbox.write("fixtures/other/recorded/it.jsonl", sandbox.read("fixtures/other/recorded/it.jsonl") + &other);
    says(&changed(&sandbox), 0, &["no prompt changed", "neither their requests"]);
}

#[test]
fn recordings_that_git_ignores_are_no_change() {
    let sandbox = branch();
    sandbox.write(".gitignore", "recorded/\n.promptctl/\n");
    sandbox.git(&["rm", "-rq", "--cached", "fixtures/p/recorded", "fixtures/other/recorded"]);
    commit(&sandbox, "recordings are kept elsewhere");
    sandbox.git(&["branch", "-f", "main", "HEAD"]);
    says(&changed(&sandbox), 0, &["no prompt changed"]);
}

#[test]
fn a_pull_requests_merge_commit_had_no_base() {
    let sandbox = branch();
    sandbox.edit("prompts/other.j2", "{{ q }}", "Kindly: {{ q }}");
    sandbox.run(&["test"]);
    commit(&sandbox, "on the branch");
    sandbox.git(&["checkout", "-q", "--detach", "main"]);
    sandbox.git(&["merge", "-q", "--no-ff", "--no-edit", "branch"]);
    sandbox.git(&["branch", "-D", "main"]);
    sandbox.git(&["branch", "-D", "branch"]);
    says(&changed(&sandbox), 0, &["(the first parent of HEAD, a merge commit on no branch): other; left out"]);
    // On a branch of its own it is nobody's pull request.
    sandbox.git(&["checkout", "-q", "-b", "mine"]);
    says(&changed(&sandbox), 2, &["--changed=BRANCH"]);
}
