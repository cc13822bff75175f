//! Recordings: a request with its response, kept as one line of JSON, replayed instead of a call.
//!
//! `fixtures/PROMPT/recorded/MODEL.jsonl` holds the sorted lines; `.promptctl/journal/` the answers of a run as they
//! arrive, until they are settled into the sorted files. What judges say of answers is recorded likewise, in `judged/`, and what
//! models say in the experiments of an audit in `audited/`, and what retrievers found in `retrieved/`. Gets responses and gives them back by the key of their
//! request; knows nothing of providers, expectations or snapshots.

mod file;
mod import;
mod journal;
mod leak;
mod line;
mod prune;
mod settle;
mod shared;
mod store;
mod told;

pub use file::RecordedFile;
pub use import::{ImportTarget, import};
pub use journal::{Journal, JournalError, orphans};
pub use line::Line;
pub use prune::{Unused, audited, prune, unused};
pub use settle::{SettleError, recover, settle};
pub use shared::{MAX_SHARED, shared_line, shared_path, shared_text};
pub use store::Store;
pub use told::lines_with;

use crate::case::FIXTURES;
use crate::core::names::{ModelAlias, PromptName};
use crate::core::path::TreePath;

/// The folder beside `cases.yaml` that holds the recordings.
pub const RECORDED: &str = "recorded";
/// The folder beside it that holds what judges said of the answers.
pub const JUDGED: &str = "judged";
/// The folder beside it that holds what models said in the experiments of an audit.
pub const AUDITED: &str = "audited";
/// The folder beside it that holds what retrievers found for the prompt.
pub const RETRIEVED: &str = "retrieved";
/// The ending of a recording's file.
pub const ENDING: &str = ".jsonl";

/// The file with the recordings of a prompt on a model.
#[must_use]
pub fn recorded_path(prompt: &PromptName, model: &ModelAlias) -> TreePath {
    path_in(RECORDED, prompt, model)
}

/// The file with what a model said of a prompt's answers.
#[must_use]
pub fn judged_path(prompt: &PromptName, model: &ModelAlias) -> TreePath {
    path_in(JUDGED, prompt, model)
}

/// The file with what a model said in experiments with a prompt.
#[must_use]
pub fn audited_path(prompt: &PromptName, model: &ModelAlias) -> TreePath {
    path_in(AUDITED, prompt, model)
}

/// The file with what a retriever found for a prompt.
#[must_use]
pub fn retrieved_path(prompt: &PromptName, retriever: &ModelAlias) -> TreePath {
    path_in(RETRIEVED, prompt, retriever)
}

fn path_in(folder: &str, prompt: &PromptName, model: &ModelAlias) -> TreePath {
    let path = format!("{FIXTURES}/{prompt}/{folder}/{model}{ENDING}");
    TreePath::new(&path).unwrap_or_else(|_| unreachable!("checked names make a relative path"))
}
