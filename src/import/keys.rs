//! Keys in a source: their variables are named, they themselves are never written.

use super::finding::Findings;
use crate::core::problem::Place;
use crate::core::redact::key_shape;

/// The name of an environment variable, if the text is one and no key.
pub(super) fn key_name(text: &str) -> Option<&str> {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_name = !text.is_empty() && text.chars().all(fits) && text.len() <= 64 && key_shape(text).is_none();
    is_name.then_some(text)
}

/// The variable that a text stands for: `$NAME`, `${NAME}`, `${env:NAME}`, `{{ env.NAME }}`.
pub(super) fn variable_of(text: &str) -> Option<&str> {
    let text = text.trim();
    let inner = if let Some(rest) = text.strip_prefix("${") {
        rest.strip_suffix('}')?.trim().trim_start_matches("env:").split(':').next()?
    } else if let Some(rest) = text.strip_prefix("{{") {
        let inner = rest.strip_suffix("}}")?.trim();
        let inner =
            inner.strip_prefix("env.").or_else(|| inner.strip_prefix("env['").map(|i| i.trim_end_matches("']")))?;
        inner.split('|').next()?.trim()
    } else {
        text.strip_prefix('$')?
    };
    key_name(inner)
}

/// Says that a secret was left out, without saying it.
pub(super) fn redacted(findings: &mut Findings, place: Place, name: &str) {
    let message = format!("`{name}` holds a secret, or what could be one, and is not written");
    // The line of the source must not be shown: it holds the key.
    let place = match place.locate() {
        (Some(path), Some(line), _) => Place::Line(path.to_owned(), line),
        _ => place,
    };
    findings.lost(
        place,
        message,
        "name the variable that holds it with `api-key-env:`, and revoke the key if others have the file",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_and_a_key_is_not() {
        for text in [
            "$API_KEY",
            "${API_KEY}",
            "${env:API_KEY}",
            "${env:API_KEY:none}",
            "{{ env.API_KEY }}",
            "{{env['API_KEY']}}",
        ] {
            assert_eq!(variable_of(text), Some("API_KEY"), "{text}");
        }
        for text in
            ["sk-proj-abcdefghijklmnopqrstuvwxyz", "API KEY", "", "{{ key }}", "${file:x}", "AKIAIOSFODNN7EXAMPLE"]
        {
            assert_eq!(variable_of(text), None, "{text}");
            assert_eq!(key_name(text), None, "{text}");
        }
    }
}
