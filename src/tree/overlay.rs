//! A tree with files over it that are not written yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Tree, TreeError};
use crate::core::path::TreePath;

/// A tree as it would be once some files were written.
pub struct Overlay {
    below: Arc<dyn Tree>,
    files: BTreeMap<TreePath, Vec<u8>>,
}

impl Overlay {
    /// The tree with these files in place of its own.
    #[must_use]
    pub fn new(below: Arc<dyn Tree>, files: BTreeMap<TreePath, Vec<u8>>) -> Self {
        Self { below, files }
    }
}

impl Tree for Overlay {
    fn describe(&self) -> String {
        self.below.describe()
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        let mut files = self.below.list(folder)?;
        let inside = |path: &&TreePath| folder.as_str().is_empty() || path.below(folder.as_str()).is_some();
        files.extend(self.files.keys().filter(inside).cloned());
        files.sort_unstable();
        files.dedup();
        Ok(files)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let Some(bytes) = self.files.get(path) else { return self.below.read(path, limit) };
        let size = bytes.len() as u64;
        if size > limit {
            return Err(TreeError::TooLarge { path: path.clone(), size, limit });
        }
        Ok(bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Nothing;
    use super::*;

    #[test]
    fn what_is_not_written_yet_is_read() {
        let path = |text: &str| TreePath::new(text).expect("a path");
        let written: BTreeMap<_, _> = [("a/b.txt", "one"), ("c.txt", "two")]
            .map(|(name, text)| (path(name), text.as_bytes().to_vec()))
            .into_iter()
            .collect();
        let below: Arc<dyn Tree> = Arc::new(Nothing::at("nowhere"));
        let tree =
            Overlay::new(Arc::new(Overlay::new(below, written)), BTreeMap::from([(path("c.txt"), b"new".to_vec())]));
        assert_eq!(tree.list(&path("a")).expect("listed"), [path("a/b.txt")]);
        assert_eq!(tree.list(&TreePath::root()).expect("listed").len(), 2);
        assert_eq!(tree.text(&path("c.txt")).expect("there"), "new");
        assert_eq!(tree.text(&path("a/b.txt")).expect("there"), "one");
        assert!(matches!(tree.text(&path("d")), Err(TreeError::Missing(_))));
        assert!(matches!(tree.read(&path("c.txt"), 2), Err(TreeError::TooLarge { .. })));
    }
}
