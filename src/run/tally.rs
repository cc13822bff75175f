//! The sums of a run while it goes on, what they say to a person, and the exit code that follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::answer::{BUDGET, NO_CREDENTIALS};
use super::budget::Budget;
use super::settings::{MaxAge, Settings, SnapshotPolicy};
use super::stop::Stop;
use crate::core::names::ModelAlias;
use crate::core::problem::{Problem, Problems};
use crate::core::time::day;
use crate::core::verdict::{AnswerSource, Exit, Outcome, Summary, Verdict};
use crate::project::ModelEntry;

/// The sums of a run while it goes on.
pub(super) struct Tally {
    pub(super) summary: Summary,
    pub(super) problems: Problems,
    /// The money that may be spent, where there is a limit: one for all parts of a run.
    pub(super) money: Option<Arc<Budget>>,
    budget: bool,
    credentials: bool,
    /// How many came to each verdict, those in quarantine left out.
    deciding: BTreeMap<Verdict, u64>,
    /// The time before which an answer is old.
    old_before: Option<Timestamp>,
    /// How many old answers were replayed for each model, of how many, and when the oldest was recorded.
    old: BTreeMap<ModelAlias, (u64, u64, Timestamp)>,
    max_age: Option<MaxAge>,
    /// Models that were asked for, and others that answered.
    served: Vec<(String, String)>,
    /// Which model answered for an alias first; `None` once it was said that several did.
    answered_by: Vec<(ModelAlias, Option<String>)>,
}

impl Tally {
    pub(super) fn new(planned: u64, settings: &Settings, now: Timestamp) -> Self {
        let days = |age: MaxAge| SignedDuration::from_hours(24 * i64::from(age.days));
        let max_cost = settings.max_cost;
        Self {
            deciding: BTreeMap::new(),
            old_before: settings.max_age.and_then(|age| now.checked_sub(days(age)).ok()),
            old: BTreeMap::new(),
            max_age: settings.max_age,
            summary: Summary { planned, ..Summary::default() },
            problems: Problems::default(),
            money: max_cost.map(|limit| Arc::new(Budget::new(limit))),
            budget: false,
            credentials: false,
            served: Vec::new(),
            answered_by: Vec::new(),
        }
    }

    /// Adds an outcome. Gives what a person should be told because of it.
    pub(super) fn add(
        &mut self,
        outcome: &Outcome,
        problem: Option<Problem>,
        entry: Option<&ModelEntry>,
    ) -> Vec<String> {
        self.summary.add(outcome);
        if let Some(problem) = problem {
            self.problems.push(problem);
        }
        self.take_ages(outcome);
        if outcome.quarantine.is_none() {
            *self.deciding.entry(outcome.verdict).or_default() += 1;
        }
        if outcome.verdict == Verdict::Skipped && outcome.quarantine.is_none() {
            self.budget |= outcome.reason.starts_with(BUDGET);
            self.credentials |= outcome.reason.starts_with(NO_CREDENTIALS);
        }
        let otherwise = entry.and_then(|entry| self.served_otherwise(outcome, entry));
        let differently = self.served_differently(outcome);
        otherwise.into_iter().chain(differently).collect()
    }

    /// Takes note of how old the replayed answers of a case are.
    fn take_ages(&mut self, outcome: &Outcome) {
        let Some(old_before) = self.old_before else { return };
        let recorded = outcome.samples.iter().filter_map(|sample| sample.recorded_at.as_deref()?.parse().ok());
        for time in recorded {
            let (old, all, oldest) = self.old.entry(outcome.model.clone()).or_insert((0, 0, time));
            *all += 1;
            *old += u64::from(time < old_before);
            *oldest = time.min(*oldest);
        }
    }

    /// A word on each model of which old answers were replayed.
    pub(super) fn old_answers(&self) -> Vec<String> {
        let Some(MaxAge { days, .. }) = self.max_age else { return Vec::new() };
        let old = self.old.iter().filter(|(_, (old, ..))| *old > 0);
        let note = |(model, (old, all, oldest)): (&ModelAlias, &(u64, u64, Timestamp))| {
            format!(
                "{old} of {all} recorded answers of `{model}` are older than {days} days, the oldest of {}; \
                 `promptctl test --refresh --model {model}` asks again",
                day(*oldest)
            )
        };
        old.map(note).collect()
    }

    /// A word on a server that answers with another model than it was asked for: once for each.
    fn served_otherwise(&mut self, outcome: &Outcome, entry: &ModelEntry) -> Option<String> {
        let live = outcome.samples.iter().filter(|sample| sample.source == Some(AnswerSource::Live));
        let served = live.filter_map(|sample| sample.served_model.as_deref()).find(|served| *served != entry.model)?;
        // An alias that resolves to a dated version of itself is what aliases are for.
        let pair = (entry.model.clone(), served.to_owned());
        if served.starts_with(&entry.model) || self.served.contains(&pair) {
            return None;
        }
        let note =
            format!("the server of `{}` was asked for `{}` and says that `{served}` answered", entry.alias, pair.0);
        self.served.push(pair);
        Some(note)
    }

    /// A word on answers of one model that different ones gave, as the server reported: once for each model.
    fn served_differently(&mut self, outcome: &Outcome) -> Option<String> {
        for served in outcome.samples.iter().filter_map(|sample| sample.served_model.as_deref()) {
            match self.answered_by.iter_mut().find(|(model, _)| *model == outcome.model) {
                None => self.answered_by.push((outcome.model.clone(), Some(served.to_owned()))),
                Some((model, known)) => {
                    let Some(first) = known.take_if(|known| known != served) else { continue };
                    return Some(format!(
                        "the answers of `{model}` are from different models, `{first}` and `{served}`; --refresh asks for all of them again"
                    ));
                }
            }
        }
        None
    }

    /// The exit code of a run that ended so.
    pub(super) fn exit(&self, settings: &Settings, stop: &Stop) -> Exit {
        let summary = &self.summary;
        let has = |verdict: Verdict| self.deciding.contains_key(&verdict);
        let is_old = self.max_age.is_some_and(|age| age.waits) && self.old.values().any(|(old, ..)| *old > 0);
        let waits = is_old
            || has(Verdict::Stale)
            || has(Verdict::Unrecorded)
            || settings.snapshots == SnapshotPolicy::Fail
                && (has(Verdict::Changed) || has(Verdict::New) && settings.new_waits);
        [
            (stop.is_interrupted(), Exit::Interrupted),
            (!self.problems.is_empty(), Exit::Usage),
            (has(Verdict::Failed), Exit::Failed),
            (has(Verdict::Errored), Exit::Errored),
            (self.budget || self.credentials && settings.require_live, Exit::Incomplete),
            (waits, Exit::Waiting),
            (summary.planned == 0, Exit::Nothing),
        ]
        .into_iter()
        .filter(|(applies, _)| *applies)
        .fold(Exit::Good, |worst, (_, exit)| worst.worse(exit))
    }
}
