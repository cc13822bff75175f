//! What every expectation says of many answers, thought through from what is documented: `tests/vectors/expectations.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use promptctl::core::problem::{Problems, Source};
use promptctl::core::record::{FinishReason, Response, Tool, ToolCall, Usage};
use promptctl::core::verdict::Checked;
use promptctl::core::yaml;
use promptctl::expect::{Nobody, Subject, compile, names};
use serde::Deserialize;
use serde_json::Value;

/// One vector.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Vector {
    name: String,
    /// The expectation, as an item of `expect:`.
    expect: Value,
    #[serde(default)]
    output: String,
    /// So many times the output, one after the other.
    times: Option<usize>,
    tool_calls: Option<Vec<ToolCall>>,
    tools: Option<Vec<Tool>>,
    finish_reason: Option<FinishReason>,
    reasoning: Option<String>,
    refusal: Option<String>,
    model: Option<String>,
    cost: Option<f64>,
    latency: Option<u64>,
    tokens: Option<u64>,
    #[serde(default)]
    vars: Value,
    pass: bool,
    /// Where it is neither 0 nor 1.
    score: Option<f64>,
    /// What the reason of a failure must say.
    says: Option<String>,
    /// Whether it fails turned round, too.
    #[serde(default)]
    unknown: bool,
    /// Why, in a few words.
    #[expect(dead_code, reason = "for those who read the file")]
    because: String,
}

fn vectors() -> Vec<Vector> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/expectations.yaml");
    serde_yaml::from_str(&std::fs::read_to_string(file).expect("readable")).expect("vectors")
}

/// The other way round: `contains` and `not-contains`.
fn turned(expect: &Value) -> Value {
    let other = |name: &str| match name.strip_prefix("not-") {
        Some(bare) => bare.to_owned(),
        None => format!("not-{name}"),
    };
    match expect {
        Value::String(name) => Value::String(other(name)),
        Value::Object(map) if map.contains_key("type") => {
            let mut map = map.clone();
            let name = other(map["type"].as_str().unwrap_or_default());
            map.insert("type".into(), Value::String(name));
            Value::Object(map)
        }
        Value::Object(map) => {
            let options = ["weight", "threshold", "flags"];
            let turn = |(key, value): (&String, &Value)| {
                let key = if options.contains(&key.as_str()) { key.clone() } else { other(key) };
                (key, value.clone())
            };
            Value::Object(map.iter().map(turn).collect())
        }
        other => other.clone(),
    }
}

fn check(vector: &Vector, expect: &Value) -> Result<Checked, String> {
    // As JSON, which is YAML.
    let source = Source::new("cases.yaml", expect.to_string());
    let node = yaml::parse(&source).map_err(|_| "no YAML".to_owned())?;
    let mut problems = Problems::default();
    let read = |name: &str| Err(format!("there is no file `{name}`"));
    let expectation = compile(&Arc::clone(&source), &node, &read, &mut problems);
    let Some(expectation) = expectation.filter(|_| problems.is_empty()) else {
        let messages: Vec<String> = problems.sorted().into_iter().map(|problem| problem.message).collect();
        return Err(messages.join("; "));
    };
    let bound = expectation.bind(&minijinja::Value::from(minijinja::value::Serde(&vector.vars)))?;
    let text = vector.output.repeat(vector.times.unwrap_or(1));
    let response = Response {
        finish_reason: vector.finish_reason.unwrap_or(FinishReason::Stop),
        tool_calls: vector.tool_calls.clone().unwrap_or_default(),
        reasoning: vector.reasoning.clone(),
        refusal: vector.refusal.clone(),
        model: vector.model.clone(),
        latency_ms: vector.latency,
        usage: Usage { output: vector.tokens, ..Usage::default() },
        text,
        ..Response::default()
    };
    let tools = vector.tools.clone().unwrap_or_default();
    Ok(bound.check(&Subject {
        response: &response,
        cost_usd: vector.cost,
        tools: &tools,
        oracle: &Nobody,
        turn: 1,
        sent: &[],
    }))
}

#[test]
fn every_expectation_says_what_is_documented() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for vector in vectors() {
        let mut fault = |what: String| wrong.push(format!("{}: {what}", vector.name));
        if !seen.insert(vector.name.clone()) {
            fault("the name is taken".into());
        }
        let checked = match check(&vector, &vector.expect) {
            Ok(checked) => checked,
            Err(why) => {
                fault(format!("refused: {why}"));
                continue;
            }
        };
        if checked.pass != vector.pass {
            fault(format!("pass is {}: {}", checked.pass, checked.reason));
        }
        let score = vector.score.unwrap_or(f64::from(u8::from(vector.pass)));
        if (checked.score - score).abs() > 1e-6 {
            fault(format!("the score is {}, not {score}: {}", checked.score, checked.reason));
        }
        if let Some(part) = vector.says.as_ref().filter(|part| !checked.reason.contains(*part)) {
            fault(format!("the reason does not say {part:?}: {}", checked.reason));
        }
        // Turned round it is the opposite, but where nobody can tell and where there is no answer.
        let empty = vector.output.trim().is_empty() && vector.tool_calls.as_ref().is_none_or(Vec::is_empty);
        match check(&vector, &turned(&vector.expect)) {
            Ok(other) if vector.unknown || empty && !vector.expect.to_string().contains("is-empty") => {
                if other.pass || checked.pass || other.score != 0.0 || checked.score != 0.0 {
                    fault("it should fail either way".into());
                }
            }
            Ok(other) if other.pass == checked.pass => fault(format!("turned round it is {} too", other.pass)),
            Ok(other) if (other.score + checked.score - 1.0).abs() > 1e-9 => {
                fault(format!("the scores {} and {} are not those of opposites", checked.score, other.score));
            }
            Ok(_) => {}
            Err(why) => fault(format!("turned round it is refused: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} vectors:\n{}", wrong.len(), seen.len(), wrong.join("\n"));
    assert!(seen.len() >= 300, "{} vectors", seen.len());
}

#[test]
fn no_expectation_is_without_vectors() {
    let mut counts: BTreeMap<&str, (usize, usize)> = names().map(|name| (name, (0, 0))).collect();
    for vector in vectors() {
        let name = match &vector.expect {
            Value::String(name) => name.clone(),
            Value::Object(map) if map.contains_key("type") => map["type"].as_str().unwrap_or_default().to_owned(),
            Value::Object(map) => map.keys().next().cloned().unwrap_or_default(),
            _ => continue,
        };
        if let Some((passes, fails)) = counts.get_mut(name.strip_prefix("not-").unwrap_or(&name)) {
            *(if vector.pass { passes } else { fails }) += 1;
        }
    }
    // What a model or another program decides has its tests where those are played.
    let asked = [
        "answer-relevance",
        "context-faithfulness",
        "context-recall",
        "context-relevance",
        "context-share",
        "exec",
        "factuality",
        "g-eval",
        "llm-rubric",
        "prefers",
        "select-best",
        "similar",
    ];
    counts.retain(|name, _| !asked.contains(name));
    let thin: Vec<_> = counts.iter().filter(|(_, (passes, fails))| *passes < 1 || *fails < 1).collect();
    assert!(thin.is_empty(), "{thin:?}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    let none =
        serde_yaml::from_str::<Vector>("{ name: x, expect: x, output: x, pass: true, because: x }").expect("one");
    for (expect, part) in [
        ("is-xml: []", "at least one"),
        ("is-xml: 'a..b'", "no path of elements"),
        ("is-html: p", "takes no value"),
        ("contains-html: p", "takes no value"),
        ("is-sql: postgres-ql", "no dialect of SQL"),
        ("is-sql: { dialect: mysql, tables: [] }", "needs at least one"),
        ("is-sql: { allowed: [a] }", "unknown key"),
        ("is-yaml: {}", "accepts everything"),
        ("is-yaml: { type: 5 }", "not a JSON Schema"),
        ("json-subset: {}", "write what is expected in it"),
        ("json-subset: []", "write what is expected in it"),
        ("json-subset: text", "must be a mapping or a list"),
        ("json-subset: { value: { a: 1 }, tolerance: -1 }", "at least 0"),
        ("json-subset: { a: '{{ x ' }", "template"),
        ("one-of: []", "at least one"),
        ("one-of: ['']", "none of them empty"),
        ("one-of: { value: [a] }", "did you mean \"values\"?"),
        ("one-of", "needs a list"),
        ("number", "needs a number"),
        ("number: many", "must be a number"),
        ("number: {}", "needs `value`"),
        ("number: { value: 1, min: 0 }", "either `value`"),
        ("number: { min: 2, max: 1 }", "no number can fit"),
        ("number: { min: 2, tolerance: 1 }", "belongs to `value`"),
        ("number: { value: 1, tolerance: -1 }", "at least 0"),
        ("number: { value: 1, tolerance: much }", "such as 5%"),
        ("number: { value: 1, which: second }", "none of any, all, first, last"),
        ("code-fence: ''", "one word"),
        ("code-fence: { lang: x }", "unknown key"),
        ("language", "needs the code"),
        ("language: xx", "no code of a language"),
        ("language: []", "needs the code"),
        ("no-pii: []", "no kind is named"),
        ("no-pii: [e-mail]", "did you mean \"email\"?"),
        ("cites", "needs the sources"),
        ("cites: 0", "at least 1"),
        ("cites: { optional: true }", "needs the `sources`"),
        ("cites: { sources: 3, every: true, optional: true }", "write one of them"),
        ("cites: { sources: 3, pattern: '[0-9]' }", "needs a group"),
        ("cites: { sources: 3, pattern: '(' }", "does not compile"),
        ("abstains: true", "takes no value"),
        ("rouge-n", "needs a text"),
        ("rouge-n: ''", "nothing to compare with"),
        ("rouge-n: []", "needs a text"),
        ("rouge-n: { value: a, n: 0 }", "n is 1 to 9"),
        ("rouge-n: { value: a, threshold: 0 }", "every answer reaches"),
        ("bleu: { value: a, threshold: 1.5 }", "at most 1"),
        ("{ gleu: a, threshold: 0 }", "every answer reaches"),
        ("gleu: { threshold: 0.5 }", "needs a `value`"),
        ("chrf: { value: a, words: 3 }", "words is 0"),
        ("meteor: a", "WordNet"),
        ("similarity: { value: a, by: soundex }", "none of ratio"),
        ("similarity: '   '", "nothing to compare with"),
        ("{ contains: a, threshold: 1 }", "knows no `threshold`"),
        ("tool-call", "needs the name"),
        ("tool-call: []", "no call is named"),
        ("tool-call: {}", "needs the `name`"),
        ("tool-call: { order: any }", "not there"),
        ("tool-call: { name: a, arguments: {} }", "hold for every call"),
        ("tool-call: { name: a, arguments: [1] }", "must be a mapping"),
        ("tool-call: { count: 1, arguments: { a: 1 } }", "of which tool"),
        ("tool-call: { name: a, match: exact }", "not there"),
        ("tool-call: { name: a, count: { min: 0 } }", "every answer has so many"),
        ("tool-call: { name: a, count: { min: 2, max: 1 } }", "no answer can fit"),
        ("tool-call: { name: a, schema: { type: 5 } }", "not a JSON Schema"),
        ("tool-call: [{ arguments: { a: 1 } }]", "needs the `name`"),
        ("valid-tool-arguments: { optionl: true }", "unknown key"),
        ("reasoning: true", "must be a mapping"),
        ("reasoning: { contains: '' }", "empty"),
        ("json-path: { path: $.a, tolerance: 1 }", "belongs to `equals`"),
        ("json-path: { path: $.a, one-of: [] }", "at least one"),
        ("json-path: { path: $.a, type: text }", "none of string"),
        ("json-path: { path: $.a, length: { min: 0 } }", "needs `min` above 0"),
        ("json-path: { path: $.a, at-least: high }", "must be a number"),
        ("is-json: { $ref: 'https://example.org/a.json' }", "nothing is ever fetched"),
    ] {
        let value: Value = serde_yaml::from_str(expect).expect(expect);
        let why = check(&none, &value).map(|checked| checked.reason).expect_err(expect);
        assert!(why.contains(part), "{expect}: {why}");
    }
}
