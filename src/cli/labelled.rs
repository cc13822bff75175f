//! How many answers of each prompt a model could be tuned on: those that an export for fine-tuning would write.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Failure;
use super::load::Project;
use crate::core::names::{CaseName, PromptName};
use crate::core::verdict::Outcome;
use crate::export::fine_tune::{Format, MAX_TOKENS, Source, Wanted, accepted};
use crate::plan::Plan;
use crate::recording::Store;
use crate::run::Prepared;
use crate::snapshot::{Index, snapshot_path};

/// Cases with an accepted answer, by prompt: on a model of the plan one that is accepted as it is now; on another model one that
/// a person accepted.
pub(super) fn labelled(
    project: &Project,
    prepared: &Prepared,
    plan: &Plan,
    outcomes: &[Outcome],
    (store, index): (&Store, &Index),
) -> Result<BTreeMap<PromptName, u64>, Failure> {
    let workspace = &prepared.workspace;
    let wanted = Wanted {
        format: Format::OpenAi,
        keeps_system: true,
        source: Source::Both,
        holdout: 0.0,
        seed: 0,
        max_tokens: MAX_TOKENS,
    };
    let found = accepted(prepared, plan, outcomes, store, &wanted)?;
    let mut cases: BTreeSet<(PromptName, CaseName)> =
        found.examples.into_iter().map(|example| (example.prompt, example.case)).collect();
    let planned: BTreeSet<(usize, usize)> = plan.items.iter().map(|item| (item.case, item.model)).collect();
    for index_of in plan.items.iter().map(|item| item.case).collect::<BTreeSet<usize>>() {
        let case = &workspace.cases.list[index_of];
        let prompt = &workspace.prompt_of(case).name;
        for (model, entry) in workspace.config.models.iter().enumerate() {
            let path = snapshot_path(prompt, &case.name, &entry.alias);
            if planned.contains(&(index_of, model)) || !index.contains(&path) {
                continue;
            }
            let snapshot = index.get(&*project.tree, &path)?;
            if snapshot.is_some_and(|accepted| accepted.header().is_ok_and(|header| !header.info.failing)) {
                cases.insert((prompt.clone(), case.name.clone()));
            }
        }
    }
    let mut counts = BTreeMap::new();
    for (prompt, _) in cases {
        *counts.entry(prompt).or_default() += 1;
    }
    Ok(counts)
}
