//! What a pull request is told: Markdown and annotations, of runs and of comparisons.

use insta::assert_snapshot;
use serde_json::Value;

use crate::reporting::commands;
use crate::sandbox::{Ended, Sandbox};

/// What differs from run to run.
fn shown(text: &str) -> String {
    let hash = regex::Regex::new("commit [0-9a-f]+").expect("valid");
    let time = regex::Regex::new(r"\d+\.\d\d s\b").expect("valid");
    let text = text.replace(concat!("promptctl ", env!("CARGO_PKG_VERSION")), "promptctl [version]");
    time.replace_all(&hash.replace_all(&text, "commit [hash]"), "[time]").into_owned()
}

/// A project with a case of every kind that a reviewer has to look at.
fn project() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", "models:\n  it:\n    provider: mock\n    price: { input: 1, output: 2 }\n    replies:\n      - { when: 'flaky', say: \"{{ 'yes' if sample is odd else 'no' }}\" }\n      - { when: '^Careless.*odd', say: \"wrong, ask @someone about #1\" }\n      - { say: 'right: {{ last_user_message }}' }\n");
    sandbox.write("prompts/a/p.j2", "Careful: {{ q }}\n");
    sandbox.write("prompts/b.j2", "Help with {{ q }}\n");
    sandbox.write(
        "fixtures/b/cases.yaml",
        "cases:\n  - { name: only | one, vars: { q: this }, expect: [{ contains: right }] }\n",
    );
    let case = |n: usize| {
        let tag = if n.is_multiple_of(2) { "even" } else { "odd" };
        format!(
            "  - {{ name: c{n:02}, vars: {{ q: {tag} question {n} }}, tags: [{tag}], expect: [{{ contains: right }}], snapshot: none }}\n"
        )
    };
    let cases: String = (0..24).map(case).collect();
    sandbox.write("fixtures/a/p/cases.yaml", format!("cases:\n{cases}  - {{ name: sometimes, vars: {{ q: flaky }}, repeat: 4, min-pass-rate: 0.4, snapshot: none, expect: [{{ contains: yes }}] }}\n"));
    sandbox.git(&["init"]);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.run(&["accept", "--all"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "base"]);
    sandbox
}

#[test]
fn a_run_is_a_page_for_a_reviewer() {
    let sandbox = project();
    let good = sandbox.run(&["test", "--report", "markdown"]);
    assert_eq!(good.code, 0);
    assert_snapshot!("markdown_run_good", shown(&good.stdout));
    sandbox.write("prompts/a/p.j2", "Careless: {{ q }}\n");
    sandbox.run(&["test", "a/p", "--case", "c0[0-5]"]);
    sandbox.edit(
        "fixtures/b/cases.yaml",
        "only | one",
        "only | one\n    quarantine: { until: 2099-12-31, reason: later @someone }\n    description: x",
    );
    sandbox.write("fixtures/b/cases.yaml", "cases:\n  - { name: only | one, vars: { q: this }, expect: [{ contains: wrong }], quarantine: { until: 2099-12-31, reason: \"later, @someone\" } }\n  - { name: fresh, vars: { q: more }, expect: [{ contains: right }] }\n");
    let bad = sandbox.run_with(&["test", "--report", "markdown"], &[("CI", "1")]);
    assert_eq!(bad.code, 1, "{}", bad.stderr);
    assert_snapshot!("markdown_run_bad", shown(&bad.stdout));
}

/// The project after an edit that breaks half of it, with what it answers now.
fn edited() -> Sandbox {
    let sandbox = project();
    sandbox.write("prompts/a/p.j2", "Careless: {{ q }}\n");
    sandbox.run(&["test"]);
    sandbox
}

#[test]
fn a_comparison_is_a_page_for_a_reviewer() {
    let sandbox = edited();
    let ended = sandbox.run(&["compare", "--report", "markdown"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_snapshot!("markdown_compare", shown(&ended.stdout));
}

/// What the runner would take from a log, and what a person reads beside it.
fn log(ended: &Ended) -> String {
    let commands: Vec<String> = commands(&ended.stdout).into_iter().map(|found| format!("{found:?}")).collect();
    format!("{}\n── commands ──\n{}\n", shown(&ended.stdout), commands.join("\n"))
}

#[test]
fn a_runner_is_told_on_which_lines_a_run_failed() {
    let sandbox = edited();
    let ended = sandbox.run(&["test", "--report", "github"]);
    assert_eq!(ended.code, 1);
    assert!(!ended.stderr.contains("FAILED"), "the log would say it twice: {}", ended.stderr);
    assert_snapshot!("github_run", log(&ended));
}

#[test]
fn a_runner_is_told_on_which_lines_a_comparison_was_lost() {
    let sandbox = edited();
    let ended = sandbox.run(&["compare", "--report", "github"]);
    assert_eq!(ended.code, 1);
    assert_snapshot!("github_compare", log(&ended));
}

#[test]
fn a_project_in_a_folder_of_its_repository_names_files_from_the_root() {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init"]);
    sandbox.write("in/side/promptctl.yaml", "models: { m: { provider: mock, replies: [{ say: no }] } }\n");
    sandbox.write("in/side/prompts/p.j2", "{{ q }}\n");
    sandbox.write(
        "in/side/fixtures/p/cases.yaml",
        "cases:\n  - { name: 'a, b: 100%', vars: { q: x }, expect: [{ contains: yes }] }\n",
    );
    let ended = sandbox.run(&["-C", "in/side", "test", "--report", "github"]);
    let found = commands(&ended.stdout);
    let (_, properties, message) = found.iter().find(|(name, ..)| name == "error").expect("an error");
    assert_eq!((&*properties["file"], &*properties["line"]), ("in/side/fixtures/p/cases.yaml", "2"));
    assert_eq!(properties["title"], "p › a, b: 100% › m");
    assert!(message.starts_with("failed: contains: "), "{message}");
}

#[test]
fn the_page_is_added_to_the_summary_of_the_job() {
    let sandbox = edited();
    let path = sandbox.path("summary.md");
    sandbox.write("summary.md", "what was there\n");
    let variables = [("GITHUB_STEP_SUMMARY", path.to_str().expect("UTF-8"))];
    sandbox.run_with(&["test", "--report", "human"], &variables);
    assert_eq!(sandbox.read("summary.md"), "what was there\n", "only where the runner is told");
    sandbox.run_with(&["test", "--report", "github"], &variables);
    sandbox.run_with(&["compare", "--report", "github"], &variables);
    let text = sandbox.read("summary.md");
    assert!(text.starts_with("what was there\n### ❌ 12 failed of 26"), "{text}");
    assert!(text.contains("### ❌ 1 prompt regressed"), "{text}");
    sandbox.write("summary.md", "x".repeat(999_999));
    assert_eq!(sandbox.run_with(&["test", "--report", "github"], &variables).code, 1);
    assert_eq!(sandbox.read("summary.md").len(), 999_999, "a full one is left as it is");
}

#[test]
fn what_regressed_is_a_test_that_fails() {
    let sandbox = edited();
    let mut shown = String::new();
    for format in ["junit", "tap", "gitlab"] {
        let ended = sandbox.run(&["compare", "--report", format]);
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        shown.push_str(&format!("--- {format}\n{}", ended.stdout));
    }
    insta::assert_snapshot!("compare_as_tests", shown);
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_of_a_comparison_that_cannot_be_written_keeps_no_other_from_it() {
    let sandbox = edited();
    let ended = sandbox.run(&["compare", "--report", "junit=/dev/full", "--report", "json=a.json"]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("the report /dev/full cannot be written"), "{}", ended.stderr);
    let json: Value = serde_json::from_str(&sandbox.read("a.json")).expect("JSON");
    assert_eq!(json["exit_code"], 1);
}

#[test]
fn a_comparison_writes_several_reports_at_once() {
    let sandbox = edited();
    let args = ["compare", "--report", "json=out/a.json", "--report", "markdown=out/a.md", "--report", "human"];
    let ended = sandbox.run(&args);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("REGRESSED"), "{}", ended.stdout);
    assert!(sandbox.read("out/a.md").starts_with("### ❌ 1 prompt regressed"));
    assert_eq!(sandbox.run(&["compare", "--json"]).stdout, sandbox.read("out/a.json"));
    assert_eq!(sandbox.run(&["compare", "--json", "--report", "json"]).code, 1);
    assert_eq!(sandbox.run(&["compare", "--json", "--report", "markdown"]).code, 2, "one has standard output");
    let ended = sandbox.run(&["compare", "--report", "markdwon"]);
    assert!(ended.code == 2 && ended.stderr.contains("did you mean \"markdown\"?"), "{}", ended.stderr);
    let ended = sandbox.run(&["compare", "--report", "jsonl"]);
    assert!(ended.code == 2 && ended.stderr.contains("a comparison has no report format `jsonl`"), "{}", ended.stderr);
    // Where nothing can be compared, nobody finds the report of before.
    sandbox.write("prompts/a/p.j2", "Unheard: {{ q }}\n");
    sandbox.write("prompts/b.j2", "Unheard: {{ q }}\n");
    assert_eq!(
        sandbox.run(&["compare", "--offline", "--report", "json=out/a.json", "--report", "markdown=out/a.md"]).code,
        4
    );
    let json: Value = serde_json::from_str(&sandbox.read("out/a.json")).expect("JSON");
    assert_eq!((&json["exit_code"], &json["unanswered"]), (&4.into(), &26.into()));
    assert!(sandbox.read("out/a.md").contains("26 cases left out"), "{}", sandbox.read("out/a.md"));
}
