//! Which prompt of base is which of head: the same name, else the same text or most of it under another one.

use super::PromptKind;
use super::side::TreeSide;
use crate::core::names::PromptName;
use crate::snapshot::similarity;

/// How alike two templates must be to be one that was renamed.
const ALIKE: f32 = 0.5;
/// The most pairs of templates whose texts are compared.
const MOST: usize = 2500;

/// A prompt on both sides, or on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairedPrompt {
    /// Its name at base.
    pub base: Option<PromptName>,
    /// Its name at head.
    pub head: Option<PromptName>,
}

impl PairedPrompt {
    /// Head's name, else base's.
    #[must_use]
    pub fn name(&self) -> &PromptName {
        match (&self.head, &self.base) {
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => unreachable!("a pair has a side"),
        }
    }

    /// Base's name, where head's is another.
    #[must_use]
    pub fn renamed_from(&self) -> Option<&PromptName> {
        self.base.as_ref().filter(|base| self.head.as_ref().is_some_and(|head| head != *base))
    }

    /// What became of it.
    #[must_use]
    pub fn kind(&self) -> PromptKind {
        match (&self.base, &self.head) {
            (Some(base), Some(head)) if base == head => PromptKind::Kept,
            (Some(_), Some(_)) => PromptKind::Renamed,
            (None, _) => PromptKind::Added,
            (_, None) => PromptKind::Removed,
        }
    }
}

/// Every prompt of both sides, by name.
#[must_use]
pub fn pair_prompts(base: &TreeSide, head: &TreeSide) -> Vec<PairedPrompt> {
    let has = |side: &TreeSide, name: &PromptName| side.file(name).is_some();
    let mut removed: Vec<PromptName> = base.names().filter(|name| !has(head, name)).cloned().collect();
    let mut added: Vec<PromptName> = head.names().filter(|name| !has(base, name)).cloned().collect();
    let mut pairs: Vec<PairedPrompt> = head
        .names()
        .filter(|name| has(base, name))
        .map(|name| PairedPrompt { base: Some(name.clone()), head: Some(name.clone()) })
        .collect();
    for (old, new) in renamed(base, head, &removed, &added) {
        removed.retain(|name| *name != old);
        added.retain(|name| *name != new);
        pairs.push(PairedPrompt { base: Some(old), head: Some(new) });
    }
    pairs.extend(removed.into_iter().map(|name| PairedPrompt { base: Some(name), head: None }));
    pairs.extend(added.into_iter().map(|name| PairedPrompt { base: None, head: Some(name) }));
    pairs.sort_by(|a, b| a.name().cmp(b.name()));
    pairs
}

/// The likeliest pairs first; each prompt is taken once.
fn renamed(
    base: &TreeSide,
    head: &TreeSide,
    removed: &[PromptName],
    added: &[PromptName],
) -> Vec<(PromptName, PromptName)> {
    let digest = |side: &TreeSide, name: &PromptName| side.prompt(name).map(|(_, prompt)| prompt.digest.clone());
    let few = removed.len() * added.len() <= MOST;
    let mut likely = Vec::new();
    for old in removed {
        for new in added {
            let same = digest(base, old).is_some_and(|old| Some(old) == digest(head, new));
            let ratio = match (template(base, old), template(head, new)) {
                _ if same => 1.0,
                (Some(old), Some(new)) if few => similarity(&old, &new),
                _ => 0.0,
            };
            if ratio >= ALIKE {
                likely.push((ratio, old, new));
            }
        }
    }
    likely.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut taken: Vec<(PromptName, PromptName)> = Vec::new();
    for (_, old, new) in likely {
        if taken.iter().all(|(known_old, known_new)| known_old != old && known_new != new) {
            taken.push((old.clone(), new.clone()));
        }
    }
    taken
}

/// A prompt's text without its front matter, which all prompts of a project have in common.
fn template(side: &TreeSide, name: &PromptName) -> Option<String> {
    let text = side.text(side.file(name)?)?;
    let front = text.strip_prefix("---\n").and_then(|rest| Some(rest.split_once("\n---\n")?.1.to_owned()));
    Some(front.unwrap_or(text))
}
