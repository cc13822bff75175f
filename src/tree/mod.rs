//! Where a project is read from: the working tree, or any commit. Everything that reads a project takes a [`Tree`].
//!
//! Also the one way to write below a project's root ([`write`]): atomically, and never through a link that leaves it.

mod base;
mod commit;
mod nothing;
mod only;
mod overlay;
mod provenance;
mod repository;
pub mod state;
mod touched;
mod traced;
mod tracked;
mod working;
pub mod write;

use std::sync::Arc;

pub use base::{Base, BaseError, before, merge_base};
pub use commit::{CommitError, CommitTree};
pub use nothing::Nothing;
pub use only::Only;
pub use overlay::Overlay;
pub use provenance::provenance;
pub use repository::{
    Bare, FSCK, RepositoryError, bare_repository, damaged_commit, is_partial, open_repository, resolve,
};
pub use touched::touched;
pub use traced::{Reads, Traced, blob_name};
pub use tracked::{is_ignored, left_out, tracked};
pub use working::WorkingTree;

use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Source};

/// The largest file that is read as text unless a caller says otherwise, in bytes.
pub const MAX_FILE: u64 = 64 << 20;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is no such file.
    #[error("there is no file `{0}`")]
    Missing(TreePath),
    /// It is a folder, a device, or something else that holds no text.
    #[error("`{0}` is not a regular file")]
    NotAFile(TreePath),
    /// It is, or lies behind, a symbolic link that leaves the project.
    #[error("`{0}` is a symbolic link that leaves the project; copy the file into the project")]
    Leaves(TreePath),
    /// It is larger than the limit.
    #[error("`{path}` has {size} bytes; {limit} are the most")]
    TooLarge {
        /// The file.
        path: TreePath,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A clone that leaves contents out does not hold it.
    #[error(
        "the content of `{0}` at this commit is not in this partial clone; `git fetch --refetch --no-filter` fetches all of it"
    )]
    Promised(TreePath),
    /// It lies in a submodule, whose commits are in another repository.
    #[error(
        "`{0}` lies in a submodule, of which a commit only says which one it is; copy the file into the project, or make the submodule the project"
    )]
    Submodule(TreePath),
    /// It is not UTF-8.
    #[error("`{path}` is not UTF-8: line {line} holds the byte {byte:#04x}")]
    NotUtf8 {
        /// The file.
        path: TreePath,
        /// The line of the first bad byte.
        line: usize,
        /// The bad byte.
        byte: u8,
    },
    /// The operating system or git said no.
    #[error("`{path}` could not be read: {reason}")]
    Unreadable {
        /// The file.
        path: TreePath,
        /// What was said.
        reason: String,
    },
}

impl TreeError {
    /// The problem at the file itself.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        let place = match &self {
            Self::NotUtf8 { path, line, .. } => Place::Line(path.to_string(), *line),
            Self::Missing(path)
            | Self::NotAFile(path)
            | Self::Leaves(path)
            | Self::Promised(path)
            | Self::Submodule(path)
            | Self::TooLarge { path, .. }
            | Self::Unreadable { path, .. } => Place::File(path.to_string()),
        };
        Problem::error(place, self.to_string())
    }
}

/// A place to read a project from.
pub trait Tree: Send + Sync {
    /// What it is, for the first line of a run: `working tree`, `commit 1a2b3c4d5e6f`.
    fn describe(&self) -> String;

    /// Every file below a folder (all depths), sorted by path; a folder that does not exist has none.
    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError>;

    /// A file's bytes, if it is no larger than `limit`.
    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError>;

    /// A file as text, without a byte order mark.
    fn text(&self, path: &TreePath) -> Result<String, TreeError> {
        self.text_up_to(path, MAX_FILE)
    }

    /// A file of at most `limit` bytes as text, without a byte order mark.
    fn text_up_to(&self, path: &TreePath, limit: u64) -> Result<String, TreeError> {
        let bytes = self.read(path, limit)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let line = bytes[..at].iter().filter(|b| **b == b'\n').count() + 1;
            TreeError::NotUtf8 { path: path.clone(), line, byte: bytes.get(at).copied().unwrap_or_default() }
        })?;
        Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        })
    }

    /// A file as a source for problems to point into.
    fn source(&self, path: &TreePath) -> Result<Arc<Source>, TreeError> {
        Ok(Source::new(path.as_str(), self.text(path)?))
    }
}
