//! Which of the answers that wait are meant.

use globset::{Glob, GlobMatcher};

use crate::core::suggest::did_you_mean;
use crate::snapshot::{Change, Pending};

/// What was asked for; an empty list means everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Prompts: names, last parts of names, or globs.
    pub prompts: Vec<String>,
    /// Cases: names or globs.
    pub cases: Vec<String>,
    /// Models.
    pub models: Vec<String>,
}

/// A filter is wrong, or matches nothing.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A glob that does not compile.
    #[error("`{0}` is no valid glob: {1}")]
    BadGlob(String, String),
    /// Nothing that waits matches.
    #[error("nothing waits for {what} `{pattern}`{hint}")]
    NoMatch {
        /// Which filter.
        what: &'static str,
        /// What was asked for.
        pattern: String,
        /// The nearest name.
        hint: String,
    },
    /// A case stands for several changes.
    #[error(
        "`{0}` went through several changes; write the whole name of its prompt, or say on which model with --model"
    )]
    Ambiguous(String),
}

impl Filter {
    /// Whether it means everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.prompts.is_empty() && self.cases.is_empty() && self.models.is_empty()
    }

    /// Those that are meant. A filter that means nothing is an error, with the nearest name.
    pub fn apply(&self, pending: Vec<Pending>) -> Result<Vec<Pending>, FilterError> {
        let pending = keep(pending, "the prompt", &self.prompts, |p| &p.info.prompt)?;
        let pending = keep(pending, "the case", &self.cases, |p| &p.info.case)?;
        keep(pending, "the model", &self.models, |p| &p.info.model)
    }
}

/// Those that went through the same change as a named case, `PROMPT/CASE`; the prompt may be the last part of its name.
pub fn like(pending: &[Pending], wanted: &str) -> Result<Vec<Pending>, FilterError> {
    let name = |p: &Pending| format!("{}/{}", p.info.prompt, p.info.case);
    let ending = format!("/{wanted}");
    let mut found: Vec<&Pending> = pending.iter().filter(|p| name(p) == wanted).collect();
    if found.is_empty() {
        found = pending.iter().filter(|p| name(p).ends_with(&ending)).collect();
    }
    let mut changes: Vec<Change> = found.into_iter().map(|p| p.change.clone()).collect();
    changes.sort();
    changes.dedup();
    match changes.as_slice() {
        [change] => Ok(pending.iter().filter(|p| p.change == *change).cloned().collect()),
        [] => {
            let names: Vec<String> = pending.iter().map(name).collect();
            let hint = did_you_mean(wanted, names.iter().map(String::as_str));
            Err(FilterError::NoMatch { what: "the case", pattern: wanted.to_owned(), hint })
        }
        _ => Err(FilterError::Ambiguous(wanted.to_owned())),
    }
}

fn keep(
    pending: Vec<Pending>,
    what: &'static str,
    patterns: &[String],
    name: impl Fn(&Pending) -> &String,
) -> Result<Vec<Pending>, FilterError> {
    if patterns.is_empty() {
        return Ok(pending);
    }
    let mut globs: Vec<(&String, GlobMatcher)> = Vec::new();
    for pattern in patterns {
        let glob = Glob::new(pattern).map_err(|e| FilterError::BadGlob(pattern.clone(), e.kind().to_string()))?;
        globs.push((pattern, glob.compile_matcher()));
    }
    let matches = |pattern: &String, glob: &GlobMatcher, name: &str| {
        name == pattern || name.ends_with(&format!("/{pattern}")) || glob.is_match(name)
    };
    for (pattern, glob) in &globs {
        if !pending.iter().any(|p| matches(pattern, glob, name(p))) {
            let hint = did_you_mean(pattern, pending.iter().map(|p| name(p).as_str()));
            return Err(FilterError::NoMatch { what, pattern: (*pattern).clone(), hint });
        }
    }
    Ok(pending.into_iter().filter(|p| globs.iter().any(|(pattern, glob)| matches(pattern, glob, name(p)))).collect())
}
