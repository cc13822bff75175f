//! What an audit found, as reports show it and programs read it.

use serde::Serialize;

use super::advice::Step;
use super::course::Experiment;
use super::reading::{Confidence, Gap, Reading};
use super::table::Rule;
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::verdict::SourceLine;

/// The version of the JSON.
pub const VERSION: u32 = 1;

/// Digits that say something.
pub(super) fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    format!("{value:.4e}").parse().unwrap_or(value)
}

/// A whole audit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Document {
    /// The version of this form.
    pub version: u32,
    /// Cases that were looked at, each on each of its models.
    pub looked_at: u64,
    /// Those of them that fail.
    pub failing: u64,
    /// Those of which nobody knows whether they fail.
    pub unanswered: u64,
    /// Calls that were made.
    pub calls_made: u64,
    /// USD that they cost.
    pub cost_usd: f64,
    /// Calls whose cost is not known.
    pub unpriced: u64,
    /// What a person should know.
    pub notes: Vec<String>,
    /// Every prompt on every model with a failing case.
    pub prompts: Vec<PromptAudit>,
}

/// A prompt on a model.
#[derive(Clone, Debug, Serialize)]
pub struct PromptAudit {
    /// The prompt.
    pub prompt: PromptName,
    /// The model.
    pub model: ModelAlias,
    /// Its failing cases.
    pub cases: Vec<CaseAudit>,
    /// All failing cases, and those of each tag.
    pub slices: Vec<Slice>,
    /// The decision table.
    pub rules: Vec<Rule>,
    /// What to do next, in the order of cost.
    pub steps: Vec<Step>,
}

/// A failing case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseAudit {
    /// The case.
    pub case: CaseName,
    /// Where it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<SourceLine>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The gap.
    pub gap: Gap,
    /// How sure that is.
    pub confidence: Confidence,
    /// Why, in a sentence.
    pub why: String,
    /// What else is read.
    pub also: Vec<Reading>,
    /// What fails in the first failing answer.
    pub fails: String,
    /// Whether it always gave the same answer.
    pub constant: bool,
    /// Every experiment.
    pub experiments: Vec<ShownTrial>,
    /// What to do next with this case.
    pub next: String,
}

/// What an experiment came to.
#[derive(Clone, Debug, Serialize)]
pub struct ShownTrial {
    /// The experiment.
    pub experiment: Experiment,
    /// Answers that pass.
    pub passes: u64,
    /// Answers.
    pub answers: u64,
    /// Answers that say what is right, however they are put, where those are held against the answers without facts and are
    /// not those that pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<u64>,
    /// Whether all answers were the same, at least three.
    pub constant: bool,
    /// The model, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelAlias>,
    /// The one-sided p-value of "it helps".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The same after all experiments of the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// Whether it closes the gap.
    pub closes: bool,
    /// What is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<ShownLack>,
    /// Whether it was not made because it would have changed nothing.
    pub needless: bool,
}

/// What is missing, and how to supply it.
#[derive(Clone, Debug, Serialize)]
pub struct ShownLack {
    /// What is missing.
    pub what: String,
    /// How to supply it.
    pub help: String,
}

/// Failing cases together.
#[derive(Clone, Debug, Serialize)]
pub struct Slice {
    /// The tag; none: all of the prompt.
    pub tag: Option<String>,
    /// How many cases.
    pub cases: u64,
    /// How many have each gap, and of how many that is sure.
    pub gaps: Vec<GapCount>,
    /// Every experiment over its cases.
    pub experiments: Vec<Pooled>,
}

/// Cases with a gap.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapCount {
    /// The gap.
    pub gap: Gap,
    /// How many cases.
    pub cases: u64,
    /// Of how many that is sure.
    pub confident: u64,
}

/// An experiment over cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pooled {
    /// The experiment.
    pub experiment: Experiment,
    /// In how many cases it was made.
    pub cases: u64,
    /// In how many of them it closes the gap.
    pub closes: u64,
    /// Whether answers that say what is right count, too, however they are put.
    pub right: bool,
    /// Passes and answers without it; of facts: answers that say what is right, and all.
    pub without: [u64; 2],
    /// Passes and answers with it.
    pub with: [u64; 2],
    /// The one-sided p-value of "it helps somewhere among them".
    pub p: f64,
    /// The same after all experiments of the slice.
    pub p_adjusted: f64,
    /// Whether that is beyond chance.
    pub confident: bool,
}
