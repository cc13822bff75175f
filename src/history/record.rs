//! What the history keeps of a run, and of each case on a model in it.

use std::sync::Arc;

use serde::Serialize;

use crate::core::event::Provenance;
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::verdict::{AnswerSource, Summary, Verdict};

/// One run of `promptctl test`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunRow {
    /// Its number in the history, from 1.
    pub run: i64,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// What it read the project from: `working tree`, or a commit.
    pub tree: String,
    /// The commit, and whether the project's folder was edited since.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Where answers came from: `replay`, `fill` or `refresh`.
    pub mode: String,
    /// The version of promptctl.
    pub tool_version: String,
    /// As the process ended; none where the run could not be brought to its end.
    pub exit_code: Option<u8>,
    /// The sums.
    pub summary: Summary,
}

/// A prompt as it was in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PromptRow {
    /// Its name.
    pub(super) name: PromptName,
    /// What its author calls it.
    pub(super) version: Option<String>,
    /// What it is.
    pub(super) digest: String,
}

/// What became of a case on a model in a run, without the texts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ResultRow {
    /// Which of the run's prompts.
    pub(super) prompt: usize,
    /// The case.
    pub(super) case: CaseName,
    /// The model.
    pub(super) model: ModelAlias,
    /// The model id that the server reported.
    pub(super) served_model: Option<Arc<str>>,
    /// The first digits of the request's key: what was asked.
    pub(super) request: Option<String>,
    /// What became of it.
    pub(super) verdict: Verdict,
    /// How many of its samples hold what is expected.
    pub(super) passes: u64,
    /// How many samples it has.
    pub(super) samples: u64,
    /// Whether some passed and some failed.
    pub(super) flaky: bool,
    /// Tokens of all samples, where the provider counted.
    pub(super) input_tokens: Option<u64>,
    /// Tokens of all samples, where the provider counted.
    pub(super) output_tokens: Option<u64>,
    /// USD of all samples, where the model has a price.
    pub(super) cost_usd: Option<f64>,
    /// The mean over the samples, in milliseconds.
    pub(super) latency_ms: Option<f64>,
    /// `Live` where an answer was asked for in this run.
    pub(super) source: Option<AnswerSource>,
}
