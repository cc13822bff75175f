//! Asking for what checks want beyond an answer, as soon as the answer is there: judges, embeddings, programs. What one
//! of them says may make another question, so it goes on until nothing is missing.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::answer::{Answer, Skip};
use super::asking::{Asking, Had, Origin, Told};
use super::bound::BoundCase;
use super::checking::check_sample;
use super::consulted::{Came, Errand, Role};
use super::wanted::{Wanted, recorded};
use crate::core::names::{CaseName, PromptName};
use crate::core::record::Request;
use crate::core::verdict::{AnswerSource, Lack};
use crate::model;

/// How often what was said may lead to another question, in each turn.
const ROUNDS: usize = 8;
/// How many programs run at once.
pub(super) const PROGRAMS: usize = 4;

impl Asking<'_> {
    /// Has a recorded answer judged.
    pub(super) async fn judge_recorded(&self, wanted: Wanted, slots: &Semaphore) {
        let item = &self.plan.items[wanted.item];
        let prepared = self.room.prepared;
        let found = self.room.stores[0]
            .zip(item.keys.get(wanted.sample as usize))
            .map(|(store, key)| recorded(prepared, store, item, key));
        // What cannot be read is told when the item is evaluated.
        if let Some(Ok(Some(line))) = found {
            let answer = Answer::Here(Box::new(line.response), AnswerSource::Recorded, Some(line.recorded_at));
            if self.waits_for_others(item.case) {
                self.put_off(wanted, answer, false);
                return;
            }
            if let Err(error) = self.consult(wanted, &answer, slots).await {
                self.broken(error);
                return;
            }
        }
        self.send(Told::Consulted { item: wanted.item });
    }

    /// What had to wait until every model has answered.
    pub(super) async fn judge_the_rest(&self, slots: &Semaphore) {
        let later = self.later.lock().map(|mut later| std::mem::take(&mut *later)).unwrap_or_default();
        join_all(later.into_iter().map(|(wanted, answer, is_live)| async move {
            if let Err(error) = self.consult(wanted, &answer, slots).await {
                self.broken(error);
                return;
            }
            self.send(if is_live {
                Told::Answered { item: wanted.item, sample: wanted.sample, answer }
            } else {
                Told::Consulted { item: wanted.item }
            });
        }))
        .await;
    }

    /// Asks everything that the checks of a case want to know of an answer.
    pub(super) async fn consult(&self, wanted: Wanted, answer: &Answer, slots: &Semaphore) -> std::io::Result<()> {
        let item = &self.plan.items[wanted.item];
        let prepared = self.room.prepared;
        let case = prepared.workspace.case_of(item);
        // What makes no sense is told when the item is evaluated.
        let Ok(bound) = prepared.bind(case) else { return Ok(()) };
        for _ in 0..ROUNDS * (1 + bound.later.len()) {
            let errands = self.errands(wanted, answer, &bound);
            if errands.is_empty() {
                break;
            }
            let done = join_all(errands.into_iter().map(|errand| self.run_errand(errand, wanted, slots))).await;
            done.into_iter().collect::<std::io::Result<()>>()?;
        }
        Ok(())
    }

    /// What the checks still want to know.
    fn errands(&self, wanted: Wanted, answer: &Answer, bound: &BoundCase) -> Vec<Errand> {
        let item = &self.plan.items[wanted.item];
        let workspace = &self.room.prepared.workspace;
        let desk = self.room.asking().desk_of(item, wanted.sample);
        let price = workspace.config.models[item.model].price.as_ref();
        check_sample(answer, bound, price, &desk);
        desk.wanted()
    }

    async fn run_errand(&self, errand: Errand, wanted: Wanted, slots: &Semaphore) -> std::io::Result<()> {
        let place = self.room.prepared.consulted.place(&errand.key());
        let mut broken = None;
        place
            .get_or_init(|| async {
                match self.come(errand, wanted, slots).await {
                    Ok(came) => came,
                    Err(error) => {
                        broken = Some(error);
                        Came::Lacking(Lack::Errored, "it could not be written down".to_owned())
                    }
                }
            })
            .await;
        broken.map_or(Ok(()), Err)
    }

    async fn come(&self, errand: Errand, wanted: Wanted, slots: &Semaphore) -> std::io::Result<Came> {
        let skipped = |skip: &Skip| Ok(Came::Lacking(Lack::Skipped, skip.reason()));
        if let Some(skip) = self.ends() {
            return skipped(&skip);
        }
        match errand {
            Errand::Program { command, input } => {
                let Ok(_slot) = self.programs.acquire().await else { return skipped(&Skip::Interrupted) };
                let input = input.to_string().into_bytes();
                Ok(match model::execute(self.permissions, &command, input).await {
                    Ok(text) => Came::Printed(text),
                    Err(fault) => Came::Lacking(Lack::Errored, fault.to_string()),
                })
            }
            Errand::Call { model, request, sample, role } => {
                self.call(model, (*request, sample), role, wanted, slots).await
            }
        }
    }

    async fn call(
        &self,
        model: usize,
        (request, sample): (Request, u32),
        role: Role,
        wanted: Wanted,
        slots: &Semaphore,
    ) -> std::io::Result<Came> {
        let entry = &self.workspace.config.models[model];
        let Some(lane) = self.lanes.get(&model) else {
            let variable = self.without_key.get(&model).cloned().unwrap_or_default();
            return Ok(Came::Lacking(Lack::Skipped, Skip::Credentials(variable).reason()));
        };
        let taken = self.calls_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if taken.is_err() {
            return Ok(Came::Lacking(Lack::Skipped, Skip::Budget(self.max_calls.unwrap_or(0)).reason()));
        }
        let response = match self.had(lane, model, &request, sample, slots).await {
            Had::Response(response) => response,
            Had::Nothing(Answer::Skipped(skip)) => return Ok(Came::Lacking(Lack::Skipped, skip.reason())),
            Had::Nothing(other) => {
                let why = other.reason().unwrap_or_default();
                let who = if matches!(role, Role::Turn(_)) { "model" } else { "judge" };
                return Ok(Came::Lacking(Lack::Errored, format!("the {who} `{}`: {why}", entry.alias)));
            }
        };
        let (prompt, case) = self.names(wanted);
        let origin = Origin { model, sample, role: Some(role) };
        let item = &self.plan.items[wanted.item];
        match self.write(&prompt, &case, (origin, item), request, (*response).clone())? {
            Some(refused) => Ok(Came::Lacking(Lack::Errored, refused)),
            None => Ok(Came::Response(response)),
        }
    }

    fn names(&self, wanted: Wanted) -> (PromptName, CaseName) {
        let case = &self.workspace.cases.list[self.plan.items[wanted.item].case];
        (self.workspace.prompt_of(case).name.clone(), case.name.clone())
    }
}
