//! Whatever stands in the files of a project, loading it ends with a project or with problems, never with a panic.

#![allow(unreachable_pub, reason = "a module shared by tests")]

mod common;

use std::sync::Arc;

use common::MemoryTree;
use promptctl::core::problem::{Place, Problems};
use promptctl::plan::{Overrides, Workspace};
use promptctl::recording::RecordedFile;
use promptctl::report::{
    GitlabReport, HumanReport, JsonReport, JsonlReport, JunitReport, MarkdownReport, Report, Saved, Style, TapReport,
    merge, write_problems,
};
use promptctl::run::Prepared;
use promptctl::snapshot::Snapshot;
use proptest::prelude::*;

const CONFIG: &str =
    "models:\n  m: { provider: mock, replies: [{ say: x }], limits: { timeout: 5s } }\ndefaults: { repeat: 1 }\n";
const PROMPT: &str =
    "---\nversion: 1.0.0\nvars: { q: string }\n---\n{{ role('system') }}\nx\n{{ role('user') }}\n{{ q }}\n";
const CASES: &str = "defaults: { expect: [{ not-contains: y }] }\ncases:\n  - { name: one, vars: { q: hi }, expect: [{ regex: 'a+' }] }\ndatasets:\n  - { file: r.csv, name: '{{ q }}', expect: [is-json] }\n";

/// Loads a project as a command does and shows what is wrong with it.
fn load(files: [(&str, &[u8]); 4]) {
    let mut problems = Problems::default();
    let tree = Arc::new(MemoryTree::of(files));
    if let Some(workspace) = Workspace::load(tree, &mut problems) {
        let prepared = Prepared::new(workspace, &mut problems);
        let all: Vec<usize> = (0..prepared.workspace.cases.list.len()).collect();
        if !problems.has_errors() {
            problems.extend(prepared.check_values(&all));
            if let Err(found) = prepared.plan(&all, &Overrides::default()) {
                problems.extend(found);
            }
        }
    }
    let problems = problems.sorted();
    for problem in &problems {
        assert!(!matches!(&problem.place, Place::Nowhere), "{problem:?} has no place");
    }
    write_problems(&mut Vec::new(), &problems, Style::plain()).expect("shown");
}

/// A text with a stretch cut out, doubled, or replaced.
fn mutated(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let length = text.len();
    (0..length, 0..12usize, prop::collection::vec(any::<u8>(), 0..6), "[-:{}\\[\\]&*!|>'\"%@` \n\tq1~#]{0,6}").prop_map(
        move |(at, cut, bytes, marks)| {
            let mut mutated = text.as_bytes()[..at].to_vec();
            if bytes.len() % 2 == 0 {
                mutated.extend(marks.bytes());
            } else {
                mutated.extend(&bytes);
            }
            mutated.extend(&text.as_bytes()[(at + cut).min(length)..]);
            mutated
        },
    )
}

/// A saved run with all that one may hold; 17 stands wherever a number does.
const REPORT: &str = r#"{"version":1,"tool":{"name":"promptctl","version":"0.1.0"},"heading":"h","commit":null,"dirty":null,
"exit_code":1,"summary":{"planned":1,"passed":17,"failed":17,"changed":17,"new":17,"stale":17,"unrecorded":17,"errored":17,"skipped":17,
"flaky":17,"quarantined":17,"cut_off":17,"calls_made":17,"replayed":17,"retries":17,"input_tokens":17,"output_tokens":17,
"cost_usd":17,"recorded_cost_usd":17,"unpriced":17,"seconds":17},
"results":[{"prompt":"p","case":"c","model":"m","tags":["t"],"verdict":"failed","good":false,"flaky":true,"reason":"r",
"prompt_version":"1.0.0","prompt_digest":"d","quarantine":{"until":"2026-12-31","reason":"q"},"samples":[
{"sample":3,"verdict":"failed","key":null,"output":"{\"a\": 1}","finish_reason":"stop","served_model":"s","expectations":[
{"type":"equals","pass":false,"score":17,"reason":"why"}],"score":17,"snapshot":"differs","usage":{"input":17,"output":17},
"latency_ms":17,"cost_usd":17,"source":"live","reason":"r"},
{"sample":3,"verdict":"passed","key":null,"output":null,"finish_reason":null,"served_model":null,"expectations":[],"score":null,
"snapshot":"none","usage":{"input":17,"output":17},"latency_ms":17,"cost_usd":17,"source":"recorded"}],
"detail":{"place":{"path":"fixtures/p/cases.yaml","line":7},"difference":{"what":"answer","old":"{\"a\": 2}","new":"{\"a\": 1}","json":true},
"min_pass_rate":17,"pending":"x"}}]}"#;

const NUMBERS: [&str; 8] = ["0", "1", "18446744073709551615", "-1", "1e308", "0.5", "1e999", "null"];

/// Reads a saved run, and tells it to every report.
fn told(text: &str) {
    let Ok(saved) = Saved::read("it", text) else { return };
    let Ok(Some(saved)) = merge(vec![("it".to_owned(), saved)]) else { return };
    let exit = saved.exit();
    let mut collected: Vec<Box<dyn Report>> = vec![
        Box::<JsonReport>::default(),
        Box::new(JunitReport::new(String::new())),
        Box::new(TapReport::new(String::new())),
        Box::new(GitlabReport::new("sub/".to_owned())),
        Box::<MarkdownReport>::default(),
    ];
    let (mut human, mut lines) = (Vec::new(), Vec::new());
    saved.clone().tell(&mut HumanReport::new(&mut human, Style::plain())).expect("told");
    saved.clone().tell(&mut JsonlReport::new(&mut lines)).expect("told");
    for report in &mut collected {
        saved.clone().tell(&mut **report).expect("told");
        report.write(&mut Vec::new(), exit).expect("written");
    }
}

#[test]
fn the_saved_run_is_one() {
    assert!(Saved::read("it", REPORT).is_ok(), "{:?}", Saved::read("it", REPORT).err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_config_is_explained(config in mutated(CONFIG)) {
        load([("promptctl.yaml", &config), ("prompts/p.j2", PROMPT.as_bytes()), ("fixtures/p/cases.yaml", CASES.as_bytes()), ("fixtures/p/r.csv", b"q\na\n")]);
    }

    #[test]
    fn a_damaged_prompt_is_explained(prompt in mutated(PROMPT)) {
        load([("promptctl.yaml", CONFIG.as_bytes()), ("prompts/p.j2", &prompt), ("fixtures/p/cases.yaml", CASES.as_bytes()), ("fixtures/p/r.csv", b"q\na\n")]);
    }

    #[test]
    fn damaged_cases_are_explained(cases in mutated(CASES), rows in "[q,\"\na1 ]{0,20}") {
        load([("promptctl.yaml", CONFIG.as_bytes()), ("prompts/p.j2", PROMPT.as_bytes()), ("fixtures/p/cases.yaml", &cases), ("fixtures/p/r.csv", rows.as_bytes())]);
    }

    #[test]
    fn a_saved_run_that_somebody_changed_is_refused_or_told(
        report in mutated(REPORT), number in prop::sample::select(&NUMBERS), chosen in prop::collection::vec(any::<bool>(), 64),
    ) {
        told(&String::from_utf8_lossy(&report));
        let mut parts = REPORT.split("17");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (part, is_chosen) in parts.zip(chosen) {
            text.push_str(if is_chosen { number } else { "17" });
            text.push_str(part);
        }
        told(&text);
    }

    #[test]
    fn any_text_is_read_as_recordings_and_as_a_snapshot(text in any::<String>()) {
        let path = promptctl::core::path::TreePath::new("fixtures/p/recorded/m.jsonl").expect("a path");
        let _ = RecordedFile::parse(&path, text.clone());
        let _ = Snapshot::parse(&text).map(|snapshot| snapshot.header());
    }
}
