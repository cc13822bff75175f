//! Which commit a project stands at, and whether it has been edited since.

use std::path::Path;

use git2::{Repository, Status, StatusOptions};

use super::commit::prefix_of;
use crate::core::event::Provenance;

/// What a run reads: the commit behind a revision, or HEAD with whether the project's folder holds anything else than
/// HEAD. Outside a repository, or in one that libgit2 cannot read, neither is known.
#[must_use]
pub fn provenance(folder: &Path, revision: Option<&str>) -> Provenance {
    let repository = Repository::discover(folder).ok();
    let commit = repository.as_ref().and_then(|found| commit(found, revision.unwrap_or("HEAD")));
    let dirty = match revision {
        // What a commit holds is never edited.
        Some(_) => commit.as_ref().map(|_| false),
        None => repository.as_ref().and_then(|found| dirty(found, folder)),
    };
    Provenance { commit, dirty }
}

fn commit(repository: &Repository, revision: &str) -> Option<String> {
    let commit = repository.revparse_single(revision).ok()?.peel_to_commit().ok()?;
    Some(commit.id().to_string())
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
    Some(statuses.iter().any(|entry| entry.status() != Status::CURRENT && !entry.status().is_ignored()))
}
