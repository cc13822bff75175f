//! Untrusted text in Markdown: one function for each place where it may stand. Nothing of it becomes Markdown or HTML,
//! nobody is mentioned, nothing is linked, and what the eye would not see is written out.

use crate::core::escape::{terminal, terminal_line};

/// Breaks up what a host would make a link or a mention of: shown as nothing, and put in by us alone.
const BREAK: &str = "&#8203;";
/// As many hexadecimal digits in a row are taken for a commit.
const HASH: usize = 7;

/// The first bytes of a text, and how many are left out.
pub(super) fn clip(text: &str, most: usize) -> (&str, usize) {
    let end = text.floor_char_boundary(most);
    (&text[..end], text.len() - end)
}

fn clipped_line(text: &str, most: usize) -> String {
    let (start, left_out) = clip(text, most);
    let more = if left_out > 0 { format!("… ({left_out} bytes left out)") } else { String::new() };
    format!("{}{more}", terminal_line(start))
}

/// A text in a line or in a cell of a table, not at a line's beginning.
pub(super) fn text(text: &str, most: usize) -> String {
    let line = clipped_line(text, most);
    let mut safe = String::with_capacity(line.len() * 2);
    let mut hexes = 0;
    let (mut before, mut first) = (' ', ' ');
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        if c == '.' && before.eq_ignore_ascii_case(&'w') || first.is_alphabetic() && before == '-' && c.is_ascii_digit()
        {
            safe.push_str(BREAK);
        }
        hexes = if c.is_ascii_hexdigit() { hexes + 1 } else { 0 };
        if hexes == HASH {
            safe.push_str(BREAK);
            hexes = 1;
        }
        match c {
            '@' | '#' | ':' if !next.is_whitespace() => safe.push_str(&format!("&#{};{BREAK}", u32::from(c))),
            c if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | ';' | '-' | '/' | '(' | ')' | '?' | '%') => {
                safe.push_str(&format!("&#{};", u32::from(c)));
            }
            c => safe.push(c),
        }
        (first, before) = (before, c);
    }
    safe
}

/// A name or a command as code, in a line or in a cell of a table.
pub(super) fn code(text: &str, most: usize) -> String {
    // How a cell ends where a bar stands behind a backslash is read differently from host to host.
    let line = clipped_line(text, most).replace('|', "\\u{7c}");
    if line.is_empty() {
        return "(empty)".to_owned();
    }
    let ticks = "`".repeat(longest_run(&line) + 1);
    let edge = |at: Option<char>| at.is_some_and(|c| c == '`' || c == ' ');
    let space = if edge(line.chars().next()) || edge(line.chars().last()) { " " } else { "" };
    format!("{ticks}{space}{line}{space}{ticks}")
}

/// A text as code where HTML stands, as in the summary of what is folded: outside of `<code>` a host would link it.
pub(super) fn html_code(text: &str, most: usize) -> String {
    let (start, left_out) = clip(text, most);
    let mut safe = String::new();
    for c in terminal_line(start).chars() {
        if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | '-' | '/' | '(' | ')') {
            safe.push_str(&format!("&#{};", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    format!("<code>{safe}{}</code>", if left_out > 0 { "…" } else { "" })
}

/// USD, with as many digits as say something.
pub(super) fn dollars(usd: f64) -> String {
    // Two signs of it in a line would make a formula of what stands between them.
    if usd == 0.0 || usd.abs() >= 0.01 { format!("&#36;{usd:.4}") } else { format!("&#36;{usd:.6}") }
}

/// A block of code of a language of ours, whose lines hold untrusted text.
pub(super) fn fence(language: &str, body: &str) -> String {
    let body = terminal(body);
    let ticks = "`".repeat(longest_run(&body).max(2) + 1);
    format!("{ticks}{language}\n{}\n{ticks}\n", body.trim_end_matches('\n'))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
