use super::*;
use crate::core::problem::{Problems, Source};
use crate::core::record::{FinishReason, Usage};
use crate::core::verdict::{Checked, Lack};
use crate::core::yaml;
use crate::expect::Nobody;
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
    bound.check(&Subject {
        response: &response(text),
        cost_usd: Some(0.002),
        tools: &[],
        oracle: &Nobody,
        turn: 1,
        sent: &[],
    })
}

/// Expectation, an answer for which it holds, an answer for which it does not.
const TABLE: [(&str, &str, &str); 53] = [
    ("equals: yes", "yes", "yes\n"),
    ("{equals: yes, transform: trim}", " yes\n", "yes!"),
    ("{equals: yes, transform: [trim, lower]}", " YES\n", "no"),
    ("{is-json: , transform: strip-fence}", "```json\n{\"a\": 1}\n```", "so:\n```\n{}\n```"),
    ("{is-json: , transform: code-fence}", "so:\n```\n{}\n```", "{}"),
    ("{contains: x, transform: {code-fence: PY}}", "```js\ny\n```\n```py\nx\n```", "```js\nx\n```"),
    ("{equals: b, transform: {json-path: '$.a[1]'}}", "{\"a\": [1, \"b\"]}", "{\"a\": [1]}"),
    ("{equals: '42', transform: {regex: 'answer: (\\d+)'}}", "the answer: 42!", "the answer: 43"),
    ("{equals: X, transform: {regex: '(?<l>[a-z])', group: l, flags: i}}", "1X2", "1y2"),
    ("{equals: BILLING, transform: {template: '{{ output | upper }}'}}", "Billing", "shipping"),
    ("{equals: '3', transform: {template: '{{ json.items | length }}'}}", "{\"items\": [1,2,3]}", "{\"items\": []}"),
    ("all: [contains: a, not-contains: b]", "a", "ab"),
    ("{all: [contains: a, {contains: b, weight: 3}], threshold: 0.75}", "b", "a"),
    ("any: [is-json, contains: yes]", "yes", "no"),
    ("none: [contains: a, is-json]", "x", "1"),
    ("{any: [equals: a, equals: b], transform: lower}", "B", "c"),
    ("equals: {a: 1, b: [2]}", "{\"b\": [2.0], \"a\": 1}", "{\"a\": 1}"),
    ("equals: {a: \"{{ label }}\"}", "{\"a\": \"billing\"}", "{\"a\": \"{{ label }}\"}"),
    ("equals: [\"{{ label }}\", 1]", "[\"billing\", 1]", "[\"billing\", 1, 2]"),
    ("json-path: {path: $.a, exists: false}", "{}", "{\"a\": 1}"),
    ("is-sql: {statements: [SELECT, insert]}", "SELECT 1", "DROP TABLE t"),
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
        let checked = bound.check(&Subject {
            response: &response,
            cost_usd: None,
            tools: &[],
            oracle: &Nobody,
            turn: 1,
            sent: &[],
        });
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
        ("{contains: x, wieght: 2}", "knows no `wieght`; did you mean \"weight\"?"),
        ("{all: [contains: x], threshold: 0}", "above 0 and at most 1"),
        ("all: []", "at least one expectation"),
        ("any: [contans: x]", "did you mean \"contains\"?"),
        ("{any: [contains: x], threshold: 1}", "knows no `threshold`"),
        ("{contains: x, transform: upper}", "no transform `upper`"),
        ("{contains: x, transform: {regex: 'a'}, group: 1}", "knows no `group`"),
        ("{contains: x, transform: {regex: 'a', group: 1}}", "no such group"),
        ("{contains: x, transform: {template: fixed}}", "the same text for every answer"),
        ("{contains: x, transform: []}", "no step"),
        ("{contains: x, metric: 'a|b'}", "a metric is named by"),
        ("{llm-rubric: x, threshold: 1.5}", "above 0 and at most 1"),
        ("context-recall: x", "needs a `threshold`"),
        ("context-faithfulness", "needs a `threshold`"),
        ("{context-faithfulness: x, threshold: 0.5}", "takes no value"),
        ("{factuality: x, accept: ABCDE}", "not all"),
        ("{g-eval: x, steps: []}", "at least one step"),
        ("exec: python3 check.py", "no shell"),
        ("exec: []", "names no program"),
        ("{prefers: x, threshold: 0.5}", "knows no `threshold`"),
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
        ("latency: 0", "a time above 0"),
        ("latency: 0ms", "a time above 0"),
        ("max-tokens: 0", "at least 1"),
        ("exec: foo", "its value is a list"),
        ("is-sql: {statements: [foo]}", "`foo` is no kind of statement"),
        ("contains-sql: {statements: [selct]}", "did you mean \"select\"?"),
        ("json-path: {path: $.a, exists: false, equals: 1}", "nothing else can be tested"),
        ("json-path: {path: $.a, count: 0, type: string}", "nothing else can be tested"),
        ("rouge-n: {value: two words, n: 3}", "texts of at least 3 words"),
        ("rouge-n: '!!!'", "texts of at least 1 words"),
        ("equals: {a: '{{ q '}", "template"),
        ("contains: '{{ x '", "template"),
    ] {
        let messages = compiled(yaml).expect_err(yaml);
        assert!(messages.iter().any(|m| m.contains(part)), "{yaml}: {messages:?}");
    }
}

#[test]
fn reasons_said_that_a_length_of_5_was_expected_and_5_was_there() {
    for (yaml, text, part) in [
        ("json-path: {path: $.a, length: 5}", "{\"a\": 5}", "a number, which has no length"),
        ("equals: café", "cafe\u{301}", "Unicode form"),
        ("one-of: [café, tea]", "cafe\u{301}", "Unicode form"),
        ("{levenshtein: café, threshold: 0}", "cafe\u{301}", "Unicode form"),
        ("json-path: {path: $.a, equals: café}", "{\"a\": \"cafe\u{301}\"}", "Unicode form"),
        ("equals: {a: '{{ label }}'}", "{\"a\": \"x\"}", "expected {\"a\":\"billing\"}"),
    ] {
        let checked = check(yaml, text);
        let reason = checked.reason.replace("\"{", "{").replace("}\"", "}");
        assert!(!checked.pass && reason.contains(part), "{yaml}: {reason}");
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
    let checked = |pass: bool, weight: f64| Checked {
        kind: "x".into(),
        pass,
        score: f64::from(u8::from(pass)),
        weight,
        ..Checked::default()
    };
    let (yes, no) = (checked(true, 1.0), checked(false, 1.0));
    assert_eq!(total(&[], None), Total { pass: true, score: 1.0 });
    assert!(!total(&[&yes, &no], None).pass);
    assert!(total(&[&checked(true, 2.0), &no], Some(2.0 / 3.0)).pass);
    assert!(!total(&[&yes, &no], Some(0.6)).pass);
    assert_eq!(total(&[&checked(false, 0.0)], None), Total { pass: true, score: 0.0 });
    // Advice, and what nobody asked for, count nowhere.
    let advice = Checked { advises: true, ..no.clone() };
    let unasked = Checked { lack: Some(Lack::Unasked), ..no.clone() };
    assert_eq!(total(&[&yes, &advice, &unasked], None), Total { pass: true, score: 1.0 });
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

#[test]
fn an_empty_answer_fails_whatever_it_is_composed_of() {
    for yaml in [
        "all: [not-contains: a]",
        "none: [contains: a]",
        "not-any: [contains: a]",
        "not-all: [contains: a]",
        "not-none: [not-contains: a]",
        "none: [none: [contains: a]]",
        "{not-contains: a, transform: {json-path: $.a}}",
        "{none: [contains: a], transform: {regex: b}}",
        "none: [{contains: a, transform: {regex: b}}]",
        "none: [contains: a, is-empty]",
    ] {
        for text in ["", " \n"] {
            assert!(!check(yaml, text).pass, "{yaml} on {text:?}");
        }
    }
    assert!(check("any: [is-empty, contains: a]", "").pass);
    assert!(check("all: [is-empty]", " ").pass);
    assert!(!check("none: [is-empty]", "").pass);
    // A transform that finds nothing says nothing about what it looks for.
    assert!(!check("none: [{contains: a, transform: {regex: b}}]", "xyz").pass);
    assert!(!check("{not-contains: a, transform: {json-path: $.a}}", "no JSON").pass);
}

#[test]
fn what_is_composed_shows_its_parts() {
    let checked =
        check("{all: [contains: a, {icontains: B, weight: 3, metric: tone}], threshold: 0.5, metric: all}", "a");
    assert!(!checked.pass);
    assert!((checked.score - 0.25).abs() < 1e-9);
    let kinds: Vec<_> = checked.parts.iter().map(|part| (part.kind.as_str(), part.pass)).collect();
    assert_eq!(kinds, [("contains", true), ("icontains", false)]);
    assert!(checked.reason.contains("0.250") && checked.reason.contains("icontains"), "{}", checked.reason);
    let mut metrics = crate::core::verdict::Metrics::new();
    crate::core::verdict::add_metrics(&mut metrics, &checked);
    let means: Vec<_> = metrics.iter().map(|(name, metric)| (name.as_str(), metric.mean)).collect();
    assert_eq!(means, [("all", Some(0.25)), ("tone", Some(0.0))]);
}
