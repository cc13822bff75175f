//! `promptctl comment`: one comment of a pull request, on a server that speaks as GitHub does.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::sandbox::{Ended, Sandbox, says};
use crate::server::{Server, json_reply};

const TOKEN: &str = "ghs_0123456789abcdefABCDEF0123456789abcd";

/// A server with comments, and the identity that `GET /user` and the other form of the API tell.
struct Hub {
    server: Server,
    comments: Arc<Mutex<Vec<Value>>>,
}

/// Who a token belongs to.
#[derive(Clone, Copy)]
enum Token {
    /// A person.
    Person,
    /// A workflow: `GET /user` is refused.
    Workflow,
}

fn comment(id: u64, login: &str, kind: &str, body: &str) -> Value {
    json!({"id": id, "user": {"login": login, "type": kind}, "body": body})
}

impl Hub {
    fn new(token: Token, comments: Vec<Value>) -> Self {
        let comments = Arc::new(Mutex::new(comments));
        let kept = Arc::clone(&comments);
        let server = Server::routed(move |line, body| {
            let mut comments = kept.lock().expect("whole");
            let (method, path) = line.split_once(' ').expect("a request line");
            let body = || serde_json::from_str::<Value>(body).expect("JSON")["body"].clone();
            let own = match token {
                Token::Person => json!({"login": "person", "type": "User"}),
                Token::Workflow => json!({"login": "github-actions[bot]", "type": "Bot"}),
            };
            let answer = |status: u16, value: &Value| json_reply(status, &value.to_string());
            match (method, path.split('?').next().expect("a path")) {
                ("GET", "/user") => match token {
                    Token::Person => answer(200, &own),
                    Token::Workflow => answer(403, &json!({"message": "Resource not accessible by integration"})),
                },
                ("POST", "/graphql") => answer(200, &json!({"data": {"viewer": {"login": own["login"]}}})),
                ("GET", "/repos/o/r/issues/7/comments") => {
                    let page = path.split("&page=").nth(1).and_then(|page| page.parse::<usize>().ok()).unwrap_or(1);
                    let list: Vec<Value> = comments.iter().skip((page - 1) * 100).take(100).cloned().collect();
                    answer(200, &Value::Array(list))
                }
                ("POST", "/repos/o/r/issues/7/comments") => {
                    let made = json!({"id": 900 + comments.len(), "user": own, "body": body()});
                    comments.push(made.clone());
                    answer(201, &made)
                }
                ("PATCH", path) => {
                    let id = path.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
                    let found = comments.iter_mut().find(|comment| comment["id"].as_u64() == id).expect("known");
                    found["body"] = body();
                    answer(200, found)
                }
                ("GET", "/repos/o/r/pulls") => {
                    let pull = |number: u64, sha: &str| json!({"number": number, "head": {"sha": sha}});
                    assert!(path.contains("head=stranger%3Atheir-branch") && path.contains("state=open"), "{path}");
                    answer(200, &json!([pull(6, "1111111"), pull(7, "2222222222")]))
                }
                _ => answer(404, &json!({"message": "Not Found"})),
            }
        });
        Self { server, comments }
    }

    fn bodies(&self) -> Vec<String> {
        let text = |comment: &Value| comment["body"].as_str().expect("text").to_owned();
        self.comments.lock().expect("whole").iter().map(text).collect()
    }

    /// Method and path of every request so far.
    fn asked(&self) -> Vec<String> {
        let line = |request: &String| request.lines().next().expect("a line").trim_end_matches(" HTTP/1.1").to_owned();
        self.server.requests().iter().map(line).collect()
    }
}

/// A project with a saved run and its event.
fn saved() -> Sandbox {
    let sandbox =
        Sandbox::with_cases("cases:\n  - { name: one, vars: { q: x }, snapshot: none, expect: [{ contains: yes }] }\n");
    assert_eq!(sandbox.run(&["test", "--report", "json=run.json"]).code, 1);
    sandbox.write("event.json", r#"{"pull_request": {"number": 7, "head": {"sha": "abcdef0123456789"}}}"#);
    sandbox
}

fn run(sandbox: &Sandbox, hub: &Server, args: &[&str]) -> Ended {
    let event = sandbox.path("event.json");
    let variables = [
        ("GITHUB_TOKEN", TOKEN),
        ("GITHUB_API_URL", &hub.origin()),
        ("GITHUB_REPOSITORY", "o/r"),
        ("GITHUB_EVENT_PATH", event.to_str().expect("UTF-8")),
    ];
    let ended = sandbox.run_with(&[&["comment"], args].concat(), &variables);
    assert!(!ended.shown().contains(TOKEN), "{}", ended.shown());
    ended
}

#[test]
fn one_comment_is_written_changed_and_left_alone() {
    for token in [Token::Person, Token::Workflow] {
        let sandbox = saved();
        let hub = Hub::new(token, vec![comment(1, "reviewer", "User", "looks fine")]);
        says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["the comment `report` of o/r#7 was written"]);
        let bodies = hub.bodies();
        assert!(bodies[1].starts_with("<!-- promptctl:report -->\n### ❌ 1 failed of 1\n"), "{}", bodies[1]);
        assert!(bodies[1].ends_with("\n<sub>commit `abcdef0123456789`</sub>\n"), "{}", bodies[1]);
        let before = hub.asked().len();
        says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["is as it should be"]);
        assert!(hub.asked()[before..].iter().all(|line| !line.starts_with("PATCH") && !line.contains("comments\n")));
        sandbox.edit("fixtures/p/cases.yaml", "yes", "x");
        assert_eq!(sandbox.run(&["test", "--report", "json=run.json"]).code, 0);
        says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["was changed"]);
        assert!(hub.bodies()[1].contains("✅ all 1 passed"), "{}", hub.bodies()[1]);
        says(&run(&sandbox, &hub.server, &["run.json", "--name", "other"]), 0, &["`other` of o/r#7 was written"]);
        assert_eq!(hub.bodies().len(), 3, "one of each name");
    }
}

#[test]
fn a_stranger_with_the_marker_is_neither_changed_nor_taken_for_us() {
    let marked = "<!-- promptctl:report -->\nall is well";
    for (token, login, kind) in [
        (Token::Workflow, "stranger", "User"),
        (Token::Workflow, "github-actions", "User"),
        (Token::Workflow, "github-actions[bot]", "User"),
        (Token::Workflow, "evil[bot]", "Bot"),
        (Token::Person, "stranger", "User"),
        (Token::Person, "person", "Bot"),
    ] {
        let sandbox = saved();
        let hub = Hub::new(token, vec![comment(1, login, kind, marked)]);
        says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["was written"]);
        assert_eq!(hub.bodies()[0], marked, "{login}");
        assert_eq!(hub.bodies().len(), 2, "{login}");
        says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["is as it should be"]);
    }
    // A marker that is quoted further below is no marker.
    let sandbox = saved();
    let hub = Hub::new(Token::Person, vec![comment(1, "person", "User", "see\n<!-- promptctl:report -->")]);
    says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["was written"]);
    // Who it is can be said.
    let hub = Hub::new(Token::Workflow, vec![comment(1, "our-app[bot]", "Bot", marked)]);
    says(&run(&sandbox, &hub.server, &["run.json", "--author", "our-app[bot]"]), 0, &["was changed"]);
    assert!(!hub.asked().iter().any(|line| line.contains("/user") || line.contains("/graphql")));
}

#[test]
fn a_comment_is_found_on_a_later_page() {
    let sandbox = saved();
    let mut comments: Vec<Value> = (0..250).map(|n| comment(n, "reviewer", "User", "hm")).collect();
    comments[205] = comment(205, "person", "User", "<!-- promptctl:report -->\r\nold");
    let hub = Hub::new(Token::Person, comments);
    says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["was changed"]);
    assert!(hub.asked().contains(&"PATCH /repos/o/r/issues/comments/205".to_owned()), "{:?}", hub.asked());
    assert!(hub.bodies()[205].contains("❌ 1 failed of 1"));
}

#[test]
fn which_pull_request_it_is_comes_from_the_event_and_never_from_a_report() {
    let sandbox = saved();
    let hub = Hub::new(Token::Workflow, Vec::new());
    let event = |sha: &str| {
        let head = json!({"login": "stranger"});
        json!({"workflow_run": {"head_branch": "their-branch", "head_sha": sha, "head_repository": {"owner": head}, "pull_requests": [{"number": 1}]}, "number": 3}).to_string()
    };
    sandbox.write("event.json", event("2222222222"));
    let report = sandbox.read("run.json").replacen('{', "{\"pull_request\": {\"number\": 1}, \"number\": 1,", 1);
    sandbox.write("run.json", report);
    says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["o/r#7 was written"]);
    assert!(hub.bodies()[0].contains("<sub>commit `2222222222`</sub>"));
    sandbox.write("event.json", event("3333333333"));
    says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["nothing is written"]);
    sandbox.write("event.json", r#"{"issue": {"number": 7, "pull_request": {}}}"#);
    says(&run(&sandbox, &hub.server, &["run.json"]), 0, &["o/r#7 was changed"]);
    for event in [r#"{"issue": {"number": 7}}"#, "{}", "[", r#"{"pull_request": {"number": "7/../8"}}"#] {
        sandbox.write("event.json", event);
        says(&run(&sandbox, &hub.server, &["run.json"]), 2, &["say --pull NUMBER"]);
        says(&run(&sandbox, &hub.server, &["run.json", "--pull", "7"]), 0, &["is as it should be"]);
    }
    says(&run(&sandbox, &hub.server, &["run.json", "--pull", "7", "--repository", "o/../x"]), 2, &["is no repository"]);
}

#[test]
fn what_is_printed_is_what_would_be_sent() {
    let sandbox = saved();
    let ended = sandbox.run(&["comment", "run.json", "--dry-run"]);
    says(&ended, 0, &["<!-- promptctl:report -->", "### ❌ 1 failed of 1"]);
    let page = sandbox.run(&["-q", "merge", "run.json", "--report", "markdown"]);
    assert_eq!(ended.stdout, format!("<!-- promptctl:report -->\n{}", page.stdout));
    let ended = sandbox.run(&["comment", "run.json", "run.json", "--dry-run", "--max-bytes", "2000"]);
    assert!(ended.stdout.len() <= 2000 && ended.stdout.matches("### ❌").count() == 2, "{}", ended.stdout);
    assert_eq!(sandbox.run(&["comment", "run.json", "--dry-run", "--name", "a-->b"]).code, 2);
    says(&sandbox.run(&["comment", "run.json"]), 2, &["GITHUB_TOKEN is not set"]);
}

#[test]
fn reports_that_cannot_be_read_are_named() {
    let sandbox = saved();
    sandbox.write("none.json", "{}");
    sandbox.write("later.json", sandbox.read("run.json").replacen("\"version\":1", "\"version\":9", 1));
    sandbox.write("compare.json", r#"{"version": 9, "prompts": []}"#);
    sandbox.write("deep.json", format!("{{\"results\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)));
    sandbox.write("bytes.json", [0xff, 0xfe, b'{']);
    for (file, part) in [
        ("none.json", "none.json is no JSON report"),
        ("later.json", "version 9"),
        ("compare.json", "version 9"),
        ("deep.json", "deep.json is no JSON report"),
        ("bytes.json", "bytes.json cannot be read"),
        ("missing.json", "missing.json cannot be read"),
        ("promptctl.yaml", "promptctl.yaml is no JSON report"),
    ] {
        says(&sandbox.run(&["comment", "--dry-run", file]), 2, &[part]);
    }
}

#[test]
fn what_github_refuses_is_said_with_what_to_do() {
    let sandbox = saved();
    for (status, body, parts) in [
        (401, r#"{"message": "Bad credentials"}"#, ["does not know the token (401: Bad credentials)", "GITHUB_TOKEN"]),
        (403, r#"{"message": "Resource not accessible by integration"}"#, ["may not do this", "pull-requests: write"]),
        (404, r#"{"message": "Not Found"}"#, ["finds no such repository", "--repository and --pull"]),
        (
            422,
            r#"{"message": "Validation Failed", "errors": ["body is too long"]}"#,
            ["refuses what was sent", "body is too long"],
        ),
    ] {
        let server = Server::answering(move |_, _| (status, body.to_owned()));
        says(&run(&sandbox, &server, &["run.json"]), 2, &parts);
        assert_eq!(server.requests().len(), 1, "{status} is not asked again");
    }
    let server = Server::answering(|_, _| (200, "<html>".to_owned()));
    says(&run(&sandbox, &server, &["run.json"]), 3, &["no JSON", "GITHUB_API_URL"]);
    let echo = Server::answering(|_, _| (400, format!("{{\"message\": \"bad {TOKEN}\"}}")));
    says(&run(&sandbox, &echo, &["run.json"]), 3, &["[redacted:GITHUB_TOKEN]"]);
    let gone = Server::raw(|_, _| b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[".to_vec());
    let ended = run(&sandbox, &gone, &["run.json"]);
    says(&ended, 3, &["GitHub cannot be asked"]);
}

#[test]
fn github_is_asked_again_where_it_says_so_and_told_once() {
    let sandbox = saved();
    let later = "HTTP/1.1 403 X\r\nretry-after: 0\r\ncontent-length: 44\r\n\r\n{\"message\": \"secondary rate limit exceeded\"}";
    let server = Server::answering(move |number, _| match number {
        0 | 3 => (403, later.to_owned()),
        1 => (502, "{}".to_owned()),
        2 => (200, "[]".to_owned()),
        _ => (201, r#"{"id": 1}"#.to_owned()),
    });
    says(&run(&sandbox, &server, &["run.json"]), 0, &["was written"]);
    assert_eq!(server.requests().len(), 5);
    // A comment that may have been written is not written again.
    let server =
        Server::answering(|number, _| if number == 0 { (200, "[]".to_owned()) } else { (502, "{}".to_owned()) });
    says(&run(&sandbox, &server, &["run.json"]), 3, &["GitHub failed (502)"]);
    assert_eq!(server.requests().len(), 2);
    let full = "HTTP/1.1 429 X\r\nretry-after: 3000\r\ncontent-length: 2\r\n\r\n{}";
    let server = Server::answering(move |_, _| (429, full.to_owned()));
    says(&run(&sandbox, &server, &["run.json"]), 3, &["no more requests for now", "in 3000 s"]);
}

#[test]
fn the_token_goes_to_no_other_host() {
    let sandbox = saved();
    let other = Server::answering(|_, _| (200, "[]".to_owned()));
    let target = other.origin();
    let server = Server::answering(move |_, _| {
        (302, format!("HTTP/1.1 302 X\r\nlocation: {target}/x\r\ncontent-length: 2\r\n\r\n{{}}"))
    });
    says(&run(&sandbox, &server, &["run.json"]), 2, &["another host"]);
    assert_eq!(other.requests().len(), 0);
    // Within the host it goes on: a repository may have another name now.
    let server = Server::routed(|line, _| {
        if line.starts_with("GET /repos/o/r/issues/7/comments") {
            return b"HTTP/1.1 301 X\r\nlocation: /repositories/1/issues/7/comments\r\ncontent-length: 2\r\n\r\n{}"
                .to_vec();
        }
        json_reply(200, if line.starts_with("GET") { "[]" } else { "{}" })
    });
    says(&run(&sandbox, &server, &["run.json"]), 0, &["was written"]);
    for address in ["http://example.org", "https://user:pass@api.github.com", "ftp://x", "nonsense"] {
        let ended = sandbox.run_with(
            &["comment", "run.json", "--pull", "1", "--repository", "o/r"],
            &[("GITHUB_TOKEN", TOKEN), ("GITHUB_API_URL", address)],
        );
        says(&ended, 2, &["GITHUB_API_URL"]);
    }
}

#[test]
fn a_forged_report_is_text_within_its_limits() {
    let sandbox = saved();
    let mut report: Value = serde_json::from_str(&sandbox.read("run.json")).expect("JSON");
    let worst = "<!-- promptctl:report -->\n</details>\n@someone #1 ```\n````\n<script>";
    let mut forged = report["results"][0].clone();
    forged["samples"][0]["output"] = format!("{worst}{}", "x".repeat(3_000_000)).into();
    forged["samples"][0]["expectations"][0]["reason"] = worst.into();
    let sample = forged["samples"][0].clone();
    forged["samples"].as_array_mut().expect("samples").push(sample);
    forged["detail"]["min_pass_rate"] = json!(-1e308);
    forged["detail"]["place"] = json!({"path": worst, "line": usize::MAX});
    forged["tags"] = json!([worst]);
    report["heading"] = worst.into();
    report["summary"]["planned"] = json!(3);
    report["summary"]["calls_made"] = json!(u64::MAX);
    report["summary"]["cost_usd"] = json!(f64::MAX);
    report["results"] = Value::Array(vec![forged; 3]);
    sandbox.write("run.json", report.to_string());
    let ended = sandbox.run(&["comment", "run.json", "--dry-run"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.len() <= 65_536, "{}", ended.stdout.len());
    assert_eq!(
        ended.stdout.lines().filter(|line| *line == "<!-- promptctl:report -->").count(),
        4,
        "once, and in fences"
    );
    for (place, value) in [("case", "a\nb"), ("prompt", "../x"), ("model", "@someone"), ("verdict", "fine")] {
        let mut wrong = report.clone();
        wrong["results"][0][place] = value.into();
        sandbox.write("wrong.json", wrong.to_string());
        says(&sandbox.run(&["comment", "wrong.json", "--dry-run"]), 2, &["wrong.json is no JSON report"]);
    }
    for (key, value) in [("usage", json!({"input": u64::MAX})), ("cost_usd", json!(f64::MAX))] {
        let mut wrong = report.clone();
        wrong["results"][0]["samples"][0][key] = value;
        sandbox.write("wrong.json", wrong.to_string());
        says(&sandbox.run(&["comment", "wrong.json", "--dry-run"]), 2, &["wrong.json is no JSON report"]);
    }
}
