//! What differs between two texts, as a block of code of the language `diff`.

use serde_json::Value;

use super::escape::{clip, fence};
use crate::core::escape::terminal_line;
use crate::core::words::counted;
use crate::snapshot::{Segment, TextChange, diff_json, diff_text, only_white_space};

/// How many equal lines or sentences stand around a change.
const CONTEXT: usize = 1;
/// The most bytes of a text that are looked at.
const TEXT: usize = 32 * 1024;
/// The most lines of one difference.
const LINES: usize = 60;
/// The most bytes of one line.
const LINE: usize = 1000;
/// The most bytes of one block.
const BLOCK: usize = 8 * 1024;

/// The block of what differs, with a line for what the eye does not see.
pub(super) fn difference(old: &str, new: &str, json: bool) -> String {
    let values = || Some((parse(old)?, parse(new)?));
    let whole = old.len().max(new.len()) <= TEXT;
    let lines = match values().filter(|_| json && whole) {
        Some((old, new)) => json_lines(&old, &new),
        None => text_lines(clip(old, TEXT).0, clip(new, TEXT).0),
    };
    let mut block = block("diff", lines);
    let beyond = clip(old, TEXT).1.max(clip(new, TEXT).1);
    if beyond > 0 {
        block.push_str(&format!("\n(of the longer one {} more were not looked at)\n", bytes(beyond)));
    }
    if let Some(note) = only_white_space(old, new) {
        block.push_str(&format!("\n({note})\n"));
    }
    block
}

/// A block of an untrusted text.
pub(super) fn plain(text: &str) -> String {
    let (start, left_out) = clip(text, BLOCK);
    let mut lines: Vec<String> = start.split('\n').map(str::to_owned).collect();
    if left_out > 0 {
        lines.push(format!("… {} left out", bytes(left_out)));
    }
    block("text", lines)
}

/// A block of lines, each and all of limited length.
pub(super) fn block(language: &str, lines: Vec<String>) -> String {
    let count = lines.len();
    let (mut body, mut shown) = (String::new(), 0);
    for line in lines.into_iter().take(LINES) {
        // A line feed in it would make lines that nobody removed or added.
        let (start, left_out) = clip(&line, LINE);
        let start = terminal_line(start);
        if body.len() + start.len() > BLOCK {
            break;
        }
        body.push_str(&start);
        if left_out > 0 {
            body.push_str(&format!(" … ({} left out)", bytes(left_out)));
        }
        body.push('\n');
        shown += 1;
    }
    if shown < count {
        body.push_str(&format!("… and {}", counted((count - shown) as u64, "more line", "more lines")));
    }
    fence(language, &body)
}

fn bytes(count: usize) -> String {
    counted(count as u64, "byte", "bytes")
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text.trim()).ok()
}

fn json_lines(old: &Value, new: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for change in diff_json(old, new) {
        lines.extend(change.old.map(|value| format!("- {}  {value}", change.path)));
        lines.extend(change.new.map(|value| format!("+ {}  {value}", change.path)));
    }
    lines
}

fn text_lines(old: &str, new: &str) -> Vec<String> {
    let whole = |segments: &[Segment]| segments.iter().map(|segment| segment.text.as_str()).collect::<String>();
    let line = |change: &TextChange| match change {
        TextChange::Same(text) => format!("  {text}"),
        TextChange::Skipped(count) => format!("  … {count} the same"),
        TextChange::Removed(segments) => format!("- {}", whole(segments)),
        TextChange::Added(segments) => format!("+ {}", whole(segments)),
    };
    diff_text(old, new, CONTEXT).iter().map(line).collect()
}
