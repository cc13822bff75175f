//! What a commit has of a prompt, compared with its neighbours by git's names for contents: most commits change nothing that
//! a prompt needs, and are not loaded.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use git2::Oid;

use super::state::{Needs, State, folder_of, models, template_path};
use super::walk::{Known, Walk, files_in};
use crate::core::names::{ModelAlias, PromptName};
use crate::core::path::TreePath;
use crate::core::problem::Problems;
use crate::project::Config;
use crate::prompt::{ENDING, PROMPTS};
use crate::snapshot::SNAPSHOTS;
use crate::tree::CommitTree;

/// Looks into the commits of a walk.
pub(super) struct Lookup<'w> {
    folder: PathBuf,
    walk: &'w Walk,
    known: Known,
    /// A file that was needed, and that the clone does not hold.
    pub(super) lacks: Option<TreePath>,
    /// What the configuration says of the models, by its content and the models.
    configs: HashMap<(Oid, BTreeSet<ModelAlias>), String>,
}

impl<'w> Lookup<'w> {
    pub(super) fn new(folder: &Path, walk: &'w Walk) -> Self {
        Self { folder: folder.to_owned(), walk, known: Known::default(), lacks: None, configs: HashMap::new() }
    }

    /// git's name for what is at a path.
    pub(super) fn at(&mut self, place: usize, path: &TreePath) -> Option<Oid> {
        self.walk.at(place, path, &mut self.known)
    }

    /// Whether two commits have the same of everything that a prompt needs.
    pub(super) fn is_same(&mut self, one: usize, other: usize, needs: &Needs) -> bool {
        if self.walk.is_same_project(one, other) {
            return true;
        }
        needs.reads.keys().all(|path| self.at(one, path) == self.at(other, path))
            && (!needs.open || self.walk.prompts(one) == self.walk.prompts(other))
            && (self.walk.config(one) == self.walk.config(other)
                || self.models_at(one, &needs.aliases) == self.models_at(other, &needs.aliases))
    }

    /// What the configuration of a commit says of these models. Only that one file is read.
    fn models_at(&mut self, place: usize, aliases: &BTreeSet<ModelAlias>) -> Option<String> {
        let key = (self.walk.config(place)?, aliases.clone());
        if let Some(known) = self.configs.get(&key) {
            return Some(known.clone());
        }
        let tree = CommitTree::open(&self.folder, &self.walk.hash(place)).ok()?;
        let mut problems = Problems::default();
        let config = Config::load(&tree, &mut problems).filter(|_| !problems.has_errors());
        let text = config.map_or_else(|| key.0.to_string(), |config| models(&config, aliases));
        self.configs.insert(key, text.clone());
        Some(text)
    }

    /// A prompt at a commit; `None` where there is none of that name.
    pub(super) fn load(&mut self, place: usize, name: &PromptName) -> Option<State> {
        self.at(place, &template_path(name))?;
        let mut state = State::at_commit(&self.folder, &self.walk.hash(place), name);
        let mut read = state.needs.reads.keys();
        self.lacks = self.lacks.take().or_else(|| read.find(|p| self.walk.lacks(place, p, &mut self.known)).cloned());
        let folder = self.at(place, &folder_of(SNAPSHOTS, name));
        state.parts.snapshots = files_in(self.walk, folder);
        Some(state)
    }

    /// What a prompt is called at a parent: it may have another name since.
    pub(super) fn name_at(&mut self, child: usize, parent: usize, name: &PromptName) -> Option<PromptName> {
        if self.at(parent, &template_path(name)).is_some() {
            return Some(name.clone());
        }
        self.at(child, &template_path(name))?;
        let old = self.walk.renamed_from(child, parent, &template_path(name))?;
        PromptName::new(old.below(PROMPTS)?.strip_suffix(ENDING)?).ok()
    }

    /// A prompt at a parent, under the name that it had there.
    pub(super) fn load_parent(&mut self, child: usize, parent: usize, name: &PromptName) -> Option<State> {
        let name = self.name_at(child, parent, name)?;
        self.load(parent, &name)
    }
}
