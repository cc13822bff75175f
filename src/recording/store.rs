//! All recordings of a project, read when they are first asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::file::RecordedFile;
use super::line::Line;
use super::{ENDING, RECORDED, recorded_path};
use crate::case::FIXTURES;
use crate::core::names::{CaseName, ModelAlias, PromptName, RequestKey};
use crate::core::path::TreePath;
use crate::core::problem::Problems;
use crate::tree::{Tree, TreeError};

/// The largest file of recordings, in bytes.
pub(super) const MAX_RECORDED: u64 = 2 << 30;

type Loaded = Result<Arc<RecordedFile>, Problems>;
type Slot = Arc<OnceLock<Loaded>>;
/// Answers that are in no file yet, by key, with the prompt that they belong to.
type Unsettled = HashMap<RequestKey, (PromptName, Line)>;

/// Finds answers by the key of their request.
pub struct Store {
    trees: Vec<Arc<dyn Tree>>,
    files: Mutex<HashMap<(usize, TreePath), Slot>>,
    folders: Mutex<HashMap<(usize, PromptName), Vec<TreePath>>>,
    extra: Unsettled,
}

impl Store {
    /// The recordings of a tree.
    #[must_use]
    pub fn open(tree: Arc<dyn Tree>) -> Self {
        Self { trees: vec![tree], files: Mutex::default(), folders: Mutex::default(), extra: HashMap::new() }
    }

    /// Looks into another tree for what this one does not hold.
    #[must_use]
    pub fn or(mut self, tree: Arc<dyn Tree>) -> Self {
        self.trees.push(tree);
        self
    }

    /// Knows these answers too: those of a killed run, which no file holds yet.
    #[must_use]
    pub fn with(mut self, lines: Vec<(PromptName, Line)>) -> Self {
        self.extra.extend(lines.into_iter().map(|(prompt, line)| (line.key.clone(), (prompt, line))));
        self
    }

    /// Reads the recordings of a prompt on a model, so that what is wrong with them is known before anything runs.
    pub fn load(&self, prompt: &PromptName, model: &ModelAlias) -> Result<(), Problems> {
        self.file(0, &recorded_path(prompt, model)).map(drop)
    }

    /// The answer to a request: from the model's own file, else from another of the prompt's, because recordings are
    /// found by what was asked and not by where it is kept.
    pub fn find(&self, prompt: &PromptName, model: &ModelAlias, key: &RequestKey) -> Result<Option<Line>, Problems> {
        let own = recorded_path(prompt, model);
        for tree in 0..self.trees.len() {
            if let Some(line) = self.file(tree, &own)?.find(key.as_str()) {
                return Ok(Some(line));
            }
        }
        if let Some((_, line)) = self.extra.get(key) {
            return Ok(Some(line.clone()));
        }
        for tree in 0..self.trees.len() {
            for path in self.others(tree, prompt, &own) {
                if let Some(line) = self.file(tree, &path)?.find(key.as_str()) {
                    return Ok(Some(line));
                }
            }
        }
        Ok(None)
    }

    /// The newest answer of a case on a model, whatever it was asked: what tells stale from unrecorded.
    pub fn nearest(
        &self,
        prompt: &PromptName,
        model: &ModelAlias,
        case: &CaseName,
        sample: u32,
    ) -> Result<Option<Line>, Problems> {
        let own = recorded_path(prompt, model);
        for tree in 0..self.trees.len() {
            if let Some(line) = self.file(tree, &own)?.newest_of(case.as_str(), sample) {
                return Ok(Some(line));
            }
        }
        let unsettled =
            self.extra.values().filter(|(p, line)| p == prompt && line.model == *model && line.case == *case);
        Ok(unsettled.map(|(_, line)| line.clone()).next())
    }

    /// The files of a prompt's other models. Each folder is listed once, however many answers are missing.
    fn others(&self, tree: usize, prompt: &PromptName, own: &TreePath) -> Vec<TreePath> {
        let list = || {
            let folder = TreePath::new(&format!("{FIXTURES}/{prompt}/{RECORDED}")).ok()?;
            self.trees[tree].list(&folder).ok()
        };
        let files = {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.entry((tree, prompt.clone())).or_insert_with(|| list().unwrap_or_default()).clone()
        };
        files.into_iter().filter(|path| path != own && path.as_str().ends_with(ENDING)).collect()
    }

    fn file(&self, tree: usize, path: &TreePath) -> Loaded {
        // A thread that panicked left the map as it was: whole.
        let slot = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(files.entry((tree, path.clone())).or_default())
        };
        slot.get_or_init(|| match self.trees[tree].text_up_to(path, MAX_RECORDED) {
            Ok(text) => RecordedFile::parse(path, text).map(Arc::new),
            Err(TreeError::Missing(_)) => Ok(Arc::default()),
            Err(error) => Err(error.into_problem().into()),
        })
        .clone()
    }
}
