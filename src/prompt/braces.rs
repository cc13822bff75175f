//! The name of a variable in single braces: plain text, where two braces were meant. What is meant so is told from it here,
//! for whoever loads a prompt as for `lint`.

use std::ops::Range;
use std::sync::LazyLock;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use regex::Regex;

static SINGLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([A-Za-z_][A-Za-z0-9_]*)\}").ok());
static OF_PLACEHOLDERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:place-?holders?|(?:curly )?bra(?:ces|ckets)|literal(?:ly)?|verbatim)\b").ok()
});
static RAW: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{%[-+]?\s*raw\s*[-+]?%\}\s*$").ok());
static FENCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\s{0,3}(?:>\s*)?(```+|~~~+)").ok());

/// The names in single braces of a line of text, each with its place, braces included. Doubled ones, and those of a shell
/// (`${x}`), are none.
pub fn single_braces(line: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let found = SINGLE.iter().flat_map(move |regex| regex.captures_iter(line));
    let found = found.filter_map(|found| Some((found.get(0)?.range(), found.get(1)?.as_str())));
    found.filter(move |(span, _)| !line[..span.start].ends_with(['{', '$']) && !line[span.end..].starts_with('}'))
}

/// Whether a line speaks of placeholders: what stands there in single braces is meant so.
#[must_use]
pub fn is_of_placeholders(line: &str) -> bool {
    OF_PLACEHOLDERS.as_ref().is_some_and(|regex| regex.is_match(line))
}

/// The mark that begins or ends a block of code, where a line is one.
#[must_use]
pub fn fence_mark(line: &str) -> Option<&str> {
    FENCE.as_ref()?.captures(line)?.get(1).map(|mark| mark.as_str())
}

/// Whether what stands before a stretch of text makes it one that is not rendered.
#[must_use]
pub fn opens_raw(before: &str) -> bool {
    RAW.as_ref().is_some_and(|regex| regex.is_match(before))
}

/// The names in single braces of a template that are not meant so: no part of a tag or comment, no code, nothing that is not
/// to be rendered, no line that speaks of placeholders.
pub(super) fn mistaken(body: &str) -> Vec<(Range<usize>, &str)> {
    let (mut text, mut raw, mut end) = (body.bytes().map(blank).collect::<Vec<u8>>(), Vec::new(), 0);
    for (token, span) in tokenize(body, false, SyntaxConfig::default()).map_while(Result::ok) {
        let Token::TemplateData(data) = token else {
            end = span.end_offset as usize;
            continue;
        };
        // A slice of the body: white space that a tag takes away is not in it.
        let at = data.as_ptr() as usize - body.as_ptr() as usize;
        if opens_raw(body.get(end..at).unwrap_or_default()) {
            raw.push(at..at + data.len());
        }
        text[at..at + data.len()].copy_from_slice(data.as_bytes());
        end = at + data.len();
    }
    // Whole characters were blanked out, each byte by a byte.
    let text = String::from_utf8(text).unwrap_or_default();
    let (mut found, mut fence, mut at) = (Vec::new(), None, 0);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        match (fence, fence_mark(line)) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if mark.starts_with::<&str>(open) => fence = None,
            (None, None) if !is_of_placeholders(line) => {
                let spans = single_braces(line).map(|(span, _)| start + span.start..start + span.end);
                let spans = spans.filter(|span| !raw.iter().any(|raw| raw.contains(&span.start)));
                found.extend(spans.filter_map(|span| Some((span.clone(), body.get(span.start + 1..span.end - 1)?))));
            }
            _ => {}
        }
    }
    found
}

fn blank(byte: u8) -> u8 {
    if byte == b'\n' { b'\n' } else { b' ' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_in_single_braces_is_no_mistake() {
        for text in [
            "{%- raw -%}literal {name}{%- endraw -%} {{ name }}",
            "{# {name} #}{{ name }}",
            "{{ \"say {name}\" }}",
            "{% if x == \"{name}\" %}y{% endif %}",
            "Use the placeholder {name} in what you write.",
            "```python\nprint(f\"{name}\")\n```\n",
            "${name} and {{name}} and {{{name}}}",
        ] {
            assert_eq!(mistaken(text), [], "{text}");
        }
        for text in [
            "Dear {name}, and {{ name }}",
            "ä {# ü #} {name}",
            "{% if a %}Hi {name}{% endif %}",
            "Return {\"x\": {name}, 1}",
        ] {
            let found: Vec<(&str, &str)> = mistaken(text).into_iter().map(|(span, name)| (&text[span], name)).collect();
            assert_eq!(found, [("{name}", "name")], "{text}");
        }
    }
}
