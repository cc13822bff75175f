//! The working tree: the files as they lie on the disk.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use walkdir::WalkDir;

use super::{Tree, TreeError};
use crate::core::path::TreePath;

/// A project's folder on the disk.
pub struct WorkingTree {
    /// The root, as the caller names it.
    root: PathBuf,
    /// The root without links, to tell what leaves it.
    real_root: PathBuf,
    /// Folders that were found to lie inside, so that each is resolved once.
    inside: Mutex<HashMap<PathBuf, bool>>,
}

impl WorkingTree {
    /// The tree of an existing folder.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        let real_root = root.canonicalize()?;
        Ok(Self { root: root.to_owned(), real_root, inside: Mutex::default() })
    }

    /// The root's path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn error(path: &TreePath, error: &std::io::Error) -> TreeError {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => TreeError::Missing(path.clone()),
            ErrorKind::IsADirectory => TreeError::NotAFile(path.clone()),
            _ => TreeError::Unreadable { path: path.clone(), reason: error.to_string() },
        }
    }

    /// Whether a folder, its links followed, lies inside the root.
    fn folder_is_inside(&self, folder: &Path) -> std::io::Result<bool> {
        let known =
            |cache: &Mutex<HashMap<PathBuf, bool>>| cache.lock().ok().and_then(|cache| cache.get(folder).copied());
        if let Some(inside) = known(&self.inside) {
            return Ok(inside);
        }
        let inside = folder.canonicalize()?.starts_with(&self.real_root);
        if let Ok(mut cache) = self.inside.lock() {
            cache.insert(folder.to_owned(), inside);
        }
        Ok(inside)
    }

    /// The file behind a path, if it is a regular one inside the root.
    fn locate(&self, path: &TreePath) -> Result<(PathBuf, fs::Metadata), TreeError> {
        let full = self.root.join(path.as_str());
        let parent = full.parent().unwrap_or(&self.root);
        let fail = |error: std::io::Error| Self::error(path, &error);
        if !self.folder_is_inside(parent).map_err(fail)? {
            return Err(TreeError::Leaves(path.clone()));
        }
        let mut metadata = full.symlink_metadata().map_err(fail)?;
        if metadata.is_symlink() {
            let target = full.canonicalize().map_err(fail)?;
            if !target.starts_with(&self.real_root) {
                return Err(TreeError::Leaves(path.clone()));
            }
            metadata = target.metadata().map_err(fail)?;
        }
        if !metadata.is_file() {
            return Err(TreeError::NotAFile(path.clone()));
        }
        Ok((full, metadata))
    }
}

impl Tree for WorkingTree {
    fn describe(&self) -> String {
        "working tree".into()
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let start = self.root.join(folder.as_str());
        if !start.is_dir() {
            return Ok(Vec::new());
        }
        if !self.folder_is_inside(&start).map_err(|error| Self::error(folder, &error))? {
            return Err(TreeError::Leaves(folder.clone()));
        }
        let mut files = Vec::new();
        for entry in WalkDir::new(&start).follow_links(true) {
            let entry = match entry {
                Ok(entry) => entry,
                // A broken link is no file; a link to a folder above it would never end.
                Err(error) if error.loop_ancestor().is_some() || error.depth() > 0 && is_broken_link(&error) => {
                    continue;
                }
                Err(error) => {
                    let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    let path = error.path().and_then(|p| self.tree_path(p)).unwrap_or_else(|| folder.clone());
                    return Err(TreeError::Unreadable { path, reason });
                }
            };
            let Some(path) = self.tree_path(entry.path()) else { continue };
            // A folder behind such a link could be the whole disk: it is not even looked at.
            let leaves = || self.folder_is_inside(entry.path()).is_ok_and(|inside| !inside);
            if entry.path_is_symlink() && entry.file_type().is_dir() && leaves() {
                return Err(TreeError::Leaves(path));
            }
            if entry.file_type().is_file() {
                files.push(path);
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let (full, metadata) = self.locate(path)?;
        let too_large = |size| TreeError::TooLarge { path: path.clone(), size, limit };
        if metadata.len() > limit {
            return Err(too_large(metadata.len()));
        }
        let file = fs::File::open(full).map_err(|error| Self::error(path, &error))?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        // The file may grow while it is read.
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| Self::error(path, &error))?;
        if bytes.len() as u64 > limit {
            return Err(too_large(bytes.len() as u64));
        }
        Ok(bytes)
    }
}

fn is_broken_link(error: &walkdir::Error) -> bool {
    error.io_error().is_some_and(|e| e.kind() == ErrorKind::NotFound)
}

impl WorkingTree {
    /// The path from the root; `None` for a name that is not UTF-8, which no project file has.
    fn tree_path(&self, full: &Path) -> Option<TreePath> {
        let below = full.strip_prefix(&self.root).ok()?;
        let parts: Option<Vec<&str>> = below.components().map(|c| c.as_os_str().to_str()).collect();
        TreePath::new(&parts?.join("/")).ok()
    }
}
