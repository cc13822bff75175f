//! `promptctl test --changed`: only the prompts that a branch changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;

use rayon::prelude::*;

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use crate::core::escape::terminal_line;
use crate::core::event::{Event, Listener};
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::problem::{Place, Problem, Problems};
use crate::core::verdict::{Exit, Summary, Verdict};
use crate::plan::{Item, Overrides, Plan, Workspace};
use crate::project::Config;
use crate::prompt::{Prompt, Prompts};
use crate::recording::{Store, recorded_path};
use crate::run::{Prepared, RunError, RunResult, Settings};
use crate::tree::{BaseError, CommitTree, RepositoryError, Tree, is_ignored, merge_base};

/// What to do where the base cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Fallback {
    /// Test everything, and say so.
    All,
    /// Test nothing, and say what to do (exit code 2).
    Error,
}

/// All that decides what becomes of every case and model of each prompt, as digests; `None` where that cannot be told.
type ByPrompt = BTreeMap<PromptName, BTreeMap<(CaseName, ModelAlias), Option<String>>>;

/// Takes out of the plan what is as it was at the base, and says so. Gives what is to be said of versions that did not
/// move with their prompts.
pub(super) fn keep(
    context: &Context,
    project: &Project,
    prepared: &Prepared,
    plan: &mut Plan,
    overrides: &Overrides,
    with: Option<&str>,
    fallback: Fallback,
) -> Result<Vec<Problem>, Failure> {
    let base = match merge_base(&project.root, with) {
        Ok(base) => base,
        Err(error) if fallback == Fallback::All && cannot_be_told(&error) => {
            let text = format!("everything is tested, as what changed cannot be told: {error}");
            writeln!(context.err(), "{}", terminal_line(&text))?;
            return Ok(unmoved_here(project, prepared, plan));
        }
        Err(error) => return Err(failure(&error)),
    };
    let unmoved = unmoved_since(project, prepared, plan, &base.commit);
    let before = Project::find_or_nothing(context, &base.commit)?;
    let mut problems = Problems::default();
    let loaded = crate::plan::Workspace::load(Arc::clone(&before.tree), &mut problems)
        .map(|workspace| Prepared::new(workspace, &mut problems))
        .filter(|_| !problems.has_errors());
    let all = loaded.as_ref().map(|loaded| (0..loaded.workspace.cases.list.len()).collect::<Vec<usize>>());
    let planned = loaded.as_ref().zip(all).and_then(|(loaded, all)| Some((loaded, loaded.plan(&all, overrides).ok()?)));
    let Some((base_prepared, base_plan)) = planned else {
        let at = &base.describe;
        writeln!(context.err(), "the project cannot be loaded at {at}, so everything counts as changed")?;
        return Ok(unmoved);
    };
    let is_kept = |name: &PromptName, model: &ModelAlias| {
        let path = recorded_path(name, model);
        before.tree.read(&path, u64::MAX).is_ok() || !is_ignored(&project.root, &path)
    };
    let old = deciding(base_prepared, &base_plan, &Store::open(Arc::clone(&before.tree)).glancing(), &is_kept);
    let new = deciding(prepared, plan, &project.store(), &is_kept);
    let is_as_it_was = |name: &PromptName| {
        let (Some(old), Some(new)) = (old.get(name), new.get(name)) else { return false };
        new.iter().all(|(case, decides)| decides.is_some() && old.get(case) == Some(decides))
    };
    let same: BTreeSet<PromptName> = new.keys().filter(|name| is_as_it_was(name)).cloned().collect();
    let prompt_of = |item: &Item| prepared.workspace.prompt_of(&prepared.workspace.cases.list[item.case]).name.clone();
    let planned = plan.items.len();
    plan.items.retain(|item| !same.contains(&prompt_of(item)));
    let changed: Vec<&str> = new.keys().filter(|name| !same.contains(*name)).map(PromptName::as_str).collect();
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let left_out: Vec<&str> = same.iter().map(PromptName::as_str).collect();
    let text = format!(
        "changed since {}: {}; left out, as neither their requests and expectations nor recorded or accepted answers differ: {} ({} of {planned})",
        base.describe,
        list(&changed),
        list(&left_out),
        planned - plan.items.len()
    );
    writeln!(context.err(), "{}", terminal_line(&text))?;
    Ok(unmoved)
}

/// A run in which there is nothing to do, and nothing wrong.
pub(super) fn empty_run(listener: &mut dyn Listener, settings: &Settings) -> Result<RunResult, RunError> {
    let mut summary = Summary::default();
    for verdict in Verdict::ALL {
        summary.verdicts.entry(verdict).or_default();
    }
    let (heading, provenance, shard) = (settings.heading.clone(), settings.provenance.clone(), settings.shard.clone());
    listener.on(&Event::Started { planned: 0, heading, calls: 0, provenance, shard })?;
    listener.on(&Event::Ended(Box::new(summary.clone())))?;
    Ok(RunResult { summary, exit: Exit::Good, problems: Problems::default() })
}

/// What decides each case. Recordings that no commit keeps cannot be compared; `is_kept` says which are.
fn deciding(
    prepared: &Prepared,
    plan: &Plan,
    store: &Store,
    is_kept: &dyn Fn(&PromptName, &ModelAlias) -> bool,
) -> ByPrompt {
    let workspace = &prepared.workspace;
    let name_of = |item: &Item| {
        let case = &workspace.cases.list[item.case];
        (&workspace.prompt_of(case).name, &workspace.config.models[item.model].alias, &case.name)
    };
    let mut kept = BTreeMap::new();
    for (prompt, model, _) in plan.items.iter().map(name_of) {
        kept.entry((prompt, model)).or_insert_with(|| is_kept(prompt, model));
    }
    let decides = |item: &Item| {
        let (prompt, model, _) = name_of(item);
        prepared.deciding(item, Some(store).filter(|_| kept[&(prompt, model)]))
    };
    let digests: Vec<Option<String>> = plan.items.par_iter().map(decides).collect();
    let mut by_prompt = ByPrompt::new();
    for (item, digest) in plan.items.iter().zip(digests) {
        let (prompt, model, case) = name_of(item);
        by_prompt.entry(prompt.clone()).or_default().insert((case.clone(), model.clone()), digest);
    }
    by_prompt
}

/// Prompts that changed under a version that did not, since the branch began, or since the last commit where no branch is
/// known.
pub(super) fn unmoved_here(project: &Project, prepared: &Prepared, plan: &Plan) -> Vec<Problem> {
    let base = merge_base(&project.root, None).map_or_else(|_| "HEAD".to_owned(), |base| base.commit);
    unmoved_since(project, prepared, plan, &base)
}

/// Planned prompts that changed under a version that did not, since a commit. Only prompts are read of that commit, so that
/// mistakes in its cases do not matter; one that cannot be read says nothing.
fn unmoved_since(project: &Project, prepared: &Prepared, plan: &Plan, base: &str) -> Vec<Problem> {
    let workspace = &prepared.workspace;
    let planned: BTreeSet<usize> = plan.items.iter().map(|item| workspace.cases.list[item.case].prompt).collect();
    if planned.iter().all(|index| workspace.prompts.list[*index].front.version.is_none()) {
        return Vec::new();
    }
    let Ok(tree) = CommitTree::open(&project.root, base) else { return Vec::new() };
    let tree: Arc<dyn Tree> = Arc::new(tree);
    let mut problems = Problems::default();
    let Some(config) = Config::load(&*tree, &mut problems) else { return Vec::new() };
    let is_planned = |prompt: &Prompt| planned.iter().any(|index| workspace.prompts.list[*index].name == prompt.name);
    unmoved(workspace, &Prompts::load(&tree, &config, &mut problems), &is_planned)
}

/// Prompts that changed under a version that did not.
fn unmoved(head: &Workspace, base: &Prompts, looks_at: &dyn Fn(&Prompt) -> bool) -> Vec<Problem> {
    let strict = head.config.strict_versions;
    let mut found = Vec::new();
    for prompt in head.prompts.list.iter().filter(|prompt| looks_at(prompt)) {
        let Some(before) = base.get(&prompt.name) else { continue };
        let (Some(version), Some(old)) = (&prompt.front.version, &before.front.version) else { continue };
        if version != old || prompt.digest == before.digest {
            continue;
        }
        let message = format!("the prompt `{}` changed, and its version is still {version}", prompt.name);
        let place = Place::File(prompt.path.to_string());
        let problem = if strict { Problem::error(place, message) } else { Problem::warning(place, message) };
        let help = format!("`promptctl bump {} patch`, or minor or major where callers must know", prompt.name);
        found.push(problem.help(help));
    }
    found
}

/// Whether there may well be a base, but not here. A misspelt one stays a mistake.
fn cannot_be_told(error: &BaseError) -> bool {
    !matches!(error, BaseError::Repository(RepositoryError::NoCommit { .. }))
}

fn failure(error: &BaseError) -> Failure {
    let everything = "or test everything where that is so: `--changed-fallback all`";
    let help = match error {
        BaseError::Shallow(_) => Some(format!(
            "fetch the history: with actions/checkout `fetch-depth: 0`, else `git fetch --unshallow`, or a part of it, \
             `git fetch --deepen=100`;\n    {everything}"
        )),
        BaseError::ShallowWithout(_) => Some(format!(
            "fetch the history of all branches: with actions/checkout `fetch-depth: 0`, else `git remote set-branches \
             origin '*' && git fetch --unshallow`; a branch of origin is named `--changed=origin/BRANCH`;\n    {everything}"
        )),
        BaseError::NoDefault | BaseError::Unrelated(_) => {
            Some(format!("name what to compare with: `--changed=BRANCH`;\n    {everything}"))
        }
        BaseError::Repository(RepositoryError::NoCommit { .. }) => None,
        BaseError::Repository(_) => Some("`--changed-fallback all` tests everything where that is so".to_owned()),
    };
    let failure = Failure::usage(error.to_string());
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}
