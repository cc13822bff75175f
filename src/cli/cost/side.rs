//! A project at a commit or in the working tree, loaded and planned, with its recordings.

use super::renames::Renames;
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
    /// The prompts that are looked at, whether they have cases or not.
    looked_at: Vec<PromptName>,
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
        let workspace = &prepared.workspace;
        let selected = selection.select(&workspace.prompts, &workspace.cases)?;
        let names: Vec<&str> = workspace.prompts.list.iter().map(|prompt| prompt.name.as_str()).collect();
        let looked_at = selection.names(&names)?;
        let looked_at = looked_at.into_iter().map(|index| workspace.prompts.list[index].name.clone()).collect();
        let models = find_models(&prepared.workspace.config.models, models)?;
        let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
        let plan = prepared.plan(&selected, &Overrides { models, repeat: None })?;
        let store = ask::store(&project);
        Ok(Self { project, prepared, selected, plan, store, looked_at, is_whole: prompts.is_empty() })
    }

    /// The same prompts in base, by the names that they had there, as far as they are there; `None` where none is.
    pub(super) fn load_base(
        mut project: Project,
        renames: &Renames,
        head: &Self,
        models: &[String],
    ) -> Result<Option<Self>, Failure> {
        let is_there = |path: &TreePath| project.tree.read(path, u64::MAX).is_ok();
        let before = head.looked_at.iter().map(|name| renames.before(name).clone());
        let names: Vec<PromptName> = before.filter(|name| is_there(&template_path(name))).collect();
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
        Ok(Some(Self { project, prepared, selected, plan, store, looked_at: names, is_whole: false }))
    }

    /// The prompts that have cases, in the order of the plan.
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

    /// The prompts that are looked at and have no case.
    pub(super) fn uncounted(&self) -> impl Iterator<Item = &PromptName> {
        let counted = self.prompts();
        self.looked_at.iter().filter(move |name| !counted.contains(name))
    }

    /// Whether nothing is looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.looked_at.is_empty()
    }

    /// What a prompt is, where it is there.
    pub(super) fn digest(&self, name: &PromptName) -> Option<&str> {
        self.prepared.workspace.prompts.get(name).map(|prompt| prompt.digest.as_str())
    }

    /// The models of a prompt that has no case to say others: those that were asked for, its own, or the project's.
    pub(super) fn models(&self, name: &PromptName, asked: &[String]) -> Result<Vec<ModelAlias>, Failure> {
        let config = &self.prepared.workspace.config;
        let named = find_models(&config.models, asked)?;
        let own = self.prepared.workspace.prompts.get(name).and_then(|prompt| prompt.front.models.clone());
        let models: Vec<ModelAlias> = match own {
            _ if !named.is_empty() => named.into_iter().map(|entry| entry.alias.clone()).collect(),
            Some(own) => own,
            None => config.defaults.models.clone(),
        };
        let first = config.models.first().map(|entry| entry.alias.clone()).filter(|_| models.is_empty());
        Ok(models.into_iter().chain(first).collect())
    }

    /// What each request took.
    pub(super) fn requests(&self) -> Result<Vec<Requests>, Failure> {
        Ok(gather(&self.prepared, &self.plan, &self.store)?)
    }

    /// A budget for a prompt that there is not: nothing would ever be held to it.
    pub(super) fn check_budgets(&self, settings: &CostSettings) -> Result<(), Failure> {
        let names = self.names();
        let Some(prompt) = settings.budgets.keys().find(|prompt| self.is_whole && !names.contains(&prompt.as_str()))
        else {
            return Ok(());
        };
        let hint = did_you_mean(prompt, names.iter().copied());
        let message = format!("{CONFIG_FILE} has a budget for the prompt `{prompt}`, and there is none{hint}");
        Err(Failure::usage(message).help("correct its name under `cost: { budget: { prompts: … } }`, or take it out"))
    }

    fn names(&self) -> Vec<&str> {
        self.prepared.workspace.prompts.list.iter().map(|prompt| prompt.name.as_str()).collect()
    }

    /// What of the settings names no prompt.
    pub(super) fn notes(&self, settings: &CostSettings) -> Vec<String> {
        if !self.is_whole {
            return Vec::new();
        }
        let names = self.names();
        let unknown = settings.volumes.keys().filter(|prompt| !names.contains(&prompt.as_str()));
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
