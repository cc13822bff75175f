//! A run that is divided among machines, and put together again.

use std::fmt::Write as _;

use serde_json::Value;

use crate::sandbox::Sandbox;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A report without what differs from run to run.
fn timeless(text: &str) -> String {
    regex::Regex::new(r#""seconds":[0-9.e-]+"#).expect("valid").replace_all(text, "\"seconds\":0").into_owned()
}

/// A project of so many cases, some of which fail; all are recorded.
fn project(cases: usize) -> Sandbox {
    let mut rows = String::new();
    for n in 0..cases {
        let answer = if n % 97 == 0 { "no" } else { "yes" };
        writeln!(rows, "{}", serde_json::json!({"id": n, "q": format!("question {n} {answer}")})).expect("written");
    }
    let sandbox = Sandbox::with_cases(
        "datasets: [{ file: rows.jsonl, name: \"case {{ id }}\", expect: [{ contains: \"yes\" }], tags: [\"t{{ id % 3 }}\"] }]\n",
    );
    sandbox.write("fixtures/p/rows.jsonl", rows);
    sandbox.run(&["test"]);
    sandbox
}

#[test]
fn four_machines_report_what_one_does() {
    let sandbox = project(2000);
    let whole = sandbox.run(&["test", "--offline", "--report", "json=whole.json"]);
    assert_eq!(whole.code, 1, "{}", whole.stderr);
    let mut sizes = Vec::new();
    for part in 1..=4 {
        let (shard, report) = (format!("{part}/4"), format!("json=part{part}.json"));
        sandbox.run(&["test", "--offline", "--shard", &shard, "--report", &report]);
        let document = json(&sandbox.read(&format!("part{part}.json")));
        sizes.push(document["results"].as_array().map_or(0, Vec::len));
        assert_eq!(document["summary"]["planned"], sizes[part - 1]);
    }
    assert_eq!(sizes.iter().sum::<usize>(), 2000);
    assert!(sizes.iter().all(|size| (430..570).contains(size)), "{sizes:?}");
    let merged = sandbox.run(&[
        "merge",
        "part3.json",
        "part1.json",
        "part4.json",
        "part2.json",
        "--report",
        "json=merged.json",
        "--report",
        "junit=merged.xml",
        "--report",
        "tap=merged.tap",
        "--report",
        "gitlab=merged-gl.json",
    ]);
    assert_eq!(merged.code, 1);
    assert_eq!(timeless(&sandbox.read("merged.json")), timeless(&sandbox.read("whole.json")));
    let args = ["--report", "junit=whole.xml", "--report", "tap=whole.tap", "--report", "gitlab=whole-gl.json"];
    sandbox.run(&[&["test", "--offline"], &args[..]].concat());
    let seconds = regex::Regex::new("^(.*\n<testsuites [^>]*) time=\"[0-9.]+\"").expect("valid");
    let xml = |path: &str| seconds.replace(&sandbox.read(path), "$1").into_owned();
    assert_eq!(xml("merged.xml"), xml("whole.xml"));
    assert_eq!(sandbox.read("merged.tap"), sandbox.read("whole.tap"));
    assert_eq!(sandbox.read("merged-gl.json"), sandbox.read("whole-gl.json"));
}

#[test]
fn parts_that_make_no_whole_are_refused() {
    let sandbox = project(40);
    let part = |part: &str, name: &str| {
        sandbox.run(&["test", "--offline", "--shard", part, "--report", &format!("json={name}")])
    };
    for n in 1..=3 {
        part(&format!("{n}/3"), &format!("{n}.json"));
    }
    part("1/2", "half.json");
    sandbox.run(&["test", "--offline", "--report", "json=whole.json"]);
    sandbox.edit("prompts/p.j2", "{{ q }}", "{{ q }} now");
    part("3/3", "other.json");
    sandbox.write("text.json", "no report");
    sandbox.write("old.json", "{\"version\": 99}");
    let cut = sandbox.read("3.json");
    let mut document = json(&cut);
    document["results"].as_array_mut().expect("a list").pop();
    document["summary"]["planned"] = document["results"].as_array().map_or(0, Vec::len).into();
    sandbox.write("cut.json", document.to_string());
    let mut shown = String::new();
    for files in [
        &["1.json", "3.json"][..],
        &["1.json"],
        &["1.json", "2.json", "2.json", "3.json"],
        &["1.json", "2.json", "3.json", "whole.json"],
        &["1.json", "2.json", "half.json"],
        &["1.json", "2.json", "other.json"],
        &["1.json", "2.json", "cut.json"],
        &["1.json", "text.json"],
        &["old.json"],
        &["absent.json"],
    ] {
        let ended = sandbox.run(&[&["merge"], files].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{files:?}");
        writeln!(shown, "$ merge {}\n{}", files.join(" "), ended.stderr).expect("written");
    }
    insta::assert_snapshot!("merge_refused", shown);
    assert_eq!(sandbox.run(&["merge", "1.json", "2.json", "3.json"]).code, 1);
}

#[test]
fn a_part_without_cases_is_good_and_counts() {
    let sandbox = project(2);
    sandbox.write("fixtures/p/rows.jsonl", "{\"id\": 1, \"q\": \"yes\"}\n");
    sandbox.run(&["test"]);
    let mut files = Vec::new();
    for n in 1..=3 {
        let name = format!("{n}.json");
        let ended =
            sandbox.run(&["test", "--offline", "--shard", &format!("{n}/3"), "--report", &format!("json={name}")]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        files.push(name);
    }
    let merged = sandbox.run(&["merge", &files[0], &files[1], &files[2]]);
    assert!(merged.stdout.contains("1 planned = 1 passed"), "{}{}", merged.stdout, merged.stderr);
    for wrong in ["0/3", "4/3", "a", "1/0"] {
        assert_eq!(sandbox.run(&["test", "--shard", wrong]).code, 2);
    }
}

#[test]
fn parts_are_balanced_by_how_long_answers_took() {
    let sandbox = project(60);
    let recorded = sandbox.read("fixtures/p/recorded/echo.jsonl");
    let slow: Vec<String> = recorded
        .lines()
        .enumerate()
        .map(|(n, line)| {
            let mut line = json(line);
            line["response"]["latency_ms"] = if n < 6 { 9000.into() } else { 100.into() };
            line.to_string()
        })
        .collect();
    sandbox.write("fixtures/p/recorded/echo.jsonl", slow.join("\n") + "\n");
    for n in 1..=3 {
        let report = format!("json={n}.json");
        sandbox.run(&["test", "--offline", "--shard", &format!("{n}/3"), "--report", &report]);
        let document = json(&sandbox.read(&format!("{n}.json")));
        let results = document["results"].as_array().expect("a list");
        let times = results.iter().filter_map(|result| result["samples"][0]["latency_ms"].as_u64());
        let sum: u64 = times.sum();
        assert!((18_000..22_000).contains(&sum), "part {n} takes {sum} ms");
    }
}

#[test]
fn parts_of_a_branch_that_changes_nothing_are_merged() {
    let sandbox = project(10);
    sandbox.git(&["init"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-m", "base"]);
    for n in 1..=2 {
        // The report of the first part is a file that no commit has, when the second one begins.
        let (part, report) = (format!("{n}/2"), format!("json=part{n}.json"));
        let ended = sandbox.run(&["test", "--offline", "--changed=HEAD", "--shard", &part, "--report", &report]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }
    let merged = sandbox.run(&["merge", "part1.json", "part2.json"]);
    assert!(merged.code == 0 && merged.stdout.contains("0 planned"), "{}{}", merged.stdout, merged.stderr);
    for n in 1..=2 {
        sandbox.run(&["test", "--offline", "--shard", &format!("{n}/2"), "--report", &format!("json=part{n}.json")]);
    }
    assert_eq!(sandbox.run(&["merge", "part1.json", "part2.json"]).code, 1);
    // Other expectations are another run.
    sandbox.edit("fixtures/p/cases.yaml", "contains: \"yes\"", "contains: \"question\"");
    sandbox.run(&["test", "--offline", "--shard", "2/2", "--report", "json=part2.json"]);
    let ended = sandbox.run(&["merge", "part1.json", "part2.json"]);
    assert!(ended.code == 2 && ended.stderr.contains("something else was planned"), "{}", ended.stderr);
}
