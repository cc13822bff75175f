//! What git keeps of a folder.

use std::path::Path;

use git2::{IndexEntry, Repository};

use super::provenance::is_sparse;
use super::{CommitTree, Tree as _};
use crate::core::path::TreePath;

/// The files below a project's root that git tracks and whose name ends so, as seen from the root. Nothing outside a
/// repository, or in one that libgit2 cannot read.
#[must_use]
pub fn tracked(root: &Path, ending: &str) -> Vec<String> {
    find(root, |entry| entry.path.ends_with(ending.as_bytes())).unwrap_or_default()
}

/// Whether git is told to ignore a file of the project, so that no commit holds it.
#[must_use]
pub fn is_ignored(root: &Path, path: &TreePath) -> bool {
    let below = |repository: &Repository| {
        let workdir = repository.workdir()?.canonicalize().ok()?;
        Some(root.canonicalize().ok()?.strip_prefix(&workdir).ok()?.join(path.as_str()))
    };
    let Ok(repository) = Repository::discover(root) else { return false };
    below(&repository).is_some_and(|path| repository.is_path_ignored(path).unwrap_or(false))
}

/// The files below a project's root that a sparse checkout leaves out, as seen from the root.
#[must_use]
pub fn left_out(root: &Path) -> Vec<String> {
    find(root, |entry| is_sparse(entry.flags_extended)).or_else(|| absent(root)).unwrap_or_default()
}

/// The same where the index is sparse itself, which libgit2 does not read: what the last commit has and the disk has not.
fn absent(root: &Path) -> Option<Vec<String>> {
    let repository = Repository::discover(root).ok()?;
    let is_sparse = repository.config().ok()?.get_bool("core.sparseCheckout").unwrap_or(false);
    let files = CommitTree::open(root, "HEAD").ok().filter(|_| is_sparse)?.list(&TreePath::root()).ok()?;
    let absent = files.iter().filter(|path| root.join(path.as_str()).symlink_metadata().is_err());
    Some(absent.map(ToString::to_string).collect())
}

fn find(root: &Path, is_wanted: impl Fn(&IndexEntry) -> bool) -> Option<Vec<String>> {
    let repository = Repository::discover(root).ok()?;
    let workdir = repository.workdir()?.canonicalize().ok()?;
    let prefix = root.canonicalize().ok()?.strip_prefix(&workdir).ok()?.to_owned();
    let index = repository.index().ok()?;
    let paths = index.iter().filter(is_wanted).filter_map(|entry| String::from_utf8(entry.path).ok());
    let below = paths.filter_map(|path| {
        let below = Path::new(&path).strip_prefix(&prefix).ok()?;
        Some(below.to_string_lossy().replace('\\', "/"))
    });
    Some(below.collect())
}
