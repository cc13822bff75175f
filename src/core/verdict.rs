//! What became of a case, how a run adds up, and the exit code that follows.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use super::checked::{About, Checked, JudgedBy, Lack, Metric, Metrics, Unread, add_metrics};
use super::names::{CaseName, ModelAlias, PromptName, RequestKey};
use super::record::{FinishReason, ToolCall, Usage};
pub use super::retrieved::{Quality, Retrieval, Retrievals, Retrieved};
pub use super::summary::Summary;

/// What became of a case on a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every expectation holds and the snapshot matches.
    Passed,
    /// An expectation does not hold, or the answer was cut off or filtered.
    Failed,
    /// The expectations hold, the snapshot differs.
    Changed,
    /// The expectations hold, there is no snapshot yet.
    New,
    /// No calls are allowed, and what is recorded answers another request.
    Stale,
    /// No calls are allowed, and nothing is recorded.
    Unrecorded,
    /// The provider could not answer.
    Errored,
    /// Left out for a stated reason.
    Skipped,
}

impl Verdict {
    /// All verdicts, in the order in which they are printed.
    pub const ALL: [Self; 8] = [
        Self::Passed,
        Self::Failed,
        Self::Changed,
        Self::New,
        Self::Stale,
        Self::Unrecorded,
        Self::Errored,
        Self::Skipped,
    ];

    /// Where it stands among the others, what a person should look at first in front.
    #[must_use]
    pub fn risk(self) -> u8 {
        match self {
            Self::Failed => 0,
            Self::Errored => 1,
            Self::Changed => 2,
            Self::Stale => 3,
            Self::Unrecorded => 4,
            Self::New => 5,
            Self::Passed => 6,
            Self::Skipped => 7,
        }
    }

    /// The verdict's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Changed => "changed",
            Self::New => "new",
            Self::Stale => "stale",
            Self::Unrecorded => "unrecorded",
            Self::Errored => "errored",
            Self::Skipped => "skipped",
        }
    }
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerSource {
    /// From a recording.
    Recorded,
    /// From a call made in this run.
    Live,
}

impl AnswerSource {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Live => "live",
        }
    }
}

/// How the answer compares with the accepted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotState {
    /// It is the accepted answer.
    Matches,
    /// It differs.
    Differs,
    /// Nothing was accepted yet.
    Missing,
    /// The case keeps none.
    None,
}

/// What it took to judge an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judging {
    /// Calls made in this run.
    pub calls: u64,
    /// Judgements taken from recordings.
    pub replayed: u64,
    /// USD that the calls cost.
    pub cost_usd: f64,
    /// USD that the replayed judgements had cost.
    pub recorded_cost_usd: f64,
    /// Judgements without a price or without token counts.
    pub unpriced: u64,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnOutcome {
    /// Its number, from 2: the first answer is that to the prompt.
    pub turn: u32,
    /// Who said something before.
    pub who: String,
    /// What was said before.
    pub said: String,
    /// The key of the request.
    pub key: RequestKey,
    /// What the model answered.
    pub output: String,
    /// Tools that it wants to be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why the answer ended.
    pub finish_reason: FinishReason,
    /// USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Where the answer came from.
    pub source: AnswerSource,
}

/// One answer of a case and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleOutcome {
    /// The number of the sample, from 0.
    pub sample: u32,
    /// What became of it.
    pub verdict: Verdict,
    /// The request's key, once it was rendered.
    pub key: Option<RequestKey>,
    /// The answer's text; `None` where there is no answer.
    pub output: Option<String>,
    /// Tools that the model wants to be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Why the answer ended.
    pub finish_reason: Option<FinishReason>,
    /// The model id that the server reported.
    pub served_model: Option<String>,
    /// What was checked.
    pub expectations: Vec<Checked>,
    /// The weighted score of the expectations, from 0 to 1.
    pub score: Option<f64>,
    /// What it took to judge it, where a model did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judging: Option<Judging>,
    /// The turns of the conversation behind the first answer, as far as they went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnOutcome>,
    /// How the answer compares with the accepted one.
    pub snapshot: SnapshotState,
    /// Tokens.
    pub usage: Usage,
    /// Milliseconds, as measured when the answer was made.
    pub latency_ms: Option<u64>,
    /// USD, where the model has a price and the provider counted the tokens.
    pub cost_usd: Option<f64>,
    /// Where the answer came from.
    pub source: Option<AnswerSource>,
    /// When a replayed answer was recorded, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<String>,
    /// Why there is no answer, or why the sample failed beyond its expectations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl SampleOutcome {
    /// A sample of which nothing is known but what became of it.
    #[must_use]
    pub fn new(sample: u32, verdict: Verdict) -> Self {
        Self {
            sample,
            verdict,
            key: None,
            output: None,
            tool_calls: Vec::new(),
            finish_reason: None,
            served_model: None,
            expectations: Vec::new(),
            score: None,
            judging: None,
            turns: Vec::new(),
            snapshot: SnapshotState::None,
            usage: Usage::default(),
            latency_ms: None,
            cost_usd: None,
            source: None,
            recorded_at: None,
            reason: None,
        }
    }
}

impl SampleOutcome {
    /// What the first answer cost, without the turns behind it.
    pub(super) fn first_cost(&self) -> f64 {
        let later: f64 = self.turns.iter().filter_map(|turn| turn.cost_usd).sum();
        (self.cost_usd.unwrap_or(later) - later).max(0.0)
    }

    /// The expectations that do not hold and have a say.
    pub fn failing(&self) -> impl Iterator<Item = &Checked> {
        self.expectations.iter().filter(|checked| !checked.pass && checked.decides())
    }

    /// What judges have against it that may only advise.
    pub fn advice(&self) -> impl Iterator<Item = &Checked> {
        self.expectations.iter().filter(|checked| checked.advises && !checked.pass && checked.lack.is_none())
    }
}

/// A case that is known to fail for a while: it is run and shown, and decides nothing until a day is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The last day on which it holds, `2026-12-31`, in UTC.
    pub until: String,
    /// Why; empty where nobody says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Quarantine {
    /// Whether it holds on a day, written the same way.
    #[must_use]
    pub fn holds(&self, today: &str) -> bool {
        today <= self.until.as_str()
    }
}

/// What became of a case on a model, with all its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The prompt.
    pub prompt: PromptName,
    /// The case.
    pub case: CaseName,
    /// The model.
    pub model: ModelAlias,
    /// The case's tags.
    pub tags: Vec<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// Whether it lets the run be good, under what the run was told of changed, new and quarantined answers.
    pub good: bool,
    /// Whether some samples passed and some failed.
    #[serde(default)]
    pub flaky: bool,
    /// The quarantine that it is in, where that is not over: then the verdict does not decide the exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Why, in a sentence; empty where the verdict says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What the prompt's author calls its version.
    pub prompt_version: Option<String>,
    /// What the prompt is.
    pub prompt_digest: String,
    /// Every sample.
    pub samples: Vec<SampleOutcome>,
    /// Where it stands in the whole plan, from 0, where the run did a part of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// What else a person should see.
    #[serde(default)]
    pub detail: Detail,
}

/// What a person is shown of an outcome beyond what was asked, answered and checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Where the case is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SourceLine>,
    /// The accepted and the new answer, or the recorded and the present request, as texts to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// The share of samples that must pass; `None` where all must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_pass_rate: Option<f64>,
    /// What changed of the form of a changed answer, apart from its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<String>,
    /// Whether every sample must pass, whatever statistics say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_pass: bool,
    /// Whether it was not asked at all, because others before it could not be answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
    /// What the retriever of its prompt found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieved: Option<Retrieved>,
    /// The pending snapshot's path, where one was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
}

/// A line of a file of the project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// The path below the project's folder.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
}

/// Two texts to be shown as a diff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// What the two are (`answer`, `request`).
    pub what: Cow<'static, str>,
    /// The former.
    pub old: String,
    /// The present.
    pub new: String,
    /// Whether both are JSON, to be compared by path.
    pub json: bool,
}

/// The exit codes, as documented. Where several apply, the worst is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All good.
    Good,
    /// Answers failed or regressed.
    Failed,
    /// The project or the command line is wrong.
    Usage,
    /// An answer could not be had.
    Errored,
    /// Nothing was selected.
    Nothing,
    /// Something waits for review or for a recording.
    Waiting,
    /// Incomplete: the budget was spent.
    Incomplete,
    /// Interrupted.
    Interrupted,
}

impl Exit {
    /// All codes, worst first.
    pub const WORST_FIRST: [Self; 8] = [
        Self::Interrupted,
        Self::Usage,
        Self::Failed,
        Self::Errored,
        Self::Incomplete,
        Self::Waiting,
        Self::Nothing,
        Self::Good,
    ];

    /// The number that the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Errored => 3,
            Self::Nothing => 4,
            Self::Waiting => 5,
            Self::Incomplete => 6,
            Self::Interrupted => 130,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        Self::WORST_FIRST.into_iter().find(|exit| exit.code() == code)
    }

    /// The worse of two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        Self::WORST_FIRST.into_iter().find(|code| *code == self || *code == other).unwrap_or(Self::Good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_code_wins() {
        assert_eq!(Exit::Good.worse(Exit::Waiting), Exit::Waiting);
        assert_eq!(Exit::Failed.worse(Exit::Errored), Exit::Failed);
        assert_eq!(Exit::Incomplete.worse(Exit::Errored), Exit::Errored);
        assert_eq!(Exit::Interrupted.worse(Exit::Usage), Exit::Interrupted);
    }
}
