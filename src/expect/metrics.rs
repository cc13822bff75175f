//! Expectations with a score of likeness: `rouge-n`, `bleu`, `gleu`, `chrf`, `similarity`.

use std::sync::Arc;

use super::argument::Arguments;
use super::references::{read, render};
use super::shown::quoted;
use super::{Check, Finding, Subject, Written, fuzzy, ngrams};
use crate::core::decode::Fields;
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// The longest text that is compared, in characters.
const LONGEST: usize = 100_000;
/// The most work of the measures that take more than linear time: the product of both lengths, in characters.
const MOST_WORK: usize = 400_000_000;
/// As above, for the one that compares with every stretch.
const MOST_STRETCHES: usize = 8_000_000;

/// What is measured.
#[derive(Clone, Copy, PartialEq)]
enum Metric {
    RougeN(usize),
    RougeL,
    Bleu,
    Gleu,
    /// With n-grams of so many words beside those of characters.
    Chrf(usize),
    Ratio,
    PartialRatio,
    TokenSortRatio,
    TokenSetRatio,
    JaroWinkler,
}

struct Likeness {
    metric: Metric,
    references: Vec<Inline>,
    least: f64,
    fold: bool,
}

struct BoundLikeness {
    metric: Metric,
    references: Vec<String>,
    least: f64,
    fold: bool,
}

/// Reads a text or a list of texts, or a mapping with `value`, `threshold` and `more` keys.
fn build(
    arguments: &mut Arguments<'_, '_, '_>,
    default: f64,
    more: &[&str],
    metric: impl FnOnce(&mut Arguments<'_, '_, '_>, Option<&Fields<'_>>) -> Option<Metric>,
) -> Option<Box<dyn Written>> {
    let mut node = arguments.required("a text to compare with")?;
    let mut threshold = arguments.threshold;
    let mut fold = false;
    let metric = if let Data::Map(_) = node.data {
        let known: Vec<&str> = ["value", "threshold"].iter().chain(more).copied().collect();
        let fields = arguments.decoder.fields(node, arguments.name, &known)?;
        threshold = fields.get("threshold").or(threshold);
        if let Some(node) = fields.get("ignore-case") {
            fold = arguments.decoder.bool(node, "ignore-case")?;
        }
        let metric = metric(arguments, Some(&fields))?;
        let Some(value) = fields.get("value") else {
            arguments.error(format!("`{}` needs a `value` to compare with", arguments.name));
            return None;
        };
        node = value;
        metric
    } else {
        metric(arguments, None)?
    };
    let references = read(arguments, node)?;
    let least = threshold.map_or(Some(default), |node| least(arguments, node))?;
    Some(Box::new(Likeness { metric, references, least, fold }))
}

/// The score that is enough: above 0, because every answer has that, and at most 1.
fn least(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<f64> {
    let least = arguments.decoder.number(node, "threshold")?;
    if least > 0.0 && least <= 1.0 {
        return Some(least);
    }
    let why = if least == 0.0 { "every answer reaches a threshold of 0; " } else { "" };
    arguments.decoder.error(node.span.clone(), format!("{why}threshold must be above 0 and at most 1"));
    None
}

pub(super) fn rouge_n(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, 0.75, &["n"], |arguments, fields| {
        let Some(node) = fields.and_then(|fields| fields.get("n")) else { return Some(Metric::RougeN(1)) };
        match &node.data {
            Data::Text(text) if text.eq_ignore_ascii_case("l") => Some(Metric::RougeL),
            Data::Number(number, _) => match number.as_u64() {
                Some(n @ 1..=9) => Some(Metric::RougeN(usize::try_from(n).unwrap_or(1))),
                _ => {
                    arguments.decoder.error(node.span.clone(), "n is 1 to 9, or l for the longest common subsequence");
                    None
                }
            },
            _ => {
                arguments.decoder.error(node.span.clone(), "n is 1 to 9, or l for the longest common subsequence");
                None
            }
        }
    })
}

pub(super) fn bleu(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, 0.5, &[], |_, _| Some(Metric::Bleu))
}

pub(super) fn gleu(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, 0.5, &[], |_, _| Some(Metric::Gleu))
}

pub(super) fn chrf(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, 0.5, &["words"], |arguments, fields| {
        let Some(node) = fields.and_then(|fields| fields.get("words")) else { return Some(Metric::Chrf(0)) };
        let words = arguments.decoder.count(node, "words", 0)?;
        if words > 2 {
            arguments.decoder.error(node.span.clone(), "words is 0 (chrF2), 1 (chrF2+) or 2 (chrF2++)");
            return None;
        }
        usize::try_from(words).ok().map(Metric::Chrf)
    })
}

const MEASURES: [(&str, Metric); 5] = [
    ("ratio", Metric::Ratio),
    ("partial-ratio", Metric::PartialRatio),
    ("token-sort-ratio", Metric::TokenSortRatio),
    ("token-set-ratio", Metric::TokenSetRatio),
    ("jaro-winkler", Metric::JaroWinkler),
];

pub(super) fn similarity(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    build(arguments, 0.8, &["by", "ignore-case"], |arguments, fields| {
        match fields.and_then(|fields| fields.get("by")) {
            Some(node) => arguments.decoder.choice(node, "by", &MEASURES),
            None => Some(Metric::Ratio),
        }
    })
}

/// There is no implementation of it that could be checked against the reference.
pub(super) fn meteor(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let message = "`meteor` is not here: it needs WordNet's synonyms, which are not part of this program";
    let help = "`rouge-n` and `chrf` are measures of the same kind; a model judges the meaning";
    arguments.decoder.error_help(arguments.span.clone(), message, help);
    None
}

impl Written for Likeness {
    fn variables(&self) -> Vec<String> {
        self.references.iter().flat_map(|inline| inline.variables().iter().cloned()).collect()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let references = render(&self.references, variables)?;
        let Self { metric, least, fold, .. } = *self;
        let words = match metric {
            Metric::RougeN(n) => n,
            Metric::RougeL => 1,
            _ => 0,
        };
        let is_short = |reference: &&String| words > 0 && ngrams::rouge_words(reference).len() < words;
        if let Some(short) = references.iter().find(is_short) {
            let name = metric.name();
            return Err(format!("{name} needs texts of at least {words} words, no answer is like {}", quoted(short)));
        }
        let fold = fold && MEASURES.iter().any(|(_, measure)| *measure == metric);
        Ok(Arc::new(BoundLikeness { metric, references, least, fold }))
    }
}

impl Metric {
    fn name(self) -> String {
        match self {
            Self::RougeN(n) => format!("ROUGE-{n}"),
            Self::RougeL => "ROUGE-L".into(),
            Self::Bleu => "BLEU".into(),
            Self::Gleu => "GLEU".into(),
            Self::Chrf(words) => format!("chrF2{}", "+".repeat(words)),
            other => MEASURES.iter().find(|(_, measure)| *measure == other).map_or("", |(name, _)| name).into(),
        }
    }

    /// Whether texts of these lengths take too long to compare.
    fn is_too_much(self, answer: usize, reference: usize) -> bool {
        let work = answer.saturating_mul(reference);
        answer.max(reference) > LONGEST
            || match self {
                Self::PartialRatio => work > MOST_STRETCHES,
                Self::RougeL | Self::Ratio | Self::TokenSortRatio | Self::TokenSetRatio | Self::JaroWinkler => {
                    work > MOST_WORK
                }
                _ => false,
            }
    }

    fn score(self, answer: &str, references: &[String]) -> f64 {
        let best = |of: &dyn Fn(&str) -> f64| references.iter().map(|reference| of(reference)).fold(0.0, f64::max);
        match self {
            Self::RougeN(n) => {
                let words = ngrams::rouge_words(answer);
                best(&|reference| ngrams::rouge_n(&words, &ngrams::rouge_words(reference), n))
            }
            Self::RougeL => {
                let words = ngrams::rouge_words(answer);
                best(&|reference| ngrams::rouge_l(&words, &ngrams::rouge_words(reference)))
            }
            Self::Bleu => {
                let all: Vec<_> = references.iter().map(|reference| ngrams::plain_words(reference)).collect();
                ngrams::bleu(&ngrams::plain_words(answer), &all)
            }
            Self::Gleu => {
                let words = ngrams::undotted_words(answer);
                best(&|reference| ngrams::gleu(&words, &ngrams::undotted_words(reference)))
            }
            Self::Chrf(words) => best(&|reference| ngrams::chrf(answer, reference, words)),
            Self::Ratio => best(&|reference| fuzzy::ratio(answer, reference)),
            Self::PartialRatio => best(&|reference| fuzzy::partial_ratio(answer, reference)),
            Self::TokenSortRatio => best(&|reference| fuzzy::token_sort_ratio(answer, reference)),
            Self::TokenSetRatio => best(&|reference| fuzzy::token_set_ratio(answer, reference)),
            Self::JaroWinkler => best(&|reference| fuzzy::jaro_winkler(answer, reference)),
        }
    }
}

impl Check for BoundLikeness {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let answer = &subject.response.text;
        if answer.trim().is_empty() {
            return Finding::new(false, "the answer has no text");
        }
        let length = answer.chars().count();
        let longest = self.references.iter().map(|reference| reference.chars().count()).max().unwrap_or(0);
        if self.metric.is_too_much(length, longest) {
            return Finding::unknown(format!(
                "texts of {length} and {longest} characters take too long to compare by {}",
                self.metric.name()
            ));
        }
        let score = if self.fold {
            let folded: Vec<String> = self.references.iter().map(|reference| reference.to_lowercase()).collect();
            self.metric.score(&answer.to_lowercase(), &folded)
        } else {
            self.metric.score(answer, &self.references)
        };
        // A score of thirds must reach two thirds.
        let holds = score + 1e-9 >= self.least;
        let expected =
            self.references.iter().take(3).map(|reference| quoted(reference)).collect::<Vec<_>>().join(" or ");
        let reason = format!(
            "{} is {score:.4}, at least {} is expected; expected something like {expected}, the answer is {}",
            self.metric.name(),
            self.least,
            quoted(answer)
        );
        Finding { score, ..Finding::new(holds, reason) }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    struct Pair {
        answer: String,
        reference: String,
        scores: BTreeMap<String, f64>,
    }

    #[derive(Deserialize)]
    struct Pairs {
        pairs: Vec<Pair>,
    }

    fn metric(name: &str) -> Metric {
        match name {
            "rouge1" => Metric::RougeN(1),
            "rouge2" => Metric::RougeN(2),
            "rouge3" => Metric::RougeN(3),
            "rougeL" => Metric::RougeL,
            "bleu" => Metric::Bleu,
            "gleu" => Metric::Gleu,
            "chrf" => Metric::Chrf(0),
            "chrf+" => Metric::Chrf(1),
            "chrf++" => Metric::Chrf(2),
            other => MEASURES.iter().find(|(name, _)| *name == other).expect(other).1,
        }
    }

    #[test]
    fn every_score_is_that_of_the_reference() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/text_metrics.json");
        let document: Pairs = serde_json::from_str(&std::fs::read_to_string(file).expect("readable")).expect("pairs");
        let (mut compared, mut wrong) = (0, Vec::new());
        for pair in &document.pairs {
            for (name, expected) in &pair.scores {
                let score = metric(name).score(&pair.answer, std::slice::from_ref(&pair.reference));
                compared += 1;
                if (score - expected).abs() > 1e-6 {
                    wrong.push(format!("{name}: {score}, not {expected}: {:?} {:?}", pair.answer, pair.reference));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
        assert!(document.pairs.len() >= 200 && compared >= 14 * 200);
    }

    #[test]
    fn the_best_of_several_references_counts() {
        let texts = ["nothing of it".to_owned(), "the cat sat on the mat".to_owned()];
        for name in ["rouge1", "rougeL", "bleu", "gleu", "chrf", "ratio", "token-set-ratio"] {
            assert!((metric(name).score("the cat sat on the mat", &texts) - 1.0).abs() < 1e-9, "{name}");
        }
    }
}
