//! The way out to other tools, and back again: what was exported and imported asks the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::sandbox::{Sandbox, says};

/// A sandbox with the project of this repository below `project/`.
fn with_own_project() -> Sandbox {
    let sandbox = Sandbox::empty();
    copy(
        Path::new(env!("CARGO_MANIFEST_DIR")),
        &["promptctl.yaml", "prompts", "fixtures", "snapshots"],
        &sandbox,
        "project",
    );
    sandbox
}

fn copy(root: &Path, parts: &[&str], sandbox: &Sandbox, into: &str) {
    for part in parts {
        for entry in walkdir::WalkDir::new(root.join(part)).into_iter().map(|entry| entry.expect("readable")) {
            if entry.file_type().is_file() && entry.path().extension().is_none_or(|e| e != "gguf") {
                let below = entry.path().strip_prefix(root).expect("below").to_string_lossy().into_owned();
                sandbox.write(&format!("{into}/{below}"), fs::read(entry.path()).expect("readable"));
            }
        }
    }
}

/// The keys of every request of a project.
fn keys(sandbox: &Sandbox, folder: &str) -> BTreeSet<String> {
    let ended = sandbox.run(&["-C", folder, "render", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let items = json.as_array().expect("a list").iter();
    items
        .flat_map(|item| item["keys"].as_array().expect("keys").iter())
        .map(|key| key.as_str().expect("a key").to_owned())
        .collect()
}

fn exported(sandbox: &Sandbox, args: &[&str]) -> String {
    let before: BTreeSet<(String, Vec<u8>)> = sandbox.files().into_iter().collect();
    let ended = sandbox.run(args);
    assert_eq!(ended.code, 0, "{}", ended.shown());
    let mut shown = ended.shown();
    for (path, bytes) in sandbox.files().into_iter().filter(|file| !before.contains(file)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        shown.push_str(&format!("\n── {path} ──\n"));
        text.lines()
            .take(60)
            .for_each(|line| shown.push_str(&format!("{}\n", line.chars().take(300).collect::<String>())));
    }
    shown
}

#[test]
fn this_projects_requests_come_back_from_promptfoo() {
    let sandbox = with_own_project();
    let asked = keys(&sandbox, "project");
    assert!(asked.len() > 20, "{}", asked.len());
    assert_snapshot!(
        "export_promptfoo",
        exported(&sandbox, &["-C", "project", "export", "promptfoo", "--into", "../out"])
    );
    let ended = sandbox.run(&["import", "promptfoo", "out", "--into", "back"]);
    assert_snapshot!("export_promptfoo_back", ended.shown());
    assert_eq!(keys(&sandbox, "back"), asked);
}

#[test]
fn requests_of_other_projects_come_back_from_promptfoo() {
    for (name, format, path) in [
        ("promptfoo-classification", "promptfoo", ""),
        ("promptfoo-rag", "promptfoo", ""),
        ("promptfoo-tools", "promptfoo", "promptfooconfig.json"),
        ("promptfoo-scenarios", "promptfoo", ""),
        ("promptfoo-many", "promptfoo", ""),
        ("promptfoo-nunjucks", "promptfoo", ""),
        ("openai-evals", "openai-evals", "registry/evals/capitals.yaml"),
        ("prompty-v2", "prompty", "triage.prompty"),
        ("dotprompt", "dotprompt", ""),
    ] {
        let sandbox = Sandbox::empty();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports").join(name);
        copy(&root, &["."], &sandbox, "source");
        says(&sandbox.run(&["import", format, &format!("source/{path}"), "--into", "project"]), 0, &[]);
        says(&sandbox.run(&["-C", "project", "export", "promptfoo", "--into", "../out"]), 0, &["exported"]);
        says(&sandbox.run(&["import", "promptfoo", "out", "--into", "back"]), 0, &[]);
        assert_eq!(keys(&sandbox, "back"), keys(&sandbox, "project"), "{name}");
    }
}

#[test]
fn a_prompt_file_for_each_prompt_of_github_models() {
    let sandbox = with_own_project();
    assert_snapshot!(
        "export_github",
        exported(&sandbox, &["-C", "project", "export", "github-models", "--into", "../out"])
    );
    says(&sandbox.run(&["import", "github-models", "out", "--into", "back"]), 0, &["3 prompts"]);
}

#[test]
fn messages_with_their_answers() {
    let sandbox = with_own_project();
    let shown = exported(
        &sandbox,
        &[
            "-C",
            "project",
            "export",
            "openai-messages",
            "support/refund",
            "--case",
            "*14*",
            "--answers",
            "--into",
            "../out",
        ],
    );
    assert_snapshot!("export_messages", shown);
    let bare = ["-C", "project", "export", "openai-messages", "--bare", "--into", "../bare"];
    says(&sandbox.run(&bare), 0, &["everything was said"]);
    for line in sandbox.read("bare/messages.jsonl").lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let names: Vec<&String> = value.as_object().expect("an object").keys().collect();
        assert!(names == ["messages"] || names == ["messages", "tools"], "{names:?}");
    }
}

#[test]
fn a_table_without_formulas_and_nothing_overwritten() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: \"=1+1\", vars: { q: \"=cmd|' /C calc'!A0\" }, tags: [a, b] }\n  - { name: two, vars: { q: \"x, \\\"y\\\"\\nz\" } }\n",
    );
    says(&sandbox.run(&["test"]), 0, &[]);
    assert_snapshot!("export_csv", exported(&sandbox, &["export", "csv", "--into", "out"]));
    assert!(sandbox.read("out/cases.csv").lines().all(|line| !line.contains(",=") && !line.contains(",\"=")));
    says(&sandbox.run(&["export", "csv", "--into", "out"]), 0, &["2 cases exported"]);
    sandbox.write("out/cases.csv", "mine\n");
    says(&sandbox.run(&["export", "csv", "--into", "out"]), 2, &["exist already and differ", "cases.csv", "--force"]);
    assert_eq!(sandbox.read("out/cases.csv"), "mine\n");
    says(&sandbox.run(&["export", "csv", "nothing"]), 4, &["matches nothing"]);
}

#[test]
fn a_table_lost_the_later_turns_of_a_conversation() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: talk, vars: { q: hello }, expect: [{ contains: hello }], messages: [{ user: and now }] }\n  - { name: one, vars: { q: hello }, expect: [{ contains: hello }] }\n",
    );
    sandbox.run(&["test"]);
    let ended = sandbox.run(&["export", "csv"]);
    let shown = ended.shown();
    assert!(shown.contains("of the conversation `p` › `talk` › `echo` only the first answer is here"), "{shown}");
    assert!(!shown.contains("everything was said") && !shown.contains("› `one`"), "{shown}");
}
