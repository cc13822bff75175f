//! The JSON Schemas say what the readers say: a key that one knows and the other does not is a lie to an editor.

#![allow(unreachable_pub, reason = "a module shared by tests")]

mod common;

use std::sync::Arc;

use common::MemoryTree;
use promptctl::core::problem::Problems;
use promptctl::lint::{RULES, Settings};
use promptctl::plan::Workspace;
use promptctl::run::Prepared;
use serde_json::Value;

fn validator(schema: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a JSON Schema");
    jsonschema::validator_for(&schema).expect("a JSON Schema")
}

fn schema_accepts(validator: &jsonschema::Validator, yaml: &str) -> bool {
    validator.is_valid(&serde_yaml::from_str::<Value>(yaml).expect(yaml))
}

/// What promptctl says of a project with this file in it.
fn problems(path: &str, yaml: &str) -> Vec<String> {
    let config = "models: { m: { provider: mock, replies: [{ say: x }] } }\n";
    let front = if path == "prompts/p.j2" { format!("---\n{yaml}---\n{{{{ q }}}}\n") } else { "{{ q }}\n".into() };
    let cases = "cases: [{ name: one, vars: { q: hi } }]\n";
    let mut tree = MemoryTree::of([
        ("promptctl.yaml", config.as_bytes()),
        ("fixtures/p/cases.yaml", cases.as_bytes()),
        ("fixtures/p/r.csv", b"q,id\na,1\n"),
    ]);
    tree.0.insert(path.to_owned(), yaml.as_bytes().to_vec());
    tree.0.insert("prompts/p.j2".into(), front.into_bytes());
    let mut problems = Problems::default();
    if let Some(workspace) = Workspace::load(Arc::new(tree), &mut problems) {
        Settings::new(&Prepared::new(workspace, &mut problems).workspace.config, &mut problems);
    }
    problems.sorted().into_iter().map(|problem| problem.message).collect()
}

/// Documents that are right, each with every key of its kind somewhere.
const PROJECT: [&str; 22] = [
    "models: { m: { provider: mock } }\nretrievers: { a: { type: local, files: ['docs/**/*.md', '!docs/old/*'], chunk: { by: heading, max: 500 }, embeddings: m, engine: bm25, top: 3, max-age: 90d }, b: { type: local, files: x.md, chunk: { by: sentences, window: 3, step: 2 } }, c: { type: local, files: x.md, chunk: { by: fixed, size: 100, overlap: 10 } }, d: { type: http, base-url: 'https://example.org/s', api-key-env: KEY, key-header: x-key, headers: { X-A: b }, body: { q: '{{ query }}', n: '{{ top }}' }, response: { documents: '$.hits[*]', id: $.i, text: $.t, score: $.s, source: $.u, error: $.e }, limits: { timeout: 3s }, top: 4, max-age: 9d }, e: { type: exec, command: [cat, x], api-key-env: KEY, limits: { retries: 0 }, top: 1 } }\n",
    "models: { m: { provider: mock, replies: [{ say: x }] }, t: { provider: mock, replies: [{ say: y }], fine-tuned: { from: m, base: m, data: tuned, on: 2026-10-01 } } }\n",
    "models: { m: { provider: mock, price: { input: 1, output: 2, reasoning: 3 } } }\ncost: { volume: 5, budget: { increase: 10%, per-request: 0.004, per-month: 500 }, cache: { minimum: 1024, hit-rate: 0.9 }, alternatives: { smaller-model: { models: [m], delta: 0.05 }, fine-tuned: { model: m, training: 25, input: 1, output: 2, hosting: 3, epochs: 3, examples: 9, fixed-share: 0.5 }, retrieval: { context: c, chunks: 1, chunk-tokens: 2, embedding: 0.1, corpus-tokens: 3, query-tokens: 4, index: 5, latency: 9ms } } }\n",
    "models: { m: { provider: mock } }\ncost: { volume: { p: 5 }, budget: { prompts: { p: { increase: +10% } } } }\n",
    "models: { m: { provider: mock } }\njudge: { model: m, embeddings: m, gate: { kappa: 0.5, accuracy: 0.9, labels: 5, errored: 0.2 } }\n",
    "models: { m: { provider: mock } }\nlint: { rules: { W05: off, I07: error, size-instructions: { severity: error, tokens: 2000 } }, fail-on: warning }\n",
    "models: { m: { provider: openai, model: x, context-window: 8000, retires-on: 2026-12-31 } }\n",
    "models: { m: { provider: mock } }\naudit: { stronger: [m], repeat: 7, examples: 2, facts-template: prompts/_audit/facts.j2, facts-change: weekly, labelled-examples: 10, latency-budget: 2s, money-budget: { per-month: 500 }, volume: 1000, sources-must-be-named: true }\n",
    "models: { m: { provider: mock, latency: 1s, replies: [{ when: a, say: b, finish-reason: stop, tool-calls: [{ name: t, arguments: { a: 1 } }], latency: 2ms, error: { status: 500, message: m, retry-after: 1s, times: 2 } }] } }\n",
    "models: { m: { provider: openai, model: x, base-url: 'https://example.org/v1', api-key-env: KEY, params: { a: 1 }, limits: { concurrency: 1, requests-per-minute: 2, tokens-per-minute: 3, timeout: 3s, deadline: 9s, retries: 0 }, price: { input: 1, cached-input: 0.5, cache-write: 1.5, output: 2 }, ignore: [seed], headers: { X-A: b }, body: { c: d }, max-tokens-name: max_tokens } }\n",
    "models: { m: { provider: openai-responses, headers: { X-A: b }, body: { c: d } } }\n",
    "models: { m: { provider: anthropic, structured-output: tool, version: 2023-06-01 } }\n",
    "models: { m: { provider: gemini, headers: { X-A: b } } }\n",
    "models: { m: { provider: ollama, base-url: 'http://localhost:11434' } }\n",
    "models: { m: { provider: azure-openai, base-url: 'https://n.openai.azure.com', deployment: d, api-version: 2024-10-21, max-tokens-name: max_completion_tokens } }\n",
    "models: { m: { provider: bedrock, region: eu-central-1 } }\n",
    "models: { m: { provider: http, base-url: 'https://example.org/x', key-header: x-key, headers: { X-A: b }, body: { p: '{{ system }}' }, response: { text: $.t, finish-reason: $.f, model: $.m, error: $.e, reasoning: $.r, tool-calls: $.c, input-tokens: $.i, cached-input-tokens: $.ci, output-tokens: $.o, reasoning-tokens: $.rt, finish-reasons: { done: stop } } } }\n",
    "models: { m: { provider: http, base-url: 'https://example.org/x', body: { p: '{{ last_user_message }}' }, response: { embedding: '$.data[0]' } } }\n",
    "models: { m: { provider: mock, latency: 1ms, replies: [{ when: a, embedding: [1, 0.5] }] }, n: { provider: mock } }\n",
    "models: { m: { provider: exec, command: [cat, x] } }\n",
    "models: { m: { provider: mock, replies: [{ say: x }] } }\ndefaults: { models: [m], repeat: 2, min-pass-rate: 0.5, snapshot: { compare: json, redact: [{ regex: a, replace: b }, { path: $.c }] } }\n",
    "models: { m: { provider: mock, replies: [{ say: x }] } }\nrecordings: { requests: false, max-age: 30d }\nreview: { require-reason: true }\nunasserted: allow\nversion-policy: strict\n",
];
const FRONT: [&str; 4] = [
    "vars: { q: string }\nretriever: { type: local, files: ['*.md'], chunk: whole, top: 3, query: '{{ q }}' }\n",
    "vars: { q: string }\nretriever: { type: exec, command: [cat, x], limits: { timeout: 3s } }\n",
    "version: 1.0.0\ndescription: d\nmodels: [m]\nparams: { a: 1 }\nvars: { q: string }\n",
    "vars: { q: { type: string, default: x, minLength: 1 } }\noutput: { schema: { type: object, required: [a] }, name: n }\ntools: [{ name: t, description: d, parameters: { type: object } }]\n",
];
const CASES: [&str; 7] = [
    "defaults: { relevant: b }\ncases: [{ name: one, vars: { q: hi, documents: [] }, relevant: [a, { id: c, grade: 2 }], expect: [cites-retrieved, { cites-retrieved: { by: source, pattern: '(a)', optional: true } }, { context-share: 0.5 }] }]\ndatasets: [{ file: r.csv, relevant: ['{{ id }}'], expect: [{ contains: a }] }]\n",
    "defaults: { facts: [f] }\ncases: [{ name: one, vars: { q: hi }, facts: [a, { file: r.csv }], expect: [{ type: contains, value: a, about: content }] }]\ndatasets: [{ file: r.csv, facts: ['{{ id }}'], expect: [{ contains: a }] }]\n",
    "defaults: { tags: [t], expect: [{ contains: a }], snapshot: text, repeat: 1, min-pass-rate: 1, threshold: 0.5, models: [m], unasserted: error, quarantine: { until: 2026-12-31, reason: r } }\ncases: [{ name: one, description: d, vars: { q: hi }, tags: [a], expect: [is-json, { type: regex, value: a, flags: i, weight: 2 }, { levenshtein: { value: a, threshold: 1 } }], snapshot: none, repeat: 2, min-pass-rate: 0.5, threshold: 1, models: [m], unasserted: allow }]\n",
    "datasets: [{ file: r.csv, name: '{{ id }}', tags: ['{{ q }}'], vars: { z: '{{ id }}' }, expect: [{ equals: '{{ z }}' }], snapshot: json }]\n",
    "cases: [{ name: one, vars: { q: hi }, must-pass: true, snapshot: { compare: json, unordered: true, tolerance: 0.1 }, messages: [{ user: a, expect: [contains: b] }, { tool: [a, b] }, { tool: { t: a } }, { developer: a }], expect: [{ all: [contains: a, { any: [is-json] }], threshold: 0.5, metric: m }, { not-none: [is-json] }, { contains: a, about: form, transform: [trim, { json-path: $.a }, { regex: 'a(b)', group: 1, flags: i }, { template: '{{ output }}' }, { code-fence: py }] }, { type: llm-rubric, value: a, threshold: 0.5, model: m, question: q }, { g-eval: a, steps: [b], model: m }, { factuality: a, accept: AC, model: m }, { context-recall: a, threshold: 0.5, context: c, model: m }, { type: context-faithfulness, threshold: 0.5, context: c, model: m }, { context-relevance: null, threshold: 0.5, context: c, model: m }, { prefers: a, model: m }, { similar: [a], threshold: 0.5, model: m }] }]\n",
    "cases: [{ name: one, vars: { q: hi }, expect: [{ equals: { a: 1 } }, { contains-all: [a, b] }, { json-path: { path: $.a, equals: 1, at-least: 0, at-most: 2, count: 1, exists: true } }, { word-count: { min: 1, max: 2 } }, { max-tokens: 5 }, { latency: 2s }, { cost: 0.1 }, { finish-reason: stop }, not-is-refusal, is-empty, { served-model: m }, { not-contains: x, weight: 0 }] }]\n",
    "cases: [{ name: one, vars: { q: hi }, expect: [is-xml, { is-xml: a.b }, { contains-xml: [a, b] }, is-html, not-contains-html, { is-sql: postgresql }, { contains-sql: { dialect: mysql, statements: [select], tables: t } }, is-yaml, { json-subset: { a: 1 } }, { one-of: { values: [a], ignore-case: true } }, { number: { value: 5, tolerance: 5%, which: last, decimal: comma } }, { number: { min: 1, max: 2 } }, { code-fence: { language: [py], only: true } }, { tool-call: { name: t, arguments: { a: 1 }, match: exact, schema: { type: object }, count: { min: 1, max: 2 } } }, { tool-call: { calls: [a, { name: b }], order: any } }, { valid-tool-arguments: { optional: true } }, { reasoning: { contains: [a] } }, { language: [en, de] }, { no-pii: { kinds: [email], allow: [a] } }, { cites: { sources: [a], every: true, optional: false, pattern: '(a)' } }, abstains, { rouge-n: { value: [a], threshold: 0.5, n: l } }, { type: not-bleu, value: a, threshold: 0.5 }, { gleu: a, threshold: 1 }, { chrf: { value: a, words: 2 } }, { similarity: { value: a, threshold: 0.5, by: ratio, ignore-case: true } }, { json-path: { path: $.a, not-equals: 1, tolerance: 0.1, not-contains: x, starts-with: a, ends-with: b, one-of: [1], type: [list, 'null'], less-than: 1, greater-than: 2, length: { min: 1, max: 2 }, schema: { type: object } } }] }]\n",
];

fn kinds() -> [(&'static str, jsonschema::Validator, &'static [&'static str]); 3] {
    [
        ("promptctl.yaml", validator(include_str!("../docs/schema/project.schema.json")), &PROJECT),
        ("prompts/p.j2", validator(include_str!("../docs/schema/front-matter.schema.json")), &FRONT),
        ("fixtures/p/cases.yaml", validator(include_str!("../docs/schema/cases.schema.json")), &CASES),
    ]
}

#[test]
fn what_is_right_is_right_for_both() {
    validator(include_str!("../docs/schema/report.schema.json"));
    validator(include_str!("../docs/schema/events.schema.json"));
    validator(include_str!("../docs/schema/lint.schema.json"));
    validator(include_str!("../docs/schema/split.schema.json"));
    for (path, validator, documents) in kinds() {
        for yaml in documents {
            assert!(schema_accepts(&validator, yaml), "the schema refuses {yaml}");
            let keys: Vec<String> = problems(path, yaml).into_iter().filter(|p| p.contains("unknown")).collect();
            assert_eq!(keys, Vec::<String>::new(), "{yaml}");
        }
    }
}

#[test]
fn a_misspelt_key_is_wrong_for_both_wherever_it_stands() {
    let free = [
        "params",
        "body",
        "headers",
        "vars",
        "arguments",
        "schema",
        "parameters",
        "models",
        "equals",
        "finish-reasons",
        "tool",
        "json-subset",
        "volume",
        "prompts",
    ];
    let mut tried = 0;
    for (path, validator, documents) in kinds() {
        for yaml in documents {
            let value: Value = serde_yaml::from_str(yaml).expect(yaml);
            for pointer in keys_of(&value, "", &free) {
                let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
                let mut wrong = value.clone();
                let map = if parent.is_empty() { Some(&mut wrong) } else { wrong.pointer_mut(parent) };
                let Some(Value::Object(map)) = map else { panic!("{pointer}") };
                let old = map.remove(key).expect(key);
                map.insert(format!("{key}zz"), old);
                let wrong = serde_yaml::to_string(&wrong).expect("YAML");
                assert!(!schema_accepts(&validator, &wrong), "the schema accepts `{key}zz`: {wrong}");
                assert!(!problems(path, &wrong).is_empty(), "promptctl accepts `{key}zz`: {wrong}");
                tried += 1;
            }
        }
    }
    assert!(tried > 80, "{tried} keys");
}

/// A pointer to every key that the format itself gives, not those that people choose.
fn keys_of(value: &Value, at: &str, free: &[&str]) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, inner)| {
                let pointer = format!("{at}/{key}");
                let mut below = if free.contains(&key.as_str()) && !(key == "models" && inner.is_object()) {
                    Vec::new()
                } else if key == "models" || key == "retrievers" {
                    inner
                        .as_object()
                        .into_iter()
                        .flatten()
                        .flat_map(|(name, entry)| keys_of(entry, &format!("{pointer}/{name}"), free))
                        .collect()
                } else {
                    keys_of(inner, &pointer, free)
                };
                below.push(pointer);
                below
            })
            .collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(i, item)| keys_of(item, &format!("{at}/{i}"), free)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_expectation_is_known_to_editors() {
    let schema: Value = serde_json::from_str(include_str!("../docs/schema/cases.schema.json")).expect("JSON");
    let forms = &schema["$defs"]["expectation"]["anyOf"];
    let typed = forms[1]["properties"]["type"]["enum"].as_array().expect("names");
    let keyed = forms[2]["properties"].as_object().expect("names");
    for name in promptctl::expect::names().flat_map(|name| [name.to_owned(), format!("not-{name}")]) {
        assert!(typed.contains(&name.as_str().into()) && keyed.contains_key(&name), "{name}");
    }
}

#[test]
fn every_rule_is_known_to_editors() {
    let schema: Value = serde_json::from_str(include_str!("../docs/schema/project.schema.json")).expect("JSON");
    let known = schema["properties"]["lint"]["properties"]["rules"]["properties"].as_object().expect("rules");
    assert_eq!(known.len(), RULES.len() * 2);
    for rule in RULES {
        for name in [rule.code, rule.name] {
            let settings = known[name]["oneOf"][1]["properties"].as_object().expect(name);
            let names: Vec<&str> = settings.keys().map(String::as_str).collect();
            let limits = rule.limits.iter().map(|limit| limit.name);
            assert_eq!(names, ["severity"].into_iter().chain(limits).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn golden_queries_are_right_or_wrong_for_both() {
    let validator = validator(include_str!("../docs/schema/queries.schema.json"));
    self::validator(include_str!("../docs/schema/retrieval.schema.json"));
    let name = promptctl::core::names::ModelAlias::new("r").expect("a name");
    let reader_accepts = |yaml: &str| {
        let tree = MemoryTree::of([("fixtures/_retrieval/r.yaml", yaml.as_bytes())]);
        let mut problems = Problems::default();
        promptctl::retrieval::Golden::load(&tree, &name, &mut problems).is_some() && problems.is_empty()
    };
    let right = "expect: { recall@5: 0.9, context-precision@1000: 1 }\nfail-on: [stale, missed]\nsnapshot: none\nqueries:\n  - { name: a, query: b, relevant: [c, { id: d, grade: 0.5 }], tags: [e], passage: f }\n  - { query: g, relevant: h, tags: i }\n";
    assert!(schema_accepts(&validator, right) && reader_accepts(right));
    let value: Value = serde_yaml::from_str(right).expect("YAML");
    let pointers = keys_of(&value, "", &[]);
    assert!(pointers.len() > 14, "{pointers:?}");
    for pointer in pointers {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let mut wrong = value.clone();
        let Some(Value::Object(map)) = wrong.pointer_mut(parent) else { panic!("{pointer}") };
        let old = map.remove(key).expect(key);
        map.insert(format!("{key}zz"), old);
        let wrong = serde_yaml::to_string(&wrong).expect("YAML");
        assert!(!schema_accepts(&validator, &wrong) && !reader_accepts(&wrong), "{wrong}");
    }
    for wrong in [
        "queries: []\n",
        "queries: [{ query: a }]\n",
        "queries: [{ relevant: a }]\n",
        "queries: [{ query: a, relevant: [{ grade: 1 }] }]\n",
        "queries: [{ query: a, relevant: [{ id: a, grade: 0 }] }]\n",
        "queries: [{ query: a, relevant: b }]\nexpect: { hit@0: 1 }\n",
        "queries: [{ query: a, relevant: b }]\nexpect: { hit@1001: 1 }\n",
        "queries: [{ query: a, relevant: b }]\nexpect: { hit@1: 1.1 }\n",
        "queries: [{ query: a, relevant: b }]\nsnapshot: texts\n",
        "queries: [{ query: a, relevant: b }]\nfail-on: stale\n",
    ] {
        assert!(!schema_accepts(&validator, wrong) && !reader_accepts(wrong), "{wrong}");
    }
}
