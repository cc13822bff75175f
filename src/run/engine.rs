//! The loop of a run: find what is recorded, ask for what is not, evaluate and tell in the order of the plan.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rayon::prelude::*;
use tokio::sync::Semaphore;

use super::against::Against;
use super::answer::{Answer, Skip};
use super::asking::{Asking, Told, lane_limit};
use super::checking::live_turns;
use super::consulting::PROGRAMS;
use super::desk::{Accepted, Room};
use super::evaluate::{Evaluated, Evaluator};
use super::prepared::Prepared;
use super::settings::{Mode, Settings};
use super::stop::Stop;
use super::tally::Tally;
use super::wanted::{Missing, Wanted, recorded};
use crate::core::event::{Event, Listener};
use crate::core::problem::Problems;
use crate::core::time::{Clock, day};
use crate::core::verdict::{AnswerSource, Exit, Summary, Verdict};
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
    /// The other side, where two are compared.
    pub against: Option<&'a Against>,
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

/// Items whose first answer fails, with that answer where it was asked for in this run.
type Held = Vec<(usize, Evaluated, Option<Answer>)>;

/// What is known of the requests that are asked in this run.
#[derive(Default)]
struct Live {
    /// By item and sample; `None` while it is waited for.
    answers: HashMap<(usize, u32), Option<Answer>>,
    /// How many of an item are waited for.
    missing: HashMap<usize, usize>,
}

impl Run<'_> {
    /// Does everything that is planned, and tells the listener.
    pub fn run(&self, listener: &mut dyn Listener) -> Result<RunResult, RunError> {
        let begun = Instant::now();
        self.load_recordings()?;
        let planned = self.plan.items.len() as u64;
        let mut tally = Tally::new(planned, self.settings, self.clock.now());
        if self.settings.confirms {
            self.confirm(&mut tally, listener)?;
        } else {
            self.phase(self.plan, Live::default(), Some(planned), None, &mut tally, listener)?;
        }
        for verdict in Verdict::ALL {
            tally.summary.verdicts.entry(verdict).or_default();
        }
        for note in tally.old_answers() {
            listener.on(&Event::Noted(note))?;
        }
        if self.stop.is_interrupted() {
            listener.on(&Event::Noted("interrupted; the same command goes on from here".to_owned()))?;
        }
        tally.summary.seconds = begun.elapsed().as_secs_f64();
        let exit = tally.exit(self.settings, self.stop);
        listener.on(&Event::Ended(Box::new(tally.summary.clone())))?;
        Ok(RunResult { summary: tally.summary, exit, problems: tally.problems })
    }

    /// One answer of each case, and all of them only where the first one fails or the case must pass.
    fn confirm(&self, tally: &mut Tally, listener: &mut dyn Listener) -> Result<(), RunError> {
        // No other answer excuses the one that fails where a case must pass.
        let asked = |item: &Item| if self.must_pass(item) { item.keys.len() } else { 1 };
        let first = |item: &Item| Item { keys: item.keys.iter().take(asked(item)).cloned().collect(), ..item.clone() };
        let firsts = Plan { items: self.plan.items.iter().map(first).collect() };
        let mut held = Vec::new();
        self.phase(&firsts, Live::default(), Some(tally.summary.planned), Some(&mut held), tally, listener)?;
        let (mut again, mut live) = (Plan::default(), Live::default());
        for (index, evaluated, answer) in held {
            let item = &self.plan.items[index];
            if self.stop.is_interrupted() || !self.can_have_all(item)? {
                self.tell(evaluated, tally, listener)?;
            } else {
                if let Some(answer) = answer {
                    live.answers.insert((again.items.len(), 0), Some(answer));
                }
                again.items.push(item.clone());
            }
        }
        if again.items.is_empty() {
            return Ok(());
        }
        // What the first answers took is gone.
        let mut settings = self.settings.clone();
        settings.calls_before += tally.summary.calls_made + tally.summary.judge_calls;
        settings.again = true;
        let rest = Run { settings: &settings, notes: Vec::new(), permissions: self.permissions.clone(), ..*self };
        rest.phase(&again, live, None, None, tally, listener)
    }

    fn must_pass(&self, item: &Item) -> bool {
        self.prepared.workspace.cases.list[item.case].must_pass
    }

    /// Whether every answer of an item is recorded, or may be asked for.
    fn can_have_all(&self, item: &Item) -> Result<bool, Problems> {
        if self.settings.mode != Mode::Replay {
            return Ok(true);
        }
        for key in &item.keys {
            if recorded(self.prepared, self.store, item, key)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Does a part of what is planned, with the answers that are there already. `planned` is told where the part is the beginning; what fails is not told but
    /// held, where that is asked for.
    fn phase(
        &self,
        plan: &Plan,
        mut live: Live,
        planned: Option<u64>,
        held: Option<&mut Held>,
        tally: &mut Tally,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        let part = Run { plan, notes: Vec::new(), permissions: self.permissions.clone(), ..*self };
        let known = |wanted: Wanted| live.answers.contains_key(&(wanted.item, wanted.sample));
        let room = part.room();
        let missing = Missing::find_in(plan, part.settings, part.store, part.variables, (&known, room))?;
        let judges = if missing.is_nothing() { BTreeMap::new() } else { part.prepared.judging_models(plan) };
        part.check_prices(&missing, &judges)?;
        part.check_programs()?;
        let client = Client::new(part.permissions.clone());
        let lanes = part.lanes(&client, &missing, &judges)?;
        live.expect(&missing);
        let calls = missing.calls() + missing.judge_calls();
        if let Some(planned) = planned {
            let forecast = missing.forecast(part.prepared, plan);
            let (heading, provenance) = (part.settings.heading.clone(), part.settings.provenance.clone());
            let shard = part.settings.shard.clone();
            listener.on(&Event::Started { planned, heading, calls, provenance, shard })?;
            for note in self.notes.iter().chain(&missing.notes).chain(&missing.unseen()) {
                listener.on(&Event::Noted(note.clone()))?;
            }
            for model in &forecast {
                listener.on(&Event::Forecast(model.sentence()))?;
            }
        }
        if missing.is_nothing() {
            part.evaluate_all(&mut live, None, held, tally, listener)
        } else {
            part.ask_and_evaluate(lanes, missing, &mut live, held, tally, listener)
        }
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

    fn ask_and_evaluate(
        &self,
        lanes: BTreeMap<usize, Lane<'_>>,
        missing: Missing,
        live: &mut Live,
        held: Option<&mut Held>,
        tally: &mut Tally,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        let (tell, told) = channel();
        let models = &self.prepared.workspace.config.models;
        let own = |model: &usize| (*model, Semaphore::new(lane_limit(&models[*model], self.jobs)));
        let made = self.settings.calls_before + missing.calls();
        let asking = Asking {
            workspace: &self.prepared.workspace,
            plan: self.plan,
            own: lanes.keys().map(own).collect(),
            lanes,
            room: self.room(),
            programs: Semaphore::new(PROGRAMS),
            permissions: &self.permissions,
            calls_left: AtomicU64::new(self.settings.max_calls.map_or(u64::MAX, |most| most.saturating_sub(made))),
            max_calls: self.settings.max_calls,
            later: Mutex::default(),
            without_key: missing.without_key,
            consults: missing.consults,
            wanted: missing.wanted,
            journal: self.journal,
            clock: self.clock,
            stop: self.stop,
            jobs: self.jobs,
            until: self.settings.until,
            budget: tally.money.clone(),
            tell,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                runtime.block_on(asking.run());
                // Ends the channel: whoever still waits hears that nothing more comes.
                drop(asking);
            });
            let evaluated = self.evaluate_all(live, Some(&told), held, tally, listener);
            if evaluated.is_err() {
                self.stop.interrupt();
            }
            evaluated
        })
    }

    fn room(&self) -> Room<'_> {
        let (index, tree) = self.snapshots;
        let room = Room::of_run(self.prepared, self.store, self.settings, self.plan);
        match self.against {
            Some(against) => room.against(against),
            None => Room { accepted: Accepted::Snapshots(index, tree), ..room },
        }
    }

    /// Evaluates every item in the order of the plan, recorded ones side by side.
    fn evaluate_all(
        &self,
        live: &mut Live,
        told: Option<&Receiver<Told>>,
        mut held: Option<&mut Held>,
        tally: &mut Tally,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        let evaluator = Evaluator {
            prepared: self.prepared,
            settings: self.settings,
            index: self.snapshots.0,
            tree: self.snapshots.1,
            root: self.root.filter(|_| self.settings.writes),
            today: day(self.clock.now()),
            room: self.room(),
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
                let evaluated = self.evaluate_item(&evaluator, next, live)?;
                let first = live.answers.remove(&(next, 0)).flatten();
                live.forget(next, &items[next]);
                self.tell_or_hold(next, evaluated, first, held.as_deref_mut(), tally, listener)?;
                next += 1;
                continue;
            }
            let shared = &*live;
            let evaluated: Result<Vec<Evaluated>, Problems> =
                (next..end).into_par_iter().map(|index| self.evaluate_item(&evaluator, index, shared)).collect();
            for (index, evaluated) in (next..end).zip(evaluated?) {
                self.progressed(index, listener)?;
                self.tell_or_hold(index, evaluated, None, held.as_deref_mut(), tally, listener)?;
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
            return Ok(Answer::Here(Box::new(line.response), AnswerSource::Recorded, Some(line.recorded_at)));
        }
        if item.variation.is_some() {
            // Whatever else is recorded of the case was no experiment.
            return Ok(Answer::Unrecorded);
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
                Some(Ok(Told::Arrived { item, sample, answer })) => {
                    tally.summary.calls_made += 1;
                    live.answers.insert((item, sample), Some(answer));
                }
                Some(Ok(Told::Answered { item, sample, answer })) => {
                    let arrived = live.answers.get(&(item, sample)).is_some_and(Option::is_some);
                    if !arrived && !matches!(answer, Answer::Skipped(_) | Answer::Unasked(_)) {
                        tally.summary.calls_made += 1;
                    }
                    live.answers.insert((item, sample), Some(answer));
                    let left = live.missing.get_mut(&item).map(|count| {
                        *count -= 1;
                        *count
                    });
                    // A case is done with its last answer.
                    if left == Some(0) {
                        self.progressed(item, listener)?;
                    }
                }
                Some(Ok(Told::Consulted { item })) => {
                    let left = live.missing.get_mut(&item).map(|count| {
                        *count -= 1;
                        *count
                    });
                    if left == Some(0) {
                        self.progressed(item, listener)?;
                    }
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

    /// Tells that an item is done, once: what is confirmed was counted before.
    fn progressed(&self, item: usize, listener: &mut dyn Listener) -> io::Result<()> {
        if self.settings.again {
            return Ok(());
        }
        let model = &self.prepared.workspace.config.models[self.plan.items[item].model];
        listener.on(&Event::Progressed { model: model.alias.clone() })
    }

    fn tell_or_hold(
        &self,
        index: usize,
        evaluated: Evaluated,
        first: Option<Answer>,
        held: Option<&mut Held>,
        tally: &mut Tally,
        listener: &mut dyn Listener,
    ) -> io::Result<()> {
        let may_change = !evaluated.0.detail.must_pass && evaluated.1.is_none();
        match held.filter(|_| evaluated.0.verdict == Verdict::Failed && may_change) {
            Some(held) => {
                held.push((index, evaluated, first));
                Ok(())
            }
            None => self.tell(evaluated, tally, listener),
        }
    }

    fn tell(
        &self,
        (mut outcome, problem): Evaluated,
        tally: &mut Tally,
        listener: &mut dyn Listener,
    ) -> io::Result<()> {
        let entry = self.prepared.workspace.config.model(&outcome.model);
        outcome.good = self.settings.is_good(&outcome);
        tally.summary.calls_made += outcome.samples.iter().map(live_turns).sum::<u64>();
        for note in tally.add(&outcome, problem, entry) {
            listener.on(&Event::Noted(note))?;
        }
        if self.settings.fail_fast && outcome.verdict == Verdict::Failed && outcome.quarantine.is_none() {
            self.stop.fail();
        }
        listener.on(&Event::Finished(Box::new(outcome)))
    }
}

impl Live {
    /// Takes note of what is waited for, and of what never comes.
    fn expect(&mut self, missing: &Missing) {
        for wanted in missing.wanted.values().flatten() {
            *self.missing.entry(wanted.item).or_default() += 1;
            self.answers.insert((wanted.item, wanted.sample), None);
        }
        for wanted in &missing.consults {
            *self.missing.entry(wanted.item).or_default() += 1;
        }
        for (wanted, skip) in &missing.skipped {
            let answer = match skip {
                Skip::Retrieval(why) => Answer::Fault(why.clone()),
                skip => Answer::Skipped(skip.clone()),
            };
            self.answers.insert((wanted.item, wanted.sample), Some(answer));
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
