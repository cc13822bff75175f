//! Expectations: checks on a response. One file a family, each registered by one line in `registry`.
//!
//! Gets what was written in `cases.yaml` and gives [`Expectation`]s that were found to make sense; each is bound to a
//! case's variables and then checks responses. Knows nothing of providers: a judge or an embedder would reach it as
//! a trait. Turning an expectation round (`not-`) and the rule for empty answers live here, once, for all of them.

mod argument;
mod compile;
mod json;
mod levenshtein;
mod measure;
mod refusal;
mod registry;
mod schema;
mod shown;
mod text;
mod total;

pub use compile::{Bound, Expectation, compile};
pub use refusal::is_refusal;
pub use registry::names;
pub use total::{Total, total};

use crate::core::record::Response;

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The answer.
    pub response: &'a Response,
    /// What it cost, where that is known.
    pub cost_usd: Option<f64>,
}

/// Reads a file that an expectation names, as seen from its own file.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// What a check found: whether it holds, how well, and the sentence that says why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) holds: bool,
    /// From 0 to 1.
    pub(crate) score: f64,
    /// Said when it does not hold, or when it holds and should not.
    pub(crate) reason: String,
    /// Whether nobody can tell: then it fails, turned round or not.
    pub(crate) unknown: bool,
}

impl Finding {
    pub(crate) fn new(holds: bool, reason: impl Into<String>) -> Self {
        Self { holds, score: f64::from(u8::from(holds)), reason: reason.into(), unknown: false }
    }

    /// What it would take to tell is missing.
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self { unknown: true, ..Self::new(false, reason) }
    }
}

/// A check whose value is complete.
pub(crate) trait Check: Send + Sync {
    /// Checks an answer that is not empty.
    fn check(&self, subject: &Subject<'_>) -> Finding;
}

/// A check as it was written; its value may still have to be rendered.
pub(crate) trait Written: Send + Sync {
    /// The variables that the value mentions.
    fn variables(&self) -> Vec<String> {
        Vec::new()
    }

    /// The complete check for a case. An error is a value that makes no sense once it is rendered.
    fn bind(&self, variables: &minijinja::Value) -> Result<std::sync::Arc<dyn Check>, String>;
}

#[cfg(test)]
mod tests;
