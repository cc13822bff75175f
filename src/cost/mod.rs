//! What prompts cost, from evidence: the usage that was recorded and the prices of the models, never a guess that is not
//! called one.
//!
//! [`gather`] takes the rows from a plan and its recordings; all that follows is arithmetic over them: [`bill`] what a request
//! and a month cost, [`fixed`] which part of a request is the same every time, [`caching`] what a cache would save,
//! [`change`] base against head case by case, [`budget`] whether that may be, [`alternatives`] from how many requests on
//! something else would be cheaper.

mod alternatives;
mod bill;
mod budget;
mod caching;
mod change;
mod document;
mod fixed;
mod gather;

pub use alternatives::{Alternative, Assumption, Evidence, Kind, Origin, fine_tuned, retrieval, smaller_model};
pub use bill::{Bill, Spread, bill};
pub use budget::{Judged, Standing, judge, judge_uncounted};
pub use caching::{Caching, caching, minimum};
pub use change::{Basis, Change, Difference, change};
pub use document::{Document, VersionRow};
pub use fixed::{Fixed, fixed};
pub use gather::{Asked, Requests, gather};

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens and requests are far below 2^53")]
fn as_f64(n: u64) -> f64 {
    n as f64
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.into_iter().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
