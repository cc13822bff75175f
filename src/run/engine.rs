//! The loop of a run: find what is recorded, ask for what is not, evaluate and tell in the order of the plan.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rayon::prelude::*;

use super::answer::{Answer, Skip};
use super::asking::{Asking, Told};
use super::budget::Budget;
use super::evaluate::{Evaluated, Evaluator, is_live};
use super::prepared::Prepared;
use super::settings::{Settings, SnapshotPolicy};
use super::stop::Stop;
use super::wanted::{Forecast, Missing, Wanted, recorded};
use crate::core::event::{Event, Listener};
use crate::core::names::ModelAlias;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::time::Clock;
use crate::core::verdict::{AnswerSource, Exit, Outcome, Summary, Verdict};
use crate::model::{Client, Lane, Permissions, Variables};
use crate::plan::{Item, Plan};
use crate::recording::{Journal, Store};
use crate::snapshot::Index;
use crate::tree::Tree;

/// How many recorded items are evaluated side by side before they are told.
const BATCH: usize = 1024;

/// Everything that a run needs.
pub struct Run<'a> {
    /// The project.
    pub prepared: &'a Prepared,
    /// What is to be done.
    pub plan: &'a Plan,
    /// What it may do.
    pub settings: &'a Settings,
    /// Where answers are kept.
    pub store: &'a Store,
    /// Which snapshots there are, and the tree that they are in.
    pub snapshots: (&'a Index, &'a dyn Tree),
    /// Where new answers are written down; `None` where nothing may be.
    pub journal: Option<&'a Journal>,
    /// Where snapshots are written.
    pub root: Option<&'a Path>,
    /// The variables that hold keys.
    pub variables: Variables<'a>,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Ends the run early.
    pub stop: &'a Stop,
    /// The most requests in flight, where the command line says.
    pub jobs: Option<usize>,
    /// What somebody outside the repository allows.
    pub permissions: Permissions,
    /// What a person should know of what happened before the run.
    pub notes: Vec<String>,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunResult {
    /// The sums.
    pub summary: Summary,
    /// The exit code that follows.
    pub exit: Exit,
    /// What is wrong with the project and showed only now.
    pub problems: Problems,
}

/// Why a run did not end by itself.
#[derive(Debug)]
pub enum RunError {
    /// The project is wrong.
    Problems(Problems),
    /// An answer or a report could not be written.
    Io(io::Error),
}

impl From<Problems> for RunError {
    fn from(problems: Problems) -> Self {
        Self::Problems(problems)
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What is known of the requests that are asked in this run.
#[derive(Default)]
struct Live {
    /// By item and sample; `None` while it is waited for.
    answers: HashMap<(usize, u32), Option<Answer>>,
    /// How many of an item are waited for.
    missing: HashMap<usize, usize>,
}

/// The sums of a run while it goes on.
struct Tally {
    summary: Summary,
    problems: Problems,
    budget: bool,
    credentials: bool,
    /// Models that were asked for, and others that answered.
    served: Vec<(String, String)>,
    /// Which model answered for an alias first; `None` once it was said that several did.
    answered_by: Vec<(ModelAlias, Option<String>)>,
}

impl Run<'_> {
    /// Does everything that is planned, and tells the listener.
    pub fn run(&self, listener: &mut dyn Listener) -> Result<RunResult, RunError> {
        let begun = Instant::now();
        self.load_recordings()?;
        let mut live = Live::default();
        let missing = Missing::find(self.prepared, self.plan, self.settings, self.store, self.variables)?;
        self.check_prices(&missing)?;
        let client = Client::new(self.permissions.clone());
        let lanes = self.lanes(&client, &missing)?;
        live.expect(&missing);
        let (calls, forecast) = (missing.calls(), missing.forecast(self.prepared, self.plan));
        let planned = self.plan.items.len() as u64;
        listener.on(&Event::Started { planned, heading: self.settings.heading.clone(), calls })?;
        let forecast = forecast.iter().map(Forecast::sentence);
        for note in self.notes.iter().cloned().chain(missing.notes.iter().cloned()).chain(forecast) {
            listener.on(&Event::Noted(note))?;
        }
        let mut tally = Tally {
            summary: Summary { planned, ..Summary::default() },
            problems: Problems::default(),
            budget: false,
            credentials: false,
            served: Vec::new(),
            answered_by: Vec::new(),
        };
        if calls == 0 {
            self.evaluate_all(&mut live, None, &mut tally, listener)?;
        } else {
            self.ask_and_evaluate(lanes, missing.wanted, &mut live, &mut tally, listener)?;
        }
        for verdict in Verdict::ALL {
            tally.summary.verdicts.entry(verdict).or_default();
        }
        if self.stop.is_interrupted() {
            listener.on(&Event::Noted("interrupted; the same command goes on from here".to_owned()))?;
        }
        tally.summary.seconds = begun.elapsed().as_secs_f64();
        let exit = self.exit(&tally);
        listener.on(&Event::Ended(Box::new(tally.summary.clone())))?;
        Ok(RunResult { summary: tally.summary, exit, problems: tally.problems })
    }

    /// Reads every file of recordings that the plan needs, so that damage is reported before anything runs.
    fn load_recordings(&self) -> Result<(), Problems> {
        let mut pairs: Vec<(usize, usize)> =
            self.plan.items.iter().map(|item| (self.prompt_of(item), item.model)).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut problems = Problems::default();
        let workspace = &self.prepared.workspace;
        for (prompt, model) in pairs {
            let (prompt, model) = (&workspace.prompts.list[prompt], &workspace.config.models[model]);
            if let Err(found) = self.store.load(&prompt.name, &model.alias) {
                problems.extend(found);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn prompt_of(&self, item: &Item) -> usize {
        self.prepared.workspace.cases.list[item.case].prompt
    }

    /// A limit on money means nothing for a model whose price nobody knows.
    fn check_prices(&self, missing: &Missing) -> Result<(), Problems> {
        let mut problems = Problems::default();
        for model in missing.wanted.keys().filter(|_| self.settings.max_cost.is_some()) {
            let entry = &self.prepared.workspace.config.models[*model];
            if entry.price.is_none() && entry.provider != "mock" {
                let place = Place::span(&entry.source, entry.alias_span.clone());
                let message = format!("--max-cost needs the price of the model `{}`", entry.alias);
                let help = "write `price: { input: …, output: … }`, in USD per million tokens";
                problems.push(Problem::error(place, message).help(help));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The models to ask. What is wrong with one shows before anything runs.
    fn lanes<'c>(&self, client: &'c Client, missing: &Missing) -> Result<BTreeMap<usize, Lane<'c>>, Problems> {
        let mut lanes = BTreeMap::new();
        let mut problems = Problems::default();
        for model in missing.wanted.keys() {
            match client.lane(&self.prepared.workspace.config.models[*model], self.variables) {
                Ok(lane) => {
                    lanes.insert(*model, lane);
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(lanes) } else { Err(problems) }
    }

    fn ask_and_evaluate(
        &self,
        lanes: BTreeMap<usize, Lane<'_>>,
        wanted: BTreeMap<usize, Vec<Wanted>>,
        live: &mut Live,
        tally: &mut Tally,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        let (tell, told) = channel();
        let asking = Asking {
            workspace: &self.prepared.workspace,
            plan: self.plan,
            lanes,
            wanted,
            journal: self.journal,
            clock: self.clock,
            stop: self.stop,
            jobs: self.jobs,
            budget: self.settings.max_cost.map(Budget::new),
            tell,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                runtime.block_on(asking.run());
                // Ends the channel: whoever still waits hears that nothing more comes.
                drop(asking);
            });
            let evaluated = self.evaluate_all(live, Some(&told), tally, listener);
            if evaluated.is_err() {
                self.stop.interrupt();
            }
            evaluated
        })
    }

    /// Evaluates every item in the order of the plan, recorded ones side by side.
    fn evaluate_all(
        &self,
        live: &mut Live,
        told: Option<&Receiver<Told>>,
        tally: &mut Tally,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        let evaluator = Evaluator {
            prepared: self.prepared,
            settings: self.settings,
            index: self.snapshots.0,
            tree: self.snapshots.1,
            root: self.root.filter(|_| self.settings.writes),
        };
        let items = &self.plan.items;
        let mut next = 0;
        while next < items.len() {
            let batch = if self.settings.fail_fast { 1 } else { BATCH };
            let stretch = items.len().min(next + batch);
            let end = (next..stretch).find(|i| live.missing.contains_key(i)).unwrap_or(stretch);
            if end == next {
                self.wait_for(next, live, told, tally, listener)?;
                live.missing.remove(&next);
                let (outcome, problem) = self.evaluate_item(&evaluator, next, live)?;
                self.tell((outcome, problem), tally, listener)?;
                next += 1;
                continue;
            }
            let shared = &*live;
            let evaluated: Result<Vec<Evaluated>, Problems> =
                (next..end).into_par_iter().map(|index| self.evaluate_item(&evaluator, index, shared)).collect();
            for outcome in evaluated? {
                self.tell(outcome, tally, listener)?;
            }
            (next..end).for_each(|index| live.forget(index, &items[index]));
            next = end;
        }
        Ok(())
    }

    fn evaluate_item(&self, evaluator: &Evaluator<'_>, index: usize, live: &Live) -> Result<Evaluated, Problems> {
        let item = &self.plan.items[index];
        let mut answers = Vec::with_capacity(item.keys.len());
        for (sample, key) in (0..).zip(&item.keys) {
            answers.push(match live.answers.get(&(index, sample)) {
                Some(Some(answer)) => answer.clone(),
                Some(None) => Answer::Skipped(Skip::Interrupted),
                None if self.settings.fail_fast && self.stop.is_failed() => Answer::Skipped(Skip::Failed),
                None => self.recorded(item, sample, key)?,
            });
        }
        Ok(evaluator.evaluate(item, &answers))
    }

    fn recorded(&self, item: &Item, sample: u32, key: &crate::core::names::RequestKey) -> Result<Answer, Problems> {
        if let Some(line) = recorded(self.prepared, self.store, item, key)? {
            return Ok(Answer::Here(Box::new(line.response), AnswerSource::Recorded));
        }
        let workspace = &self.prepared.workspace;
        let case = &workspace.cases.list[item.case];
        let entry = &workspace.config.models[item.model];
        let nearest = self.store.nearest(&workspace.prompt_of(case).name, &entry.alias, &case.name, sample)?;
        // The same request with another number is no other request: this sample was just never asked.
        let is_another = |line: &crate::recording::Line| match &line.request {
            Some(old) => workspace.request(case, entry).is_ok_and(|new| new != *old),
            None => true,
        };
        Ok(match nearest.filter(is_another) {
            Some(line) => Answer::Stale(Box::new(line)),
            None => Answer::Unrecorded,
        })
    }

    /// Listens until all answers of an item are there.
    fn wait_for(
        &self,
        index: usize,
        live: &mut Live,
        told: Option<&Receiver<Told>>,
        tally: &mut Tally,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        while live.missing.get(&index).is_some_and(|count| *count > 0) {
            match told.map(Receiver::recv) {
                Some(Ok(Told::Answered { item, sample, answer })) => {
                    if !matches!(answer, Answer::Skipped(_) | Answer::Unasked(_)) {
                        tally.summary.calls_made += 1;
                    }
                    live.answers.insert((item, sample), Some(answer));
                    if let Some(count) = live.missing.get_mut(&item) {
                        *count -= 1;
                    }
                    let model = &self.prepared.workspace.config.models[self.plan.items[item].model];
                    listener.on(&Event::Progressed { model: model.alias.clone() })?;
                }
                Some(Ok(Told::Retried { model, reason })) => {
                    tally.summary.retries += 1;
                    listener.on(&Event::Retried { model, reason })?;
                }
                Some(Ok(Told::Noted(text))) => listener.on(&Event::Noted(text))?,
                Some(Ok(Told::Traced(text))) => listener.on(&Event::Traced(text))?,
                Some(Ok(Told::Broken(error))) => return Err(error.into()),
                // Nothing more comes: the run was interrupted.
                Some(Err(_)) | None => return Ok(()),
            }
        }
        Ok(())
    }

    fn tell(&self, (outcome, problem): Evaluated, tally: &mut Tally, listener: &mut dyn Listener) -> io::Result<()> {
        tally.summary.add(&outcome);
        if let Some(problem) = problem {
            tally.problems.push(problem);
        }
        let notes = [self.served_otherwise(&outcome, tally), Self::served_differently(&outcome, tally)];
        for note in notes.into_iter().flatten() {
            listener.on(&Event::Noted(note))?;
        }
        if outcome.verdict == Verdict::Skipped {
            tally.budget |= outcome.reason.starts_with("budget");
            tally.credentials |= outcome.reason.starts_with("no credentials");
        }
        if self.settings.fail_fast && outcome.verdict == Verdict::Failed {
            self.stop.fail();
        }
        if !is_live(&outcome) {
            let model = outcome.model.clone();
            listener.on(&Event::Progressed { model })?;
        }
        listener.on(&Event::Finished(Box::new(outcome)))
    }

    /// A word on a server that answers with another model than it was asked for: once for each.
    fn served_otherwise(&self, outcome: &Outcome, tally: &mut Tally) -> Option<String> {
        let entry = self.prepared.workspace.config.model(&outcome.model)?;
        let live = outcome.samples.iter().filter(|sample| sample.source == Some(AnswerSource::Live));
        let served = live.filter_map(|sample| sample.served_model.as_deref()).find(|served| *served != entry.model)?;
        // An alias that resolves to a dated version of itself is what aliases are for.
        let pair = (entry.model.clone(), served.to_owned());
        if served.starts_with(&entry.model) || tally.served.contains(&pair) {
            return None;
        }
        let note =
            format!("the server of `{}` was asked for `{}` and says that `{served}` answered", entry.alias, pair.0);
        tally.served.push(pair);
        Some(note)
    }

    /// A word on answers of one model that different ones gave, as the server reported: once for each model.
    fn served_differently(outcome: &Outcome, tally: &mut Tally) -> Option<String> {
        for served in outcome.samples.iter().filter_map(|sample| sample.served_model.as_deref()) {
            match tally.answered_by.iter().find(|(model, _)| *model == outcome.model) {
                None => tally.answered_by.push((outcome.model.clone(), Some(served.to_owned()))),
                Some((_, Some(known))) if known != served => {
                    let note = format!(
                        "the answers of `{}` are from different models, `{known}` and `{served}`; --refresh asks for all of them again",
                        outcome.model
                    );
                    // Said once.
                    tally.answered_by.retain(|(model, _)| *model != outcome.model);
                    tally.answered_by.push((outcome.model.clone(), None));
                    return Some(note);
                }
                Some(_) => {}
            }
        }
        None
    }

    fn exit(&self, tally: &Tally) -> Exit {
        let summary = &tally.summary;
        let has = |verdict: Verdict| summary.count(verdict) > 0;
        let waits = has(Verdict::Stale)
            || has(Verdict::Unrecorded)
            || self.settings.snapshots == SnapshotPolicy::Fail
                && (has(Verdict::Changed) || has(Verdict::New) && self.settings.new_waits);
        [
            (self.stop.is_interrupted(), Exit::Interrupted),
            (!tally.problems.is_empty(), Exit::Usage),
            (has(Verdict::Failed), Exit::Failed),
            (has(Verdict::Errored), Exit::Errored),
            (tally.budget || tally.credentials && self.settings.require_live, Exit::Incomplete),
            (waits, Exit::Waiting),
            (summary.planned == 0, Exit::Nothing),
        ]
        .into_iter()
        .filter(|(applies, _)| *applies)
        .fold(Exit::Good, |worst, (_, exit)| worst.worse(exit))
    }
}

impl Live {
    /// Takes note of what is waited for, and of what never comes.
    fn expect(&mut self, missing: &Missing) {
        for wanted in missing.wanted.values().flatten() {
            *self.missing.entry(wanted.item).or_default() += 1;
            self.answers.insert((wanted.item, wanted.sample), None);
        }
        for (wanted, skip) in &missing.skipped {
            self.answers.insert((wanted.item, wanted.sample), Some(Answer::Skipped(skip.clone())));
        }
    }

    /// Lets go of the answers of an item that is done.
    fn forget(&mut self, index: usize, item: &Item) {
        if self.answers.is_empty() {
            return;
        }
        for (sample, _) in (0..).zip(&item.keys) {
            self.answers.remove(&(index, sample));
        }
    }
}
