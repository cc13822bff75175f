//! The tree of a place where there is no project.

use super::{Tree, TreeError};
use crate::core::path::TreePath;

/// A tree without any file.
pub struct Nothing(String);

impl Nothing {
    /// The tree of a place that has none, by its name.
    #[must_use]
    pub fn at(place: &str) -> Self {
        Self(place.to_owned())
    }
}

impl Tree for Nothing {
    fn describe(&self) -> String {
        self.0.clone()
    }

    fn list(&self, _: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        Ok(Vec::new())
    }

    fn read(&self, path: &TreePath, _: u64) -> Result<Vec<u8>, TreeError> {
        Err(TreeError::Missing(path.clone()))
    }
}
