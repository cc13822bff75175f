//! A sample as the messages that were really said: the request, the answer, and the turns behind it.

use super::bound::{Spoken, as_message};
use super::prepared::Prepared;
use crate::case::Case;
use crate::core::record::{Message, Request, Response};
use crate::core::verdict::SampleOutcome;

/// What was said in a sample.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Every message; the last is the model's.
    pub messages: Vec<Message>,
    /// How many of them the request had: behind those stands the first answer.
    pub asked: usize,
}

impl Prepared {
    /// The conversation of a sample, from its request and its first answer as it was recorded. An error says why it cannot
    /// be told.
    pub fn conversation(
        &self,
        case: &Case,
        request: Request,
        first: &Response,
        sample: &SampleOutcome,
    ) -> Result<Conversation, String> {
        let mut messages = request.messages;
        let asked = messages.len();
        let mut answer = first.clone();
        messages.push(as_message(&answer));
        if sample.turns.len() != case.turns.len() {
            return Err("the conversation did not go to its end".to_owned());
        }
        for (written, told) in case.turns.iter().zip(&sample.turns) {
            let spoken = Spoken::new(case, written).map_err(|problem| problem.message)?;
            messages.extend(spoken.messages(&answer)?);
            answer = Response { text: told.output.clone(), tool_calls: told.tool_calls.clone(), ..Response::default() };
            messages.push(as_message(&answer));
        }
        Ok(Conversation { messages, asked })
    }
}
