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

/// Whether a character shows nothing, hides or moves something, or is none at all: line feed and tab are what they are.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    let is_none = u32::from(c) & 0xFFFE == 0xFFFE || matches!(c, '\u{FDD0}'..='\u{FDEF}');
    (c.is_control() && c != '\n' && c != '\t') || is_invisible(c) || is_none || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Untrusted text for a terminal: line feeds and tabs stay, every other control or invisible character is written
/// as `\u{…}` (a carriage return as `\r`, escape as `\e`), so that nothing moves the cursor, colours or hides text. What
/// the runner of a pipeline would take for a command gets a backslash.
#[must_use]
pub fn terminal(text: &str) -> Cow<'_, str> {
    let shown = visible(text);
    if !shown.contains("::") && !shown.contains("##") {
        return shown;
    }
    Cow::Owned(shown.split('\n').map(no_command).collect::<Vec<_>>().join("\n"))
}

/// Untrusted text for one line of a terminal: as [`terminal`], and line feeds and tabs are written `\n` and `\t`.
#[must_use]
pub fn terminal_line(text: &str) -> Cow<'_, str> {
    let shown = visible(text);
    if shown.contains(['\n', '\t']) {
        return Cow::Owned(no_command(&shown.replace('\n', "\\n").replace('\t', "\\t")).into_owned());
    }
    if shown.contains("::") || shown.contains("##") { Cow::Owned(no_command(&shown).into_owned()) } else { shown }
}

/// A text of JSON for a terminal or a log: what is unsafe there can only stand within its strings, and is written as an
/// escape of JSON, so that every reader gets the same values.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| c != '\r' && is_hidden(c);
    if !text.contains(is_unsafe) && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut before = ' ';
    for c in text.chars() {
        if is_unsafe(c) || c == '#' && before == '#' {
            let mut units = [0; 2];
            safe.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            safe.push(c);
        }
        before = c;
    }
    Cow::Owned(safe)
}

/// Text in which every control character but line feed and tab, and every invisible one, is written out. What is
/// dangerous in a sink beside those is the sink's own to escape.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match written_out(c) {
            Some(name) => safe.push_str(&name),
            None => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// How a character is written that cannot be shown as it is: `\r`, `\e` or `\u{…}`.
#[must_use]
pub fn written_out(c: char) -> Option<String> {
    match c {
        '\r' => Some("\\r".to_owned()),
        '\u{1b}' => Some("\\e".to_owned()),
        c if is_hidden(c) => Some(c.escape_unicode().to_string()),
        _ => None,
    }
}

/// A line that commands no runner: those of GitHub act on `::` behind white space and on `##[` anywhere, those of Azure
/// on `##vso[` anywhere.
fn no_command(line: &str) -> Cow<'_, str> {
    let mut safe = String::with_capacity(line.len() + 4);
    let mut rest = line;
    if line.trim_start().starts_with("::") {
        let (blank, command) = line.split_at(line.len() - line.trim_start().len());
        safe.push_str(blank);
        safe.push('\\');
        rest = command;
    }
    while let Some(at) = rest.find("##") {
        let after = &rest[at + 2..];
        let name = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let is_command = after[name..].starts_with('[');
        let (before, left) = rest.split_at(if is_command { at + 2 + name } else { at + 1 });
        safe.push_str(before);
        safe.extend(is_command.then_some('\\'));
        rest = left;
    }
    if safe.is_empty() {
        return Cow::Borrowed(line);
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        let worst = "a\u{1b}[2J\u{1b}]0;title\u{7}\r\u{8}b\u{202e}c\u{200b}\u{9b}31m\u{2028}\nnext\tline";
        let safe = terminal(worst);
        assert!(safe.chars().all(|c| !is_hidden(c)), "{safe:?}");
        assert!(safe.contains("\nnext\tline"));
        assert_eq!(terminal_line("a\nb\tc"), "a\\nb\\tc");
    }

    #[test]
    fn a_line_could_command_the_runner_of_a_pipeline() {
        for (text, safe) in [
            ("::error::x", "\\::error::x"),
            ("  ::error::x", "  \\::error::x"),
            ("\u{a0}\t::error::x", "\u{a0}\\t::error::x"),
            ("a ##[error]x ##vso[y]###[z", "a ##\\[error]x ##vso\\[y]###\\[z"),
            ("a::b ## [c] #[d]", "a::b ## [c] #[d]"),
        ] {
            assert_eq!(terminal_line(text), safe, "{text}");
        }
        assert_eq!(terminal("a\n\t::stop-commands::x\nb::c"), "a\n\t\\::stop-commands::x\nb::c");
    }

    #[test]
    fn json_says_the_same_without_what_is_unsafe() {
        let worst = "a\u{9b}31m\u{202e}\u{7f}\u{e0041}\u{200b}###vso[x]\u{2028}b##[error] \n\t\u{1b}";
        let text = serde_json::to_string(worst).expect("JSON");
        let safe = json(&text);
        assert!(!safe.contains("##") && safe.chars().all(|c| !is_hidden(c)), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).expect("still JSON"), worst);
        assert!(matches!(json("{\"a\": \"ü\"}\r\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(terminal("naïve 😀 text\n"), Cow::Borrowed(_)));
    }
}
