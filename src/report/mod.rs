//! Showing: text from events and records into a `Write`. One file a format.
//!
//! A report never changes a verdict and never decides what is shown where; it is handed a writer and what happened.

use std::io::{self, Write};

use crate::core::event::Listener;
use crate::core::verdict::Exit;

mod audit;
mod bisection;
mod changes;
mod comparison;
mod cost;
mod cost_words;
mod debt;
mod difference;
mod github;
mod gitlab;
mod history;
mod html;
mod human;
mod json;
mod jsonl;
mod junit;
mod lint;
mod log;
mod markdown;
pub mod page;
mod problems;
mod progress;
mod retrieval;
mod retrieval_words;
mod rows;
mod samples;
mod sarif;
mod saved;
mod style;
mod tap;
mod trial;

pub use audit::write_audit;
pub use bisection::{write_candidates, write_found, write_looked};
pub use changes::write_changes;
pub use comparison::{Compared, write_comparison};
pub use cost::write_cost;
pub use difference::write_difference;
pub use github::{GithubReport, write_github_comparison, write_github_lint};
pub use gitlab::GitlabReport;
pub use history::{write_flaky, write_runs, write_trends};
pub use html::{HtmlReport, Past, write_html_audit, write_html_comparison};
pub use human::HumanReport;
pub use json::{JsonReport, VERSION};
pub use jsonl::JsonlReport;
pub use junit::JunitReport;
pub use lint::{LintNotes, write_coverage, write_lint, write_lint_json, write_rule, write_waivers};
pub use log::{change_word, write_log, write_ran};
pub use markdown::{COMMENT, JOB_SUMMARY, KEPT, MarkdownReport};
pub use markdown::{audit_markdown, comparison_markdown, cost_markdown, data_card, retrieval_markdown};
pub use problems::write_problems;
pub use progress::Progress;
pub use retrieval::{write_chunks, write_documents, write_retrieval};
pub use rows::{write_gitlab_comparison, write_junit_comparison, write_tap_comparison};
pub use sarif::write_sarif;
pub use saved::{Saved, SavedError, merge};
pub use style::Style;
pub use tap::TapReport;
pub use trial::{Asked, trial_json, write_roster, write_trial};

/// A report of a run that is written when the run is over.
pub trait Report: Listener {
    /// Writes it, once the exit code is known.
    fn write(&mut self, out: &mut dyn Write, exit: Exit) -> io::Result<()>;
}
