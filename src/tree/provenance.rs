//! Which commit a project stands at, and whether it has been edited since.

use std::path::Path;

use git2::{Index, IndexEntryExtendedFlag, Repository, Status, StatusEntry, StatusOptions};

use super::repository::{RepositoryError, open_repository, prefix_of, resolve};
use crate::core::event::Provenance;

/// What a run reads: the commit behind a revision, or HEAD with whether the project's folder holds anything else than
/// HEAD. Outside a repository, or in one that cannot be read, neither is known; why, where there is one.
#[must_use]
pub fn provenance(folder: &Path, revision: Option<&str>) -> (Provenance, Option<RepositoryError>) {
    let repository = match open_repository(folder) {
        Ok((repository, _)) => repository,
        Err(RepositoryError::NoRepository(_)) => return (Provenance::default(), None),
        Err(error) => return (Provenance::default(), Some(error)),
    };
    let commit = resolve(&repository, revision.unwrap_or("HEAD")).ok().map(|id| id.to_string());
    let dirty = match revision {
        // What a commit holds is never edited.
        Some(_) => commit.as_ref().map(|_| false),
        None => dirty(&repository, folder),
    };
    (Provenance { commit, dirty }, None)
}

/// Whether a file of the folder differs from HEAD, or is new and not ignored.
fn dirty(repository: &Repository, folder: &Path) -> Option<bool> {
    let prefix = prefix_of(repository.workdir()?, folder);
    let mut options = StatusOptions::new();
    // One file of a new folder says as much as all of them.
    options.include_untracked(true).recurse_untracked_dirs(false).include_ignored(false).exclude_submodules(true);
    if !prefix.is_empty() {
        options.pathspec(prefix).disable_pathspec_match(true);
    }
    let statuses = repository.statuses(Some(&mut options)).ok()?;
    let index = repository.index().ok()?;
    let is_edit = |entry: StatusEntry<'_>| {
        let status = entry.status();
        status != Status::CURRENT && !status.is_ignored() && !(status.is_wt_deleted() && is_left_out(&index, &entry))
    };
    Some(statuses.iter().any(is_edit))
}

/// Whether a file is missing only because a sparse checkout leaves it out.
fn is_left_out(index: &Index, entry: &StatusEntry<'_>) -> bool {
    let Ok(path) = entry.path() else { return false };
    index.get_path(Path::new(path), 0).is_some_and(|entry| is_sparse(entry.flags_extended))
}

/// Whether a file of the index is not in the working tree, by the rules of a sparse checkout.
pub(super) fn is_sparse(flags_extended: u16) -> bool {
    IndexEntryExtendedFlag::from_bits_truncate(flags_extended).is_skip_worktree()
}
