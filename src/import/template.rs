//! A template of another tool as Jinja: literal text that means nothing to Jinja, and tags.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::core::problem::Place;
use crate::prompt::Inline;

/// Names that a prompt's template has for itself: a variable of the source that is called so gets an underscore.
const OWN_NAMES: [&str; 7] = ["role", "image", "tool_call", "range", "dict", "namespace", "debug"];

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text, as the model shall read it.
    Literal(String),
    /// A tag of Jinja, with its braces.
    Tag(String),
}

/// Where a stretch of the text that is translated stands in the source.
pub(super) type At<'a> = &'a dyn Fn(Range<usize>) -> Place;

/// The Jinja of these pieces.
pub(super) fn jinja(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for (i, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Tag(tag) => text.push_str(tag),
            Piece::Literal(literal) => {
                // A brace at the end of a text would open a tag together with the next one's.
                let before_tag = matches!(pieces.get(i + 1), Some(Piece::Tag(tag)) if tag.starts_with('{'));
                escape(literal, before_tag, &mut text);
            }
        }
    }
    text
}

/// Text that Jinja leaves as it is.
pub(super) fn literal(text: &str) -> String {
    jinja(&[Piece::Literal(text.to_owned())])
}

fn escape(literal: &str, before_tag: bool, out: &mut String) {
    let mut rest = literal.chars().peekable();
    while let Some(c) = rest.next() {
        let opens = match rest.peek() {
            Some(next) => matches!(next, '{' | '%' | '#'),
            None => before_tag,
        };
        if c == '{' && opens {
            out.push_str("{{ \"{\" }}");
        } else {
            out.push(c);
        }
    }
}

/// The name of a variable of the source as the template may have it.
pub(super) fn own_name(name: &str) -> String {
    if OWN_NAMES.contains(&name) { format!("{name}_") } else { name.to_owned() }
}

static SLICE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\[([^\[\]{}:]*):([^\[\]{}:]*)\]").ok());

/// The variables that a template mentions, its own functions left out; `None` where it is not well-formed.
pub(super) fn variables(text: &str) -> Option<BTreeSet<String>> {
    let whole = Inline::new(text).ok()?;
    // The engine does not look into slices: for this they are filters.
    let as_filter = |found: &regex::Captures<'_>| {
        let bounds: Vec<&str> = [&found[1], &found[2]].into_iter().filter(|bound| !bound.trim().is_empty()).collect();
        format!("|default({})", bounds.join(", "))
    };
    let inline = match SLICE.as_ref() {
        Some(slice) if text.contains('[') => Inline::new(&slice.replace_all(text, as_filter)).unwrap_or(whole),
        _ => whole,
    };
    Some(inline.variables().iter().filter(|name| !OWN_NAMES.contains(&name.as_str())).cloned().collect())
}

/// The deepest nesting of blocks and brackets that is translated; a text that goes deeper means harm.
const DEEPEST: usize = 60;

/// Whether blocks or brackets nest so deep that no parser should be given the text. Brackets outside of tags count, too:
/// nobody writes that many.
pub(super) fn is_too_deep(text: &str) -> bool {
    let (mut brackets, mut blocks) = (0_usize, 0_usize);
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.saturating_sub(1),
            b'{' if bytes[at..].starts_with(b"{%") || bytes[at..].starts_with(b"{{#") => {
                let name = text[at + 2..].trim_start_matches(['-', '~', ' ', '#']);
                if name.starts_with("end") {
                    blocks = blocks.saturating_sub(1);
                } else if !(name.starts_with("set ") || name.starts_with("el")) {
                    blocks += 1;
                }
            }
            b'{' if bytes[at..].starts_with(b"{{/") => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        if brackets > DEEPEST || blocks > DEEPEST {
            return true;
        }
    }
    // Operators before an operand nest as well.
    let mut row = 0_usize;
    text.split_whitespace().any(|word| {
        row = if matches!(word, "not" | "-" | "+" | "!") { row + 1 } else { 0 };
        row > DEEPEST
    }) || text.contains(&"!".repeat(DEEPEST))
}

/// Whether a text could be a template at all.
pub(super) fn has_tags(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        Inline::new(text).expect("well-formed").render(&minijinja::context! { x => "<x>" }).expect("rendered")
    }

    #[test]
    fn literal_braces_stay_text() {
        for worst in [
            "{{ x }}",
            "{% raw %}{{ x }}{% endraw %}",
            "{# x #}",
            "{{{{{",
            "a{",
            "{%",
            "}}",
            "{\"a\": {\"b\": 1}}",
            "{%-",
        ] {
            assert_eq!(rendered(&literal(worst)), worst);
            let pieces = [Piece::Literal(worst.to_owned()), Piece::Tag("{{ x }}".to_owned())];
            assert_eq!(rendered(&jinja(&pieces)), format!("{worst}<x>"));
        }
    }

    #[test]
    fn names_of_our_own_are_left_alone() {
        assert_eq!(own_name("role"), "role_");
        assert_eq!(own_name("question"), "question");
        assert_eq!(variables("{{ a[b:] }}{{ (c|trim)[:2] }}").map(|all| all.len()), Some(3));
        assert_eq!(variables("{{ role(\"user\") }}{{ a }}"), Some(BTreeSet::from(["a".to_owned()])));
    }
}
