//! `review: { require-reason: true }`: an answer that was accepted anew says why.

use std::collections::BTreeSet;

use super::failure::Failure;
use super::load::Project;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem};
use crate::plan::Plan;
use crate::run::Prepared;
use crate::snapshot::{Index, snapshot_path};
use crate::tree::{CommitTree, merge_base};

/// Accepted answers of planned cases that differ from those at the base, and do not say why. Nothing where no base can
/// be told, or where it cannot be read.
pub(super) fn missing(
    project: &Project,
    prepared: &Prepared,
    plan: &Plan,
    with: Option<&str>,
) -> Result<Vec<Problem>, Failure> {
    let workspace = &prepared.workspace;
    if !workspace.config.require_reason {
        return Ok(Vec::new());
    }
    let Ok(base) = merge_base(&project.root, with) else { return Ok(Vec::new()) };
    let Ok(tree) = CommitTree::open(&project.root, &base.commit) else { return Ok(Vec::new()) };
    let (Ok(before), now) = (Index::load(&tree), Index::load(&*project.tree)?) else { return Ok(Vec::new()) };
    let paths: BTreeSet<TreePath> = plan
        .items
        .iter()
        .map(|item| {
            let case = &workspace.cases.list[item.case];
            let model = &workspace.config.models[item.model].alias;
            snapshot_path(&workspace.prompt_of(case).name, &case.name, model)
        })
        .filter(|path| before.contains(path) && now.contains(path))
        .collect();
    let mut found = Vec::new();
    for path in paths {
        let Ok(Some(old)) = before.get(&tree, &path) else { continue };
        // One that cannot be read is told of where it is compared.
        let Ok(Some(new)) = now.get(&*project.tree, &path) else { continue };
        if old.body() == new.body() {
            continue;
        }
        let reason = new.header().map(|header| header.info.reason).unwrap_or_default();
        let what = if reason.trim().is_empty() {
            "no reason"
        } else if old.header().is_ok_and(|header| header.info.reason == reason) {
            "the reason of the answer before it"
        } else {
            continue;
        };
        let message = format!("this accepted answer differs from the one at {}, and carries {what}", base.describe);
        let commit = base.commit.get(..12).unwrap_or(&base.commit);
        let help = format!(
            "write `reason: …` below `info:` in it, or take the former back (`git checkout {commit} -- {path}`), test, and \
             `promptctl accept --reason …`"
        );
        found.push(Problem::error(Place::File(path.to_string()), message).help(help));
    }
    Ok(found)
}
