//! Both sides of a comparison: loaded, and asked for what they lack.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;

use super::ask::{self, AskArgs, Asker, Keep};
use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::render::find_models;
use super::retrieve::{Allowance, Asks, documents};
use crate::case::Selection;
use crate::compare::{Comparison, Limits, Pairs, Side, ask_alike, compare, confirm, pair, ranks, screened};
use crate::core::escape::terminal_line;
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::problem::Problems;
use crate::plan::{Item, Overrides, Plan};
use crate::recording::Store;
use crate::run::{Against, Mode, Prepared};

/// How many cases of a prompt are asked for before a verdict, or what is left of a budget, is looked at.
pub(super) const STEP: usize = 16;

/// One side, loaded and planned.
pub(super) struct Loaded {
    pub(super) project: Project,
    pub(super) prepared: Prepared,
    pub(super) plan: Plan,
    /// What is known of its answers; put back after something was asked.
    store: Option<Store>,
    keep: Keep,
}

/// What a side is, and what of it is compared.
pub(super) struct Wanted<'a> {
    pub(super) revision: Option<&'a str>,
    pub(super) model: Option<&'a String>,
    pub(super) selection: Selection,
    pub(super) repeat: Option<u32>,
}

/// A case on a model, as head calls it.
type Name = (PromptName, CaseName, ModelAlias);

impl Loaded {
    pub(super) fn new(context: &mut Context, wanted: &Wanted<'_>, asks: &AskArgs) -> Result<Self, Failure> {
        let mut project = Project::find(context, wanted.revision)?;
        if !wanted.selection.prompts.is_empty() {
            // Mistakes in prompts that are not compared do not matter.
            project.tree = super::past::only(&project.tree, &wanted.selection)?;
        }
        let (mut prepared, _) = project.load().map_err(|failure| failure.at(&project.tree.describe()))?;
        let selected = wanted.selection.select(&prepared.workspace.prompts, &prepared.workspace.cases)?;
        let keep = Keep::of(context, &project, wanted.revision.is_some());
        let (mode, _) = asks.mode(context);
        let allowance = Allowance::new(asks.max_calls, asks.max_cost);
        let how = Asks { mode, keep, jobs: asks.jobs, allow_exec: asks.allow_exec, allowance: &allowance };
        for note in documents(context, &project, &mut prepared, &selected, how)? {
            let note = format!("{}: {note}", project.tree.describe());
            writeln!(context.err(), "note: {}", terminal_line(&note))?;
        }
        let models: Vec<String> = wanted.model.into_iter().cloned().collect();
        let models = find_models(&prepared.workspace.config.models, &models)?;
        let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
        let plan = prepared.plan(&selected, &Overrides { models, repeat: wanted.repeat })?;
        let store = Some(ask::store(&project));
        Ok(Self { project, prepared, plan, store, keep })
    }

    fn side(&self) -> Option<Side<'_>> {
        Some(Side { prepared: &self.prepared, plan: &self.plan, store: self.store.as_ref()? })
    }

    pub(super) fn model(&self, alias: Option<&String>) -> Option<ModelAlias> {
        let mut known = self.prepared.workspace.config.models.iter().map(|entry| &entry.alias);
        known.find(|known| Some(known.as_str()) == alias.map(String::as_str)).cloned()
    }

    pub(super) fn describe(&self, model: Option<&String>) -> String {
        let tree = self.project.tree.describe();
        model.map_or_else(|| tree.clone(), |model| format!("{tree}, {model}"))
    }

    /// A case on a model; a model of base is called as its partner in head.
    fn name(&self, item: &Item, models: Option<&(ModelAlias, ModelAlias)>) -> Name {
        let workspace = &self.prepared.workspace;
        let case = &workspace.cases.list[item.case];
        let alias = workspace.config.models[item.model].alias.clone();
        let alias = models.filter(|(base, _)| *base == alias).map_or(alias, |(_, head)| head.clone());
        (workspace.prompt_of(case).name.clone(), case.name.clone(), alias)
    }
}

/// Both sides, and what may be asked for.
pub(super) struct Both {
    pub(super) base: Loaded,
    pub(super) head: Loaded,
    pub(super) models: Option<(ModelAlias, ModelAlias)>,
    pub(super) asker: Asker,
    pub(super) mode: Mode,
    /// What a person should know before all else.
    pub(super) notes: Vec<String>,
    /// Whether something that would decide is not recorded, and may not be asked for.
    pub(super) waits: bool,
}

impl Both {
    /// Asks for what both sides lack: of the prompts that are wanted as many samples as are wanted. Where there is a
    /// budget, or a verdict that may fall early, a few cases of each prompt at a time, on both sides.
    pub(super) fn fill(
        &mut self,
        context: &mut Context,
        wants: &dyn Fn(&str) -> bool,
        samples: usize,
        decides: Option<&Limits>,
    ) -> Result<(), Failure> {
        if self.mode == Mode::Replay {
            return Ok(());
        }
        let places = self.places();
        let longest = places.values().max().map_or(0, |rank| rank + 1);
        let most = self.head.plan.items.iter().map(|item| item.keys.len()).max().unwrap_or(0).min(samples);
        if decides.is_none() && !self.asker.has_budget() {
            return self.fill_some(context, &|name| places.contains_key(name) && wants(name.0.as_str()), most);
        }
        if let (Some(base), Some(head)) = (&self.base.store, &self.head.store) {
            let plans = [(&self.base.prepared, &self.base.plan, base), (&self.head.prepared, &self.head.plan, head)];
            self.asker.agree_to(context, &plans, self.mode)?;
        }
        let mut known = self.decided(decides)?;
        let (mut round, mut from) = (1, 0);
        while round <= most {
            let step = self
                .asker
                .calls_left()
                .map_or(STEP, |left| usize::try_from(left / 2).map_or(STEP, |half| half.clamp(1, STEP)));
            let calls = self.asker.came.calls;
            let is_next = |name: &Name| {
                let rank = places.get(name);
                rank.is_some_and(|rank| (from..from + step).contains(rank))
                    && wants(name.0.as_str())
                    && !known.contains(name.0.as_str())
            };
            self.fill_some(context, &is_next, round)?;
            if self.asker.came.interrupted || self.asker.came.skipped > 0 {
                return Ok(());
            }
            if self.asker.came.calls > calls {
                known = self.decided(decides)?;
            }
            from += step;
            if from >= longest {
                (round, from) = (round + 1, 0);
            }
        }
        Ok(())
    }

    /// The prompts whose verdict is known, on each of their models, from what there is.
    fn decided(&self, limits: Option<&Limits>) -> Result<HashSet<String>, Failure> {
        let Some(limits) = limits else { return Ok(HashSet::new()) };
        let comparison = compare(&self.pairs(&|_| true)?, limits);
        let (stopped, open): (Vec<_>, Vec<_>) = comparison.prompts.iter().partition(|row| row.stopped_after.is_some());
        let open: HashSet<&String> = open.iter().map(|row| &row.prompt).collect();
        Ok(stopped.iter().map(|row| row.prompt.clone()).filter(|prompt| !open.contains(prompt)).collect())
    }

    /// What stands on both sides, with its rank; what does not is not compared, and not asked for.
    fn places(&self) -> HashMap<Name, usize> {
        let models = self.models.as_ref();
        let of_base: HashSet<Name> = self.base.plan.items.iter().map(|item| self.base.name(item, models)).collect();
        let ranks = ranks(&self.base.prepared, &self.head.prepared, &self.head.plan);
        let of_head = self.head.plan.items.iter().map(|item| self.head.name(item, None)).zip(ranks);
        of_head.filter(|(name, _)| of_base.contains(name)).collect()
    }

    fn fill_some(
        &mut self,
        context: &mut Context,
        wants: &dyn Fn(&Name) -> bool,
        samples: usize,
    ) -> Result<(), Failure> {
        let models = self.models.clone();
        let first = |item: &Item| Item { keys: item.keys.iter().take(samples).cloned().collect(), ..item.clone() };
        let part = |side: &Loaded, models: Option<&(ModelAlias, ModelAlias)>| Plan {
            items: side.plan.items.iter().filter(|item| wants(&side.name(item, models))).map(first).collect(),
        };
        let plans = [part(&self.base, models.as_ref()), part(&self.head, None)];
        let [base, head] = plans;
        let lines = self.fill_side(context, true, &base)?;
        // Both may send the same request, which is asked once.
        self.head.store = self.head.store.take().map(|store| store.with(lines));
        self.asker.against = self.opposed()?.map(|answers| Against { answers: Some(answers), ..Against::default() });
        let lines = self.fill_side(context, false, &head);
        self.asker.against = None;
        let lines = lines?;
        self.base.store = self.base.store.take().map(|store| store.with(lines));
        self.judge_base(context, &head)
    }

    /// Base's first answers to head's cases, where head's are held against them.
    fn opposed(&self) -> Result<Option<HashMap<usize, String>>, Failure> {
        let opposes = |item: &&Item| self.head.prepared.opposes(item.case);
        let Some(store) = self.base.store.as_ref() else { return Ok(None) };
        if !self.head.plan.items.iter().any(|item| opposes(&item)) {
            return Ok(None);
        }
        let names = self.base.plan.items.iter().map(|item| self.base.name(item, self.models.as_ref()));
        let answers = names.zip(self.base.prepared.answers(&self.base.plan, store)?);
        let of_base: HashMap<Name, String> =
            answers.filter_map(|(name, answers)| Some((name, answers.into_iter().flatten().next()?.text))).collect();
        let items = self.head.plan.items.iter().filter(opposes);
        let found = items.filter_map(|item| Some((item.case, of_base.get(&self.head.name(item, None))?.clone())));
        Ok(Some(found.collect()))
    }

    /// Has base's answers judged by what head expects and says of them. Its conversations are its own.
    fn judge_base(&mut self, context: &mut Context, head: &Plan) -> Result<(), Failure> {
        let models = self.models.as_ref();
        let of_base: HashMap<Name, &Item> =
            self.base.plan.items.iter().map(|item| (self.base.name(item, models), item)).collect();
        let judged = head.items.iter().filter(|item| self.head.prepared.is_judged(item.case));
        let (mut items, mut against) = (Vec::new(), Against { answers: self.opposed()?, ..Against::default() });
        for item in judged {
            let Some(other) = of_base.get(&self.head.name(item, None)) else { continue };
            let keys = other.keys.iter().take(item.keys.len()).cloned().collect();
            items.push(Item { keys, ..item.clone() });
            let entry = &self.base.prepared.workspace.config.models[other.model];
            if let Some(script) = self.base.prepared.script(other.case, entry).map_err(Problems::from)? {
                against.scripts.insert((item.case, item.model), script);
            }
        }
        if items.is_empty() {
            return Ok(());
        }
        let Some(store) = self.base.store.take() else { return Ok(()) };
        // What base never answered is not asked for here.
        let mut plan = Plan { items };
        let mut there = self.head.prepared.answers(&plan, &store)?.into_iter();
        plan.items.retain(|_| there.next().is_some_and(|answers| answers.iter().all(Option::is_some)));
        let mode = (self.mode, self.head.keep);
        self.asker.against = Some(against);
        let filled = self.asker.fill(context, &self.head.project, &self.head.prepared, &plan, mode, store);
        self.asker.against = None;
        let (store, lines) = filled?;
        self.base.store = Some(store);
        self.head.store = self.head.store.take().map(|store| store.with(lines));
        Ok(())
    }

    fn fill_side(
        &mut self,
        context: &mut Context,
        is_base: bool,
        plan: &Plan,
    ) -> Result<Vec<(PromptName, crate::recording::Line)>, Failure> {
        let side = if is_base { &mut self.base } else { &mut self.head };
        let Some(store) = side.store.take() else { return Ok(Vec::new()) };
        let mode = (self.mode, side.keep);
        let (store, lines) = self.asker.fill(context, &side.project, &side.prepared, plan, mode, store)?;
        side.store = Some(store);
        Ok(lines)
    }

    pub(super) fn pairs(&self, samples: &dyn Fn(usize) -> bool) -> Result<Pairs, Failure> {
        let (Some(base), Some(head)) = (self.base.side(), self.head.side()) else { return Ok(Pairs::default()) };
        Ok(pair(&base, &head, self.models.as_ref().map(|(base, head)| (base, head)), samples)?)
    }

    /// One answer a case, and fresh ones of both sides where it looks worse.
    pub(super) fn confirm(
        &mut self,
        context: &mut Context,
        samples: u32,
        limits: &Limits,
    ) -> Result<(Pairs, Comparison), Failure> {
        self.fill(context, &|_| true, 1, None)?;
        let mut pairs = self.pairs(&|sample| sample == 0)?;
        let mut comparison = compare(&pairs, limits);
        let again = screened(&comparison);
        if again.is_empty() {
            return Ok((pairs, comparison));
        }
        let is_again = |prompt: &str| again.iter().any(|name| name == prompt);
        self.fill(context, &is_again, usize::MAX, None)?;
        let mut fresh = self.pairs(&|sample| sample > 0)?;
        fresh.pairs.retain(|pair| is_again(pair.prompt.as_str()));
        for name in &again {
            let count = |pairs: &Pairs| pairs.pairs.iter().filter(|pair| pair.prompt.as_str() == name).count();
            let (wanted, there) = (count(&pairs), count(&fresh));
            if there < wanted {
                self.waits = true;
                self.notes.push(format!(
                    "{name} looks worse, and {} of {wanted} cases have no fresh answers that would confirm it",
                    wanted - there
                ));
            }
        }
        confirm(&mut comparison, compare(&fresh, limits), u64::from(samples), limits);
        pairs.pairs.retain(|pair| !fresh.pairs.iter().any(|new| new.prompt == pair.prompt));
        pairs.pairs.extend(fresh.pairs);
        Ok((pairs, comparison))
    }

    /// The runs that tell apart what the prompt and what the model did.
    pub(super) fn apart(&self, range: Option<&str>) -> Vec<String> {
        let range = range.unwrap_or("HEAD");
        if let Some((base, head)) = &self.models {
            let side = if range.contains("..") { range.rsplit("..").next().unwrap_or(range) } else { "" };
            return vec![
                format!("promptctl compare {range} --base-model {base} --head-model {base}"),
                format!("promptctl compare {side}..{side} --base-model {base} --head-model {head}"),
            ];
        }
        let mut models: Vec<&ModelAlias> = Vec::new();
        for item in &self.head.plan.items {
            let alias = &self.head.prepared.workspace.config.models[item.model].alias;
            if !models.contains(&alias) {
                models.push(alias);
            }
        }
        let entries = |side: &Loaded| side.prepared.workspace.config.clone();
        let (old, new) = (entries(&self.base), entries(&self.head));
        let is_edited = |alias: &&&ModelAlias| match (old.model(alias), new.model(alias)) {
            (Some(old), Some(new)) => !ask_alike(old, new),
            _ => false,
        };
        if models.iter().any(|alias| is_edited(&alias)) {
            // Both sides on base's entries: what differs then is the prompt.
            let base = range.split("..").next().filter(|base| !base.is_empty()).unwrap_or("HEAD");
            return vec![format!("git checkout {base} -- promptctl.yaml && promptctl compare {base}")];
        }
        models.iter().map(|alias| format!("promptctl drift --model {alias}")).collect()
    }
}
