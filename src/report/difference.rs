//! A difference as a person reads it on a terminal or in a log.

use std::io::{self, Write};

use serde_json::Value;

use super::style::Style;
use crate::core::escape::terminal_line;
use crate::core::verdict::Difference;
use crate::snapshot::{JsonChange, Segment, TextChange, diff_json, diff_text, only_white_space};

/// How many equal lines or sentences stand around a change.
const CONTEXT: usize = 1;
/// The most lines of one difference; the rest is counted.
const MOST: usize = 40;

/// Writes what differs, each line behind `indent`.
pub fn write_difference(out: &mut dyn Write, difference: &Difference, indent: &str, style: Style) -> io::Result<()> {
    if !difference.json {
        return write_texts(out, (&difference.old, &difference.new), MOST, indent, style);
    }
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    write_values(out, &diff_json(&parse(&difference.old), &parse(&difference.new)), indent, style)?;
    note(out, &difference.old, &difference.new, indent, style)
}

/// Writes what differs between two texts, in at most so many lines.
pub(super) fn write_texts(
    out: &mut dyn Write,
    (old, new): (&str, &str),
    most: usize,
    indent: &str,
    style: Style,
) -> io::Result<()> {
    write_lines(out, &text_lines(old, new, style), most, indent, style)?;
    note(out, old, new, indent, style)
}

/// Writes what differs between two JSON values.
pub(super) fn write_values(out: &mut dyn Write, changes: &[JsonChange], indent: &str, style: Style) -> io::Result<()> {
    write_lines(out, &json_lines(changes, style), MOST, indent, style)
}

fn write_lines(out: &mut dyn Write, lines: &[String], most: usize, indent: &str, style: Style) -> io::Result<()> {
    for line in lines.iter().take(most) {
        writeln!(out, "{indent}{line}")?;
    }
    if lines.len() > most {
        writeln!(out, "{indent}{}", style.dim(&format!("… and {} more lines", lines.len() - most)))?;
    }
    Ok(())
}

/// Says what the eye does not see.
fn note(out: &mut dyn Write, old: &str, new: &str, indent: &str, style: Style) -> io::Result<()> {
    match only_white_space(old, new) {
        Some(note) => writeln!(out, "{indent}{}", style.dim(&format!("({note})"))),
        None => Ok(()),
    }
}

fn json_lines(changes: &[JsonChange], style: Style) -> Vec<String> {
    let show = |value: &Value| terminal_line(&value.to_string()).into_owned();
    changes
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

fn text_lines(old: &str, new: &str, style: Style) -> Vec<String> {
    diff_text(old, new, CONTEXT)
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
