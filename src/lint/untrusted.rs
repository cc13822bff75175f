//! What comes from outside: where it stands, whether the model can tell it from instructions, and what to say when it
//! does not answer.

use std::collections::BTreeSet;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::text::{Print, Speaker, Template};

pattern!(
    USERS,
    r"(?i)^(?:(?:user|customer|client)(?:_?(?:input|message|query|question|text|prompt|request|comment|reply))|question|query|user_?input|message|ticket|e?mail(?:_body)?|comment|review|utterance|feedback|user_request|request_text|transcript)$"
);

/// Whether a prompt says of a variable that it can be trusted, or cannot.
fn trusted(subject: &Subject<'_>, name: &str) -> Option<bool> {
    let declared = subject.prompt.front.variables.iter().flatten().find(|declaration| declaration.name == name)?;
    declared.schema.get("trusted").and_then(serde_json::Value::as_bool)
}

/// Whether a variable holds one of a few words, or a number.
fn is_small(subject: &Subject<'_>, name: &str) -> bool {
    let declared = subject.prompt.front.variables.iter().flatten().find(|declaration| declaration.name == name);
    declared.is_some_and(|declaration| {
        let schema = &declaration.schema;
        let short = schema.get("maxLength").and_then(serde_json::Value::as_u64).is_some_and(|length| length <= 40);
        short
            || schema.get("enum").is_some()
            || schema.get("const").is_some()
            || matches!(declaration.type_name(), Some("integer" | "number" | "boolean" | "null"))
    })
}

/// What users write, in the message of the application.
pub(super) fn in_system(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    for print in subject.own.prints.iter().filter(|print| print.speaker == Speaker::System) {
        let is_users = |name: &&String| match trusted(subject, name) {
            Some(trusted) => !trusted,
            None => USERS.is_match(name) && !is_small(subject, name),
        };
        if let Some(name) = print.names.iter().find(is_users) {
            let message = format!("`{name}` is what a user writes, and stands in the system message");
            sink.of(subject.own, print.span.clone(), message).about(format!("{} {name}", subject.own.key));
        }
    }
}

/// The text behind an expression, in its message.
fn behind<'t>(template: &'t Template, print: &Print) -> &'t str {
    let first = template.lines.partition_point(|line| line.span.end < print.span.end);
    let rest = template.lines.get(first..).unwrap_or_default();
    let last = rest.iter().take_while(|line| line.speaker == print.speaker).last();
    let to = last.or(rest.first()).map_or(print.span.end, |line| line.span.end);
    template.masked.get(print.span.end..to).unwrap_or_default()
}

pattern!(DELIMITS, r#"^\s*(?:[<`"'\])}>|”’»*]|-{3,}|={3,}|#{1,6}\s|#{2,}|~{3,}|\[|END\b)"#);

/// A long value in the middle of instructions, with nothing around it.
pub(super) fn undelimited(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let is_long = |name: &str| {
        subject.cases.iter().take(200).any(|case| {
            let text = case.variables.get(name).and_then(serde_json::Value::as_str);
            text.is_some_and(|text| text.trim().contains('\n') || text.chars().count() > look.count("characters"))
        })
    };
    let mut told = BTreeSet::new();
    for print in &subject.own.prints {
        let [name] = print.names.as_slice() else { continue };
        if is_small(subject, name) || trusted(subject, name) == Some(true) || !subject.prompt.variables.contains(name) {
            continue;
        }
        if told.contains(name) || !(trusted(subject, name) == Some(false) || is_long(name)) {
            continue;
        }
        let text = behind(subject.own, print).trim();
        if text.chars().any(char::is_alphabetic) && !DELIMITS.is_match(text) {
            told.insert(name.clone());
            let message = format!("nothing marks where `{name}` ends and the instructions go on");
            let help = format!("put tags around it: `<{name}>{{{{ {name} }}}}</{name}>`");
            sink.of(subject.own, print.span.clone(), message).help(help).about(format!("{} {name}", subject.own.key));
        }
    }
}

pattern!(
    DOCUMENTS,
    r"(?i)^(?:context|contexts|documents?|docs|passages?|sources|chunks|search_?results?|retrieved\w*|retrieval\w*|knowledge(?:_?base)?|excerpts?|snippets)$"
);
pattern!(ASKS, r"(?i)\b(?:answer|question|query|queries|respond|reply)\b");
pattern!(
    ABSTAINS,
    r"(?i)(?:don.?t|do not|doesn.?t|does not|cannot|can.?t|could ?n.?t|could not|isn.?t|is not|aren.?t|are not|not|unable to) (?:\w+ ){0,3}(?:know|find|found|contain\w*|have|mention\w*|sa(?:y|id)|answer\w*|provided?|enough|in the|sure|relevant|present|available|stated|covered|sufficient|helpful|possible|useful)|\bno (?:answer|information|relevant|context|useful)|unanswerable|insufficient|\bunknown\b|\bonly (?:use|using|from|on|the)|\bsolely\b|not make up|ask what you need|without (?:prior|any) knowledge"
);

/// Documents to answer from, and nothing about what they do not say.
pub(super) fn no_abstention(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let text = subject.prose();
    if !ASKS.is_match(&text) || ABSTAINS.is_match(&text) || subject.prompt.front.output.is_some() {
        return;
    }
    for part in &subject.parts {
        for print in &part.prints {
            if let Some(name) = print.names.iter().find(|name| DOCUMENTS.is_match(name)) {
                let message = format!("nothing says what to answer when `{name}` does not tell");
                sink.of(part, print.span.clone(), message).about(format!("{} {name}", part.key));
                return;
            }
        }
    }
}
