//! Carrying out the changes that need nobody to decide anything.

use super::finding::Edit;

/// The text with these changes, and how many were made. Of two that touch the first counts; the other is found again.
#[must_use]
pub fn apply(text: &str, edits: &[&Edit]) -> (String, usize) {
    let mut sorted: Vec<&&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let (mut changed, mut at, mut count) = (String::with_capacity(text.len()), 0, 0);
    for edit in sorted {
        let Some(before) = text.get(at..edit.span.start.max(at)).filter(|_| edit.span.start >= at) else { continue };
        if text.get(edit.span.clone()).is_none() {
            continue;
        }
        changed.push_str(before);
        changed.push_str(&edit.text);
        at = edit.span.end;
        count += 1;
    }
    changed.push_str(text.get(at..).unwrap_or_default());
    (changed, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_that_touch_are_made_one_at_a_time() {
        let edit = |span, text: &str| Edit { span, text: text.to_owned() };
        let edits = [edit(4..7, "D"), edit(0..2, "ä"), edit(1..4, "x"), edit(90..99, "y")];
        let (text, count) = apply("abc def ghi", &edits.iter().collect::<Vec<_>>());
        assert_eq!((text.as_str(), count), ("äc D ghi", 2));
    }
}
