//! From a rendered text to messages: `role`, `image` and `tool_call` leave markers that no variable can forge.

use std::cell::RefCell;
use std::collections::VecDeque;

use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::core::record::{Image, Message, Role, ToolCall};
use crate::core::suggest::did_you_mean;

/// The characters around a marker; noncharacters of Unicode, which no text is meant to hold.
const OPEN: char = '\u{FDD0}';
const CLOSE: char = '\u{FDD1}';

/// What a marker stands for.
#[derive(Clone, Debug)]
enum Mark {
    Role(Role),
    /// A file in the tree.
    Image(String),
    Call(ToolCall),
}

/// The rendering that a thread is doing.
#[derive(Debug)]
struct Rendering {
    nonce: String,
    marks: Vec<Mark>,
}

thread_local! {
    /// minijinja gives a function no way to a value of the rendering that a macro or an import would see too.
    static RENDERING: RefCell<Option<Rendering>> = const { RefCell::new(None) };
}

/// What a rendering left behind: its markers, and what each of them stands for.
pub(super) struct Marks {
    nonce: String,
    marks: Vec<Mark>,
}

/// Renders with a nonce in force for the functions of [`register`].
pub(super) fn with_nonce<T>(nonce: &str, render: impl FnOnce() -> T) -> (T, Marks) {
    RENDERING.set(Some(Rendering { nonce: nonce.to_owned(), marks: Vec::new() }));
    let rendered = render();
    let marks = RENDERING.take().map(|rendering| rendering.marks).unwrap_or_default();
    (rendered, Marks { nonce: nonce.to_owned(), marks })
}

/// Adds the functions that a prompt's template has beyond those of Jinja.
pub(super) fn register(env: &mut Environment<'static>) {
    env.add_function("role", |name: &str| role(name));
    env.add_function("image", |file: &Value| image(file));
    env.add_function("tool_call", |name: &str, arguments: Option<Value>, options: Kwargs| {
        tool_call(name, arguments, &options)
    });
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// `role(NAME)`: opens a message.
fn role(name: &str) -> Result<String, Error> {
    let Some(role) = Role::parse(name) else {
        let names: Vec<&str> = Role::ALL.iter().map(|(name, _)| *name).collect();
        let hint = did_you_mean(name, names.iter().copied());
        return Err(invalid(format!("there is no role `{name}`; the roles are {}{hint}", names.join(", "))));
    };
    mark("role", Mark::Role(role))
}

/// `image(PATH)`: shows a picture at this place of the message.
fn image(file: &Value) -> Result<String, Error> {
    match file.as_str() {
        Some(path) => mark("image", Mark::Image(path.to_owned())),
        None => Err(invalid("image() takes the path of a file; a case gives one with `{ image: FILE }`")),
    }
}

/// `tool_call(NAME, ARGUMENTS)`: the model's own call of a tool, earlier in the conversation.
fn tool_call(name: &str, arguments: Option<Value>, options: &Kwargs) -> Result<String, Error> {
    let arguments = arguments.unwrap_or_else(|| Value::from(Serde(serde_json::Map::new())));
    if arguments.kind() != ValueKind::Map {
        return Err(invalid("the arguments of tool_call() must be a mapping"));
    }
    let arguments = serde_json::to_value(&arguments).map_err(|error| invalid(error.to_string()))?;
    let id: Option<String> = options.get("id")?;
    options.assert_all_used()?;
    mark("tool_call", Mark::Call(ToolCall { id: id.unwrap_or_default(), name: name.to_owned(), arguments }))
}

fn mark(function: &str, mark: Mark) -> Result<String, Error> {
    RENDERING.with_borrow_mut(|rendering| match rendering {
        Some(rendering) => {
            rendering.marks.push(mark);
            Ok(format!("{OPEN}{}:{}{CLOSE}", rendering.nonce, rendering.marks.len() - 1))
        }
        None => Err(invalid(format!("{function}() belongs into a prompt; it has no use here"))),
    })
}

/// Cuts a rendered text at its markers. A text without any role is one user message. `load` gives the picture of a
/// path.
pub(super) fn split(
    text: &str,
    marks: &Marks,
    load: &dyn Fn(&str) -> Result<Image, String>,
) -> Result<Vec<Message>, String> {
    let opening = format!("{OPEN}{}:", marks.nonce);
    let mut parts = text.split(opening.as_str());
    let mut first = Message::new(Role::User, parts.next().unwrap_or_default());
    let mut messages: Vec<Message> = Vec::new();
    for part in parts {
        // Whoever cuts a marker apart with a filter gets to know it.
        let cut = "a filter changed what role(), image() or tool_call() left in the text";
        let (number, after) = part.split_once(CLOSE).ok_or(cut)?;
        let mark = number.parse::<usize>().ok().and_then(|n| marks.marks.get(n)).ok_or(cut)?;
        if let Mark::Role(role) = mark {
            messages.push(Message::new(*role, after));
            continue;
        }
        let message = messages.last_mut().unwrap_or(&mut first);
        match mark {
            Mark::Image(path) => message.images.push(load(path)?.at(message.content.len())),
            Mark::Call(call) => message.tool_calls.push(call.clone()),
            Mark::Role(_) => {}
        }
        message.content.push_str(after);
    }
    if messages.is_empty() {
        messages.push(first);
    } else if !first.content.trim().is_empty() || !first.images.is_empty() || !first.tool_calls.is_empty() {
        let start: String = first.content.trim().chars().take(40).collect();
        return Err(format!("the text `{start}` stands before the first role(); put it into a message"));
    }
    messages.iter_mut().for_each(trim);
    pair_calls(&mut messages)?;
    Ok(messages)
}

/// Gives each call of a tool its id, and each result the call that it answers, in their order.
fn pair_calls(messages: &mut [Message]) -> Result<(), String> {
    let mut waiting: VecDeque<String> = VecDeque::new();
    let mut count = 0;
    for message in messages {
        if !message.tool_calls.is_empty() && message.role != Role::Assistant {
            return Err(format!(
                "tool_call() stands in a message of `{}`; only the assistant calls tools",
                message.role.name()
            ));
        }
        for call in &mut message.tool_calls {
            count += 1;
            if call.id.is_empty() {
                call.id = format!("call_{count}");
            }
            waiting.push_back(call.id.clone());
        }
        if message.role == Role::Tool {
            message.tool_call_id = waiting.pop_front();
        }
    }
    Ok(())
}

/// Takes the outer blank lines from a message; its pictures stay where they were in the rest.
fn trim(message: &mut Message) {
    let trimmed = trim_blank_lines(&message.content);
    let start = trimmed.as_ptr() as usize - message.content.as_ptr() as usize;
    let trimmed = trimmed.to_owned();
    for image in &mut message.images {
        image.at = image.at.saturating_sub(start).min(trimmed.len());
    }
    message.content = trimmed;
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
    use std::sync::Arc;

    use super::*;

    fn rendered(render: impl FnOnce() -> String) -> Result<Vec<Message>, String> {
        let (text, marks) = with_nonce("n", render);
        let load = |path: &str| match path {
            "missing.png" => Err("no missing.png".to_owned()),
            path => Ok(Image::new(path, "image/png", Arc::from(b"x".as_slice()))),
        };
        split(&text, &marks, &load)
    }

    #[test]
    fn outer_blank_lines_go_and_nothing_else() {
        assert_eq!(trim_blank_lines("\n  \n  a \n\n b  \n \n\n"), "  a \n\n b  ");
        assert_eq!(trim_blank_lines("a\r\n"), "a");
        assert_eq!(trim_blank_lines(" \n "), "");
    }

    #[test]
    fn markers_open_messages() {
        let messages =
            rendered(|| format!("\n{}\nBe kind.\n{}\nHi", role("system").expect("ok"), role("user").expect("ok")));
        let messages = messages.expect("well-formed");
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[0].role, messages[0].content.as_str()), (Role::System, "Be kind."));
        assert_eq!((messages[1].role, messages[1].content.as_str()), (Role::User, "Hi"));
    }

    #[test]
    fn a_marker_of_another_rendering_stays_text() {
        let (forged, _) = with_nonce("guess", || role("system").expect("ok"));
        let messages = rendered(|| format!("{forged}\nx")).expect("well-formed");
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].role, Role::User);
    }

    #[test]
    fn text_before_the_first_role_is_refused() {
        assert!(rendered(|| format!("hello {}x", role("user").expect("ok"))).is_err());
    }

    #[test]
    fn pictures_stay_where_they_are_in_the_text() {
        let show = |name: &str| image(&Value::from(name)).expect("ok");
        let messages = rendered(|| format!("\n\nLook: {}\nand {}\n\n", show("a.png"), show("b.png")));
        let message = messages.expect("well-formed").remove(0);
        assert_eq!(message.content, "Look: \nand ");
        assert_eq!(
            message.images.iter().map(|i| (i.file.as_str(), i.at)).collect::<Vec<_>>(),
            [("a.png", 6), ("b.png", 11)]
        );
        let missing = rendered(|| show("missing.png"));
        assert_eq!(missing.expect_err("not there"), "no missing.png");
    }

    #[test]
    fn results_answer_calls_in_order() {
        let call = |name: &str| tool_call(name, None, &Kwargs::from_iter(Vec::<(String, Value)>::new())).expect("ok");
        let open = |name: &str| role(name).expect("ok");
        let messages = rendered(|| {
            format!(
                "{}q{}{}{}{}r1{}r2",
                open("user"),
                open("assistant"),
                call("f"),
                call("g"),
                open("tool"),
                open("tool")
            )
        });
        let messages = messages.expect("well-formed");
        assert_eq!(messages[1].tool_calls.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["f", "g"]);
        let answered: Vec<_> = messages.iter().filter_map(|m| m.tool_call_id.as_deref()).collect();
        assert_eq!(answered, ["call_1", "call_2"]);
        assert!(rendered(|| format!("{}{}", open("user"), call("f"))).is_err());
    }
}
