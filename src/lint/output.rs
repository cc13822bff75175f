//! What a prompt says of its answer and its tools, held against what it declares.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::text::Template;
use crate::core::suggest::did_you_mean;

pattern!(
    ASKS_JSON,
    r"(?i)\b(?:respond|reply|return|output|answer|produce|generate|write|provide|give|format)\b[^.\n]{0,60}\bJSON\b|\bJSON (?:object|array|output|response|list)\b|\bas (?:valid )?JSON\b"
);
pattern!(SHOWS_JSON, r#"(?s)[{\[]\s*\\?["'][^"'\n]{1,60}\\?["']\s*[:,\]]"#);

/// JSON is asked for, and nobody says which.
pub(super) fn json_unshown(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let front = &subject.prompt.front;
    let has_form = front.output.is_some() || front.params.contains_key("response_format") || !front.tools.is_empty();
    if has_form || subject.parts.iter().any(|part| SHOWS_JSON.is_match(&part.masked)) {
        return;
    }
    // A schema may come as a variable.
    let is_given = subject.prompt.variables.iter().any(|name| {
        let name = name.to_lowercase();
        ["schema", "format", "example", "json"].iter().any(|word| name.contains(word))
    });
    if is_given {
        return;
    }
    for part in &subject.parts {
        if let Some(span) = part.matches(&ASKS_JSON).next() {
            sink.of(part, span, "JSON is asked for in words, without a schema or an example");
            return;
        }
    }
}

pattern!(
    FORM,
    r"(?i)\b(?:json|yaml|xml|csv|markdown|html|bullets?|bulleted|list|table|sentences?|paragraphs?|words?|characters|lines?|format|one of|yes or no|true or false|only (?:with|the)|single|number|score|label|title|summary|code|step[- ]by[- ]step|return|output|respond with|reply with|answer with)\b"
);

/// Much text, and nothing about what an answer looks like.
pub(super) fn no_format(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let text = subject.prose();
    let has_form = subject.prompt.front.output.is_some() || FORM.is_match(&text);
    if !has_form && text.split_whitespace().count() > look.count("words") {
        let message = "nothing says what an answer looks like";
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone());
    }
}

pattern!(
    TOOL,
    r"(?i)\b(?:use|using|call|calling|invoke|with)\s+(?:the\s+)?(?:(?:tool|function)\s+)?`?([a-z][a-z0-9]*(?:_[a-z0-9]+)+)`?(\s+tool\b)?"
);

/// A tool that the text names, and the prompt does not offer.
pub(super) fn tool(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let tools = &subject.prompt.front.tools;
    let offered: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for part in &subject.parts {
        for (line, text) in part.prose() {
            for found in TOOL.captures_iter(text) {
                let Some(name) = found.get(1) else { continue };
                let is_tool = found.get(2).is_some();
                let is_known = offered.iter().any(|offered| offered.eq_ignore_ascii_case(name.as_str()))
                    || subject.prompt.variables.contains(name.as_str());
                if (is_tool || !tools.is_empty()) && !is_known && told.insert(name.as_str().to_owned()) {
                    let hint = did_you_mean(name.as_str(), offered.iter().copied());
                    let span = line.span.start + name.start()..line.span.start + name.end();
                    sink.of(part, span, format!("the tool `{}` is not offered{hint}", name.as_str()));
                }
            }
        }
    }
}

/// Every name of a property that a schema has at any depth.
fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(own)) = map.get("properties") {
                names.extend(own.keys().cloned());
            }
            map.values().for_each(|value| properties(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| properties(value, names)),
        _ => {}
    }
}

pattern!(
    KEYS,
    r"(?i)\b(?:with|has|have|containing|contains|include|includes)\s+(?:the\s+)?(?:following\s+)?(?:\w+\s+)?(?:keys?|fields?|properties|attributes)\b:?\s+"
);
pattern!(
    KEY,
    r#"^(?:and\s+|,\s*and\s+)?[`"']?([A-Za-z_][A-Za-z0-9_-]*)[`"']?(?:\s*\([^)]*\))?(,\s*|\s+and\s+|\s*$|\s*[.;])"#
);

/// The keys that a sentence lists.
fn listed(template: &Template) -> Vec<(Range<usize>, String)> {
    let mut keys = Vec::new();
    for (line, text) in template.prose() {
        for found in KEYS.find_iter(text) {
            let mut at = found.end();
            while let Some(key) = KEY.captures(&text[at..]) {
                let (Some(name), Some(end), Some(whole)) = (key.get(1), key.get(2), key.get(0)) else { break };
                keys.push((
                    line.span.start + at + name.start()..line.span.start + at + name.end(),
                    name.as_str().to_owned(),
                ));
                if whole.end() == 0 || !end.as_str().contains(',') && !end.as_str().contains("and") {
                    break;
                }
                at += whole.end();
            }
        }
    }
    keys
}

/// Keys that the text asks for, and the schema does not have.
pub(super) fn keys(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let Some(output) = &subject.prompt.front.output else { return };
    let mut known = BTreeSet::new();
    properties(&output.format.schema, &mut known);
    if known.is_empty() {
        return;
    }
    for part in &subject.parts {
        for (span, key) in listed(part).into_iter().filter(|(_, key)| !known.contains(key)) {
            let hint = did_you_mean(&key, known.iter().map(String::as_str));
            sink.of(part, span, format!("the schema of the answer has no key `{key}`{hint}"));
        }
    }
}
