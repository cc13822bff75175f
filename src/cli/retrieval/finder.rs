//! What finds: an index, or what was asked for before.

use std::collections::HashMap;

use crate::core::embedding::Embedding;
use crate::core::record::Document;
use crate::retrieval::{Index, Retrieves};

/// An index with the vectors of the queries, where it has any.
pub(super) struct InIndex<'a> {
    pub(super) index: &'a Index,
    pub(super) vectors: HashMap<String, Embedding>,
}

impl Retrieves for InIndex<'_> {
    fn retrieve(&self, query: &str, top: usize) -> Result<Vec<Document>, String> {
        self.index.search(query, self.vectors.get(query), top).map_err(|error| error.to_string())
    }
}
