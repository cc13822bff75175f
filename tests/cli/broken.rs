//! Broken projects: each ends with exit code 2 and a message that names the file and the line; nothing panics,
//! nothing is written.

use std::fmt::Write as _;

use crate::sandbox::Sandbox;

/// What a broken project replaces or adds, and what must be said about it.
struct Broken {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    /// The beginning of the line that names the place, and a part of the message.
    says: (&'static str, &'static str),
}

fn broken(
    name: &'static str,
    path: &'static str,
    text: impl Into<Vec<u8>>,
    says: (&'static str, &'static str),
) -> Broken {
    Broken { name, files: vec![(path, text.into())], says }
}

const CONFIG: &str = "promptctl.yaml";
const PROMPT: &str = "prompts/p.j2";
const CASES: &str = "fixtures/p/cases.yaml";
const RECORDED: &str = "fixtures/p/recorded/echo.jsonl";
const SNAPSHOT: &str = "snapshots/p/one@echo.snap";

fn alias_bomb() -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let previous = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(text, "a{i}: &a{i} [{previous}]").expect("written");
    }
    text
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn all() -> Vec<Broken> {
    let case = |body: &str| format!("cases:\n  - name: one\n    vars: {{ q: hi }}\n{body}");
    let model = |body: &str| format!("models:\n  echo:\n    provider: mock\n    replies: [{{ say: x }}]\n{body}");
    vec![
        broken(
            "truncated yaml",
            CONFIG,
            "models:\n  echo: { provider: mock, replies: [{ say: ",
            ("promptctl.yaml:", "not valid YAML"),
        ),
        broken("an empty config", CONFIG, "", ("promptctl.yaml:", "empty")),
        broken("a config that is a list", CONFIG, "- a\n", ("promptctl.yaml:1:1", "must be a mapping")),
        broken("no model", CONFIG, "models: {}\n", ("promptctl.yaml:1", "no model")),
        broken("an alias bomb", CASES, alias_bomb(), ("fixtures/p/cases.yaml", "")),
        broken(
            "deep nesting",
            CASES,
            format!("cases: {}{}\n", "[".repeat(300), "]".repeat(300)),
            ("fixtures/p/cases.yaml", ""),
        ),
        broken("tabs", CASES, "cases:\n\t- name: one\n", ("fixtures/p/cases.yaml:2:1", "tabs")),
        broken("invalid utf-8", CASES, b"cases:\n  - name: \xff\xfe\n".to_vec(), ("fixtures/p/cases.yaml:2", "UTF-8")),
        broken("invalid utf-8 in a prompt", PROMPT, b"hi\n\n\xc3\x28 {{ q }}".to_vec(), ("prompts/p.j2:3", "UTF-8")),
        broken(
            "a conflict marker",
            CASES,
            "cases:\n<<<<<<< HEAD\n  - name: a\n=======\n  - name: b\n>>>>>>> x\n",
            ("fixtures/p/cases.yaml:2:1", "conflict marker"),
        ),
        broken(
            "a conflict marker in a prompt",
            PROMPT,
            "{{ q }}\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x\n",
            ("prompts/p.j2:2:1", "conflict marker"),
        ),
        broken(
            "a doubled key",
            CASES,
            "cases:\n  - name: one\n    name: two\n    vars: { q: x }\n",
            ("fixtures/p/cases.yaml:3:5", "second time"),
        ),
        broken(
            "a merge key",
            CASES,
            "defaults: &d { repeat: 1 }\ncases:\n  - name: one\n    <<: *d\n",
            ("fixtures/p/cases.yaml:4:5", "merges"),
        ),
        broken("a tag", CASES, "cases:\n  - name: !secret x\n", ("fixtures/p/cases.yaml:2", "tags")),
        broken("an alias to nothing", CASES, "cases: *nothing\n", ("fixtures/p/cases.yaml:1", "")),
        broken(
            "an unknown key in the config",
            CONFIG,
            model("default: {}\n"),
            ("promptctl.yaml:5:1", "did you mean \"defaults\""),
        ),
        broken(
            "an unknown key in a model",
            CONFIG,
            model("    latncy: 1s\n"),
            ("promptctl.yaml:5:5", "did you mean \"latency\""),
        ),
        broken(
            "an unknown key in limits",
            CONFIG,
            model("    limits: { timout: 1s }\n"),
            ("promptctl.yaml:5:15", "did you mean \"timeout\""),
        ),
        broken(
            "an unknown key in a front matter",
            PROMPT,
            "---\nversoin: 1.0.0\n---\n{{ q }}\n",
            ("prompts/p.j2:2:1", "did you mean \"version\""),
        ),
        broken(
            "an unknown key in cases",
            CASES,
            "case:\n  - name: a\n",
            ("fixtures/p/cases.yaml:1:1", "did you mean \"cases\""),
        ),
        broken(
            "an unknown key in a case",
            CASES,
            case("    expects: []\n"),
            ("fixtures/p/cases.yaml:4:5", "did you mean \"expect\""),
        ),
        broken(
            "an unknown key in a data set",
            CASES,
            "datasets:\n  - { fil: x.csv }\n",
            ("fixtures/p/cases.yaml:2:7", "did you mean \"file\""),
        ),
        broken(
            "an unknown key in a snapshot setting",
            CASES,
            case("    snapshot: { comparee: text }\n"),
            ("fixtures/p/cases.yaml:4:17", "did you mean \"compare\""),
        ),
        broken(
            "an unknown expectation",
            CASES,
            case("    expect: [{ containz: x }]\n"),
            ("fixtures/p/cases.yaml:4:16", "did you mean \"contains\""),
        ),
        broken(
            "an empty expectation",
            CASES,
            case("    expect: [{ contains: '' }]\n"),
            ("fixtures/p/cases.yaml:4:26", "holds for every answer"),
        ),
        broken(
            "a bad regex",
            CASES,
            case("    expect: [{ regex: '(' }]\n"),
            ("fixtures/p/cases.yaml:4:16", "does not compile"),
        ),
        broken(
            "a bad schema",
            CASES,
            case("    expect: [{ json-schema: { type: 5 } }]\n"),
            ("fixtures/p/cases.yaml:4:29", "not a JSON Schema"),
        ),
        broken(
            "a bad json path",
            CASES,
            case("    expect: [{ json-path: { path: x } }]\n"),
            ("fixtures/p/cases.yaml:4:35", "not valid"),
        ),
        broken(
            "a missing variable",
            CASES,
            "cases:\n  - name: one\n    expect: [is-json]\n",
            ("prompts/p.j2:1:4", "case `one`"),
        ),
        broken(
            "a variable that nobody uses",
            CASES,
            case("  - name: two\n    vars: { q: x, qq: y }\n"),
            ("fixtures/p/cases.yaml:5:19", "used neither"),
        ),
        broken(
            "a variable of the wrong type",
            PROMPT,
            "---\nvars: { q: integer }\n---\n{{ q }}\n",
            ("fixtures/p/cases.yaml:2:11", "declared as integer"),
        ),
        broken(
            "an undeclared variable",
            PROMPT,
            "---\nvars: { q: string }\n---\n{{ q }} {{ quest }}\n",
            ("prompts/p.j2:4:12", "`quest` is not declared"),
        ),
        broken(
            "a doubled case name",
            CASES,
            "cases:\n  - { name: one, vars: { q: x } }\n  - { name: one, vars: { q: y } }\n",
            ("fixtures/p/cases.yaml:3:13", "second time"),
        ),
        broken(
            "a case name with a control character",
            CASES,
            "cases:\n  - { name: \"a\\u001b[31m\", vars: { q: x } }\n",
            ("fixtures/p/cases.yaml:2:13", "control character"),
        ),
        broken(
            "a case name of 300 characters",
            CASES,
            format!("cases:\n  - {{ name: {}, vars: {{ q: x }} }}\n", "x".repeat(300)),
            ("fixtures/p/cases.yaml:2:13", "300 characters"),
        ),
        broken("a template that does not parse", PROMPT, "line one\n{% if q %}\nnever closed\n", ("prompts/p.j2:", "")),
        broken("an unknown filter", PROMPT, "a\nb {{ q|shout }}\n", ("prompts/p.j2:2", "shout")),
        broken(
            "a template that includes itself",
            PROMPT,
            "{{ q }}\n{% include 'p.j2' %}\n",
            ("prompts/p.j2:2:12", "reaches itself"),
        ),
        broken(
            "a loop without an end",
            PROMPT,
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ q }}{% endfor %}{% endfor %}\n",
            ("prompts/p.j2:1", "steps"),
        ),
        broken(
            "a text without an end",
            PROMPT,
            "{% for a in range(9000) %}{{ q * 5000 }}{% endfor %}\n",
            ("prompts/p.j2:1", "larger than"),
        ),
        broken(
            "an include that leaves the project",
            PROMPT,
            "{{ q }}{% include '../../etc/passwd' %}\n",
            ("prompts/p.j2:1", "leaves the project"),
        ),
        broken(
            "an include that is not there",
            PROMPT,
            "{{ q }}\n{% include '_shared/tone.j2' %}\n",
            ("prompts/p.j2:2:12", "no template"),
        ),
        broken(
            "a front matter that is not closed",
            PROMPT,
            "---\nversion: 1.0.0\n{{ q }}\n",
            ("prompts/p.j2:1:1", "not closed"),
        ),
        broken(
            "a version that is none",
            PROMPT,
            "---\nversion: one\n---\n{{ q }}\n",
            ("prompts/p.j2:2:10", "semantic version"),
        ),
        broken(
            "an unknown role",
            PROMPT,
            "{{ role('sistem') }}\n{{ q }}\n",
            ("prompts/p.j2:1", "did you mean \"system\""),
        ),
        broken(
            "text before the first role",
            PROMPT,
            "hello\n{{ role('user') }}\n{{ q }}\n",
            ("prompts/p.j2", "stands before the first role"),
        ),
        broken(
            "a file that leaves the project",
            CASES,
            "cases:\n  - { name: one, vars: { q: { file: ../../../../etc/passwd } } }\n",
            ("fixtures/p/cases.yaml:2:29", "leaves the project"),
        ),
        broken(
            "a file with an absolute path",
            CASES,
            "cases:\n  - { name: one, vars: { q: { file: /etc/passwd } } }\n",
            ("fixtures/p/cases.yaml:2:29", "absolute"),
        ),
        broken(
            "a file that is not there",
            CASES,
            "cases:\n  - { name: one, vars: { q: { file: no.md } } }\n",
            ("fixtures/p/cases.yaml:2:29", "there is no file"),
        ),
        broken(
            "a case that checks nothing",
            CASES,
            case("    snapshot: none\n"),
            ("fixtures/p/cases.yaml:2:11", "checks nothing"),
        ),
        broken("cases of no prompt", "fixtures/q/cases.yaml", "cases: []\n", ("fixtures/q/cases.yaml", "no prompt")),
        broken(
            "an unknown provider",
            CONFIG,
            "models:\n  echo: { provider: opnai }\n",
            ("promptctl.yaml:2:21", "did you mean \"openai\""),
        ),
        broken(
            "a key in the config",
            CONFIG,
            "models:\n  echo: { provider: openai, api-key: abc }\n",
            ("promptctl.yaml:2:29", "does not belong"),
        ),
        broken(
            "an address that is none",
            CONFIG,
            "models:\n  echo: { provider: openai, base-url: 'ftp://x' }\n",
            ("promptctl.yaml:2:39", "http"),
        ),
        broken(
            "an unknown default model",
            CONFIG,
            model("defaults: { models: [eco] }\n"),
            ("promptctl.yaml:5:22", "did you mean \"echo\""),
        ),
        broken(
            "a recording that was cut",
            RECORDED,
            "{\"key\":\"44817a0866b45259ef5c3d834a8a2102c7",
            ("fixtures/p/recorded/echo.jsonl:1", "cut off"),
        ),
        broken(
            "a recording that was edited",
            RECORDED,
            "\n{\"key\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"case\":\"one\",\"sample\":0,\"model\":\"echo\",\"request\":{\"provider\":\"mock\",\"model\":\"echo\",\"messages\":[]},\"response\":{\"text\":\"x\"},\"recorded_at\":\"2026-01-01T00:00:00Z\"}\n",
            ("fixtures/p/recorded/echo.jsonl:2", "does not match"),
        ),
        broken(
            "a recording with a conflict marker",
            RECORDED,
            "<<<<<<< HEAD\n",
            ("fixtures/p/recorded/echo.jsonl:1", "conflict marker"),
        ),
        broken("a snapshot without a header", SNAPSHOT, "hello\n", ("snapshots/p/one@echo.snap:1", "header")),
        broken(
            "a snapshot whose header does not end",
            SNAPSHOT,
            "---\nsource: x\nhello\n",
            ("snapshots/p/one@echo.snap:1", "header"),
        ),
        broken(
            "a row that is too long",
            "fixtures/p/rows.csv",
            "q,label\na,b\nc,d,e\n",
            ("fixtures/p/rows.csv:3", "3 columns"),
        ),
        broken(
            "a row that is no json",
            "fixtures/p/rows.jsonl",
            "{\"q\": \"a\"}\n{\"q\": \n",
            ("fixtures/p/rows.jsonl:2", "not valid JSON"),
        ),
    ]
}

#[test]
fn every_broken_project_is_explained() {
    let all = all();
    assert!(all.len() >= 40, "{} broken projects", all.len());
    let mut wrong = Vec::new();
    for broken in &all {
        let sandbox = Sandbox::with_cases("cases:\n  - name: one\n    vars: { q: hi }\n");
        assert_eq!(sandbox.run(&["test"]).code, 0);
        for (path, bytes) in &broken.files {
            sandbox.write(path, bytes);
            if let Some(file) = path.strip_prefix("fixtures/p/rows") {
                let text = format!(
                    "cases:\n  - {{ name: one, vars: {{ q: hi }} }}\ndatasets:\n  - {{ file: rows{file}, expect: [is-json] }}\n"
                );
                sandbox.write(CASES, text);
            }
        }
        let before = sandbox.files();
        let ended = sandbox.run(&["test", "--offline"]);
        let (place, part) = broken.says;
        let named = ended.stderr.lines().any(|line| line.starts_with(place));
        if ended.code != 2 || !named || !ended.stderr.contains(part) || ended.stderr.contains("panicked") {
            wrong.push(format!("{}: expected {:?}, exit {}\n{}", broken.name, broken.says, ended.code, ended.stderr));
        }
        if sandbox.files() != before && !broken.name.starts_with("a snapshot") {
            wrong.push(format!("{}: something was written", broken.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - name: one\n    vars: { q: hi }\n    expect:\n      - containz: x\n      - regex: '('\n  - nmae: two\n",
    );
    sandbox.write("prompts/p.j2", "---\nversoin: 1\n---\n{{ q }}\n");
    sandbox.edit("promptctl.yaml", "provider: mock", "provider: mock\n    latncy: 5");
    insta::assert_snapshot!("all_mistakes", sandbox.run(&["test"]).shown());
}

#[test]
fn doubled_braces_of_json_are_told_and_nothing_follows_from_them() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi }, expect: [contains: x] }\n");
    sandbox.write("prompts/p.j2", "Reply with {{ \"name\": \"{{ q }}\" }} only.\n");
    insta::assert_snapshot!("doubled_braces", sandbox.run(&["test"]).shown());
    // The same in a partial, and where a partial is missing.
    sandbox.write("prompts/p.j2", "---\nvars: { q: string }\n---\n{% include '_form.j2' %}\n");
    sandbox.write("prompts/_form.j2", "{{ q }} as {{\n  name: text\n}}\n");
    insta::assert_snapshot!("doubled_braces_of_a_partial", sandbox.run(&["test"]).shown());
    std::fs::remove_file(sandbox.path("prompts/_form.j2")).expect("removed");
    let ended = sandbox.run(&["test"]);
    assert!(ended.code == 2 && ended.stderr.contains("there is no template"), "{}", ended.shown());
    assert!(!ended.stderr.contains("never uses it") && !ended.stderr.contains("used neither"), "{}", ended.shown());
}

#[test]
fn a_huge_yaml_file_is_refused_quickly() {
    let sandbox = Sandbox::with_cases("");
    let row =
        "  - { name: x, vars: { q: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa } }\n";
    let text = format!("cases:\n{}", row.repeat((100 << 20) / row.len()));
    sandbox.write("fixtures/p/cases.yaml", text);
    let ended = sandbox.run(&["list"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("fixtures/p/cases.yaml") && ended.stderr.len() < 1000, "{}", ended.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_template_that_fills_the_memory_is_stopped() {
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi } }\n");
    sandbox.write("prompts/p.j2", "{{ q }}{% set ns = namespace(a='aaaaaaaaaaaaaaaa') %}{% for i in range(40) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}{{ ns.a|length }}\n");
    let ended = sandbox.run_with(&["test"], &[("PROMPTCTL_MAX_MEMORY", "300")]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("of memory and stops"), "{}", ended.stderr);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_read() {
    let sandbox = Sandbox::with_cases("");
    sandbox.write("fixtures/p/cases.yaml", "\u{feff}cases:\r\n  - name: one\r\n    vars: { q: hi }\r\n");
    sandbox.write("prompts/p.j2", "\u{feff}---\r\nversion: 1.0.0\r\n---\r\nline\r\n{{ q }}\r\n");
    let json: serde_json::Value = serde_json::from_str(&sandbox.run(&["render", "--json"]).stdout).expect("JSON");
    assert_eq!(json[0]["request"]["messages"][0]["content"], "line\nhi");
}

#[test]
fn names_that_differ_in_case_only_do_not_share_a_file() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: Refund, vars: { q: a } }\n  - { name: refund, vars: { q: b } }\n  - { name: a/../b, vars: { q: c } }\n  - { name: 💥, vars: { q: d } }\n  - { name: con, vars: { q: e } }\n",
    );
    assert_eq!(sandbox.run(&["test", "--snapshots", "accept"]).code, 0);
    let names: Vec<String> = std::fs::read_dir(sandbox.path("snapshots/p"))
        .expect("there")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().to_lowercase())
        .collect();
    let distinct: std::collections::HashSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (5, 5), "{names:?}");
    sandbox.write("prompts/P.j2", "{{ q }}\n");
    let ended = sandbox.run(&["list"]);
    assert!(ended.code == 2 && ended.stderr.contains("differ in case only"), "{}", ended.stderr);
}

#[cfg(unix)]
#[test]
fn links_that_leave_the_project_are_not_followed() {
    use std::os::unix::fs::symlink;
    let outside = Sandbox::empty();
    outside.write("secret.md", "secret");
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: { file: link.md } } }\n");
    symlink(outside.path("secret.md"), sandbox.path("fixtures/p/link.md")).expect("linked");
    let ended = sandbox.run(&["test"]);
    assert!(ended.code == 2 && ended.stderr.contains("symbolic link"), "{}", ended.stderr);
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi } }\n");
    symlink("/", sandbox.path("prompts/everything")).expect("linked");
    let ended = sandbox.run(&["list"]);
    assert!(ended.code == 2 && ended.stderr.contains("\nprompts/everything: "), "{}", ended.stderr);
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi } }\n");
    symlink(outside.root(), sandbox.path("snapshots")).expect("linked");
    let ended = sandbox.run(&["test"]);
    assert_eq!(ended.code, 2, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(outside.files().len(), 1, "nothing was written outside");
    let sandbox = Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi } }\n");
    symlink(outside.path("secret.md"), sandbox.path("prompts/leak.j2")).expect("linked");
    let ended = sandbox.run(&["list"]);
    assert!(ended.code == 2 && ended.stderr.contains("symbolic link"), "{}", ended.stderr);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let cases = "cases:\n  - { name: one, vars: { q: hi } }\n";
    for (blocked, said) in [(".promptctl", ".promptctl"), ("snapshots/p", "snapshots/p/one@echo.snap")] {
        let sandbox = Sandbox::with_cases(cases);
        // A file in the place of a folder stops everybody, root too.
        sandbox.write(blocked, "in the way");
        let ended = sandbox.run(&["test"]);
        assert_eq!(ended.code, 2, "{blocked}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(said) && !ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_loses_nothing() {
    let sandbox =
        Sandbox::with_cases("cases:\n  - { name: one, vars: { q: hi } }\n  - { name: two, vars: { q: ho } }\n");
    assert_eq!(sandbox.run(&["test", "--snapshots", "accept"]).code, 0);
    let before = sandbox.files();
    // A limit on the size of files is what a full disk looks like to a process.
    let program = env!("CARGO_BIN_EXE_promptctl");
    let script = format!("ulimit -f 0; trap '' XFSZ; exec {program} test --refresh");
    let output =
        std::process::Command::new("bash").args(["-c", &script]).current_dir(sandbox.root()).output().expect("started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(2 | 3)), "{:?} {stderr}", output.status);
    assert!(!stderr.contains("panicked"), "{stderr}");
    let kept: Vec<_> = sandbox.files().into_iter().filter(|(path, _)| !path.starts_with(".promptctl")).collect();
    let before: Vec<_> = before.into_iter().filter(|(path, _)| !path.starts_with(".promptctl")).collect();
    assert_eq!(kept, before);
}
