//! Prompt debt: what makes prompts dear to keep, found by rules that each have a code, a reason and a fix.
//!
//! Gets a loaded project, its recordings, and what git and the history of runs know as plain data ([`Evidence`]); gives
//! [`Finding`]s in an order that never changes. Reads nothing outside the tree, asks no model, and never writes: a change
//! that needs nobody to decide is an [`Edit`], which the command line carries out.
//!
//! One file a family of rules, each registered by one line in `registry`.

mod branches;
mod churn;
mod contradictions;
mod copied;
mod covered;
mod engine;
mod evidence;
mod examples;
mod exercised;
mod files;
mod finding;
mod fix;
mod history;
mod look;
mod models;
mod output;
mod portable;
mod private;
mod registry;
mod settings;
mod shots;
mod size;
mod structure;
mod style;
mod text;
mod untrusted;
mod waivers;
mod wording;

pub use covered::{CoveredFile, LineMark, covered};
pub use engine::{Linted, lint};
pub use finding::{Edit, Finding, Owed};
pub use fix::apply;
pub use look::{CommitEvidence, Evidence, FlakyEvidence, ResultEvidence, VersionEvidence};
pub use registry::{Limit, REFUSED, RULES, Rule, explained, find};
pub use settings::Settings;
pub use waivers::Waiver;

use regex::Regex;

/// A constant expression; a test looks at every rule, and so compiles every one of them.
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("{pattern}: {error}"))
}

/// A constant expression that is compiled when it is first used.
macro_rules! pattern {
    ($name:ident, $pattern:expr) => {
        static $name: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| crate::lint::compiled($pattern));
    };
}
use pattern;
