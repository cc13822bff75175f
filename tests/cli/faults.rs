//! Servers that fail: what is tried again, what is not, and what a person is told.

use std::time::{Duration, Instant};

use crate::sandbox::{Ended, Sandbox};
use crate::server::Server;

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";

fn good() -> String {
    Server::completion("fine")
}

fn raw(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Runs one case against a server and gives how it ended and how often it was asked.
fn ask(server: &Server, limits: &str) -> (Ended, usize, Sandbox) {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [{ contains: fine }] }\n");
    let config =
        format!("models:\n  echo:\n    provider: openai\n    base-url: {}\n    limits: {limits}\n", server.url());
    sandbox.write("promptctl.yaml", config);
    let ended = sandbox.run(&["test"]);
    (ended, server.requests().len(), sandbox)
}

#[test]
fn what_may_pass_is_tried_again() {
    let faults: [(&str, String); 6] = [
        ("500", raw("500 X", "oops")),
        ("503", raw("503 X", "{\"error\": {\"message\": \"busy\", \"code\": 503}}")),
        ("429 without a time", raw("429 X", "{}")),
        ("a body that is cut", format!("{GOOD}5000\r\n\r\n{{\"choices\"")),
        ("a connection that is closed", "HTTP/1.1".to_owned()),
        ("408", raw("408 X", "")),
    ];
    for (name, fault) in faults {
        let server = Server::answering(move |number, _| (200, if number == 0 { fault.clone() } else { good() }));
        let (ended, asked, sandbox) = ask(&server, "{ retries: 2 }");
        assert_eq!((ended.code, asked), (0, 2), "{name}: {}", ended.stdout);
        assert!(ended.stdout.contains("1 retry"), "{name}: {}", ended.stdout);
        assert!(sandbox.read("fixtures/p/recorded/echo.jsonl").contains("\"attempts\":2"), "{name}");
    }
}

#[test]
fn what_cannot_pass_is_asked_once_and_explained() {
    let faults: [(&str, String, &str); 8] = [
        ("400", raw("400 X", "{\"error\": {\"message\": \"bad\", \"param\": \"temperature\"}}"), "`temperature`"),
        ("401", raw("401 X", "{\"error\": \"no key\"}"), "api-key-env"),
        ("403", raw("403 X", "no"), "api-key-env"),
        ("404", raw("404 X", "no such model"), "base-url"),
        (
            "no credit",
            raw("429 X", "{\"error\": {\"message\": \"quota\", \"code\": \"insufficient_quota\"}}"),
            "no credit",
        ),
        ("html", raw("200 OK", "<html>proxy</html>"), "not what the protocol promises"),
        ("a redirect", raw("302 X\r\nlocation: http://example.org/", ""), "redirects are not followed"),
        ("an hour's wait", raw("429 X\r\nretry-after: 3600", "{}"), "asks to wait 3600 s"),
    ];
    for (name, fault, said) in faults {
        let server = Server::answering(move |_, _| (200, fault.clone()));
        let (ended, asked, sandbox) = ask(&server, "{ retries: 3 }");
        assert_eq!((ended.code, asked), (3, 1), "{name}: {}", ended.stdout);
        assert!(ended.stdout.contains(said), "{name}: {}", ended.stdout);
        assert!(!sandbox.exists("fixtures/p/recorded"), "{name}: a fault was recorded");
    }
}

#[test]
fn a_server_is_left_alone_as_long_as_it_asks() {
    let server =
        Server::answering(|number, _| (200, if number == 0 { raw("429 X\r\nretry-after: 1", "{}") } else { good() }));
    let begun = Instant::now();
    let (ended, asked, _) = ask(&server, "{ retries: 2 }");
    assert_eq!((ended.code, asked), (0, 2), "{}", ended.stdout);
    assert!(begun.elapsed() >= Duration::from_secs(1), "it was asked again too early");
}

#[test]
fn a_server_that_never_answers_does_not_hold_up_the_run() {
    let server = Server::slow(Duration::from_secs(30), |_, _| (200, good()));
    let begun = Instant::now();
    let (ended, asked, _) = ask(&server, "{ timeout: 300ms, retries: 1 }");
    assert_eq!((ended.code, asked), (3, 2), "{}", ended.stdout);
    assert!(ended.stdout.contains("no answer within 0.3 s (tried 2 times)"), "{}", ended.stdout);
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_server_that_fails_every_third_request_changes_nothing() {
    let cases: String = (0..60)
        .map(|i| format!("  - {{ name: c{i}, vars: {{ q: q{i} }}, expect: [{{ contains: fine }}] }}\n"))
        .collect();
    let record = |fails: bool, jobs: &str| {
        let server = Server::answering(move |number, _| (if fails && number % 3 == 2 { 503 } else { 200 }, good()));
        let sandbox = Sandbox::with_cases(&format!("defaults: {{ snapshot: none }}\ncases:\n{cases}"));
        let config = format!(
            "models:\n  echo: {{ provider: openai, base-url: '{}', limits: {{ retries: 6 }} }}\n",
            server.url()
        );
        sandbox.write("promptctl.yaml", config);
        let ended = sandbox.run(&["test", "--jobs", jobs]);
        assert!(ended.code == 0 && ended.stdout.contains("60 passed"), "{}", ended.stdout);
        let volatile = regex::Regex::new(",\"(latency_ms|attempts)\":\\d+").expect("valid");
        volatile.replace_all(&sandbox.read("fixtures/p/recorded/echo.jsonl"), "").into_owned()
    };
    assert_eq!(record(false, "1"), record(true, "16"));
}

#[test]
fn a_server_that_answers_with_another_model_is_noted() {
    let server = Server::answering(|_, _| (200, good()));
    let (ended, _, _) = ask(&server, "{ retries: 0 }");
    assert!(ended.stdout.contains("was asked for `echo` and says that `served` answered"), "{}", ended.stdout);
}
