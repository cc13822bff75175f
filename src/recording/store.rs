//! All recordings of a project, read when they are first asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::file::RecordedFile;
use super::line::Line;
use super::{AUDITED, ENDING, JUDGED, RECORDED, RETRIEVED, audited_path, judged_path, recorded_path, retrieved_path};
use crate::case::FIXTURES;
use crate::core::names::{CaseName, ModelAlias, PromptName, RequestKey};
use crate::core::path::TreePath;
use crate::core::problem::Problems;
use crate::tree::{Tree, TreeError};

/// The largest file of recordings, in bytes.
pub(super) const MAX_RECORDED: u64 = 2 << 30;

type Loaded = Result<Arc<RecordedFile>, Problems>;
type Listed = Result<Vec<TreePath>, Problems>;
type Slot = Arc<OnceLock<Loaded>>;
/// Answers that are in no file yet, by key, with the prompt that they belong to.
type Unsettled = HashMap<RequestKey, (PromptName, Line)>;

/// A tree with recordings.
struct Source {
    tree: Arc<dyn Tree>,
    /// Whether its files are looked into without being checked, and what is damaged counts as absent.
    glanced: bool,
}

/// Finds answers by the key of their request.
pub struct Store {
    trees: Vec<Source>,
    files: Mutex<HashMap<(usize, TreePath), Slot>>,
    folders: Mutex<HashMap<(usize, String), Listed>>,
    extra: Unsettled,
    /// Whether the answers of its files do not count, but only what judges said.
    judged_alone: bool,
}

impl Store {
    /// The recordings of a tree.
    #[must_use]
    pub fn open(tree: Arc<dyn Tree>) -> Self {
        Self::empty().or(tree)
    }

    /// No recordings at all.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            trees: Vec::new(),
            files: Mutex::default(),
            folders: Mutex::default(),
            extra: HashMap::new(),
            judged_alone: false,
        }
    }

    /// Reads of every tree only the answers that are found, and reports no damage: for a look at many old versions.
    #[must_use]
    pub fn glancing(mut self) -> Self {
        self.trees.iter_mut().for_each(|source| source.glanced = true);
        self
    }

    /// Finds of its files only what judges said, and no answer.
    #[must_use]
    pub fn judged_alone(self) -> Self {
        Self { judged_alone: true, ..self }
    }

    /// The trees whose answers count.
    fn answering(&self) -> std::ops::Range<usize> {
        if self.judged_alone { 0..0 } else { 0..self.trees.len() }
    }

    /// Looks into another tree first. Nothing may have been looked for yet.
    #[must_use]
    pub fn before(mut self, tree: Arc<dyn Tree>) -> Self {
        self.trees.insert(0, Source { tree, glanced: false });
        self
    }

    /// Looks into another tree for what this one does not hold.
    #[must_use]
    pub fn or(mut self, tree: Arc<dyn Tree>) -> Self {
        self.trees.push(Source { tree, glanced: false });
        self
    }

    /// The same of a tree that nobody but this program writes, a cache: what is damaged there is absent, and no file that
    /// a person knows is blamed.
    #[must_use]
    pub fn or_glancing(mut self, tree: Arc<dyn Tree>) -> Self {
        self.trees.push(Source { tree, glanced: true });
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
        if self.trees.is_empty() { Ok(()) } else { self.file(0, &recorded_path(prompt, model)).map(drop) }
    }

    /// The answer to a request: from the model's own file, else from another of the prompt's, because recordings are
    /// found by what was asked and not by where it is kept.
    pub fn find(&self, prompt: &PromptName, model: &ModelAlias, key: &RequestKey) -> Result<Option<Line>, Problems> {
        self.find_in(self.answering(), (RECORDED, prompt, &recorded_path(prompt, model)), key)
    }

    /// The answer to a request of an experiment: one that was recorded of the case itself, where it asks the same, else
    /// one of an earlier audit.
    pub fn find_audited(
        &self,
        prompt: &PromptName,
        model: &ModelAlias,
        key: &RequestKey,
    ) -> Result<Option<Line>, Problems> {
        match self.find(prompt, model, key)? {
            Some(line) => Ok(Some(line)),
            None => self.find_in(self.answering(), (AUDITED, prompt, &audited_path(prompt, model)), key),
        }
    }

    /// What a retriever found for a prompt when it was asked this.
    pub fn find_retrieved(
        &self,
        prompt: &PromptName,
        retriever: &ModelAlias,
        key: &RequestKey,
    ) -> Result<Option<Line>, Problems> {
        self.find_in(0..self.trees.len(), (RETRIEVED, prompt, &retrieved_path(prompt, retriever)), key)
    }

    /// What was said when a judge was asked this of a prompt's answers, found likewise.
    pub fn find_judged(
        &self,
        prompt: &PromptName,
        model: &ModelAlias,
        key: &RequestKey,
    ) -> Result<Option<Line>, Problems> {
        self.find_in(0..self.trees.len(), (JUDGED, prompt, &judged_path(prompt, model)), key)
    }

    /// Whether a judge ever said anything to this check of a case: what tells stale from unrecorded.
    pub fn has_judged(
        &self,
        prompt: &PromptName,
        model: &ModelAlias,
        case: &CaseName,
        check: &str,
    ) -> Result<bool, Problems> {
        let path = judged_path(prompt, model);
        for tree in 0..self.trees.len() {
            let line =
                self.file(tree, &path)?.lines_of(case.as_str()).find(|line| line.check.as_deref() == Some(check));
            if line.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an answer of this sample and turn of a case is recorded, whatever was said before.
    pub fn has_turn(
        &self,
        prompt: &PromptName,
        model: &ModelAlias,
        case: &CaseName,
        (sample, turn): (u32, u32),
    ) -> Result<bool, Problems> {
        let path = recorded_path(prompt, model);
        for tree in self.answering() {
            let mut lines = self.file(tree, &path)?.lines_of(case.as_str()).collect::<Vec<_>>().into_iter();
            if lines.any(|line| (line.sample, line.turn) == (sample, Some(turn))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn find_in(
        &self,
        trees: std::ops::Range<usize>,
        (folder, prompt, own): (&str, &PromptName, &TreePath),
        key: &RequestKey,
    ) -> Result<Option<Line>, Problems> {
        let mut settled = None;
        for tree in trees.clone() {
            settled = self.file(tree, own)?.find(key.as_str());
            if settled.is_some() {
                break;
            }
        }
        let known = |line: &&Line| line.experiment.is_none() || folder == AUDITED;
        let unsettled = self.extra.get(key).map(|(_, line)| line).filter(known).cloned();
        // Of two that are equally old, the unsettled one, as settling would have it.
        if let Some(line) = settled.into_iter().chain(unsettled).max_by_key(Line::time) {
            return Ok(Some(line));
        }
        for tree in trees {
            for path in self.others(folder, tree, prompt, own)? {
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
        let mut settled = None;
        for tree in self.answering() {
            settled = self.file(tree, &own)?.newest_of(case.as_str(), sample);
            if settled.is_some() {
                break;
            }
        }
        let unsettled = self.extra.values().filter(|(p, line)| {
            let is_first = line.check.is_none()
                && line.turn.is_none()
                && line.experiment.is_none()
                && line.response.documents.is_none();
            p == prompt && line.model == *model && line.case == *case && is_first
        });
        let lines = settled.into_iter().chain(unsettled.map(|(_, line)| line.clone()));
        // The key decides between two of one second, so that the same is shown every time.
        Ok(lines.max_by_key(|line| (line.sample == sample, line.time(), line.key.clone())))
    }

    /// The files of a prompt's other models; each folder is listed once, however many answers are missing. That it
    /// cannot be listed is an error: a recording would be asked for again.
    fn others(
        &self,
        folder: &str,
        tree: usize,
        prompt: &PromptName,
        own: &TreePath,
    ) -> Result<Vec<TreePath>, Problems> {
        let path = format!("{FIXTURES}/{prompt}/{folder}");
        let listed = TreePath::new(&path).unwrap_or_else(|_| unreachable!("a checked name makes a relative path"));
        let Source { tree: source, glanced } = &self.trees[tree];
        let list = || match source.list(&listed) {
            Err(_) if *glanced => Ok(Vec::new()),
            listed => listed.map_err(|error| Problems::from(error.into_problem())),
        };
        let files = {
            let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.entry((tree, path)).or_insert_with(list).clone()?
        };
        Ok(files.into_iter().filter(|path| path != own && path.as_str().ends_with(ENDING)).collect())
    }

    fn file(&self, tree: usize, path: &TreePath) -> Loaded {
        // A thread that panicked left the map as it was: whole.
        let slot = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(files.entry((tree, path.clone())).or_default())
        };
        let Source { tree, glanced } = &self.trees[tree];
        slot.get_or_init(|| match tree.text_up_to(path, MAX_RECORDED) {
            Ok(text) if *glanced => Ok(Arc::new(RecordedFile::glance(text))),
            Ok(text) => RecordedFile::parse(path, text).map(Arc::new),
            Err(TreeError::Missing(_)) => Ok(Arc::default()),
            Err(_) if *glanced => Ok(Arc::default()),
            Err(error) => Err(error.into_problem().into()),
        })
        .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::line;
    use super::super::settle;
    use super::*;
    use crate::tree::WorkingTree;

    fn prompt() -> PromptName {
        PromptName::new("p").expect("a name")
    }

    fn alias(name: &str) -> ModelAlias {
        ModelAlias::new(name).expect("an alias")
    }

    fn at(mut line: Line, time: &str) -> Line {
        line.recorded_at = time.into();
        line
    }

    fn store(root: &std::path::Path, lines: Vec<Line>) -> Store {
        settle(root, lines.into_iter().map(|line| (prompt(), line)).collect()).expect("settled");
        Store::open(Arc::new(WorkingTree::open(root).expect("open")))
    }

    #[test]
    fn an_answer_is_found_by_content_whatever_the_alias_is_called() {
        let root = tempfile::tempdir().expect("a folder");
        let known = line("a", "1", "x");
        let store = store(root.path(), vec![known.clone()]);
        assert_eq!(store.find(&prompt(), &alias("renamed"), &known.key).expect("readable"), Some(known));
        let other = line("a", "2", "x").key;
        assert_eq!(store.find(&prompt(), &alias("fast"), &other).expect("readable"), None);
    }

    #[test]
    fn the_newer_of_a_settled_and_an_unsettled_answer_is_found() {
        let root = tempfile::tempdir().expect("a folder");
        let settled = at(line("a", "1", "settled"), "2026-03-01T00:00:00Z");
        for (time, expected) in
            [("2026-02-28T00:00:00Z", "settled"), ("2026-03-01T00:00:00Z", "left"), ("2026-03-02T00:00:00Z", "left")]
        {
            let left = at(line("a", "1", "left"), time);
            let store = store(root.path(), vec![settled.clone()]).with(vec![(prompt(), left)]);
            let found = store.find(&prompt(), &alias("fast"), &settled.key).expect("readable");
            assert_eq!(found.map(|line| line.response.text).as_deref(), Some(expected), "{time}");
        }
    }

    #[test]
    fn damage_in_a_cache_was_reported_as_a_file_of_the_project() {
        let (root, cache) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let known = line("b", "2", "y");
        drop(store(cache.path(), vec![known.clone()]));
        let path = cache.path().join("fixtures/p/recorded/fast.jsonl");
        let text = std::fs::read_to_string(&path).expect("there");
        std::fs::write(&path, format!("<<<<<<< HEAD\n{{\"key\":\"cut o\n{text}")).expect("written");
        let with_cache = || store(root.path(), vec![line("a", "1", "x")]);
        let tree = || Arc::new(WorkingTree::open(cache.path()).expect("open"));
        let glancing = with_cache().or_glancing(tree());
        assert_eq!(glancing.find(&prompt(), &alias("fast"), &known.key).expect("readable"), Some(known.clone()));
        let absent = line("c", "3", "z").key;
        assert_eq!(glancing.find(&prompt(), &alias("fast"), &absent).expect("readable"), None);
        assert!(with_cache().or(tree()).find(&prompt(), &alias("fast"), &known.key).is_err());
        // What is no text is absent, too.
        std::fs::write(&path, [0xff, 0xfe]).expect("written");
        let glancing = with_cache().or_glancing(tree());
        assert_eq!(glancing.find(&prompt(), &alias("fast"), &known.key).expect("readable"), None);
    }

    #[test]
    fn the_nearest_answer_is_of_the_same_sample_and_then_the_newest() {
        let root = tempfile::tempdir().expect("a folder");
        let old = at(line("a", "1", "old"), "2026-01-01T00:00:00Z");
        let new = at(line("a", "2", "new"), "2026-01-02T00:00:00+00:00");
        let store = store(root.path(), vec![old, new.clone()]);
        let case = CaseName::new("a").expect("a name");
        assert_eq!(store.nearest(&prompt(), &alias("fast"), &case, 0).expect("readable"), Some(new));
        let none = CaseName::new("b").expect("a name");
        assert_eq!(store.nearest(&prompt(), &alias("fast"), &none, 0).expect("readable"), None);
    }
}
