//! The pictures that templates show: read from the tree, each once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::core::path::TreePath;
use crate::core::record::Image;
use crate::tree::{Tree, TreeError};

/// The largest picture, in bytes: no vendor takes a larger one.
const MAX_IMAGE: u64 = 20 << 20;
/// How many bytes of pictures are kept for the next case that shows them.
const KEPT: usize = 256 << 20;
/// The kinds of picture that models read.
const KINDS: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The pictures of a tree.
pub(super) struct Images {
    tree: Arc<dyn Tree>,
    kept: Mutex<(usize, HashMap<String, Image>)>,
}

impl Images {
    pub(super) fn new(tree: Arc<dyn Tree>) -> Self {
        Self { tree, kept: Mutex::default() }
    }

    /// The picture of a path, seen from the project's folder.
    pub(super) fn load(&self, file: &str) -> Result<Image, String> {
        if let Ok(kept) = self.kept.lock()
            && let Some(image) = kept.1.get(file)
        {
            return Ok(image.clone());
        }
        let path = TreePath::new(file).map_err(|why| format!("image(): {why}"))?;
        let bytes = self.tree.read(&path, MAX_IMAGE).map_err(|error| match error {
            TreeError::Missing(_) => {
                format!("image(): {error}; a case names a picture beside its own file with `{{ image: FILE }}`")
            }
            error => format!("image(): {error}"),
        })?;
        let kind = infer::get(&bytes).map(|kind| kind.mime_type()).filter(|kind| KINDS.contains(kind));
        let Some(kind) = kind else {
            return Err(format!("image(): `{path}` is no picture that models read; they read PNG, JPEG, GIF and WebP"));
        };
        let size = bytes.len();
        let image = Image::new(path.as_str(), kind, bytes.into());
        if let Ok(mut kept) = self.kept.lock()
            && kept.0 + size <= KEPT
        {
            kept.0 += size;
            kept.1.insert(file.to_owned(), image.clone());
        }
        Ok(image)
    }
}
