//! Cutting a file into chunks: what is found as a whole.
//!
//! A front matter is no part of any chunk. Sizes are in characters. Nothing is cut within a character that is made of several
//! (a letter and its accent, a family of people), and a chunk has no white space at its ends.

use std::collections::HashMap;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use super::markdown::{Kind, Line, body, lines};
use crate::core::path::TreePath;
use crate::project::Chunking;

/// A chunk of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What it is called: the path, and behind `#` its heading or its number. A whole file is called by its path.
    pub id: String,
    /// The file.
    pub path: TreePath,
    /// Bytes of the file.
    pub range: Range<usize>,
    /// The headings that it stands under, the outermost first; without the one that it begins with.
    pub under: Vec<String>,
}

/// The chunks of a file, in its order.
#[must_use]
pub fn chunks(path: &TreePath, text: &str, by: Chunking) -> Vec<Chunk> {
    let body = body(text)..text.len();
    let chunk = |id: String, range: Range<usize>| Chunk { id, path: path.clone(), range, under: Vec::new() };
    let numbered = |ranges: Vec<Range<usize>>| -> Vec<Chunk> {
        let ranges = shown(text, ranges).into_iter();
        ranges.zip(1..).map(|(range, number)| chunk(format!("{path}#{number}"), range)).collect()
    };
    match by {
        Chunking::Heading { max } => by_heading(path, text, body, max.max(1)),
        Chunking::Paragraph { max } => numbered(cut(text, body, max.max(1), Unit::Paragraph)),
        Chunking::Sentences { window, step } => numbered(windows(text, body, window.max(1), step.max(1))),
        Chunking::Fixed { size, overlap } => numbered(fixed(text, body, size.max(1), overlap)),
        Chunking::Whole => {
            let whole = trim(text, body);
            if whole.is_empty() { Vec::new() } else { vec![chunk(path.to_string(), whole)] }
        }
    }
}

fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_start().len());
    start..start + part.trim().len()
}

/// The ranges without the white space at their ends, and without those of which another shows everything.
fn shown(text: &str, ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut shown: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges.into_iter().map(|range| trim(text, range)).filter(|range| !range.is_empty()) {
        if shown.last().is_some_and(|last| last.start == range.start) {
            shown.pop();
        }
        if shown.last().is_none_or(|last| last.end < range.end) {
            shown.push(range);
        }
    }
    shown
}

/// A section: where it starts, its headings' levels and words.
struct Section {
    start: usize,
    under: Vec<String>,
    title: Option<String>,
}

fn by_heading(path: &TreePath, text: &str, body: Range<usize>, max: usize) -> Vec<Chunk> {
    let sections = sections(text, &body);
    let ends = sections.iter().skip(1).map(|section| section.start).chain([body.end]);
    let mut taken: HashMap<String, u64> = HashMap::new();
    let mut found = Vec::new();
    for (section, end) in sections.iter().zip(ends) {
        let name = section.title.as_deref().map_or_else(|| "top".to_owned(), slug);
        for (number, range) in cut(text, section.start..end, max, Unit::Paragraph).into_iter().enumerate() {
            let range = trim(text, range);
            if range.is_empty() {
                continue;
            }
            let mut under = section.under.clone();
            // What is cut off no longer stands below its heading.
            under.extend(section.title.clone().filter(|_| number > 0));
            found.push(Chunk { id: unique(path, &name, &mut taken), path: path.clone(), range, under });
        }
    }
    found
}

/// `path#name`, or the first of `path#name-2`, `path#name-3` that is free.
fn unique(path: &TreePath, name: &str, taken: &mut HashMap<String, u64>) -> String {
    let free = match taken.get(name).copied() {
        None => name.to_owned(),
        Some(last) => {
            // Numbers are given out upwards: where the last one ended is where to go on.
            let mut number = last + 1;
            while taken.contains_key(&format!("{name}-{number}")) {
                number += 1;
            }
            taken.insert(name.to_owned(), number);
            format!("{name}-{number}")
        }
    };
    let id = format!("{path}#{free}");
    taken.insert(free, 1);
    id
}

/// The sections of a file. A heading with nothing below it but a deeper heading opens the section of that one.
fn sections(text: &str, body: &Range<usize>) -> Vec<Section> {
    let mut found = vec![Section { start: body.start, under: Vec::new(), title: None }];
    // The headings that the place read stands under.
    let mut open: Vec<(u8, String)> = Vec::new();
    let mut is_empty = true;
    for Line { range, kind } in lines(&text[body.clone()]) {
        match kind {
            Kind::Heading(level, title) => {
                let is_deeper = open.last().is_some_and(|(above, _)| *above < level);
                while open.last().is_some_and(|(above, _)| *above >= level) {
                    open.pop();
                }
                let under: Vec<String> = open.iter().map(|(_, title)| title.clone()).collect();
                open.push((level, title.clone()));
                let last = found.last_mut().filter(|last| is_empty && (is_deeper || last.title.is_none()));
                match last {
                    // What stands above is shown by the chunk itself.
                    Some(last) => {
                        last.title = Some(title);
                    }
                    None => found.push(Section { start: body.start + range.start, under, title: Some(title) }),
                }
                is_empty = true;
            }
            Kind::Blank | Kind::Underline => {}
            Kind::Code | Kind::Text => is_empty = false,
        }
    }
    found
}

/// A heading as GitHub makes an anchor of it: lower case, `-` for a blank, nothing for other punctuation.
fn slug(title: &str) -> String {
    let mut slug = String::with_capacity(title.len());
    for c in title.to_lowercase().chars() {
        match c {
            c if c.is_alphanumeric() || matches!(c, '_' | '-') => slug.push(c),
            c if c.is_whitespace() => slug.push('-'),
            _ => {}
        }
    }
    if slug.chars().any(char::is_alphanumeric) { slug } else { "section".to_owned() }
}

fn windows(text: &str, body: Range<usize>, window: usize, step: usize) -> Vec<Range<usize>> {
    let sentences = units(text, body, Unit::Sentence);
    let is_shown = |range: &Range<usize>| !text[range.clone()].trim().is_empty();
    let sentences: Vec<Range<usize>> = sentences.into_iter().filter(is_shown).collect();
    let mut found = Vec::new();
    let mut first = 0;
    while let Some(start) = sentences.get(first) {
        let last = (first + window).min(sentences.len()) - 1;
        found.push(start.start..sentences[last].end);
        if last + 1 == sentences.len() {
            break;
        }
        // A longer step would leave sentences out.
        first += step.min(window);
    }
    found
}

fn fixed(text: &str, body: Range<usize>, size: usize, overlap: usize) -> Vec<Range<usize>> {
    // Each character as a reader sees it: where it starts, and how many characters stand before it.
    let mut before = 0;
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (at, grapheme) in text[body.clone()].grapheme_indices(true) {
        places.push((body.start + at, before));
        before += grapheme.chars().count();
    }
    places.push((body.end, before));
    let overlap = overlap.min(size - 1);
    let mut found = Vec::new();
    let mut first = 0;
    while first + 1 < places.len() {
        let (start, so_far) = places[first];
        let fits = places[first..].partition_point(|(_, count)| *count <= so_far + size) - 1;
        // One that is longer than the whole chunk is not cut.
        let last = first + fits.max(1);
        found.push(start..places[last].0);
        if last + 1 == places.len() {
            break;
        }
        let back = places[..last].partition_point(|(_, count)| *count < places[last].1 - overlap);
        first = back.max(first + 1);
    }
    found
}

/// What a text may be cut between.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Paragraph,
    Sentence,
    Word,
    Character,
}

impl Unit {
    fn smaller(self) -> Option<Self> {
        match self {
            Self::Paragraph => Some(Self::Sentence),
            Self::Sentence => Some(Self::Word),
            Self::Word => Some(Self::Character),
            Self::Character => None,
        }
    }
}

/// Pieces of at most so many characters, as many units in each as fit; what is longer by itself is cut between smaller units.
fn cut(text: &str, range: Range<usize>, max: usize, unit: Unit) -> Vec<Range<usize>> {
    let shown = trim(text, range.clone());
    if text[shown].chars().count() <= max {
        return vec![range];
    }
    let mut pieces = Vec::new();
    let mut open: Option<(Range<usize>, usize)> = None;
    for part in units(text, range, unit) {
        let shown = text[part.clone()].trim_end().chars().count();
        let whole = text[part.clone()].chars().count();
        match &mut open {
            Some((piece, count)) if *count + shown <= max => {
                piece.end = part.end;
                *count += whole;
            }
            _ => {
                pieces.extend(open.take().map(|(piece, _)| piece));
                match unit.smaller().filter(|_| shown > max) {
                    Some(smaller) => pieces.extend(cut(text, part, max, smaller)),
                    None => open = Some((part, whole)),
                }
            }
        }
    }
    pieces.extend(open.map(|(piece, _)| piece));
    pieces
}

/// The units of a stretch of a text, one after the other without a gap.
fn units(text: &str, range: Range<usize>, unit: Unit) -> Vec<Range<usize>> {
    let part = &text[range.clone()];
    let starts: Vec<usize> = match unit {
        Unit::Paragraph => paragraph_starts(part),
        Unit::Sentence => unwrapped(part).split_sentence_bound_indices().map(|(at, _)| at).collect(),
        Unit::Word => part.split_word_bound_indices().map(|(at, _)| at).collect(),
        Unit::Character => part.grapheme_indices(true).map(|(at, _)| at).collect(),
    };
    let ends = starts.iter().skip(1).copied().chain([part.len()]);
    starts.iter().zip(ends).map(|(start, end)| range.start + start..range.start + end).collect()
}

/// Where paragraphs begin: behind blank lines, and at headings, which go with what comes next: by itself a heading says too little.
/// Code within fences is one, with its blank lines.
fn paragraph_starts(part: &str) -> Vec<usize> {
    let mut starts = vec![0];
    // Whether blank lines were seen since the last word, and whether that was one of a heading.
    let (mut is_apart, mut is_heading) = (false, true);
    for Line { range, kind } in lines(part) {
        match kind {
            Kind::Blank => is_apart = true,
            Kind::Underline => {}
            kind => {
                let is_title = matches!(kind, Kind::Heading(..));
                if !is_heading && (is_apart || is_title) {
                    starts.push(range.start);
                }
                (is_apart, is_heading) = (false, is_title);
            }
        }
    }
    starts
}

/// The same text with a blank for the line ends within a paragraph, byte for byte as long: a sentence goes on there.
fn unwrapped(part: &str) -> String {
    let lines = lines(part);
    let mut joined = String::with_capacity(part.len());
    for (index, Line { range, kind }) in lines.iter().enumerate() {
        let line = &part[range.clone()];
        let goes_on = lines.get(index + 1).is_some_and(|next| {
            next.kind == Kind::Text && *kind == Kind::Text && !begins_something(&part[next.range.clone()])
        });
        let kept = line.trim_end_matches(['\r', '\n']);
        joined.push_str(kept);
        if goes_on {
            joined.extend(std::iter::repeat_n(' ', line.len() - kept.len()));
        } else {
            joined.push_str(&line[kept.len()..]);
        }
    }
    joined
}

/// Whether a line is no continuation of the one above: an item of a list, a row of a table, a quotation.
fn begins_something(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with(['-', '*', '+', '|', '>']) || number.len() < line.len() && number.starts_with(['.', ')'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut_of(text: &str, by: Chunking) -> Vec<(String, String)> {
        let path = TreePath::new("a.md").expect("a path");
        chunks(&path, text, by).into_iter().map(|chunk| (chunk.id, text[chunk.range].to_owned())).collect()
    }

    fn ids(text: &str, by: Chunking) -> Vec<String> {
        cut_of(text, by).into_iter().map(|(id, _)| id).collect()
    }

    fn texts(text: &str, by: Chunking) -> Vec<String> {
        cut_of(text, by).into_iter().map(|(_, text)| text).collect()
    }

    const HANDBOOK: &str = "---\ndate: 2026-01-01\n---\nRead this.\n\n# Leave\n\n## Carry over\nFive days.\n\n```sh\n# no heading\n```\n## Carry over\nAgain.\n### 🎉\nParty.\n## Empty\n";

    #[test]
    fn headings_name_their_chunks() {
        let by = Chunking::Heading { max: 1000 };
        assert_eq!(
            cut_of(HANDBOOK, by),
            [
                ("a.md#top", "Read this."),
                ("a.md#carry-over", "# Leave\n\n## Carry over\nFive days.\n\n```sh\n# no heading\n```"),
                ("a.md#carry-over-2", "## Carry over\nAgain."),
                ("a.md#section", "### 🎉\nParty."),
                ("a.md#empty", "## Empty"),
            ]
            .map(|(id, text)| (id.to_owned(), text.to_owned()))
        );
        let path = TreePath::new("a.md").expect("a path");
        let under: Vec<String> = chunks(&path, HANDBOOK, by).into_iter().map(|c| c.under.join(" > ")).collect();
        assert_eq!(under, ["", "", "Leave", "Leave > Carry over", "Leave"]);
    }

    #[test]
    fn a_name_that_is_taken_gets_the_next_number() {
        let text = "# A\nx\n# A-2\nx\n# A\nx\n# A\nx\n";
        assert_eq!(ids(text, Chunking::Heading { max: 99 }), ["a.md#a", "a.md#a-2", "a.md#a-3", "a.md#a-4"]);
    }

    #[test]
    fn what_is_too_long_is_cut_where_it_hurts_least() {
        let text = "# Big\n\nOne sentence here. Another one.\n\nA second paragraph.\n";
        assert_eq!(
            texts(text, Chunking::Heading { max: 45 }),
            ["# Big\n\nOne sentence here. Another one.", "A second paragraph."]
        );
        assert_eq!(
            texts(text, Chunking::Heading { max: 20 }),
            ["# Big", "One sentence here.", "Another one.", "A second paragraph."]
        );
        assert_eq!(texts("abcdefgh ij", Chunking::Paragraph { max: 3 }), ["abc", "def", "gh", "ij"]);
    }

    #[test]
    fn a_paragraph_keeps_its_heading_and_code_its_blank_lines() {
        let text = "# T\n\nOne\nline.\n\n```\na\n\nb\n```\n\n## End\n";
        assert_eq!(texts(text, Chunking::Paragraph { max: 15 }), ["# T\n\nOne\nline.", "```\na\n\nb\n```", "## End"]);
        assert_eq!(texts(text, Chunking::Paragraph { max: 30 }), ["# T\n\nOne\nline.\n\n```\na\n\nb\n```", "## End"]);
    }

    #[test]
    fn a_window_moves_over_sentences_and_not_over_lines() {
        let text = "One is\r\nhere. Two. Three!\r\n- four\r\n- five\r\n";
        assert_eq!(
            texts(text, Chunking::Sentences { window: 2, step: 1 }),
            ["One is\r\nhere. Two.", "Two. Three!", "Three!\r\n- four", "- four\r\n- five"]
        );
        assert_eq!(ids(text, Chunking::Sentences { window: 2, step: 9 }), ["a.md#1", "a.md#2", "a.md#3"]);
    }

    #[test]
    fn a_fixed_size_overlaps_and_cuts_no_character() {
        assert_eq!(texts("abcdefghij", Chunking::Fixed { size: 4, overlap: 1 }), ["abcd", "defg", "ghij"]);
        assert_eq!(
            texts("ae\u{301}\u{302}\u{303}b", Chunking::Fixed { size: 2, overlap: 1 }),
            ["a", "e\u{301}\u{302}\u{303}", "b"]
        );
        assert_eq!(texts("ab", Chunking::Fixed { size: 1, overlap: 5 }), ["a", "b"]);
    }

    #[test]
    fn nothing_makes_nothing() {
        for by in ALL {
            assert_eq!(ids("", by), Vec::<String>::new());
            assert_eq!(ids("---\na: 1\n---\n \n\t\n", by), Vec::<String>::new(), "{by:?}");
        }
        assert_eq!(ids("x", Chunking::Whole), ["a.md"]);
    }

    const ALL: [Chunking; 8] = [
        Chunking::Heading { max: 400 },
        Chunking::Heading { max: 12 },
        Chunking::Paragraph { max: 30 },
        Chunking::Sentences { window: 3, step: 2 },
        Chunking::Sentences { window: 1, step: 1 },
        Chunking::Fixed { size: 10, overlap: 3 },
        Chunking::Fixed { size: 7, overlap: 0 },
        Chunking::Whole,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]
        #[test]
        fn no_byte_is_lost_and_no_chunk_is_blank(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("\n".to_owned()), Just("\n\n".into()), Just("# Head\n".into()), Just("## Größe der 日本語\n".into()),
                    Just("```\n".into()), Just("---\n".into()), Just("===\n".into()), Just("<!--\n".into()), Just("-->\n".into()), Just("- item\n".into()), "[a-z]{1,9}[.!?] ?",
                    "(?s).{0,12}", Just("e\u{301}👨\u{200d}👩\u{200d}👧 ".into()), Just("\r\n".into()), Just("日本語。".into()),
                ],
                0..30,
            )
        ) {
            let text = parts.concat();
            let path = TreePath::new("a.md").expect("a path");
            for by in ALL {
                let found = chunks(&path, &text, by);
                let mut is_covered = vec![false; text.len()];
                let mut taken = std::collections::HashSet::new();
                for chunk in &found {
                    let part = &text[chunk.range.clone()];
                    prop_assert!(!part.trim().is_empty() && part.trim() == part, "{by:?} {part:?}");
                    prop_assert!(taken.insert(chunk.id.clone()), "{by:?} {}", chunk.id);
                    is_covered[chunk.range.clone()].fill(true);
                    let count = part.chars().count();
                    match by {
                        Chunking::Heading { max } | Chunking::Paragraph { max } | Chunking::Fixed { size: max, .. } => {
                            prop_assert!(count <= max || part.graphemes(true).count() == 1, "{by:?} {part:?}");
                        }
                        _ => {}
                    }
                }
                let overlaps = matches!(by, Chunking::Sentences { window: 3, .. } | Chunking::Fixed { overlap: 3, .. });
                for pair in found.windows(2) {
                    prop_assert!(pair[0].range.start < pair[1].range.start, "{by:?}");
                    prop_assert!(overlaps || pair[0].range.end <= pair[1].range.start, "{by:?}");
                }
                for (at, c) in text.char_indices().skip_while(|(at, _)| *at < body(&text)) {
                    prop_assert!(c.is_whitespace() || is_covered[at], "{by:?} loses {c:?} at {at} of {text:?}");
                }
                prop_assert_eq!(found, chunks(&path, &text, by));
            }
        }
    }
}
