//! Where a branch began: the commit that a change is compared with.

use std::path::Path;

use git2::{ErrorCode, Repository};

/// Why there is no such commit.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// There is no repository around the project.
    #[error("{0} is not in a git repository, so nothing can be said to have changed")]
    NoRepository(String),
    /// No branch looks like the one that others are merged into.
    #[error("which branch is the default one cannot be told: there is neither origin/HEAD nor main nor master")]
    NoDefault,
    /// The revision names nothing.
    #[error("there is no commit `{0}`")]
    NoCommit(String),
    /// The two have no commit in common.
    #[error("HEAD and `{0}` have no commit in common")]
    Unrelated(String),
    /// The repository does not hold enough of its history.
    #[error("this is a shallow clone, and it does not reach back to where HEAD left `{0}`")]
    Shallow(String),
    /// The repository holds too few of the others' branches and commits.
    #[error("this is a shallow clone, and it does not hold {0}")]
    ShallowWithout(String),
    /// git said no.
    #[error("the git repository could not be read: {0}")]
    Unreadable(String),
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
    let repository = Repository::discover(folder).map_err(|error| match error.code() {
        ErrorCode::NotFound => BaseError::NoRepository(folder.display().to_string()),
        _ => BaseError::Unreadable(error.message().to_owned()),
    })?;
    let unreadable = |error: git2::Error| BaseError::Unreadable(error.message().to_owned());
    let head = repository.head().and_then(|head| head.peel_to_commit()).map_err(unreadable)?.id();
    let (name, other) = match with {
        Some(revision) => {
            let object = repository.revparse_single(revision).and_then(|object| object.peel_to_commit());
            (revision.to_owned(), object.map_err(|_| no_commit(&repository, revision))?.id())
        }
        None => {
            let found = DEFAULTS.iter().find_map(|name| {
                let commit = repository.find_reference(name).and_then(|found| found.peel_to_commit()).ok()?;
                Some(((*name).to_owned(), commit.id()))
            });
            found.ok_or_else(|| no_default(&repository))?
        }
    };
    let short_name = name.trim_start_matches("refs/remotes/").trim_start_matches("refs/heads/").to_owned();
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
        Err(error) => Err(unreadable(error)),
    }
}

/// A revision that names nothing; in a shallow clone it may just not be there.
fn no_commit(repository: &Repository, revision: &str) -> BaseError {
    if repository.is_shallow() {
        BaseError::ShallowWithout(format!("`{revision}`"))
    } else {
        BaseError::NoCommit(revision.to_owned())
    }
}

/// No default branch; a shallow clone knows only the branch that it was made of.
fn no_default(repository: &Repository) -> BaseError {
    if repository.is_shallow() {
        BaseError::ShallowWithout("the default branch: there is neither origin/HEAD nor main nor master".to_owned())
    } else {
        BaseError::NoDefault
    }
}
