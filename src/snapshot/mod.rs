//! Snapshots: the accepted answer of a case on a model, in insta's file format; what differs, what waits, accepting.
//!
//! Gets responses and gives bodies, comparisons and diffs. Knows nothing of expectations, recordings or reports; a
//! diff is structure here, and text only where it is shown.

mod answer;
mod change;
mod diff;
mod format;
mod index;
mod json_diff;
mod pending;
mod reason;

pub use answer::Answer;
pub use change::{Change, ChangeKind, classify};
pub use diff::{Segment, TextChange, diff_text, only_white_space, similarity};
pub use format::{Header, Info, Snapshot, SnapshotError};
pub use index::Index;
pub use json_diff::{JsonChange, diff_json};
pub use pending::{
    Act, ActError, Pending, Seen, Undo, act, pending, pending_at, take_back, write_accepted, write_pending,
};
pub use reason::Reason;

use crate::core::names::{CaseName, ModelAlias, PromptName, file_stem};
use crate::core::path::TreePath;

/// The folder that mirrors `prompts/` with accepted answers.
pub const SNAPSHOTS: &str = "snapshots";
/// The ending of an accepted answer.
pub const ACCEPTED: &str = ".snap";
/// The ending of an answer that waits.
pub const PENDING: &str = ".snap.new";

/// Where the accepted answer of a case on a model is kept.
#[must_use]
pub fn snapshot_path(prompt: &PromptName, case: &CaseName, model: &ModelAlias) -> TreePath {
    let path = format!("{SNAPSHOTS}/{prompt}/{}@{model}{ACCEPTED}", file_stem(case));
    TreePath::new(&path).unwrap_or_else(|_| unreachable!("checked names make a relative path"))
}

/// Where an answer waits that may take the place of an accepted one.
#[must_use]
pub fn pending_path(accepted: &TreePath) -> TreePath {
    TreePath::new(&format!("{accepted}.new")).unwrap_or_else(|_| unreachable!("a longer name is a relative path too"))
}
