//! `messages:` of a case: what is said after the prompt's own answer, turn by turn, and what is expected of each answer.

use std::sync::Arc;

use super::load::Check;
use crate::core::decode::Decoder;
use crate::core::problem::Place;
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// The most turns of a case.
const MOST: usize = 100;

/// What is said before the model answers again.
#[derive(Clone, Debug)]
pub enum Say {
    /// By the user.
    User(Inline),
    /// By the developer, as newer models name instructions.
    Developer(Inline),
    /// By the tools that the last answer called: their results, in the order of the calls.
    Tools(Vec<Inline>),
    /// The same by the names of the tools.
    ToolsByName(Vec<(String, Inline)>),
}

/// One turn as it is written.
#[derive(Clone, Debug)]
pub(super) struct WrittenTurn {
    pub(super) say: Say,
    pub(super) expect: Vec<Node>,
    pub(super) span: std::ops::Range<usize>,
}

/// One turn of a conversation.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What is said.
    pub say: Say,
    /// What is expected of the answer.
    pub checks: Arc<[Arc<Check>]>,
    /// Where it is written.
    pub place: Place,
}

impl Say {
    /// The templates in it.
    pub fn texts(&self) -> impl Iterator<Item = &Inline> {
        let (one, several, named): (Option<&Inline>, &[Inline], &[(String, Inline)]) = match self {
            Self::User(text) | Self::Developer(text) => (Some(text), &[], &[]),
            Self::Tools(texts) => (None, texts, &[]),
            Self::ToolsByName(texts) => (None, &[], texts),
        };
        one.into_iter().chain(several).chain(named.iter().map(|(_, text)| text))
    }
}

/// Reads `messages:`. What is wrong with it was reported.
pub(super) fn decode_turns(decoder: &mut Decoder<'_>, node: &Node) -> Option<Vec<WrittenTurn>> {
    let items = decoder.list(node, "messages")?;
    if items.is_empty() || items.len() > MOST {
        decoder.error(node.span.clone(), format!("`messages` has 1 to {MOST} turns"));
        return None;
    }
    let turns: Vec<WrittenTurn> = items.iter().filter_map(|item| decode_turn(decoder, item)).collect();
    (turns.len() == items.len()).then_some(turns)
}

const WHO: [&str; 3] = ["user", "tool", "developer"];

fn decode_turn(decoder: &mut Decoder<'_>, node: &Node) -> Option<WrittenTurn> {
    let fields = decoder.fields(node, "a message", &["user", "tool", "developer", "expect"])?;
    let said: Vec<(&str, &Node)> = WHO.iter().filter_map(|who| Some((*who, fields.get(who)?))).collect();
    let [(who, value)] = said[..] else {
        let help = "`- user: \"And in Germany?\"`, or `- tool: '{\"status\": \"sent\"}'` after a call of a tool";
        decoder.error_help(fields.span.clone(), "a message is said by one: `user`, `tool` or `developer`", help);
        return None;
    };
    let say = match (who, &value.data) {
        ("user", _) => Say::User(text(decoder, value)?),
        ("developer", _) => Say::Developer(text(decoder, value)?),
        (_, Data::List(items)) => {
            let texts: Vec<Inline> = items.iter().filter_map(|item| text(decoder, item)).collect();
            if texts.len() != items.len() || texts.is_empty() {
                decoder.error(value.span.clone(), "`tool` needs the result of at least one call");
                return None;
            }
            Say::Tools(texts)
        }
        (_, Data::Map(entries)) => {
            let texts: Vec<(String, Inline)> =
                entries.iter().filter_map(|(key, item)| Some((key.text.clone(), text(decoder, item)?))).collect();
            if texts.len() != entries.len() || texts.is_empty() {
                decoder.error(value.span.clone(), "`tool` needs the result of at least one call");
                return None;
            }
            Say::ToolsByName(texts)
        }
        _ => Say::Tools(vec![text(decoder, value)?]),
    };
    let expect = match fields.get("expect") {
        Some(node) => decoder.list(node, "expect")?.to_vec(),
        None => Vec::new(),
    };
    Some(WrittenTurn { say, expect, span: fields.span })
}

fn text(decoder: &mut Decoder<'_>, node: &Node) -> Option<Inline> {
    let text = decoder.text(node, "a message")?;
    if text.trim().is_empty() {
        decoder.error(node.span.clone(), "an empty message says nothing");
        return None;
    }
    match Inline::new(&text) {
        Ok(inline) => Some(inline),
        Err(why) => {
            decoder.error(node.span.clone(), format!("this template is wrong: {why}"));
            None
        }
    }
}
