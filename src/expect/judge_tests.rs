//! Judges that say whatever a test lets them say.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::core::names::ModelAlias;
use crate::core::problem::{Problems, Source};
use crate::core::record::FinishReason;
use crate::core::yaml;

/// Says one thing after the other, and remembers what it was asked.
struct Script {
    says: RefCell<VecDeque<Told<String>>>,
    asked: RefCell<Vec<(String, Value)>>,
    accepted: Option<String>,
    advises: Option<String>,
    finish: FinishReason,
}

impl Script {
    fn new(says: &[&str]) -> Self {
        let says = says.iter().map(|text| Told::Said((*text).to_owned())).collect();
        let finish = FinishReason::Stop;
        Self { says: RefCell::new(says), asked: RefCell::default(), accepted: None, advises: None, finish }
    }

    fn next(&self) -> Told<String> {
        self.says.borrow_mut().pop_front().unwrap_or(Told::Lacking(Lack::Waiting, "waiting".to_owned()))
    }
}

impl Oracle for Script {
    fn judge(&self, question: &JudgeQuestion<'_>) -> Told<Judgement> {
        let variables = Value::Object(question.variables.clone());
        self.asked.borrow_mut().push((question.judge.default_prompt.to_owned(), variables));
        let by = JudgedBy {
            model: ModelAlias::new("strict").expect("an alias"),
            prompt: format!("judges/{}", question.judge.default_prompt),
            digest: "d".to_owned(),
        };
        match self.next() {
            Told::Said(text) => Told::Said(Judgement { text, finish: self.finish, by, advises: self.advises.clone() }),
            Told::Lacking(lack, why) => Told::Lacking(lack, why),
        }
    }

    fn advises(&self, _: &JudgeNeed) -> Option<String> {
        self.advises.clone()
    }

    /// The direction of a text is that of its first two characters; one that begins with `#` has three dimensions.
    fn embed(&self, _: Option<&str>, text: &str) -> Told<Arc<[f32]>> {
        if text.starts_with('#') {
            return Told::Said(vec![1.0, 0.0, 0.0].into());
        }
        let at = |index: usize| text.as_bytes().get(index).map_or(0.0, |byte| f32::from(byte - b'0'));
        Told::Said(vec![at(0), at(1)].into())
    }

    fn execute(&self, command: &[String], input: &Value) -> Told<String> {
        self.asked.borrow_mut().push((command.join(" "), input.clone()));
        self.next()
    }

    fn answers(&self) -> Told<Vec<(String, String)>> {
        let answers = [("slow", "no"), ("fast", "yes"), ("other", "yes")];
        Told::Said(answers.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    fn model(&self) -> &'static str {
        "fast"
    }

    fn question(&self) -> String {
        "the last message".to_owned()
    }

    fn accepted(&self) -> Told<Option<String>> {
        Told::Said(self.accepted.clone())
    }
}

fn check(yaml: &str, text: &str, script: &Script) -> Checked {
    let source = Source::new("cases.yaml", yaml);
    let node = yaml::parse(&source).expect("valid YAML");
    let mut problems = Problems::default();
    let expectation = compile(&source, &node, &|_| Err("no file".to_owned()), &mut problems);
    assert!(problems.is_empty(), "{yaml}: {:?}", problems.sorted());
    let variables = minijinja::context! { context => vec!["a fact", "another"], topic => "refunds" };
    let bound = expectation.expect(yaml).bind(&variables).expect(yaml);
    let response = Response { text: text.into(), finish_reason: FinishReason::Stop, ..Response::default() };
    bound.check(&Subject { response: &response, cost_usd: None, tools: &[], oracle: script, turn: 1, sent: &[] })
}

/// A check, what is said, and what comes of it.
type Said = (&'static str, &'static str, Option<(bool, f64)>);

/// The check, what the judge says, whether it holds, the score; `None` where the judgement is an error.
const SAID: &[Said] = &[
    ("llm-rubric: polite", r#"{"reason": "r", "pass": true, "score": 0.9}"#, Some((true, 0.9))),
    ("llm-rubric: polite", r#"{"reason": "r", "pass": false, "score": 0.9}"#, Some((false, 0.0))),
    ("llm-rubric: polite", r#"{"pass": true}"#, Some((true, 1.0))),
    ("{llm-rubric: polite, threshold: 0.95}", r#"{"pass": true, "score": 0.9}"#, Some((false, 0.9))),
    // A verdict and a score that cannot both be meant.
    ("{llm-rubric: polite, threshold: 0.5}", r#"{"pass": false, "score": 0.9}"#, None),
    ("{llm-rubric: polite, threshold: 0.5}", r#"{"pass": false, "score": 0.5}"#, None),
    ("{llm-rubric: polite, threshold: 0.5}", r#"{"pass": false, "score": 0.4}"#, Some((false, 0.4))),
    ("llm-rubric: polite", r#"{"pass": false, "score": 1}"#, None),
    ("llm-rubric: polite", r#"{"pass": true, "score": 0}"#, None),
    ("not-llm-rubric: rude", r#"{"pass": true, "score": 0.2}"#, Some((false, 0.0))),
    ("exec: [./check]", r#"{"pass": false, "score": 0.9}"#, Some((false, 0.0))),
    ("not-exec: [./check]", r#"{"pass": true, "score": 0.1}"#, Some((false, 0.0))),
    ("exec: [./check]", r#"{"pass": false, "score": 1}"#, None),
    ("exec: [./check]", r#"{"pass": true, "score": 0}"#, None),
    ("all: [{exec: [./check]}]", r#"{"pass": false, "score": 0.9}"#, Some((false, 0.0))),
    ("not-llm-rubric: rude", r#"{"pass": false, "score": 0.2}"#, Some((true, 0.8))),
    // What a model says around it does no harm, as long as it says one thing.
    ("llm-rubric: polite", "Let me see.\n```json\n{\"pass\": true}\n```\nDone.", Some((true, 1.0))),
    (
        "llm-rubric: polite",
        r#"First {"reason": "a", "pass": true}, and so {"reason": "b", "pass": true}."#,
        Some((true, 1.0)),
    ),
    ("llm-rubric: polite", r#"First {"pass": true}, but then {"pass": false}."#, None),
    ("llm-rubric: polite", "Draft: {\"pass\": false}\n```json\n{\"pass\": true}\n```", None),
    ("llm-rubric: polite", r#"{"pass": false, "pass": true}"#, None),
    ("llm-rubric: polite", r#"So: {"pass": true, "pass": true}"#, None),
    ("llm-rubric: polite", r#"["r", true, 1]"#, None),
    ("llm-rubric: polite", r#"{"note": 1} {"pass": true} {"x": {}}"#, Some((true, 1.0))),
    // Off the menu.
    ("llm-rubric: polite", "PASS", None),
    ("llm-rubric: polite", "yes, it is polite", None),
    ("llm-rubric: polite", "", None),
    ("llm-rubric: polite", r#"{"pass": "true"}"#, None),
    ("llm-rubric: polite", r#"{"score": 1}"#, None),
    ("llm-rubric: polite", r#"{"pass": true, "score": 5}"#, None),
    ("llm-rubric: polite", r#"{"pass": true, "score": -0.1}"#, None),
    ("not-llm-rubric: rude", "no idea", None),
    ("{g-eval: clear, steps: [read]}", r#"{"reason": "r", "score": 7}"#, Some((true, 0.7))),
    ("{g-eval: clear, steps: [read]}", r#"{"score": 6.9}"#, Some((false, 0.69))),
    ("{g-eval: clear, steps: [read], threshold: 0.5}", r#"{"score": 5}"#, Some((true, 0.5))),
    ("{g-eval: clear, steps: [read]}", r#"{"score": 11}"#, None),
    ("{g-eval: clear, steps: [read]}", r#"{"score": "7"}"#, None),
    ("factuality: Paris", r#"{"reason": "r", "category": "A"}"#, Some((true, 1.0))),
    ("factuality: Paris", r#"{"category": "(C)"}"#, Some((true, 1.0))),
    ("factuality: Paris", r#"{"category": "D"}"#, Some((false, 0.0))),
    ("factuality: Paris", r#"{"category": "E"}"#, Some((true, 1.0))),
    ("{factuality: Paris, accept: C}", r#"{"category": "A"}"#, Some((false, 0.0))),
    ("factuality: Paris", r#"{"category": "F"}"#, None),
    ("factuality: Paris", r#"{"category": "A or B"}"#, None),
    ("factuality: Paris", r#"{"category": ""}"#, None),
    (
        "{context-faithfulness: , threshold: 0.5}",
        r#"{"parts": [{"text": "a", "holds": true}, {"text": "b", "holds": false}]}"#,
        Some((true, 0.5)),
    ),
    (
        "{context-faithfulness: , threshold: 0.6}",
        r#"{"parts": [{"text": "a", "holds": true}, {"text": "b", "holds": false}]}"#,
        Some((false, 0.5)),
    ),
    ("{context-faithfulness: , threshold: 0.6}", r#"{"parts": []}"#, None),
    (
        "{context-recall: fact, threshold: 1}",
        r#"{"parts": [{"text": "a", "holds": true, "reason": "r"}]}"#,
        Some((true, 1.0)),
    ),
    (
        "{context-relevance: , threshold: 0.1, context: '{{ topic }}'}",
        r#"{"parts": [{"text": "a", "holds": false}]}"#,
        Some((false, 0.0)),
    ),
    ("select-best: shortest", r#"{"reason": "r", "best": 3}"#, Some((true, 1.0))),
    ("select-best: shortest", r#"{"best": 1}"#, Some((false, 0.0))),
    ("select-best: shortest", r#"{"best": 0}"#, None),
    ("select-best: shortest", r#"{"best": 4}"#, None),
    ("exec: [./check]", r#"{"pass": true, "score": 0.5, "reason": "half"}"#, Some((true, 0.5))),
];

#[test]
fn what_a_judge_says_counts_only_where_it_was_asked_for() {
    for (yaml, says, expected) in SAID.iter().copied() {
        let checked = check(yaml, "an answer", &Script::new(&[says]));
        let found = checked.lack.is_none().then_some((checked.pass, checked.score));
        match (found, expected) {
            (Some((pass, score)), Some((wanted, near))) => {
                assert_eq!(pass, wanted, "{yaml} on {says}: {}", checked.reason);
                assert!((score - near).abs() < 1e-9, "{yaml} on {says}: {score}");
            }
            (None, None) => {
                assert_eq!((checked.lack, checked.pass), (Some(Lack::Errored), false), "{yaml} on {says}");
                assert!(!checked.reason.is_empty());
            }
            (found, expected) => panic!("{yaml} on {says}: {found:?}, {expected:?} expected ({})", checked.reason),
        }
    }
}

#[test]
fn a_judgement_that_was_cut_off_counted() {
    for finish in [FinishReason::Length, FinishReason::ContentFilter, FinishReason::Refusal] {
        for says in [r#"{"reason": "r", "pass": true}"#, r#"{"reason": "r", "pass": true} {"reason": "but"#] {
            let checked = check("llm-rubric: polite", "an answer", &Script { finish, ..Script::new(&[says]) });
            assert_eq!(checked.lack, Some(Lack::Errored), "{finish:?} {says}");
            assert!(checked.reason.contains(finish.name()), "{}", checked.reason);
        }
    }
    let unknown = Script { finish: FinishReason::Unknown, ..Script::new(&[r#"{"pass": true}"#]) };
    assert!(check("llm-rubric: polite", "an answer", &unknown).pass);
}

#[test]
fn what_is_waited_for_is_neither_good_nor_bad() {
    for yaml in ["llm-rubric: polite", "not-llm-rubric: rude", "g-eval: clear", "any: [llm-rubric: a, contains: b]"] {
        let checked = check(yaml, "an answer", &Script::new(&[]));
        assert_eq!((checked.lack, checked.pass), (Some(Lack::Waiting), false), "{yaml}");
    }
    // What is settled needs nobody.
    let script = Script::new(&[]);
    for (yaml, pass) in [
        ("any: [llm-rubric: a, contains: answer]", true),
        ("all: [llm-rubric: a, contains: xyz]", false),
        ("none: [llm-rubric: a, contains: answer]", false),
    ] {
        let checked = check(yaml, "an answer", &script);
        assert_eq!((checked.lack, checked.pass), (None, pass), "{yaml}");
    }
    assert!(script.asked.borrow().is_empty());
}

#[test]
fn steps_are_made_up_once_and_then_followed() {
    let script = Script::new(&[r#"{"steps": ["read", "count"]}"#, r#"{"score": 8}"#]);
    let checked = check("g-eval: clear", "an answer", &script);
    assert!(checked.pass, "{}", checked.reason);
    let asked = script.asked.borrow();
    assert_eq!(asked[0].0, "g-eval-steps");
    assert_eq!(asked[1].1["steps"], serde_json::json!(["read", "count"]));
    assert_eq!(asked[1].1["question"], "the last message");
    assert_eq!(asked[1].1["vars"]["topic"], "refunds");
}

#[test]
fn a_preference_that_depends_on_the_order_is_a_tie() {
    let (first, second, tie) = (r#"{"better": "first"}"#, r#"{"better": "second"}"#, r#"{"better": "tie"}"#);
    for (there, back, pass, score) in [
        (second, first, true, 1.0),
        (first, second, false, 0.0),
        (tie, tie, true, 0.5),
        (first, first, true, 0.5),
        (tie, second, true, 0.5),
    ] {
        let script = Script { accepted: Some("accepted".to_owned()), ..Script::new(&[there, back]) };
        let checked = check("prefers: clearer", "an answer", &script);
        assert_eq!(checked.pass, pass, "{there} {back}: {}", checked.reason);
        assert!((checked.score - score).abs() < 1e-9);
        let asked = script.asked.borrow();
        assert_eq!((&asked[0].1["first"], &asked[1].1["first"]), (&"accepted".into(), &"an answer".into()));
    }
    let script = Script { accepted: Some("an answer".to_owned()), ..Script::new(&[]) };
    assert!(check("prefers: clearer", "an answer", &script).pass);
    assert!(check("prefers: clearer", "an answer", &Script::new(&[])).pass, "nothing was accepted yet");
    let script = Script { accepted: Some("accepted".to_owned()), ..Script::new(&[r#"{"better": "both"}"#, tie]) };
    assert_eq!(check("prefers: clearer", "an answer", &script).lack, Some(Lack::Errored));
}

#[test]
fn meaning_is_a_direction() {
    let script = Script::new(&[]);
    assert!(check("similar: '20'", "10", &script).pass);
    let checked = check("similar: '01'", "10", &script);
    assert!(!checked.pass && checked.score.abs() < 1e-9, "{}", checked.reason);
    assert!(check("similar: ['01', '11']", "12", &script).pass);
    assert!(check("{similar: '11', threshold: 0.7}", "10", &script).pass);
    let script = Script::new(&[r#"{"questions": ["10", "01"], "evasive": false}"#]);
    let checked = check("{answer-relevance: , threshold: 0.6, question: '10'}", "an answer", &script);
    assert!(!checked.pass && (checked.score - 0.5).abs() < 1e-9, "{}", checked.reason);
    let script = Script::new(&[r#"{"questions": ["10"], "evasive": true}"#]);
    assert!(!check("{answer-relevance: , threshold: 0.6, question: '10'}", "an answer", &script).pass);
}

#[test]
fn embeddings_of_different_lengths_were_a_failure() {
    for yaml in ["similar: '#x'", "not-similar: '#x'", "similar: '00'", "not-similar: ['00', '10']"] {
        let checked = check(yaml, "10", &Script::new(&[]));
        assert_eq!((checked.lack, checked.pass), (Some(Lack::Errored), false), "{yaml}: {}", checked.reason);
    }
    let script = Script::new(&[r##"{"questions": ["#x"], "evasive": false}"##]);
    let checked = check("{answer-relevance: , threshold: 0.6, question: '10'}", "an answer", &script);
    assert_eq!(checked.lack, Some(Lack::Errored), "{}", checked.reason);
}

#[test]
fn a_judge_that_has_not_proved_itself_advises() {
    let says = r#"{"pass": false}"#;
    let script = || Script { advises: Some("never held against people".to_owned()), ..Script::new(&[says]) };
    let checked = check("llm-rubric: polite", "an answer", &script());
    assert!(!checked.pass && checked.advises && !checked.decides());
    assert!(checked.reason.contains("never held against people"));
    assert!(check("all: [llm-rubric: polite]", "an answer", &script()).advises);
    // Nor does it decide where it need not be asked.
    for (yaml, asks) in [("prefers: clearer", false), ("select-best: shortest", true), ("similar: '20'", false)] {
        let script = Script { accepted: Some("10".to_owned()), ..script() };
        let checked = check(yaml, "10", &script);
        assert_eq!(script.asked.borrow().is_empty(), !asks, "{yaml}");
        assert_eq!(checked.advises || checked.lack.is_some(), !yaml.starts_with("similar"), "{yaml}: {checked:?}");
    }
    let decides = Script { accepted: Some("10".to_owned()), ..Script::new(&[]) };
    assert!(!check("prefers: clearer", "10", &decides).advises);
    assert_eq!(check("llm-rubric: polite", "an answer", &script()).judge.map(|by| by.digest).as_deref(), Some("d"));
}

#[test]
fn a_program_says_it_in_json() {
    for printed in ["", "true", r#"{"pass": 1}"#, r#"{"pass": true, "score": 2}"#, r#"{"pass": true, "extra": 1}"#] {
        let checked = check("exec: [./check, '--strict']", "an answer", &Script::new(&[printed]));
        assert_eq!(checked.lack, Some(Lack::Errored), "{printed}");
    }
    let script = Script::new(&[r#"{"pass": false}"#]);
    assert!(!check("exec: [./check]", "an answer", &script).pass);
    let asked = script.asked.borrow();
    assert_eq!((asked[0].0.as_str(), &asked[0].1["output"]), ("./check", &"an answer".into()));
    assert_eq!(asked[0].1["vars"]["topic"], "refunds");
}
