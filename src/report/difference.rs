//! A difference as a person reads it on a terminal or in a log.

use std::io::{self, Write};

use serde_json::Value;

use super::style::Style;
use crate::core::escape::terminal_line;
use crate::core::verdict::Difference;
use crate::snapshot::{Segment, TextChange, diff_json, diff_text, only_white_space};

/// How many equal lines or sentences stand around a change.
const CONTEXT: usize = 1;
/// The most lines of one difference; the rest is counted.
const MOST: usize = 40;

/// Writes what differs, each line behind `indent`.
pub fn write_difference(out: &mut dyn Write, difference: &Difference, indent: &str, style: Style) -> io::Result<()> {
    let lines = if difference.json { json_lines(difference, style) } else { text_lines(difference, style) };
    for line in lines.iter().take(MOST) {
        writeln!(out, "{indent}{line}")?;
    }
    if lines.len() > MOST {
        writeln!(out, "{indent}{}", style.dim(&format!("… and {} more lines", lines.len() - MOST)))?;
    }
    if let Some(note) = only_white_space(&difference.old, &difference.new) {
        writeln!(out, "{indent}{}", style.dim(&format!("({note})")))?;
    }
    Ok(())
}

fn json_lines(difference: &Difference, style: Style) -> Vec<String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    let show = |value: &Value| terminal_line(&value.to_string()).into_owned();
    diff_json(&parse(&difference.old), &parse(&difference.new))
        .iter()
        .map(|change| {
            let path = terminal_line(&change.path);
            match (&change.old, &change.new) {
                (Some(old), Some(new)) => {
                    format!("~ {path}  {} → {}", style.red(&show(old)), style.green(&show(new)))
                }
                (Some(old), None) => style.red(&format!("- {path}  {}", show(old))),
                (None, Some(new)) => style.green(&format!("+ {path}  {}", show(new))),
                (None, None) => String::new(),
            }
        })
        .collect()
}

fn text_lines(difference: &Difference, style: Style) -> Vec<String> {
    diff_text(&difference.old, &difference.new, CONTEXT)
        .iter()
        .map(|change| match change {
            TextChange::Same(text) => style.dim(&format!("  {}", terminal_line(text))),
            TextChange::Skipped(count) => style.dim(&format!("  … {count} the same")),
            TextChange::Removed(segments) => {
                format!("{}{}", style.red("- "), words(segments, |t| style.red(t), |t| style.removed(t)))
            }
            TextChange::Added(segments) => {
                format!("{}{}", style.green("+ "), words(segments, |t| style.green(t), |t| style.added(t)))
            }
        })
        .collect()
}

fn words(segments: &[Segment], plain: impl Fn(&str) -> String, changed: impl Fn(&str) -> String) -> String {
    let paint = |segment: &Segment| {
        let text = terminal_line(&segment.text);
        if segment.changed { changed(&text) } else { plain(&text) }
    };
    segments.iter().map(paint).collect()
}
