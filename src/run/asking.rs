//! Asking what is not recorded: as many at once as the models and the run allow, each answer written down at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Semaphore;

use super::answer::{Answer, Skip};
use super::budget::Budget;
use super::stop::Stop;
use super::wanted::Wanted;
use crate::core::names::ModelAlias;
use crate::core::time::{Clock, rfc3339};
use crate::core::verdict::AnswerSource;
use crate::model::{Happened, Lane, Question};
use crate::plan::{Estimate, Item, Plan, Workspace};
use crate::recording::{Journal, JournalError, Line};

/// How long answers in flight are waited for after an interruption.
const GRACE: Duration = Duration::from_secs(5);
/// Requests in flight where neither the model nor the command line says.
const DEFAULT_LANE: usize = 16;

/// What the asking side tells.
pub(super) enum Told {
    /// What there is to a request now.
    Answered { item: usize, sample: u32, answer: Answer },
    /// Something that a person should know.
    Noted(String),
    /// What was sent or what came.
    Traced(String),
    /// A request is sent again.
    Retried { model: ModelAlias, reason: String },
    /// An answer could not be written down: the run must end.
    Broken(std::io::Error),
}

/// What asking needs.
pub(super) struct Asking<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) plan: &'a Plan,
    /// The models to ask, by their index.
    pub(super) lanes: BTreeMap<usize, Lane<'a>>,
    pub(super) wanted: BTreeMap<usize, Vec<Wanted>>,
    pub(super) journal: Option<&'a Journal>,
    pub(super) clock: &'a dyn Clock,
    pub(super) stop: &'a Stop,
    /// The most requests in flight, over all models; `None`: each model's own limit.
    pub(super) jobs: Option<usize>,
    /// When nothing more is asked.
    pub(super) until: Option<Instant>,
    /// The money that may be spent, where there is a limit.
    pub(super) budget: Option<Arc<Budget>>,
    pub(super) tell: Sender<Told>,
}

impl Asking<'_> {
    /// Asks everything. Returns when all is told, or some time after an interruption.
    pub(super) async fn run(&self) {
        let slots = Semaphore::new(self.jobs.unwrap_or(Semaphore::MAX_PERMITS));
        let lanes = self.wanted.iter().filter_map(|(model, wanted)| Some((*model, self.lanes.get(model)?, wanted)));
        let all = join_all(lanes.map(|(model, lane, wanted)| self.ask_lane(model, lane, wanted, &slots)));
        let grace = async {
            self.stop.interrupted().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            _ = all => {}
            () = grace => {}
        }
    }

    async fn ask_lane(&self, model: usize, lane: &Lane<'_>, wanted: &[Wanted], slots: &Semaphore) {
        let own = self.workspace.config.models[model].limits.concurrency;
        let limit = match (own, self.jobs) {
            (Some(own), Some(jobs)) => own.min(jobs),
            (Some(own), None) => own,
            (None, Some(jobs)) => jobs,
            (None, None) => DEFAULT_LANE,
        };
        stream::iter(wanted).map(|wanted| self.ask(lane, *wanted, slots)).buffer_unordered(limit).collect::<()>().await;
    }

    async fn ask(&self, lane: &Lane<'_>, wanted: Wanted, slots: &Semaphore) {
        let answer = match self.ends() {
            Some(skip) => Answer::Skipped(skip),
            None => match self.ask_now(lane, wanted, slots).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.stop.interrupt();
                    self.send(Told::Broken(error));
                    return;
                }
            },
        };
        self.send(Told::Answered { item: wanted.item, sample: wanted.sample, answer });
    }

    /// Why nothing more is asked.
    fn ends(&self) -> Option<Skip> {
        if self.stop.is_interrupted() {
            Some(Skip::Interrupted)
        } else if self.stop.is_failed() {
            Some(Skip::Failed)
        } else {
            self.until.filter(|until| Instant::now() >= *until).map(|_| Skip::Time)
        }
    }

    async fn ask_now(&self, lane: &Lane<'_>, wanted: Wanted, slots: &Semaphore) -> std::io::Result<Answer> {
        let item = &self.plan.items[wanted.item];
        let case = &self.workspace.cases.list[item.case];
        let entry = &self.workspace.config.models[item.model];
        let request = match self.workspace.request(case, entry) {
            Ok(request) => request,
            Err(problem) => return Ok(Answer::Fault(problem.message)),
        };
        let tell = std::sync::Mutex::new(self.tell.clone());
        let lost = AtomicU32::new(0);
        let happened = |what: Happened<'_>| {
            let told = match what {
                Happened::Retried { reason, billable } => {
                    lost.fetch_add(u32::from(billable), Ordering::Relaxed);
                    Told::Retried { model: entry.alias.clone(), reason: reason.to_owned() }
                }
                Happened::GaveUp(why) => Told::Noted(format!("nothing more is asked of {}: {why}", entry.alias)),
                Happened::Traced(text) => Told::Traced(format!("{} {text}", entry.alias)),
            };
            if let Ok(tell) = tell.lock() {
                // The run may have ended meanwhile.
                let _ = tell.send(told);
            }
        };
        let counts = self.budget.is_some() || entry.limits.tokens_per_minute.is_some();
        let estimate = counts.then(|| Estimate::of(entry, &request));
        let mut reserved = None;
        if let (Some(budget), Some(estimate), Some(price)) = (&self.budget, &estimate, &entry.price) {
            reserved = budget.reserve(price, estimate).await;
            if reserved.is_none() {
                return Ok(Answer::Skipped(Skip::Money(budget.limit())));
            }
        }
        let tokens = estimate.map_or(0, |estimate| estimate.input + estimate.output.unwrap_or(0));
        let ends = || self.ends().is_some();
        let question =
            Question { request: &request, sample: wanted.sample, tokens, slots, ends: &ends, tell: &happened };
        let answered = lane.ask(&question).await;
        if let (Some(reserved), Some(price)) = (reserved, &entry.price) {
            match &answered {
                Ok(response) => reserved.spend(price, &response.usage),
                Err(fault) => reserved.lose(u32::from(fault.billable)),
            }
            reserved.lose(lost.load(Ordering::Relaxed));
        }
        let response = match answered {
            Ok(response) => response,
            Err(fault) if fault.unasked => {
                // It may have waited for its turn until the run ended.
                return Ok(self.ends().map_or_else(|| Answer::Unasked(fault.to_string()), Answer::Skipped));
            }
            Err(fault) => return Ok(Answer::Fault(fault.to_string())),
        };
        self.record(item, wanted.sample, request, response)
    }

    /// Writes an answer down before anybody hears of it.
    fn record(
        &self,
        item: &Item,
        sample: u32,
        request: crate::core::record::Request,
        response: crate::core::record::Response,
    ) -> std::io::Result<Answer> {
        let case = &self.workspace.cases.list[item.case];
        if let Some(journal) = self.journal {
            let line = Line {
                key: request.key(sample),
                case: case.name.clone(),
                sample,
                model: self.workspace.config.models[item.model].alias.clone(),
                request: self.workspace.config.recordings.requests.then_some(request),
                response: response.clone(),
                recorded_at: rfc3339(self.clock.now()),
            };
            match journal.append(&self.workspace.prompt_of(case).name, &line) {
                Ok(()) => {}
                Err(JournalError::Io(error)) => return Err(error),
                Err(refused @ JournalError::Secret { .. }) => return Ok(Answer::Fault(refused.to_string())),
            }
        }
        Ok(Answer::Here(Box::new(response), AnswerSource::Live, None))
    }

    fn send(&self, told: Told) {
        // Nobody listens any more once the run has ended.
        let _ = self.tell.send(told);
    }
}
