//! Finding the project's root from a folder upwards, as git and cargo do.

use std::path::{Path, PathBuf};

use super::config::CONFIG_FILE;

/// No project was found.
#[derive(Debug, thiserror::Error)]
#[error("there is no {CONFIG_FILE} in {0} or any folder above it; `promptctl init` makes a project")]
pub struct DiscoveryError(pub String);

/// The nearest folder, from `start` upwards, that holds a `promptctl.yaml`.
pub fn find_root(start: &Path) -> Result<PathBuf, DiscoveryError> {
    start
        .ancestors()
        .find(|folder| folder.join(CONFIG_FILE).is_file())
        .map(Path::to_owned)
        .ok_or_else(|| DiscoveryError(start.display().to_string()))
}
