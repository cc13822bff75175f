//! A tree that remembers what was read of it, so that one can tell whether another tree would read the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use git2::{ObjectType, Oid};

use super::{Tree, TreeError};
use crate::core::path::TreePath;

/// The files that were read, each with git's name for its content; `None` where there was no such file.
pub type Reads = BTreeMap<TreePath, Option<String>>;

/// A tree whose reads are remembered.
pub struct Traced {
    inner: Arc<dyn Tree>,
    reads: Mutex<Reads>,
}

impl Traced {
    /// The same tree, with nothing read yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Tree>) -> Self {
        Self { inner, reads: Mutex::default() }
    }

    /// What was read so far.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tree for Traced {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn list(&self, folder: &TreePath) -> Result<Vec<TreePath>, TreeError> {
        self.inner.list(folder)
    }

    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, TreeError> {
        let bytes = self.inner.read(path, limit);
        let content = bytes.as_ref().ok().and_then(|bytes| blob_name(bytes));
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), content);
        bytes
    }
}

/// What git calls a file of these bytes.
#[must_use]
pub fn blob_name(bytes: &[u8]) -> Option<String> {
    Oid::hash_object(ObjectType::Blob, bytes).ok().map(|id| id.to_string())
}
