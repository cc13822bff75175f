//! What went wrong with retrievers once, and must not again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, says};
use crate::server::Server;

const ECHO: &str = "  echo: { provider: mock, replies: [{ say: 'an answer' }] }\n";
const TEMPLATE: &str = "---\nretriever: { use: r, query: '{{ q }}' }\n---\n{{ documents }} {{ q }}\n";
const CASES: &str = "cases: [{ name: a, vars: { q: apples }, snapshot: none, expect: [contains: answer] }]\n";
const FILES: &str = "{ type: local, files: 'docs/*.md' }";

/// What asks a server.
fn http(server: &Server, more: &str) -> String {
    format!("{{ type: http, base-url: '{}'{more} }}", server.origin())
}

/// A prompt with a retriever, and a case.
fn asking(retriever: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", format!("models:\n{ECHO}retrievers:\n  r: {retriever}\n"));
    sandbox.write("prompts/p.j2", TEMPLATE);
    sandbox.write("fixtures/p/cases.yaml", CASES);
    sandbox
}

fn finds(id: &'static str) -> Server {
    Server::answering(move |_, _| {
        (200, json!({"documents": [{"id": id, "text": format!("text of {id}")}]}).to_string())
    })
}

#[test]
fn two_prompts_with_retrievers_of_their_own_asked_one_of_them_with_its_key() {
    let (one, other) = (finds("one.md"), finds("other.md"));
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", format!("models:\n{ECHO}"));
    for (name, server) in [("a", &one), ("b", &other)] {
        let address = server.origin();
        sandbox.write(
            &format!("prompts/{name}.j2"),
            format!("---\nretriever: {{ type: http, base-url: '{address}', api-key-env: KEY_{name}, query: '{{{{ q }}}}' }}\n---\n{{{{ documents[0].text }}}} {{{{ q }}}}\n"),
        );
        sandbox.write(
            &format!("fixtures/{name}/cases.yaml"),
            format!("cases: [{{ name: one, vars: {{ q: private to {name} }}, expect: [contains: answer], snapshot: none }}]\n"),
        );
    }
    let keys = [("KEY_a", "the-key-for-server-a"), ("KEY_b", "the-key-for-server-b")];
    says(&sandbox.run_with(&["test"], &keys), 0, &["2 planned = 2 passed"]);
    let asked = [one.requests(), other.requests()];
    for (requests, own, foreign) in [(&asked[0], "a", "b"), (&asked[1], "b", "a")] {
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(requests[0].contains(&format!("private to {own}")) && requests[0].contains(&format!("server-{own}")));
        assert!(!requests[0].contains(&format!("server-{foreign}")), "{requests:?}");
    }
    assert!(sandbox.read("fixtures/b/retrieved/retriever.jsonl").contains("other.md"));
}

#[test]
fn a_retriever_was_asked_more_at_once_than_its_limit() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (own, peak) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::answering(move |_, _| {
        let count = own.fetch_add(1, Ordering::SeqCst) + 1;
        peak.fetch_max(count, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(20));
        own.fetch_sub(1, Ordering::SeqCst);
        (200, json!({"documents": []}).to_string())
    });
    let sandbox = asking(&http(&server, ", limits: { concurrency: 2 }"));
    let cases: Vec<Value> = (0..12)
        .map(|n| json!({"name": format!("c{n}"), "vars": {"q": format!("q{n}")}, "snapshot": "none", "expect": [{"contains": "answer"}]}))
        .collect();
    sandbox.write("fixtures/p/cases.yaml", json!({"cases": cases}).to_string());
    says(&sandbox.run(&["test"]), 0, &["12 planned = 12 passed"]);
    assert_eq!(server.requests().len(), 12);
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
}

#[test]
fn a_limit_on_calls_did_not_hold_for_documents() {
    let server = finds("a.md");
    let sandbox = asking(&http(&server, ""));
    sandbox.write(
        "fixtures/p/cases.yaml",
        "defaults: { snapshot: none, expect: [contains: answer] }\ncases: [{ name: a, vars: { q: a } }, { name: b, vars: { q: b } }]\n",
    );
    says(&sandbox.run(&["test", "--dry-run"]), 0, &["note: what the retriever `r` finds is not recorded for 2 cases"]);
    says(&sandbox.run(&["test", "--max-calls", "0"]), 6, &["2 skipped", "0 calls were allowed, and are spent"]);
    assert_eq!(server.requests().len(), 0);
    // One for documents, and one for an answer.
    says(&sandbox.run(&["test", "--max-calls", "2"]), 6, &["2 skipped", "for documents 2 calls were made"]);
    assert_eq!(server.requests().len(), 2);
    says(&sandbox.run(&["test", "--max-calls", "2"]), 0, &["2 planned = 2 passed"]);
    // Texts that a model embeds cost money.
    sandbox.write(
        "promptctl.yaml",
        format!("models:\n{ECHO}  near: {{ provider: mock, price: {{ input: 100, output: 0 }} }}\ndefaults: {{ models: [echo] }}\nretrievers:\n  r: {{ type: local, files: 'docs/*.md', embeddings: near }}\n"),
    );
    sandbox.write("docs/a.md", "# A\n\nApples.\n\n# B\n\nBananas.\n");
    says(&sandbox.run(&["test", "--max-cost", "0.000001"]), 6, &["2 skipped", "it might cost more than is left"]);
    says(&sandbox.run(&["test"]), 0, &["2 planned = 2 passed", "for documents 4 calls were made"]);
}

/// A local retriever with vectors of a model.
fn hybrid() -> Sandbox {
    let sandbox = asking(FILES);
    sandbox.write(
        "promptctl.yaml",
        format!("models:\n{ECHO}  near: {{ provider: mock, model: near-1 }}\ndefaults: {{ models: [echo] }}\nretrievers:\n  r: {{ type: local, files: 'docs/*.md', embeddings: near, top: 1 }}\n"),
    );
    sandbox.write("docs/a.md", "# A\n\nApples.\n\n# B\n\nBananas.\n");
    sandbox
}

#[test]
fn another_model_that_embeds_was_not_noticed() {
    let sandbox = hybrid();
    says(&sandbox.run(&["test"]), 0, &["1 planned = 1 passed"]);
    says(&sandbox.run(&["test", "--offline"]), 0, &["1 planned = 1 passed"]);
    sandbox.edit("promptctl.yaml", "near-1", "near-2");
    says(&sandbox.run(&["test", "--offline"]), 5, &["what the retriever `r` finds is not recorded for 1 case"]);
    says(&sandbox.run(&["test"]), 0, &["1 planned = 1 passed", "for documents 3 calls were made"]);
}

#[test]
fn a_query_that_finds_nothing_stopped_the_whole_project() {
    let server = Server::answering(|_, _| (200, json!({"documents": []}).to_string()));
    let sandbox = asking(&http(&server, ""));
    sandbox
        .write("prompts/p.j2", "---\nretriever: { use: r, query: '{{ q }}' }\n---\n{{ documents[0].text }} {{ q }}\n");
    sandbox.write("prompts/other.j2", "{{ q }}\n");
    sandbox.write("fixtures/other/cases.yaml", CASES);
    says(&sandbox.run(&["test"]), 3, &["2 planned = 1 passed", "1 errored", "prompts/p.j2"]);
    says(&sandbox.run(&["test"]), 3, &["2 planned = 1 passed", "1 errored"]);
    assert_ne!(sandbox.run(&["lint"]).code, 2);
}

#[test]
fn bisect_asked_no_retriever_and_named_another_reason() {
    let sandbox = asking(FILES);
    sandbox.write(
        "promptctl.yaml",
        "models:\n  echo: { provider: mock, replies: [{ when: Apples, say: 'an answer' }, { say: nothing }] }\nretrievers:\n  r: { type: local, files: 'docs/*.md', top: 1 }\n",
    );
    sandbox.write(".gitignore", ".promptctl/\n");
    sandbox.write("docs/a.md", "# A\n\nApples and pears.\n");
    sandbox.write(
        "fixtures/p/cases.yaml",
        "cases: [{ name: a, vars: { q: pears }, snapshot: none, expect: [contains: answer] }]\n",
    );
    sandbox.git(&["init", "-q"]);
    for (text, message) in [
        ("# A\n\nApples and pears.\n", "Apples and pears"),
        ("# A\n\nApples and many pears.\n", "Many of them"),
        ("# A\n\nPears alone.\n", "Apples are gone"),
        ("# A\n\nPears alone, and plums.\n", "And plums"),
    ] {
        sandbox.write("docs/a.md", text);
        sandbox.git(&["add", "."]);
        sandbox.git(&["commit", "-qm", message]);
    }
    says(&sandbox.run(&["bisect", "p"]), 0, &["Apples are gone", "calls"]);
    let offline = sandbox.run(&["bisect", "p", "--offline"]);
    assert!(!offline.shown().contains("the budget is spent"), "{}", offline.shown());
}

#[test]
fn export_wrote_prompts_without_their_documents() {
    let server = finds("a.md");
    let sandbox = asking(&http(&server, ""));
    for form in ["openai-messages", "csv"] {
        says(&sandbox.run(&["export", form]), 2, &["what the retriever `r` finds is not recorded for 1 case"]);
    }
    says(&sandbox.run(&["test"]), 0, &[]);
    says(&sandbox.run(&["export", "openai-messages"]), 0, &["1 case exported"]);
}

#[test]
fn in_the_log_of_a_pipeline_a_document_gave_commands() {
    let sandbox = asking(FILES);
    sandbox.write("docs/a.md", "apples\n::error::pwned \u{1b}[31m\n");
    sandbox
        .write("prompts/p.j2", "---\nretriever: { use: r, query: '{{ q }}' }\n---\n{{ documents[0].text }}\n{{ q }}\n");
    sandbox.write("fixtures/p/cases.yaml", "cases: [{ name: a, vars: { q: apples }, unasserted: allow }]\n");
    let log = sandbox.run_with(&["render", "p"], &[("CI", "true")]).stdout;
    assert!(log.contains("\\::error::pwned") && !log.contains('\u{1b}'), "{log}");
    let bytes = sandbox.run(&["render", "p"]).stdout;
    assert!(bytes.contains("\n::error::pwned"), "{bytes}");
}

/// A retriever of files with golden queries.
fn golden(document: &str, golden: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        format!("models:\n{ECHO}retrievers:\n  r: {{ type: local, files: 'docs/*', top: 3, max-age: 30d }}\n"),
    );
    sandbox.write("docs/a.md", document);
    sandbox.write("fixtures/_retrieval/r.yaml", golden);
    sandbox
}

#[test]
fn a_chunk_that_holds_two_relevant_ones_counted_for_one() {
    let sandbox = golden(
        "# Alpha\n\nApples are red.\n\n# Beta\n\nApples are green.\n",
        "snapshot: none\nqueries: [{ name: both, query: apples, relevant: [docs/a.md#alpha, docs/a.md#beta] }]\n",
    );
    let ended = sandbox.run(&["retrieval", "test", "--chunkings", "whole", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}", ended.shown()));
    let whole = &json["rows"][1];
    let of = |name: &str, k: u64| {
        let all = whole["measures"].as_array().expect("measures");
        all.iter()
            .find(|one| one["measure"] == name && one["k"] == k)
            .map(|one| one["mean"].clone())
            .expect("a measure")
    };
    assert_eq!((of("recall", 1), of("precision", 3), of("ndcg", 3)), (json!(1.0), json!(1.0 / 3.0), json!(1.0)));
}

#[test]
fn a_rule_at_the_top_of_a_file_was_taken_for_a_front_matter() {
    let sandbox = golden(
        "---\n\nThis page starts with a rule.\n\n# Lost heading\n\nAbout pangolins.\n\n---\n\nAfter it.\n",
        "snapshot: none\nqueries: [{ name: one, query: pangolins, relevant: docs/a.md#lost-heading }]\n",
    );
    says(&sandbox.run(&["retrieval", "query", "r", "pangolins"]), 0, &["docs/a.md#lost-heading"]);
    sandbox.write("docs/a.md", "---\ntitle: pangolins\n---\n\n# Found\n\nText.\n");
    assert!(!sandbox.run(&["retrieval", "query", "r", "pangolins"]).stdout.contains("docs/a.md#"));
}

#[test]
fn many_headings_of_one_name_took_minutes() {
    // Quadratic naming took 24 s for these in a release build.
    let sandbox = golden(&"### Fixed\nx\n".repeat(20_000), "snapshot: none\nqueries: [{ name: one, query: x }]\n");
    let listed = sandbox.run(&["retrieval", "chunks", "r"]);
    assert!(listed.stdout.contains("docs/a.md#fixed-20000"), "{}", listed.code);
}

#[test]
fn a_query_that_failed_was_counted_as_one_with_nothing_relevant() {
    let server = Server::answering(|_, body| {
        if body.contains("bad") {
            return (400, "{}".to_owned());
        }
        (200, json!({"documents": [{"id": "d0", "text": "x"}]}).to_string())
    });
    let sandbox = asking(&http(&server, ""));
    sandbox.write(
        "fixtures/_retrieval/r.yaml",
        "snapshot: none\nexpect: { recall@3: 0.9 }\nqueries:\n  - { name: good, query: good, relevant: d0 }\n  - { name: bad, query: bad, relevant: d1 }\n  - { name: none, query: none, relevant: [] }\n",
    );
    let ended = sandbox.run(&["retrieval", "test"]);
    says(&ended, 3, &["3 queries (1 with nothing relevant)", "is as expected as far as known, without 1 query: 1.000"]);
    sandbox.edit("fixtures/_retrieval/r.yaml", "  - { name: good, query: good, relevant: d0 }\n", "");
    sandbox.edit("fixtures/_retrieval/r.yaml", "expect: { recall@3: 0.9 }\n", "");
    says(&sandbox.run(&["retrieval", "test"]), 3, &["no query could be asked: there is nothing to measure"]);
}

#[test]
fn seven_lost_queries_of_seven_were_called_the_same() {
    let queries: String =
        (0..7).map(|n| format!("  - {{ name: q{n}, query: word{n}, relevant: docs/d{n}.md }}\n")).collect();
    let sandbox = golden("nothing here\n", &format!("snapshot: none\nqueries:\n{queries}"));
    sandbox.edit("promptctl.yaml", ", max-age: 30d", "");
    for n in 0..7 {
        sandbox.write(&format!("docs/d{n}.md"), format!("about word{n}\n"));
    }
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "a"]);
    for n in 0..7 {
        sandbox.write(&format!("docs/d{n}.md"), "about something else\n");
    }
    let ended = sandbox.run(&["retrieval", "test", "--base", "HEAD", "--json"]);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}", ended.shown()));
    assert_eq!(json["rows"][0]["against"]["differences"][0]["verdict"], "undecided", "{}", json["rows"][0]["against"]);
    says(&sandbox.run(&["retrieval", "test", "--base", "HEAD"]), 0, &["undecided"]);
}

#[test]
fn nobody_was_told_that_stale_files_cannot_be_seen() {
    let sandbox = golden("apples\n", "snapshot: none\nqueries: [{ name: one, query: apples, relevant: docs/a.md }]\n");
    says(&sandbox.run(&["retrieval", "test"]), 0, &["of 1 file of the retriever `r` nobody knows when"]);
    sandbox.edit("fixtures/_retrieval/r.yaml", "snapshot: none", "snapshot: none\nfail-on: [stale]");
    says(&sandbox.run(&["retrieval", "test"]), 2, &["whether one is stale cannot be told", "git fetch --unshallow"]);
}

#[test]
fn compare_said_nothing_of_documents_that_got_worse() {
    let sandbox = asking("{ type: local, files: 'docs/*.md', top: 1 }");
    sandbox.write(".gitignore", ".promptctl/\n");
    sandbox.write("docs/a.md", "# A\n\nApples are red.\n");
    sandbox.write("docs/b.md", "# B\n\nBananas are yellow.\n");
    sandbox.write(
        "fixtures/p/cases.yaml",
        "cases: [{ name: a, vars: { q: red apples }, relevant: docs/a.md, snapshot: none, expect: [contains: answer] }]\n",
    );
    says(&sandbox.run(&["test"]), 0, &["1 planned = 1 passed"]);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "a"]);
    sandbox.write("docs/a.md", "# A\n\nNothing is said.\n");
    sandbox.write("docs/b.md", "# B\n\nBananas are yellow, and no red apples.\n");
    let ended = sandbox.run(&["compare", "HEAD", "--report", "markdown=c.md", "--report", "json=c.json"]);
    says(
        &ended,
        0,
        &[
            "in head 1 case is given other documents",
            "retrieval in base: hit@1 1.000",
            "retrieval in head: hit@1 0.000",
            "1 answer holds though nothing relevant was found",
        ],
    );
    assert!(!ended.stdout.contains("other variables"), "{}", ended.stdout);
    assert!(sandbox.read("c.md").contains("retrieval in head: hit@1 0.000"), "{}", sandbox.read("c.md"));
    let json: Value = serde_json::from_str(&sandbox.read("c.json")).expect("JSON");
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/compare.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_is_relevant_to_nothing_was_never_told() {
    let sandbox = asking(FILES);
    sandbox.write("docs/apples.md", "apples\n");
    sandbox.write("prompts/plain.j2", "{{ q }}\n");
    sandbox.write(
        "fixtures/p/cases.yaml",
        "cases: [{ name: a, vars: { q: apples }, relevant: [docs/apple.md#top, docs/apples.md], snapshot: none, expect: [contains: answer] }]\n",
    );
    sandbox.write(
        "fixtures/plain/cases.yaml",
        "cases: [{ name: b, vars: { q: apples }, relevant: docs/apples.md, snapshot: none, expect: [contains: answer] }]\n",
    );
    says(
        &sandbox.run(&["test"]),
        0,
        &[
            "case `a`: the relevant `docs/apple.md#top` is in no file of the retriever `r`; did you mean \"docs/apples.md\"?",
            "case `b` says what is `relevant`, and its prompt has no `retriever` to find it",
        ],
    );
}

#[test]
fn a_chunk_that_is_none_was_relevant_without_a_word() {
    let sandbox = asking(&FILES.replace("type: local", "type: local, chunk: heading"));
    sandbox.write("docs/apples.md", "# Apples\n\napples\n\n## Red ones\n\nred apples\n");
    let case = |relevant: &str| {
        format!(
            "cases: [{{ name: a, vars: {{ q: apples }}, relevant: [{relevant}], snapshot: none, expect: [contains: answer] }}]\n"
        )
    };
    sandbox.write("fixtures/p/cases.yaml", case("docs/apples.md#red-one"));
    let told = "case `a`: the relevant `docs/apples.md#red-one` is no chunk of the retriever `r`; did you mean \"docs/apples.md#red-ones\"?";
    says(&sandbox.run(&["test"]), 0, &[told]);
    sandbox.write("fixtures/p/cases.yaml", case("docs/apples.md#red-ones, docs/apples.md"));
    assert!(!sandbox.run(&["test"]).stderr.contains("relevant"));
}

#[test]
fn a_query_that_somebody_tried_was_recorded_to_be_committed() {
    let server = finds("a.md");
    let sandbox = Sandbox::empty();
    sandbox.write("promptctl.yaml", format!("retrievers:\n  r: {}\n", http(&server, "")));
    says(&sandbox.run(&["retrieval", "query", "r", "apples"]), 0, &["a.md"]);
    says(&sandbox.run(&["retrieval", "query", "r", "apples"]), 0, &["a.md"]);
    assert_eq!(server.requests().len(), 1);
    assert!(!sandbox.exists("fixtures/_retrieval"));
}
