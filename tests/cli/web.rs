//! `review --web`: what the page's server answers to a browser, and what it does not answer to anybody else. Raw requests
//! over a real socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, says};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{202e}\u{1b}[2J";

/// Three answers wait: two changed alike, and one fails.
fn project() -> Sandbox {
    let sandbox = Sandbox::with_cases(&format!(
        "cases:\n  - {{ name: a, vars: {{ q: We answer within 14 days. Thank you. }} }}\n  - {{ name: b, vars: {{ q: Returns take 14 days at most. }} }}\n  - {{ name: c, vars: {{ q: {} }}, expect: [{{ not-contains: never }}] }}\n",
        json!(format!("always {HOSTILE}"))
    ));
    sandbox.run(&["test", "--snapshots", "accept"]);
    sandbox.edit("fixtures/p/cases.yaml", "14 days", "30 days");
    sandbox.edit("fixtures/p/cases.yaml", "always", "never");
    assert_eq!(sandbox.run(&["test"]).code, 1);
    sandbox
}

/// A review that is served.
struct Served {
    child: Child,
    port: u16,
    token: String,
    out: BufReader<ChildStdout>,
}

/// What came back: status, head, body.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

impl Served {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command(&["review", "--web"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("http://127.0.0.1:").expect("an address on loopback");
        let (port, token) = address.split_once('/').expect("a token");
        let token = token.strip_suffix('/').expect("a slash").to_owned();
        assert!(token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
        Self { child, port: port.parse().expect("a port"), token, out }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        stream
    }

    /// Sends bytes as they are.
    fn raw(&self, request: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut text = Vec::new();
        // A server that closes early has said all.
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Reply { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn get(&self, path: &str, headers: &str) -> Reply {
        self.raw(&format!("GET {path} HTTP/1.1\r\n{headers}\r\n"))
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}\r\n", self.port)
    }

    fn own(&self, what: &str) -> Reply {
        self.get(&format!("/{}/{what}", self.token), &self.host())
    }

    fn post(&self, what: &str, body: &str) -> Reply {
        let headers = format!("{}Content-Type: application/json\r\n", self.host());
        self.post_with(what, &headers, body)
    }

    fn post_with(&self, what: &str, headers: &str, body: &str) -> Reply {
        let (token, length) = (&self.token, body.len());
        self.raw(&format!("POST /{token}/{what} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}"))
    }

    fn decide(&self, ids: &[usize], decision: &str) -> Reply {
        let revisions: Vec<Value> = {
            let state = self.own("state").json();
            ids.iter().map(|id| state["items"][*id]["revision"].clone()).collect()
        };
        self.post("decide", &json!({"ids": ids, "revisions": revisions, "decision": decision}).to_string())
    }

    /// Waits for the end: exit code, and what was printed behind the address.
    fn end(&mut self) -> (i32, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waited for") {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("text");
        (status.code().unwrap_or(-1), rest)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_review_by_the_page_writes_what_the_commands_write() {
    let (by_page, by_command) = (project(), project());
    let before = by_page.files();
    let mut served = Served::start(&by_page);
    let state = served.own("state").json();
    let kinds: Vec<&str> =
        state["items"].as_array().expect("items").iter().filter_map(|i| i["kind"].as_str()).collect();
    assert_eq!(kinds, ["expectations fail", "some words changed", "some words changed"]);
    assert_eq!(state["items"][1]["group"], state["items"][2]["group"]);

    // A group, undone byte for byte, and again.
    let done = served.decide(&[1, 2], "accept").json();
    assert_eq!((&done["counts"]["accepted"], &done["steps"]), (&json!(2), &json!(1)));
    assert_eq!(served.post("undo", "{\"steps\": 1}").status, 200);
    let mut after = by_page.files();
    after.retain(|(path, _)| !path.starts_with(".promptctl/"));
    let mut expected = before.clone();
    expected.retain(|(path, _)| !path.starts_with(".promptctl/"));
    assert_eq!(after, expected);
    assert_eq!(served.post("undo", "{\"steps\": 0}").json()["error"], "there is nothing to undo");

    served.decide(&[1], "accept");
    served.decide(&[2], "reject");
    assert_eq!(served.decide(&[1], "reject").json()["error"], "this was decided already; undo that first");
    // What fails needs a reason, and is accepted alone.
    let refused = served.decide(&[0], "accept");
    assert_eq!(
        (refused.status, refused.json()["error"].as_str()),
        (422, Some("its expectations fail: say why it is accepted"))
    );
    let body = json!({"ids": [0], "revisions": [0], "decision": "accept", "reason": "the rule \"never\" is old"});
    assert_eq!(served.post("decide", &body.to_string()).status, 200);
    assert_eq!(served.post("finish", "{}").json()["line"], "2 accepted, 1 rejected, 0 still waiting");
    assert_eq!(served.end(), (0, "\n2 accepted, 1 rejected, 0 still waiting\n".to_owned()));

    says(&by_command.run(&["accept", "--case", "a"]), 0, &["1 accepted"]);
    says(&by_command.run(&["reject", "--case", "b"]), 0, &["1 rejected"]);
    let why = ["accept", "--case", "c", "--failing", "--reason", "the rule \"never\" is old"];
    says(&by_command.run(&why), 0, &["1 accepted"]);
    let snapshots = |sandbox: &Sandbox| {
        let mut files = sandbox.files();
        files.retain(|(path, _)| path.starts_with("snapshots/"));
        files
    };
    assert_eq!(snapshots(&by_page), snapshots(&by_command));
}

#[test]
fn an_answer_is_told_whole_and_hides_nothing() {
    let sandbox = project();
    let served = Served::start(&sandbox);
    let item = served.own("item/0").json();
    let text = item.to_string();
    assert!(!text.contains(['\u{202e}', '\u{1b}']) && text.contains("\\\\u{202e}"), "{text}");
    assert_eq!(item["fails"][0][0]["text"].as_str().map(|t| t.starts_with("not-contains:")), Some(true), "{item}");
    assert_eq!(item["messages"][0]["role"], "user");
    let item = served.own("item/1").json();
    let rows: Vec<&str> =
        item["difference"]["rows"].as_array().expect("rows").iter().filter_map(|r| r["is"].as_str()).collect();
    assert!(rows.contains(&"removed") && rows.contains(&"added"), "{item}");
    assert_eq!(served.own("item/3").status, 404);
}

#[test]
fn nobody_else_is_answered() {
    let sandbox = project();
    let before = sandbox.files();
    let served = Served::start(&sandbox);
    let (host, port, token) = (served.host(), served.port, &served.token);
    let page = format!("/{token}/");
    for path in ["/", "/state", "/00000000000000000000000000000000/", "/favicon.ico", &page[..20]] {
        let reply = served.get(path, &host);
        assert_eq!((reply.status, reply.body.as_str()), (404, ""), "{path}");
        assert!(!reply.head.contains(token.as_str()));
    }
    for headers in [
        String::new(),
        "Host: evil.example\r\n".to_owned(),
        format!("Host: localhost:{port}\r\n"),
        format!("Host: evil.example:{port}\r\n"),
        format!("{host}Host: evil.example\r\n"),
        format!("{host}Origin: http://evil.example\r\n"),
        format!("{host}Origin: null\r\n"),
        format!("{host}Sec-Fetch-Site: cross-site\r\n"),
        format!("{host}Sec-Fetch-Site: same-site\r\n"),
    ] {
        for what in ["", "state", "item/0"] {
            let reply = served.get(&format!("{page}{what}"), &headers);
            assert!(matches!(reply.status, 400 | 403) && reply.body.is_empty(), "{headers}: {}", reply.status);
        }
        let all = format!("{headers}Content-Type: application/json\r\n");
        let reply = served.post_with("decide", &all, "{\"ids\":[1],\"revisions\":[0],\"decision\":\"accept\"}");
        assert!(matches!(reply.status, 400 | 403), "{headers}: {}", reply.status);
    }
    for (kind, status) in [("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("", 415)] {
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let body = "{\"ids\":[1],\"revisions\":[0],\"decision\":\"accept\"}";
        assert_eq!(served.post_with("decide", &format!("{host}{kind}"), body).status, status);
    }
    assert_eq!(served.own("decide").status, 405);
    assert_eq!(served.post("state", "{}").status, 405);
    assert_eq!(served.raw(&format!("OPTIONS {page}decide HTTP/1.1\r\n{host}\r\n")).status, 405);
    assert_eq!(sandbox.files(), before);
}

#[test]
fn every_answer_keeps_itself_from_others() {
    let sandbox = project();
    let served = Served::start(&sandbox);
    for reply in
        [served.own(""), served.own("state"), served.own("nothing"), served.get("/", ""), served.post("decide", "{")]
    {
        for header in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
            "content-security-policy: default-src 'none';",
            "frame-ancestors 'none'",
            "x-frame-options: deny",
        ] {
            assert!(reply.head.contains(header), "no {header} in {}", reply.head);
        }
        assert!(!reply.head.contains("access-control-") && !reply.head.contains("set-cookie"), "{}", reply.head);
    }
    let page = served.own("");
    assert!(page.head.contains("script-src 'sha256-") && page.head.contains("connect-src 'self'"), "{}", page.head);
    assert!(page.head.contains("base-uri 'none'") && page.head.contains("form-action 'none'"), "{}", page.head);
    assert!(!page.body.contains(&served.token), "the page does not hold its token");
    let slash = served.get(&format!("/{}", served.token), &served.host());
    assert!(slash.status == 308 && slash.head.contains(&format!("location: /{}/", served.token)), "{}", slash.head);
}

#[test]
fn what_changed_on_the_disk_is_neither_written_over_nor_accepted_unseen() {
    let sandbox = project();
    let mut served = Served::start(&sandbox);
    let waiting = "snapshots/p/a@echo.snap.new";
    sandbox.edit(waiting, "30 days", "99 days");
    let newer = sandbox.read(waiting);
    let refused = served.decide(&[1, 2], "accept");
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!((&refused.json()["items"][0]["id"], &refused.json()["items"][0]["revision"]), (&json!(1), &json!(1)));
    assert_eq!(sandbox.read(waiting), newer);
    assert!(sandbox.exists("snapshots/p/b@echo.snap.new"), "all or none");
    // Who looked at the former one only is told to look again.
    let stale = "{\"ids\":[1],\"revisions\":[0],\"decision\":\"accept\"}";
    assert_eq!(served.post("decide", stale).status, 409);
    assert!(served.own("item/1").body.contains("99"));
    assert_eq!(served.decide(&[1], "accept").status, 200);
    // Somebody accepts in another terminal.
    says(&sandbox.run(&["accept", "--case", "b"]), 0, &["1 accepted"]);
    let refused = served.decide(&[2], "reject");
    assert_eq!((refused.status, &refused.json()["items"][0]["gone"]), (409, &json!(true)));
    assert!(sandbox.read("snapshots/p/b@echo.snap").contains("30 days"));
    // And writes over what was accepted here: that is not undone.
    sandbox.edit("snapshots/p/a@echo.snap", "99 days", "98 days");
    let refused = served.post("undo", "{\"steps\": 1}");
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("cannot be undone: snapshots/p/a@echo.snap changed since"), "{}", refused.body);
    assert!(sandbox.read("snapshots/p/a@echo.snap").contains("98 days"));
    assert_eq!(served.post("finish", "{}").status, 200);
    assert_eq!(served.end().0, 5, "the failing one still waits");
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    let sandbox = project();
    let before = sandbox.files();
    let served = Served::start(&sandbox);
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{\"ids\":[]}",
        "{\"ids\":[],\"revisions\":[],\"decision\":\"accept\"}",
        "{\"ids\":[9],\"revisions\":[0],\"decision\":\"accept\"}",
        "{\"ids\":[1,1],\"revisions\":[0,0],\"decision\":\"accept\"}",
        "{\"ids\":[1],\"revisions\":[],\"decision\":\"accept\"}",
        "{\"ids\":[-1],\"revisions\":[0],\"decision\":\"accept\"}",
        "{\"ids\":[1],\"revisions\":[0],\"decision\":\"destroy\"}",
        "{\"ids\":[1],\"revisions\":[0],\"decision\":\"accept\",\"more\":1}",
    ] {
        let reply = served.post("decide", body);
        assert!(reply.status == 400 && reply.json()["error"].is_string(), "{body}: {}", reply.status);
    }
    let hidden = json!({"ids": [1], "revisions": [0], "decision": "accept", "reason": "a\u{202e}b"});
    assert_eq!(served.post("decide", &hidden.to_string()).status, 422);
    let together = json!({"ids": [0, 1], "revisions": [0, 0], "decision": "accept", "reason": "x"});
    assert_eq!(
        served.post("decide", &together.to_string()).json()["error"],
        "an answer whose expectations fail is accepted alone only"
    );
    assert_eq!(served.post("decide", &" ".repeat((1 << 20) + 1)).status, 413);
    assert_eq!(served.raw(&format!("GET /{} HTTP/1.1\r\n{}", "a".repeat(100_000), served.host())).status / 100, 4);
    assert_eq!(served.raw("\u{0}\u{1}\u{2} nonsense\r\n\r\n").status / 100, 4);
    assert_eq!(served.own("state").json()["steps"], 0);
    assert_eq!(sandbox.files(), before);
}

#[test]
fn slow_clients_hold_nobody_up() {
    let sandbox = project();
    let served = Served::start(&sandbox);
    let mut slow: Vec<TcpStream> = (0..300).map(|_| served.connect()).collect();
    for stream in &mut slow {
        // The oldest of them may have been closed already.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
    }
    // A body that never comes.
    let mut waits = served.connect();
    let head = format!(
        "POST /{}/decide HTTP/1.1\r\n{}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n",
        served.token,
        served.host()
    );
    waits.write_all(head.as_bytes()).expect("sent");
    let begun = Instant::now();
    assert_eq!(served.own("state").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // Whoever never ends its head is let go.
    let mut last = slow.pop().expect("there");
    let mut rest = Vec::new();
    let _ = last.read_to_end(&mut rest);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_as_it_ends_the_review_on_a_terminal() {
    let sandbox = project();
    let mut served = Served::start(&sandbox);
    assert_eq!(served.decide(&[1], "accept").status, 200);
    let id = served.child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill");
    assert!(sent.success());
    assert_eq!(served.end(), (5, "\n1 accepted, 0 rejected, 2 still waiting\n".to_owned()));
}

#[test]
fn the_port_can_be_chosen_and_must_be_free() {
    let sandbox = project();
    let served = Served::start(&sandbox);
    let port = served.port.to_string();
    says(&sandbox.run(&["review", "--web", "--port", &port]), 2, &["cannot be listened on", "leave --port out"]);
    says(&sandbox.run(&["review", "--port", &port]), 2, &["--web"]);
}
