//! The Jinja environment of prompts and values: pure, strict and limited.

use std::ops::Range;
use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use regex::Regex;

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

/// What to do where braces of JSON stand doubled.
pub(super) const DOUBLED_BRACES: &str = "doubled braces begin an expression of the template; braces of JSON are written \
    single, or stand between `{% raw %}` and `{% endraw %}` where they are doubled on purpose";

/// Doubled braces with what no expression begins with: a key and its colon, nothing, or dots.
static DOUBLED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\{\{[-+]?\s*(?:(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\w$-]+)\s*:|\}\}|\.\.\.|…)"#).ok()
});

/// Whether a mistake of syntax stands at the doubled braces of JSON.
pub(super) fn has_doubled_braces(text: &str, error: &Range<usize>) -> bool {
    let Some(doubled) = &*DOUBLED else { return false };
    doubled.find_iter(text).any(|found| found.start() <= error.end && error.start <= found.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_braces_of_json_are_known_by_their_mistake() {
        for (text, expected) in [
            (r#"Reply with {{ "name": "{{ q }}" }} only."#, true),
            (r#"{{"name": "x"}}"#, true),
            ("{{ 'name': 1 }}", true),
            ("{{ name: 1 }}", true),
            ("{{\n  \"name\": 1\n}}", true),
            ("Grüße {{}} ", true),
            ("{{ ... }}", true),
            ("{{- \"a\\\"b\" : 1 }}", true),
            ("{{ q | }} and {{ \"name\" }}", false),
            ("{{ q", false),
            ("{% if q %} {\"a\": {\"b\": 1}}", false),
            ("{{ q ~ }} {% raw %}{{ \"a\": 1 }}{% endraw %}", false),
        ] {
            let mut env = pure();
            let span = match env.add_template_owned("p", text.to_owned()) {
                Ok(()) => panic!("{text} is well-formed"),
                Err(error) => jinja_span(&error, text).unwrap_or(0..0),
            };
            assert_eq!(has_doubled_braces(text, &span), expected, "{text} {span:?}");
        }
    }
}
