//! What a run makes of answers: verdicts, modes, exit codes, reports.

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::Sandbox;

const CASES: &str = "cases:\n  - name: one\n    vars: { q: hello there }\n    expect: [{ contains: hello }]\n  - name: two\n    vars: { q: good bye }\n    expect: [{ contains: bye }]\n";

fn verdicts(sandbox: &Sandbox, args: &[&str]) -> (i32, Vec<(String, String)>) {
    let mut all = args.to_vec();
    all.extend(["--report", "json"]);
    let ended = sandbox.run(&all);
    let json: Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ended.stdout, ended.stderr));
    let planned = json["summary"]["planned"].as_u64().expect("a count");
    let names = ["passed", "failed", "changed", "new", "stale", "unrecorded", "errored", "skipped"];
    let sum: u64 = names.iter().map(|name| json["summary"][name].as_u64().expect("a count")).sum();
    assert_eq!(sum, planned, "the verdicts add up");
    let results = json["results"].as_array().expect("results");
    let verdict =
        |r: &Value| (r["case"].as_str().unwrap_or("").to_owned(), r["verdict"].as_str().unwrap_or("").to_owned());
    (ended.code, results.iter().map(verdict).collect())
}

fn of(verdict: &str, cases: &[&str]) -> Vec<(String, String)> {
    cases.iter().map(|case| ((*case).to_owned(), verdict.to_owned())).collect()
}

#[test]
fn the_life_of_a_case() {
    let sandbox = Sandbox::with_cases(CASES);
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (5, of("unrecorded", &["one", "two"])));
    assert_eq!(verdicts(&sandbox, &["test"]), (0, of("new", &["one", "two"])));
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (0, of("new", &["one", "two"])));
    assert_eq!(sandbox.run(&["accept", "--all"]).code, 0);
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (0, of("passed", &["one", "two"])));
    sandbox.edit("prompts/p.j2", "{{ q }}", "{{ q }}!");
    assert_snapshot!("stale", sandbox.run(&["test", "--offline"]).shown());
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (5, of("stale", &["one", "two"])));
    assert_snapshot!("changed", sandbox.run(&["test"]).shown());
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (5, of("changed", &["one", "two"])));
    assert_eq!(verdicts(&sandbox, &["test", "--offline", "--snapshots", "warn"]).0, 0);
    sandbox.edit("prompts/p.j2", "{{ q }}!", "{{ q }}");
    assert_eq!(
        verdicts(&sandbox, &["test", "--offline"]),
        (0, of("passed", &["one", "two"])),
        "reverting costs no call"
    );
    assert!(!sandbox.exists("snapshots/p/one@echo.snap.new"), "what waited no longer differs");
}

#[test]
fn a_failure_shows_why_and_where() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - name: one\n    vars: { q: hello there }\n    expect:\n      - contains: good bye\n      - not-contains: hello\n      - word-count: 2\n",
    );
    assert_snapshot!("failure", sandbox.run(&["test"]).shown());
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (1, of("failed", &["one"])));
    let held = sandbox.run(&["accept", "--all"]);
    assert_eq!(held.code, 5, "a failing answer is not accepted with others: {}", held.stdout);
    assert!(!sandbox.exists("snapshots/p/one@echo.snap"));
}

#[test]
fn in_ci_nothing_is_called_and_nothing_is_written() {
    let sandbox = Sandbox::with_cases(CASES);
    let before = sandbox.files();
    let ended = sandbox.run_with(&["test"], &[("CI", "true")]);
    assert_eq!(ended.code, 5, "{}", ended.stdout);
    assert!(ended.stdout.contains("replay only (CI"), "{}", ended.stdout);
    assert_eq!(sandbox.files(), before);
    let live = sandbox.run_with(&["test", "--live"], &[("CI", "true")]);
    assert_eq!(live.code, 5, "a new answer waits in CI: {}", live.stdout);
    assert_eq!(sandbox.files(), before, "--live asks, and still writes nothing");
    assert_eq!(sandbox.run(&["test"]).code, 0);
    let recorded = sandbox.files();
    assert_eq!(sandbox.run_with(&["test"], &[("CI", "1")]).code, 5, "new");
    assert_eq!(sandbox.files(), recorded);
}

#[test]
fn the_mode_is_decided_once_and_printed_first() {
    let sandbox = Sandbox::with_cases(CASES);
    for (args, variables, text) in [
        (vec!["test"], vec![], "replay, and call for what is not recorded"),
        (vec!["test", "--offline"], vec![], "replay only (--offline)"),
        (vec!["test", "--refresh"], vec![], "call again for everything (--refresh)"),
        (vec!["test"], vec![("CI", "true")], "replay only (CI; --live allows calls) · nothing is written"),
        (
            vec!["test", "--live"],
            vec![("CI", "true")],
            "replay, and call for what is not recorded · nothing is written",
        ),
        (
            vec!["test", "--live", "--write"],
            vec![("CI", "true")],
            "replay, and call for what is not recorded · 2 planned",
        ),
        (vec!["test"], vec![("CI", "false")], "replay, and call for what is not recorded"),
    ] {
        let ended = sandbox.run_with(&args, &variables);
        let first = ended.stdout.lines().next().unwrap_or_default();
        assert!(first.contains(text), "{args:?} {variables:?}: {first}");
    }
    assert_eq!(sandbox.run(&["test", "--offline", "--refresh"]).code, 2);
}

#[test]
fn an_empty_answer_never_passes() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - name: one\n    vars: { q: \"\" }\n    expect: [{ not-contains: x }]\n  - name: two\n    vars: { q: \" \" }\n",
    );
    let (code, verdicts) = verdicts(&sandbox, &["test"]);
    assert_eq!((code, verdicts), (1, of("failed", &["one", "two"])));
}

#[test]
fn an_answer_that_was_cut_off_fails_unless_it_was_asked_for() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - name: one\n    vars: { q: hi }\n  - name: two\n    vars: { q: ho }\n    expect: [{ finish-reason: length }]\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo: { provider: mock, replies: [{ say: cut, finish-reason: length }] }\n",
    );
    let (code, verdicts) = verdicts(&sandbox, &["test"]);
    assert_eq!(code, 1);
    assert_eq!(verdicts, [("one".into(), "failed".into()), ("two".into(), "new".into())]);
}

#[test]
fn faults_are_retried_and_never_recorded() {
    let sandbox = Sandbox::with_cases(CASES);
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo:\n    provider: mock\n    replies:\n      - { when: hello, say: hello, error: { status: 503, times: 1 } }\n      - { say: x, error: { status: 404, message: no such model } }\n",
    );
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert_snapshot!("faults", ended.shown());
    assert_eq!(sandbox.read("fixtures/p/recorded/echo.jsonl").lines().count(), 1);
}

#[test]
fn a_budget_leaves_the_rest_for_later() {
    let sandbox = Sandbox::with_cases(CASES);
    let (code, first) = verdicts(&sandbox, &["test", "--max-calls", "1"]);
    assert_eq!((code, first), (6, vec![("one".into(), "new".into()), ("two".into(), "skipped".into())]));
    assert_eq!(verdicts(&sandbox, &["test", "--max-calls", "1"]).0, 0, "the next run goes on");
    assert_eq!(verdicts(&sandbox, &["test", "--refresh", "--max-calls", "0"]), (6, of("skipped", &["one", "two"])));
}

#[test]
fn a_missing_key_is_named_and_leaves_the_run_incomplete() {
    let sandbox = Sandbox::with_cases(CASES);
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo: { provider: openai, model: m, base-url: 'http://127.0.0.1:9', api-key-env: NO_SUCH_KEY }\n",
    );
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 6, "{}", ended.stdout);
    assert!(ended.stdout.contains("NO_SUCH_KEY is not set"), "{}", ended.stdout);
    assert_eq!(sandbox.run_with(&["test", "--live"], &[("CI", "1")]).code, 0, "a fork has no key");
    assert_eq!(sandbox.run_with(&["test", "--live", "--require-live"], &[("CI", "1")]).code, 6);
    assert_eq!(sandbox.run(&["test", "--offline"]).code, 5, "no key is needed to replay");
}

#[test]
fn the_first_failure_can_end_the_run() {
    // So many that a slow machine sees the first failure before the last answer.
    let cases: String = (0..60).map(|n| format!("  - {{ name: c{n}, vars: {{ q: a }} }}\n")).collect();
    let sandbox = Sandbox::with_cases(&format!("defaults: {{ expect: [{{ contains: x }}] }}\ncases:\n{cases}"));
    sandbox.edit("promptctl.yaml", "provider: mock", "provider: mock\n    latency: 100ms");
    let (code, verdicts) = verdicts(&sandbox, &["test", "--fail-fast", "--jobs", "1"]);
    assert_eq!((code, verdicts[0].1.as_str()), (1, "failed"));
    assert!(verdicts.iter().skip(1).any(|(_, verdict)| verdict == "skipped"), "{verdicts:?}");
}

#[test]
fn samples_are_counted_and_their_commonest_answer_is_the_snapshot() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - name: one\n    vars: { q: hi }\n    repeat: 5\n    min-pass-rate: 0.6\n    expect: [{ contains: even }]\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo: { provider: mock, replies: [{ say: \"{{ 'even' if sample % 2 == 0 else 'odd' }}\" }] }\n",
    );
    assert_snapshot!("flaky", sandbox.run(&["test"]).shown());
    assert_eq!(sandbox.read("fixtures/p/recorded/echo.jsonl").lines().count(), 5);
    assert!(sandbox.read("snapshots/p/one@echo.snap.new").ends_with("---\neven\n"));
    assert_eq!(verdicts(&sandbox, &["test", "--offline", "--repeat", "6"]).1, of("unrecorded", &["one"]));
    sandbox.edit("fixtures/p/cases.yaml", "0.6", "0.8");
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (1, of("failed", &["one"])));
}

#[test]
fn recordings_do_not_depend_on_how_many_are_asked_at_once() {
    let cases: String = (0..60).map(|i| format!("  - {{ name: c{i}, vars: {{ q: question {i} }} }}\n")).collect();
    let record = |jobs: &str| {
        let sandbox = Sandbox::with_cases(&format!("cases:\n{cases}"));
        sandbox.edit("promptctl.yaml", "provider: mock", "provider: mock\n    latency: 1ms");
        assert_eq!(sandbox.run(&["test", "--jobs", jobs]).code, 0);
        let text = sandbox.read("fixtures/p/recorded/echo.jsonl");
        regex::Regex::new("\"latency_ms\":\\d+").expect("valid").replace_all(&text, "\"latency_ms\":0").into_owned()
    };
    assert_eq!(record("1"), record("32"));
}

#[test]
fn the_report_is_what_its_schema_says() {
    let sandbox = Sandbox::with_cases(CASES);
    sandbox.run(&["test"]);
    let text = sandbox.run(&["test", "--offline", "--report", "json"]).stdout;
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let schema: Value = serde_json::from_str(&sandbox.run(&["schema", "report"]).stdout).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(report["results"][0]["samples"][0]["source"], "recorded");
}

#[test]
fn what_failed_can_be_done_again() {
    let sandbox = Sandbox::with_cases(
        "defaults: { expect: [{ contains: x }] }\ncases:\n  - { name: a, vars: { q: a } }\n  - { name: b, vars: { q: x } }\n",
    );
    assert_eq!(sandbox.run(&["test", "--report", "json=first.json"]).code, 1);
    let again = sandbox.run(&["test", "--rerun", "failed", "--from", "first.json", "--refresh"]);
    assert!(again.stdout.contains("1 planned, 1 call needed"), "{}", again.stdout);
    assert_eq!(again.stderr, "again: p › a › echo\n");
    assert_eq!(sandbox.run(&["test", "--rerun", "errored", "--from", "first.json"]).code, 4);
    assert_eq!(sandbox.run(&["test", "--rerun", "failed"]).code, 2);
    assert_eq!(sandbox.run(&["test", "--rerun", "failed", "--from", "promptctl.yaml"]).code, 2);
}

#[test]
fn reports_go_where_they_are_sent() {
    let sandbox = Sandbox::with_cases(CASES);
    let ended = sandbox.run(&["test", "--report", "human", "--report", "json=out.json", "--report", "human=out.txt"]);
    assert!(ended.stdout.contains("2 planned"), "{}", ended.stdout);
    assert!(serde_json::from_str::<Value>(&sandbox.read("out.json")).is_ok());
    assert!(sandbox.read("out.txt").contains("2 planned"));
    let json = sandbox.run(&["test", "--offline", "--report", "json"]);
    assert!(serde_json::from_str::<Value>(&json.stdout).is_ok(), "standard output is the report alone");
    assert!(json.stderr.contains("replay only"), "and a person still sees the mode");
    assert_eq!(sandbox.run(&["test", "--report", "json", "--report", "human"]).code, 2);
}

#[test]
fn an_edit_that_renders_the_same_request_costs_no_call() {
    let sandbox = Sandbox::with_cases(CASES);
    sandbox.run(&["test", "--snapshots", "accept"]);
    sandbox.edit("promptctl.yaml", "provider: mock", "provider: mock\n    limits: { timeout: 5s, concurrency: 2 }");
    sandbox.edit(
        "prompts/p.j2",
        "{{ q }}",
        "---\nversion: 2.0.0\ndescription: the same\n---\n{# a note #}\n{{ q }}\n\n",
    );
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (0, of("passed", &["one", "two"])));
}

#[test]
fn rows_are_cases_and_their_columns_variables() {
    let sandbox = Sandbox::with_cases(
        "datasets:\n  - file: rows.csv\n    name: \"{{ id }}\"\n    tags: [\"{{ lang }}\"]\n    expect: [{ equals: \"{{ label }}\" }]\n",
    );
    sandbox.write(
        "fixtures/p/rows.csv",
        "id,lang,q,label\n1,en,yes,yes\n2,de,\"ja, klar\",\"ja, klar\"\n3,de,nein,doch\n",
    );
    let (code, found) = verdicts(&sandbox, &["test"]);
    assert_eq!(code, 1);
    let expected = [("1", "passed"), ("2", "passed"), ("3", "failed")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(found, expected);
    assert_eq!(verdicts(&sandbox, &["test", "--offline", "--tag", "de"]).1.len(), 2);
    assert!(!sandbox.exists("snapshots"), "rows keep no snapshot unless asked");
    for (file, text) in [
        ("rows.jsonl", "{\"id\": 1, \"lang\": \"en\", \"q\": \"a\", \"label\": \"a\"}\n"),
        ("rows.json", "[{\"id\": 1, \"lang\": \"en\", \"q\": \"a\", \"label\": \"a\"}]"),
        ("rows.yaml", "- { id: 1, lang: en, q: a, label: a }\n"),
    ] {
        sandbox.write(&format!("fixtures/p/{file}"), text);
        sandbox.write(
            "fixtures/p/cases.yaml",
            format!("datasets:\n  - {{ file: {file}, expect: [{{ equals: \"{{{{ label }}}}\" }}] }}\n"),
        );
        assert_eq!(verdicts(&sandbox, &["test"]), (0, of("passed", &["1"])), "{file}");
    }
}

#[test]
fn volatile_parts_are_redacted_before_comparing() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - name: one\n    vars: { q: \"at 2026-01-02 all is well\" }\n    snapshot: { redact: [{ regex: '\\d{4}-\\d\\d-\\d\\d', replace: '[date]' }] }\n",
    );
    sandbox.run(&["test", "--snapshots", "accept"]);
    assert!(sandbox.read("snapshots/p/one@echo.snap").ends_with("at [date] all is well\n"));
    sandbox.edit("fixtures/p/cases.yaml", "2026-01-02", "2027-03-04");
    assert_eq!(verdicts(&sandbox, &["test"]), (0, of("passed", &["one"])));
}

#[test]
fn json_is_compared_by_what_it_says() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - name: one\n    vars: { q: '{\"b\": 1, \"a\": [1, 2]}' }\n    snapshot: json\n",
    );
    sandbox.run(&["test", "--snapshots", "accept"]);
    sandbox.edit("fixtures/p/cases.yaml", "{\"b\": 1, \"a\": [1, 2]}", "{\"a\":[1,2],  \"b\":1.0}");
    assert_eq!(verdicts(&sandbox, &["test"]), (0, of("passed", &["one"])));
    sandbox.edit("fixtures/p/cases.yaml", "[1,2]", "[1,3]");
    assert_snapshot!("json_changed", sandbox.run(&["test"]).shown());
}

#[test]
fn imported_answers_are_recordings() {
    let sandbox = Sandbox::with_cases(CASES);
    sandbox.write("log.jsonl", "{\"case\": \"one\", \"output\": \"hello you\", \"latency_ms\": 12}\n{\"vars\": {\"q\": \"good bye\"}, \"output\": \"bye\", \"usage\": {\"input\": 3, \"output\": 1}}\n");
    assert_snapshot!("import", sandbox.run(&["import", "log.jsonl", "--prompt", "p", "--model", "echo"]).shown());
    assert_eq!(verdicts(&sandbox, &["test", "--offline"]), (0, of("new", &["one", "two"])));
    let before = sandbox.files();
    sandbox.write(
        "bad.jsonl",
        "{\"case\": \"one\", \"output\": \"x\"}\n{\"case\": \"thre\", \"output\": \"x\"}\n{\"output\": \"x\"}\n",
    );
    let bad = sandbox.run(&["import", "bad.jsonl", "--prompt", "p", "--model", "echo"]);
    assert_snapshot!("import_bad", bad.shown());
    std::fs::remove_file(sandbox.path("bad.jsonl")).expect("removed");
    std::fs::remove_file(sandbox.path("log.jsonl")).ok();
    let after: Vec<_> = sandbox.files();
    let unchanged = before.iter().filter(|(path, _)| path != "log.jsonl").cloned().collect::<Vec<_>>();
    assert_eq!(after, unchanged, "nothing is half imported");
}

#[test]
fn what_no_case_uses_is_shown_and_deleted_on_demand() {
    let sandbox = Sandbox::with_cases(CASES);
    sandbox.run(&["test", "--snapshots", "accept"]);
    assert!(sandbox.run(&["prune"]).stdout.contains("nothing to prune"));
    sandbox.write("fixtures/p/cases.yaml", CASES.split("  - name: two").next().unwrap_or_default());
    assert_snapshot!("prune", sandbox.run(&["prune"]).shown());
    assert_eq!(sandbox.read("fixtures/p/recorded/echo.jsonl").lines().count(), 2, "shown only");
    assert_eq!(sandbox.run(&["prune", "--delete"]).code, 0);
    assert_eq!(sandbox.read("fixtures/p/recorded/echo.jsonl").lines().count(), 1);
    assert!(!sandbox.exists("snapshots/p/two@echo.snap") && sandbox.exists("snapshots/p/one@echo.snap"));
}
