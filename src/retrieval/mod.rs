//! Retrieval under test: what a retriever finds for a query, held against what is relevant.
//!
//! Gets files of a tree, queries with relevant documents, and rankings; gives chunks, an index over them, and measures of
//! rankings. Knows nothing of answers: how good a retriever is shows in what it finds, whatever a model makes of it.

mod ask;
mod chunk;
mod fuse;
mod lexical;
mod markdown;
pub mod metrics;

pub use chunk::{Chunk, chunks};
pub use fuse::{RRF_K, fuse};
pub use lexical::{Lexical, words};
