//! A part of a tree: what is not wanted is not listed, and so never looked for.

use std::sync::Arc;

use super::{Tree, TreeError};
use crate::core::path::TreePath;

/// A tree that lists only some of its files. What another file names can still be read.
pub struct Only<F> {
    inner: Arc<dyn Tree>,
    lists: F,
}

impl<F: Fn(&TreePath) -> bool + Send + Sync> Only<F> {
    /// The tree with those files.
    pub fn new(inner: Arc<dyn Tree>, lists: F) -> Self {
        Self { inner, lists }
    }
}

impl<F: Fn(&TreePath) -> bool + Send + Sync> Tree for Only<F> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let mut files = self.inner.list(folder)?;
        files.retain(&self.lists);
        Ok(files)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        self.inner.read(path, limit)
    }
}
