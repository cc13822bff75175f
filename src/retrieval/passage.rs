//! Whether a passage that answers a query stands whole in a chunk. White space counts as one blank, however lines are broken.

use std::ops::Range;

use super::golden::Fault;
use super::local::Index;

/// The files and chunks of an index, as passages are looked for in them.
pub(super) struct Passages<'a> {
    index: &'a Index,
    files: Vec<String>,
    chunks: Vec<String>,
}

impl<'a> Passages<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        let files = index.files().iter().map(|(_, text)| squeezed(text)).collect();
        let chunks = (0..index.chunks().len()).map(|place| squeezed(index.text(place))).collect();
        Self { index, files, chunks }
    }

    /// What is wrong with a passage, where something is.
    pub(super) fn fault(&self, passage: &str) -> Option<(Fault, String)> {
        let wanted = squeezed(passage);
        if self.chunks.iter().any(|chunk| chunk.contains(&wanted)) {
            return None;
        }
        let Some(place) = self.files.iter().position(|file| file.contains(&wanted)) else {
            return Some((Fault::Gone, "no file has the passage".to_owned()));
        };
        let (path, text) = &self.index.files()[place];
        let sharing = stretch(text, &wanted).map(|stretch| {
            let has_a_part = |chunk: &&super::Chunk| {
                chunk.path == *path && chunk.range.start < stretch.end && stretch.start < chunk.range.end
            };
            let ids = self.index.chunks().iter().filter(has_a_part).map(|chunk| format!("`{}`", chunk.id));
            ids.collect::<Vec<_>>().join(", ")
        });
        let sharing = sharing.filter(|ids| !ids.is_empty()).map(|ids| format!(": {ids}")).unwrap_or_default();
        Some((Fault::Cut, format!("the passage of `{path}` stands whole in none of its chunks{sharing}")))
    }
}

/// Where a passage stands in a text as it is written.
fn stretch(text: &str, wanted: &str) -> Option<Range<usize>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.join(" ").find(wanted)?;
    // Each word of the text, and where it stands once there is one blank between two.
    let mut squeezed = 0;
    let places = words.iter().map(|word| {
        // What is split is a part of the text.
        let place = word.as_ptr() as usize - text.as_ptr() as usize;
        let found = (squeezed, place, word.len());
        squeezed += word.len() + 1;
        found
    });
    let places: Vec<(usize, usize, usize)> = places.collect();
    let of = |offset: usize| {
        let (start, place, length) = places[places.partition_point(|(start, ..)| *start <= offset) - 1];
        place + (offset - start).min(length)
    };
    Some(of(at)..of(at + wanted.len() - 1) + 1)
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_is_found_however_lines_are_broken() {
        let text = "One  two\r\n three\u{a0}fo\u{301}ur. Five";
        for (wanted, found) in [("two three", "two\r\n three"), ("One", "One"), ("fo\u{301}ur. F", "fo\u{301}ur. F")] {
            assert_eq!(stretch(text, wanted).map(|range| &text[range]), Some(found));
        }
        assert_eq!(stretch(text, "six"), None);
    }
}
