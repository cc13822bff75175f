//! What the other side of a comparison brings into a run: its answers, and how its conversations went.

use std::collections::HashMap;

use super::bound::{Spoken, as_message};
use super::checking::transcript;
use super::prepared::Prepared;
use crate::case::Case;
use crate::core::names::RequestKey;
use crate::core::problem::Problem;
use crate::core::record::{Request, Response};
use crate::core::verdict::{AnswerSource, TurnOutcome};
use crate::plan::Workspace;
use crate::project::ModelEntry;

/// The other side of a comparison, as far as a run of this side looks at it.
#[derive(Default)]
pub struct Against {
    /// The answers that those of this run are preferred to, by the index of the case.
    pub answers: Option<HashMap<usize, String>>,
    /// The conversations that are judged instead of this side's own, by the indexes of case and model.
    pub scripts: HashMap<(usize, usize), Script>,
}

/// A conversation without its answers: how it is opened, and what is said in between. The later answers of one side are
/// found by its own script, whatever the other side expects of them.
pub struct Script {
    pub(super) opening: Request,
    pub(super) spoken: Vec<Spoken>,
}

impl Script {
    /// The script of a case on a model; `None` where it ends with the first answer.
    pub fn of(workspace: &Workspace, case: &Case, entry: &ModelEntry) -> Result<Option<Self>, Problem> {
        if case.turns.is_empty() {
            return Ok(None);
        }
        let opening = workspace.request(case, entry)?;
        let spoken = case.turns.iter().map(|turn| Spoken::new(case, turn)).collect::<Result<_, _>>()?;
        Ok(Some(Self { opening, spoken }))
    }

    /// The first answer of a sample with the conversation behind it as its text, as far as that is found.
    pub fn told<E>(
        &self,
        (sample, first): (u32, &Response),
        find: impl Fn(&RequestKey) -> Result<Option<Response>, E>,
    ) -> Result<Response, E> {
        let (mut request, mut answer, mut turns) = (self.opening.clone(), first.clone(), Vec::new());
        for (spoken, turn) in self.spoken.iter().zip(2..) {
            let Ok(messages) = spoken.messages(&answer) else { break };
            request.messages.push(as_message(&answer));
            request.messages.extend(messages);
            let key = request.key(sample);
            let Some(next) = find(&key)? else { break };
            turns.push(TurnOutcome {
                turn,
                who: spoken.who().to_owned(),
                said: spoken.shown(),
                key,
                output: next.text.clone(),
                tool_calls: next.tool_calls.clone(),
                finish_reason: next.finish_reason,
                cost_usd: None,
                source: AnswerSource::Recorded,
            });
            answer = next;
        }
        Ok(if turns.is_empty() { first.clone() } else { whole(first, transcript(first, &turns)) })
    }
}

/// An answer with the conversation behind it as its text, in which the calls of tools stand too.
pub(super) fn whole(first: &Response, text: String) -> Response {
    Response { text, tool_calls: Vec::new(), ..first.clone() }
}

impl Prepared {
    /// The script of a case on a model; `None` where it ends with the first answer.
    pub fn script(&self, case: usize, entry: &ModelEntry) -> Result<Option<Script>, Problem> {
        Script::of(&self.workspace, &self.workspace.cases.list[case], entry)
    }
}
