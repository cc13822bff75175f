//! Which recordings an audit could still ask for.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Audit;
use crate::audit::{Bench, Experiment};
use crate::case::Case;
use crate::cli::ask::{AskArgs, Asker, Keep};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::core::names::{PromptName, RequestKey};
use crate::plan::{Overrides, Plan};
use crate::recording::{Line, Store};
use crate::retrieval::ideals;
use crate::run::{Mode, Prepared};
use crate::snapshot::Index;

/// The keys of the answers of earlier audits, and of what judges said of them, that an audit could still ask for.
pub(in crate::cli) fn used(
    context: &mut Context,
    project: &Project,
    prepared: &Prepared,
    lines: &[(PromptName, Line)],
) -> Result<HashSet<RequestKey>, Failure> {
    let workspace = &prepared.workspace;
    let case_of = |prompt: &PromptName, line: &Line| {
        let is_it = |case: &Case| case.name == line.case && workspace.prompt_of(case).name == *prompt;
        workspace.cases.list.iter().position(is_it)
    };
    // By case, model and experiment: how many answers.
    let mut made: BTreeMap<(usize, usize, Experiment), u32> = BTreeMap::new();
    for (prompt, line) in lines {
        let model = workspace.config.models.iter().position(|entry| entry.alias == line.model);
        let named = |experiment: &Experiment| line.experiment.as_deref() == Some(experiment.name());
        let experiment = Experiment::ALL.into_iter().find(named);
        if let (Some(case), Some(model), Some(experiment)) = (case_of(prompt, line), model, experiment) {
            let most = made.entry((case, model, experiment)).or_default();
            *most = (*most).max(line.sample.saturating_add(1));
        }
    }
    if made.is_empty() {
        return Ok(HashSet::new());
    }
    let mut audit = Audit {
        project,
        prepared,
        index: Index::load(&*project.tree)?,
        asker: Asker::new(project, &AskArgs::default())?,
        store: Some(project.store()),
        mode: Mode::Replay,
        keep: Keep::Nowhere,
        samples: 0,
    };
    let cases: Vec<usize> = made.keys().map(|(case, ..)| *case).collect::<BTreeSet<_>>().into_iter().collect();
    let models: BTreeSet<usize> = made.keys().map(|(_, model, _)| *model).collect();
    let models = models.into_iter().map(|model| workspace.config.models[model].alias.clone()).collect();
    let looked = audit.look(context, &cases, &Overrides { models, repeat: None })?;
    let ideals = ideals(prepared, &cases)?;
    let bench = Bench::new(prepared, audit.examples(&looked)?, &ideals)?;
    let items = made.into_iter().filter_map(|((case, model, experiment), samples)| match experiment {
        // The line says which model answered.
        Experiment::Repeat | Experiment::Model => bench.item(case, model, Experiment::Repeat, samples).ok(),
        Experiment::Facts | Experiment::Examples => bench.item(case, model, experiment, samples).ok(),
    });
    let plan = Plan { items: items.collect() };
    let store = audit.store.take().unwrap_or_else(Store::empty);
    let mut keys: HashSet<RequestKey> = prepared.reached(&plan, &store)?;
    keys.extend(plan.items.into_iter().flat_map(|item| item.keys));
    Ok(keys)
}
