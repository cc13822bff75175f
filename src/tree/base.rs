//! Where a branch began: the commit that a change is compared with.

use std::path::Path;

use git2::{ErrorCode, Repository};

use super::repository::{RepositoryError, open_repository, resolve};

/// Why there is no such commit.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// There is no repository to read, or no such commit.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// No branch looks like the one that others are merged into.
    #[error("which branch is the default one cannot be told: there is neither origin/HEAD nor main nor master")]
    NoDefault,
    /// The two have no commit in common.
    #[error("HEAD and `{0}` have no commit in common")]
    Unrelated(String),
    /// The repository does not hold enough of its history.
    #[error("this is a shallow clone, and it does not reach back to where HEAD left `{0}`")]
    Shallow(String),
    /// The repository holds too few of the others' branches and commits.
    #[error("this is a shallow clone, and it does not hold {0}")]
    ShallowWithout(String),
}

/// A commit that a change is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The commit's hash.
    pub commit: String,
    /// What it is, in words.
    pub describe: String,
}

/// Names under which the default branch may be known, nearest to the truth first.
const DEFAULTS: [&str; 5] = [
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
];

/// The last commit that HEAD and another branch have in common; the default branch where none is named.
pub fn merge_base(folder: &Path, with: Option<&str>) -> Result<Base, BaseError> {
    let (repository, _) = open_repository(folder)?;
    let head = resolve(&repository, "HEAD")?;
    let (name, other) = match with {
        Some(revision) => (revision.to_owned(), named(&repository, revision)?),
        None => match default_branch(&repository) {
            Some(found) => found,
            None => return merged_into(&repository).ok_or_else(|| no_default(&repository)),
        },
    };
    let short_name = short(&name).to_owned();
    match repository.merge_base(head, other) {
        Ok(commit) => {
            let commit = commit.to_string();
            let describe = format!("{} (where HEAD left {short_name})", &commit[..12]);
            Ok(Base { commit, describe })
        }
        Err(error) if error.code() == ErrorCode::NotFound && repository.is_shallow() => {
            Err(BaseError::Shallow(short_name))
        }
        Err(error) if error.code() == ErrorCode::NotFound => Err(BaseError::Unrelated(short_name)),
        Err(error) => {
            let (at, reason) = (folder.display().to_string(), error.message().to_owned());
            Err(RepositoryError::Unreadable { at, reason }.into())
        }
    }
}

/// What came before a commit: where its branch began, or its first parent where it stands on the default branch.
pub fn before(folder: &Path, revision: &str) -> Result<Base, BaseError> {
    let (repository, _) = open_repository(folder)?;
    let commit = resolve(&repository, revision)?;
    let began =
        default_branch(&repository).and_then(|(name, other)| Some((name, repository.merge_base(commit, other).ok()?)));
    if let Some((name, began)) = began.filter(|(_, began)| *began != commit) {
        let began = began.to_string();
        let describe = format!("{} (where {revision} left {})", &began[..12], short(&name));
        return Ok(Base { commit: began, describe });
    }
    let parent = format!("{revision}^");
    let commit = named(&repository, &parent)?.to_string();
    Ok(Base { describe: format!("{} (the commit before)", &commit[..12]), commit })
}

/// The branch that others begin at, and its commit.
fn default_branch(repository: &Repository) -> Option<(String, git2::Oid)> {
    DEFAULTS.iter().find_map(|name| {
        let commit = repository.find_reference(name).and_then(|found| found.peel_to_commit()).ok()?;
        Some(((*name).to_owned(), commit.id()))
    })
}

/// What people call a reference.
fn short(reference: &str) -> &str {
    reference.trim_start_matches("refs/remotes/").trim_start_matches("refs/heads/")
}

/// What a pull request is merged into, where a pipeline checked out the merge commit that its host makes for it, and no
/// branch: the first parent.
fn merged_into(repository: &Repository) -> Option<Base> {
    let head = repository.head().ok()?.peel_to_commit().ok()?;
    let is_merge = repository.head_detached().ok()? && head.parent_count() == 2;
    let commit = head.parent(0).ok().filter(|_| is_merge)?.id().to_string();
    let describe = format!("{} (the first parent of HEAD, a merge commit on no branch)", &commit[..12]);
    Some(Base { commit, describe })
}

/// The commit of a revision; a shallow clone may just not hold it.
fn named(repository: &Repository, revision: &str) -> Result<git2::Oid, BaseError> {
    resolve(repository, revision).map_err(|error| match error {
        RepositoryError::Shallow { .. } => BaseError::ShallowWithout(format!("`{revision}`")),
        other => other.into(),
    })
}

/// No default branch; a shallow clone knows only the branch that it was made of.
fn no_default(repository: &Repository) -> BaseError {
    if repository.is_shallow() {
        BaseError::ShallowWithout("the default branch: there is neither origin/HEAD nor main nor master".to_owned())
    } else {
        BaseError::NoDefault
    }
}
