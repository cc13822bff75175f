//! Retrieval under test: what a retriever finds for a query, held against what is relevant.
//!
//! Gets files of a tree, queries with relevant documents, and rankings; gives chunks, an index over them, and measures of
//! rankings. Knows nothing of answers: how good a retriever is shows in what it finds, whatever a model makes of it.

mod age;
mod ask;
mod chunk;
mod document;
mod engine;
mod evaluate;
mod fuse;
mod golden;
mod ideal;
pub mod kept;
mod lexical;
mod local;
mod markdown;
pub mod metrics;
mod passage;
mod resolve;
#[cfg(feature = "search")]
mod tantivy;

pub use age::written_day;
pub use ask::{Asking, Came};
pub use chunk::{Chunk, chunks};
pub use document::{Against, Asked, Difference, Finding, Kept, Measured, Ranked, Retrieved, Row, Tag, Tested};
pub use evaluate::{Lack, Retrieves, Trial, against, depth};
pub use fuse::{RRF_K, fuse};
pub use golden::{Fault, Golden, Query, RETRIEVAL, golden_path, no_golden, report_orphans};
pub use ideal::{Ideal, ideals};
pub use lexical::{Lexical, words};
pub use local::{Index, VectorError};
pub use resolve::{Indexes, check_relevant, found, local_of, rate, search_local};
