//! `promptctl audit` of prompts with a retriever: the documents that it should have found are the facts.

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, says};
use crate::server::Server;

const PROMPT: &str = "---
vars: { question: string }
retriever: wiki
---
{% for document in documents %}[{{ document.id }}] {{ document.text }}
{% endfor %}Name your source.
{{ question }}
";
const MODELS: &str = "models:
  small:
    provider: mock
    replies:
      - { when: '(?s)leave.md.*thirty days.*How long', say: 'Thirty days [leave.md] ({{ sample }})' }
      - { when: 'How long', say: 'Twenty days [other.md] ({{ sample }})' }
      - { say: 'A bicycle ({{ sample }})' }
";

fn case(sandbox: &Sandbox, args: &[&str], name: &str) -> Value {
    let args: Vec<&str> = ["audit", "--json"].into_iter().chain(args.iter().copied()).collect();
    let ended = sandbox.run(&args);
    let json: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {}", ended.shown()));
    let cases = json["prompts"][0]["cases"].as_array().cloned().unwrap_or_default();
    cases.into_iter().find(|case| case["case"] == name).unwrap_or_else(|| panic!("no {name} in {json:#}"))
}

fn facts(case: &Value) -> Value {
    let experiments = case["experiments"].as_array().expect("experiments");
    experiments.iter().find(|one| one["experiment"] == "facts").cloned().expect("facts")
}

/// Four files, of which the retriever finds one: by words that only the wrong one has.
fn wiki(cases: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let retriever = "retrievers:\n  wiki: { type: local, files: 'wiki/*.md', top: 1, chunk: { by: heading } }\n";
    sandbox.write("promptctl.yaml", format!("{MODELS}{retriever}"));
    sandbox.write("prompts/ask.j2", PROMPT);
    sandbox.write("wiki/leave.md", "Everybody has thirty days of vacation.\n");
    sandbox.write("wiki/other.md", "How long is the way to work? How long is a day?\n");
    sandbox.write("fixtures/ask/cases.yaml", format!("defaults: {{ snapshot: none }}\ncases:\n{cases}"));
    sandbox
}

#[test]
fn what_a_retriever_should_have_found_is_given_as_though_it_had() {
    let sandbox = wiki(
        "  - { name: missed, vars: { question: How long is it? }, relevant: [wiki/leave.md], expect: [{ icontains: thirty }] }\n",
    );
    let missed = case(&sandbox, &[], "missed");
    assert_eq!((&missed["gap"], &missed["confidence"]), (&json!("knowledge"), &json!("confident")), "{missed:#}");
    assert!(missed["why"].as_str().is_some_and(|why| why.contains("with the documents that are relevant 5 of 5 pass")));
    assert!(
        missed["next"].as_str().is_some_and(|next| next.starts_with("mend what the retriever finds")),
        "{missed:#}"
    );
    let report = sandbox.run(&["audit"]);
    says(&report, 0, &["mend the retriever", "retrieval: mend what the retriever finds", "0 calls"]);
    assert!(!report.stdout.contains("put the facts into the prompt"), "{}", report.stdout);
    // What was asked then is the prompt itself, with the other documents.
    let asked = sandbox.read("fixtures/ask/audited/small.jsonl");
    let asked = asked.lines().find(|line| line.contains("\"experiment\":\"facts\"")).expect("an experiment");
    assert!(asked.contains("[wiki/leave.md#top] Everybody has thirty days"), "{asked}");
    says(&sandbox.run(&["prune"]), 0, &["nothing to prune"]);
    // Another text of the document is another experiment.
    sandbox.write("wiki/leave.md", "Everybody has thirty days of vacation a year.\n");
    says(&sandbox.run(&["prune"]), 0, &["audited/"]);
}

#[test]
fn where_everything_relevant_was_found_no_fact_is_missing() {
    let sandbox = wiki(
        "  - { name: found, vars: { question: How long is the way to work? }, relevant: [wiki/other.md], expect: [{ icontains: an hour }] }\n",
    );
    sandbox.edit("promptctl.yaml", "retrievers:", "  big: { provider: mock, replies: [{ say: 'an hour ({{ sample }})' }] }\naudit: { stronger: [big] }\nretrievers:");
    sandbox.edit("promptctl.yaml", "audit:", "defaults: { models: [small] }\naudit:");
    let found = case(&sandbox, &[], "found");
    let given = facts(&found);
    assert_eq!(given["missing"]["what"], "its retriever found everything that is relevant", "{found:#}");
    assert_eq!(found["gap"], "skill", "{found:#}");
    // Examples are missing, and facts are not.
    let why = found["why"].as_str().unwrap_or_default();
    assert!(why.ends_with("without examples it may be another gap"), "{why}");
}

#[test]
fn facts_that_are_written_go_before_documents() {
    let sandbox = wiki(
        "  - { name: missed, vars: { question: How long is it? }, relevant: [wiki/leave.md], facts: [It is thirty days.], expect: [{ icontains: thirty }] }\n",
    );
    let missed = case(&sandbox, &[], "missed");
    assert_eq!(missed["gap"], "unknown", "{missed:#}");
    let asked = sandbox.read("fixtures/ask/audited/small.jsonl");
    assert!(asked.contains("It is thirty days.") && !asked.contains("Everybody has thirty"), "{asked}");
}

#[test]
fn of_an_api_a_document_is_known_once_it_was_found_for_any_case() {
    let server = Server::answering(move |_, body| {
        let asked: Value = serde_json::from_str(body).expect("JSON");
        let found = if asked["query"].as_str().is_some_and(|query| query.contains("vacation")) {
            json!({"id": "leave.md", "text": "Everybody has thirty days."})
        } else {
            json!({"id": "other.md", "text": "Nothing of this."})
        };
        (200, json!({"documents": [found]}).to_string())
    });
    let sandbox = wiki(
        "  - { name: missed, vars: { question: How long is it? }, relevant: [leave.md], expect: [{ icontains: thirty }, cites-retrieved] }
  - { name: vacation, vars: { question: a vacation }, relevant: [leave.md], expect: [{ contains: bicycle }] }
  - { name: nowhere, vars: { question: How long is that? }, relevant: [gone.md], expect: [{ icontains: thirty }] }
",
    );
    let http = format!("{{ type: http, base-url: '{}', top: 1, limits: {{ retries: 0 }} }}", server.origin());
    sandbox.write("promptctl.yaml", format!("{MODELS}retrievers:\n  wiki: {http}\n"));
    let missed = case(&sandbox, &[], "missed");
    // The answer names a document that was given in the experiment alone.
    assert_eq!((&missed["gap"], &missed["confidence"]), (&json!("knowledge"), &json!("confident")), "{missed:#}");
    let nowhere = case(&sandbox, &[], "nowhere");
    assert_eq!(facts(&nowhere)["missing"]["what"], "nobody knows what `gone.md` says, which is relevant");
    assert_eq!(nowhere["confidence"], "unknown", "{nowhere:#}");
}
