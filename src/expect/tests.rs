use super::*;
use crate::core::problem::{Problems, Source};
use crate::core::record::{FinishReason, Usage};
use crate::core::verdict::Checked;
use crate::core::yaml;
use proptest::prelude::*;

fn compiled(yaml: &str) -> Result<Expectation, Vec<String>> {
    let source = Source::new("cases.yaml", yaml);
    let node = yaml::parse(&source).expect("valid YAML");
    let mut problems = Problems::default();
    let read = |name: &str| match name {
        "schema.json" => Ok("{\"type\": \"object\", \"required\": [\"a\"]}".to_owned()),
        _ => Err(format!("there is no file `{name}`")),
    };
    let expectation = compile(&source, &node, &read, &mut problems);
    let messages: Vec<String> = problems.sorted().into_iter().map(|p| p.message).collect();
    expectation.filter(|_| messages.is_empty()).ok_or(messages)
}

fn response(text: &str) -> Response {
    let usage = Usage { input: Some(10), output: Some(5), ..Usage::default() };
    Response {
        text: text.into(),
        finish_reason: FinishReason::Stop,
        usage,
        latency_ms: Some(120),
        ..Response::default()
    }
}

fn check(yaml: &str, text: &str) -> Checked {
    let variables = minijinja::context! { label => "billing", empty => "" };
    let bound = compiled(yaml).expect(yaml).bind(&variables).expect(yaml);
    bound.check(&Subject { response: &response(text), cost_usd: Some(0.002) })
}

/// Expectation, an answer for which it holds, an answer for which it does not.
const TABLE: [(&str, &str, &str); 34] = [
    ("equals: yes", "yes", "yes\n"),
    ("equals: {a: 1, b: [2]}", "{\"b\": [2.0], \"a\": 1}", "{\"a\": 1}"),
    ("equals: 42", "42", "42.0"),
    ("equals: true", "true", "True"),
    ("contains: \"{{ label }}\"", "it is billing", "it is shipping"),
    ("contains: 14", "14 days", "30 days"),
    ("icontains: REFUND", "a Refund", "a fund"),
    ("contains-all: [a, b]", "b a", "a c"),
    ("contains-all: 'a, \"b, c\"'", "a b, c", "a b"),
    ("contains-any: [x, b]", "b", "c"),
    ("icontains-all: [A, B]", "ab", "a"),
    ("icontains-any: [A, B]", "b", "c"),
    ("starts-with: Dear", "Dear you", "dear you"),
    ("ends-with: .", "End.", "End"),
    ("regex: '\\b\\d+ days\\b'", "in 14 days", "in days"),
    ("{regex: '^yes$', flags: im}", "no\nYES", "yesno"),
    ("regex: '(?<!not )allowed'", "is allowed", "is not allowed"),
    ("is-json", " {\"a\": 1} ", "```json\n{\"a\": 1}\n```"),
    ("is-json: {type: object, required: [a]}", "{\"a\": 1}", "{\"b\": 1}"),
    ("contains-json", "so: [1, 2]!", "text {not json} text"),
    ("contains-json: {type: object}", "[1] {\"a\": \"}\"}", "[1]"),
    ("json-schema: {file: schema.json}", "{\"a\": 1}", "{}"),
    ("json-path: {path: $.days_left, equals: 4}", "{\"days_left\": 4.0}", "{\"days_left\": \"4\"}"),
    ("json-path: {path: $.queue, equals: \"{{ label }}\"}", "{\"queue\": \"billing\"}", "{\"queue\": \"x\"}"),
    ("json-path: $.a.b", "{\"a\": {\"b\": null}}", "{\"a\": {}}"),
    ("json-path: {path: '$.x[*]', at-least: 2, count: 2}", "{\"x\": [2, 3]}", "{\"x\": [1, 3]}"),
    ("word-count: {min: 2, max: 3}", "a b", "a"),
    ("word-count: 2", "a b", "a b c"),
    ("levenshtein: {value: kitten, threshold: 3}", "sitting", "completely different"),
    ("{type: levenshtein, value: ab, threshold: 0}", "ab", "abc"),
    ("is-refusal", "I'm sorry, but I can't help with that.", "Sure!"),
    ("not-contains: x", "abc", "xyz"),
    ("not-is-json", "text", "{}"),
    ("{type: not-equals, value: a, weight: 2}", "b", "a"),
];

#[test]
fn every_expectation_holds_where_it_should_and_nowhere_else() {
    for (yaml, good, bad) in TABLE {
        let checked = check(yaml, good);
        assert!(checked.pass, "{yaml} should hold for {good:?}: {}", checked.reason);
        let checked = check(yaml, bad);
        assert!(!checked.pass, "{yaml} should not hold for {bad:?}");
        assert!(checked.reason.len() > 5, "{yaml}: a failure says why");
    }
}

#[test]
fn an_empty_answer_fails_everything_but_is_empty() {
    let names: Vec<String> = TABLE.iter().map(|(yaml, ..)| (*yaml).to_owned()).collect();
    let more = [
        "max-tokens: 10",
        "latency: 2s",
        "cost: 1",
        "finish-reason: stop",
        "not-finish-reason: length",
        "not-is-refusal",
    ];
    for yaml in names.iter().map(String::as_str).chain(more) {
        for text in ["", " \n\t "] {
            let checked = check(yaml, text);
            assert!(!checked.pass && checked.score == 0.0, "{yaml} on {text:?}");
        }
    }
    assert!(check("is-empty", " \n").pass && !check("is-empty", "x").pass);
    assert!(!check("not-is-empty", "").pass && check("not-is-empty", "x").pass);
}

#[test]
fn figures_are_compared_with_their_limits() {
    for (yaml, pass) in [
        ("max-tokens: 5", true),
        ("max-tokens: 4", false),
        ("latency: 120", true),
        ("latency: 0.1s", false),
        ("cost: 0.002", true),
        ("cost: 0.001", false),
        ("finish-reason: STOP", true),
        ("finish-reason: length", false),
    ] {
        assert_eq!(check(yaml, "x").pass, pass, "{yaml}");
    }
}

#[test]
fn what_cannot_be_told_fails_either_way() {
    let response = Response { text: "x".into(), ..Response::default() };
    for yaml in ["max-tokens: 5", "not-max-tokens: 5", "latency: 1s", "not-latency: 1s", "cost: 1", "not-cost: 1"] {
        let bound = compiled(yaml).expect(yaml).bind(&minijinja::context! {}).expect(yaml);
        let checked = bound.check(&Subject { response: &response, cost_usd: None });
        assert!(!checked.pass && checked.reason.contains("not known"), "{yaml}: {checked:?}");
    }
    assert!(compiled("regex: '^.{0,200}$'").is_ok(), "a limit on the length is worth something");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    for (yaml, part) in [
        ("containz: x", "did you mean \"contains\"?"),
        ("not-containz: x", "did you mean \"not-contains\"?"),
        ("banana: x", "unknown expectation"),
        ("contains: ''", "empty"),
        ("contains", "needs a text"),
        ("contains: [a]", "must be text"),
        ("contains-all: []", "at least one"),
        ("contains-any: ['']", "none of them empty"),
        ("contains-all: 'a, \"b'", "not closed"),
        ("regex: '('", "does not compile"),
        ("regex: '.*'", "matches every answer"),
        ("regex: '(?s).+'", "matches every answer"),
        ("regex: 5", "must be text"),
        ("{contains: x, icontains: y}", "second expectation"),
        ("{contains: x, wieght: 2}", "second expectation"),
        ("{type: contains, valeu: x}", "did you mean \"value\"?"),
        ("{contains: x, weight: -1}", "at least 0"),
        ("{contains: x, threshold: 1}", "knows no `threshold`"),
        ("{regex: x, flags: q}", "flags are letters"),
        ("is-json: {type: 5}", "not a JSON Schema"),
        ("json-schema: {}", "accepts everything"),
        ("json-schema: {file: nope.json}", "there is no file"),
        ("json-path: {path: 'a.b'}", "not valid"),
        ("json-path: {path: $.a, equal: 1}", "did you mean \"equals\"?"),
        ("word-count: {min: 5, max: 2}", "no answer can fit"),
        ("word-count: many", "must be a number"),
        ("finish-reason: stopped", "no finish reason"),
        ("is-empty: true", "takes no value"),
        ("latency: fast", "no duration"),
        ("contains: '{{ x '", "template"),
    ] {
        let messages = compiled(yaml).expect_err(yaml);
        assert!(messages.iter().any(|m| m.contains(part)), "{yaml}: {messages:?}");
    }
}

#[test]
fn a_value_that_is_empty_for_a_case_is_refused_for_that_case() {
    let variables = minijinja::context! { empty => "" };
    for yaml in ["contains: '{{ empty }}'", "contains-any: [a, '{{ empty }}']", "contains: '{{ missing }}'"] {
        assert!(compiled(yaml).expect(yaml).bind(&variables).is_err(), "{yaml}");
    }
}

#[test]
fn weights_and_thresholds_add_up() {
    let checked =
        |pass: bool| Checked { kind: "x".into(), pass, score: f64::from(u8::from(pass)), reason: String::new() };
    let (yes, no) = (checked(true), checked(false));
    assert_eq!(total(&[], None), Total { pass: true, score: 1.0 });
    assert!(!total(&[(1.0, &yes), (1.0, &no)], None).pass);
    assert!(total(&[(2.0, &yes), (1.0, &no)], Some(2.0 / 3.0)).pass);
    assert!(!total(&[(1.0, &yes), (1.0, &no)], Some(0.6)).pass);
    assert_eq!(total(&[(0.0, &no)], None), Total { pass: true, score: 0.0 });
}

proptest! {
    #[test]
    fn turning_round_turns_round(text in "\\PC{1,40}", index in 0..TABLE.len()) {
        prop_assume!(!text.trim().is_empty());
        let (yaml, ..) = TABLE[index];
        prop_assume!(!yaml.contains("not-") && !yaml.starts_with('{'));
        let (plain, turned) = (check(yaml, &text), check(&format!("not-{yaml}"), &text));
        prop_assert_eq!(plain.pass, !turned.pass);
        prop_assert!((0.0..=1.0).contains(&plain.score));
        prop_assert!((plain.score + turned.score - 1.0).abs() < 1e-9);
    }
}
