//! `promptctl lint --debt`: what a request of each prompt costs, by the files that it is made of.

use std::collections::BTreeMap;

use crate::cli::ask::store;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::core::names::PromptName;
use crate::cost::{bill, gather};
use crate::plan::Overrides;
use crate::project::CacheSettings;
use crate::prompt::PROMPTS;
use crate::run::Prepared;

/// USD of a request on the mean, by file; and whether that is an estimate of what is read alone. A partial costs what the dearest
/// prompt costs that includes it.
pub(super) fn prices(project: &Project, prepared: &Prepared) -> Result<BTreeMap<String, (f64, bool)>, Failure> {
    let workspace = &prepared.workspace;
    let all: Vec<usize> = (0..workspace.cases.list.len()).collect();
    let plan = prepared.plan(&all, &Overrides::default())?;
    let mut by_prompt: BTreeMap<PromptName, (f64, bool)> = BTreeMap::new();
    for requests in gather(prepared, &plan, &store(project))? {
        let bill = bill(&requests, None, &CacheSettings::default());
        let counted = bill.cost_usd.map(|cost| (cost.mean, false));
        if let Some(found) = counted.or(bill.estimated_input_usd.map(|usd| (usd, true))) {
            dearest(by_prompt.entry(requests.prompt).or_insert(found), found);
        }
    }
    let mut by_path: BTreeMap<String, (f64, bool)> = BTreeMap::new();
    for prompt in &workspace.prompts.list {
        let Some(found) = by_prompt.get(&prompt.name) else { continue };
        let partials = prompt.partials.iter().map(|key| format!("{PROMPTS}/{key}"));
        for path in partials.chain([prompt.path.to_string()]) {
            dearest(by_path.entry(path).or_insert(*found), *found);
        }
    }
    Ok(by_path)
}

fn dearest(known: &mut (f64, bool), other: (f64, bool)) {
    if other.0 > known.0 {
        *known = other;
    }
}
