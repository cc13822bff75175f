//! Versions of the past: `PROMPT@1.2.0`, `PROMPT@REV`, and what goes wrong on the way there.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use semver::Version;

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use crate::case::{Selection, SelectionError, cases_path};
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::verdict::Exit;
use crate::history::{Change, Entry, State, Versions, Walk, WalkError, alone};
use crate::prompt::{ENDING, PROMPTS};
use crate::tree::{CommitTree, Tree};

/// Why a command on the past stops.
pub(super) fn failure(error: &WalkError) -> Failure {
    Failure::usage(error.to_string())
}

/// The names of the prompts of a tree, whether they can be loaded or not.
pub(super) fn names(tree: &dyn Tree) -> BTreeSet<PromptName> {
    let files = TreePath::new(PROMPTS).ok().and_then(|folder| tree.list(&folder).ok()).unwrap_or_default();
    let name = |path: &TreePath| {
        let below = path.below(PROMPTS)?.strip_suffix(ENDING)?;
        let partial = below.split('/').any(|part| part.starts_with('_'));
        PromptName::new(below).ok().filter(|_| !partial)
    };
    files.iter().filter_map(name).collect()
}

/// The prompts that a pattern names in the working tree or at a commit; a name that neither knows may be one that was
/// removed.
pub(super) fn prompts(project: &Project, revision: &str, pattern: Option<&str>) -> Result<Vec<PromptName>, Failure> {
    let mut all = names(&*project.working);
    if let Ok(tree) = CommitTree::open(&project.root, revision) {
        all.extend(names(&tree));
    }
    let all: Vec<PromptName> = all.into_iter().collect();
    let Some(pattern) = pattern else { return Ok(all) };
    let known: Vec<&str> = all.iter().map(PromptName::as_str).collect();
    let selection = Selection { prompts: vec![pattern.to_owned()], ..Selection::default() };
    match selection.names(&known) {
        Ok(found) => Ok(found.into_iter().map(|index| all[index].clone()).collect()),
        Err(error @ SelectionError::NoMatch { .. }) => match PromptName::new(pattern.trim_end_matches(ENDING)) {
            Ok(name) => Ok(vec![name]),
            Err(_) => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The sides of `BASE..HEAD`, or of `BASE` and the working tree; an empty side is the working tree. The base of `A...B` is
/// where both were one, as in git.
pub(super) fn range(text: &str) -> (Option<&str>, Option<&str>) {
    let some = |revision| Some(revision).filter(|text: &&str| !text.is_empty());
    match (text.split_once("..."), text.split_once("..")) {
        (Some((_, head)), _) => (Some(text), some(head)),
        (None, Some((base, head))) => (some(base), some(head)),
        (None, None) => (Some(text), None),
    }
}

/// A tree that shows the selected prompts and nothing beside them. Where nothing is selected so, the whole tree: what is
/// wrong is said when it is selected from.
pub(super) fn only(tree: &Arc<dyn Tree>, selection: &Selection) -> Result<Arc<dyn Tree>, Failure> {
    let all: Vec<PromptName> = names(&**tree).into_iter().collect();
    let known: Vec<&str> = all.iter().map(PromptName::as_str).collect();
    match selection.names(&known) {
        Ok(found) => {
            let found: Vec<PromptName> = found.into_iter().map(|index| all[index].clone()).collect();
            Ok(alone(tree, &found))
        }
        Err(error @ SelectionError::BadGlob(..)) => Err(error.into()),
        Err(_) => Ok(Arc::clone(tree)),
    }
}

/// `PROMPT@VERSION` in its parts.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once('@').map_or((text, None), |(prompt, version)| (prompt, Some(version)))
}

/// A prompt at a version, in a project that shows nothing beside it.
pub(super) struct Found {
    pub(super) project: Project,
    /// What it is called there.
    pub(super) name: PromptName,
    /// The commit; `None`: the working tree.
    pub(super) commit: Option<String>,
}

/// The prompt that `PROMPT@VERSION` or `PROMPT@REV` means. Mistakes in other prompts are not looked at.
pub(super) fn project_at(context: &Context, pattern: &str) -> Result<Found, Failure> {
    let (prompt, version) = split(pattern);
    let project = Project::around(context)?;
    if version.is_none() {
        project.needs_files("to read", "name a commit (`PROMPT@HEAD`), or clone it")?;
    }
    let found = prompts(&project, version.unwrap_or("HEAD"), Some(prompt))?;
    let [name] = &found[..] else {
        return Err(Failure::usage(format!("`{prompt}` names several prompts; name one")));
    };
    let (name, commit) = match version {
        Some(version) => find(&project, name, version)?,
        None => (name.clone(), None),
    };
    let mut project = Project::find(context, commit.as_deref())?;
    project.tree = alone(&project.tree, std::slice::from_ref(&name));
    Ok(Found { project, name, commit })
}

/// A prompt's name and the commit at a version that it had, where the text is one; no commit is the working tree.
pub(super) fn commit_of(
    context: &Context,
    prompt: &str,
    text: &str,
) -> Result<Option<(PromptName, Option<String>)>, Failure> {
    if Version::parse(text.strip_prefix('v').unwrap_or(text)).is_err() {
        return Ok(None);
    }
    let project = Project::around(context)?;
    match &prompts(&project, "HEAD", Some(prompt))?[..] {
        [name] => find(&project, name, text).map(Some),
        _ => Ok(None),
    }
}

/// The newest commit at which a prompt had this version, and its name there, else the working tree, where it has it; else
/// the commit that a tag, a branch or a hash names.
fn find(project: &Project, name: &PromptName, version: &str) -> Result<(PromptName, Option<String>), Failure> {
    if let Ok(wanted) = Version::parse(version.strip_prefix('v').unwrap_or(version)) {
        let walk = Walk::new(&project.root, "HEAD", None).map_err(|error| failure(&error))?;
        let (mut found, mut known) = (None, Vec::new());
        let mut look = |entry: Entry| {
            // The commit that removed it is none at which it was there.
            let version = version_of(&entry.state).filter(|_| !entry.changes.contains(&Change::Removed));
            if version.as_ref() == Some(&wanted) {
                found = Some((entry.state.name.clone(), entry.about.map(|about| about.commit)));
                return ControlFlow::Break(());
            }
            known.extend(version.filter(|version| !known.contains(version)));
            ControlFlow::Continue(())
        };
        let mut versions = Versions::new(&project.root, &walk);
        versions.find(name, None, &mut look).map_err(|error| failure(&error))?;
        if let Some(found) = found {
            return Ok(found);
        }
        let working = project.files().and_then(|tree| version_of(&State::load(tree, name)));
        if working.as_ref() == Some(&wanted) {
            return Ok((name.clone(), None));
        }
        if CommitTree::open(&project.root, version).is_err() {
            let message = format!("the prompt `{name}` had no version {wanted} at any commit, and no tag is called so");
            let unlisted = working.filter(|version| !known.contains(version));
            let known: Vec<String> = unlisted.iter().chain(&known).take(8).map(ToString::to_string).collect();
            let shallow = "; this clone is shallow and does not hold all of them: `git fetch --unshallow`";
            let shallow = if walk.ends().is_empty() { "" } else { shallow };
            let help = format!("versions: {}; `promptctl log {name}` has them all{shallow}", known.join(", "));
            return Err(Failure::Message { exit: Exit::Nothing, message, help: Some(help) });
        }
    }
    let tree = CommitTree::open(&project.root, version)?;
    let name = if names(&tree).contains(name) { name.clone() } else { name_at(project, name, tree.commit()) };
    Ok((name, Some(tree.commit().to_owned())))
}

/// What the author called a prompt's version.
fn version_of(state: &State) -> Option<Version> {
    state.version.as_deref().and_then(|text| Version::parse(text).ok())
}

/// What a prompt was called at a commit that has none of its present name; that name where it had no other.
fn name_at(project: &Project, name: &PromptName, commit: &str) -> PromptName {
    let walk = Walk::new(&project.root, "HEAD", None);
    let renamed = walk.ok().and_then(|walk| Versions::new(&project.root, &walk).name_at(name, commit));
    renamed.unwrap_or_else(|| name.clone())
}

/// Whether two prompts have the very same file of cases.
pub(super) fn same_cases<'t>(
    before: &'t dyn Tree,
    now: &'t dyn Tree,
) -> impl Fn(&PromptName, &PromptName) -> bool + 't {
    |old, new| {
        let read = |tree: &dyn Tree, name: &PromptName| tree.read(&cases_path(name), u64::MAX).ok();
        read(before, old).is_some_and(|text| read(now, new) == Some(text))
    }
}
