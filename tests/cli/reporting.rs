//! Reports for other tools: what they hold, where they go, and what a model's answer must not do in any of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sandbox::{Sandbox, says};

/// A passing case, a failing one, one without an answer, and one in quarantine.
const CASES: &str = "defaults: { snapshot: none }\ncases:\n  - { name: good, vars: { q: fine }, expect: [{ contains: fine }], tags: [smoke] }\n  - { name: bad, vars: { q: no }, expect: [{ contains: yes }, { equals: yes }] }\n  - { name: late, vars: { q: later }, expect: [{ contains: later }] }\n  - { name: held, vars: { q: held }, expect: [{ contains: yes }], quarantine: { until: 2026-12-31, reason: \"known #1\" } }\n";

/// A project with all of them, of which `late` is not recorded.
fn project() -> Sandbox {
    let sandbox = Sandbox::with_cases(CASES);
    for case in ["good", "bad", "held"] {
        sandbox.run(&["test", "--case", case]);
    }
    sandbox
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn each_format_says_what_became_of_each_case() {
    let sandbox = project();
    let times = regex::Regex::new(" time=\"[0-9.]+\"").expect("valid");
    for format in ["junit", "tap", "gitlab"] {
        let ended = sandbox.run(&["test", "--offline", "--report", format]);
        assert_eq!(ended.code, 1);
        insta::assert_snapshot!(format!("report_{format}"), times.replace_all(&ended.stdout, " time=\"…\""));
    }
}

#[test]
fn flaky_samples_are_reruns_of_a_test_case() {
    let sandbox = Sandbox::with_cases(
        "cases:\n  - { name: one, vars: { q: x }, repeat: 4, min-pass-rate: 0.4, snapshot: none, expect: [{ contains: yes }] }\n  - { name: two, vars: { q: x }, repeat: 4, min-pass-rate: 0.9, snapshot: none, expect: [{ contains: yes }] }\n",
    );
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo:\n    provider: mock\n    replies: [{ say: \"{{ 'yes' if sample is odd else 'no' }}\" }]\n",
    );
    let ended = sandbox.run(&["test", "--report", "junit"]);
    let text = &ended.stdout;
    assert_eq!(text.matches("<flakyFailure").count(), 2, "{text}{}", ended.stderr);
    assert_eq!((text.matches("<failure").count(), text.matches("<rerunFailure").count()), (1, 1), "{text}");
}

#[test]
fn events_are_lines_of_json_as_their_schema_says() {
    let sandbox = project();
    let schema = json(&sandbox.run(&["schema", "events"]).stdout);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let ended = sandbox.run(&["test", "--report", "jsonl"]);
    let lines: Vec<Value> = ended.stdout.lines().map(json).collect();
    for line in &lines {
        let errors: Vec<String> = validator.iter_errors(line).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert_eq!(errors, Vec::<String>::new(), "{line}");
    }
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"started"), Some(&"ended")));
    assert_eq!(kinds.iter().filter(|kind| **kind == "finished").count(), 4);
    let good: BTreeMap<&str, bool> = lines
        .iter()
        .filter(|line| line["event"] == "finished")
        .filter_map(|line| Some((line["result"]["case"].as_str()?, line["result"]["good"].as_bool()?)))
        .collect();
    assert_eq!(good, BTreeMap::from([("good", true), ("bad", false), ("late", true), ("held", true)]));
}

#[test]
fn several_reports_are_written_at_once() {
    let sandbox = project();
    let args = ["test", "--offline", "--report", "junit=out/deep/a.xml", "--report", "tap", "--report", "json=b.json"];
    let ended = sandbox.run(&args);
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.starts_with("TAP version 14\n1..4\n"), "{}", ended.stdout);
    // The report for people goes to standard error where another has standard output.
    assert!(ended.stderr.contains("4 planned = 1 passed"), "{}", ended.stderr);
    assert!(sandbox.read("out/deep/a.xml").ends_with("</testsuites>\n"));
    assert_eq!(json(&sandbox.read("b.json"))["exit_code"], 1);
    let ended = sandbox.run(&["test", "--offline", "--report", "junit=promptctl.yaml/x.xml"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let ended = sandbox.run(&["test", "--offline", "--report", "tap", "--report", "junit"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    let ended = sandbox.run(&["test", "--offline", "--report", "junti"]);
    assert!(ended.stderr.contains("did you mean \"junit\"?"), "{}", ended.stderr);
}

#[test]
fn a_report_of_an_earlier_run_does_not_survive_one_that_cannot_begin() {
    let sandbox = project();
    sandbox.run(&["test", "--offline", "--report", "json=out.json"]);
    assert!(sandbox.read("out.json").contains("results"));
    sandbox.write("fixtures/p/recorded/echo.jsonl", "{\"broken\n");
    assert_eq!(sandbox.run(&["test", "--offline", "--report", "json=out.json"]).code, 2);
    assert_eq!(sandbox.read("out.json"), "");
}

#[test]
fn a_reader_that_goes_away_stops_neither_the_run_nor_its_reports() {
    let sandbox = project();
    for format in ["human", "json", "jsonl", "junit", "tap", "github", "html", "markdown"] {
        let mut child = sandbox
            .command(&["test", "--offline", "--report", format, "--report", "gitlab=a.json"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("started");
        drop(child.stdout.take());
        assert_eq!(child.wait().expect("ended").code(), Some(1), "{format}");
        assert_eq!(json(&sandbox.read("a.json")).as_array().map(Vec::len), Some(2), "{format}");
        sandbox.write("a.json", "");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_cannot_be_written_keeps_no_other_from_it() {
    let sandbox = project();
    let ended = sandbox.run(&["test", "--offline", "--report", "junit=/dev/full", "--report", "json=a.json"]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("the report /dev/full cannot be written"), "{}", ended.stderr);
    assert_eq!(json(&sandbox.read("a.json"))["exit_code"], 1);
}

#[test]
fn two_reports_in_one_file_and_one_in_the_place_of_a_prompt_were_written() {
    let sandbox = project();
    for (one, other) in [("a.json", "a.json"), ("a.json", "./a.json"), ("a.json", "x/../a.json")] {
        let (one, other) = (format!("json={one}"), format!("junit={other}"));
        let ended = sandbox.run(&["test", "--offline", "--report", &one, "--report", &other]);
        assert_eq!(ended.code, 2, "{}", ended.stderr);
    }
    let prompt = sandbox.read("prompts/p.j2");
    for path in ["prompts/p.j2", "fixtures/p/recorded/echo.jsonl", "promptctl.yaml", "prompts/../snapshots/a.html"] {
        let ended = sandbox.run(&["test", "--offline", "--report", &format!("json={path}")]);
        assert!(ended.code == 2 && ended.stderr.contains("the project's own files"), "{path}: {}", ended.stderr);
    }
    assert_eq!(sandbox.read("prompts/p.j2"), prompt);
    assert_eq!(sandbox.run(&["test", "--offline", "--report", "json=/dev/null", "--report", "tap=/dev/null"]).code, 1);
}

#[test]
fn no_early_end_leaves_an_older_report() {
    let sandbox = project();
    let green = ["test", "--offline", "--case", "good", "--report", "json=a.json"];
    for wrong in [&["test", "nobody", "--report", "json=a.json"][..], &["merge", "absent", "--report", "json=a.json"]] {
        assert_eq!(sandbox.run(&green).code, 0);
        assert_ne!(sandbox.run(wrong).code, 0);
        assert_eq!(sandbox.read("a.json"), "", "{wrong:?}");
    }
    assert_eq!(sandbox.run(&green).code, 0);
    sandbox.write("promptctl.yaml", "foo: [");
    assert_eq!(sandbox.run(&green).code, 2);
    assert_eq!(sandbox.read("a.json"), "");
}

#[test]
fn what_somebody_wrote_into_a_saved_run_is_shown_as_text() {
    let sandbox = project();
    sandbox.run(&["test", "--offline", "--report", "json=a.json"]);
    let mut saved = json(&sandbox.read("a.json"));
    saved["heading"] = "\u{1b}[2J\n::error::x".into();
    saved["results"][3]["quarantine"]["until"] = "x\nok 9 - forged".into();
    sandbox.write("b.json", saved.to_string());
    for format in ["human", "tap", "junit", "gitlab", "github", "markdown"] {
        let shown = sandbox.run(&["merge", "b.json", "--report", format]).stdout;
        assert!(!shown.contains('\u{1b}') && !shown.contains("\n::error::x"), "{shown}");
        assert!(format != "tap" || !shown.contains("\nok 9"), "{shown}");
    }
    saved["commit"] = "main\n".into();
    sandbox.write("b.json", saved.to_string());
    assert_eq!(sandbox.run(&["merge", "b.json"]).code, 2);
}

#[test]
fn a_quiet_run_says_only_what_is_not_good() {
    let sandbox = project();
    let ended = sandbox.run(&["--quiet", "test", "--offline", "--case", "good", "--case", "held"]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
    let ended = sandbox.run(&["test", "--offline", "-q"]);
    assert_eq!(ended.code, 1);
    assert!(!ended.stdout.contains("› held ›") && ended.stdout.starts_with("FAILED"), "{}", ended.stdout);
    assert!(ended.stdout.contains("4 planned = 1 passed"), "{}", ended.stdout);
    // Quiet or not, the sums are the same.
    let sums = |text: &str| text.lines().filter(|line| line.starts_with("expectations held")).collect::<String>();
    assert_eq!(sums(&ended.stdout), sums(&sandbox.run(&["test", "--offline"]).stdout));
    assert_eq!(sandbox.run(&["test", "--offline", "-q", "--verbose"]).code, 2);
}

#[test]
fn failing_answers_can_be_made_to_end_with_zero() {
    let sandbox = project();
    let run = |args: &[&str]| sandbox.run(&[&["test", "--offline", "--exit-zero-on-fail"], args].concat()).code;
    assert_eq!(run(&["--report", "json=out.json"]), 0);
    assert_eq!(json(&sandbox.read("out.json"))["exit_code"], 1, "the report says what it came to");
    assert_eq!(run(&["--case", "late"]), 0);
    assert_eq!(run(&["--case", "nobody"]), 4);
    sandbox.write("fixtures/p/cases.yaml", "cases: [");
    assert_eq!(run(&[]), 2);
}

/// The worst that a text can hold for a consumer of reports.
pub const WORST: [&str; 14] = [
    "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{0}\u{b}\r",
    "\u{202e}\u{2066}\u{200b}\u{e0041}\u{feff}\u{2028}\u{fffe}\u{ffff}",
    "::set-output name=a::b\n::add-mask::x\n  ::stop-commands::t\n##[error]x ##vso[task.setvariable]y",
    "</details><!-- --></summary>",
    "```\n~~~~\n`````````\n",
    "@octocat #1 org/repo#2 GH-3",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[x](javascript:alert(1)) javascript:alert(1)",
    "]]><!ENTITY x \"y\">&x;&#0;<![CDATA[",
    "  ...\n  ---\nok 99 - forged\nnot ok 100 # SKIP\nBail out! now\n1..5",
    "\"}}\n{\"event\":\"ended\"}\n",
    "# TODO \\# x",
    "</testcase></testsuite>",
    "{{ 7 * 7 }} {% raw %}",
];

/// JSON that is YAML, too: that takes no control characters but as escapes.
fn escaped(text: &str) -> String {
    let escape = |c: char| match u32::from(c) {
        code @ 0x7f..=0xffff => format!("\\u{code:04x}"),
        _ => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// A project whose prompt, cases and answers hold the worst, as far as a name may.
pub fn hostile() -> Sandbox {
    let sandbox = Sandbox::empty();
    let long = "x".repeat(10_000_000);
    let mut replies = Vec::new();
    let mut cases = String::from("cases:\n");
    for (i, worst) in WORST.iter().enumerate() {
        let say = worst.replace("{{", "{{ '{{' }}").replace("{%", "{{ '{%' }}");
        let never = format!("never {say}");
        let say = if i == 0 { format!("{say}{long}") } else { say };
        replies.push(serde_json::json!({"when": format!("^{i}$"), "say": say}));
        // A name is one line without control characters; the rest may stand in it.
        let name: String = worst
            .chars()
            .filter(|c| !c.is_control() && !promptctl::core::escape::is_invisible(*c) && !"\u{2028}".contains(*c))
            .collect();
        let name = format!("{i} {}", name.replace(['\n', '\r'], " "));
        let case = serde_json::json!({
            "name": name.trim(), "vars": {"q": i.to_string()}, "tags": ["<b>", "a|b"],
            "expect": [{"contains": never}],
        });
        cases.push_str(&format!("  - {case}\n"));
    }
    let config = serde_json::json!({"models": {"m": {"provider": "mock", "replies": replies}}}).to_string();
    sandbox.write("promptctl.yaml", escaped(&config));
    sandbox.write("prompts/GH-1 ~_.ü__b.j2", "{{ q }}\n");
    sandbox.write("fixtures/GH-1 ~_.ü__b/cases.yaml", escaped(&cases));
    sandbox
}

/// A command of a log: its name, its properties, its message.
pub type Command = (String, BTreeMap<String, String>, String);

/// The commands in a log, as the runner of GitHub Actions finds them.
pub fn commands(log: &str) -> Vec<Command> {
    let plain = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let property = |text: &str| plain(&text.replace("%3A", ":").replace("%2C", ","));
    let mut found = Vec::new();
    for line in log.lines() {
        assert!(!line.contains("##["), "{line:?}");
        let Some(rest) = line.trim_start().strip_prefix("::") else { continue };
        let Some((head, message)) = rest.split_once("::") else { continue };
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let pairs = properties.split(',').filter_map(|pair| pair.trim().split_once('='));
        let pairs = pairs.map(|(key, value)| (key.to_owned(), property(value))).collect();
        found.push((name.to_owned(), pairs, plain(message)));
    }
    found
}

#[test]
fn nothing_in_an_answer_or_a_name_escapes_its_frame() {
    let sandbox = hostile();
    let ended = sandbox.run(&[
        "test",
        "--report",
        "junit=a.xml",
        "--report",
        "tap=a.tap",
        "--report",
        "gitlab=a.json",
        "--report",
        "jsonl=a.jsonl",
        "--report",
        "json=whole.json",
        "--report",
        "human=a.txt",
        "--report",
        "markdown=a.md",
        "--report",
        "github=a.log",
    ]);
    let count = WORST.len();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let is_clean = |text: &str| {
        let hidden = |c: char| promptctl::core::escape::is_invisible(c) || c.is_control() && !matches!(c, '\n' | '\t');
        let commands = text.lines().filter(|line| line.trim_start().starts_with("::"));
        text.chars().all(|c| !hidden(c)) && commands.count() == 0 && !text.contains("##[") && !text.contains("##vso[")
    };
    for name in ["a.xml", "a.tap", "a.json", "a.jsonl", "whole.json", "a.txt", "a.md"] {
        assert!(is_clean(&sandbox.read(name)), "{name} shows what is hidden, or commands a runner");
    }

    let xml = sandbox.read("a.xml");
    let read = quick_junit::Report::deserialize_from_str(&xml).expect("JUnit's XML");
    assert_eq!((read.test_suites.len(), read.test_suites[0].test_cases.len()), (1, count));
    assert!(xml.len() < 200_000, "{} bytes", xml.len());

    let tap = sandbox.read("a.tap");
    let points: Vec<&str> = tap.lines().filter(|line| line.starts_with("ok ") || line.starts_with("not ok ")).collect();
    assert_eq!(points.len(), count, "{tap}");
    assert!(points.iter().all(|point| !point.replace("\\\\", "").replace("\\#", "").contains('#')), "{points:?}");
    let others = tap.lines().filter(|line| !line.starts_with("  ") && !points.contains(line)).collect::<Vec<_>>();
    assert_eq!(others, ["TAP version 14", &format!("1..{count}")]);

    let page = sandbox.read("a.md");
    assert_eq!(page.matches("<details>").count(), page.matches("\n</details>\n").count(), "{page}");
    assert!(page.len() <= 65_000 && !page.contains("<script>alert(1)</script></code>"), "{} bytes", page.len());

    let commands = commands(&sandbox.read("a.log"));
    let count_of = |name: &str| commands.iter().filter(|(command, ..)| command == name).count();
    assert_eq!((count_of("group"), count_of("endgroup"), count_of("error")), (1, 1, 10), "{commands:?}");
    assert_eq!(commands.len(), 12, "{commands:?}");
    for (_, properties, _) in commands.iter().filter(|(name, ..)| name == "error").take(9) {
        assert_eq!(properties["file"], "fixtures/GH-1 ~_.ü__b/cases.yaml");
        assert_eq!(properties.len(), 3, "{properties:?}");
    }

    assert_eq!(json(&sandbox.read("a.json")).as_array().map(Vec::len), Some(count));
    let events: Vec<Value> = sandbox.read("a.jsonl").lines().map(json).collect();
    let results: Vec<&Value> = events.iter().filter(|event| event["event"] == "finished").collect();
    assert_eq!(results.len(), count);
    // What programs read is the answer itself, byte for byte.
    for (i, result) in results.iter().enumerate().skip(1) {
        assert_eq!(result["result"]["samples"][0]["output"].as_str(), Some(WORST[i]), "{i}");
    }
    let whole = json(&sandbox.read("whole.json"));
    assert_eq!(whole["results"].as_array().map(Vec::len), Some(count));
    assert_eq!(sandbox.run(&["merge", "whole.json", "--report", "json=again.json"]).code, 1);
    assert_eq!(sandbox.read("again.json"), sandbox.read("whole.json"), "what is read again is the same");
}

#[test]
fn a_score_that_was_too_low_failed_without_a_reason() {
    let cases = "cases:
  - { name: low, vars: { q: abcdefgh }, snapshot: none, threshold: 0.9, expect: [{ similarity: abcdxxxx, threshold: 0.3 }] }
  - { name: near, vars: { q: abcdefgh }, snapshot: none, threshold: 0.668, expect: [{ contains: a }, { contains: b }, { contains: qq }] }
  - { name: last, vars: { q: hello }, snapshot: none, threshold: 0.9, expect: [{ contains: hello }, { contains: qq }] }
";
    let sandbox = Sandbox::with_cases(cases);
    let said = ["the score 0.50 is below the threshold 0.9", "the score 0.667 is below the threshold 0.668"];
    says(&sandbox.run(&["test"]), 1, &[said[0], said[1], "contains: "]);
    for format in ["markdown", "github", "junit", "tap", "json", "jsonl", "gitlab", "html"] {
        let ended = sandbox.run(&["test", "--offline", "--report", format]);
        says(&ended, 1, &said);
    }
}
