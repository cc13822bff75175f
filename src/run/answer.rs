//! What there is to a request: an answer, or the reason why there is none.

use crate::core::record::Response;
use crate::core::verdict::{AnswerSource, Verdict};
use crate::recording::Line;

/// How the reason of what was left out for a limit begins.
pub(super) const BUDGET: &str = "budget";
/// How the reason of what was left out for want of a key begins.
pub(super) const NO_CREDENTIALS: &str = "no credentials";

/// Why something was left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Skip {
    /// The calls that were allowed are spent.
    Budget(u64),
    /// The money that was allowed might not be enough.
    Money(f64),
    /// The time that was allowed is over.
    Time,
    /// The variable with the key is not set.
    Credentials(String),
    /// A case failed, and one was enough.
    Failed,
    /// A person ended the run.
    Interrupted,
    /// What its retriever finds could not be had.
    Retrieval(String),
}

impl Skip {
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Budget(calls) => format!("{BUDGET}: {calls} calls were allowed, and are spent"),
            Self::Money(limit) => format!("{BUDGET}: it might cost more than is left of ${limit}"),
            Self::Time => format!("{BUDGET}: the time that was allowed is over"),
            Self::Credentials(variable) => format!("{NO_CREDENTIALS}: {variable} is not set"),
            Self::Failed => "stopped after the first failure".to_owned(),
            Self::Interrupted => "interrupted before it was asked".to_owned(),
            Self::Retrieval(why) => why.clone(),
        }
    }
}

/// What there is to a request.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// An answer; of one that is replayed, when it was recorded.
    Here(Box<Response>, AnswerSource, Option<String>),
    /// An answer to another request of the same case.
    Stale(Box<Line>),
    /// Nothing.
    Unrecorded,
    /// It could not be had.
    Fault(String),
    /// It was not asked for, because others before it could not be had.
    Unasked(String),
    /// It was left out.
    Skipped(Skip),
}

impl Answer {
    /// The verdict that a case without an answer has.
    pub(super) fn verdict_without(&self) -> Option<Verdict> {
        match self {
            Self::Here(..) => None,
            Self::Stale(_) => Some(Verdict::Stale),
            Self::Unrecorded => Some(Verdict::Unrecorded),
            Self::Fault(_) | Self::Unasked(_) => Some(Verdict::Errored),
            Self::Skipped(_) => Some(Verdict::Skipped),
        }
    }

    /// Why there is no answer.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Self::Here(..) => None,
            Self::Stale(line) => Some(format!(
                "what is recorded (on {}) answers another request; `promptctl test` without --offline asks again",
                line.recorded_at.get(..10).unwrap_or(&line.recorded_at)
            )),
            Self::Unrecorded => Some("nothing is recorded; `promptctl test` without --offline asks".to_owned()),
            Self::Fault(why) | Self::Unasked(why) => Some(why.clone()),
            Self::Skipped(skip) => Some(skip.reason()),
        }
    }
}
