//! Mistakes of a project, as a person reads them: what, where, the line itself with a caret, and what to do.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::style::Style;
use crate::core::escape::{terminal, terminal_line};
use crate::core::problem::{Place, Problem, Severity, Source};

/// The most problems that are shown; a broken data set can have one a row.
const MOST: usize = 60;
/// The longest stretch of a line that is shown, in characters.
const LONGEST_LINE: usize = 160;

/// Writes problems in the order given.
pub fn write_problems(out: &mut dyn Write, problems: &[Problem], style: Style) -> io::Result<()> {
    for problem in problems.iter().take(MOST) {
        write_problem(out, problem, style)?;
    }
    if problems.len() > MOST {
        writeln!(out, "… and {} more", problems.len() - MOST)?;
    }
    Ok(())
}

fn write_problem(out: &mut dyn Write, problem: &Problem, style: Style) -> io::Result<()> {
    let place = match problem.place.locate() {
        (Some(path), Some(line), Some(column)) => format!("{path}:{line}:{column}: "),
        (Some(path), Some(line), None) => format!("{path}:{line}: "),
        (Some(path), ..) => format!("{path}: "),
        _ => String::new(),
    };
    let word = match problem.severity {
        Severity::Error => style.red("error: "),
        Severity::Warning => style.yellow("warning: "),
    };
    // The message of a mistake stands behind its place; without one it needs a word in front.
    let word = if place.is_empty() || problem.severity == Severity::Warning { word } else { String::new() };
    let message = terminal(&problem.message).replace('\n', "\n  ");
    writeln!(out, "{}{word}{}", style.bold(&terminal_line(&place)), style.bold(&message))?;
    if let Place::Span(source, range) = &problem.place {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        writeln!(out, "{}", snippet(source, range, level, problem.help.as_deref(), style))?;
    } else if let Some(help) = &problem.help {
        writeln!(out, "  = help: {}", terminal(help).replace('\n', "\n    "))?;
    }
    Ok(())
}

/// The line of a span with carets below the span.
pub(super) fn snippet(
    source: &Source,
    range: &Range<usize>,
    level: Level<'static>,
    help: Option<&str>,
    style: Style,
) -> String {
    let (line, _) = source.line_column(range.start);
    let bounds = source.line_range(line);
    let text = source.text[bounds.clone()].trim_end_matches('\r');
    let start = range.start.clamp(bounds.start, bounds.start + text.len()) - bounds.start;
    let end = range.end.clamp(bounds.start, bounds.start + text.len()) - bounds.start;
    let (shown, span) = visible(text, start..end.max(start));
    let snippet = Snippet::source(shown).line_start(line).annotation(AnnotationKind::Primary.span(span));
    let mut group = Group::with_level(level).element(snippet);
    if let Some(help) = help {
        group = group.element(Level::HELP.message(terminal(help).into_owned()));
    }
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(style.width.max(60)).render(&[group])
}

/// The part of a line around a span, every control character and command replaced, and the span in it.
fn visible(text: &str, span: Range<usize>) -> (String, Range<usize>) {
    let lead = text[..span.start].chars().count();
    let skipped = lead.saturating_sub(LONGEST_LINE / 2);
    let mut shown = String::new();
    let (mut start, mut end) = (0, 0);
    for (offset, c) in text.char_indices().skip(skipped).take(LONGEST_LINE) {
        if offset == span.start {
            start = shown.len();
        }
        let safe = if c == '\t' { ' ' } else { c };
        // To the runner of a pipeline `##[` begins a command wherever it stands.
        let is_command = c == '[' && shown.trim_end_matches(|c: char| c.is_ascii_alphabetic()).ends_with("##");
        if !is_command && terminal(safe.encode_utf8(&mut [0; 4])).chars().count() == 1 {
            shown.push(safe);
        } else {
            shown.push('\u{fffd}');
        }
        if offset < span.end {
            end = shown.len();
        }
    }
    if span.start >= text.len() {
        start = shown.len();
    }
    (shown, start..end.max(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(problem: &Problem) -> String {
        let mut out = Vec::new();
        write_problem(&mut out, problem, Style::plain()).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_mistake_shows_its_line_with_a_caret() {
        let source =
            Source::new("fixtures/refund/cases.yaml", "cases:\n  - name: a\n    expect:\n      - containz: x\n");
        let start = source.text.find("containz").expect("there");
        let place = Place::span(&source, start..start + 8);
        let problem = Problem::error(place, "unknown expectation \"containz\"; did you mean \"contains\"?");
        insta::assert_snapshot!(shown(&problem), @r#"
        fixtures/refund/cases.yaml:4:9: unknown expectation "containz"; did you mean "contains"?
          |
        4 |       - containz: x
          |         ^^^^^^^^
        "#);
    }

    #[test]
    fn hostile_lines_are_shown_harmlessly_and_short() {
        let text = format!("{}\u{1b}[2Jbad\u{202e}{}", "é".repeat(500), "x".repeat(5000));
        let source = Source::new("a\u{1b}.yaml", text.clone());
        let start = text.find("bad").expect("there");
        let output = shown(&Problem::error(Place::span(&source, start..start + 3), "no\u{7}"));
        assert!(!output.contains('\u{1b}') && !output.contains('\u{202e}') && !output.contains('\u{7}'), "{output:?}");
        assert!(output.contains("^^^") && output.len() < 900, "{output}");
    }
}
