//! The commits of the last days by the files that they changed: what tells whether a prompt is patched again and again.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use git2::{DiffOptions, Oid, Patch as Lines, Repository, Sort};
use jiff::Timestamp;

use super::walk::WalkError;
use crate::tree::{open_repository, resolve};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// The most commits that are looked at.
const MOST: usize = 5000;
/// How many commits that left a content are looked at.
const LEFT: usize = 20;

/// A commit that changed a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// How many days ago it was made.
    pub days: i64,
    /// Its hash.
    pub commit: String,
    /// Lines that it added and removed.
    pub lines: usize,
    /// Whether it takes another one back: its message says so, or the file says again what it said before.
    pub reverts: bool,
}

/// A change to a file.
struct Change {
    commit: Oid,
    patch: Patch,
    /// What the file was, and what it is then.
    old: Oid,
    new: Oid,
}

/// Every commit of the last `days` before `head` that changed something below `folder/prompts`, by the file's path in the project,
/// newest first. Merges are left out: what they bring was committed before.
pub fn patches(
    folder: &Path,
    head: &str,
    now: Timestamp,
    days: i64,
) -> Result<BTreeMap<String, Vec<Patch>>, WalkError> {
    let (repository, prefix) = open_repository(folder)?;
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TIME)?;
    walk.push(resolve(&repository, head)?)?;
    let prefix = if prefix.is_empty() || prefix.ends_with('/') { prefix } else { format!("{prefix}/") };
    let mut found: BTreeMap<String, Vec<Change>> = BTreeMap::new();
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
        let reverts = ["revert", "reapply ", "undo "].iter().any(|word| summary.starts_with(word));
        for (place, delta) in diff.deltas().enumerate() {
            let Some(file) = delta.new_file().path().and_then(Path::to_str).and_then(|p| p.strip_prefix(&prefix))
            else {
                continue;
            };
            let stats = Lines::from_diff(&diff, place).ok().flatten().and_then(|patch| patch.line_stats().ok());
            let lines = stats.map_or(0, |(_, added, removed)| added + removed);
            let patch = Patch { days: age, commit: commit.id().to_string(), lines, reverts };
            let change = Change { commit: commit.id(), patch, old: delta.old_file().id(), new: delta.new_file().id() };
            found.entry(file.to_owned()).or_default().push(change);
        }
    }
    for changes in found.values_mut().filter(|changes| changes.len() > 1) {
        back_again(&repository, changes);
    }
    let patches = |changes: Vec<Change>| changes.into_iter().map(|change| change.patch).collect();
    Ok(found.into_iter().map(|(path, changes)| (path, patches(changes))).collect())
}

/// Marks the changes after which a file says what it said before an earlier one of them, but for its version.
fn back_again(repository: &Repository, changes: &mut [Change]) {
    let mut contents: HashMap<Oid, Vec<u8>> = HashMap::new();
    for id in changes.iter().flat_map(|change| [change.old, change.new]).filter(|id| !id.is_zero()) {
        contents.entry(id).or_insert_with(|| said(repository, id));
    }
    let mut left: HashMap<&[u8], Vec<Oid>> = HashMap::new();
    for change in changes.iter_mut().rev() {
        let content = |id: &Oid| contents.get(id).map(Vec::as_slice);
        let (old, new) = (content(&change.old), content(&change.new));
        if old == new {
            continue;
        }
        // What was only taken over from another branch left nothing on this one.
        let is_before = |earlier: &Oid| repository.graph_descendant_of(change.commit, *earlier).unwrap_or(false);
        let earlier = new.and_then(|new| left.get(new)).into_iter().flatten();
        change.patch.reverts |= earlier.rev().take(LEFT).any(is_before);
        if let Some(old) = old {
            left.entry(old).or_default().push(change.commit);
        }
    }
}

/// What a file says, without the line of its version.
fn said(repository: &Repository, id: Oid) -> Vec<u8> {
    let Ok(blob) = repository.find_blob(id) else { return id.as_bytes().to_vec() };
    let is_kept = |line: &&[u8]| !line.starts_with(b"version:");
    blob.content().split_inclusive(|byte| *byte == b'\n').filter(is_kept).flatten().copied().collect()
}
