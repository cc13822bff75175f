//! What decides a run and what does not: samples that disagree, cases in quarantine, answers that are old.

use serde_json::Value;

use crate::sandbox::{Ended, Sandbox, says};

/// Every second sample is wrong.
const FLAKY: &str = "models:\n  it:\n    provider: mock\n    replies: [{ say: \"{% if sample % 2 == 1 %}wrong{% else %}right{% endif %}\" }]\n";

#[test]
fn samples_that_disagree_pass_or_fail_as_the_run_says() {
    let case = "cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: right }], snapshot: none, repeat: 4, min-pass-rate: RATE }\n";
    let flaky = "flaky: 2 of 4 samples passed";
    let sandbox = Sandbox::with_cases(&case.replace("RATE", "0.5"));
    sandbox.write("promptctl.yaml", FLAKY);
    says(&sandbox.run(&["test"]), 0, &["1 passed", flaky, "1 flaky", "sample 1:", "expected an answer containing"]);
    says(&sandbox.run(&["test", "--flaky-result", "fail"]), 1, &["1 failed", flaky, "sample 1:"]);
    says(
        &sandbox.run(&["test"]),
        0,
        &["2 of 4 samples passed [15 %, 85 %], undecided", "1 undecided by their samples"],
    );
    sandbox.edit("fixtures/p/cases.yaml", "0.5", "1");
    assert!(!sandbox.run(&["test"]).stdout.contains("undecided"), "where all must pass, one failure decides");
    says(&sandbox.run(&["test"]), 1, &["1 failed"]);
    says(&sandbox.run(&["test", "--flaky-result", "pass"]), 0, &["1 passed", flaky, "1 flaky", "sample 1:"]);
    // What never passes is not flaky.
    sandbox.edit("fixtures/p/cases.yaml", "contains: right", "contains: neither");
    says(&sandbox.run(&["test", "--flaky-result", "pass"]), 1, &["1 failed"]);
    assert_eq!(sandbox.run(&["test", "--flaky-result", "maybe"]).code, 2);
    assert_eq!(sandbox.run(&["test", "--flaky-result", "pass", "--confirm", "3"]).code, 2);
}

/// One case that fails, in quarantine up to a day; the clock stands at 2026-01-01.
fn quarantined(until: &str) -> Sandbox {
    Sandbox::with_cases(&format!(
        "cases:\n  - {{ name: one, vars: {{ q: hi }}, expect: [{{ contains: ho }}], snapshot: none, quarantine: {{ until: {until}, reason: the vendor knows }} }}\n  - {{ name: two, vars: {{ q: ho }}, expect: [{{ contains: ho }}], snapshot: none }}\n"
    ))
}

#[test]
fn a_case_in_quarantine_is_shown_and_decides_nothing() {
    let sandbox = quarantined("2026-01-01");
    let ended = sandbox.run(&["test"]);
    says(
        &ended,
        0,
        &["FAILED", "(in quarantine until 2026-01-01: the vendor knows)", "1 passed + 1 failed", "1 in quarantine"],
    );
    let json: Value = serde_json::from_str(&sandbox.run(&["test", "--report", "json"]).stdout).expect("JSON");
    assert_eq!((&json["exit_code"], &json["summary"]["quarantined"]), (&0.into(), &1.into()));
    assert_eq!(
        json["results"][0]["quarantine"],
        serde_json::json!({"until": "2026-01-01", "reason": "the vendor knows"})
    );
    assert_eq!(json["results"][1].get("quarantine"), None);
    let history: Value = serde_json::from_str(&sandbox.run(&["history", "--json"]).stdout).expect("JSON");
    assert_eq!(history["runs"][0]["summary"]["quarantined"], 1);
    // Nor does it where nothing is recorded, or where the first failure ends a run.
    std::fs::remove_dir_all(sandbox.path("fixtures/p/recorded")).expect("removed");
    says(&sandbox.run(&["test", "--offline", "--case", "one"]), 0, &["1 unrecorded"]);
    says(&sandbox.run(&["test", "--fail-fast"]), 0, &["1 passed + 1 failed"]);
    // Others decide as ever.
    sandbox.edit("fixtures/p/cases.yaml", "q: ho", "q: hu");
    says(&sandbox.run(&["test"]), 1, &["2 failed", "1 in quarantine"]);
}

#[test]
fn a_quarantine_that_is_over_is_said_and_the_case_counts() {
    let sandbox = quarantined("2025-12-31");
    says(
        &sandbox.run(&["test"]),
        1,
        &[
            "warning: the quarantine of the case `one` ended on 2025-12-31 (the vendor knows)",
            "cases.yaml:2",
            "1 failed",
        ],
    );
    assert!(!sandbox.run(&["test"]).stdout.contains("quarantine"));
    for (wrong, said) in [
        ("{ until: someday }", "write a day such as 2026-12-31"),
        ("{ until: 2026-02-30 }", "write a day such as 2026-12-31"),
        ("{ reason: why }", "a quarantine needs an end"),
        ("{ til: 2026-12-31 }", "unknown key `til`"),
    ] {
        let sandbox = Sandbox::with_cases(&format!(
            "defaults: {{ quarantine: {wrong} }}\ncases:\n  - {{ name: one, vars: {{ q: hi }} }}\n"
        ));
        says(&sandbox.run(&["test"]), 2, &[said]);
    }
}

#[test]
fn a_quarantine_of_the_defaults_or_of_a_data_set_is_that_of_each_case() {
    let sandbox = Sandbox::with_cases(
        "defaults: { quarantine: { until: 2026-06-30 } }\ndatasets:\n  - { file: rows.csv, expect: [{ contains: ho }] }\n  - { file: more.csv, expect: [{ contains: ho }], quarantine: { until: 2025-06-30 } }\n",
    );
    sandbox.write("fixtures/p/rows.csv", "id,q\na,hi\nb,hi\n");
    sandbox.write("fixtures/p/more.csv", "id,q\nc,ho\nd,ho\n");
    says(&sandbox.run(&["test"]), 0, &["2 in quarantine", "the quarantine of 2 cases ended on 2025-06-30"]);
}

/// The seconds of 2026-06-01, five months after the answers were recorded.
const LATER: (&str, &str) = ("SOURCE_DATE_EPOCH", "1780272000");

#[test]
fn old_recordings_are_told_to_a_person_and_hold_up_a_build_only_where_the_project_says_so() {
    let case = "  - { name: NAME, vars: { q: hi }, expect: [{ contains: hi }], snapshot: none }\n";
    let sandbox =
        Sandbox::with_cases(&format!("cases:\n{}{}", case.replace("NAME", "one"), case.replace("NAME", "two")));
    says(&sandbox.run(&["test"]), 0, &["2 passed"]);
    let note = "2 of 2 recorded answers of `echo` are older than 90 days, the oldest of 2026-01-01";
    says(&sandbox.run_with(&["test"], &[LATER]), 0, &[note, "--refresh --model echo"]);
    let quiet = |ended: &Ended| assert!(ended.code == 0 && !ended.stdout.contains("older than"), "{}", ended.shown());
    quiet(&sandbox.run(&["test"]));
    quiet(&sandbox.run_with(&["test"], &[LATER, ("CI", "true")]));
    let config = sandbox.read("promptctl.yaml");
    sandbox.write("promptctl.yaml", format!("{config}recordings: {{ max-age: 30d }}\n"));
    says(&sandbox.run_with(&["test"], &[LATER]), 0, &["are older than 30 days"]);
    says(&sandbox.run_with(&["test"], &[LATER, ("CI", "true")]), 5, &["are older than 30 days", "2 passed"]);
    quiet(&sandbox.run_with(&["test"], &[("CI", "true")]));
    sandbox.edit("promptctl.yaml", "30d", "off");
    quiet(&sandbox.run_with(&["test"], &[LATER]));
    for wrong in ["0d", "soon", "30", "-1d", "1.5d"] {
        sandbox.write("promptctl.yaml", format!("{config}recordings: {{ max-age: {wrong} }}\n"));
        says(&sandbox.run(&["test"]), 2, &["write days, such as 90d, or `off`"]);
    }
}

#[test]
fn a_report_of_nothing_is_a_report() {
    let sandbox =
        Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: hi }], snapshot: none }\n");
    sandbox.git(&["init"]);
    assert_eq!(sandbox.run(&["test"]).code, 0);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "base"]);
    sandbox.write("report.json", "an older one");
    let ended = sandbox.run(&["test", "--changed", "--report", "json=report.json"]);
    assert!(ended.code == 0 && ended.stderr.contains("no prompt changed"), "{}", ended.shown());
    let report: serde_json::Value = serde_json::from_str(&sandbox.read("report.json")).expect("JSON");
    assert_eq!((&report["summary"]["planned"], &report["exit_code"]), (&0.into(), &0.into()), "{report}");
}
