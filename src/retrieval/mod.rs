//! Retrieval: what a retriever finds for a query.

mod ask;

pub use ask::{Asking, Came};
