//! What a bisection looked at, and what it found.

use super::bisect::Mark;
use super::versions::Change;
use super::walk::About;

/// A commit that was looked at.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The commit.
    pub about: About,
    /// What it turned out to be.
    pub mark: Mark,
    /// Why.
    pub reason: String,
    /// What the prompt's author called the version.
    pub version: Option<String>,
    /// The models that answered, as the server reported.
    pub served: Vec<String>,
    /// Answers that pass.
    pub passed: u64,
    /// All answers.
    pub answers: u64,
}

/// The first bad commit.
#[derive(Clone, Debug)]
pub struct FirstBad {
    /// The commit.
    pub about: About,
    /// What it changed.
    pub changes: Vec<Change>,
    /// Lines that it added and removed.
    pub lines: (usize, usize),
    /// Whether nothing came before it.
    pub is_root: bool,
}

/// How a bisection ended.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The first bad commit, where it could be told.
    pub first_bad: Option<FirstBad>,
    /// The models that answered where it was good, and at the first bad commit, where these are others.
    pub moved: Option<(Vec<String>, Vec<String>)>,
    /// Those of which one is the first bad one, where they cannot be told apart.
    pub among: Vec<About>,
}

/// How much there was to look through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The commits.
    pub commits: usize,
    /// The versions that they made.
    pub candidates: usize,
    /// The commits that were loaded.
    pub loaded: usize,
    /// Calls that were made.
    pub calls_made: u64,
}
