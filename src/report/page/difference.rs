//! Two texts as what a page shows of them: rows with the changed words marked, or values by their path.
//!
//! The texts are untrusted. They are cut into pieces, and what hides or reorders text becomes a piece of its own in
//! which it is written out, so that nobody takes it for text that looks the same.

use serde::Serialize;
use serde_json::Value;

use crate::core::escape::written_out;
use crate::core::verdict::Difference;
use crate::snapshot::{Segment, TextChange, diff_json, diff_text, only_white_space};

/// The most rows, or values, of one difference; the rest is counted.
const MOST_ROWS: usize = 600;
/// The most characters of one row, or value; the rest is counted.
const MOST_IN_ROW: usize = 4_000;
/// The most characters of all rows together.
const MOST_IN_ALL: usize = 200_000;

/// A stretch of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// The text, fit for a text node.
    pub text: String,
    /// Whether this is what changed.
    #[serde(skip_serializing_if = "is_false")]
    pub changed: bool,
    /// Whether the text is written out because it could not be seen.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// It stands in both.
    Same,
    /// So many rows that stand in both are left out.
    Skipped,
    /// It stands in the former only.
    Removed,
    /// It stands in the present only.
    Added,
}

/// A line or sentence of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is.
    pub is: RowKind,
    /// How many are left out, of a row that stands for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
    /// How many characters of it were cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<usize>,
}

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Values {
    /// Where, as a JSON path.
    pub path: Vec<Piece>,
    /// The former value; left out where something was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Row>,
    /// The present value; left out where something was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Row>,
}

/// What differs, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The rows of texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
    /// The values of JSON.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Values>,
    /// How many rows or values are not shown because there are too many.
    pub more: usize,
    /// What the eye does not see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// What differs between two answers or requests, with `context` equal rows around each change.
#[must_use]
pub fn difference(of: &Difference, context: usize) -> Shown {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok().filter(|_| of.json);
    let mut shown = match (parse(&of.old), parse(&of.new)) {
        (Some(old), Some(new)) => values(&old, &new),
        _ => texts(&of.old, &of.new, context),
    };
    shown.note = only_white_space(&of.old, &of.new);
    shown
}

/// A text alone, row by row.
#[must_use]
pub fn text(text: &str) -> Shown {
    let mut room = Room::default();
    let mut rows = Vec::new();
    let mut more = 0;
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        match room.row(RowKind::Same, &[(line, false)]) {
            Some(row) => rows.push(row),
            None => more += 1,
        }
    }
    Shown { rows, values: Vec::new(), more, note: None }
}

/// A text as pieces: what could not be seen is a piece of its own.
#[must_use]
pub fn pieces(text: &str, changed: bool) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for c in text.chars() {
        let (hidden, shown) = match written_out(c) {
            Some(name) => (true, name),
            None => (false, c.to_string()),
        };
        match pieces.last_mut() {
            Some(last) if last.hidden == hidden => last.text.push_str(&shown),
            _ => pieces.push(Piece { text: shown, changed, hidden }),
        }
    }
    pieces
}

/// How much may still be shown.
struct Room {
    rows: usize,
    characters: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { rows: MOST_ROWS, characters: MOST_IN_ALL }
    }
}

impl Room {
    /// A row of segments; `None` where there is no room left.
    fn row(&mut self, is: RowKind, segments: &[(&str, bool)]) -> Option<Row> {
        if self.is_full() {
            return None;
        }
        Some(self.fill(is, segments))
    }

    fn is_full(&self) -> bool {
        self.rows == 0 || self.characters == 0
    }

    /// A row of as many characters as there is room for.
    fn fill(&mut self, is: RowKind, segments: &[(&str, bool)]) -> Row {
        self.rows = self.rows.saturating_sub(1);
        let mut left = MOST_IN_ROW.min(self.characters);
        let (mut shown, mut cut) = (Vec::new(), 0);
        for (text, changed) in segments {
            let end = text.char_indices().nth(left).map_or(text.len(), |(at, _)| at);
            let (kept, rest) = text.split_at(end);
            let count = kept.chars().count();
            left -= count;
            self.characters -= count;
            cut += rest.chars().count();
            shown.extend(pieces(kept, *changed));
        }
        Row { is, count: None, pieces: shown, cut: Some(cut).filter(|cut| *cut > 0) }
    }
}

fn texts(old: &str, new: &str, context: usize) -> Shown {
    let mut room = Room::default();
    let (mut rows, mut more) = (Vec::new(), 0);
    for change in diff_text(old, new, context) {
        let row = match &change {
            TextChange::Same(text) => room.row(RowKind::Same, &[(text, false)]),
            TextChange::Skipped(_) if room.rows == 0 => None,
            TextChange::Skipped(count) => {
                Some(Row { is: RowKind::Skipped, count: Some(*count), pieces: Vec::new(), cut: None })
            }
            TextChange::Removed(segments) => room.row(RowKind::Removed, &of(segments)),
            TextChange::Added(segments) => room.row(RowKind::Added, &of(segments)),
        };
        match (row, change) {
            (Some(row), _) => rows.push(row),
            (None, TextChange::Skipped(count)) => more += count,
            (None, _) => more += 1,
        }
    }
    Shown { rows, values: Vec::new(), more, note: None }
}

fn of(segments: &[Segment]) -> Vec<(&str, bool)> {
    segments.iter().map(|segment| (segment.text.as_str(), segment.changed)).collect()
}

fn values(old: &Value, new: &Value) -> Shown {
    let mut room = Room::default();
    let (mut values, mut more) = (Vec::new(), 0);
    for change in diff_json(old, new) {
        if room.is_full() {
            more += 1;
            continue;
        }
        // Both of a pair are shown, or neither: a value that is not there was removed.
        let mut row =
            |is, value: &Option<Value>| value.as_ref().map(|value| room.fill(is, &[(&format!("{value:#}"), false)]));
        let (old, new) = (row(RowKind::Removed, &change.old), row(RowKind::Added, &change.new));
        let mut path = change.path;
        if let Some((at, _)) = path.char_indices().nth(MOST_IN_ROW) {
            path.truncate(at);
            path.push('…');
        }
        values.push(Values { path: pieces(&path, false), old, new });
    }
    Shown { rows: Vec::new(), values, more, note: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn between(old: &str, new: &str, json: bool) -> Shown {
        difference(&Difference { what: "answer".into(), old: old.into(), new: new.into(), json }, 1)
    }

    #[test]
    fn changed_words_are_marked_and_hidden_ones_written_out() {
        let shown = between("it takes 14 days", "it takes 30\u{202e} days", false);
        let added = serde_json::to_value(&shown.rows[1]).expect("JSON");
        assert_eq!(
            added,
            json!({"is": "added", "pieces": [
                {"text": "it takes "}, {"text": "30", "changed": true},
                {"text": "\\u{202e}", "changed": true, "hidden": true}, {"text": " days"},
            ]})
        );
    }

    #[test]
    fn values_go_by_their_path() {
        let shown = between("{\"a\": 1, \"b\": \"</script>\"}", "{\"a\": 2, \"c\": [true]}", true);
        let paths: Vec<&str> = shown.values.iter().map(|v| v.path[0].text.as_str()).collect();
        assert_eq!(paths, ["$.a", "$.b", "$.c"]);
        assert!(shown.values[1].new.is_none() && shown.values[2].old.is_none());
    }

    #[test]
    fn no_text_is_too_long() {
        let (old, new) = ("x\n".repeat(20_000), "y ".repeat(500_000));
        let shown = between(&old, &new, false);
        let length: usize = shown.rows.iter().flat_map(|row| &row.pieces).map(|piece| piece.text.len()).sum();
        assert!(shown.rows.len() <= 2 * MOST_ROWS && length <= MOST_IN_ALL && shown.more > 10_000, "{}", shown.more);
        let many: Vec<usize> = (0..50_000).collect();
        let shown = between("[]", &json!(many).to_string(), true);
        assert_eq!((shown.values.len(), shown.more), (MOST_ROWS, 50_000 - MOST_ROWS));
        assert_eq!(text(&"a".repeat(5_000)).rows[0].cut, Some(1_000));
    }

    #[test]
    fn what_the_eye_does_not_see_is_told() {
        assert_eq!(between("a", "a\n", false).note, Some("only white space at the end differs"));
    }

    proptest! {
        #[test]
        fn pieces_hold_nothing_that_hides(text in any::<String>()) {
            for piece in pieces(&text, false) {
                prop_assert!(piece.text.chars().all(|c| written_out(c).is_none()));
            }
        }
    }
}
