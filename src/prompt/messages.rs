//! From a rendered text to messages: `role(NAME)` leaves a marker that no variable can forge.

use std::cell::RefCell;

use minijinja::{Error, ErrorKind};

use crate::core::record::{Message, Role};
use crate::core::suggest::did_you_mean;

/// The characters around a marker; noncharacters of Unicode, which no text is meant to hold.
const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';

thread_local! {
    /// The nonce of the rendering that this thread is doing. minijinja gives a function no way to a value of the
    /// rendering that a macro or an import would see too.
    static NONCE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Renders with a nonce in force for [`role`].
pub(super) fn with_nonce<T>(nonce: &str, render: impl FnOnce() -> T) -> T {
    NONCE.set(Some(nonce.to_owned()));
    let rendered = render();
    NONCE.set(None);
    rendered
}

/// The template function `role(NAME)`: opens a message.
pub(super) fn role(name: &str) -> Result<String, Error> {
    let Some(role) = Role::parse(name) else {
        let names: Vec<&str> = Role::ALL.iter().map(|(name, _)| *name).collect();
        let hint = did_you_mean(name, names.iter().copied());
        let message = format!("there is no role `{name}`; the roles are {}{hint}", names.join(", "));
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    };
    NONCE.with_borrow(|nonce| match nonce {
        Some(nonce) => Ok(marker(role, nonce)),
        None => Err(Error::new(ErrorKind::InvalidOperation, "role() opens a message of a prompt; it has no use here")),
    })
}

fn marker(role: Role, nonce: &str) -> String {
    format!("{OPEN}{nonce}:{}{CLOSE}", role.name())
}

/// Cuts a rendered text at its markers. A text without any is one user message.
pub(super) fn split(text: &str, nonce: &str) -> Result<Vec<Message>, String> {
    let opening = format!("{OPEN}{nonce}:");
    let mut parts = text.split(opening.as_str());
    let before = parts.next().unwrap_or_default();
    let mut messages = Vec::new();
    for part in parts {
        let (name, content) = part.split_once(CLOSE).unwrap_or((part, ""));
        // Whoever cuts a marker apart with a filter gets to know it.
        let role = Role::parse(name).ok_or("a filter changed what role() left in the text")?;
        messages.push(Message { role, content: trim_blank_lines(content).to_owned() });
    }
    if messages.is_empty() {
        return Ok(vec![Message { role: Role::User, content: trim_blank_lines(before).to_owned() }]);
    }
    if !before.trim().is_empty() {
        let start: String = before.trim().chars().take(40).collect();
        return Err(format!("the text `{start}` stands before the first role(); put it into a message"));
    }
    Ok(messages)
}

/// The text without its outer blank lines; blanks within the first and the last line stay.
fn trim_blank_lines(text: &str) -> &str {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !line.trim().is_empty() {
            break;
        }
        start += line.len();
    }
    let text = &text[start..];
    let mut end = 0;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if !line.trim().is_empty() {
            end = offset + line.trim_end_matches(['\n', '\r']).len();
        }
        offset += line.len();
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_blank_lines_go_and_nothing_else() {
        assert_eq!(trim_blank_lines("\n  \n  a \n\n b  \n \n\n"), "  a \n\n b  ");
        assert_eq!(trim_blank_lines("a\r\n"), "a");
        assert_eq!(trim_blank_lines(" \n "), "");
    }

    #[test]
    fn markers_open_messages() {
        let text = format!("\n{}\nBe kind.\n{}\nHi", marker(Role::System, "n"), marker(Role::User, "n"));
        let messages = split(&text, "n").expect("well-formed");
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[0].role, messages[0].content.as_str()), (Role::System, "Be kind."));
        assert_eq!((messages[1].role, messages[1].content.as_str()), (Role::User, "Hi"));
    }

    #[test]
    fn a_marker_of_another_rendering_stays_text() {
        let text = format!("{}\nx", marker(Role::System, "guess"));
        let messages = split(&text, "real").expect("well-formed");
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].role, Role::User);
    }

    #[test]
    fn text_before_the_first_role_is_refused() {
        assert!(split(&format!("hello {}x", marker(Role::User, "n")), "n").is_err());
    }
}
