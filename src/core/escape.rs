//! One escaping function for each sink that shows untrusted text. This file holds the terminal's; a report format
//! keeps its own beside it.

use std::borrow::Cow;

/// Whether a character changes how its neighbours are shown without showing anything itself: bidirectional
/// controls, zero-width and other format characters that can hide or reorder text.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}' | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

fn is_unsafe_on_a_terminal(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Untrusted text for a terminal: line feeds and tabs stay, every other control or invisible character is written
/// as `\u{…}` (a carriage return as `\r`, escape as `\e`), so that nothing moves the cursor, colours or hides text.
#[must_use]
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe_on_a_terminal) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\r' => safe.push_str("\\r"),
            '\u{1b}' => safe.push_str("\\e"),
            c if is_unsafe_on_a_terminal(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Untrusted text for one line of a terminal: as [`terminal`], and line feeds and tabs are written `\n` and `\t`.
#[must_use]
pub fn terminal_line(text: &str) -> Cow<'_, str> {
    let safe = terminal(text);
    if safe.contains(['\n', '\t']) {
        return Cow::Owned(safe.replace('\n', "\\n").replace('\t', "\\t"));
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let worst = "a\u{1b}[2J\u{1b}]0;title\u{7}\r\u{8}b\u{202e}c\u{200b}\u{9b}31m\u{2028}\nnext\tline";
        let safe = terminal(worst);
        assert!(safe.chars().all(|c| !is_unsafe_on_a_terminal(c)), "{safe:?}");
        assert!(safe.contains("\nnext\tline"));
        assert_eq!(terminal_line("a\nb\tc"), "a\\nb\\tc");
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(terminal("naïve 😀 text\n"), Cow::Borrowed(_)));
    }
}
