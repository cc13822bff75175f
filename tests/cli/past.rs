//! What is kept of runs: where results come from, the history of runs, and trends.

use serde_json::Value;

use crate::sandbox::Sandbox;

const CASES: &str = "cases:\n  - { name: one, vars: { q: hello there }, expect: [{ contains: hello }], snapshot: none }\n  - { name: two, vars: { q: good bye }, expect: [{ contains: bye }], snapshot: none }\n";

/// The report of a run, as JSON.
fn report(sandbox: &Sandbox, args: &[&str]) -> Value {
    let ended = sandbox.run(&[&["test", "--report", "json"], args].concat());
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
}

/// The first of what it says about commit and dirt, which all of it says.
fn provenance(report: &Value) -> (Value, Value) {
    for row in report["results"].as_array().expect("rows") {
        assert_eq!((&row["commit"], &row["dirty"]), (&report["commit"], &report["dirty"]));
        assert_eq!(row["tool_version"], report["tool"]["version"]);
    }
    (report["commit"].clone(), report["dirty"].clone())
}

#[test]
fn every_result_says_which_commit_it_comes_from() {
    let sandbox = Sandbox::with_cases(CASES);
    assert_eq!(provenance(&report(&sandbox, &[])), (Value::Null, Value::Null), "no repository");
    sandbox.git(&["init"]);
    assert_eq!(provenance(&report(&sandbox, &[])), (Value::Null, true.into()), "no commit yet");
    sandbox.write("elsewhere/file", "x");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "first"]);
    let (commit, dirty) = provenance(&report(&sandbox, &["--offline"]));
    assert_eq!((commit.as_str().map(str::len), dirty), (Some(40), false.into()), "what is ignored does not count");
    sandbox.write("prompts/_new.j2", "x");
    assert_eq!(provenance(&report(&sandbox, &["--offline"])), (commit.clone(), true.into()), "a new file");
    assert_eq!(provenance(&report(&sandbox, &["--at", "HEAD"])), (commit, false.into()), "a commit is never edited");
}

#[test]
fn only_the_folder_of_the_project_can_be_dirty() {
    let sandbox = Sandbox::empty();
    sandbox.write("other/file", "x");
    let project = Sandbox::with_cases(CASES);
    for (path, bytes) in project.files() {
        sandbox.write(&format!("a[b]*/{path}"), bytes);
    }
    sandbox.git(&["init"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "first"]);
    sandbox.write("other/file", "y");
    sandbox.write("a[b]*/fixtures/p/recorded/.gitignore", "*");
    sandbox.git(&["add", "--force", "a[b]*"]);
    sandbox.git(&["commit", "-m", "second", "--", "a[b]*"]);
    let of = |dirty: bool| {
        let report = report(&sandbox, &["-C", "a[b]*"]);
        assert_eq!(provenance(&report).1, dirty);
    };
    of(false);
    sandbox.edit("a[b]*/prompts/p.j2", "{{ q }}", "{{ q }}.");
    of(true);
}
