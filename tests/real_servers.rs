//! Against servers that nobody here wrote. `scripts/real-servers` starts them and runs these tests.

#![allow(unreachable_pub, reason = "modules of one test binary")]

#[path = "cli/sandbox.rs"]
#[allow(dead_code, reason = "these tests need a part of it")]
mod sandbox;

use std::fmt::Write as _;

use sandbox::Sandbox;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run scripts/real-servers"))
}

const TICKETS: [(&str, &str, bool); 4] = [
    ("hello I was charged twice, this is blocking us", "billing", true),
    ("the page will not load, we are losing money", "technical", true),
    ("where is my parcel", "shipping", false),
    ("reset my password", "account", false),
];

/// A project that sorts tickets with both versions of the tiny model.
fn project(params: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let mut config = String::from("models:\n");
    for version in 1..=2 {
        let url = variable(&format!("PROMPTCTL_REAL_V{version}"));
        writeln!(config, "  v{version}:\n    provider: openai\n    model: triage-v{version}\n    base-url: {url}\n    api-key-env: REAL_KEY\n    params: {params}\n    limits: {{ retries: 1 }}").expect("written");
    }
    sandbox.write("promptctl.yaml", config + "defaults: { models: [v1] }\n");
    sandbox.write("prompts/triage.j2", "---\noutput: { schema: { type: object, properties: { queue: { enum: [billing, technical, account, shipping] }, urgent: { type: boolean } }, required: [queue, urgent], additionalProperties: false } }\n---\n{{ role('system') }}\nYou triage support tickets. Reply in JSON with queue and urgent.\n{{ role('user') }}\n{{ ticket }}\n");
    let cases: String = TICKETS
        .iter()
        .map(|(ticket, queue, urgent)| format!("  - {{ name: {queue}, vars: {{ ticket: \"{ticket}\" }}, expect: [{{ equals: {{ queue: {queue}, urgent: {urgent} }} }}] }}\n"))
        .collect();
    sandbox.write("fixtures/triage/cases.yaml", format!("cases:\n{cases}"));
    sandbox
}

fn with_key(sandbox: &Sandbox, args: &[&str]) -> sandbox::Ended {
    sandbox.run_with(args, &[("REAL_KEY", &variable("PROMPTCTL_REAL_KEY"))])
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_run_is_recorded_and_replayed_and_the_second_version_has_drifted() {
    let sandbox = project("{ temperature: 0, max_tokens: 60 }");
    let live = with_key(&sandbox, &["test", "--snapshots", "accept"]);
    assert_eq!(live.code, 0, "{}{}", live.stdout, live.stderr);
    assert!(live.stdout.contains("4 calls"), "{}", live.stdout);
    let offline = sandbox.run(&["test", "--offline"]);
    assert!(offline.code == 0 && offline.stdout.contains("4 passed"), "{}", offline.stdout);
    assert!(
        sandbox.read("fixtures/triage/recorded/v1.jsonl").contains("\"model\":\"triage-v1\""),
        "the served model is kept"
    );
    let again = with_key(&sandbox, &["test", "--refresh"]);
    assert!(again.code == 0 && again.stdout.contains("4 passed"), "the same at temperature 0: {}", again.stdout);
    let drifted = with_key(&sandbox, &["test", "--model", "v2"]);
    assert_eq!(drifted.code, 1, "{}", drifted.stdout);
    assert!(drifted.stdout.contains("2 failed"), "{}", drifted.stdout);
    for (path, bytes) in sandbox.files() {
        assert!(!String::from_utf8_lossy(&bytes).contains(&variable("PROMPTCTL_REAL_KEY")), "the key is in {path}");
    }
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_wrong_key_is_an_error_and_is_recorded_nowhere() {
    let sandbox = project("{ temperature: 0 }");
    let wrong = sandbox.run_with(&["test"], &[("REAL_KEY", "a-wrong-key-of-nobody")]);
    assert_eq!(wrong.code, 3, "{}", wrong.stdout);
    assert!(wrong.stdout.contains("4 errored") && wrong.stdout.contains("401"), "{}", wrong.stdout);
    assert!(!wrong.stdout.contains("a-wrong-key-of-nobody"));
    assert!(!sandbox.exists("fixtures/triage/recorded/v1.jsonl"));
    assert_eq!(sandbox.run(&["test"]).code, 6, "without any key the run is incomplete");
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn an_answer_that_is_cut_fails_for_that_reason() {
    let sandbox = project("{ temperature: 0, max_tokens: 5 }");
    let cut = with_key(&sandbox, &["test"]);
    assert_eq!(cut.code, 1, "{}", cut.stdout);
    assert!(cut.stdout.contains("cut off at the limit on tokens"), "{}", cut.stdout);
    assert!(
        sandbox.read("fixtures/triage/recorded/v1.jsonl").contains("\"finish_reason\":\"length\""),
        "a cut answer is an answer"
    );
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn a_schema_shapes_the_answer() {
    let sandbox = project("{ temperature: 0, max_tokens: 60 }");
    sandbox.edit("prompts/triage.j2", "properties: { queue:", "properties: { reason: { const: because }, queue:");
    sandbox.edit("prompts/triage.j2", "required: [queue", "required: [reason, queue");
    with_key(&sandbox, &["test"]);
    let recorded = sandbox.read("fixtures/triage/recorded/v1.jsonl");
    assert!(recorded.lines().count() == 4 && recorded.lines().all(|line| line.contains("because")), "{recorded}");
}

#[test]
#[ignore = "needs the servers of scripts/real-servers"]
fn more_at_once_gives_the_same_answers() {
    let texts: Vec<String> = ["1", "2"]
        .iter()
        .map(|jobs| {
            let sandbox = project("{ temperature: 0, max_tokens: 60 }");
            with_key(&sandbox, &["test", "--jobs", jobs]);
            let text = sandbox.read("fixtures/triage/recorded/v1.jsonl");
            // How long an answer took, and what the server found in its cache, is not the answer.
            let volatile = regex::Regex::new("\"(latency_ms|cached_input)\":\\d+").expect("valid");
            volatile.replace_all(&text, "").into_owned()
        })
        .collect();
    assert_eq!(texts[0], texts[1]);
}
