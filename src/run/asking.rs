//! Asking what is not recorded: as many at once as the models and the run allow, each answer written down at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Semaphore;

use super::answer::{Answer, Skip};
use super::budget::Budget;
use super::consulted::Role;
use super::desk::Room;
use super::stop::Stop;
use super::wanted::Wanted;
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::record::{Request, Response};
use crate::core::time::{Clock, rfc3339};
use crate::core::verdict::AnswerSource;
use crate::model::{Happened, Lane, Permissions, Question};
use crate::plan::{Estimate, Item, Plan, Workspace};
use crate::project::ModelEntry;
use crate::recording::{Journal, JournalError, Line};

/// How long answers in flight are waited for after an interruption.
const GRACE: Duration = Duration::from_secs(5);
/// Requests in flight where neither the model nor the command line says.
const DEFAULT_LANE: usize = 16;
/// How many answers are judged at once; what each model may be asked at once is its own limit.
const AT_ONCE: usize = 64;

/// What the asking side tells.
pub(super) enum Told {
    /// An answer that is still to be judged: should nobody wait for that, it was asked for all the same.
    Arrived { item: usize, sample: u32, answer: Answer },
    /// What there is to a request now.
    Answered { item: usize, sample: u32, answer: Answer },
    /// All that checks want to know of a recorded answer was asked.
    Consulted { item: usize },
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
    /// Recorded answers of which checks want to know something.
    pub(super) consults: Vec<Wanted>,
    /// Where that is looked up.
    pub(super) room: Room<'a>,
    /// The variables that are not set, by the index of the model that needs them.
    pub(super) without_key: BTreeMap<usize, String>,
    /// As many requests of each model may be on their way.
    pub(super) own: BTreeMap<usize, Semaphore>,
    /// As many programs may run.
    pub(super) programs: Semaphore,
    /// What somebody outside the repository allows.
    pub(super) permissions: &'a Permissions,
    /// How many calls may still be made beyond those of `wanted`, and how many were allowed in all.
    pub(super) calls_left: AtomicU64,
    pub(super) max_calls: Option<u64>,
    /// Answers that are judged when every model has answered; whether they were asked for now.
    pub(super) later: Mutex<Vec<(Wanted, Answer, bool)>>,
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

/// Where an answer comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// The index of the model.
    pub(super) model: usize,
    pub(super) sample: u32,
    /// What it was asked for; none: the first answer of a case.
    pub(super) role: Option<Role>,
}

/// What asking a model brought.
pub(super) enum Had {
    /// Its response.
    Response(Box<Response>),
    /// None, and what there is instead.
    Nothing(Answer),
}

/// How many requests of a model may be on their way.
pub(super) fn lane_limit(entry: &ModelEntry, jobs: Option<usize>) -> usize {
    match (entry.limits.concurrency, jobs) {
        (Some(own), Some(jobs)) => own.min(jobs),
        (Some(own), None) => own,
        (None, Some(jobs)) => jobs,
        (None, None) => DEFAULT_LANE,
    }
}

impl Asking<'_> {
    /// Asks everything. Returns when all is told, or some time after an interruption.
    pub(super) async fn run(&self) {
        let slots = Semaphore::new(self.jobs.unwrap_or(Semaphore::MAX_PERMITS));
        let lanes = self.wanted.iter().filter_map(|(model, wanted)| Some((*model, self.lanes.get(model)?, wanted)));
        let answers = join_all(lanes.map(|(model, lane, wanted)| self.ask_lane(model, lane, wanted, &slots)));
        let judgements = stream::iter(&self.consults)
            .map(|wanted| self.judge_recorded(*wanted, &slots))
            .buffer_unordered(AT_ONCE)
            .collect::<()>();
        let all = async {
            tokio::join!(answers, judgements);
            self.judge_the_rest(&slots).await;
        };
        let grace = async {
            self.stop.interrupted().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = all => {}
            () = grace => {}
        }
    }

    async fn ask_lane(&self, model: usize, lane: &Lane<'_>, wanted: &[Wanted], slots: &Semaphore) {
        let limit = lane_limit(&self.workspace.config.models[model], self.jobs);
        // Whoever is judged does not keep the next one from being asked.
        let width = if self.room.prepared.is_judged { limit.saturating_mul(2).max(AT_ONCE) } else { limit };
        stream::iter(wanted).map(|wanted| self.ask(lane, *wanted, slots)).buffer_unordered(width).collect::<()>().await;
    }

    async fn ask(&self, lane: &Lane<'_>, wanted: Wanted, slots: &Semaphore) {
        let answer = match self.ends() {
            Some(skip) => Answer::Skipped(skip),
            None => match self.ask_now(lane, wanted, slots).await {
                Ok(answer) => answer,
                Err(error) => return self.broken(error),
            },
        };
        let item = &self.plan.items[wanted.item];
        if let Answer::Here(response, ..) = &answer
            && self.room.prepared.is_judged
        {
            if wanted.sample == 0 {
                self.room.prepared.consulted.answered(item.case, item.model, response);
            }
            if self.room.prepared.asks(&self.workspace.cases.list[item.case]) {
                self.send(Told::Arrived { item: wanted.item, sample: wanted.sample, answer: answer.clone() });
            }
            if self.waits_for_others(item.case) {
                return self.put_off(wanted, answer, true);
            }
            if let Err(error) = self.consult(wanted, &answer, slots).await {
                return self.broken(error);
            }
        }
        self.send(Told::Answered { item: wanted.item, sample: wanted.sample, answer });
    }

    /// Whether a case is judged beside the answers of other models.
    pub(super) fn waits_for_others(&self, case: usize) -> bool {
        self.room.prepared.is_judged && self.room.prepared.needs_others(&self.workspace.cases.list[case])
    }

    pub(super) fn put_off(&self, wanted: Wanted, answer: Answer, is_live: bool) {
        if let Ok(mut later) = self.later.lock() {
            later.push((wanted, answer, is_live));
        }
    }

    pub(super) fn broken(&self, error: std::io::Error) {
        self.stop.interrupt();
        self.send(Told::Broken(error));
    }

    /// Why nothing more is asked.
    pub(super) fn ends(&self) -> Option<Skip> {
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
        let request = match self.workspace.request_of_item(item) {
            Ok(request) => request,
            Err(problem) => return Ok(Answer::Fault(problem.in_a_line())),
        };
        let response = match self.had(lane, item.model, &request, wanted.sample, slots).await {
            Had::Response(response) => response,
            Had::Nothing(answer) => return Ok(answer),
        };
        let prompt = &self.workspace.prompt_of(case).name;
        let origin = Origin { model: item.model, sample: wanted.sample, role: None };
        let refused = self.write(prompt, &case.name, (origin, item), request, (*response).clone())?;
        Ok(match refused {
            Some(why) => Answer::Fault(why),
            None => Answer::Here(response, AnswerSource::Live, None),
        })
    }

    /// Asks a model, within all limits.
    pub(super) async fn had(
        &self,
        lane: &Lane<'_>,
        model: usize,
        request: &Request,
        sample: u32,
        slots: &Semaphore,
    ) -> Had {
        let entry = &self.workspace.config.models[model];
        let own = match self.own.get(&model).filter(|_| self.room.prepared.is_judged) {
            Some(own) => own.acquire().await.ok(),
            None => None,
        };
        let tell = Mutex::new(self.tell.clone());
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
        let estimate = counts.then(|| Estimate::of(entry, request));
        let mut reserved = None;
        if let (Some(budget), Some(estimate), Some(price)) = (&self.budget, &estimate, &entry.price) {
            reserved = budget.reserve(price, estimate).await;
            if reserved.is_none() {
                return Had::Nothing(Answer::Skipped(Skip::Money(budget.limit())));
            }
        }
        let tokens = estimate.map_or(0, |estimate| estimate.input + estimate.output.unwrap_or(0));
        let ends = || self.ends().is_some();
        let question = Question { request, sample, tokens, slots, ends: &ends, tell: &happened };
        let answered = lane.ask(&question).await;
        drop(own);
        if let (Some(reserved), Some(price)) = (reserved, &entry.price) {
            match &answered {
                Ok(response) => reserved.spend(price, &response.usage),
                Err(fault) => reserved.lose(u32::from(fault.billable)),
            }
            reserved.lose(lost.load(Ordering::Relaxed));
        }
        match answered {
            Ok(response) => Had::Response(Box::new(response)),
            // It may have waited for its turn until the run ended.
            Err(fault) if fault.unasked => {
                Had::Nothing(self.ends().map_or_else(|| Answer::Unasked(fault.to_string()), Answer::Skipped))
            }
            Err(fault) => Had::Nothing(Answer::Fault(fault.to_string())),
        }
    }

    /// Writes an answer down before anybody hears of it. Gives the reason where it may not be written.
    pub(super) fn write(
        &self,
        prompt: &PromptName,
        case: &CaseName,
        (Origin { model, sample, role }, item): (Origin, &Item),
        request: Request,
        response: Response,
    ) -> std::io::Result<Option<String>> {
        let Some(journal) = self.journal else { return Ok(None) };
        let line = Line {
            key: request.key(sample),
            case: case.clone(),
            sample,
            model: self.workspace.config.models[model].alias.clone(),
            check: match role {
                Some(Role::Judge(check)) => Some(check.to_owned()),
                Some(Role::Turn(_)) | None => None,
            },
            turn: match role {
                Some(Role::Turn(turn)) => Some(turn),
                Some(Role::Judge(_)) | None => None,
            },
            experiment: match role {
                // What a judge says of an answer is the same whoever asked for that.
                Some(Role::Judge(_)) => None,
                _ => item.variation.as_ref().map(|variation| variation.experiment.clone()),
            },
            request: self.workspace.config.recordings.requests.then_some(request),
            response,
            recorded_at: rfc3339(self.clock.now()),
        };
        match journal.append(prompt, &line) {
            Ok(()) => Ok(None),
            Err(JournalError::Io(error)) => Err(error),
            Err(refused @ JournalError::Secret { .. }) => Ok(Some(refused.to_string())),
        }
    }

    pub(super) fn send(&self, told: Told) {
        // Nobody listens any more once the run has ended.
        let _ = self.tell.send(told);
    }
}
