//! The second layer: the messages that each case is sent as, and how many tokens they have.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::Serialize;

use super::cases::{CasePair, RenderedSide};
use super::side::TreeSide;
use crate::core::names::{CaseName, ModelAlias};
use crate::core::record::Message;
use crate::plan::{Estimate, Overrides};
use crate::snapshot::{TextChange, diff_text};

/// The most pairs of messages that are laid beside each other.
const MOST: usize = 1 << 20;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// It is the same on both sides.
    Same,
    /// Its text, or its role, differs.
    Changed,
    /// Only head has it.
    Added,
    /// Only base has it.
    Removed,
}

/// A message on both sides, or on one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageChange {
    /// What became of it.
    pub kind: MessageKind,
    /// Base's role.
    pub old_role: Option<&'static str>,
    /// Head's role.
    pub role: Option<&'static str>,
    /// Base's text.
    pub old: Option<String>,
    /// Head's text.
    pub new: Option<String>,
}

/// The tokens of a case's request to a model, estimated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// The model.
    pub model: ModelAlias,
    /// Base's.
    pub base: u64,
    /// Head's.
    pub head: u64,
}

/// The tokens of all cases that could be rendered on both sides, on a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenTotal {
    /// The model.
    pub model: ModelAlias,
    /// How many cases.
    pub cases: u64,
    /// Base's.
    pub base: u64,
    /// Head's.
    pub head: u64,
    /// Head's mean less base's.
    pub mean_difference: f64,
    /// Whether the model's own vocabulary was used.
    pub counted: bool,
}

/// A case whose messages differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenderedCase {
    /// The case.
    pub case: CaseName,
    /// Cases of one number show the very same change.
    pub group: usize,
    /// Its messages in their order.
    pub messages: Vec<MessageChange>,
    /// Its tokens, by model.
    pub tokens: Vec<Tokens>,
}

/// A case that could not be rendered on one side, or on both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unrendered {
    /// The case.
    pub case: CaseName,
    /// Why not at base.
    pub base: Option<String>,
    /// Why not at head.
    pub head: Option<String>,
}

/// What differs in the messages of a prompt's cases.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RenderedChange {
    /// Cases that were rendered on both sides.
    pub compared: u64,
    /// Of them, those whose messages are the same.
    pub same: u64,
    /// Those that differ.
    pub changed: Vec<RenderedCase>,
    /// Cases that only base has.
    pub only_base: Vec<CaseName>,
    /// Cases that only head has.
    pub only_head: Vec<CaseName>,
    /// Cases that could not be rendered.
    pub unrendered: Vec<Unrendered>,
    /// Cases of which something else is expected.
    pub expectations_changed: Vec<CaseName>,
    /// Tokens, by model.
    pub tokens: Vec<TokenTotal>,
}

impl RenderedChange {
    /// Whether anything differs.
    #[must_use]
    pub fn differs(&self) -> bool {
        let one_side = |case: &Unrendered| case.base != case.head;
        !self.changed.is_empty()
            || !self.only_base.is_empty()
            || !self.only_head.is_empty()
            || !self.expectations_changed.is_empty()
            || self.unrendered.iter().any(one_side)
    }
}

/// What came of one case.
struct Compared {
    messages: Vec<MessageChange>,
    tokens: Vec<(Tokens, bool)>,
    signature: String,
}

/// Compares the messages of every case.
pub(super) fn rendered(base: &TreeSide, head: &TreeSide, pairs: &[CasePair<'_>], models: &Overrides) -> RenderedChange {
    let compared: Vec<Option<Compared>> = pairs.par_iter().map(|pair| compare(pair, models)).collect();
    let mut change = RenderedChange::default();
    let mut groups: HashMap<String, usize> = HashMap::new();
    for (pair, compared) in pairs.iter().zip(compared) {
        match (&pair.base, &pair.head) {
            (Some(old), Some(new)) => change.expectations_changed.extend(expects_otherwise(old, new, &pair.name)),
            (None, Some(new)) => {
                missing(&mut change, base, new, pair);
                continue;
            }
            (Some(old), None) => {
                missing(&mut change, head, old, pair);
                continue;
            }
            (None, None) => continue,
        }
        let Some(Compared { messages, tokens, signature }) = compared else {
            change.unrendered.push(Unrendered {
                case: pair.name.clone(),
                base: why(pair.base.as_ref()),
                head: why(pair.head.as_ref()),
            });
            continue;
        };
        change.compared += 1;
        add_tokens(&mut change.tokens, &tokens);
        if messages.iter().all(|message| message.kind == MessageKind::Same) {
            change.same += 1;
            continue;
        }
        let next = groups.len();
        let group = *groups.entry(signature).or_insert(next);
        let tokens = tokens.into_iter().map(|(tokens, _)| tokens).collect();
        change.changed.push(RenderedCase { case: pair.name.clone(), group, messages, tokens });
    }
    change
}

fn why(side: Option<&RenderedSide<'_>>) -> Option<String> {
    side?.messages.as_ref().err().cloned()
}

/// A case that one side does not have: left out there, or not readable.
fn missing(change: &mut RenderedChange, without: &TreeSide, with: &RenderedSide<'_>, pair: &CasePair<'_>) {
    let is_base = pair.base.is_none();
    let name = &with.workspace.prompt_of(with.case).name;
    if without.broken(name, true).is_some() {
        let why = Some("it is not there, or could not be read".to_owned());
        let (base, head) = if is_base { (why, None) } else { (None, why) };
        change.unrendered.push(Unrendered { case: pair.name.clone(), base, head });
    } else if is_base {
        change.only_head.push(pair.name.clone());
    } else {
        change.only_base.push(pair.name.clone());
    }
}

/// The case's name, where something else is expected of it.
fn expects_otherwise(old: &RenderedSide<'_>, new: &RenderedSide<'_>, name: &CaseName) -> Option<CaseName> {
    let expected = |side: &RenderedSide<'_>| -> Vec<String> {
        side.case.checks.iter().map(|check| check.node.to_json().to_string()).collect()
    };
    (expected(old) != expected(new) || old.case.threshold != new.case.threshold).then(|| name.clone())
}

fn compare(pair: &CasePair<'_>, models: &Overrides) -> Option<Compared> {
    let (base, head) = (pair.base.as_ref()?, pair.head.as_ref()?);
    let (old, new) = (base.messages.as_ref().ok()?, head.messages.as_ref().ok()?);
    let messages = align(old, new);
    let signature = messages.iter().map(signature).collect::<Vec<String>>().join("\u{1}");
    let mut tokens = Vec::new();
    for alias in head.workspace.models_of(head.case, models) {
        let estimate = |side: &RenderedSide<'_>, messages: &[Message]| {
            let entry = side.workspace.config.model(alias)?;
            Some(Estimate::of(entry, &side.workspace.request_of(side.case, entry, messages.to_vec())))
        };
        if let (Some(base), Some(head)) = (estimate(base, old), estimate(head, new)) {
            let counted = base.counted && head.counted;
            tokens.push((Tokens { model: alias.clone(), base: base.input, head: head.input }, counted));
        }
    }
    Some(Compared { messages, tokens, signature })
}

fn add_tokens(totals: &mut Vec<TokenTotal>, tokens: &[(Tokens, bool)]) {
    for (tokens, counted) in tokens {
        let at = totals.iter().position(|total| total.model == tokens.model).unwrap_or_else(|| {
            let model = tokens.model.clone();
            totals.push(TokenTotal { model, cases: 0, base: 0, head: 0, mean_difference: 0.0, counted: true });
            totals.len() - 1
        });
        let total = &mut totals[at];
        (total.cases, total.base, total.head) = (total.cases + 1, total.base + tokens.base, total.head + tokens.head);
        total.counted &= counted;
        #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^53")]
        let mean = (total.head as f64 - total.base as f64) / total.cases as f64;
        total.mean_difference = mean;
    }
}

/// Lays the messages of both sides beside each other, so that as little as possible differs: a message may change its
/// text or its role, not both.
fn align(old: &[Message], new: &[Message]) -> Vec<MessageChange> {
    let (rows, columns) = (old.len() + 1, new.len() + 1);
    if rows * columns > MOST {
        let mut changes: Vec<MessageChange> = old.iter().map(|m| message(Some(m), None)).collect();
        changes.extend(new.iter().map(|m| message(None, Some(m))));
        return changes;
    }
    let price = |a: &Message, b: &Message| match (a == b, a.role == b.role, a.shown() == b.shown()) {
        (true, ..) => 0,
        (_, true, _) => 3,
        (_, _, true) => 2,
        _ => 5,
    };
    // What the rest costs from each pair of places on.
    let mut cost = vec![0_u32; rows * columns];
    let at = |i: usize, j: usize| i * columns + j;
    let prices: Vec<u32> = old.iter().flat_map(|a| new.iter().map(move |b| price(a, b))).collect();
    let pair_price = |i: usize, j: usize| prices[i * new.len() + j];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            let mut best = if i + 1 == rows && j + 1 == columns { 0 } else { u32::MAX };
            if i < old.len() {
                best = best.min(cost[at(i + 1, j)] + 2);
            }
            if j < new.len() {
                best = best.min(cost[at(i, j + 1)] + 2);
            }
            if i < old.len() && j < new.len() {
                best = best.min(cost[at(i + 1, j + 1)] + pair_price(i, j));
            }
            cost[at(i, j)] = best;
        }
    }
    let (mut i, mut j, mut changes) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        let here = cost[at(i, j)];
        if i < old.len() && j < new.len() && here == cost[at(i + 1, j + 1)] + pair_price(i, j) {
            changes.push(message(Some(&old[i]), Some(&new[j])));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && here == cost[at(i + 1, j)] + 2 {
            changes.push(message(Some(&old[i]), None));
            i += 1;
        } else {
            changes.push(message(None, Some(&new[j])));
            j += 1;
        }
    }
    changes
}

fn message(old: Option<&Message>, new: Option<&Message>) -> MessageChange {
    let kind = match (old, new) {
        (None, _) => MessageKind::Added,
        (_, None) => MessageKind::Removed,
        _ if old == new => MessageKind::Same,
        _ => MessageKind::Changed,
    };
    MessageChange {
        kind,
        old_role: old.map(|message| message.role.name()),
        role: new.map(|message| message.role.name()),
        old: old.map(Message::shown),
        new: new.map(Message::shown),
    }
}

/// What changed in a message, without what surrounds it: equal for cases that show the very same change.
fn signature(message: &MessageChange) -> String {
    let roles = format!("{:?} {:?} {:?}", message.kind, message.old_role, message.role);
    if message.kind == MessageKind::Same {
        return roles;
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut parts = vec![roles];
    for change in diff_text(&text(&message.old), &text(&message.new), 0) {
        let (sign, segments) = match &change {
            TextChange::Removed(segments) => ('-', segments),
            TextChange::Added(segments) => ('+', segments),
            TextChange::Same(_) | TextChange::Skipped(_) => continue,
        };
        let whole = segments.iter().all(|segment| !segment.changed);
        let changed = segments.iter().filter(|segment| segment.changed || whole);
        parts.push(format!("{sign}{}", changed.map(|segment| segment.text.as_str()).collect::<Vec<_>>().join("\u{2}")));
    }
    parts.join("\u{3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::Role;

    fn kinds(old: &[(Role, &str)], new: &[(Role, &str)]) -> Vec<MessageKind> {
        let messages = |list: &[(Role, &str)]| -> Vec<Message> {
            list.iter().map(|(role, text)| Message::new(*role, *text)).collect()
        };
        align(&messages(old), &messages(new)).iter().map(|message| message.kind).collect()
    }

    #[test]
    fn examples_in_front_do_not_change_the_question() {
        use MessageKind::{Added, Changed, Removed, Same};
        let question = (Role::User, "question");
        let examples = [(Role::System, "s"), (Role::User, "x"), (Role::Assistant, "y"), question];
        assert_eq!(kinds(&[(Role::System, "s"), question], &examples), [Same, Added, Added, Same]);
        assert_eq!(kinds(&examples, &[(Role::System, "t"), question]), [Changed, Removed, Removed, Same]);
        assert_eq!(kinds(&[(Role::System, "s")], &[(Role::Developer, "s")]), [Changed], "a role alone");
        assert_eq!(kinds(&[], &[]), []);
    }
}
