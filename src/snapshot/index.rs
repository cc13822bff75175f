//! Which snapshots there are, listed once, and each read when it is asked for.

use std::collections::BTreeSet;

use super::format::{Snapshot, SnapshotError};
use super::{ACCEPTED, PENDING, SNAPSHOTS};
use crate::core::path::TreePath;
use crate::core::problem::{Mistake, Place, Problem};
use crate::tree::Tree;

/// The snapshots of a tree.
#[derive(Debug, Default)]
pub struct Index {
    paths: BTreeSet<TreePath>,
}

impl Index {
    /// Lists the snapshots of a tree.
    pub fn load(tree: &dyn Tree) -> Result<Self, Problem> {
        let Ok(folder) = TreePath::new(SNAPSHOTS) else { return Ok(Self::default()) };
        let files = tree.list(&folder).map_err(crate::tree::TreeError::into_problem)?;
        let is_ours = |path: &TreePath| path.as_str().ends_with(ACCEPTED) || path.as_str().ends_with(PENDING);
        Ok(Self { paths: files.into_iter().filter(is_ours).collect() })
    }

    /// Whether a file is there.
    #[must_use]
    pub fn contains(&self, path: &TreePath) -> bool {
        self.paths.contains(path)
    }

    /// A snapshot, if it is there. A file that cannot be read is a problem, never a missing snapshot.
    pub fn get(&self, tree: &dyn Tree, path: &TreePath) -> Result<Option<Snapshot>, Problem> {
        if !self.paths.contains(path) {
            return Ok(None);
        }
        let text = tree.text(path).map_err(crate::tree::TreeError::into_problem)?;
        Snapshot::parse(&text).map(Some).map_err(|error| {
            let problem = Problem::error(Place::Line(path.to_string(), 1), error.to_string());
            let problem = problem.help("restore the file from git, or remove it and accept the answer again");
            if error == SnapshotError::Conflict { problem.of(Mistake::ConflictMarker) } else { problem }
        })
    }

    /// Every file, accepted and pending.
    pub fn paths(&self) -> impl Iterator<Item = &TreePath> {
        self.paths.iter()
    }

    /// The accepted answers that wait to be replaced, or wait for the first acceptance.
    pub fn pending(&self) -> impl Iterator<Item = &TreePath> {
        self.paths.iter().filter(|path| path.as_str().ends_with(PENDING))
    }
}
