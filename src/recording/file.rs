//! A file of recordings: read once, checked line by line, answers decoded when they are wanted.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::line::Line;
use crate::core::digest::sha256_hex;
use crate::core::path::TreePath;
use crate::core::problem::{Mistake, Place, Problem, Problems};

/// The most damaged lines of one file that are reported.
const MOST_PROBLEMS: usize = 20;
/// What git writes where two sides meet; the bars stand before what both came from.
const MARKERS: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];
/// What may stand before a text's first line.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// What is known of a line without decoding its answer again.
#[derive(Clone, Debug)]
struct Entry {
    key: [u8; 32],
    response: [u8; 16],
    bytes: Range<usize>,
    number: usize,
}

/// The recordings of a prompt on a model, as they stand in a file.
#[derive(Debug, Default)]
pub struct RecordedFile {
    text: String,
    entries: Vec<Entry>,
    by_key: HashMap<[u8; 32], usize>,
    by_case: HashMap<Box<str>, Vec<u32>>,
    /// Whether a line is checked only when it is wanted.
    unchecked: bool,
}

impl RecordedFile {
    /// Reads a file's text. Any order is accepted, and lines that a merge doubled; damaged lines, conflict markers and
    /// two answers for one key are problems, all of them reported.
    pub fn parse(path: &TreePath, text: String) -> Result<Self, Problems> {
        let lines: Vec<(usize, Range<usize>)> = line_ranges(&text);
        let read: Vec<Result<(Entry, Box<str>), Problem>> =
            lines.into_par_iter().map(|(number, range)| read_line(path, &text, number, range)).collect();
        let mut file = Self { text, ..Self::default() };
        let mut problems = Problems::default();
        for result in read {
            match result {
                Ok((entry, case)) => {
                    if let Err(problem) = file.add(path, entry, case) {
                        problems.push(problem);
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(file) } else { Err(capped(path, problems)) }
    }

    /// Takes note of where each answer is, and checks none: for a look at the few that are wanted. What cannot be read is
    /// not there. Finds by key only.
    #[must_use]
    pub fn glance(text: String) -> Self {
        let mut file = Self { unchecked: true, ..Self::default() };
        for (number, bytes) in line_ranges(&text) {
            // As it is written, the key stands first.
            let key = text[bytes.clone()].strip_prefix("{\"key\":\"").and_then(|rest| key_bytes(rest.get(..64)?));
            let Some(key) = key else { continue };
            file.by_key.entry(key).or_insert(file.entries.len());
            file.entries.push(Entry { key, response: [0; 16], bytes, number });
        }
        file.text = text;
        file
    }

    fn add(&mut self, path: &TreePath, entry: Entry, case: Box<str>) -> Result<(), Problem> {
        if let Some(first) = self.by_key.get(&entry.key).map(|i| &self.entries[*i]) {
            if first.response == entry.response {
                return Ok(());
            }
            let message = format!("a second, different answer to the request of line {}", first.number);
            let help = "keep one of the two lines and remove the other";
            return Err(Problem::error(Place::Line(path.to_string(), entry.number), message).help(help));
        }
        let index = self.entries.len();
        self.by_key.insert(entry.key, index);
        self.by_case.entry(case).or_default().push(u32::try_from(index).unwrap_or(u32::MAX));
        self.entries.push(entry);
        Ok(())
    }

    /// The line that answers a request.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Line> {
        let index = *self.by_key.get(&key_bytes(key)?)?;
        self.decode(index)
    }

    /// The newest line of a case, whatever it answers, one of the same sample before the others.
    #[must_use]
    pub fn newest_of(&self, case: &str, sample: u32) -> Option<Line> {
        let indexes = self.by_case.get(case)?;
        // Later turns answer what nobody could foresee.
        let lines = indexes.iter().filter_map(|index| self.decode(*index as usize)).filter(|line| line.turn.is_none());
        lines.max_by_key(|line| (line.sample == sample, line.time()))
    }

    /// The lines of a case.
    pub(super) fn lines_of(&self, case: &str) -> impl Iterator<Item = Line> {
        let indexes = self.by_case.get(case).into_iter().flatten();
        indexes.filter_map(|index| self.decode(*index as usize))
    }

    /// Every line, with its number in the file.
    pub fn lines(&self) -> impl Iterator<Item = (usize, Line)> {
        (0..self.entries.len()).filter_map(|index| Some((self.entries[index].number, self.decode(index)?)))
    }

    /// How many answers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn decode(&self, index: usize) -> Option<Line> {
        let line = &self.text[self.entries.get(index)?.bytes.clone()];
        if self.unchecked {
            return Line::parse(line).ok();
        }
        // The line was read once when the file was, so it can be read again.
        serde_json::from_str(line).ok()
    }
}

fn line_ranges(text: &str) -> Vec<(usize, Range<usize>)> {
    // Some editors put a byte order mark before the first line.
    let mut start = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    let mut ranges = Vec::new();
    for (i, line) in text[start..].split_inclusive('\n').enumerate() {
        let trimmed = line.trim_end_matches(['\n', '\r']);
        if !trimmed.trim().is_empty() {
            ranges.push((i + 1, start..start + trimmed.len()));
        }
        start += line.len();
    }
    ranges
}

fn read_line(path: &TreePath, text: &str, number: usize, bytes: Range<usize>) -> Result<(Entry, Box<str>), Problem> {
    let place = || Place::Line(path.to_string(), number);
    let line = &text[bytes.clone()];
    if MARKERS.iter().any(|marker| line.starts_with(marker)) {
        let help = "remove the marker lines and keep the others of both sides; then run `promptctl test --offline`";
        return Err(Problem::error(place(), "a conflict marker of a merge").of(Mistake::ConflictMarker).help(help));
    }
    let decoded = Line::parse(line).map_err(|why| {
        let help = "restore the line from git, or remove it and record the case again";
        Problem::error(place(), format!("this recording cannot be read: {why}")).help(help)
    })?;
    let key = key_bytes(decoded.key.as_str())
        .ok_or_else(|| Problem::error(place(), "this recording cannot be read: its key is no SHA-256"))?;
    let answer = serde_json::to_string(&decoded.response).unwrap_or_default();
    let response = response_mark(&answer);
    Ok((Entry { key, response, bytes, number }, decoded.case.as_str().into()))
}

fn response_mark(answer: &str) -> [u8; 16] {
    let mut mark = [0; 16];
    mark.copy_from_slice(&sha256_hex(answer.as_bytes()).as_bytes()[..16]);
    mark
}

fn key_bytes(key: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if key.len() != 64 || !key.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&key[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

fn capped(path: &TreePath, problems: Problems) -> Problems {
    let all = problems.sorted();
    let more = all.len().saturating_sub(MOST_PROBLEMS);
    let mut kept = Problems::default();
    for problem in all.into_iter().take(MOST_PROBLEMS) {
        kept.push(problem);
    }
    if more > 0 {
        kept.error(Place::File(path.to_string()), format!("{more} more lines cannot be read"));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::line;
    use super::*;

    fn path() -> TreePath {
        TreePath::new("fixtures/p/recorded/fast.jsonl").expect("a path")
    }

    #[test]
    fn a_glance_finds_what_a_reading_finds_and_trusts_no_line() {
        let known = line("a", "1", "x");
        let edited = line("b", "2", "y").to_json().replace("\"content\":\"2\"", "\"content\":\"3\"");
        let text = format!("nonsense\n{}\n{edited}\n", known.to_json());
        let file = RecordedFile::glance(text);
        assert_eq!(file.find(known.key.as_str()), Some(known));
        assert_eq!(file.find(line("b", "2", "y").key.as_str()), None);
    }

    fn messages(text: &str) -> Vec<String> {
        let problems = RecordedFile::parse(&path(), text.to_owned()).map(|_| Problems::default());
        let problems = problems.unwrap_or_else(|problems| problems).sorted();
        problems.iter().map(|p| format!("{:?} {}", p.place.locate().1, p.message)).collect()
    }

    #[test]
    fn any_order_and_doubled_lines_are_read() {
        let (a, b) = (line("a", "1", "x"), line("b", "2", "y"));
        let text = format!("\u{feff}{}\r\n\n{}\n{}\n", b.to_json(), a.to_json(), b.to_json());
        let file = RecordedFile::parse(&path(), text).expect("readable");
        assert_eq!(file.len(), 2);
        assert_eq!(file.find(a.key.as_str()), Some(a.clone()));
        assert_eq!(file.newest_of("a", 3), Some(a));
        assert_eq!(file.find("nonsense"), None);
    }

    #[test]
    fn two_answers_for_one_key_name_both_lines() {
        let text = format!("{}\n{}\n", line("a", "1", "x").to_json(), line("a", "1", "y").to_json());
        assert_eq!(messages(&text), ["Some(2) a second, different answer to the request of line 1"]);
    }

    #[test]
    fn markers_and_cut_lines_are_named() {
        let good = line("a", "1", "x").to_json();
        let text = format!("<<<<<<< HEAD\n{good}\n||||||| base\n=======\n>>>>>>> x\n{}", &good[..30]);
        let messages = messages(&text);
        assert_eq!(messages.len(), 5, "{messages:?}");
        assert!(messages[0].starts_with("Some(1) a conflict marker"));
        assert!(messages[1].starts_with("Some(3) a conflict marker"));
        assert!(messages[4].starts_with("Some(6) this recording cannot be read: it is cut off"));
    }
}
