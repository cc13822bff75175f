//! A commit's tree, read through libgit2: no checkout, no temporary clone, the working tree untouched.

use std::path::Path;
use std::sync::Mutex;

use git2::{ErrorCode, ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};

use super::{Tree, TreeError};
use crate::core::path::TreePath;

/// The mode of a symbolic link in a git tree.
const LINK: i32 = 0o120_000;
/// How many links are followed one after the other.
const MAX_LINKS: usize = 16;

/// Why a commit could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// There is no repository around the project.
    #[error("{0} is not in a git repository, so there is no commit to read from")]
    NoRepository(String),
    /// git refuses because somebody else owns the folder.
    #[error(
        "the repository at {0} belongs to another user, so git refuses to read it; if you trust it, run\n    git config --global --add safe.directory {0}"
    )]
    Ownership(String),
    /// The revision names nothing.
    #[error("there is no commit `{revision}`: {reason}")]
    NoCommit {
        /// What was asked for.
        revision: String,
        /// What git said.
        reason: String,
    },
    /// The repository is of a kind that libgit2 cannot read, or is damaged.
    #[error("the git repository could not be read: {0}")]
    Unreadable(String),
    /// The commit has no project at that place.
    #[error("commit {commit} has no folder `{folder}`")]
    NoFolder {
        /// The commit, shortened.
        commit: String,
        /// The project's folder in the repository.
        folder: String,
    },
}

/// A project as it was at a commit.
pub struct CommitTree {
    repository: Mutex<Repository>,
    tree: Oid,
    commit: String,
}

impl CommitTree {
    /// The tree of the project in `folder` at a revision (`HEAD~2`, a tag, a branch, a hash).
    pub fn open(folder: &Path, revision: &str) -> Result<Self, CommitError> {
        let (repository, prefix) = open_repository(folder)?;
        let (tree, commit) = {
            let no_commit = |error: git2::Error| CommitError::NoCommit {
                revision: revision.to_owned(),
                reason: error.message().to_owned(),
            };
            let object = repository.revparse_single(revision).map_err(no_commit)?;
            let commit = object.peel_to_commit().map_err(no_commit)?;
            let short: String = commit.id().to_string().chars().take(12).collect();
            let root = commit.tree().map_err(|e| CommitError::Unreadable(e.message().to_owned()))?;
            let tree = if prefix.is_empty() {
                root.id()
            } else {
                root.get_path(Path::new(&prefix))
                    .ok()
                    .filter(|entry| entry.kind() == Some(ObjectType::Tree))
                    .map(|entry| entry.id())
                    .ok_or_else(|| CommitError::NoFolder { commit: short.clone(), folder: prefix.clone() })?
            };
            (tree, short)
        };
        Ok(Self { repository: Mutex::new(repository), tree, commit })
    }

    /// The commit's hash, shortened.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.commit
    }

    fn unreadable(path: &TreePath, reason: impl Into<String>) -> TreeError {
        TreeError::Unreadable { path: path.clone(), reason: reason.into() }
    }

    fn blob(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let repository = self.repository.lock().map_err(|_| Self::unreadable(path, "an earlier read failed"))?;
        let fail = |error: git2::Error| match error.code() {
            ErrorCode::NotFound => TreeError::Missing(path.clone()),
            _ => Self::unreadable(path, error.message()),
        };
        let tree = repository.find_tree(self.tree).map_err(fail)?;
        let mut at = path.clone();
        for _ in 0..MAX_LINKS {
            let entry = tree.get_path(Path::new(at.as_str())).map_err(fail)?;
            let blob = match entry.kind() {
                Some(ObjectType::Blob) => repository.find_blob(entry.id()).map_err(fail)?,
                _ => return Err(TreeError::NotAFile(path.clone())),
            };
            if entry.filemode() != LINK {
                let size = blob.size() as u64;
                if size > limit {
                    return Err(TreeError::TooLarge { path: path.clone(), size, limit });
                }
                return Ok(blob.content().to_vec());
            }
            let target = std::str::from_utf8(blob.content()).map_err(|_| TreeError::Leaves(path.clone()))?;
            at = at.parent().join(target).map_err(|_| TreeError::Leaves(path.clone()))?;
        }
        Err(Self::unreadable(path, "too many symbolic links"))
    }
}

impl Tree for CommitTree {
    fn describe(&self) -> String {
        format!("commit {}", self.commit)
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let repository = self.repository.lock().map_err(|_| Self::unreadable(folder, "an earlier read failed"))?;
        let fail = |error: git2::Error| Self::unreadable(folder, error.message());
        let root = repository.find_tree(self.tree).map_err(fail)?;
        let start = if folder.as_str().is_empty() {
            root
        } else {
            match root.get_path(Path::new(folder.as_str())) {
                Ok(entry) if entry.kind() == Some(ObjectType::Tree) => {
                    repository.find_tree(entry.id()).map_err(fail)?
                }
                Ok(_) => return Ok(Vec::new()),
                Err(error) if error.code() == ErrorCode::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(fail(error)),
            }
        };
        let mut files = Vec::new();
        start
            .walk(TreeWalkMode::PreOrder, |parents, entry| {
                if entry.kind() == Some(ObjectType::Blob)
                    && let Ok(name) = entry.name()
                    && let Ok(path) = folder.join(&format!("{parents}{name}"))
                {
                    files.push(path);
                }
                TreeWalkResult::Ok
            })
            .map_err(fail)?;
        files.sort_unstable();
        Ok(files)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        self.blob(path, limit)
    }
}

/// The repository around a folder, and the folder as seen from its root, `/` between the parts.
pub fn open_repository(folder: &Path) -> Result<(Repository, String), CommitError> {
    let repository = Repository::discover(folder).map_err(|error| repository_error(folder, &error))?;
    let prefix = repository.workdir().map(|workdir| prefix_of(workdir, folder)).unwrap_or_default();
    Ok((repository, prefix))
}

fn repository_error(folder: &Path, error: &git2::Error) -> CommitError {
    let shown = folder.display().to_string();
    match error.code() {
        ErrorCode::NotFound => CommitError::NoRepository(shown),
        ErrorCode::Owner => CommitError::Ownership(shown),
        _ => CommitError::Unreadable(error.message().to_owned()),
    }
}

/// The project's folder as seen from the repository's root, `/` between the parts.
pub(super) fn prefix_of(workdir: &Path, folder: &Path) -> String {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (workdir, folder) = (real(workdir), real(folder));
    let below = folder.strip_prefix(&workdir).unwrap_or(Path::new(""));
    let parts: Vec<String> = below.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    parts.join("/")
}
