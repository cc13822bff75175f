//! Prompts with a retriever: what it finds stands in the request, is recorded, and is replayed without asking.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::sandbox::{Sandbox, says};
use crate::server::Server;

const PROMPT: &str = "---
vars: { question: string }
retriever: handbook
---
{% for document in documents %}<document id=\"{{ document.id }}\">{{ document.text }}</document>
{% endfor %}{{ question }}
";
const CASES: &str = "defaults: { snapshot: none }
cases:
  - { name: leave, vars: { question: How long is my leave? }, expect: [cites-retrieved, { contains: thirty }] }
  - { name: lunch, vars: { question: Who pays for lunch? }, expect: [cites-retrieved] }
";

/// A server that finds the question itself, and a project that asks it.
fn project(answer: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static) -> (Server, Sandbox) {
    let server = Server::answering(move |_, body| {
        let (status, found) = answer(&serde_json::from_str(body).expect("JSON"));
        (status, found.to_string())
    });
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        format!(
            "models:\n  echo: {{ provider: mock, replies: [{{ say: \"thirty days [leave.md]\" }}] }}\n\
             retrievers:\n  handbook: {{ type: http, base-url: {}/search, top: 2, limits: {{ retries: 0 }} }}\n",
            server.origin()
        ),
    );
    sandbox.write("prompts/ask.j2", PROMPT);
    sandbox.write("fixtures/ask/cases.yaml", CASES);
    (server, sandbox)
}

fn found(query: &Value) -> (u16, Value) {
    let documents = [
        json!({"id": "leave.md", "text": query["query"], "score": 2.5}),
        json!({"id": "other.md", "text": "Nothing of this.", "source": "https://example.org/other"}),
        json!({"id": "third.md", "text": "More than was asked for."}),
    ];
    (200, json!({"documents": documents}))
}

#[test]
fn what_is_found_stands_in_the_request_and_is_replayed_without_asking() {
    let (server, sandbox) = project(found);
    says(&sandbox.run(&["test"]), 0, &["2 planned = 2 passed", "2 calls"]);
    assert_eq!(server.requests().len(), 2);
    assert!(server.requests().iter().any(|r| r.ends_with(r#"{"query":"How long is my leave?","top":2}"#)));
    assert_snapshot!(sandbox.run(&["render", "ask", "--case", "leave"]).stdout);
    let lines = sandbox.read("fixtures/ask/retrieved/handbook.jsonl");
    let line: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(line["request"]["kind"], "retrieval");
    assert_eq!(line["response"]["documents"].as_array().map(Vec::len), Some(2), "{line}");
    let answer: Value =
        serde_json::from_str(sandbox.read("fixtures/ask/recorded/echo.jsonl").lines().next().expect("a line"))
            .expect("JSON");
    assert_eq!(answer["request"]["retrieved"].as_str().map(str::len), Some(64), "{answer}");
    for run in
        [sandbox.run(&["test"]), sandbox.run_with(&["test"], &[("CI", "true")]), sandbox.run(&["test", "--offline"])]
    {
        says(&run, 0, &["2 planned = 2 passed", "0 calls, 2 replayed"]);
    }
    says(&sandbox.run(&["prune"]), 0, &["nothing to prune"]);
    assert_eq!(server.requests().len(), 2);
    // Asked again it finds the same, and a score of its own makes no other request.
    says(&sandbox.run(&["test", "--refresh"]), 0, &["2 planned = 2 passed"]);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_prompt_with_documents_is_linted_mended_and_held_against_its_base() {
    let (_server, sandbox) = project(found);
    says(&sandbox.run(&["test"]), 0, &["2 planned = 2 passed"]);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-qm", "a"]);
    says(&sandbox.run(&["lint", "--base", "HEAD", "--fail-on", "info"]), 0, &["nothing found in 1 prompt"]);
    sandbox.edit("prompts/ask.j2", "{{ question }}", "{{ question }}\u{200b}");
    says(&sandbox.run(&["lint", "--fix", "--rule", "E04"]), 0, &["mended prompts/ask.j2:6: E04"]);
    assert_eq!(sandbox.read("prompts/ask.j2"), PROMPT);
}

#[test]
fn what_was_never_found_is_told_and_never_asked_of_a_model() {
    let (server, sandbox) = project(found);
    assert_snapshot!(sandbox.run(&["test", "--offline"]).shown());
    says(
        &sandbox.run(&["render", "ask"]),
        0,
        &["note: what the retriever `handbook` finds is not recorded for 2 cases"],
    );
    assert_eq!(server.requests().len(), 0);
    // A query that changes is another one, and what was answered before is stale.
    says(&sandbox.run(&["test"]), 0, &["2 planned = 2 passed"]);
    sandbox.edit("fixtures/ask/cases.yaml", "Who pays for lunch?", "Who cooks?");
    let run = sandbox.run_with(&["test"], &[("CI", "true")]);
    says(&run, 5, &["1 passed", "1 stale", "note: what the retriever `handbook` finds is not recorded for 1 case"]);
}

#[test]
fn a_retriever_that_fails_makes_its_cases_errored_and_no_other() {
    let (_server, sandbox) = project(|query| match query["query"].as_str() {
        Some("Who pays for lunch?") => (500, json!({"error": "the index is gone"})),
        _ => found(query),
    });
    let run = sandbox.run(&["test"]);
    says(&run, 3, &["1 passed", "1 errored", "the retriever `handbook` failed", "the index is gone"]);
    let lines = sandbox.read("fixtures/ask/retrieved/handbook.jsonl");
    assert_eq!(lines.lines().count(), 1, "a fault is never recorded: {lines}");
}

#[test]
fn what_is_no_list_of_documents_is_said() {
    for (answer, part) in [
        (json!({"results": []}), "there are no `documents`"),
        (json!({"documents": [{"text": "a"}]}), "document 1 has no `id`"),
        (json!({"documents": [{"id": "a"}]}), "document 1 has no `text`"),
        (json!([1]), "there are no `documents`"),
    ] {
        let (_server, sandbox) = project(move |_| (200, answer.clone()));
        says(&sandbox.run(&["test"]), 3, &["2 errored", part]);
    }
    // Nothing may be found.
    let (_server, sandbox) = project(|_| (200, json!({"documents": []})));
    says(&sandbox.run(&["test"]), 1, &["2 failed", "which was not given"]);
}

#[test]
fn an_api_of_any_form_is_read_by_paths() {
    let (server, sandbox) = project(|query| {
        assert_eq!(query["size"], json!(3));
        (200, json!({"hits": {"hits": [{"_id": 7, "_score": 1.5, "_source": {"body": query["q"], "url": "u"}}]}}))
    });
    let address = server.origin();
    sandbox.write(
        "promptctl.yaml",
        format!(
            "models:\n  echo: {{ provider: mock, replies: [{{ say: \"see [7]\" }}] }}\nretrievers:\n  handbook:\n    type: http\n    \
             base-url: {address}/x\n    api-key-env: SEARCH_KEY\n    key-header: x-search-key\n    top: 3\n    \
             body: {{ q: \"{{{{ query }}}}\", size: \"{{{{ top }}}}\" }}\n    \
             response: {{ documents: \"$.hits.hits[*]\", id: $._id, text: $._source.body, score: $._score, source: $._source.url }}\n"
        ),
    );
    sandbox.edit("fixtures/ask/cases.yaml", ", { contains: thirty }", "");
    says(&sandbox.run(&["test"]), 2, &["SEARCH_KEY is not set"]);
    let run = sandbox.run_with(&["test"], &[("SEARCH_KEY", "a-secret-of-the-search")]);
    says(&run, 0, &["2 planned = 2 passed"]);
    assert!(server.requests().iter().all(|request| request.contains("x-search-key: a-secret-of-the-search")));
    assert!(sandbox.files().iter().all(|(_, bytes)| !String::from_utf8_lossy(bytes).contains("a-secret-of")));
    assert!(sandbox.run(&["render", "ask"]).stdout.contains("<document id=\"7\">How long is my leave?</document>"));
}

#[test]
fn a_program_finds_only_where_it_is_allowed() {
    let sandbox =
        Sandbox::with_cases("cases: [{ name: one, vars: { q: hi }, snapshot: none, expect: [cites-retrieved] }]\n");
    sandbox.write(
        "find.sh",
        "read -r query\nprintf '%s' \"{\\\"documents\\\": [{\\\"id\\\": \\\"a.md\\\", \\\"text\\\": \\\"see [a.md]\\\"}]}\"\n",
    );
    sandbox.write(
        "prompts/p.j2",
        "---\nretriever: { type: exec, command: [/bin/sh, find.sh], query: \"{{ q }}\" }\n---\n{{ documents[0].text }} {{ q }}\n",
    );
    assert_snapshot!(sandbox.run(&["test"]).shown());
    says(&sandbox.run(&["test", "--allow-exec"]), 0, &["1 planned = 1 passed"]);
    assert!(sandbox.exists("fixtures/p/retrieved/retriever.jsonl"));
    says(&sandbox.run_with(&["test"], &[("CI", "1")]), 0, &["1 planned = 1 passed"]);
    sandbox.write("find.sh", "echo '{\"error\": {\"message\": \"no index here\"}}'\n");
    says(&sandbox.run(&["test", "--allow-exec", "--refresh"]), 3, &["1 errored", "no index here"]);
}

#[test]
fn mistakes_are_found_before_anything_is_asked() {
    let (server, sandbox) = project(found);
    let yaml = sandbox.read("promptctl.yaml");
    sandbox.write(
        "promptctl.yaml",
        format!(
            "{yaml}  \"bad name\": {{ type: local, files: a.md }}\n  one: {{ files: a.md }}\n  two: {{ type: local }}\n  \
             three: {{ type: local, files: /etc/passwd }}\n  four: {{ type: local, files: \"../x/*\" }}\n  \
             five: {{ type: local, files: a.md, chunk: {{ by: fixed, size: 100, overlap: 100 }} }}\n  \
             six: {{ type: local, files: a.md, chunk: heading, embeddings: ecko }}\n  seven: {{ type: htpp }}\n  \
             eight: {{ type: http }}\n  nine: {{ type: exec, command: \"find it\" }}\n  \
             ten: {{ type: local, files: a.md, top: 0, topp: 3 }}\n  eleven: {{ type: local, files: \"a{{\" }}\n"
        ),
    );
    sandbox.write("prompts/b.j2", "---\nretriever: hanbook\n---\n{{ documents }}\n");
    sandbox.write(
        "prompts/c.j2",
        "---\nvars: { a: string, b: string }\nretriever: handbook\n---\n{{ documents }}{{ a }}{{ b }}\n",
    );
    sandbox
        .write("prompts/d.j2", "---\nretriever: { use: handbook, query: \"{{ documents }}\" }\n---\n{{ documents }}\n");
    sandbox.write("prompts/e.j2", "---\nretriever: { use: handbook, query: \"{{ q }}\" }\n---\n{{ q }}\n");
    sandbox
        .write("fixtures/e/cases.yaml", "cases: [{ name: one, vars: { q: a, documents: [] }, unasserted: allow }]\n");
    assert_snapshot!(sandbox.run(&["test"]).shown());
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_query_that_says_nothing_is_a_mistake() {
    let (_server, sandbox) = project(found);
    sandbox.edit(
        "prompts/ask.j2",
        "retriever: handbook",
        "retriever: { use: handbook, query: \" {% if question == 'x' %}x{% endif %} \" }",
    );
    says(
        &sandbox.run(&["test"]),
        2,
        &["the query of its retriever cannot be made: it is empty", "fixtures/ask/cases.yaml:3"],
    );
}

#[test]
fn an_answer_that_takes_too_much_of_the_window_for_documents_fails() {
    let (_server, sandbox) = project(|_| (200, json!({"documents": [{"id": "a.md", "text": "word ".repeat(200)}]})));
    sandbox.write(
        "fixtures/ask/cases.yaml",
        "cases: [{ name: one, vars: { question: q }, expect: [{ context-share: 0.2 }], snapshot: none }]\n",
    );
    says(&sandbox.run(&["test"]), 1, &["write its `context-window`"]);
    sandbox.edit("promptctl.yaml", "provider: mock, ", "provider: mock, context-window: 1000, ");
    says(
        &sandbox.run(&["test"]),
        1,
        &["context-share: what was retrieved has about 250 tokens, 25.0 % of the 1000 that the model reads"],
    );
    sandbox.edit("promptctl.yaml", "window: 1000", "window: 2000");
    says(&sandbox.run(&["test"]), 0, &["1 planned = 1 passed"]);
}

#[test]
fn an_older_version_is_compared_with_what_it_found() {
    let (server, sandbox) = project(found);
    sandbox.write(".gitignore", ".promptctl/\n");
    says(&sandbox.run(&["test"]), 0, &["2 planned = 2 passed"]);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "As it was"]);
    sandbox.edit("prompts/ask.j2", "{{ question }}\n", "Question: {{ question }}\n");
    let asked = server.requests().len();
    // Head looks for the same; only the model is asked.
    says(&sandbox.run(&["compare", "HEAD"]), 0, &["2 calls"]);
    assert_eq!(server.requests().len(), asked);
    sandbox.edit(
        "prompts/ask.j2",
        "retriever: handbook",
        "retriever: { use: handbook, query: \"handbook: {{ question }}\" }",
    );
    says(&sandbox.run(&["compare", "HEAD"]), 0, &["2 calls"]);
    assert_eq!(server.requests().len(), asked + 2);
    says(&sandbox.run(&["log", "ask"]), 0, &["As it was"]);
    says(&sandbox.run(&["diff", "HEAD"]), 0, &["handbook: {{ question }}"]);
}

/// A project over a handbook of its own.
fn handbook(retriever: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "promptctl.yaml",
        format!(
            "models:\n  echo: {{ provider: mock, replies: [{{ say: \"thirty days [handbook/leave.md#carry-over]\" }}] }}\n  \
             near: {{ provider: mock }}\ndefaults: {{ models: [echo] }}\nretrievers:\n  handbook: {{ type: local, files: \"handbook/*.md\", top: 2{retriever} }}\n"
        ),
    );
    sandbox.write(
        "handbook/leave.md",
        "# Leave\n\nThere are thirty days of leave a year.\n\n## Carry-over\n\nFive days of leave may be carried over into March.\n",
    );
    sandbox.write("handbook/lunch.md", "# Lunch\n\nThe firm pays for lunch on Fridays.\n");
    sandbox.write("handbook/travel.md", "# Travel\n\nBook the train early.\n");
    sandbox.write("prompts/ask.j2", PROMPT);
    sandbox.write(
        "fixtures/ask/cases.yaml",
        "defaults: { snapshot: none }\ncases:\n  \
         - { name: leave, vars: { question: How many days of leave may be carried over? }, relevant: handbook/leave.md#carry-over, expect: [cites-retrieved] }\n  \
         - { name: lunch, vars: { question: Who pays for the train? }, relevant: [handbook/lunch.md, { id: handbook/parking.md, grade: 2 }], expect: [{ contains: thirty }] }\n  \
         - { name: bikes, vars: { question: Cycling? }, relevant: handbook/bikes.md, expect: [{ contains: thirty }] }\n",
    );
    sandbox
}

#[test]
fn what_the_tree_holds_is_found_without_asking_and_its_quality_stands_beside_the_answers() {
    let sandbox = handbook("");
    assert_snapshot!(sandbox.run(&["test"]).shown());
    let lines = sandbox.read("fixtures/ask/retrieved/handbook.jsonl");
    assert_eq!(lines.lines().count(), 3, "{lines}");
    says(
        &sandbox.run_with(&["test"], &[("CI", "1")]),
        0,
        &["3 planned = 3 passed", "though nothing relevant was found"],
    );
    says(&sandbox.run(&["prune"]), 0, &["nothing to prune"]);
    // A document that changes makes another request: what was answered is stale, and not taken for an answer to it.
    sandbox.edit("handbook/leave.md", "Five days", "Ten days");
    let run = sandbox.run(&["test", "--offline"]);
    says(&run, 5, &["1 stale", "2 passed", "the request changed", "Ten"]);
    sandbox.edit("handbook/leave.md", "Ten days", "Five days");
    // A file that nothing is taken from changes nothing but what is recorded of the retriever.
    sandbox.write("handbook/zebra.md", "# Zebra\n\nStripes.\n");
    says(&sandbox.run(&["test", "--offline"]), 0, &["3 planned = 3 passed"]);
    let report = sandbox.run(&["test", "--offline", "--report", "json"]).stdout;
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let schema: Value = serde_json::from_str(include_str!("../../docs/schema/report.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let wrong: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(report["summary"]["retrieval"]["ask › handbook"]["lucky"], json!(1), "{}", report["summary"]);
    says(&sandbox.run(&["test", "--offline", "--report", "markdown=r.md", "--report", "html=r.html"]), 0, &[]);
    assert!(sandbox.read("r.md").contains(" 0.667 · recall"));
    assert!(sandbox.read("r.html").contains("handbook: hit@2 0.667"));
}

#[test]
fn an_older_state_of_the_documents_is_compared_as_it_was() {
    let sandbox = handbook("");
    sandbox.write(".gitignore", ".promptctl/\n");
    says(&sandbox.run(&["test"]), 0, &["3 planned = 3 passed"]);
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "As it was"]);
    sandbox.edit("handbook/leave.md", "Five days", "Ten days");
    says(&sandbox.run(&["test", "--at", "HEAD"]), 0, &["3 planned = 3 passed"]);
    says(&sandbox.run(&["compare", "HEAD"]), 0, &["1 call,"]);
    says(&sandbox.run(&["test"]), 0, &["3 planned = 3 passed", "0 calls"]);
}

#[test]
fn words_and_meaning_are_fused_and_what_that_takes_is_asked_once() {
    let sandbox = handbook(", embeddings: near");
    says(&sandbox.run(&["test", "--offline"]), 5, &["what the retriever `handbook` finds is not recorded for 3 cases"]);
    says(&sandbox.run(&["test"]), 0, &["3 planned = 3 passed"]);
    assert!(sandbox.exists("fixtures/_retrieval/recorded/near.jsonl"), "vectors are recorded");
    // What was found is recorded: nobody else needs the vectors.
    std::fs::remove_dir_all(sandbox.path(".promptctl")).expect("removed");
    says(&sandbox.run_with(&["test"], &[("CI", "1")]), 0, &["3 planned = 3 passed", "0 calls, 3 replayed"]);
    // And where it is not, the vectors are enough.
    std::fs::remove_dir_all(sandbox.path("fixtures/ask/retrieved")).expect("removed");
    says(&sandbox.run_with(&["test"], &[("CI", "1")]), 0, &["3 planned = 3 passed", "0 calls, 3 replayed"]);
    sandbox.edit(
        "promptctl.yaml",
        "near: { provider: mock }",
        "near: { provider: mock, replies: [{ error: { status: 401, message: no key } }] }",
    );
    sandbox.edit("handbook/leave.md", "Five days", "Ten days");
    let run = sandbox.run(&["test"]);
    says(&run, 3, &["3 errored", "the model `near`"]);
}
