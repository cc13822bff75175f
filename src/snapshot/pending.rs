//! Answers that wait for a person: written by a run, then accepted or rejected.

use std::io;
use std::path::Path;

use super::change::{Change, classify};
use super::format::{Info, Snapshot};
use super::index::Index;
use super::pending_path;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::tree::{Tree, write};

/// An answer that waits.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Where the accepted answer is, or will be.
    pub path: TreePath,
    /// The accepted answer, if there is one.
    pub accepted: Option<Snapshot>,
    /// The answer that waits.
    pub new: Snapshot,
    /// What is known about it.
    pub info: Info,
    /// What changed.
    pub change: Change,
}

/// Everything that waits in a tree, riskiest first, the same change together. Files that cannot be read are problems.
pub fn pending(tree: &dyn Tree, problems: &mut Problems) -> Vec<Pending> {
    let index = match Index::load(tree) {
        Ok(index) => index,
        Err(problem) => {
            problems.push(problem);
            return Vec::new();
        }
    };
    let mut found: Vec<Pending> = Vec::new();
    for path in index.pending() {
        match read(tree, &index, path) {
            Ok(pending) => found.push(pending),
            Err(problem) => problems.push(problem),
        }
    }
    found.sort_by(|a, b| (&a.change, &a.path).cmp(&(&b.change, &b.path)));
    found
}

fn read(tree: &dyn Tree, index: &Index, path: &TreePath) -> Result<Pending, Problem> {
    let broken = |path: &TreePath, line: usize, why: String| Problem::error(Place::Line(path.to_string(), line), why);
    let Some(new) = index.get(tree, path)? else {
        return Err(Problem::error(Place::File(path.to_string()), "the file is gone"));
    };
    let header = new.header().map_err(|error| broken(path, new.error_line(), error.to_string()))?;
    let accepted_path = path.as_str().strip_suffix(".new").unwrap_or(path.as_str());
    let accepted_path = TreePath::new(accepted_path).map_err(|why| Problem::error(Place::Nowhere, why))?;
    let accepted = index.get(tree, &accepted_path)?;
    let old_info = match &accepted {
        Some(snapshot) => snapshot.header().map(|header| header.info).unwrap_or_default(),
        None => Info::default(),
    };
    let old = accepted.as_ref().map(|snapshot| (snapshot.body(), &old_info));
    let change = classify(old, (new.body(), &header.info), path.as_str());
    Ok(Pending { path: accepted_path, accepted, info: header.info, new, change })
}

/// Writes an answer beside the accepted one.
pub fn write_pending(root: &Path, accepted: &TreePath, new: &Snapshot) -> io::Result<()> {
    write::replace(root, &pending_path(accepted), new.to_text().as_bytes())
}

/// Writes an answer as the accepted one, and removes what waited.
pub fn write_accepted(root: &Path, path: &TreePath, new: &Snapshot) -> io::Result<()> {
    write::replace(root, path, new.to_text().as_bytes())?;
    write::remove(root, &pending_path(path))
}

/// Accepts what waits: it becomes the accepted answer. Whoever stops this in the middle leaves both files whole.
pub fn accept(root: &Path, pending: &Pending) -> io::Result<()> {
    write_accepted(root, &pending.path, &pending.new)
}

/// Rejects what waits: the accepted answer stays.
pub fn reject(root: &Path, pending: &Pending) -> io::Result<()> {
    write::remove(root, &pending_path(&pending.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::Response;
    use crate::project::{Compare, SnapshotSettings};
    use crate::snapshot::Answer;
    use crate::tree::WorkingTree;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_accepted_answer_is_clean_at_once(text in "(?s)(---\n|\r\n|\n| |\t|[a-z]|\\PC|.){1,40}") {
            let root = tempfile::tempdir().expect("a folder");
            let response = Response { text, ..Response::default() };
            let answer = Answer::new(&response, Compare::Text, &SnapshotSettings::default());
            let info = Info { case: "a".into(), sha256: answer.sha256().into(), ..Info::default() };
            let path = TreePath::new("snapshots/p/a@fast.snap").expect("a path");
            let new = Snapshot::new("c", "p", &info, answer.body().to_owned());
            write_pending(root.path(), &path, &new).expect("written");
            let tree = WorkingTree::open(root.path()).expect("open");
            let mut problems = Problems::default();
            let waiting = pending(&tree, &mut problems);
            prop_assert_eq!(waiting.len(), 1);
            accept(root.path(), &waiting[0]).expect("accepted");
            prop_assert!(pending(&tree, &mut problems).is_empty());
            let index = Index::load(&tree).expect("listed");
            let accepted = index.get(&tree, &path).expect("readable").expect("there");
            prop_assert!(answer.matches(&accepted));
            prop_assert!(problems.is_empty());
        }
    }
}
