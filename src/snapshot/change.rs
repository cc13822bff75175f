//! What kind of change an answer went through: riskiest first, and the same change in many cases together.

use serde_json::Value;

use super::diff::{TextChange, diff_text, only_white_space};
use super::format::Info;
use super::json_diff::diff_json;

/// The kinds of change, riskiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Expectations fail.
    Failing,
    /// The answer ended for another reason.
    Finish,
    /// A refusal came or went.
    Refusal,
    /// JSON became text, a code fence appeared, a list became prose.
    Format,
    /// Much of the text is another.
    Large,
    /// Values of a JSON answer.
    Values,
    /// Some words.
    Small,
    /// White space only.
    WhiteSpace,
    /// Nothing was accepted before.
    New,
}

impl ChangeKind {
    /// The kind in a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failing => "expectations fail",
            Self::Finish => "ended for another reason",
            Self::Refusal => "refusal came or went",
            Self::Format => "format changed",
            Self::Large => "much of the text changed",
            Self::Values => "values changed",
            Self::Small => "some words changed",
            Self::WhiteSpace => "white space only",
            Self::New => "new",
        }
    }
}

/// A kind of change, and what makes two changes the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    /// The kind.
    pub kind: ChangeKind,
    /// Equal for the same change in several cases; also a short description of it.
    pub signature: String,
}

/// The longest signature that still describes one pattern; longer changes are each their own.
const LONGEST_SIGNATURE: usize = 120;
/// The share of changed characters from which a change is large.
const LARGE: f64 = 0.5;

/// What became of an answer. `id` tells changes apart that have no pattern of their own.
#[must_use]
pub fn classify(old: Option<(&str, &Info)>, new: (&str, &Info), id: &str) -> Change {
    let (body, info) = new;
    let Some((old_body, old_info)) = old else {
        let kind = if info.failing { ChangeKind::Failing } else { ChangeKind::New };
        return Change { kind, signature: kind.name().to_owned() };
    };
    if info.failing {
        return Change { kind: ChangeKind::Failing, signature: id.to_owned() };
    }
    if old_info.finish != info.finish && !old_info.finish.is_empty() {
        let signature = format!("finish reason {} → {}", old_info.finish, info.finish);
        return Change { kind: ChangeKind::Finish, signature };
    }
    if old_info.refusal != info.refusal {
        let signature = if info.refusal { "a refusal appeared" } else { "a refusal disappeared" };
        return Change { kind: ChangeKind::Refusal, signature: signature.to_owned() };
    }
    if let Some(note) = only_white_space(old_body, body) {
        return Change { kind: ChangeKind::WhiteSpace, signature: note.to_owned() };
    }
    let (was, is) = (form(old_body), form(body));
    if was != is {
        return Change { kind: ChangeKind::Format, signature: format!("{was} → {is}") };
    }
    if let (Ok(old), Ok(new)) = (serde_json::from_str::<Value>(old_body), serde_json::from_str::<Value>(body)) {
        let changes = diff_json(&old, &new);
        let show = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        let parts: Vec<String> =
            changes.iter().map(|c| format!("{} {} → {}", c.path, show(&c.old), show(&c.new))).collect();
        return Change { kind: ChangeKind::Values, signature: bounded(&parts.join(", "), id) };
    }
    text_change(old_body, body, id)
}

fn text_change(old: &str, new: &str, id: &str) -> Change {
    let changes = diff_text(old, new, 0);
    let (mut removed, mut added, mut size) = (Vec::new(), Vec::new(), 0);
    for change in &changes {
        let (segments, words) = match change {
            TextChange::Removed(segments) => (segments, &mut removed),
            TextChange::Added(segments) => (segments, &mut added),
            TextChange::Same(_) | TextChange::Skipped(_) => continue,
        };
        let whole = segments.iter().all(|segment| !segment.changed);
        for segment in segments.iter().filter(|segment| segment.changed || whole) {
            size += segment.text.len();
            words.push(segment.text.trim().to_owned());
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than the leading digits")]
    let share = size as f64 / (old.len() + new.len()).max(1) as f64;
    let kind = if share >= LARGE { ChangeKind::Large } else { ChangeKind::Small };
    removed.dedup();
    added.dedup();
    Change { kind, signature: bounded(&format!("`{}` → `{}`", removed.join(" … "), added.join(" … ")), id) }
}

fn bounded(signature: &str, id: &str) -> String {
    if signature.chars().count() <= LONGEST_SIGNATURE { signature.to_owned() } else { format!("changes of {id}") }
}

/// The outer form of an answer.
fn form(body: &str) -> &'static str {
    let text = body.trim();
    if text.is_empty() {
        return "an empty answer";
    }
    if text.starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok() {
        return "JSON";
    }
    if text.contains("```") {
        return "text with a code fence";
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let is_item = |line: &&&str| {
        let line = line.trim_start();
        let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
        line.starts_with("- ") || line.starts_with("* ") || number.len() < line.len() && number.starts_with(['.', ')'])
    };
    if lines.len() > 1 && lines.iter().filter(is_item).count() * 2 > lines.len() { "a list" } else { "text" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(old: &str, new: &str) -> Change {
        let info = Info::default();
        classify(Some((old, &info)), (new, &info), "a case")
    }

    #[test]
    fn the_same_word_in_two_cases_is_one_change() {
        let one = change("You have 14 days to return the lamp.", "You have 30 days to return the lamp.");
        let two = change("Within 14 days we take it back, always.", "Within 30 days we take it back, always.");
        assert_eq!(one, two);
        assert_eq!((one.kind, one.signature.as_str()), (ChangeKind::Small, "`14` → `30`"));
    }

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(change("{\"a\": 1}", "{\"a\": 2}").signature, "$.a 1 → 2");
        assert_eq!(change("{\"a\": 1}", "```json\n{\"a\": 1}\n```").kind, ChangeKind::Format);
        assert_eq!(change("a", "a\n").kind, ChangeKind::WhiteSpace);
        assert_eq!(change("The sky is blue today.", "Nothing can be said of that.").kind, ChangeKind::Large);
        let refused = Info { refusal: true, ..Info::default() };
        assert_eq!(classify(Some(("yes", &Info::default())), ("no", &refused), "x").kind, ChangeKind::Refusal);
        assert!(ChangeKind::Failing < ChangeKind::WhiteSpace);
    }
}
