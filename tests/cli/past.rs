//! What is kept of runs: where results come from, the history of runs, and trends.

use std::process::{Child, Stdio};

use insta::assert_snapshot;
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

/// What a command prints as JSON.
fn json(sandbox: &Sandbox, args: &[&str]) -> Value {
    let ended = sandbox.run(args);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ended.stdout, ended.stderr))
}

/// How many runs the history holds.
fn runs(sandbox: &Sandbox) -> usize {
    json(sandbox, &["history", "--json", "-n", "1000"])["runs"].as_array().expect("runs").len()
}

const DATABASE: &str = ".promptctl/history.db";

/// A project in git with a history: a prompt that gets worse and better again, and a flaky case.
fn with_history() -> Sandbox {
    let flaky = "  - { name: flaky, vars: { q: x }, repeat: 4, min-pass-rate: 0.5, expect: [{ regex: '[012]' }], snapshot: none }\n";
    let sandbox = Sandbox::with_cases(&format!("{CASES}{flaky}"));
    let reply = "{{ last_user_message }} {{ sample }}";
    let model = |name: &str| {
        format!(
            "  {name}:\n    provider: mock\n    price: {{ input: 1, output: 2 }}\n    replies: [{{ say: \"{reply}\" }}]\n"
        )
    };
    sandbox.write("promptctl.yaml", format!("models:\n{}{}", model("echo"), model("other")));
    sandbox.edit("promptctl.yaml", "  other:", "  other:\n    model: echo-2");
    sandbox.write("promptctl.yaml", format!("{}defaults: {{ models: [echo] }}\n", sandbox.read("promptctl.yaml")));
    sandbox.write("prompts/p.j2", "---\nversion: 1.0.0\n---\n{{ q }}\n");
    sandbox.git(&["init"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "first"]);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.write("prompts/p.j2", "---\nversion: 1.1.0\n---\n{% if q %}nothing else{% endif %}\n");
    assert_eq!(sandbox.run(&["test", "--model", "echo", "--model", "other"]).code, 1);
    sandbox.write("prompts/p.j2", "---\nversion: 1.1.0\n---\n{{ q }}, and more words\n");
    assert_eq!(sandbox.run(&["test"]).code, 0);
    assert_eq!(sandbox.run(&["test", "--offline", "--case", "one"]).code, 0);
    sandbox
}

/// What is shown, without what depends on the machine.
fn stable(text: &str) -> String {
    regex::Regex::new(r"\b[0-9a-f]{12}\b").expect("valid").replace_all(text, "[hash12char]").into_owned()
}

#[test]
fn the_runs_are_listed_newest_first() {
    let sandbox = with_history();
    assert_snapshot!("history", stable(&sandbox.run(&["history"]).shown()));
    let listed = json(&sandbox, &["history", "--json", "-n", "2"]);
    let numbers: Vec<i64> = listed["runs"].as_array().expect("runs").iter().filter_map(|r| r["run"].as_i64()).collect();
    assert_eq!((numbers, &listed["version"]), (vec![4, 3], &1.into()));
    let run = &listed["runs"][0];
    assert_eq!((&run["mode"], &run["dirty"], &run["exit_code"]), (&"replay".into(), &true.into(), &0.into()));
    assert_eq!((&run["tree"], &run["summary"]["passed"]), (&"working tree".into(), &1.into()));
    assert_eq!(sandbox.run(&["history", "-n", "0"]).code, 2);
}

#[test]
fn flaky_cases_are_ranked() {
    let sandbox = with_history();
    assert_snapshot!("flaky", sandbox.run(&["history", "--flaky"]).shown());
    let found = json(&sandbox, &["history", "--flaky", "--json"]);
    assert_eq!((&found["flaky"][0]["case"], found["flaky"].as_array().map(Vec::len)), (&"flaky".into(), Some(2)));
    let steady = Sandbox::with_cases(CASES);
    assert_eq!(steady.run(&["test"]).code, 0);
    assert!(steady.run(&["history", "--flaky"]).stdout.starts_with("no case is flaky"));
}

#[test]
fn a_trend_shows_how_a_prompt_did() {
    let sandbox = with_history();
    let masked = |args: &[&str]| {
        // How long a scripted model takes is the machine's business.
        let text = stable(&sandbox.run(args).shown());
        let text =
            regex::Regex::new(r"  latency +\S+  .*\n").expect("valid").replace_all(&text, "  latency\n").into_owned();
        regex::Regex::new(r"\d+ ms( *)").expect("valid").replace_all(&text, "[ms]  ").into_owned()
    };
    assert_snapshot!("trend", masked(&["trend", "p"]));
    assert_snapshot!(
        "trend_by_digest",
        masked(&["trend", "prompts/p.j2", "--by", "digest", "--model", "echo", "--case", "o*"])
    );
    let document = json(&sandbox, &["trend", "p", "--json", "-n", "1", "--model", "other"]);
    let point = &document["trends"][0]["points"][0];
    assert_eq!((&document["by"], &point["passes"], &point["answered"]), (&"run".into(), &1.into(), &3.into()));
    assert_eq!((&point["prompt_version"], &point["served_model"]), (&"1.1.0".into(), &"echo-2".into()));
}

#[test]
fn where_nothing_is_known_it_is_said() {
    let sandbox = Sandbox::with_cases(CASES);
    for args in [&["history"][..], &["history", "--flaky"], &["trend", "p"]] {
        let ended = sandbox.run(args);
        assert!(ended.code == 4 && ended.stderr.contains("no history yet"), "{}", ended.stderr);
    }
    assert!(!sandbox.exists(".promptctl"), "looking makes nothing");
    assert_eq!(sandbox.run(&["test"]).code, 0);
    for args in [&["trend", "q"][..], &["trend", "p", "--model", "no"], &["trend", "p", "--case", "no*"]] {
        let ended = sandbox.run(args);
        assert!(ended.code == 4 && ended.stderr.contains("help:"), "{}", ended.stderr);
    }
    assert_eq!(sandbox.run(&["trend", "p", "--case", "["]).code, 2);
    assert_eq!(Sandbox::empty().run(&["history"]).code, 2);
}

#[test]
fn only_a_run_that_may_write_is_kept() {
    let sandbox = Sandbox::with_cases(CASES);
    sandbox.git(&["init"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "first"]);
    let ended = sandbox.run_with(&["test", "--live"], &[("CI", "1")]);
    assert!(ended.code == 0 && !sandbox.exists(".promptctl"), "{}", ended.stderr);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    for args in [&["test", "--at", "HEAD"][..], &["test", "--dry-run"], &["test", "--case", "no such case"]] {
        sandbox.run(args);
        assert_eq!(runs(&sandbox), 1, "{args:?}");
    }
    assert_eq!(sandbox.run(&["test", "--at", "HEAD", "--write"]).code, 0);
    assert_eq!(sandbox.run_with(&["test", "--write"], &[("CI", "1")]).code, 0);
    let listed = json(&sandbox, &["history", "--json"]);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(3));
    assert!(listed["runs"][1]["tree"].as_str().is_some_and(|tree| tree.starts_with("commit ")), "{listed}");
    assert_eq!(listed["runs"][1]["dirty"], false);
}

#[test]
fn a_history_that_cannot_be_used_is_said_and_changes_nothing() {
    let sandbox = Sandbox::with_cases(CASES);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    let said = |name: &str, left: bool| {
        for args in [&["history"][..], &["trend", "p"]] {
            let ended = sandbox.run(args);
            assert!(ended.code == 2 && ended.stderr.contains(DATABASE), "{name}: {}", ended.stderr);
        }
        let ended = sandbox.run(&["test", "--offline"]);
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("is not in the history"), left, "{name}: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("was moved to .promptctl/history-damaged-"), !left, "{name}");
        if !left {
            assert_eq!(sandbox.run(&["test", "--offline"]).stderr, "", "{name}: once");
            assert_eq!(runs(&sandbox), 2, "{name}");
        }
    };
    sandbox.write(DATABASE, "This is no database, however long it may be. ".repeat(100));
    said("text", false);
    let whole = std::fs::read(sandbox.path(DATABASE)).expect("readable");
    sandbox.write(DATABASE, &whole[..whole.len() / 2]);
    said("half of it", false);
    sandbox.write(DATABASE, &whole[..50]);
    said("half a head", false);
    std::fs::remove_file(sandbox.path(DATABASE)).expect("removed");
    std::fs::create_dir(sandbox.path(DATABASE)).expect("made");
    said("a folder", true);
    std::fs::remove_dir(sandbox.path(DATABASE)).expect("removed");
    sandbox.write(DATABASE, "");
    assert_eq!(sandbox.run(&["history"]).code, 4, "an empty file is an empty history");
    assert_eq!(sandbox.run(&["test", "--offline"]).stderr, "");
    assert_eq!(runs(&sandbox), 1);
}

#[test]
fn runs_at_the_same_time_are_all_kept() {
    let sandbox = Sandbox::with_cases(CASES);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    for damaged in [false, true] {
        // The first one makes the database, whichever it is.
        std::fs::remove_file(sandbox.path(DATABASE)).expect("removed");
        assert_eq!(sandbox.run(&["history"]).code, 4);
        if damaged {
            sandbox.write(DATABASE, "no database ".repeat(100));
        }
        let start = |_| {
            let mut command = sandbox.command(&["test", "--offline"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("started")
        };
        let running: Vec<Child> = (0..12).map(start).collect();
        let mut said = String::new();
        for child in running {
            let output = child.wait_with_output().expect("ended");
            assert_eq!(output.status.code(), Some(0));
            said.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(runs(&sandbox), 12, "{said}");
        assert_eq!(said.matches("warning").count(), usize::from(damaged), "{said}");
    }
}

#[test]
fn git_does_not_see_the_history() {
    let sandbox = Sandbox::with_cases(CASES);
    sandbox.git(&["init"]);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "everything"]);
    let listed =
        std::process::Command::new("git").args(["ls-files"]).current_dir(sandbox.root()).output().expect("git");
    assert!(sandbox.exists(DATABASE) && !String::from_utf8_lossy(&listed.stdout).contains("promptctl/"));
}
