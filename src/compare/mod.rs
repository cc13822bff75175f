//! Two sides of the same cases: did head get worse than base, by how much, and what is to blame.
//!
//! A side is a prepared project with its recordings, at any commit, on any model. Both sides are scored under head's
//! expectations. Statistics are those of [`crate::stats`].
//! [`changes`] is the same walk without a judgement: what differs in files, messages and answers.

pub mod changes;
mod pair;
mod table;

pub use pair::{Flip, Pair, Pairs, Sample, Side, pair};
pub use table::{Changed, Comparison, FailOn, FlippedCase, Limits, Ratio, Row, Shares, Verdict, compare};
