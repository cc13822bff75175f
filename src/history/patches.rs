//! The commits of the last days by the files that they changed: what tells whether a prompt is patched again and again.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{DiffOptions, Patch as Lines, Sort};
use jiff::Timestamp;

use super::walk::WalkError;
use crate::tree::{open_repository, resolve};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// The most commits that are looked at.
const MOST: usize = 5000;

/// A commit that changed a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// How many days ago it was made.
    pub days: i64,
    /// Lines that it added and removed.
    pub lines: usize,
    /// Whether its message says that it takes another one back.
    pub reverts: bool,
}

/// Every commit of the last `days` that changed something below `folder/prompts`, by the file's path in the project,
/// newest first. Merges are left out: what they bring was committed before.
pub fn patches(folder: &Path, now: Timestamp, days: i64) -> Result<BTreeMap<String, Vec<Patch>>, WalkError> {
    let (repository, prefix) = open_repository(folder)?;
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TIME)?;
    walk.push(resolve(&repository, "HEAD")?)?;
    let prefix = if prefix.is_empty() || prefix.ends_with('/') { prefix } else { format!("{prefix}/") };
    let mut found: BTreeMap<String, Vec<Patch>> = BTreeMap::new();
    for id in walk.take(MOST) {
        let commit = repository.find_commit(id?)?;
        let age = (now.as_second() - commit.time().seconds()).max(0) / DAY;
        if age > days {
            break;
        }
        // The first commit of all, and the last one of a shallow clone, changed nothing that can be told.
        let (1, Ok(parent)) = (commit.parent_count(), commit.parent(0)) else { continue };
        let (Ok(old), Ok(new)) = (parent.tree(), commit.tree()) else { continue };
        let mut options = DiffOptions::new();
        options.pathspec(format!("{prefix}prompts/")).context_lines(0);
        let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
        let summary = commit.summary_bytes().map(String::from_utf8_lossy).unwrap_or_default().to_lowercase();
        let reverts = summary.starts_with("revert") || summary.starts_with("undo ");
        for (place, delta) in diff.deltas().enumerate() {
            let Some(path) = delta.new_file().path().and_then(Path::to_str).and_then(|p| p.strip_prefix(&prefix))
            else {
                continue;
            };
            let stats = Lines::from_diff(&diff, place).ok().flatten().and_then(|patch| patch.line_stats().ok());
            let lines = stats.map_or(0, |(_, added, removed)| added + removed);
            found.entry(path.to_owned()).or_default().push(Patch { days: age, lines, reverts });
        }
    }
    Ok(found)
}
