//! Finding the project's root from a folder upwards, as git and cargo do.

use std::path::{Path, PathBuf};

use super::config::CONFIG_FILE;
use crate::tree::{RepositoryError, bare_repository};

/// No project was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// No folder has one.
    #[error("there is no {CONFIG_FILE} in {0} or any folder above it; `promptctl init` makes a project")]
    NoConfig(String),
    /// There is a bare repository, and its HEAD has none.
    #[error(
        "{0} is a bare repository whose HEAD has no {CONFIG_FILE} at its root; clone it to read projects in its subfolders"
    )]
    BareWithout(String),
    /// There is a repository that cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Where a project is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// In a folder with its files.
    Folder(PathBuf),
    /// In a bare repository: it can only be read at commits.
    Bare(PathBuf),
}

/// The nearest folder, from `start` upwards, that holds a `promptctl.yaml`.
pub fn find_root(start: &Path) -> Result<PathBuf, DiscoveryError> {
    start
        .ancestors()
        .find(|folder| folder.join(CONFIG_FILE).is_file())
        .map(Path::to_owned)
        .ok_or_else(|| DiscoveryError::NoConfig(start.display().to_string()))
}

/// The same, or the bare repository that `start` is.
pub fn find_project(start: &Path) -> Result<Root, DiscoveryError> {
    let none = match find_root(start) {
        Ok(root) => return Ok(Root::Folder(root)),
        Err(none) => none,
    };
    match bare_repository(start, CONFIG_FILE)? {
        Some(bare) if bare.has_file => Ok(Root::Bare(bare.root)),
        Some(bare) => Err(DiscoveryError::BareWithout(bare.root.display().to_string())),
        None => Err(none),
    }
}
