//! What git and the history of runs know of a project that is linted.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::case::Cases;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::cli::past::same_cases;
use crate::core::escape::terminal_line;
use crate::core::names::PromptName;
use crate::core::path::TreePath;
use crate::core::problem::{Problems, Source};
use crate::core::time::{Clock as _, day};
use crate::history::{Began, History, HistoryError, Versioned, WalkError, WrittenLine, added, alone, began, patches};
use crate::lint::{CommitEvidence, Evidence, FlakyEvidence, Linted, ResultEvidence, VersionEvidence};
use crate::plan::Workspace;
use crate::project::{CONFIG_FILE, Config};
use crate::prompt::{ENDING, PROMPTS, Prompt, Prompts, Renamed};
use crate::run::find_documents;
use crate::tree::{CommitTree, Tree, TreeError, before, merge_base};

/// How far back commits are looked at, in days.
const PAST: i64 = 90;

/// What git and the history of runs know.
pub(super) fn evidence(
    context: &Context,
    project: &Project,
    workspace: &Workspace,
    selected: &[usize],
    (at, base): (Option<&str>, Option<&str>),
) -> Result<Evidence, Failure> {
    let head = at.unwrap_or("HEAD");
    let now = context.take_clock().now();
    let mut evidence = Evidence { today: day(now), ..Evidence::default() };
    compared(context, project, workspace, (at, base), &mut evidence)?;
    if base.is_none() {
        evidence.began =
            note(context, "where versions began", versions(project, head, workspace, selected, &evidence))?;
    }
    let mut commits: BTreeMap<String, Vec<CommitEvidence>> = BTreeMap::new();
    for (path, found) in note(context, "the last commits", patches(&project.root, head, now, PAST))? {
        let commit = |patch: crate::history::Patch| CommitEvidence {
            days: patch.days,
            commit: patch.commit,
            lines: patch.lines,
            reverts: patch.reverts,
        };
        commits.insert(path, found.into_iter().map(commit).collect());
    }
    evidence.commits = Arc::new(commits);
    let history = History::open(&project.root).and_then(|history| match history {
        Some(history) => runs(&history, workspace, selected, &mut evidence),
        None => Ok(()),
    });
    if let Err(error) = history {
        let text = format!("note: the history of runs is not looked at: {error}");
        writeln!(context.err(), "{}", terminal_line(&text))?;
    }
    Ok(evidence)
}

/// What git says; that it cannot say it is told, but for a project outside of git.
pub(super) fn note<T: Default>(context: &Context, what: &str, said: Result<T, WalkError>) -> Result<T, Failure> {
    match said {
        Ok(said) => return Ok(said),
        Err(WalkError::Commit(_)) => {}
        Err(error) => {
            let text = format!("note: {what} cannot be told: {error}");
            writeln!(context.err(), "{}", terminal_line(&text))?;
        }
    }
    Ok(T::default())
}

/// Since when what was found is there and who wrote it, where that is told, or of all of it: by the lines in which it stands.
pub(super) fn since(
    root: &Path,
    head: &str,
    linted: &Linted,
    all: bool,
) -> Result<Vec<Option<(String, String)>>, WalkError> {
    let mark = |(source, span): (&Arc<Source>, &Range<usize>)| {
        let line = source.text.get(source.line_range(source.line_column(span.start).0)).unwrap_or_default();
        WrittenLine { path: source.path.clone(), line: line.to_owned() }
    };
    let marks: Vec<WrittenLine> = linted.places(all).map(mark).collect();
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    Ok(added(root, head, &marks)?.into_iter().map(|found| found.map(|one| (day(one.time), one.by))).collect())
}

fn runs(
    history: &History,
    workspace: &Workspace,
    selected: &[usize],
    evidence: &mut Evidence,
) -> Result<(), HistoryError> {
    let flaky = history.flaky(100_000)?.into_iter().map(|row| FlakyEvidence {
        prompt: row.prompt,
        case: row.case,
        model: row.model,
        flaky_runs: row.flaky_runs,
        runs: row.runs,
    });
    evidence.flaky = Arc::new(flaky.collect());
    let mut results = Vec::new();
    for prompt in selected.iter().map(|index| workspace.prompts.list[*index].name.as_str()) {
        let rows = history.outcomes(prompt)?.into_iter();
        results.extend(rows.map(|row| ResultEvidence {
            prompt: prompt.to_owned(),
            case: row.case,
            model: row.model,
            digest: row.digest,
            failed: row.failed,
        }));
    }
    evidence.results = Arc::new(results);
    Ok(())
}

/// The project that this one is compared with: at the named commit, else where the branch began, else at HEAD; of a commit that
/// began no branch its parent.
fn compared(
    context: &Context,
    project: &Project,
    workspace: &Workspace,
    (at, base): (Option<&str>, Option<&str>),
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let (revision, name) = match (base, at) {
        (Some(base), _) => (base.to_owned(), base.to_owned()),
        (None, Some(at)) => match before(&project.root, at) {
            Ok(base) => (base.commit, base.describe),
            // The first commit of all has nothing before it.
            Err(_) => return Ok(()),
        },
        (None, None) => match merge_base(&project.root, None) {
            Ok(base) => (base.commit, base.describe),
            Err(_) => ("HEAD".to_owned(), "HEAD".to_owned()),
        },
    };
    evidence.before_name = name;
    let found = match (Project::find_or_nothing(context, &revision), base) {
        (Ok(found), _) => found,
        (Err(failure), Some(_)) => return Err(failure),
        // Without a repository there is no past.
        (Err(_), None) => return Ok(()),
    };
    let tree = Arc::clone(&found.tree);
    let config = TreePath::new(CONFIG_FILE).map_err(Failure::usage)?;
    if matches!(tree.read(&config, u64::MAX), Err(TreeError::Missing(_))) {
        return Ok(());
    }
    let mut problems = Problems::default();
    let loaded = Config::load(&*tree, &mut problems).map(|config| {
        let prompts = Prompts::load(&tree, &config, &mut problems);
        evidence.renamed = Renamed::find(&prompts, &workspace.prompts, &same_cases(&*tree, &*workspace.tree));
        let is_other = |prompt: &Prompt| {
            let then = evidence.renamed.name_before(&prompt.name).unwrap_or_else(|| prompt.name.clone());
            prompts.get(&then).is_some_and(|before| before.digest != prompt.digest)
        };
        // How many cases there were matters only of prompts that were otherwise.
        let cases = if base.is_some() || workspace.prompts.list.iter().any(is_other) {
            Cases::load(&*tree, &config, &prompts, &mut problems)
        } else {
            Cases::default()
        };
        let mut workspace = Workspace { tree: Arc::clone(&tree), config, prompts, cases };
        find_documents(&mut workspace, &found.store(), &mut problems);
        workspace
    });
    match loaded {
        Some(workspace) if !problems.has_errors() => evidence.before = Some(workspace),
        // What nobody named need not be in order.
        _ if base.is_none() => evidence.renamed = Renamed::default(),
        _ => return Err(Failure::from(problems).at(&tree.describe())),
    }
    Ok(())
}

/// Of the prompts that are what they were before: the project as it was where their versions began.
fn versions(
    project: &Project,
    head: &str,
    workspace: &Workspace,
    selected: &[usize],
    evidence: &Evidence,
) -> Result<BTreeMap<PromptName, VersionEvidence>, WalkError> {
    let is_as_before = |prompt: &&Prompt| {
        let then = evidence.renamed.name_before(&prompt.name).unwrap_or_else(|| prompt.name.clone());
        let before = evidence.before.as_ref().and_then(|before| before.prompts.get(&then));
        before.is_none_or(|before| before.digest == prompt.digest)
    };
    let prompts = selected.iter().map(|index| &workspace.prompts.list[*index]).filter(is_as_before);
    let (names, versioned): (Vec<&PromptName>, Vec<Versioned>) = prompts
        .filter_map(|prompt| {
            let version = prompt.front.version.as_ref()?.to_string();
            let partials = prompt.partials.iter().map(|key| format!("{PROMPTS}/{key}")).collect();
            Some((&prompt.name, Versioned { path: prompt.path.to_string(), version, partials }))
        })
        .unzip();
    let mut by_commit: BTreeMap<String, Vec<(PromptName, PromptName)>> = BTreeMap::new();
    for (name, Began { commit, path }) in
        names.into_iter().zip(began(&project.root, head, &versioned)?).filter_map(|(name, began)| Some((name, began?)))
    {
        let then = path.strip_prefix(PROMPTS).and_then(|rest| rest.trim_start_matches('/').strip_suffix(ENDING));
        let then = then.and_then(|then| PromptName::new(then).ok()).unwrap_or_else(|| name.clone());
        by_commit.entry(commit).or_default().push((name.clone(), then));
    }
    let load = |(commit, (name, then)): (&String, &(PromptName, PromptName))| {
        let tree: Arc<dyn Tree> = Arc::new(CommitTree::open(&project.root, commit).ok()?);
        let mut problems = Problems::default();
        let workspace = Workspace::load(alone(&tree, std::slice::from_ref(then)), &mut problems);
        let workspace = workspace.filter(|_| !problems.has_errors())?;
        let version = workspace.prompts.get(then)?.front.version.as_ref()?.to_string();
        let since = format!("{} (where version {version} began)", commit.get(..12).unwrap_or(commit));
        Some((name.clone(), VersionEvidence { workspace, name: then.clone(), since }))
    };
    let all: Vec<_> =
        by_commit.iter().flat_map(|(commit, names)| names.iter().map(move |name| (commit, name))).collect();
    Ok(all.into_par_iter().filter_map(load).collect())
}
