//! Two sides of the same cases: did head get worse than base, by how much, and what is to blame.
//!
//! A side is a prepared project with its recordings, at any commit, on any model. Both sides are scored under head's
//! expectations. Statistics are those of [`crate::stats`].
//! [`changes`] is the same walk without a judgement: what differs in files, messages and answers.

pub mod changes;
mod confirm;
mod document;
mod figures;
mod order;
mod pair;
mod ratios;
mod shape;
mod table;

pub use confirm::{confirm, screened};
pub use document::{
    AnswerSample, Answers, ChangedAnswer, Document, DocumentError, LONGEST_ANSWER, Text, Told, Tool, VERSION, Way,
};
pub use figures::compare;
pub use order::ranks;
pub use pair::{Flip, LeftOut, Pair, Pairs, Sample, Samples, Side, UNJUDGED, ask_alike, pair};
pub use shape::{ShapeChange, shape_changes};
pub use table::{
    ByExpectation, Changed, Comparison, FailOn, FlippedCase, Limits, Means, Median, Ratio, Reliability, Rescored, Row,
    Scores, Served, Shares, Verdict,
};
