//! What a prompt says of its answer and its tools, held against what it declares.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::text::Template;
use crate::core::suggest::did_you_mean;

// An answer in JSON: what is asked for, and not what comes in or what is spoken of.
pattern!(
    ASKS_JSON,
    r"(?ix)
    \b(?:respond|reply|return|output|answer|produce|generate|write|provide|give|emit|create|print)\s+
      (?:(?:only|just|strictly|exclusively|always|me|us|back|with|in|as|using|nothing|but|except|a|an|the|one|single|valid|raw|pure|plain|strict|well-formed|compact|structured|markdown|code|snippet|block|of|minified)\s+){0,7}JSON\b
    | \b(?:respond|reply|return|output|answer|produce|generate|write|provide|give|emit|create|print|format|convert|transform|turn|translate|extract|list|present|encode|structure)(?:ted|d)?\b[^.;\n]{0,80}\b(?:in|as|into|to|using|with|be)\s+(?:(?:a|an|one|single|valid|raw|pure|plain|strict|well-formed|compact|structured|the\s+specified|the\s+following|this)\s+){0,4}JSON\b
    | \b(?:your\s+|the\s+)?(?:output|response|answer|reply|result|format)\b[^.;\n]{0,30}\b(?:must|should|shall|has\s+to|needs\s+to|is\s+to)\b[^.;\n]{0,30}\bJSON\b
    | \bJSON\s+(?:only|and\s+nothing\s+else)\b
    | \b(?:only|(?:nothing|anything)\s+(?:but|except|other\s+than))\s+(?:a\s+|an\s+|the\s+|valid\s+|raw\s+)*JSON\b
    | ^\W*(?:as\s+)?(?:valid\s+)?JSON\s+(?:output|format|object|array)\b"
);
// JSON that is not the answer: refused, or given.
pattern!(REFUSES, r"(?i)\b(?:not|never|n't|avoid|without|cannot|stop)\s+(?:\w+\s+){0,3}$");
pattern!(REFUSED, r"(?i)\b(?:not|never|no|without|instead of|rather than|avoid)\s+(?:\w+\s+){0,3}JSON$");
pattern!(
    GIVEN,
    r"(?i)^\W*(?:\w+\W+){0,3}(?:below|above|provided|given|pasted?|from (?:the|our|an?) \w+|of (?:the|our|an?) (?:tool|api|user|server)|that (?:the user|you (?:are|were|get|receive)))\b"
);
pattern!(EXCEPT, r"(?i)\b(?:other than|except|but|besides)\s+(?:a\s+|an\s+|the\s+|valid\s+)*JSON$");
// Which JSON, without quotes: keys with their types, a list of one thing, a pair a line.
pattern!(
    SAYS_JSON,
    r"(?ix)
    \{\s*\\?[A-Za-z_]\w*\??\s*:
    | \bJSON\s+(?:array|list)\s+of\s+(?:\w+\s+){0,2}(?:strings?|numbers?|integers?|words|names|ids|urls|dates|labels|tags|keywords|sentences|titles|questions)\b
    | \b(?:keys?|fields?|properties|attributes|members)\b[^\n]{0,80}?[`'\x22]?[A-Za-z_][\w-]*[`'\x22]?\s*(?:\([^)]{2,}\)|:\s*(?:an?\s+)?(?:string|number|integer|boolean|bool|int|float|array|list|object|null|one\s+of|true|date)\b)
    | [`'\x22][A-Za-z_][\w-]*[`'\x22]\s*(?:\([^)]{2,}\)|:\s*\S|\s[-–—]\s)
    | \b(?:keys?|fields?|properties|attributes|members)\b[^\n]{0,20}[`'\x22][A-Za-z_][\w-]*[`'\x22],?\s+(?:which|that|with|an?|the|one|is|for)\b
    "
);
// A line of a type, as many languages write it.
pattern!(
    TYPED,
    r"(?i)^\s*\w+\??\s*:\s*(?:string|number|boolean|bool|int|float|integer|str|date|list|array)\b(?:\[\]|\[\w+\]|<\w+>)?\s*(?:[;,|#]|//|=|$)"
);
pattern!(KEY_LINE, r"(?i)^\s*[-*•]\s*(?:\*\*)?[A-Za-z_][\w-]*(?:\*\*)?\s*(?:\([^)]{2,}\)|[:–—-]\s*\S)");

/// Whether a template says which JSON it wants, in words.
fn says_json(template: &Template) -> bool {
    if template.lines.iter().any(|line| TYPED.is_match(&template.masked[line.span.clone()])) {
        return true;
    }
    // A list of pairs behind a word for keys is one, too.
    let mut is_list = false;
    template.prose().any(|(_, text)| {
        let is_item = KEY_LINE.is_match(text);
        let is_said = SAYS_JSON.is_match(text) || (is_item && is_list);
        is_list = (is_list && is_item) || (text.trim_end().ends_with(':') && LISTS_KEYS.is_match(text));
        is_said
    })
}

pattern!(LISTS_KEYS, r"(?i)\b(?:JSON|keys|fields|properties|attributes|schema|structure)\b");

/// Where a line asks for JSON.
fn asked(text: &str) -> Option<Range<usize>> {
    let mut found = ASKS_JSON.find_iter(text).map(|found| found.range());
    found.find(|span| {
        let (said, behind) = (&text[span.clone()], &text[span.end..]);
        let begin = text[..span.start].rfind(['.', ';', '!', '?', ':']).map_or(0, |at| at + 1);
        let is_refused = REFUSES.is_match(&text[begin..span.start]) || REFUSED.is_match(said);
        (!is_refused || EXCEPT.is_match(said)) && !GIVEN.is_match(behind)
    })
}

pattern!(SHOWS_JSON, r#"(?s)[{\[]\s*\\?["'][^"'\n]{1,60}\\?["']\s*[:,\]]"#);

/// JSON is asked for, and nobody says which.
pub(super) fn json_unshown(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let front = &subject.prompt.front;
    let has_form = front.output.is_some() || front.params.contains_key("response_format") || !front.tools.is_empty();
    if has_form || subject.parts.iter().any(|part| SHOWS_JSON.is_match(&part.masked) || says_json(part)) {
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
        let found = part.prose().find_map(|(line, text)| Some((line, asked(text)?)));
        if let Some((line, span)) = found {
            let span = line.span.start + span.start..line.span.start + span.end;
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
    r"(?i)\b(?P<verb>use|using|call|calling|invoke|invoking)\s+(?:the\s+)?(?:(?:tool|function)\s+)?`?(?P<name>[a-z][a-z0-9]*(?:_[a-z0-9]+)+)`?(?P<tool>\s+tool\b)?(?P<behind>\s+(?:from|of|in|as|instead)\b)?"
);
// What is written with an underscore and is a way of writing, or holds a value.
pattern!(
    NO_TOOL,
    r"(?i)^(?:(?:upper_|lower_|screaming_)?(?:snake|camel|kebab|pascal|title|upper|lower|sentence)_case)$|_(?:ids?|names?|dates?|time|at|by|numbers?|no|urls?|codes?|types?|counts?|status|e?mails?|keys?|values?|fields?|text|address|phone|amount|price|total|language|lang|format)$"
);

/// A tool that the text names, and the prompt does not offer.
pub(super) fn tool(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let front = &subject.prompt.front;
    let offered: Vec<&str> = front.tools.iter().map(|tool| tool.name.as_str()).collect();
    // Names of something else: of variables, of what a tool is called with, of what is answered.
    let mut others: BTreeSet<String> = subject.prompt.variables.iter().cloned().collect();
    front.tools.iter().for_each(|tool| properties(&tool.parameters, &mut others));
    front.output.iter().for_each(|output| properties(&output.format.schema, &mut others));
    let mut told: BTreeSet<String> = BTreeSet::new();
    for part in &subject.parts {
        for (line, text) in part.prose() {
            for found in TOOL.captures_iter(text) {
                let (Some(name), is_tool) = (found.name("name"), found.name("tool").is_some()) else { continue };
                let is_used = found["verb"].to_lowercase().starts_with("us");
                let is_value = is_used && (found.name("behind").is_some() || NO_TOOL.is_match(name.as_str()));
                let is_known = offered.iter().any(|offered| offered.eq_ignore_ascii_case(name.as_str()))
                    || others.contains(name.as_str())
                    || (is_value && !is_tool);
                if (is_tool || !offered.is_empty()) && !is_known && told.insert(name.as_str().to_owned()) {
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

// A sentence about the answer, and not about what comes in or what a tool says.
pattern!(
    OF_ANSWER,
    r"(?i)^\W*(?:\d+[.)]\s*)?(?:(?:always|please|then|finally|only|you (?:must|should|will)|make sure to|if [^,]{1,80},|for [^,]{1,60},)\s+)*(?:reply|respond|return|answer|output|produce|generate|write|give|provide|emit|create|format|fill|include|use)\b|\b(?:your|the) (?:final )?(?:answer|response|reply|output|result)s?\b|\bmust (?:have|contain|include)\b|^\W*(?:a |an |valid |one )*JSON\b"
);
pattern!(
    OF_OTHERS,
    r"(?i)\b(?:tools?|function|api|input|database|table|user|customer|record|document|server|webhook|response of|result of)\b[^.;]{0,40}$"
);

/// The keys that a sentence lists for the answer.
fn listed(template: &Template) -> Vec<(Range<usize>, String)> {
    let mut keys = Vec::new();
    for (line, text) in template.prose() {
        for found in KEYS.find_iter(text) {
            let begin = text[..found.start()].rfind(['.', ';', '!', '?']).map_or(0, |at| at + 1);
            let before = &text[begin..found.start()];
            let is_asked = OF_ANSWER.is_match(&format!("{before} {}", found.as_str()));
            if !is_asked || OF_OTHERS.is_match(before) {
                continue;
            }
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
