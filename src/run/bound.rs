//! What is expected of a case with its variables in it, turn by turn, and what is said in between.

use super::prepared::Prepared;
use crate::case::{Case, Say, Turn};
use crate::core::problem::Problem;
use crate::core::record::{Message, Response, Role};
use crate::expect::{Bound, Expectation};
use crate::prompt::Inline;

/// What is expected of one answer.
pub(super) struct BoundTurn {
    pub(super) bound: Vec<Bound>,
    /// Whether it may have ended for any reason.
    pub(super) any_finish: bool,
}

/// What is said before the next answer.
pub(super) enum Spoken {
    By(Role, String),
    /// The results of the tools that were called, in the order of the calls.
    Tools(Vec<String>),
    /// The same by the names of the tools.
    ToolsByName(Vec<(String, String)>),
}

/// A case with its variables in what is expected.
pub(super) struct BoundCase {
    pub(super) first: BoundTurn,
    pub(super) later: Vec<(Spoken, BoundTurn)>,
    /// The score that is enough, instead of every expectation.
    pub(super) threshold: Option<f64>,
    /// Whether it is a labelled answer: nobody knows what it answers but the label.
    pub(super) is_labelled: bool,
}

impl Prepared {
    /// The expectations of a case with its variables in them.
    pub(super) fn bind(&self, case: &Case) -> Result<BoundCase, Problem> {
        let mut variables = None;
        let mut variables = || variables.get_or_insert_with(|| case.variables.to_jinja()).clone();
        let mut turn = |expectations: &[&Expectation]| {
            let mut bound = Vec::with_capacity(expectations.len());
            for expectation in expectations {
                bound.push(expectation.bind(&variables()).map_err(|why| {
                    Problem::error(expectation.place().clone(), format!("case `{}`: {why}", case.name))
                })?);
            }
            let any_finish = expectations.iter().any(|expectation| expectation.accepts_any_finish());
            Ok::<_, Problem>(BoundTurn { bound, any_finish })
        };
        let first = turn(&self.expectations(case).map(|one| &**one).collect::<Vec<_>>())?;
        let mut later = Vec::with_capacity(case.turns.len());
        for written in case.turns.iter() {
            let expected: Vec<&Expectation> = self.compiled(&written.checks).map(|one| &**one).collect();
            let bound = turn(&expected)?;
            later.push((Spoken::new(case, written)?, bound));
        }
        Ok(BoundCase { first, later, threshold: case.threshold, is_labelled: self.judges.on_trial })
    }
}

impl Spoken {
    /// What a case says in a turn, with its variables in it.
    pub(super) fn new(case: &Case, turn: &Turn) -> Result<Self, Problem> {
        let render = |text: &Inline| {
            let said = text.render(&case.variables.to_jinja()).and_then(|said| {
                if said.trim().is_empty() { Err("the message is empty for this case".to_owned()) } else { Ok(said) }
            });
            said.map_err(|why| Problem::error(turn.place.clone(), format!("case `{}`: {why}", case.name)))
        };
        Ok(match &turn.say {
            Say::User(text) => Self::By(Role::User, render(text)?),
            Say::Developer(text) => Self::By(Role::Developer, render(text)?),
            Say::Tools(texts) => Self::Tools(texts.iter().map(render).collect::<Result<_, _>>()?),
            Say::ToolsByName(texts) => {
                let named = texts.iter().map(|(name, text)| Ok((name.clone(), render(text)?)));
                Self::ToolsByName(named.collect::<Result<_, Problem>>()?)
            }
        })
    }

    /// As messages behind an answer. An error says why it cannot be said there.
    pub(super) fn messages(&self, answer: &Response) -> Result<Vec<Message>, String> {
        let calls = &answer.tool_calls;
        let results: Vec<String> = match self {
            Self::By(role, text) => {
                if !calls.is_empty() {
                    let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
                    return Err(format!(
                        "the model called {}, and the script goes on without a result; add a message of `tool`",
                        names.join(", ")
                    ));
                }
                return Ok(vec![Message::new(*role, text.clone())]);
            }
            Self::Tools(_) | Self::ToolsByName(_) if calls.is_empty() => {
                return Err("the script has the result of a tool, and the model called none".to_owned());
            }
            Self::Tools(texts) if texts.len() != calls.len() => {
                return Err(format!(
                    "the model made {} calls of tools, the script has {} results",
                    calls.len(),
                    texts.len()
                ));
            }
            Self::Tools(texts) => texts.clone(),
            Self::ToolsByName(named) => {
                let of = |name: &str| named.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
                let found: Option<Vec<String>> = calls.iter().map(|call| of(&call.name)).collect();
                let missing = calls.iter().find(|call| of(&call.name).is_none()).map_or("", |call| call.name.as_str());
                found.ok_or_else(|| format!("the model called `{missing}`, of which the script has no result"))?
            }
        };
        let result =
            |(text, id): (String, String)| Message { tool_call_id: Some(id), ..Message::new(Role::Tool, text) };
        Ok(results.into_iter().zip(call_ids(answer)).map(result).collect())
    }

    /// As a person reads it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::By(_, text) => text.clone(),
            Self::Tools(texts) => texts.join("\n"),
            Self::ToolsByName(named) => {
                let lines: Vec<String> = named.iter().map(|(name, text)| format!("{name}: {text}")).collect();
                lines.join("\n")
            }
        }
    }

    /// Who says it.
    pub(super) fn who(&self) -> &'static str {
        match self {
            Self::By(role, _) => role.name(),
            Self::Tools(_) | Self::ToolsByName(_) => Role::Tool.name(),
        }
    }
}

/// The ids of the calls of an answer; a provider that gives none is answered by their order.
fn call_ids(answer: &Response) -> impl Iterator<Item = String> {
    answer
        .tool_calls
        .iter()
        .enumerate()
        .map(|(index, call)| if call.id.is_empty() { format!("call_{}", index + 1) } else { call.id.clone() })
}

/// An answer as the model's own message in what follows.
pub(super) fn as_message(answer: &Response) -> Message {
    let calls = answer.tool_calls.iter().cloned().zip(call_ids(answer));
    let tool_calls = calls.map(|(call, id)| crate::core::record::ToolCall { id, ..call }).collect();
    Message { tool_calls, ..Message::new(Role::Assistant, answer.text.clone()) }
}
