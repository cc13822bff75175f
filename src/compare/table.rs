//! A comparison as a table: a row a prompt, a row a tag of it, with every figure and the verdict.

use serde::{Deserialize, Serialize};

use crate::core::summary::is_zero;
use crate::core::verdict::Retrieval;

/// Rates of error, and the drop that matters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The chance of a false alarm, over all prompts of a run; also of calling a worse head not worse.
    pub alpha: f64,
    /// The least drop that matters.
    pub delta: f64,
    /// Whether the verdict is the one at which betting stops.
    pub sequential: bool,
}

/// What became of a prompt, or of a slice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Head is worse than chance explains.
    Regressed,
    /// Head is better than chance explains.
    Improved,
    /// Head is not worse by as much as matters.
    NotRegressed,
    /// The cases do not say.
    Undecided,
    /// Nothing is asked, expected or answered otherwise.
    Unchanged,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::NotRegressed => "not regressed",
            Self::Undecided => "undecided",
            Self::Unchanged => "unchanged",
        }
    }
}

/// When a comparison fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// A prompt or a slice regressed.
    Regressed,
    /// Any case flipped.
    Changed,
    /// Something regressed, or it cannot be said.
    Undecided,
    /// Never.
    Never,
}

/// What differs between the sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The prompt's digest.
    pub prompt: bool,
    /// The model: its entry, or which model the server says that it was.
    pub model: bool,
    /// What is expected. Both sides are scored under head's expectations.
    pub expectations: bool,
}

impl Changed {
    /// Whether more than one thing differs, so that neither can be blamed.
    #[must_use]
    pub fn is_confounded(&self) -> bool {
        u8::from(self.prompt) + u8::from(self.model) + u8::from(self.expectations) > 1
    }
}

/// The models that answered, as the servers reported them, with their fingerprints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Of base's answers.
    pub base: Vec<String>,
    /// Of head's answers.
    pub head: Vec<String>,
}

impl Served {
    /// Whether a model answers in head that did not in base. A vendor serves several at once, and not all of them answer
    /// every time; where a server did not say, nothing is known.
    #[must_use]
    pub fn moved(&self) -> bool {
        !self.base.is_empty() && self.head.iter().any(|served| !self.base.contains(served))
    }
}

/// What base's answers make of head's expectations: the part of a change that no answer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescored {
    /// Answers that pass only under what base expects.
    pub lost: u64,
    /// Answers that pass only under what head expects.
    pub won: u64,
}

/// One kind of expectation, over all answers of both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByExpectation {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// How often it held of base's answers.
    pub base_passes: u64,
    /// How often it was asked of them.
    pub base_answers: u64,
    /// How often it holds of head's.
    pub head_passes: u64,
    /// How often it was asked of them.
    pub head_answers: u64,
}

/// Shares of answers, base and head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Declined.
    pub refusals: (f64, f64),
    /// JSON was wanted, and something else came.
    pub unparsed: (f64, f64),
    /// The commonest answer.
    pub commonest: (f64, f64),
}

/// Means over the answers that tell, base and head; none where no answer does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Means {
    /// Tokens that an answer's request has.
    pub input_tokens: (Option<f64>, Option<f64>),
    /// Tokens that an answer has.
    pub output_tokens: (Option<f64>, Option<f64>),
    /// USD that an answer cost.
    pub cost_usd: (Option<f64>, Option<f64>),
}

/// A prompt, or a slice of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The prompt.
    pub prompt: String,
    /// The model, as head calls it.
    pub model: String,
    /// The tag of a slice; none for the whole prompt.
    pub tag: Option<String>,
    /// Cases with answers on both sides.
    pub cases: u64,
    /// Passing answers of base, and all of them.
    pub base_passes: u64,
    /// All answers of base.
    pub base_answers: u64,
    /// Passing answers of head, and all of them.
    pub head_passes: u64,
    /// All answers of head.
    pub head_answers: u64,
    /// Cases that got worse.
    pub losses: u64,
    /// Cases that got better.
    pub wins: u64,
    /// The mean difference of the pass rates, head less base.
    pub difference: f64,
    /// Its 95 % interval, beyond these cases; none for a single case. Where cases belong to groups, it is clustered.
    pub interval: Option<(f64, f64)>,
    /// How many groups the cases belong to, where any does.
    pub groups: Option<u64>,
    /// How likely so few passes of head are, if nothing changed, on these cases.
    pub p_regress: f64,
    /// How likely so many passes of head are, if nothing changed.
    pub p_improve: f64,
    /// The same as `p_regress`, what was seen counted half.
    pub mid_p_regress: f64,
    /// How many losses it would take to call it regressed, with the wins that were seen; none where all cases would not
    /// be enough.
    pub least_losses: Option<u64>,
    /// The same to both sides.
    pub p_two_sided: f64,
    /// ln of that: it may be too small for a number.
    pub ln_p_two_sided: f64,
    /// Benjamini and Hochberg's q over the prompts (or over the slices).
    pub q: f64,
    /// Holm's p over the prompts (or over the slices).
    pub p_holm: f64,
    /// What a bet is worth that head is worse.
    pub e_regress: f64,
    /// What a bet is worth that head is not worse by as much as matters.
    pub e_ok: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// After how many pairs betting stopped.
    pub stopped_after: Option<u64>,
    /// The geometric mean ratio of the lengths of answers, with its interval.
    pub length_ratio: Option<Ratio>,
    /// The same of the tokens of answers.
    pub token_ratio: Option<Ratio>,
    /// The same of the cost.
    pub cost_ratio: Option<Ratio>,
    /// The ratio of the medians of latency; reported, never gated.
    pub latency_ratio: Option<f64>,
    /// The medians of latency, base and head.
    pub latency: Option<(Median, Median)>,
    /// The scores, where some are neither 0 nor 1.
    pub score: Option<Scores>,
    /// How reliable cases are, where every case has several answers on both sides.
    pub reliability: Option<Reliability>,
    /// Shares of answers.
    pub shares: Shares,
    /// What an answer takes on the mean.
    #[serde(default)]
    pub means: Means,
    /// The cases that flipped.
    pub flips: Vec<FlippedCase>,
    /// Each kind of expectation.
    pub expectations: Vec<ByExpectation>,
    /// What differs.
    pub changed: Changed,
    /// Whether more than one thing differs.
    pub confounded: bool,
    /// Which models answered.
    pub served: Served,
    /// What base's answers make of head's expectations.
    pub rescored: Rescored,
    /// Cases whose variables differ.
    pub variables_changed: u64,
    /// Cases for which something else was retrieved.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub documents_changed: u64,
    /// How good what was retrieved is, base and head, of the cases that say on both sides what is relevant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<[Retrieval; 2]>,
    /// The cases that must pass, and of which an answer of head does not: they fail the comparison whatever the figures say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_fail: Vec<String>,
    /// Answers a side and case that confirmed it, where the first ones looked worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<u64>,
}

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Head to base.
    pub ratio: f64,
    /// At 95 %.
    pub interval: (f64, f64),
}

/// A median of milliseconds, with an interval from the order of what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Median {
    /// The median.
    pub median_ms: u64,
    /// At 95 %; none where too few were measured.
    pub interval: Option<(u64, u64)>,
}

/// Scores of answers, from 0 to 1, as a mean over the cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Of base.
    pub base: f64,
    /// Of head.
    pub head: f64,
    /// How likely so low a head is, if the sides were exchanged case by case at random.
    pub p_regress: f64,
    /// How likely so large a difference is.
    pub p_two_sided: f64,
}

/// Shares of cases of which some, or all, of k answers pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// How many answers are drawn of each case.
    pub k: u64,
    /// At least one passes (pass@k), base and head.
    pub any: (f64, f64),
    /// All pass (pass^k), base and head.
    pub all: (f64, f64),
}

/// A case that flipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlippedCase {
    /// Its name.
    pub case: String,
    /// Whether it got worse.
    pub loss: bool,
    /// The first answer of base.
    pub base_answer: String,
    /// Bytes of it that a document leaves out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub base_left_out: u64,
    /// The first answer of head.
    pub head_answer: String,
    /// Bytes of it that a document leaves out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub head_left_out: u64,
    /// What does not hold of head's answers.
    pub failed: Vec<String>,
}

/// A whole comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Whether the verdicts are those at which betting stopped.
    pub sequential: bool,
    /// Whether some prompt is compared on several models, each in a row of its own.
    pub several_models: bool,
    /// The prompts, in head's order.
    pub prompts: Vec<Row>,
    /// Their slices, by prompt and tag.
    pub slices: Vec<Row>,
}

impl Comparison {
    /// Whether the comparison fails.
    #[must_use]
    pub fn fails(&self, on: FailOn) -> bool {
        let mut rows = self.prompts.iter().chain(&self.slices);
        match on {
            FailOn::Never => false,
            _ if self.prompts.iter().any(|row| !row.must_fail.is_empty()) => true,
            FailOn::Regressed => rows.any(|row| row.verdict == Verdict::Regressed),
            FailOn::Changed => rows.any(|row| row.losses + row.wins > 0),
            FailOn::Undecided => {
                rows.any(|row| row.verdict == Verdict::Regressed)
                    || self.prompts.iter().any(|row| row.verdict == Verdict::Undecided)
            }
        }
    }
}
