//! The form of an answer, apart from what it says: what programs and readers trip over when a model changes it.

use serde_json::Value;

use super::fence::blocks;
use super::language::name_of;
use super::refusal::is_refusal;
use super::schema::found_in;
use crate::core::record::Response;

/// From how many times the length on a change of length is worth a word.
const LONGER: f64 = 2.0;
/// Shorter texts are of any length, in characters.
const SHORT: usize = 80;

/// How JSON stands in an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Json {
    Bare,
    Fenced,
    Within,
    None,
}

impl Json {
    fn of(text: &str) -> Self {
        let is_structure = |text: &str| {
            serde_json::from_str::<Value>(text.trim()).is_ok_and(|value| value.is_object() || value.is_array())
        };
        if is_structure(text) {
            return Self::Bare;
        }
        if blocks(text).iter().any(|block| is_structure(block.body)) {
            return Self::Fenced;
        }
        if found_in(text).next().is_some() { Self::Within } else { Self::None }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Bare => "bare JSON",
            Self::Fenced => "JSON in a code fence",
            Self::Within => "JSON with text around it",
            Self::None => "no JSON",
        }
    }
}

/// What changed of the form from one answer to another, in a few words each.
#[must_use]
pub fn form_changes(old: &str, new: &str) -> Vec<String> {
    let mut changes = Vec::new();
    let declines = |text: &str| is_refusal(&Response { text: text.to_owned(), ..Response::default() });
    match (declines(old), declines(new)) {
        (false, true) => changes.push("it declines now".to_owned()),
        (true, false) => changes.push("it declines no more".to_owned()),
        _ => {}
    }
    let (before, now) = (Json::of(old), Json::of(new));
    if before != now {
        changes.push(format!("{} instead of {}", now.words(), before.words()));
    } else if before == Json::None {
        match (blocks(old).is_empty(), blocks(new).is_empty()) {
            (true, false) => changes.push("a code fence that was not there".to_owned()),
            (false, true) => changes.push("no code fence any more".to_owned()),
            _ => {}
        }
        match (is_list(old), is_list(new)) {
            (false, true) => changes.push("a list instead of prose".to_owned()),
            (true, false) => changes.push("prose instead of a list".to_owned()),
            _ => {}
        }
    }
    if let (Some(before), Some(now)) = (name_of(old), name_of(new))
        && before != now
    {
        changes.push(format!("{now} instead of {before}"));
    }
    changes.extend(length_change(old, new));
    changes
}

/// Whether most lines are items of a list.
fn is_list(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_item = |line: &&&str| {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let numbered = rest.len() < line.len() && (rest.starts_with(". ") || rest.starts_with(") "));
        numbered || ["- ", "* ", "• ", "+ "].iter().any(|mark| line.starts_with(mark))
    };
    let items = lines.iter().filter(is_item).count();
    items >= 2 && 2 * items > lines.len()
}

fn length_change(old: &str, new: &str) -> Option<String> {
    let (before, now) = (old.chars().count(), new.chars().count());
    if before.max(now) < SHORT || before == 0 || now == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "lengths of answers")]
    let ratio = now as f64 / before as f64;
    if ratio >= LONGER {
        Some(format!("{ratio:.1} times as long"))
    } else if ratio <= 1.0 / LONGER {
        Some(format!("{:.0} % of the length", ratio * 100.0))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_change_of_form_is_told_from_a_change_of_words() {
        let long = "The refund arrives within fourteen days after we have received the parcel at our warehouse.";
        for (old, new, expected) in [
            ("{\"a\": 1}", "```json\n{\"a\": 1}\n```", vec!["JSON in a code fence instead of bare JSON"]),
            ("{\"a\": 1}", "Here it is: {\"a\": 2}", vec!["JSON with text around it instead of bare JSON"]),
            ("{\"a\": 1}", "{\"b\": [1, 2]}", vec![]),
            ("Fourteen days.", "Thirty days.", vec![]),
            ("one and two", "- one\n- two", vec!["a list instead of prose"]),
            ("1. one\n2. two", "one, two", vec!["prose instead of a list"]),
            ("x = 1", "```\nx = 1\n```", vec!["a code fence that was not there"]),
            ("Yes, within 14 days.", "I'm sorry, but I can't help with that.", vec!["it declines now"]),
            (long, "Yes.", vec!["4 % of the length"]),
            (
                long,
                "Die Rückerstattung erfolgt innerhalb von vierzehn Tagen, nachdem das Paket bei uns eingetroffen ist.",
                vec!["German instead of English"],
            ),
        ] {
            assert_eq!(form_changes(old, new), expected, "{old} → {new}");
        }
    }

    proptest! {
        #[test]
        fn nothing_changes_from_a_text_to_itself(text in any::<String>()) {
            prop_assert!(form_changes(&text, &text).is_empty());
        }
    }
}
