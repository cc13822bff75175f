//! `promptctl prune`: recordings and snapshots that no case uses any more.

use std::collections::HashSet;

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use crate::core::names::RequestKey;
use crate::core::path::TreePath;
use crate::core::verdict::Exit;
use crate::plan::{Overrides, Plan};
use crate::recording::{SettleError, Store, audited, prune, unused};
use crate::retrieval::kept::kept_path;
use crate::run::Prepared;
use crate::snapshot::{Index, pending_path, snapshot_path};
use crate::tree::write;

/// Show recordings and snapshots that no case uses any more; delete them with --delete.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Delete what is shown.
    #[arg(long)]
    delete: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    // Only a project that loads as a whole says what is used.
    let (prepared, _) = project.load()?;
    let (mut keys, snapshots) = used(&prepared, &project.store())?;
    keys.extend(super::audit::used(context, &project, &prepared, &audited(&*project.tree)?)?);
    let lines = unused(&*project.tree, &keys)?;
    let index = Index::load(&*project.tree)?;
    // What a retriever found is used as long as there is the retriever.
    let found: HashSet<TreePath> =
        prepared.workspace.config.retrievers.iter().map(|one| kept_path(&one.name)).collect();
    let is_used = |path: &&TreePath| snapshots.contains(*path) || found.contains(*path);
    let obsolete: Vec<&TreePath> = index.paths().filter(|path| !is_used(path)).collect();
    for line in &lines {
        writeln!(context.out(), "{}:{}: case `{}` sample {}", line.path, line.number, line.case, line.sample)?;
    }
    for path in &obsolete {
        writeln!(context.out(), "{path}")?;
    }
    let what = format!("{} recordings and {} snapshots that no case uses", lines.len(), obsolete.len());
    if lines.is_empty() && obsolete.is_empty() {
        writeln!(context.out(), "nothing to prune")?;
        return Ok(Exit::Good);
    }
    if !args.delete {
        writeln!(context.out(), "{what}; --delete removes them")?;
        return Ok(Exit::Good);
    }
    prune(&project.root, &*project.tree, &lines).map_err(|error| match error {
        SettleError::Damaged(problems) => Failure::from(problems),
        other => Failure::usage(other.to_string()),
    })?;
    for path in obsolete {
        write::remove(&project.root, path)?;
    }
    writeln!(context.out(), "deleted {what}")?;
    Ok(Exit::Good)
}

/// Every key and every snapshot that the definition of the project uses: all cases on all models, not those that
/// some run selected.
fn used(prepared: &Prepared, store: &Store) -> Result<(HashSet<RequestKey>, HashSet<TreePath>), Failure> {
    let workspace = &prepared.workspace;
    let all: Vec<usize> = (0..workspace.cases.list.len()).collect();
    // A case may be tested on any model of the project with --model. Samples beyond its `repeat` are nobody's.
    let models = workspace.config.models.iter().map(|entry| entry.alias.clone()).collect();
    // What a model cannot be sent is never recorded for it, and does no harm here.
    let plan = Plan::new(workspace, &all, &Overrides { models, repeat: None }, &|_, _| Ok(()))?;
    // What was said later, and what judges say of it, follows from the answers.
    let mut keys = prepared.reached(&plan, store)?;
    keys.extend(workspace.cases.list.iter().filter_map(|case| Some(case.retrieval.as_ref()?.key.clone())));
    let mut snapshots = HashSet::new();
    for item in &plan.items {
        let case = &workspace.cases.list[item.case];
        let path =
            snapshot_path(&workspace.prompt_of(case).name, &case.name, &workspace.config.models[item.model].alias);
        keys.extend(item.keys.iter().cloned());
        snapshots.insert(pending_path(&path));
        snapshots.insert(path);
    }
    Ok((keys, snapshots))
}
