//! Recordings that no case uses any more.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::path::Path;

use super::file::RecordedFile;
use super::line::Line;
use super::settle::{SettleError, lock, to_text};
use super::store::MAX_RECORDED;
use super::{AUDITED, ENDING, JUDGED, RECORDED, RETRIEVED};
use crate::case::FIXTURES;
use crate::core::names::{CaseName, PromptName, RequestKey};
use crate::core::path::TreePath;
use crate::core::problem::Problems;
use crate::prompt::JUDGES;
use crate::tree::{Tree, write};

/// A recorded answer that no case asks for.
#[derive(Clone, Debug)]
pub struct Unused {
    /// The file.
    pub path: TreePath,
    /// Its line in the file.
    pub number: usize,
    /// The case that it was recorded for.
    pub case: CaseName,
    /// The sample.
    pub sample: u32,
    /// Its key.
    pub key: RequestKey,
}

/// The folder of golden queries of retrievers.
const QUERIES: &str = "_retrieval";

fn recorded_files(tree: &dyn Tree) -> Result<Vec<TreePath>, Problems> {
    let Ok(folder) = TreePath::new(FIXTURES) else { return Ok(Vec::new()) };
    let files = tree.list(&folder).map_err(|error| Problems::from(error.into_problem()))?;
    // What a judge said of labelled answers is the evidence of its calibration, and belongs to no case.
    let of_judges = format!("{FIXTURES}/{JUDGES}/");
    let is_recorded = |path: &TreePath| {
        let folder = path.parent();
        let is_judged = folder.file_name() == JUDGED && !path.as_str().starts_with(&of_judges);
        // Nor does what was asked for golden queries of retrievers.
        let is_of_queries = path.as_str().starts_with(&format!("{FIXTURES}/{QUERIES}/"));
        !is_of_queries
            && path.as_str().ends_with(ENDING)
            && ([RECORDED, AUDITED, RETRIEVED].contains(&folder.file_name()) || is_judged)
    };
    Ok(files.into_iter().filter(is_recorded).collect())
}

/// Every answer of an experiment, with the prompt that it belongs to.
pub fn audited(tree: &dyn Tree) -> Result<Vec<(PromptName, Line)>, Problems> {
    let mut found = Vec::new();
    for path in recorded_files(tree)?.into_iter().filter(|path| path.parent().file_name() == AUDITED) {
        let folder = path.parent().parent();
        let Some(prompt) = folder.below(FIXTURES).and_then(|name| PromptName::new(name).ok()) else { continue };
        let text = tree.text_up_to(&path, MAX_RECORDED).map_err(|error| Problems::from(error.into_problem()))?;
        let file = RecordedFile::parse(&path, text)?;
        found.extend(file.lines().map(|(_, line)| (prompt.clone(), line)));
    }
    Ok(found)
}

/// Every recorded answer whose key is not among those in use.
pub fn unused<S: BuildHasher>(tree: &dyn Tree, used: &HashSet<RequestKey, S>) -> Result<Vec<Unused>, Problems> {
    let mut found = Vec::new();
    for path in recorded_files(tree)? {
        let text = tree.text_up_to(&path, MAX_RECORDED).map_err(|error| Problems::from(error.into_problem()))?;
        let file = RecordedFile::parse(&path, text)?;
        for (number, line) in file.lines().filter(|(_, line)| !used.contains(&line.key)) {
            found.push(Unused { path: path.clone(), number, case: line.case, sample: line.sample, key: line.key });
        }
    }
    Ok(found)
}

/// Removes answers from their files; a file that is left empty is removed.
pub fn prune(root: &Path, tree: &dyn Tree, unused: &[Unused]) -> Result<(), SettleError> {
    let _lock = lock(root)?;
    let paths: HashSet<&TreePath> = unused.iter().map(|line| &line.path).collect();
    for path in paths {
        let text = tree.text_up_to(path, MAX_RECORDED).map_err(|error| std::io::Error::other(error.to_string()))?;
        let file = RecordedFile::parse(path, text).map_err(SettleError::Damaged)?;
        let gone: HashSet<&RequestKey> = unused.iter().filter(|u| u.path == *path).map(|u| &u.key).collect();
        let kept: Vec<_> = file.lines().map(|(_, line)| line).filter(|line| !gone.contains(&line.key)).collect();
        if kept.is_empty() {
            write::remove(root, path)?;
        } else {
            write::replace(root, path, to_text(kept).as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::line;
    use super::super::settle;
    use super::*;
    use crate::tree::WorkingTree;

    #[test]
    fn unused_answers_go_and_an_empty_file_with_them() {
        let root = tempfile::tempdir().expect("a folder");
        let prompt = |name: &str| PromptName::new(name).expect("a name");
        let (kept, gone, alone) = (line("a", "1", "x"), line("b", "2", "y"), line("c", "3", "z"));
        let lines = vec![(prompt("p"), kept.clone()), (prompt("p"), gone), (prompt("q/r"), alone)];
        settle(root.path(), lines).expect("settled");
        let tree = WorkingTree::open(root.path()).expect("open");
        let used = HashSet::from([kept.key.clone()]);
        let found = unused(&tree, &used).expect("readable");
        let shown: Vec<_> = found.iter().map(|u| format!("{}:{} {}", u.path, u.number, u.case)).collect();
        assert_eq!(shown, ["fixtures/p/recorded/fast.jsonl:2 b", "fixtures/q/r/recorded/fast.jsonl:1 c"]);
        prune(root.path(), &tree, &found).expect("pruned");
        let text = std::fs::read_to_string(root.path().join("fixtures/p/recorded/fast.jsonl")).expect("there");
        assert_eq!(text, format!("{}\n", kept.to_json()));
        assert!(!root.path().join("fixtures/q/r/recorded/fast.jsonl").exists());
        assert!(unused(&tree, &used).expect("readable").is_empty());
    }
}
