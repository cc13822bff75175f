//! The one place where text is made fit for a page.

use serde_json::Value;

use crate::core::escape::visible;

/// Untrusted text for a text node that a script makes: what hides or reorders text is written out.
#[must_use]
pub fn shown(text: &str) -> String {
    visible(text).into_owned()
}

/// Untrusted text as HTML, within an element or a quoted attribute.
#[must_use]
pub fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A value as JSON within `<script type="application/json">`: nothing in it ends the element or begins a comment.
#[must_use]
pub fn json(value: &Value) -> String {
    let text = value.to_string();
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // These stand in texts only, never in what JSON itself is made of.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => safe.push_str(&format!("\\u{:04x}", c as u32)),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_worst_text_stays_text() {
        let worst = "</title><img src=x onerror='a'>\"&amp;\u{202e}\u{200b}\u{1b}[2J\r\0";
        let safe = html(worst);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{202e}', '\u{200b}', '\u{1b}', '\r', '\0']), "{safe}");
        assert!(safe.contains("&amp;amp;") && safe.contains("\\u{202e}") && safe.contains("\\e[2J\\r"), "{safe}");
        assert_eq!(shown("a\u{2066}b\nc\td"), "a\\u{2066}b\nc\td");
    }

    proptest! {
        #[test]
        fn json_comes_back_and_never_ends_its_element(text in "(?s)(</script|<!--|\\]\\]>|&|\u{2028}|.){0,30}") {
            let value = Value::String(text);
            let safe = json(&value);
            let ends = safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            prop_assert!(!ends, "{}", safe);
            prop_assert_eq!(serde_json::from_str::<Value>(&safe).expect("JSON"), value);
        }
    }
}
