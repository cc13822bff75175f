//! One side of a change: a tree, as far as it can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::case::{CASES_FILE, FIXTURES};
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::{Problem, Problems, Severity};
use crate::plan::Workspace;
use crate::project::CONFIG_FILE;
use crate::prompt::{PROMPTS, Prompt};
use crate::recording::Store;
use crate::run::find_documents;
use crate::snapshot::Index;
use crate::tree::{MAX_FILE, Tree, TreeError};

const ENDING: &str = ".j2";

/// A tree with its project, its recordings and its accepted answers. A project with mistakes is kept as far as it goes:
/// its files can still be compared.
pub struct TreeSide {
    /// The tree.
    pub tree: Arc<dyn Tree>,
    /// What is wrong with its project.
    pub problems: Vec<Problem>,
    pub(super) store: Store,
    pub(super) snapshots: Index,
    workspace: Option<Workspace>,
    files: BTreeMap<PromptName, TreePath>,
}

impl TreeSide {
    /// Reads a tree.
    #[must_use]
    pub fn load(tree: Arc<dyn Tree>, store: Store) -> Self {
        let mut problems = Problems::default();
        let mut workspace = Workspace::load(Arc::clone(&tree), &mut problems);
        if let Some(workspace) = &mut workspace {
            find_documents(workspace, &store, &mut problems);
        }
        let snapshots = Index::load(&*tree).unwrap_or_else(|problem| {
            problems.push(problem);
            Index::default()
        });
        let files = prompt_files(&*tree);
        // Where nothing of a project was there yet nothing is wrong with it.
        let is_nothing = workspace.is_none() && files.is_empty() && !has_config(&*tree);
        let is_error = |problem: &Problem| problem.severity == Severity::Error && !is_nothing;
        let problems = problems.sorted().into_iter().filter(is_error).collect();
        Self { tree, problems, store, snapshots, workspace, files }
    }

    /// The names of its prompts.
    pub fn names(&self) -> impl Iterator<Item = &PromptName> {
        self.files.keys()
    }

    /// The project, where its configuration could be read.
    #[must_use]
    pub fn workspace(&self) -> Option<&Workspace> {
        self.workspace.as_ref()
    }

    /// A prompt with its index, where it could be read.
    pub(super) fn prompt(&self, name: &PromptName) -> Option<(usize, &Prompt)> {
        let prompts = &self.workspace.as_ref()?.prompts.list;
        prompts.iter().enumerate().find(|(_, prompt)| prompt.name == *name)
    }

    /// Whether a prompt's cases can be rendered, as far as it depends on the prompt.
    pub(super) fn renders(&self, name: &PromptName) -> bool {
        let found = self.workspace.as_ref().zip(self.prompt(name));
        found.is_some_and(|(workspace, (_, prompt))| workspace.prompts.is_compiled(prompt))
    }

    /// The file of a prompt.
    pub(super) fn file(&self, name: &PromptName) -> Option<&TreePath> {
        self.files.get(name)
    }

    /// A file's text with plain line feeds; `None` where there is no such file. What cannot be read says so in its place.
    pub(super) fn text(&self, path: &TreePath) -> Option<String> {
        let text = match self.tree.text(path) {
            Ok(text) => text,
            Err(TreeError::Missing(_)) => return None,
            Err(TreeError::NotUtf8 { .. }) => {
                String::from_utf8_lossy(&self.tree.read(path, MAX_FILE).unwrap_or_default()).into_owned()
            }
            Err(error) => format!("[{error}]"),
        };
        Some(text.replace("\r\n", "\n"))
    }

    /// Why a prompt of this side could not be read as a whole: it, a partial, or its cases have mistakes.
    pub(super) fn broken(&self, name: &PromptName, with_cases: bool) -> Option<String> {
        let concerned = self.problems.iter().filter(|problem| self.concerns(problem, name, with_cases)).count();
        if concerned == 0 {
            return None;
        }
        let mistakes = if concerned == 1 { "a mistake".to_owned() } else { format!("{concerned} mistakes") };
        let at = self.tree.describe();
        Some(if self.renders(name) {
            format!("{at} has {mistakes} here, so something may be missing below")
        } else {
            format!("{at} has {mistakes} here, so only the prompt's files are compared")
        })
    }

    /// Whether a problem may be a problem of this prompt.
    fn concerns(&self, problem: &Problem, name: &PromptName, with_cases: bool) -> bool {
        let (Some(path), ..) = problem.place.locate() else { return true };
        let Ok(path) = TreePath::new(path) else { return true };
        if let Some(below) = path.below(PROMPTS).filter(|below| below.ends_with(ENDING)) {
            let partial = below.split('/').any(|part| part.starts_with('_'));
            return match self.prompt(name) {
                _ if self.file(name) == Some(&path) => true,
                Some((_, prompt)) => prompt.partials.iter().any(|partial| partial == below),
                None => partial,
            };
        }
        let Some(below) = path.below(FIXTURES) else {
            return path.as_str() == CONFIG_FILE || path.below(PROMPTS).is_some();
        };
        let folder = below.rsplit_once('/').map_or("", |(folder, _)| folder);
        let owns = |name: &PromptName| folder == name.as_str() || folder.starts_with(&format!("{name}/"));
        let is_anothers = path.file_name() == CASES_FILE || self.names().any(owns);
        with_cases && (owns(name) || !is_anothers)
    }
}

fn has_config(tree: &dyn Tree) -> bool {
    TreePath::new(CONFIG_FILE).is_ok_and(|path| !matches!(tree.read(&path, MAX_FILE), Err(TreeError::Missing(_))))
}

/// Every prompt's file, whether it can be read or not.
fn prompt_files(tree: &dyn Tree) -> BTreeMap<PromptName, TreePath> {
    let files = TreePath::new(PROMPTS).ok().and_then(|folder| tree.list(&folder).ok()).unwrap_or_default();
    let named = |path: TreePath| {
        let name = path.below(PROMPTS)?.strip_suffix(ENDING)?;
        let partial = name.split('/').any(|part| part.starts_with('_'));
        let name = PromptName::new(name).ok().filter(|_| !partial)?;
        Some((name, path))
    };
    files.into_iter().filter_map(named).collect()
}
