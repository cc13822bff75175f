//! Where the version that a prompt has now began: the oldest commit, back from HEAD along the first parents, at which its
//! file said the same version.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{Delta, Oid, Repository, Tree};

use super::walk::{WalkError, changes_of_prompts, find_renamed, path_of};
use crate::prompt::written_version;
use crate::tree::{open_repository, resolve};

/// The most commits that are looked at.
const MOST: usize = 5000;

/// A prompt whose version is looked for.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// Its file, in the project.
    pub path: String,
    /// Its version.
    pub version: String,
    /// The files that it is made of beside.
    pub partials: Vec<String>,
}

/// Where a version began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Began {
    /// The commit's hash.
    pub commit: String,
    /// The prompt's file, as it was called then.
    pub path: String,
}

/// A prompt that is still followed back.
struct Open {
    index: usize,
    /// The oldest commit so far, and what the file is called there.
    oldest: Oid,
    path: String,
}

pub(super) fn folder<'r>(repository: &'r Repository, commit: Oid, prefix: &str) -> Option<Tree<'r>> {
    let root = repository.find_commit(commit).ok()?.tree().ok()?;
    if prefix.is_empty() {
        return Some(root);
    }
    repository.find_tree(root.get_path(Path::new(prefix)).ok()?.id()).ok()
}

pub(super) fn blob(tree: Option<&Tree<'_>>, path: &str) -> Option<Oid> {
    Some(tree?.get_path(Path::new(path)).ok()?.id())
}

fn version(repository: &Repository, id: Oid) -> Option<String> {
    written_version(std::str::from_utf8(repository.find_blob(id).ok()?.content()).ok()?)
}

/// Of each of these prompts where its version began, where the prompt, or a partial of it, was another one then than at `head`;
/// `None` where it was not.
pub fn began(root: &Path, head: &str, prompts: &[Versioned]) -> Result<Vec<Option<Began>>, WalkError> {
    let (repository, prefix) = open_repository(root)?;
    let prefix = prefix.trim_end_matches('/').to_owned();
    let head = resolve(&repository, head)?;
    let at_head = folder(&repository, head, &prefix);
    let is_there = |prompt: &Versioned| {
        let id = blob(at_head.as_ref(), &prompt.path)?;
        (version(&repository, id).as_ref() == Some(&prompt.version)).then_some(())
    };
    let followed = prompts.iter().enumerate().filter(|(_, prompt)| is_there(prompt).is_some());
    let mut open: BTreeMap<String, Open> = followed
        .map(|(index, prompt)| (prompt.path.clone(), Open { index, oldest: head, path: prompt.path.clone() }))
        .collect();
    let mut ended: Vec<Open> = Vec::new();
    let (mut at, mut new) = (head, at_head.clone());
    for _ in 0..MOST {
        let Ok(parent) = repository.find_commit(at).and_then(|commit| commit.parent_id(0)) else { break };
        // A shallow clone ends before its oldest commit does.
        if open.is_empty() || repository.find_commit(parent).is_err() {
            break;
        }
        let old = folder(&repository, parent, &prefix);
        step(&repository, (old.as_ref(), new.as_ref()), prompts, &mut open, &mut ended)?;
        for known in open.values_mut() {
            known.oldest = parent;
        }
        (at, new) = (parent, old);
    }
    let mut found = vec![None; prompts.len()];
    let mut trees: BTreeMap<Oid, Option<Tree<'_>>> = BTreeMap::new();
    for known in ended.into_iter().chain(open.into_values()) {
        let then = trees.entry(known.oldest).or_insert_with(|| folder(&repository, known.oldest, &prefix)).as_ref();
        let prompt = &prompts[known.index];
        let own = [(known.path.as_str(), prompt.path.as_str())];
        let partials = prompt.partials.iter().map(|path| (path.as_str(), path.as_str()));
        let mut files = own.into_iter().chain(partials);
        // The commit that is oldest may be older than the prompt, where nothing was seen to change.
        let is_other =
            blob(then, &known.path).is_some() && files.any(|(old, new)| blob(then, old) != blob(at_head.as_ref(), new));
        if is_other {
            found[known.index] = Some(Began { commit: known.oldest.to_string(), path: known.path.clone() });
        }
    }
    Ok(found)
}

/// What a commit did to the prompts that are followed: those that had another version before it, or were not there, are not
/// followed any further.
fn step(
    repository: &Repository,
    (old, new): (Option<&Tree<'_>>, Option<&Tree<'_>>),
    prompts: &[Versioned],
    open: &mut BTreeMap<String, Open>,
    ended: &mut Vec<Open>,
) -> Result<(), WalkError> {
    let below = |tree: Option<&Tree<'_>>| blob(tree, "prompts");
    if below(old) == below(new) {
        return Ok(());
    }
    let mut diff = changes_of_prompts(repository, old, new)?;
    let is_followed =
        |delta: &git2::DiffDelta<'_>| path_of(&delta.new_file()).is_some_and(|path| open.contains_key(&path));
    if diff.deltas().any(|delta| delta.status() == Delta::Added && is_followed(&delta))
        && diff.deltas().any(|delta| delta.status() == Delta::Deleted)
    {
        find_renamed(&mut diff)?;
    }
    let mut kept: Vec<Open> = Vec::new();
    for delta in diff.deltas() {
        let Some(mut known) = path_of(&delta.new_file()).and_then(|path| open.remove(&path)) else { continue };
        let before = delta.old_file();
        let was = (!before.id().is_zero()).then(|| version(repository, before.id())).flatten();
        match path_of(&before).filter(|_| was.as_ref() == Some(&prompts[known.index].version)) {
            Some(path) => {
                known.path = path;
                kept.push(known);
            }
            None => ended.push(known),
        }
    }
    open.extend(kept.into_iter().map(|known| (known.path.clone(), known)));
    Ok(())
}
