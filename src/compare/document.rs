//! A comparison as one document: written for programs, read again by what shows it. Its shape is
//! `docs/schema/compare.schema.json`.
//!
//! An answer longer than [`LONGEST_ANSWER`] is cut there, and `left_out` beside it says how many bytes are missing. That is
//! the only place where a document says less than the comparison did.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pair::{Flip, LeftOut, Pair, Pairs, Sample};
use super::table::{Comparison, Limits, Row};
use crate::core::escape::json;
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::summary::is_zero;
use crate::core::verdict::SourceLine;

/// The version of the document's shape; it grows when something is taken away or changes its meaning.
pub const VERSION: u32 = 1;
/// The most bytes of one answer.
pub const LONGEST_ANSWER: usize = 256 * 1024;

/// A whole comparison with the answers that differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`VERSION`].
    pub version: u32,
    /// What wrote it.
    #[serde(default)]
    pub tool: Tool,
    /// Both sides, and where answers came from.
    #[serde(default)]
    pub heading: String,
    /// The number that the process exits with.
    pub exit_code: u8,
    /// Base, in words.
    pub base: String,
    /// Head, in words.
    pub head: String,
    /// The chance of a false alarm, over all prompts.
    pub alpha: f64,
    /// The least drop that matters.
    pub delta: f64,
    /// Whether the verdicts are those at which betting stopped.
    pub sequential: bool,
    /// Whether some prompt is compared on several models, each in a row of its own.
    #[serde(default)]
    pub several_models: bool,
    /// The prompts, in head's order.
    pub prompts: Vec<Row>,
    /// Their slices, by prompt and tag.
    pub slices: Vec<Row>,
    /// Cases of base that head does not have.
    pub only_base: u64,
    /// Cases of head that base does not have.
    pub only_head: u64,
    /// Cases of both without an answer on one side.
    pub unanswered: u64,
    /// Cases that are checked by their snapshot alone.
    pub unjudged: u64,
    /// Those of them whose answers differ.
    pub unjudged_changed: u64,
    /// The cases that could not be paired.
    pub left_out: Vec<LeftOut>,
    /// What a person should know before all else.
    pub notes: Vec<String>,
    /// Calls that were made.
    pub calls_made: u64,
    /// What they cost.
    pub cost_usd: f64,
    /// The commands that tell apart what the prompt and what the model did.
    pub tell_apart: Vec<String>,
    /// Every case on every model whose answers differ, in head's order; those that only a snapshot checks come last.
    #[serde(default)]
    pub answers: Vec<ChangedAnswer>,
}

/// What wrote a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Which way a case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// More of base's answers passed.
    Loss,
    /// More of head's answers pass.
    Win,
    /// As many pass on both sides.
    None,
}

/// A case on a model whose answers differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangedAnswer {
    /// The prompt.
    pub prompt: PromptName,
    /// The case.
    pub case: CaseName,
    /// The model, as head calls it.
    pub model: ModelAlias,
    /// The case's tags, as head has them.
    pub tags: Vec<String>,
    /// Where the case is written, as head has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SourceLine>,
    /// Which way the case went.
    pub flip: Way,
    /// Whether anything but a snapshot says what is right.
    pub judged: bool,
    /// Whether both texts are whole JSON objects or arrays, to be compared by path.
    pub json: bool,
    /// Why head's answer fails; empty where it passes.
    pub failed: Vec<String>,
    /// What base answered.
    pub base: Answers,
    /// What head answers.
    pub head: Answers,
}

/// What one side answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// The answer to be looked at: of a case that flipped one that shows it, else the first that differs.
    #[serde(flatten)]
    pub shown: Text,
    /// Which sample that is, from 0.
    pub sample: u64,
    /// How many answers pass.
    pub passes: u64,
    /// How many there are.
    pub count: u64,
    /// Every answer, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<AnswerSample>,
}

/// One of several answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerSample {
    /// What it says.
    #[serde(flatten)]
    pub text: Text,
    /// Whether it passes.
    pub pass: bool,
}

/// What an answer says, and how much of it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The text, or its first bytes.
    pub text: String,
    /// The calls of tools in it, as JSON; none where they are longer than an answer may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<String>,
    /// Bytes of both that are left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// What a document says beside the figures.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Both sides, and where answers came from.
    pub heading: String,
    /// Base and head, in words.
    pub sides: (String, String),
    /// What a person should know before all else.
    pub notes: Vec<String>,
    /// The commands that tell apart what the prompt and what the model did.
    pub tell_apart: Vec<String>,
    /// Calls that were made, and what they cost.
    pub spent: (u64, f64),
    /// The number that the process exits with.
    pub exit_code: u8,
}

/// Why a text is no document of a comparison.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is of another version.
    #[error("it is a comparison of version {0}; this promptctl reads version {VERSION}")]
    Version(Value),
    /// It says something else.
    #[error("it is no report of `promptctl compare`: {0}")]
    Shape(#[from] serde_json::Error),
}

impl Document {
    /// A comparison with the cases behind it.
    #[must_use]
    pub fn new(comparison: &Comparison, pairs: &Pairs, limits: &Limits, told: Told) -> Self {
        let (sequential, several_models) = (comparison.sequential, comparison.several_models);
        let (mut prompts, mut slices) = (comparison.prompts.clone(), comparison.slices.clone());
        for flip in prompts.iter_mut().chain(&mut slices).flat_map(|row| &mut row.flips) {
            flip.base_left_out = cut(&mut flip.base_answer);
            flip.head_left_out = cut(&mut flip.head_answer);
        }
        let judged = pairs.pairs.iter().filter_map(|pair| changed(pair, true));
        let beside = pairs.beside.iter().filter_map(|pair| changed(pair, false));
        Self {
            version: VERSION,
            tool: Tool { name: "promptctl".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
            heading: told.heading,
            exit_code: told.exit_code,
            base: told.sides.0,
            head: told.sides.1,
            alpha: limits.alpha,
            delta: limits.delta,
            sequential,
            several_models,
            prompts,
            slices,
            only_base: pairs.only_base,
            only_head: pairs.only_head,
            unanswered: pairs.unanswered,
            unjudged: pairs.unjudged,
            unjudged_changed: pairs.unjudged_changed,
            left_out: pairs.left_out.clone(),
            notes: told.notes,
            calls_made: told.spent.0,
            cost_usd: told.spent.1,
            tell_apart: told.tell_apart,
            answers: judged.chain(beside).collect(),
        }
    }

    /// Reads a document. What a later promptctl adds is passed over.
    pub fn read(text: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Version {
            #[serde(default)]
            version: Value,
        }
        let Version { version } = serde_json::from_slice(text)?;
        if version != VERSION {
            return Err(DocumentError::Version(version));
        }
        Ok(serde_json::from_slice(text)?)
    }

    /// Writes it, a key a line.
    pub fn write(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        writeln!(out, "{}", json(&text))?;
        out.flush()
    }
}

/// Cuts a text to the length of the longest answer, and says how many bytes that took.
fn cut(text: &mut String) -> u64 {
    let whole = text.len();
    text.truncate(text.floor_char_boundary(LONGEST_ANSWER));
    (whole - text.len()) as u64
}

impl Text {
    fn of(sample: &Sample) -> Self {
        let mut text = sample.text.clone();
        let mut left_out = cut(&mut text);
        let calls = sample.calls.clone().filter(|calls| {
            let fits = calls.len() <= LONGEST_ANSWER;
            left_out += if fits { 0 } else { calls.len() as u64 };
            fits
        });
        Self { text, calls, left_out }
    }

    fn is_structure(&self) -> bool {
        let value = serde_json::from_str(self.text.trim());
        self.left_out == 0 && matches!(value, Ok(Value::Object(_) | Value::Array(_)))
    }
}

fn changed(pair: &Pair, judged: bool) -> Option<ChangedAnswer> {
    let flip = match pair.flip().filter(|_| judged) {
        Some(Flip::Loss) => Way::Loss,
        Some(Flip::Win) => Way::Win,
        None => Way::None,
    };
    let says = |sample: &Sample| (sample.text.clone(), sample.calls.clone());
    let all = |samples: &[Sample]| {
        let mut all: Vec<_> = samples.iter().map(says).collect();
        all.sort();
        all
    };
    if flip == Way::None && all(&pair.base) == all(&pair.head) {
        return None;
    }
    let find = |samples: &[Sample], pass: bool| samples.iter().position(|sample| sample.pass == pass).unwrap_or(0);
    let (base, head) = match flip {
        Way::Loss => (find(&pair.base, true), find(&pair.head, false)),
        Way::Win => (find(&pair.base, false), find(&pair.head, true)),
        Way::None => {
            let at = pair.base.iter().zip(&pair.head).position(|(base, head)| says(base) != says(head)).unwrap_or(0);
            (at, at)
        }
    };
    let shown = pair.head.get(head).filter(|sample| !sample.pass && judged);
    let failed = shown.map(Sample::reasons).unwrap_or_default();
    let (base, head) = (answers(&pair.base, base), answers(&pair.head, head));
    Some(ChangedAnswer {
        prompt: pair.prompt.clone(),
        case: pair.case.clone(),
        model: pair.model.clone(),
        tags: pair.tags.clone(),
        place: pair.place.clone(),
        flip,
        judged,
        json: base.shown.is_structure() && head.shown.is_structure(),
        failed,
        base,
        head,
    })
}

fn answers(samples: &[Sample], shown: usize) -> Answers {
    let each = samples.iter().filter(|_| samples.len() > 1);
    Answers {
        shown: samples.get(shown).map(Text::of).unwrap_or_default(),
        sample: shown as u64,
        passes: samples.iter().filter(|sample| sample.pass).count() as u64,
        count: samples.len() as u64,
        samples: each.map(|sample| AnswerSample { text: Text::of(sample), pass: sample.pass }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::figures::compare;
    use super::*;

    fn pair(rank: usize, base: Vec<Sample>, head: Vec<Sample>, tags: Vec<String>) -> Pair {
        let (prompt, case) = (PromptName::new("a/p").expect("a name"), CaseName::new(&format!("case {rank}")));
        let model = ModelAlias::new("m").expect("a name");
        let digests = ("1".into(), "2".into());
        Pair { rank, tags, digests, ..Pair::new(prompt, case.expect("a name"), model, base, head) }
    }

    fn document(pairs: Vec<Pair>, beside: Vec<Pair>) -> Document {
        let limits = Limits { alpha: 0.05, delta: 0.1, sequential: false };
        let pairs = Pairs { pairs, beside, ..Pairs::default() };
        Document::new(&compare(&pairs, &limits), &pairs, &limits, Told::default())
    }

    fn say(text: &str, pass: bool) -> Sample {
        Sample { text: text.into(), pass, ..Sample::default() }
    }

    prop_compose! {
        fn sample()(
            pass: bool, text in any::<String>(), calls in proptest::option::of(any::<String>()),
            input_tokens in proptest::option::of(0..1_000_000_u64), cost in proptest::option::of(0.0..10.0_f64),
            latency_ms in proptest::option::of(0..100_000_u64), score in proptest::option::of(0.0..1.0_f64),
            unfinished in proptest::option::of(any::<String>()),
        ) -> Sample {
            let length = text.chars().count() as u64;
            Sample {
                pass, text, calls, input_tokens, cost, latency_ms, score, unfinished, length, output_tokens: input_tokens,
                ..Sample::default()
            }
        }
    }

    prop_compose! {
        fn pairs()(all in proptest::collection::vec(
            (proptest::collection::vec(sample(), 1..4), proptest::collection::vec(sample(), 1..4),
             proptest::collection::vec("[a-b]", 0..2)), 0..6,
        )) -> Vec<Pair> {
            all.into_iter().enumerate().map(|(n, (base, head, tags))| pair(n, base, head, tags)).collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read_again(pairs in pairs(), beside in pairs()) {
            let document = document(pairs, beside);
            let mut text = Vec::new();
            document.write(&mut text).expect("memory");
            prop_assert_eq!(Document::read(&text).expect("read"), document);
        }
    }

    #[test]
    fn the_most_certain_figures_are_finite() {
        let all = |base, head| (0..4000).map(move |n| pair(n, vec![say("a", base)], vec![say("b", head)], Vec::new()));
        for (base, head) in [(true, false), (false, true), (true, true)] {
            let document = document(all(base, head).collect(), Vec::new());
            let mut text = Vec::new();
            document.write(&mut text).expect("memory");
            assert_eq!(Document::read(&text).expect("no null where a number belongs"), document);
        }
    }

    #[test]
    fn the_answer_that_shows_a_flip_is_shown_with_its_reasons() {
        let unfinished = Sample { unfinished: Some("cut off".into()), ..say("bad", false) };
        let base = vec![say("x", false), say("good", true), say("good", true)];
        let made = document(vec![pair(0, base, vec![say("x", true), unfinished, say("x", false)], vec![])], vec![]);
        let [answer] = &made.answers[..] else { panic!("{made:?}") };
        assert_eq!((answer.flip, &*answer.base.shown.text, &*answer.head.shown.text), (Way::Loss, "good", "bad"));
        assert_eq!((answer.failed.as_slice(), answer.head.passes), (&["cut off".to_owned()][..], 1));
        assert_eq!(answer.head.samples.len(), 3);
    }

    #[test]
    fn only_what_differs_is_told_and_what_nobody_judges_is_no_flip() {
        let same = pair(0, vec![say("a", true), say("b", true)], vec![say("b", true), say("a", true)], vec![]);
        let unjudged = pair(1, vec![say("{}", true)], vec![say("[1]", false)], vec![]);
        let made = document(vec![same], vec![unjudged]);
        let [answer] = &made.answers[..] else { panic!("{made:?}") };
        assert_eq!((answer.flip, answer.judged, answer.json, answer.failed.len()), (Way::None, false, true, 0));
    }

    #[test]
    fn a_long_answer_is_cut_and_the_rest_counted() {
        let long = "ä".repeat(LONGEST_ANSWER);
        let base = Sample { calls: Some(long.clone()), ..say("[]", true) };
        let made = document(vec![pair(0, vec![base], vec![say(&long, false)], vec![])], vec![]);
        let answer = &made.answers[0];
        assert_eq!(answer.head.shown.text.len(), LONGEST_ANSWER);
        assert_eq!((answer.head.shown.left_out, answer.json), (LONGEST_ANSWER as u64, false));
        assert_eq!((&answer.base.shown.calls, answer.base.shown.left_out), (&None, 2 * LONGEST_ANSWER as u64));
        assert_eq!(made.prompts[0].flips[0].head_left_out, LONGEST_ANSWER as u64);
    }

    #[test]
    fn another_version_is_named_and_what_is_new_passed_over() {
        let mut value = serde_json::to_value(document(vec![], vec![])).expect("JSON");
        value["new"] = Value::Bool(true);
        assert!(Document::read(value.to_string().as_bytes()).is_ok());
        value["version"] = 2.into();
        let error = Document::read(value.to_string().as_bytes()).expect_err("another version");
        assert_eq!(error.to_string(), "it is a comparison of version 2; this promptctl reads version 1");
        assert!(Document::read(b"{\"version\": 1}").is_err() && Document::read(b"[").is_err());
    }
}
