//! A tree in memory: a project without a disk.

use std::collections::BTreeMap;

use promptctl::core::path::TreePath;
use promptctl::tree::{Tree, TreeError};

/// Files by their paths.
#[derive(Default)]
pub struct MemoryTree(pub BTreeMap<String, Vec<u8>>);

impl MemoryTree {
    /// A tree of these files.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self(files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect())
    }
}

impl Tree for MemoryTree {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let below = self.0.keys().filter_map(|path| TreePath::new(path).ok());
        Ok(below.filter(|path| folder.as_str().is_empty() || path.below(folder.as_str()).is_some()).collect())
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let bytes = self.0.get(path.as_str()).ok_or_else(|| TreeError::Missing(path.clone()))?;
        let size = bytes.len() as u64;
        if size > limit { Err(TreeError::TooLarge { path: path.clone(), size, limit }) } else { Ok(bytes.clone()) }
    }
}
