//! `markdown`: what a comment of a pull request shows. The verdict first, a table of the prompts, then what changed, folded
//! away, the riskiest first, cut to what a host accepts.

mod audit;
mod card;
mod comparison;
mod cost;
mod difference;
mod escape;
mod page;
mod retrieval;
mod run;

pub use audit::audit_markdown;
pub use card::{KEPT, data_card};
pub use comparison::comparison_markdown;
pub(super) use comparison::{cause, comparison_verdict};
pub use cost::cost_markdown;
pub use retrieval::retrieval_markdown;
pub use run::MarkdownReport;

/// The bytes that fit into a comment on GitHub (65,536 characters), with room for a marker.
pub const COMMENT: usize = 65_000;
/// The bytes that fit into a job's summary on GitHub.
pub const JOB_SUMMARY: usize = 1_000_000;

/// The most bytes of a name that is shown.
const NAME: usize = 200;
/// The most bytes of a sentence that is shown.
const SENTENCE: usize = 600;

#[cfg(test)]
pub(super) use audit::tests::hostile_audit;
#[cfg(test)]
pub(super) use comparison::tests::{answer as changed_answer, row as regressed_row};

#[cfg(test)]
mod tests;
