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

/// A project with one prompt and one case.
fn with_one(template: &str, vars: &str, expect: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "project/promptctl.yaml",
        "models:\n  fast: { provider: openai, model: gpt-4.1-mini }\ndefaults: { models: [fast] }\n",
    );
    sandbox.write("project/prompts/p.j2", format!("{template}\n"));
    let cases = format!("cases:\n  - {{ name: one, vars: {{ {vars} }}, expect: [{expect}] }}\n");
    sandbox.write("project/fixtures/p/cases.yaml", cases);
    sandbox
}

#[test]
fn a_template_that_javascript_renders_otherwise_was_exported_as_it_is() {
    for (template, vars, kept) in [
        // What is only printed is given as the text that is printed.
        ("Is it {{ flag }}?", "flag: true", true),
        ("{{ f }} {{ l }} {{ nul }}.", "f: 1.0, l: [a, b], nul: null", true),
        // The same on both sides.
        ("{% if flag %}yes{% endif %} {{ n }} {{ s | upper }}", "flag: true, n: 4, s: a", true),
        ("{% for x in l %}{{ loop.index }}{{ x }}{% endfor %}", "l: [a, b]", true),
        // Written out.
        ("{{ s[1:3] }}{{ s }}", "s: banana", false),
        ("{{ not flag }}", "flag: true", false),
        ("{{ n / 2 }}", "n: 4", false),
        ("{% if l %}yes{% else %}no{% endif %}", "l: []", false),
        ("{{ True }} {{ s }}", "s: a", false),
        ("{{ n is divisibleby 3 }}{{ n }}", "n: 4", false),
        ("{% if flag %}{{ flag }}{% endif %}", "flag: true", false),
        ("{% for x in l %}{{ x }}{% endfor %}", "l: [true]", false),
        ("say | tojson {{ s }}", "s: a", true),
    ] {
        let sandbox = with_one(template, vars, "{ contains: ok }");
        let asked = keys(&sandbox, "project");
        let ended = sandbox.run(&["-C", "project", "export", "promptfoo", "--into", "../out"]);
        assert_eq!(ended.code, 0, "{template}: {}", ended.shown());
        let written = sandbox.read("out/prompts/p.json");
        assert_eq!(!written.contains("{{ message_1 }}"), kept, "{template}: {written}");
        let is_told = ended.shown().contains("is not carried over: the text of each message");
        assert_eq!(is_told, !kept, "{template}: {}", ended.shown());
        says(&sandbox.run(&["import", "promptfoo", "out", "--into", "back"]), 0, &[]);
        assert_eq!(keys(&sandbox, "back"), asked, "{template}");
    }
    let sandbox = with_one("Is it {{ flag }}?", "flag: true", "{ contains: ok }");
    let told = ["warning: the variable `flag` of `p` is given as the text that is printed here"];
    says(&sandbox.run(&["-C", "project", "export", "promptfoo", "--into", "../out"]), 0, &told);
    assert!(sandbox.read("out/promptfooconfig.yaml").contains("flag: 'True'"));
}

#[test]
fn a_boolean_of_an_expectation_or_of_test_data_is_the_text_that_is_printed_here() {
    let sandbox = with_one(
        "{% if flag %}a{% endif %}",
        "flag: true, l: [x, y]",
        "{ contains: 'It is {{ flag }}' }, { contains-any: '{{ l }}' }",
    );
    says(&sandbox.run(&["-C", "project", "export", "promptfoo", "--into", "../out"]), 0, &[]);
    let config = sandbox.read("out/promptfooconfig.yaml");
    assert!(config.contains("value: It is True") && config.contains("value:\n    - x\n    - y\n"), "{config}");
    let sandbox = with_one("Is it {{ flag }}, {{ f }}?", "flag: true, f: 1.0", "{ contains: ok }");
    let asked = keys(&sandbox, "project");
    says(&sandbox.run(&["-C", "project", "export", "github-models", "--into", "../out"]), 0, &[]);
    let file = sandbox.read("out/p.prompt.yml");
    assert!(file.contains("flag: 'True'") && file.contains("f: '1.0'"), "{file}");
    assert!(!asked.is_empty());
}

#[test]
fn two_models_that_are_alike_came_back_as_one() {
    let sandbox = with_one("Say {{ s }}", "s: a", "{ contains: ok }, { type: llm-rubric, value: polite, model: b }");
    sandbox.write(
        "project/promptctl.yaml",
        "models:\n  a: { provider: openai, model: gpt-4.1-mini, params: { temperature: 0 } }\n  b: { provider: openai, model: gpt-4.1-mini, params: { temperature: 0 } }\ndefaults: { models: [a, b] }\n",
    );
    says(&sandbox.run(&["-C", "project", "export", "promptfoo", "--into", "../out"]), 0, &[]);
    let ended = sandbox.run(&["import", "promptfoo", "out", "--into", "back"]);
    says(&ended, 0, &["1 case, 2 models; everything was carried over"]);
    let config = sandbox.read("back/promptctl.yaml");
    assert!(config.contains("\n  a:") && config.contains("\n  b:"), "{config}");
    let cases = sandbox.read("back/fixtures/p/cases.yaml");
    assert!(cases.contains("model: b"), "{cases}");
    assert_eq!(keys(&sandbox, "back"), keys(&sandbox, "project"));
}
