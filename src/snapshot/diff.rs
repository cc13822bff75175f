//! What differs between two texts: lines first, then sentences within long lines, then words within sentences that
//! belong together.

use std::time::{Duration, Instant};

use similar::{Algorithm, ChangeTag, DiffOp, capture_diff_slices_deadline};
use unicode_segmentation::UnicodeSegmentation as _;

/// How alike a removed and an added sentence must be to be shown as one that was changed.
const PAIR: f32 = 0.4;
/// Lines longer than this are taken apart into sentences.
const LONG_LINE: usize = 100;
/// How long finding the smallest difference may take; beyond it a larger one is shown.
const PATIENCE: Duration = Duration::from_millis(400);

/// A stretch of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The text.
    pub text: String,
    /// Whether this is what changed.
    pub changed: bool,
}

/// One line or sentence of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextChange {
    /// It stands in both.
    Same(String),
    /// So many that stand in both are left out.
    Skipped(usize),
    /// It stands in the former only.
    Removed(Vec<Segment>),
    /// It stands in the present only.
    Added(Vec<Segment>),
}

/// What differs, with `context` equal lines or sentences around each difference.
#[must_use]
pub fn diff_text(old: &str, new: &str, context: usize) -> Vec<TextChange> {
    let deadline = Instant::now() + PATIENCE;
    let (old_lines, new_lines) = (lines(old), lines(new));
    let mut changes = Vec::new();
    for op in capture_diff_slices_deadline(Algorithm::Myers, &old_lines, &new_lines, Some(deadline)) {
        let (was, is) = (&old_lines[op.old_range()], &new_lines[op.new_range()]);
        match op {
            DiffOp::Equal { .. } => changes.extend(was.iter().map(|line| TextChange::Same((*line).to_owned()))),
            _ => changes.extend(diff_block(was, is, deadline)),
        }
    }
    fold(changes, context)
}

/// The share of words that two texts have in common, in order: 1 where they are equal, 0 where they share none.
#[must_use]
pub fn similarity(old: &str, new: &str) -> f32 {
    likeness(old, new, Instant::now() + PATIENCE)
}

/// Whether two texts differ in white space only, and how: for a note where the eye sees nothing.
#[must_use]
pub fn only_white_space(old: &str, new: &str) -> Option<&'static str> {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if old == new || squeezed(old) != squeezed(new) {
        return None;
    }
    if old.replace("\r\n", "\n") == new.replace("\r\n", "\n") {
        return Some("only the line ends differ (CRLF and LF)");
    }
    if old.trim_end() == new.trim_end() {
        return Some("only white space at the end differs");
    }
    Some("only white space differs")
}

fn lines(text: &str) -> Vec<&str> {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect()
}

/// Changed lines, taken apart into sentences where they are long.
fn diff_block(was: &[&str], is: &[&str], deadline: Instant) -> Vec<TextChange> {
    let (was, is) = (sentences(was), sentences(is));
    let mut changes = Vec::new();
    for op in capture_diff_slices_deadline(Algorithm::Myers, &was, &is, Some(deadline)) {
        let (old, new) = (&was[op.old_range()], &is[op.new_range()]);
        match op {
            DiffOp::Equal { .. } => changes.extend(old.iter().map(|s| TextChange::Same((*s).to_owned()))),
            _ => changes.extend(pair_up(old, new, deadline)),
        }
    }
    changes
}

fn sentences<'t>(lines: &[&'t str]) -> Vec<&'t str> {
    let mut parts = Vec::new();
    for line in lines {
        if line.len() <= LONG_LINE {
            parts.push(*line);
        } else {
            parts.extend(line.split_sentence_bounds().map(str::trim_end).filter(|s| !s.is_empty()));
        }
    }
    parts
}

/// Removed and added sentences: those that are alike stand together with their words compared, the others alone.
fn pair_up(old: &[&str], new: &[&str], deadline: Instant) -> Vec<TextChange> {
    let mut changes = Vec::new();
    let mut next = 0;
    for was in old {
        // Looking at long texts takes its time also where nothing is compared in the end.
        if Instant::now() > deadline {
            changes.push(TextChange::Removed(whole(was)));
            continue;
        }
        // Only a few are looked at ahead: two sentences far apart are not the same one.
        let ahead = new.iter().enumerate().skip(next).take(8);
        let best = ahead
            .map(|(i, is)| (likeness(was, is, deadline), i))
            .filter(|(ratio, _)| *ratio >= PAIR)
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        match best {
            Some((_, i)) => {
                changes.extend(new[next..i].iter().map(|is| TextChange::Added(whole(is))));
                let (removed, added) = diff_words(was, new[i], deadline);
                changes.push(TextChange::Removed(removed));
                changes.push(TextChange::Added(added));
                next = i + 1;
            }
            None => changes.push(TextChange::Removed(whole(was))),
        }
    }
    changes.extend(new[next..].iter().map(|is| TextChange::Added(whole(is))));
    changes
}

fn whole(text: &str) -> Vec<Segment> {
    vec![Segment { text: text.to_owned(), changed: false }]
}

/// The share of words that two sentences have in common, in order.
fn likeness(a: &str, b: &str, deadline: Instant) -> f32 {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split_whitespace().collect(), b.split_whitespace().collect());
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let ops = capture_diff_slices_deadline(Algorithm::Myers, &a, &b, Some(deadline));
    similar::diff_ratio(&ops, a.len(), b.len())
}

/// The words of two sentences, with those marked that are in one of them only.
fn diff_words(old: &str, new: &str, deadline: Instant) -> (Vec<Segment>, Vec<Segment>) {
    let (was, is): (Vec<&str>, Vec<&str>) = (old.split_word_bounds().collect(), new.split_word_bounds().collect());
    let ops = capture_diff_slices_deadline(Algorithm::Myers, &was, &is, Some(deadline));
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    for change in ops.iter().flat_map(|op| op.iter_changes(&was, &is)) {
        match change.tag() {
            ChangeTag::Equal => {
                push(&mut removed, change.value(), false);
                push(&mut added, change.value(), false);
            }
            ChangeTag::Delete => push(&mut removed, change.value(), true),
            ChangeTag::Insert => push(&mut added, change.value(), true),
        }
    }
    (removed, added)
}

/// Adds a word; neighbours of one kind become one segment, and a blank between two changed words is changed too.
fn push(segments: &mut Vec<Segment>, text: &str, changed: bool) {
    match segments.last_mut() {
        Some(last) if last.changed == changed => last.text.push_str(text),
        _ => segments.push(Segment { text: text.to_owned(), changed }),
    }
    if changed
        && let [.., first, blank, _] = segments.as_slice()
        && first.changed
        && blank.text.trim().is_empty()
    {
        let tail: String = segments.drain(segments.len() - 2..).map(|segment| segment.text).collect();
        if let Some(first) = segments.last_mut() {
            first.text.push_str(&tail);
        }
    }
}

/// Leaves out what stands in both, but for some context.
fn fold(changes: Vec<TextChange>, context: usize) -> Vec<TextChange> {
    let near: Vec<bool> = {
        let is_change = |c: &TextChange| matches!(c, TextChange::Removed(_) | TextChange::Added(_));
        let places: Vec<usize> = changes.iter().enumerate().filter(|(_, c)| is_change(c)).map(|(i, _)| i).collect();
        let mut near = vec![false; changes.len()];
        for place in places {
            let end = (place + context + 1).min(changes.len());
            near[place.saturating_sub(context)..end].fill(true);
        }
        near
    };
    let mut folded = Vec::new();
    for (change, near) in changes.into_iter().zip(near) {
        match (near, folded.last_mut()) {
            (true, _) => folded.push(change),
            (false, Some(TextChange::Skipped(n))) => *n += 1,
            (false, _) => folded.push(TextChange::Skipped(1)),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changed_words(changes: &[TextChange]) -> Vec<(char, String)> {
        changes
            .iter()
            .flat_map(|change| match change {
                TextChange::Removed(segments) => segments.iter().map(|s| ('-', s)).collect::<Vec<_>>(),
                TextChange::Added(segments) => segments.iter().map(|s| ('+', s)).collect(),
                _ => Vec::new(),
            })
            .filter(|(_, segment)| segment.changed)
            .map(|(sign, segment)| (sign, segment.text.clone()))
            .collect()
    }

    #[test]
    fn one_word_of_a_long_paragraph_is_one_word() {
        let old: String = (0..5000).map(|i| format!("word{i}{} ", if i % 20 == 19 { "." } else { "" })).collect();
        let new = old.replace("word2503 ", "changed ");
        let changes = diff_text(&old, &new, 1);
        assert_eq!(changed_words(&changes), [('-', "word2503".to_owned()), ('+', "changed".to_owned())]);
        assert!(changes.len() <= 6, "{changes:?}");
    }

    #[test]
    fn a_paragraph_without_a_full_stop_is_compared_by_words_too() {
        let old: String = (0..5000).map(|i| format!("word{i} ")).collect();
        let new = old.replace("word2503 ", "changed ");
        assert_eq!(changed_words(&diff_text(&old, &new, 1)).len(), 2);
    }

    #[test]
    fn sentences_that_have_nothing_in_common_are_not_mixed() {
        let changes = diff_text("The sky is blue.", "Refunds take ten days.", 1);
        assert_eq!(changed_words(&changes), []);
        assert_eq!(changes.len(), 2);
    }

    #[test]
    fn invisible_changes_are_told() {
        assert_eq!(only_white_space("a\nb", "a\r\nb"), Some("only the line ends differ (CRLF and LF)"));
        assert_eq!(only_white_space("a", "a\n"), Some("only white space at the end differs"));
        assert_eq!(only_white_space("a b", "a  b"), Some("only white space differs"));
        assert_eq!(only_white_space("a", "b"), None);
    }

    #[test]
    fn megabytes_that_share_nothing_do_not_hang() {
        let old: String = (0..60_000).map(|i| format!("a{i} b{}.\n", i * 7)).collect();
        let new: String = (0..60_000).map(|i| format!("c{i} d{}.\n", i * 3)).collect();
        assert!(!diff_text(&old, &new, 1).is_empty());
    }

    #[test]
    fn a_line_of_megabytes_beside_thousands_of_lines_does_not_hang() {
        let (old, new) = ("x\n".repeat(20_000), "y ".repeat(500_000));
        let begun = Instant::now();
        assert!(!diff_text(&old, &new, 1).is_empty());
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn a_text_does_not_differ_from_itself(text in any::<String>()) {
            prop_assert!(diff_text(&text, &text, 2).iter().all(|c| matches!(c, TextChange::Skipped(_))));
        }

        #[test]
        fn any_two_texts_can_be_compared(old in "(?s).{0,200}", new in "(?s).{0,200}") {
            let _ = diff_text(&old, &new, 1);
        }
    }
}
