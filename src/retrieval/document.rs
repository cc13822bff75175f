//! All that `promptctl retrieval test` found, as reports write it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::kept::Moved;
use crate::core::verdict::Exit;

/// The whole.
#[derive(Clone, Debug, Serialize)]
pub struct Tested {
    /// The version of this form.
    pub version: u32,
    /// What was looked at.
    pub tree: String,
    /// What it is held against.
    pub base: Option<String>,
    /// At which ranks was measured.
    pub k: Vec<usize>,
    /// Each retriever, and each other way to find that was tried on the same queries.
    pub rows: Vec<Row>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// How the command ends.
    pub exit_code: u8,
}

/// What a retriever found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// The retriever.
    pub retriever: String,
    /// Whose golden queries it was asked; itself, but for one that was tried beside another.
    pub golden: String,
    /// Whether it was only tried, for comparison: nothing is expected of it.
    pub alternative: bool,
    /// The commit that it was tried at, where that is base; it is an alternative then.
    pub at: Option<String>,
    /// `local`, `http` or `exec`.
    pub kind: String,
    /// How files are cut, of a local one.
    pub chunking: Option<String>,
    /// What ranks by words, of a local one.
    pub engine: Option<String>,
    /// The model that embeds, where one does.
    pub embeddings: Option<String>,
    /// How many documents a prompt is given.
    pub top: usize,
    /// How many files it knows, of a local one.
    pub files: Option<usize>,
    /// How many chunks.
    pub chunks: Option<usize>,
    /// The measures over all queries.
    pub measures: Vec<Measured>,
    /// The measures over the queries of each tag.
    pub tags: Vec<Tag>,
    /// Each query.
    pub queries: Vec<Asked>,
    /// What became of the ids that are kept; nothing for an alternative, and where none are to be kept.
    pub snapshot: Option<Kept>,
    /// Against what it is compared, query by query: base, or the retriever that it is an alternative to.
    pub against: Option<Against>,
}

/// A mean over queries.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Measured {
    /// The measure.
    pub measure: &'static str,
    /// On so many of the first.
    pub k: usize,
    /// The mean.
    pub mean: f64,
    /// Where it may lie, at 95 %.
    pub interval: Option<(f64, f64)>,
    /// Of so many queries: those with something relevant.
    pub queries: usize,
    /// The least that it must be.
    pub least: Option<f64>,
    /// Whether it is at least that, where that was said.
    pub kept: Option<bool>,
}

/// The measures of a tag.
#[derive(Clone, Debug, Serialize)]
pub struct Tag {
    /// The tag.
    pub tag: String,
    /// Its measures, at the number of documents that a prompt is given.
    pub measures: Vec<Measured>,
}

/// A query and what was found.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// What was asked.
    pub query: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// What was found, the best first, as many as a prompt is given.
    pub retrieved: Vec<Retrieved>,
    /// What is relevant, and where it stands.
    pub relevant: Vec<Ranked>,
    /// Its values, such as `recall@5`; none where nothing is relevant.
    pub values: BTreeMap<String, f64>,
    /// What is wrong beside the measures.
    pub findings: Vec<Finding>,
    /// Why nothing is known to be found.
    pub error: Option<String>,
    /// Whether that is because nothing is recorded and nobody may be asked.
    pub is_unrecorded: bool,
}

/// A document that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Retrieved {
    /// Its id.
    pub id: String,
    /// Its score.
    pub score: Option<f64>,
    /// What it brings: the grade of something relevant that no earlier one is; 0 otherwise.
    pub grade: f64,
}

/// Something relevant, and where it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Ranked {
    /// Its id.
    pub id: String,
    /// Its grade.
    pub grade: f64,
    /// Its rank, from 1, as far as was looked.
    pub rank: Option<usize>,
}

/// What is wrong with what was found for a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `cut`, `gone`, `stale` or `missed`.
    pub kind: &'static str,
    /// What is wrong, in a sentence.
    pub text: String,
    /// Whether the command fails for it.
    pub fails: bool,
}

/// What became of the ids that are kept.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// `matches`, `differs`, `missing`, or `written` where that was just done.
    pub state: &'static str,
    /// The file.
    pub path: String,
    /// What moved, query by query.
    pub changes: Vec<Moved>,
}

/// A comparison, query by query.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// What it is held against.
    pub other: String,
    /// Each measure, at the number of documents that a prompt is given.
    pub differences: Vec<Difference>,
}

/// A measure on both sides.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Difference {
    /// The measure.
    pub measure: &'static str,
    /// On so many of the first.
    pub k: usize,
    /// The mean of the other side.
    pub base: f64,
    /// The mean of this one.
    pub head: f64,
    /// This one's minus the other's.
    pub difference: f64,
    /// Where that may lie, at 95 %.
    pub interval: Option<(f64, f64)>,
    /// The two-sided p-value of flipping signs, by Holm over the measures.
    pub p: f64,
    /// Queries that got better, and those that got worse.
    pub better: usize,
    /// As above.
    pub worse: usize,
    /// `regressed`, `improved` or `same`: whether it is more than chance, at 5 %.
    pub verdict: &'static str,
}

impl Tested {
    /// How the command ends. What is new waits only where `new_waits`.
    #[must_use]
    pub fn exit(&self, new_waits: bool) -> Exit {
        let own = || self.rows.iter().filter(|row| !row.alternative);
        let fails = |row: &Row| {
            row.measures.iter().any(|measured| measured.kept == Some(false))
                || row.queries.iter().flat_map(|asked| &asked.findings).any(|finding| finding.fails)
                || row.against.iter().flat_map(|against| &against.differences).any(|one| one.verdict == "regressed")
        };
        let waits = |row: &Row| {
            let state = row.snapshot.as_ref().map_or("", |kept| kept.state);
            state == "differs" || state == "missing" && new_waits
        };
        if own().any(fails) {
            Exit::Failed
        } else if own().flat_map(|row| &row.queries).any(|asked| asked.error.is_some() && !asked.is_unrecorded) {
            Exit::Errored
        } else if own().any(waits) || own().flat_map(|row| &row.queries).any(|asked| asked.is_unrecorded) {
            Exit::Waiting
        } else {
            Exit::Good
        }
    }
}
