//! A run that is killed at any moment loses no answer that arrived, and asks for none of them again.

use std::collections::{HashMap, HashSet};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::sandbox::Sandbox;
use crate::server::Server;

const CASES: usize = 300;

fn project(url: &str) -> Sandbox {
    let cases: String =
        (0..CASES).map(|i| format!("  - {{ name: case {i}, vars: {{ q: question number {i} }} }}\n")).collect();
    let sandbox = Sandbox::with_cases(&format!(
        "defaults: {{ snapshot: none, expect: [{{ contains: answer }}] }}\ncases:\n{cases}"
    ));
    sandbox.write("promptctl.yaml", format!("models:\n  echo:\n    provider: openai\n    base-url: {url}\n"));
    sandbox
}

/// Every answer that is recorded now, in the sorted file or in a journal, by what was asked.
fn recorded(sandbox: &Sandbox) -> HashSet<String> {
    let mut found = HashSet::new();
    for (path, bytes) in sandbox.files().into_iter().filter(|(path, _)| path.contains(".jsonl")) {
        for line in String::from_utf8(bytes).expect("UTF-8").lines() {
            match serde_json::from_str::<serde_json::Value>(line) {
                Ok(value) => {
                    let line = value.get("line").unwrap_or(&value);
                    found.insert(line["request"]["messages"][0]["content"].as_str().expect("a question").to_owned());
                }
                Err(error) => assert!(path.starts_with(".promptctl/"), "{path} is damaged: {error}"),
            }
        }
    }
    found
}

#[test]
fn twenty_kills_lose_no_answer() {
    let asked: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let counted = Arc::clone(&asked);
    let server = Server::slow(Duration::from_millis(50), move |_, body| {
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let question = body["messages"][0]["content"].as_str().expect("a question").to_owned();
        *counted.lock().expect("whole").entry(question.clone()).or_default() += 1;
        (200, Server::completion(&format!("answer to {question}")))
    });
    let sandbox = project(&server.url());
    let mut arrived: HashSet<String> = HashSet::new();
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    for kill in 0..20 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let before = recorded(&sandbox);
        assert!(arrived.is_subset(&before), "kill {kill}: an answer was lost");
        asked.lock().expect("whole").clear();
        let mut child = sandbox
            .command(&["test", "--jobs", "4"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(Duration::from_millis(40 + (seed >> 33) % 220));
        child.kill().expect("killed");
        child.wait().expect("ended");
        arrived = recorded(&sandbox);
        let again: Vec<String> = asked.lock().expect("whole").keys().filter(|q| before.contains(*q)).cloned().collect();
        assert_eq!(again, Vec::<String>::new(), "kill {kill}: asked again although it was recorded");
        assert_eq!(sandbox.run(&["list"]).code, 0);
    }
    assert!(!arrived.is_empty(), "the kills came too early to show anything");
    let before = arrived.len();
    asked.lock().expect("whole").clear();
    let last = sandbox.run(&["test", "--jobs", "32"]);
    assert_eq!(last.code, 0, "{}{}", last.stdout, last.stderr);
    assert_eq!(asked.lock().expect("whole").len(), CASES - before, "only what was missing is asked");
    assert_eq!(sandbox.read("fixtures/p/recorded/echo.jsonl").lines().count(), CASES);
    let offline = sandbox.run(&["test", "--offline"]);
    assert!(offline.stdout.contains("300 passed"), "{}", offline.stdout);
}

#[test]
fn many_are_really_in_flight() {
    let server = Server::slow(Duration::from_millis(150), |_, _| (200, Server::completion("answer")));
    let sandbox = project(&server.url());
    assert_eq!(sandbox.run(&["test", "--jobs", "64"]).code, 0);
    assert_eq!(server.most_at_once(), 64);
}

#[test]
fn two_runs_at_once_both_finish() {
    let server = Server::slow(Duration::from_millis(5), |_, _| (200, Server::completion("answer")));
    let sandbox = project(&server.url());
    let start = || sandbox.command(&["test", "--jobs", "8"]).stdout(Stdio::null()).spawn().expect("started");
    let (mut one, mut two) = (start(), start());
    assert!(one.wait().expect("ended").success() && two.wait().expect("ended").success());
    assert_eq!(sandbox.read("fixtures/p/recorded/echo.jsonl").lines().count(), CASES);
    assert_eq!(std::fs::read_dir(sandbox.path(".promptctl/journal")).expect("there").count(), 0);
}

#[cfg(unix)]
#[test]
fn an_interruption_keeps_what_arrived() {
    let server = Server::slow(Duration::from_millis(100), |_, _| (200, Server::completion("answer")));
    let sandbox = project(&server.url());
    let child = sandbox
        .command(&["test", "--jobs", "4"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    std::thread::sleep(Duration::from_millis(700));
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("sent");
    assert!(status.success());
    let output = child.wait_with_output().expect("ended");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("300 planned") && stdout.contains("skipped"), "{stdout}");
    let lines = sandbox.read("fixtures/p/recorded/echo.jsonl").lines().count();
    assert_eq!(lines, server.requests().len(), "everything that was asked is recorded");
    let history = sandbox.run(&["history"]).stdout;
    assert!(history.contains("skipped, interrupted"), "{history}");
}

#[test]
fn a_second_interruption_leaves_at_once_and_loses_nothing_that_arrived() {
    let server = Server::answering(|number, _| {
        if number >= 8 {
            std::thread::sleep(Duration::from_secs(30));
        }
        (200, Server::completion("answer"))
    });
    let sandbox = project(&server.url());
    let mut child =
        sandbox.command(&["test", "--jobs", "2"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    while server.requests().len() < 10 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupt = || {
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("sent");
    };
    let begun = std::time::Instant::now();
    interrupt();
    std::thread::sleep(Duration::from_millis(300));
    interrupt();
    let status = child.wait().expect("ended");
    assert_eq!(status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let ended = sandbox.run(&["test", "--max-calls", "0"]);
    assert!(ended.stdout.contains("8 answers of a run that was killed were recovered"), "{}", ended.stdout);
    assert_eq!(sandbox.read("fixtures/p/recorded/echo.jsonl").lines().count(), 8);
}

#[test]
fn an_answer_that_was_not_judged_any_more_was_asked_for_all_the_same() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: one, vars: { q: hello }, snapshot: none, expect: [{ contains: hi }, { llm-rubric: polite }] }\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  bot: { provider: mock, replies: [{ say: hi there }] }\n  slow: { provider: mock, replies: [{ say: '{}', latency: 60s }] }\ndefaults: { models: [bot] }\njudge: { model: slow }\n",
    );
    let child = sandbox.command(&["test"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    while recorded(&sandbox).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let stopped = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(stopped.expect("kill").success());
    let ended = child.wait_with_output().expect("ended");
    let text = String::from_utf8(ended.stdout).expect("UTF-8");
    assert_eq!(ended.status.code(), Some(130), "{text}");
    assert!(text.contains("interrupted before it was judged"), "{text}");
    assert!(text.contains("1 call, 0 replayed"), "{text}");
}
