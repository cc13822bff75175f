//! What a run may do: decided once, by the command line, and printed in the first line of the run.

use super::answer::NO_CREDENTIALS;
use crate::core::event::{Provenance, Shard};
use crate::core::verdict::{Outcome, Verdict};

/// Where answers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From recordings only; no call is ever made.
    Replay,
    /// From recordings, and from the model for what is not recorded.
    Fill,
    /// From the model, for everything.
    Refresh,
}

impl Mode {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Fill => "fill",
            Self::Refresh => "refresh",
        }
    }
}

/// What a changed answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotPolicy {
    /// The run is not good.
    Fail,
    /// It is shown, and the run is good.
    Warn,
    /// It becomes the accepted answer.
    Accept,
}

/// What a case is of which some samples pass and some fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlakyResult {
    /// As its `min-pass-rate` says.
    #[default]
    AsRate,
    /// It passes.
    Pass,
    /// It fails.
    Fail,
}

/// When a recorded answer is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxAge {
    /// The most days.
    pub days: u32,
    /// Whether an older one is something to wait for, and not only worth a word.
    pub waits: bool,
}

/// What a run may do.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a permission of its own, and all combinations mean something"
)]
pub struct Settings {
    /// Where answers come from.
    pub mode: Mode,
    /// Whether judges are asked again for what they have said before.
    pub rejudges: bool,
    /// What a changed answer means.
    pub snapshots: SnapshotPolicy,
    /// Whether pending and accepted snapshots may be written.
    pub writes: bool,
    /// The most calls.
    pub max_calls: Option<u64>,
    /// How many of them an earlier part of the run has made.
    pub calls_before: u64,
    /// Whether an item that is done was counted before.
    pub again: bool,
    /// The most money, in USD.
    pub max_cost: Option<f64>,
    /// Whether a case is asked once, and again only where that answer fails: it fails where most of its answers do.
    pub confirms: bool,
    /// What a case is whose samples disagree.
    pub flaky: FlakyResult,
    /// When an answer that is replayed is old; `None`: never.
    pub max_age: Option<MaxAge>,
    /// When nothing more is asked.
    pub until: Option<std::time::Instant>,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// Whether an answer without a snapshot is something to wait for.
    pub new_waits: bool,
    /// Whether cases that could not be asked for want of a key leave the run incomplete.
    pub require_live: bool,
    /// The first line: mode and tree.
    pub heading: String,
    /// What the project is read from.
    pub provenance: Provenance,
    /// Which part of a plan is done; none where it is the whole.
    pub shard: Option<Shard>,
}

impl Settings {
    /// Whether an outcome lets the run be good.
    pub(super) fn is_good(&self, outcome: &Outcome) -> bool {
        if outcome.quarantine.is_some() {
            return true;
        }
        match outcome.verdict {
            Verdict::Passed => true,
            Verdict::Changed => self.snapshots != SnapshotPolicy::Fail,
            Verdict::New => self.snapshots != SnapshotPolicy::Fail || !self.new_waits,
            Verdict::Skipped => outcome.reason.starts_with(NO_CREDENTIALS) && !self.require_live,
            Verdict::Failed | Verdict::Stale | Verdict::Unrecorded | Verdict::Errored => false,
        }
    }
}
