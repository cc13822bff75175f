//! What must be there before anything is asked: prices where money is limited, leave to run programs, the models.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::Run;
use super::settings::Mode;
use super::wanted::Missing;
use crate::core::problem::{Place, Problem, Problems};
use crate::expect::Need;
use crate::model::{Client, Lane};
use crate::project::ModelEntry;

impl Run<'_> {
    /// A limit on money means nothing for a model whose price nobody knows.
    pub(super) fn check_prices(
        &self,
        missing: &Missing,
        judges: &BTreeMap<usize, &ModelEntry>,
    ) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let models: BTreeSet<usize> = missing.wanted.keys().chain(judges.keys()).copied().collect();
        for model in models.into_iter().filter(|_| self.settings.max_cost.is_some()) {
            let entry = &self.prepared.workspace.config.models[model];
            if entry.price.is_none() && entry.provider != "mock" {
                let place = Place::span(&entry.source, entry.alias_span.clone());
                let message = format!("--max-cost needs the price of the model `{}`", entry.alias);
                let help = "write `price: { input: …, output: … }`, in USD per million tokens";
                problems.push(Problem::error(place, message).help(help));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Programs that check answers run only where somebody outside the repository allows it.
    pub(super) fn check_programs(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        if !self.prepared.is_judged || self.permissions.programs {
            return Ok(());
        }
        let workspace = &self.prepared.workspace;
        let cases: BTreeSet<usize> = self.plan.items.iter().map(|item| item.case).collect();
        let mut told = BTreeSet::new();
        let expectations = cases.iter().flat_map(|case| self.prepared.all_expectations(&workspace.cases.list[*case]));
        for (place, need) in expectations.flat_map(|expectation| expectation.needs()) {
            if let Need::Program(command) = need
                && told.insert(command.clone())
            {
                let message = format!("`exec` runs the program `{}`, which was not allowed", command.join(" "));
                let help = "say `--allow-exec` (or set PROMPTCTL_ALLOW_EXEC=1) if you trust the project";
                problems.push(Problem::error(place.clone(), message).help(help));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The models to ask. What is wrong with one shows before anything runs.
    pub(super) fn lanes<'c>(
        &self,
        client: &'c Client,
        missing: &Missing,
        judges: &BTreeMap<usize, &ModelEntry>,
    ) -> Result<BTreeMap<usize, Lane<'c>>, Problems> {
        let mut lanes = BTreeMap::new();
        let mut problems = Problems::default();
        let judges = judges
            .keys()
            .filter(|model| self.settings.mode != Mode::Replay && !missing.without_key.contains_key(model));
        let models: BTreeSet<usize> = missing.wanted.keys().chain(judges).copied().collect();
        for model in models {
            match client.lane(&self.prepared.workspace.config.models[model], self.variables) {
                Ok(lane) => {
                    lanes.insert(model, lane);
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(lanes) } else { Err(problems) }
    }
}
