//! Since when a line stands in a file, and who wrote it: the commit that brought it, looked for from HEAD back, through merges and renames.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{Commit, Oid, Repository, Tree};
use jiff::Timestamp;

use super::began::{blob, folder};
use super::walk::{WalkError, renames};
use crate::tree::{open_repository, resolve};

/// The most commits that are looked at.
const MOST: usize = 10_000;

/// A line of a file.
#[derive(Clone, Debug)]
pub struct WrittenLine {
    /// The file, in the project.
    pub path: String,
    /// What the line says; where it begins and ends does not matter.
    pub line: String,
}

/// When a line came, and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// When it was committed.
    pub time: Timestamp,
    /// The author's name.
    pub by: String,
}

/// A line that is followed back, and what its file is called there.
struct Open {
    index: usize,
    path: String,
}

/// When each of these lines came into its file, and by whom, where it is still there at `head`; `None` where that cannot be told.
pub fn added(root: &Path, head: &str, marks: &[WrittenLine]) -> Result<Vec<Option<Added>>, WalkError> {
    let (repository, prefix) = open_repository(root)?;
    let prefix = prefix.trim_end_matches('/').to_owned();
    let head = repository.find_commit(resolve(&repository, head)?)?;
    let tree = folder(&repository, head.id(), &prefix);
    let is_there =
        |mark: &WrittenLine| blob(tree.as_ref(), &mark.path).is_some_and(|id| has(&repository, id, &mark.line));
    let open: Vec<Open> = (0..)
        .zip(marks)
        .filter(|(_, mark)| is_there(mark))
        .map(|(index, mark)| Open { index, path: mark.path.clone() })
        .collect();
    let mut found = vec![None; marks.len()];
    // The youngest first: lines whose ways part and meet again are followed together.
    let mut waiting: BTreeMap<(i64, Oid), Vec<Open>> = BTreeMap::from([((head.time().seconds(), head.id()), open)]);
    for _ in 0..MOST {
        let Some(((_, id), open)) = waiting.pop_last() else { break };
        if open.is_empty() {
            continue;
        }
        let commit = repository.find_commit(id)?;
        let mut brought = open;
        for parent in commit.parents() {
            let (stays, rest) = split(&repository, (&parent, &commit), &prefix, marks, brought)?;
            if !stays.is_empty() {
                waiting.entry((parent.time().seconds(), parent.id())).or_default().extend(stays);
            }
            brought = rest;
        }
        // Beyond the end of a shallow clone nothing is known.
        let is_end = commit.parent_ids().any(|parent| repository.find_commit(parent).is_err())
            || (commit.parent_count() == 0 && repository.is_shallow());
        let time = Timestamp::from_second(commit.time().seconds()).ok().filter(|_| !is_end);
        let author = || String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
        for (line, time) in brought.into_iter().filter_map(|line| Some((line, time?))) {
            found[line.index] = Some(Added { time, by: author() });
        }
    }
    Ok(found)
}

fn has(repository: &Repository, id: Oid, line: &str) -> bool {
    let Ok(blob) = repository.find_blob(id) else { return false };
    let text = String::from_utf8_lossy(blob.content());
    text.lines().any(|other| other.trim() == line.trim())
}

/// The lines that a parent has already, and the others.
fn split(
    repository: &Repository,
    (parent, commit): (&Commit<'_>, &Commit<'_>),
    prefix: &str,
    marks: &[WrittenLine],
    open: Vec<Open>,
) -> Result<(Vec<Open>, Vec<Open>), WalkError> {
    let (old, new) = (folder(repository, parent.id(), prefix), folder(repository, commit.id(), prefix));
    let top = |tree: &Option<Tree<'_>>, path: &str| blob(tree.as_ref(), path.split('/').next().unwrap_or(path));
    let (mut stays, mut rest, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for line in open {
        if top(&old, &line.path) == top(&new, &line.path) {
            stays.push(line);
            continue;
        }
        match blob(old.as_ref(), &line.path) {
            None => missing.push(line),
            was if was == blob(new.as_ref(), &line.path) => stays.push(line),
            Some(was) if has(repository, was, &marks[line.index].line) => stays.push(line),
            Some(_) => rest.push(line),
        }
    }
    if missing.is_empty() {
        return Ok((stays, rest));
    }
    let renamed = renames(repository, old.as_ref(), new.as_ref())?;
    for line in missing {
        let was = renamed.get(&line.path).and_then(|path| Some((path, blob(old.as_ref(), path)?)));
        match was.filter(|(_, was)| has(repository, *was, &marks[line.index].line)) {
            Some((path, _)) => stays.push(Open { path: path.clone(), ..line }),
            None => rest.push(line),
        }
    }
    Ok((stays, rest))
}
