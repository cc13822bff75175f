//! Whatever stands in the files of a project, loading it ends with a project or with problems, never with a panic.

#![allow(unreachable_pub, reason = "a module shared by tests")]

mod common;

use std::sync::Arc;

use common::MemoryTree;
use promptctl::core::problem::{Place, Problems};
use promptctl::plan::{Overrides, Workspace};
use promptctl::recording::RecordedFile;
use promptctl::report::{Style, write_problems};
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
    fn any_text_is_read_as_recordings_and_as_a_snapshot(text in any::<String>()) {
        let path = promptctl::core::path::TreePath::new("fixtures/p/recorded/m.jsonl").expect("a path");
        let _ = RecordedFile::parse(&path, text.clone());
        let _ = Snapshot::parse(&text).map(|snapshot| snapshot.header());
    }
}
