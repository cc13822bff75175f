//! A project at a commit or in the working tree, loaded and planned, with its recordings.

use crate::case::Selection;
use crate::cli::ask;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::cli::past;
use crate::cli::render::find_models;
use crate::core::names::{ModelAlias, PromptName};
use crate::core::path::TreePath;
use crate::core::suggest::did_you_mean;
use crate::cost::{Requests, gather};
use crate::history::{alone, template_path};
use crate::plan::{Overrides, Plan};
use crate::project::{CONFIG_FILE, CostSettings};
use crate::recording::Store;
use crate::run::Prepared;

/// One side.
pub(super) struct Side {
    pub(super) project: Project,
    pub(super) prepared: Prepared,
    pub(super) selected: Vec<usize>,
    pub(super) plan: Plan,
    pub(super) store: Store,
    /// Whether every prompt of the project is looked at.
    is_whole: bool,
}

impl Side {
    /// The prompts that were asked for. Mistakes in others do not matter.
    pub(super) fn load(
        context: &Context,
        revision: Option<&str>,
        prompts: &[String],
        models: &[String],
    ) -> Result<Self, Failure> {
        let mut project = Project::find(context, revision)?;
        let selection = Selection { prompts: prompts.to_vec(), ..Selection::default() };
        if !prompts.is_empty() {
            project.tree = past::only(&project.tree, &selection)?;
        }
        let (prepared, _) = project.load().map_err(|failure| failure.at(&project.tree.describe()))?;
        let selected = selection.select(&prepared.workspace.prompts, &prepared.workspace.cases)?;
        let models = find_models(&prepared.workspace.config.models, models)?;
        let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
        let plan = prepared.plan(&selected, &Overrides { models, repeat: None })?;
        let store = ask::store(&project);
        Ok(Self { project, prepared, selected, plan, store, is_whole: prompts.is_empty() })
    }

    /// The same prompts in base, as far as they are there; `None` where none is.
    pub(super) fn load_base(
        context: &Context,
        revision: &str,
        head: &Self,
        models: &[String],
    ) -> Result<Option<Self>, Failure> {
        let mut project = Project::find_or_nothing(context, revision)?;
        let is_there = |path: &TreePath| project.tree.read(path, u64::MAX).is_ok();
        let names: Vec<PromptName> = head.prompts().into_iter().filter(|name| is_there(&template_path(name))).collect();
        if names.is_empty() || !TreePath::new(CONFIG_FILE).is_ok_and(|path| is_there(&path)) {
            return Ok(None);
        }
        project.tree = alone(&project.tree, &names);
        let (prepared, _) = project.load().map_err(|failure| failure.at(&project.tree.describe()))?;
        let workspace = &prepared.workspace;
        let is_wanted = |index: &usize| names.contains(&workspace.prompt_of(&workspace.cases.list[*index]).name);
        let selected: Vec<usize> = (0..workspace.cases.list.len()).filter(is_wanted).collect();
        let aliases = models.iter().flat_map(|alias| alias.split(',')).map(str::trim);
        let known = |alias: &str| workspace.config.models.iter().find(|entry| entry.alias.as_str() == alias);
        let wanted: Vec<ModelAlias> = aliases.filter_map(known).map(|entry| entry.alias.clone()).collect();
        if wanted.is_empty() && !models.is_empty() {
            return Ok(None);
        }
        let plan = prepared.plan(&selected, &Overrides { models: wanted, repeat: None })?;
        let store = ask::store(&project);
        Ok(Some(Self { project, prepared, selected, plan, store, is_whole: false }))
    }

    /// The prompts that are looked at, in the order of the plan.
    pub(super) fn prompts(&self) -> Vec<PromptName> {
        let workspace = &self.prepared.workspace;
        let mut names: Vec<PromptName> = self
            .plan
            .items
            .iter()
            .map(|item| workspace.prompt_of(&workspace.cases.list[item.case]).name.clone())
            .collect();
        names.dedup();
        names
    }

    /// What each request took.
    pub(super) fn requests(&self) -> Result<Vec<Requests>, Failure> {
        Ok(gather(&self.prepared, &self.plan, &self.store)?)
    }

    /// What of the settings names no prompt.
    pub(super) fn notes(&self, settings: &CostSettings) -> Vec<String> {
        if !self.is_whole {
            return Vec::new();
        }
        let names: Vec<&str> = self.prepared.workspace.prompts.list.iter().map(|prompt| prompt.name.as_str()).collect();
        let unknown = settings.prompts().filter(|prompt| !names.contains(&prompt.as_str()));
        let mut notes: Vec<String> = unknown
            .map(|prompt| {
                let hint = did_you_mean(prompt, names.iter().copied());
                format!("{CONFIG_FILE} names the prompt `{prompt}` under `cost`, and there is none{hint}")
            })
            .collect();
        notes.dedup();
        notes
    }
}
