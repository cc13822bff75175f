//! The Jinja environment of prompts and values: pure, strict and limited.

use std::ops::Range;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

/// Instructions that one rendering may execute.
const FUEL: u64 = 2_000_000;
/// How deep includes and macros may nest.
const RECURSION: usize = 60;

/// An environment with everything in it that is pure: no clock, no randomness, no file, no process environment.
pub(super) fn pure() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(RECURSION);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    // It shows the whole context of a rendering, which no prompt means to send.
    env.remove_global("debug");
    env
}

/// What went wrong, in a lower-case fragment without the place.
#[must_use]
pub fn jinja_message(error: &Error) -> String {
    let detail = error.detail().map(str::to_owned);
    match (error.kind(), detail) {
        (ErrorKind::OutOfFuel, _) => {
            format!("the template runs for more than {FUEL} steps; is there a loop without an end?")
        }
        (ErrorKind::UndefinedError, None) => "a variable is not defined".to_owned(),
        (ErrorKind::UndefinedError | ErrorKind::TemplateNotFound, Some(detail)) => detail,
        (ErrorKind::InvalidOperation, Some(detail)) if detail.contains("recursion limit") => {
            format!("templates include or call each other more than {RECURSION} levels deep; does one include itself?")
        }
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// Where in the template the error is, in bytes, as far as minijinja knows.
#[must_use]
pub fn jinja_span(error: &Error, text: &str) -> Option<Range<usize>> {
    if let Some(range) = error.range().filter(|range| range.end <= text.len() && !range.is_empty()) {
        return Some(range);
    }
    let line = error.line()?;
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = text.get(start..)?.lines().next().map_or(0, str::len);
    Some(start..start + length)
}
