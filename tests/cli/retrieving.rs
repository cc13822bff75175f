//! `promptctl retrieval`: what retrievers find, held against golden queries.

use serde_json::Value;

use super::sandbox::{Sandbox, says};

const CONFIG: &str = "models:\n  m: { provider: mock, replies: [{ say: x }] }\nretrievers:\n  handbook: { type: local, files: \"handbook/**/*.md\", chunk: { by: heading, max: 400 }, top: 3 }\n";
const LEAVE: &str = "# Leave\n\nEverybody has 28 days of leave a year.\n\n## Carry over\n\nUp to five days are carried over into the next year. They must be taken before the end\nof March, or they are lost.\n\n## Parental leave\n\nParents take up to twelve weeks of paid leave. Tell your lead eight weeks before.\n";
const GOLDEN: &str = "expect: { recall@3: 0.9, ndcg@3: 0.8 }
queries:
  - name: carry over
    query: How many days can I carry over into next year?
    relevant: [handbook/leave.md#carry-over]
    passage: Up to five days are carried over into the next year. They must be taken before the end of March, or they are lost.
    tags: [leave]
  - name: days of leave
    query: How many days of leave do I have?
    relevant: handbook/leave.md
    tags: [leave]
  - name: lost phone
    query: I lost my phone
    relevant: [{ id: handbook/security.md#lost-devices, grade: 2 }]
  - query: Who pays for my meals on a trip?
    relevant: [handbook/expenses.md#travel]
  - name: weather
    query: What will the weather be like?
    relevant: []
";

fn project() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", CONFIG);
    sandbox.write("handbook/leave.md", LEAVE);
    sandbox.write(
        "handbook/expenses.md",
        "# Expenses\n\n## Travel\n\nBook trains in second class. Meals on the road are paid up to 40 euros a day.\n\n## Receipts\n\nHand in receipts within 30 days.\n",
    );
    sandbox.write(
        "handbook/security.md",
        "# Security\n\n## Passwords\n\nNever share a password, not with your lead either.\n\n## Lost devices\n\nReport a lost laptop or phone within the hour.\n",
    );
    sandbox.write("fixtures/_retrieval/handbook.yaml", GOLDEN);
    sandbox
}

fn accepted() -> Sandbox {
    let sandbox = project();
    says(&sandbox.run(&["retrieval", "test", "--update", "--quiet"]), 0, &[]);
    sandbox
}

/// The report as JSON, which fits its schema.
#[track_caller]
fn json(sandbox: &Sandbox, args: &[&str], code: i32) -> Value {
    let args: Vec<&str> = ["retrieval", "test", "--json"].iter().chain(args).copied().collect();
    let ended = sandbox.run(&args);
    assert_eq!(ended.code, code, "{}", ended.shown());
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/retrieval.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
    document
}

fn measure(row: &Value, name: &str, k: u64) -> f64 {
    let measures = row["measures"].as_array().expect("measures");
    let found = measures.iter().find(|one| one["measure"] == name && one["k"] == k);
    found.and_then(|one| one["mean"].as_f64()).unwrap_or_else(|| panic!("{name}@{k}"))
}

#[test]
fn a_first_test_measures_and_says_what_to_do() {
    insta::assert_snapshot!(project().run(&["retrieval", "test"]).shown());
}

#[test]
fn what_is_accepted_is_quiet_and_what_drifts_is_shown() {
    let sandbox = accepted();
    let before = sandbox.files();
    says(&sandbox.run(&["retrieval", "test", "--quiet"]), 0, &["── stdout ──\n── stderr ──\n"]);
    assert_eq!(sandbox.files(), before, "nothing is written");
    sandbox.edit("handbook/security.md", "Report a lost laptop or phone", "Report lost phones to your lead: a phone");
    sandbox.write("handbook/phones.md", "# Phones\n\nWho lost a phone gets a new phone.\n");
    let ended = sandbox.run(&["retrieval", "test"]);
    insta::assert_snapshot!(ended.shown());
    says(&sandbox.run(&["retrieval", "test", "--update"]), 0, &["accepted in snapshots/_retrieval/handbook.snap"]);
    says(&sandbox.run(&["retrieval", "test", "--quiet"]), 0, &[]);
    assert!(sandbox.read("snapshots/_retrieval/handbook.snap").contains("- handbook/phones.md#phones"));
}

#[test]
fn in_continuous_integration_nothing_is_written_and_what_is_new_waits() {
    let sandbox = project();
    let before = sandbox.files();
    says(&sandbox.run_with(&["retrieval", "test"], &[("CI", "true")]), 5, &["nothing was accepted yet"]);
    let ended = sandbox.run_with(&["retrieval", "test", "--update"], &[("CI", "true")]);
    says(&ended, 2, &["in continuous integration nothing is accepted"]);
    assert_eq!(sandbox.files(), before);
}

#[test]
fn a_measure_below_its_minimum_fails() {
    let sandbox = accepted();
    let path = "fixtures/_retrieval/handbook.yaml";
    sandbox.edit(
        path,
        "[{ id: handbook/security.md#lost-devices, grade: 2 }]",
        "[handbook/security.md, handbook/expenses.md#travel]",
    );
    let ended = sandbox.run(&["retrieval", "test"]);
    says(
        &ended,
        1,
        &[
            "recall@3 is too low: 0.875, at least 0.900",
            "missed: the relevant `handbook/expenses.md#travel` was not found",
        ],
    );
}

#[test]
fn every_failure_mode_is_told() {
    let sandbox = project();
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "one"]);
    sandbox.edit("promptctl.yaml", "max: 400 }, top: 3", "max: 60 }, top: 3, max-age: 30d");
    sandbox.write("handbook/old.md", "---\nreviewed: 2024-03-01\n---\n# Old\n\nThe weather is not like it was.\n");
    sandbox.edit(
        "fixtures/_retrieval/handbook.yaml",
        "handbook/security.md#lost-devices",
        "handbook/security.md#lost-devises",
    );
    insta::assert_snapshot!(sandbox.run(&["retrieval", "test"]).shown());
    // What was committed long ago is stale, what is written now is not.
    let ended = sandbox.run_with(&["retrieval", "test"], &[("SOURCE_DATE_EPOCH", "1775001600")]);
    says(&ended, 1, &["stale: `handbook/leave.md` has not been touched since 2026-01-01"]);
    sandbox.edit("handbook/leave.md", "28 days", "30 days");
    let ended = sandbox.run_with(&["retrieval", "test"], &[("SOURCE_DATE_EPOCH", "1775001600")]);
    assert!(!ended.stdout.contains("`handbook/leave.md` has not"), "{}", ended.stdout);
    // What fails is said in the golden file.
    sandbox.edit("fixtures/_retrieval/handbook.yaml", "queries:", "fail-on: [stale]\nqueries:");
    let document = json(&sandbox, &[], 1);
    let findings = document["rows"][0]["queries"].as_array().expect("queries").iter();
    let fails: Vec<(String, bool)> = findings
        .flat_map(|query| query["findings"].as_array().expect("findings"))
        .map(|finding| (finding["kind"].as_str().expect("a kind").to_owned(), finding["fails"] == true))
        .collect();
    assert!(fails.iter().all(|(kind, fails)| *fails == (kind == "stale")), "{fails:?}");
    assert!(["cut", "gone", "stale"].iter().all(|kind| fails.iter().any(|(found, _)| found == kind)), "{fails:?}");
}

#[test]
fn other_chunkings_stand_beside_it_and_decide_nothing() {
    let sandbox = accepted();
    let args = ["retrieval", "test", "--chunkings", "paragraph:120,sentences:2/1,fixed:80/20,whole,heading:400"];
    insta::assert_snapshot!(sandbox.run(&args).shown());
    let document = json(&sandbox, &args[2..], 0);
    let rows = document["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 5, "the one that it has is not tried again");
    assert!(rows.iter().skip(1).all(|row| row["alternative"] == true && row["snapshot"].is_null()));
    // A golden chunk counts where a chunk cut otherwise shares half of it.
    assert!(measure(&rows[1], "hit", 3) > 0.7 && measure(&rows[4], "hit", 3) > 0.7, "{rows:?}");
}

#[test]
fn base_and_head_are_compared_query_by_query() {
    let sandbox = accepted();
    let names = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];
    for name in names {
        sandbox.write(&format!("handbook/{name}.md"), format!("# {name}\n\nAll about {name} and nothing else.\n"));
    }
    let queries: String =
        names.iter().map(|name| format!("  - {{ query: what is {name}, relevant: handbook/{name}.md }}\n")).collect();
    sandbox.write("fixtures/_retrieval/handbook.yaml", format!("snapshot: none\nqueries:\n{queries}"));
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "one"]);
    says(&sandbox.run(&["retrieval", "test", "--base", "HEAD"]), 0, &["against commit", "hit@3"]);
    for name in names {
        sandbox.write(&format!("handbook/{name}.md"), "# Moved\n\nElsewhere.\n");
    }
    let document = json(&sandbox, &["--base", "HEAD"], 1);
    let hit = &document["rows"][0]["against"]["differences"][0];
    assert_eq!(
        (&hit["base"], &hit["head"], &hit["worse"], &hit["verdict"]),
        (&1.0.into(), &0.0.into(), &8.into(), &"regressed".into())
    );
    let ended = sandbox.run(&["retrieval", "test", "--base", "HEAD", "--report", "markdown"]);
    says(&ended, 1, &["measures regressed"]);
    sandbox.git(&["checkout", "-q", "."]);
    sandbox.edit("promptctl.yaml", "  handbook:", "  other:");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "two"]);
    sandbox.edit("promptctl.yaml", "  other:", "  handbook:");
    says(&sandbox.run(&["retrieval", "test", "--base", "HEAD"]), 0, &["note: base has no retriever `handbook`"]);
}

#[test]
fn base_stands_in_one_table_with_chunkings_and_other_retrievers() {
    let sandbox = accepted();
    sandbox.write(
        "promptctl.yaml",
        format!("{CONFIG}  leave: {{ type: local, files: handbook/leave.md, chunk: whole, top: 3 }}\n"),
    );
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "one"]);
    let more = "\n## Phones\n\nA phone is replaced after three years.\n";
    sandbox.write("handbook/phones.md", more);
    sandbox.edit(
        "promptctl.yaml",
        "  leave:",
        "  new: { type: local, files: handbook/phones.md, chunk: whole, top: 3 }\n  leave:",
    );
    let args =
        ["retrieval", "test", "handbook", "--base", "HEAD", "--chunkings", "whole", "--also", "leave", "--also", "new"];
    insta::assert_snapshot!(sandbox.run(&args).shown());
    let document = json(&sandbox, &args[2..], 5);
    let rows = document["rows"].as_array().expect("rows");
    let ways = |row: &Value| (row["retriever"].clone(), row["chunking"].clone(), row["at"].is_null());
    let of = |name: &str, chunking: &str, now| (Value::from(name), Value::from(chunking), now);
    let wanted = [
        of("handbook", "heading:400", true),
        of("handbook", "whole", true),
        of("leave", "whole", true),
        of("new", "whole", true),
        of("handbook", "heading:400", false),
        of("handbook", "whole", false),
        of("leave", "whole", false),
    ];
    assert_eq!(rows.iter().map(ways).collect::<Vec<_>>(), wanted);
    // Of base nothing is expected, and what is decided is decided by the first row.
    for row in &rows[4..] {
        assert!(row["alternative"] == true && row["snapshot"].is_null() && row["golden"] == "handbook");
        assert!(row["measures"].as_array().expect("measures").iter().all(|one| one["least"].is_null()));
    }
    let first = &rows[0]["against"]["differences"][5];
    assert_eq!(
        (first["base"].as_f64(), first["head"].as_f64()),
        (Some(measure(&rows[4], "ndcg", 3)), Some(measure(&rows[0], "ndcg", 3)))
    );
    says(&sandbox.run(&[&args[..], &["--report", "markdown"]].concat()), 5, &["| `handbook, heading:400, at commit "]);
}

#[test]
fn several_retrievers_stand_beside_each_other() {
    let sandbox = accepted();
    sandbox.write(
        "promptctl.yaml",
        format!("{CONFIG}  leave: {{ type: local, files: handbook/leave.md, chunk: whole, top: 3 }}\n"),
    );
    sandbox.write("fixtures/_retrieval/leave.yaml", "queries: [{ query: carry over, relevant: handbook/leave.md }]\n");
    says(&sandbox.run(&["retrieval", "test"]), 0, &["beside each other, each with its own queries"]);
    let document = json(&sandbox, &["handbook", "--also", "leave"], 0);
    assert_eq!(document["rows"][1]["retriever"], "leave");
    assert!(measure(&document["rows"][1], "recall", 3) < measure(&document["rows"][0], "recall", 3));
}

#[test]
fn what_is_wrong_with_golden_queries_is_said_at_its_place() {
    let sandbox = project();
    sandbox.write(
        "fixtures/_retrieval/handbook.yaml",
        "expect: { recal@3: 0.9, hit@0: 1, mrr@3: 2 }\nfail-on: [cuts]\nquerys: []\nqueries:\n  - { query: a, relevant: [x, 'x#y'] }\n  - { query: a, relevant: [] }\n  - { query: '' , relevant: [] }\n  - { query: b }\n  - { name: c, relevant: [] }\n  - { query: d, relevant: [{ id: x, grade: -1 }], passage: ' ' }\n",
    );
    insta::assert_snapshot!(sandbox.run(&["retrieval", "test"]).shown());
    sandbox.write("fixtures/_retrieval/handbook.yaml", "snapshot: none\nqueries: [{ query: a, relevant: [] }]\n");
    says(
        &sandbox.run(&["retrieval", "test"]),
        2,
        &["nothing is relevant and nothing is kept: these queries cannot fail"],
    );
    sandbox.write("fixtures/_retrieval/handbok.yaml", "queries: [{ query: a, relevant: b }]\n");
    says(
        &sandbox.run(&["retrieval", "test"]),
        2,
        &["there is no `handbok` under `retrievers:`; did you mean \"handbook\"?"],
    );
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let sandbox = project();
    says(
        &sandbox.run(&["retrieval", "test", "handbok"]),
        4,
        &["there is no retriever `handbok`; did you mean \"handbook\"?"],
    );
    says(&sandbox.run(&["retrieval", "query", "handbook", "zzz"]), 4, &["nothing was found"]);
    says(&sandbox.run(&["retrieval", "query", "handbook", " "]), 2, &["the query is empty"]);
    says(&sandbox.run(&["retrieval", "test", "--k", "0"]), 2, &["`0` is no rank from 1 to 1000"]);
    says(&sandbox.run(&["retrieval", "test", "--chunkings", "word"]), 2, &["no files are cut by `word`"]);
    says(&sandbox.run(&["retrieval", "test", "--report", "junit"]), 2, &["retrieval has no report format `junit`"]);
    std::fs::remove_file(sandbox.path("fixtures/_retrieval/handbook.yaml")).expect("there");
    says(&sandbox.run(&["retrieval", "test"]), 4, &["there are no golden queries"]);
    says(
        &sandbox.run(&["retrieval", "test", "handbook"]),
        2,
        &["has no golden queries: there is no fixtures/_retrieval/handbook.yaml"],
    );
    sandbox.edit("promptctl.yaml", "handbook/**/*.md", "handbok/**/*.md");
    says(&sandbox.run(&["retrieval", "chunks", "handbook"]), 2, &["match nothing: handbok/**/*.md"]);
    sandbox.edit("promptctl.yaml", "handbok/**/*.md", "handbook/**");
    sandbox.write("handbook/image.png", b"\x89PNG\xff");
    says(&sandbox.run(&["retrieval", "chunks", "handbook"]), 2, &["`handbook/image.png` is not UTF-8"]);
    sandbox.edit("promptctl.yaml", "files: \"handbook/**\"", "files: \"handbook/*.md\", engine: tantivy");
    if !cfg!(feature = "search") {
        says(
            &sandbox.run(&["retrieval", "chunks", "handbook"]),
            2,
            &["this promptctl has no tantivy", "--features search"],
        );
    }
}

#[cfg(feature = "search")]
#[test]
fn tantivy_finds_the_same() {
    let sandbox = project();
    let found = |sandbox: &Sandbox| {
        let ended = sandbox.run(&["retrieval", "query", "handbook", "lost", "--json"]);
        let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        document["documents"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    let own = found(&sandbox);
    sandbox.edit("promptctl.yaml", "files: \"handbook/**/*.md\"", "files: \"handbook/**/*.md\", engine: tantivy");
    assert_eq!(found(&sandbox), own);
    assert!(!own.is_empty());
    says(&sandbox.run(&["retrieval", "test", "handbook"]), 0, &["tantivy"]);
}

#[test]
fn chunks_are_listed_and_found() {
    let sandbox = project();
    insta::assert_snapshot!(sandbox.run(&["retrieval", "chunks", "handbook", "handbook/leave.md"]).shown());
    insta::assert_snapshot!(sandbox.run(&["retrieval", "query", "handbook", "carry over leave", "--top", "2"]).shown());
    let ended = sandbox.run(&["retrieval", "query", "handbook", "lost", "--json"]);
    let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(document["documents"][0]["id"], "handbook/security.md#lost-devices");
    assert_eq!(document["documents"][0]["source"], "handbook/security.md");
    let ended = sandbox.run(&["retrieval", "chunks", "handbook", "handbook/leave.md#carryover"]);
    says(&ended, 4, &["did you mean \"handbook/leave.md#carry-over\"?"]);
}

#[test]
fn hostile_documents_do_nothing_to_a_terminal() {
    let sandbox = project();
    sandbox.write(
        "handbook/evil.md",
        "# \u{1b}[2J::error::x ##[error]y\n\u{1b}]0;title\u{7}phone \u{202e}\n::set-env::x\n",
    );
    for args in [
        &["query", "handbook", "phone"][..],
        &["query", "handbook", "phone", "--full"],
        &["query", "handbook", "phone", "--json"],
        &["chunks", "handbook", "--full"],
        &["test"],
    ] {
        let ended = sandbox.run(&[&["retrieval"], args].concat());
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{args:?} {shown:?}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{args:?} {shown}");
    }
}

#[test]
fn a_commit_is_tested_as_it_was() {
    let sandbox = accepted();
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "one"]);
    sandbox.write("handbook/leave.md", "Nothing.\n");
    assert_ne!(sandbox.run(&["retrieval", "test"]).code, 0);
    says(&sandbox.run(&["retrieval", "test", "--at", "HEAD"]), 0, &["retrieval in commit"]);
    says(&sandbox.run(&["retrieval", "query", "handbook", "carry over", "--at", "HEAD"]), 0, &["leave.md#carry-over"]);
}

#[test]
fn a_program_is_asked_recorded_and_replayed() {
    let sandbox = project();
    sandbox
        .write("promptctl.yaml", format!("{CONFIG}  search: {{ type: exec, command: [/bin/sh, find.sh], top: 2 }}\n"));
    sandbox.write(
        "find.sh",
        "cat >/dev/null; echo asked >>calls\necho '{\"documents\": [{\"id\": \"a\", \"text\": \"one\"}, {\"id\": \"b#x\", \"text\": \"two\", \"score\": 0.5}, {\"id\": \"c\", \"text\": \"three\"}]}'\n",
    );
    sandbox.write(
        "fixtures/_retrieval/search.yaml",
        "queries:\n  - { query: one, relevant: a }\n  - { query: two, relevant: b }\n  - { query: three, relevant: [c, d] }\n",
    );
    says(&sandbox.run(&["retrieval", "test", "search"]), 2, &["find.sh", "--allow-exec"]);
    let ended = sandbox.run(&["retrieval", "test", "search", "--offline"]);
    says(&ended, 5, &["unrecorded: what is found is not recorded, and nobody was asked"]);
    let document = {
        let args = ["search", "--allow-exec", "--update"];
        json(&sandbox, &args, 0)
    };
    let row = &document["rows"][0];
    assert_eq!((row["kind"].as_str(), row["chunks"].is_null()), (Some("exec"), true));
    assert!((measure(row, "hit", 2) - 2.0 / 3.0).abs() < 1e-9 && (measure(row, "mrr", 2) - 0.5).abs() < 1e-9, "{row}");
    assert_eq!(sandbox.read("calls").lines().count(), 3);
    assert!(sandbox.exists("fixtures/_retrieval/retrieved/search.jsonl"));
    // From here on nobody is asked.
    let before = sandbox.files();
    says(&sandbox.run(&["retrieval", "test", "search", "--offline", "--quiet"]), 0, &[]);
    says(&sandbox.run(&["retrieval", "test", "search", "--quiet"]), 0, &[]);
    assert_eq!(sandbox.files(), before);
    // What is recorded for golden queries is used.
    says(&sandbox.run(&["prune"]), 0, &["nothing to prune"]);
    says(&sandbox.run(&["retrieval", "test", "search", "--refresh", "--allow-exec", "--quiet"]), 0, &[]);
    assert_eq!(sandbox.read("calls").lines().count(), 6);
    sandbox.write("find.sh", "cat >/dev/null; exit 3\n");
    says(&sandbox.run(&["retrieval", "test", "search", "--refresh", "--allow-exec"]), 3, &["errored:"]);
}

#[test]
fn vectors_are_recorded_and_fused_with_words() {
    let sandbox = project();
    sandbox.edit("promptctl.yaml", "top: 3", "top: 3, embeddings: m");
    let ended = sandbox.run(&["retrieval", "test", "--offline"]);
    says(&ended, 5, &["unrecorded: what is found is not recorded"]);
    says(&sandbox.run(&["retrieval", "test", "--update"]), 0, &["bm25, and vectors of m", "accepted in"]);
    assert_eq!(sandbox.read("fixtures/_retrieval/recorded/m.jsonl").lines().count(), 7 + 5);
    let before = sandbox.files();
    says(&sandbox.run(&["retrieval", "test", "--offline", "--quiet"]), 0, &[]);
    says(&sandbox.run_with(&["retrieval", "test", "--quiet"], &[("CI", "true")]), 0, &[]);
    says(&sandbox.run(&["prune"]), 0, &["nothing to prune"]);
    assert_eq!(sandbox.files(), before);
    // A chunk that changed is embedded anew, and no other.
    sandbox.edit("handbook/leave.md", "28 days", "30 days");
    says(&sandbox.run(&["retrieval", "test", "--offline"]), 5, &["unrecorded"]);
    says(&sandbox.run(&["retrieval", "query", "handbook", "I lost my phone", "--top", "1"]), 0, &["lost-devices"]);
    assert_eq!(sandbox.read("fixtures/_retrieval/recorded/m.jsonl").lines().count(), 12, "it was only tried");
    sandbox.run(&["retrieval", "test"]);
    assert_eq!(sandbox.read("fixtures/_retrieval/recorded/m.jsonl").lines().count(), 13);
}
