//! When files were last changed, by their commits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git2::{DiffOptions, ObjectType, Oid, Repository, Sort};

use super::{Tree, open_repository, resolve};
use crate::core::path::TreePath;

/// The most commits that are looked at.
const MOST: usize = 50_000;

/// When each file of a tree was last changed, in seconds since 1970, by the commits up to a revision. A file that is not as it was
/// committed was changed now. What no commit tells is left out, as is everything outside a repository.
#[must_use]
pub fn touched(root: &Path, revision: &str, tree: &dyn Tree, paths: &[TreePath], now: i64) -> BTreeMap<TreePath, i64> {
    find(root, revision, tree, paths, now).unwrap_or_default()
}

fn find(root: &Path, revision: &str, tree: &dyn Tree, paths: &[TreePath], now: i64) -> Option<BTreeMap<TreePath, i64>> {
    let (repository, prefix) = open_repository(root).ok()?;
    let prefix = if prefix.is_empty() || prefix.ends_with('/') { prefix } else { format!("{prefix}/") };
    let start = resolve(&repository, revision).ok()?;
    let mut found = BTreeMap::new();
    let mut wanted: BTreeSet<&TreePath> = BTreeSet::new();
    for path in paths {
        if is_committed(&repository, start, &format!("{prefix}{path}"), tree, path) {
            wanted.insert(path);
        } else {
            found.insert(path.clone(), now);
        }
    }
    let mut walk = repository.revwalk().ok()?;
    walk.set_sorting(Sort::TIME).ok()?;
    walk.push(start).ok()?;
    for id in walk.take(MOST) {
        if wanted.is_empty() {
            break;
        }
        let commit = repository.find_commit(id.ok()?).ok()?;
        // What a merge brings was committed before.
        if commit.parent_count() > 1 {
            continue;
        }
        let old = match commit.parent(0) {
            Ok(parent) => Some(parent.tree().ok()?),
            // The last commit of a shallow clone has a parent that is not there: it tells of no change.
            Err(_) if commit.parent_count() > 0 => continue,
            Err(_) => None,
        };
        let mut options = DiffOptions::new();
        options.context_lines(0);
        let diff = repository.diff_tree_to_tree(old.as_ref(), Some(&commit.tree().ok()?), Some(&mut options)).ok()?;
        for delta in diff.deltas() {
            let path = delta.new_file().path().and_then(Path::to_str).and_then(|path| path.strip_prefix(&prefix));
            let Some(path) = path.and_then(|path| TreePath::new(path).ok()) else { continue };
            if wanted.remove(&path) {
                found.insert(path, commit.time().seconds());
            }
        }
    }
    Some(found)
}

fn is_committed(repository: &Repository, start: Oid, full: &str, tree: &dyn Tree, path: &TreePath) -> bool {
    let committed = repository.find_commit(start).and_then(|commit| commit.tree()?.get_path(Path::new(full)));
    let bytes = tree.read(path, u64::MAX);
    let (Ok(committed), Ok(bytes)) = (committed, bytes) else { return false };
    Oid::hash_object(ObjectType::Blob, &bytes).is_ok_and(|now| now == committed.id())
}
