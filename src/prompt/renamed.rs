//! Prompts and partials that have another name than before, told by what they say.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::load::{ENDING, Prompts};
use crate::core::names::PromptName;

/// How much of the shorter text must stand in the other one.
const ALIKE: f64 = 0.6;
/// The same where the cases are the same, byte for byte.
const WITH_CASES: f64 = 0.2;
/// The fewest words that say something.
const FEWEST: usize = 6;
/// The most pairs of texts that are compared.
const MOST: usize = 250_000;

/// What is called otherwise now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renamed {
    /// The name before, by the name now: of templates, below `prompts/`.
    before: BTreeMap<String, String>,
}

/// How often a text has each word; code of templates left out.
fn words(text: &str) -> HashMap<&str, usize> {
    let mut words = HashMap::new();
    for word in text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)) {
        *words.entry(word).or_default() += 1;
    }
    words
}

/// Which part of the shorter text stands in the other one.
fn shared(one: &HashMap<&str, usize>, other: &HashMap<&str, usize>) -> f64 {
    let size = |words: &HashMap<&str, usize>| words.values().sum::<usize>();
    let both: usize = one.iter().map(|(word, count)| other.get(word).map_or(0, |there| *count.min(there))).sum();
    let least = size(one).min(size(other));
    #[expect(clippy::cast_precision_loss, reason = "counts of words")]
    let share = if least < FEWEST { 0.0 } else { both as f64 / least as f64 };
    share
}

impl Renamed {
    /// Of what is gone and what came since, what is the same under another name: the very same text, or much of it.
    /// `same_cases` says of two prompts whether their cases are the same file.
    #[must_use]
    pub fn find(before: &Prompts, now: &Prompts, same_cases: &dyn Fn(&PromptName, &PromptName) -> bool) -> Self {
        let mut gone: Vec<&str> =
            before.templates.keys().filter(|key| !now.templates.contains_key(*key)).map(String::as_str).collect();
        let mut came: Vec<&str> =
            now.templates.keys().filter(|key| !before.templates.contains_key(*key)).map(String::as_str).collect();
        let mut found = Self::default();
        // The same text once on each side; of several the first, as nothing tells them apart.
        came.retain(|new| {
            let text = &now.templates[*new].source.text;
            let is_same = |old: &&str| before.templates[*old].source.text == *text && is_kind(old, new);
            let has_cases =
                |old: &&str| is_same(old) && name(old).zip(name(new)).is_some_and(|(o, n)| same_cases(&o, &n));
            match gone.iter().position(has_cases).or_else(|| gone.iter().position(is_same)) {
                Some(place) => {
                    found.before.insert((*new).to_owned(), gone.remove(place).to_owned());
                    false
                }
                None => true,
            }
        });
        if gone.len() * came.len() > MOST {
            return found;
        }
        let old_words: Vec<_> = gone.iter().map(|key| words(before.templates[*key].text())).collect();
        let new_words: Vec<_> = came.iter().map(|key| words(now.templates[*key].text())).collect();
        let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
        for (o, old) in gone.iter().enumerate() {
            for (n, new) in came.iter().enumerate().filter(|(_, new)| is_kind(old, new)) {
                let share = shared(&old_words[o], &new_words[n]);
                let names = name(old).zip(name(new));
                let has_cases = share >= WITH_CASES && names.is_some_and(|(old, new)| same_cases(&old, &new));
                if share >= ALIKE || has_cases {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a share, in thousandths"
                    )]
                    let score = (share * 1000.0) as u64 + if has_cases { 500 } else { 0 };
                    pairs.push((score, o, n));
                }
            }
        }
        pairs.sort_by_key(|(score, o, n)| (Reverse(*score), *o, *n));
        let (mut used_old, mut used_new) = (vec![false; gone.len()], vec![false; came.len()]);
        for (_, o, n) in pairs {
            if !used_old[o] && !used_new[n] {
                (used_old[o], used_new[n]) = (true, true);
                found.before.insert(came[n].to_owned(), gone[o].to_owned());
            }
        }
        found
    }

    /// What a prompt was called before.
    #[must_use]
    pub fn name_before(&self, name: &PromptName) -> Option<PromptName> {
        self.before.get(&format!("{name}{ENDING}")).and_then(|key| self::name(key))
    }

    /// What a template is called now, by its name before.
    #[must_use]
    pub fn key_now<'a>(&'a self, before: &'a str) -> &'a str {
        self.before.iter().find(|(_, old)| *old == before).map_or(before, |(new, _)| new)
    }

    /// Where a file is now that was at this path, with the folders of prompts that are called otherwise.
    #[must_use]
    pub fn path_now(&self, path: &str) -> String {
        for (new, old) in &self.before {
            if path.strip_prefix("prompts/") == Some(old) {
                return format!("prompts/{new}");
            }
            let (Some(old), Some(new)) = (old.strip_suffix(ENDING), new.strip_suffix(ENDING)) else { continue };
            for folder in ["fixtures", "snapshots"] {
                let below = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
                let below = below.and_then(|rest| rest.strip_prefix(old)).and_then(|rest| rest.strip_prefix('/'));
                if let Some(below) = below {
                    return format!("{folder}/{new}/{below}");
                }
            }
        }
        path.to_owned()
    }
}

/// Whether both are prompts, or both partials.
fn is_kind(one: &str, other: &str) -> bool {
    let is_partial = |key: &str| key.split('/').any(|part| part.starts_with('_'));
    is_partial(one) == is_partial(other)
}

fn name(key: &str) -> Option<PromptName> {
    PromptName::new(key.strip_suffix(ENDING)?).ok()
}
