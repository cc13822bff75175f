//! What a prompt says of its answer and its tools, held against what it declares.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
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
    | ^\W*(?:as\s+)?(?:valid\s+)?JSON\s+(?:output|format|object|array)\b
    | \buse\s+(?:(?:only|valid|raw|plain|strict)\s+)*JSON(?:\s*[.!;,]|\s*$|\s+(?:only|format|syntax|for\s+(?:your|the|all|every)\s+(?:answers?|outputs?|responses?|repl(?:y|ies)|results?))\b)
    | \byour\s+(?:final\s+|whole\s+|entire\s+)?(?:output|response|answer|reply|result)s?\s+(?:is|are|will\s+be)\s+(?:(?:always|only|just|nothing|but|a|an|single|valid|raw|plain|in)\s+)*JSON\b
    | \b(?:antwort|gib|geben|liefer|erstell|erzeug|schreib|formatier)\w*\b[^.;\n]{0,80}\b(?:in|im|als|nur)\s+(?:\w+\s+){0,2}JSON\b
    | \b(?:r[ée]pon[ds]|renvo[iy]|retourne|g[ée]n[èe]re|donne|fourni)\w*\b[^.;\n]{0,80}\b(?:en|au\s+format|du|un)\s+(?:\w+\s+){0,2}JSON\b
    | \b(?:respond|contest|devuelv|devolv|gener|escrib|rispond|restitui|fornis|retorn|ger[ae])\w*\b[^.;\n]{0,80}\b(?:en|em|in|como|come|formato|un|um)\s+(?:\w+\s+){0,2}JSON\b"
);
// JSON that is not the answer: refused, or given.
pattern!(REFUSES, r"(?i)\b(?:not|never|n't|avoid|without|cannot|stop)\s+(?:\w+\s+){0,3}$");
pattern!(
    REFUSED,
    r"(?i)\b(?:not|never|no|without|instead of|rather than|avoid|nicht|nie|ohne|keine?|pas|jamais|sans|nunca|sin|non|mai|senza|não|sem)\s+(?:\w+\s+){0,3}JSON\W*$"
);
pattern!(
    GIVEN,
    r"(?i)^\W*(?:\w+\W+){0,3}(?:below|above|provided|given|pasted?|from (?:the|our|an?) \w+|of (?:the|our|an?) (?:tool|api|user|server)|that (?:the user|you (?:are|were|get|receive)))\b"
);
pattern!(EXCEPT, r"(?i)\b(?:other than|except|but|besides)\s+(?:a\s+|an\s+|the\s+|valid\s+)*JSON$");
// What is converted brings its keys along.
pattern!(CONVERTS, r"(?i)\b(?:convert|transform|translat|turn|migrat|reformat)\w*\b");
// What tools are given and give is another form than that of the answer.
pattern!(OF_TOOLS, r"(?i)\b(?:tools?|functions?|calls?|arguments?|parameters?|inputs?|payloads?|werkzeuge?|outils?)\b");
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

/// A form that an answer is asked for in, and how that is said.
struct Form {
    name: &'static str,
    asks: LazyLock<Regex>,
    refused: LazyLock<Regex>,
    except: LazyLock<Regex>,
    /// What shows which one is meant.
    shows: LazyLock<Regex>,
    /// The expectations that hold an answer against it.
    checks: &'static [&'static str],
    help: &'static str,
}

fn named(pattern: &Regex, name: &str) -> Regex {
    super::compiled(&pattern.as_str().replace("JSON", name))
}

/// Forms that no schema is set for.
static FORMS: [Form; 3] = [
    Form {
        name: "YAML",
        asks: LazyLock::new(|| named(&ASKS_JSON, "YAML")),
        refused: LazyLock::new(|| named(&REFUSED, "YAML")),
        except: LazyLock::new(|| named(&EXCEPT, "YAML")),
        shows: LazyLock::new(|| {
            super::compiled(r"(?m)^\s*(?:- )?[a-z][\w-]*:(?:\s|$)|\b(?i:keys?|fields?|properties)\b|`\w+:?`")
        }),
        checks: &["is-yaml"],
        help: "show an example, or check the answers with `is-yaml`",
    },
    Form {
        name: "XML",
        asks: LazyLock::new(|| named(&ASKS_JSON, "XML")),
        refused: LazyLock::new(|| named(&REFUSED, "XML")),
        except: LazyLock::new(|| named(&EXCEPT, "XML")),
        shows: LazyLock::new(|| {
            super::compiled(r"</?[A-Za-z][\w:.-]*[^<>\n]*>|(?i)\b(?:elements?|attributes?|root)\b")
        }),
        checks: &["is-xml", "contains-xml", "is-html", "contains-html"],
        help: "show an example, or check the answers with `is-xml`",
    },
    Form {
        name: "CSV",
        asks: LazyLock::new(|| named(&ASKS_JSON, "CSV")),
        refused: LazyLock::new(|| named(&REFUSED, "CSV")),
        except: LazyLock::new(|| named(&EXCEPT, "CSV")),
        shows: LazyLock::new(|| {
            super::compiled(
                r"(?im)\b(?:columns?|headers?|header|fields?|delimiters?|separators?|spalten?|colonnes?|columnas?|colonne|colunas?)\b|^\W*\w+(?:,\w+)+\W*$|\w+,\w+,\w+",
            )
        }),
        checks: &["regex", "starts-with", "equals", "exec", "all", "transform"],
        help: "say which columns, or check the answers with `starts-with`",
    },
];

/// Where a line asks for a form.
fn asked(text: &str, (asks, refused, except): (&Regex, &Regex, &Regex)) -> Option<Range<usize>> {
    let mut found = asks.find_iter(text).map(|found| found.range());
    found.find(|span| {
        let (said, behind) = (&text[span.clone()], &text[span.end..]);
        let begin = text[..span.start].rfind(['.', ';', '!', '?', ':']).map_or(0, |at| at + 1);
        let is_refused = REFUSES.is_match(&text[begin..span.start]) || refused.is_match(said);
        (!is_refused || except.is_match(said)) && !GIVEN.is_match(behind)
    })
}

/// Where a prompt asks for a form of its answers.
fn asking<'s>(subject: &'s Subject<'_>, patterns: (&Regex, &Regex, &Regex)) -> Option<(&'s Template, Range<usize>)> {
    let has_tools = !subject.prompt.front.tools.is_empty();
    subject.parts.iter().find_map(|part| {
        let mut lines = part.prose().filter(|(_, text)| !(has_tools && OF_TOOLS.is_match(text)));
        let (line, span) = lines.find_map(|(line, text)| Some((line, asked(text, patterns)?)))?;
        Some((*part, line.span.start + span.start..line.span.start + span.end))
    })
}

/// Whether a case has one of these expectations, by itself or within others.
fn checks(subject: &Subject<'_>, kinds: &[&str]) -> bool {
    fn has(value: &Value, kinds: &[&str]) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(key, value)| {
                let is_kind = |name: &str| kinds.contains(&name);
                is_kind(key) || (key == "type" && value.as_str().is_some_and(is_kind)) || has(value, kinds)
            }),
            Value::Array(items) => items.iter().any(|item| has(item, kinds)),
            Value::String(text) => kinds.contains(&text.as_str()),
            _ => false,
        }
    }
    let checks = subject
        .cases
        .iter()
        .flat_map(|case| case.checks.iter().chain(case.turns.iter().flat_map(|turn| turn.checks.iter())));
    checks.into_iter().any(|check| has(&check.node.to_json(), kinds))
}

pattern!(SHOWS_JSON, r#"(?s)[{\[]\s*\\?["'][^"'\n]{1,60}\\?["']\s*[:,\]]"#);

/// A form is asked for, and nobody says which keys, elements or columns.
pub(super) fn unshown(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let front = &subject.prompt.front;
    // A schema may come as a variable.
    let is_given = |name: &String| {
        let name = name.to_lowercase();
        ["schema", "format", "example", "json", "yaml", "xml", "csv"].iter().any(|word| name.contains(word))
    };
    let has_form = front.output.is_some() || front.params.contains_key("response_format");
    if has_form || subject.prompt.variables.iter().any(is_given) {
        return;
    }
    let is_shown = |part: &&Template| SHOWS_JSON.is_match(&part.masked) || says_json(part);
    if !subject.parts.iter().any(is_shown)
        && let Some((part, span)) = asking(subject, (&ASKS_JSON, &REFUSED, &EXCEPT))
    {
        sink.of(part, span, "JSON is asked for in words, without a schema or an example");
        return;
    }
    for form in &FORMS {
        let Some((part, span)) = asking(subject, (&form.asks, &form.refused, &form.except)) else { continue };
        if CONVERTS.is_match(&subject.prose()) {
            continue;
        }
        if !subject.parts.iter().any(|part| form.shows.is_match(&part.masked[part.body..]))
            && !checks(subject, form.checks)
        {
            let message = format!("{} is asked for in words, without an example or an expectation of it", form.name);
            sink.of(part, span, message).help(form.help);
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
    r"(?i)\b(?P<verb>use|using|call|calling|invoke|invoking)\s+(?:the\s+)?(?:(?P<before>tool|function)\s+)?`?(?P<name>[a-z][a-z0-9]*(?:_[a-z0-9]+)+)`?(?:\s+(?P<tool>tool|function)\b)?(?P<behind>\s+(?:from|of|in|as|instead)\b)?"
);
// What is written with an underscore and is a way of writing, or holds a value.
pattern!(
    NO_TOOL,
    r"(?i)^(?:(?:upper_|lower_|screaming_)?(?:snake|camel|kebab|pascal|title|upper|lower|sentence)_case)$|_(?:ids?|names?|dates?|time|at|by|numbers?|no|urls?|codes?|types?|counts?|status|e?mails?|keys?|values?|fields?|text|address|phone|amount|price|total|language|lang|format)$"
);

// `lookupOrder`, and what stands in quotes beside the word tool.
pattern!(
    CAMEL_TOOL,
    r#"\b(?P<verb>(?i:use|using|call|calling|invoke|invoking))\s+(?i:the\s+)?(?:(?P<before>(?i:tool|function))\s+)?(?P<open>[`"'])?(?P<name>[a-z]+[0-9]*(?:[A-Z][a-z0-9]*)+)[`"']?(?:\s+(?P<tool>(?i:tool|function))\b)?"#
);
pattern!(
    QUOTED_TOOL,
    r#"(?i)\b(?P<verb>use|using|call|calling|invoke|invoking)\s+(?:(?:the|our|your)\s+)?(?:(?P<before>tool|function)\s+)?[`"'](?P<name>[a-z][\w.-]*)[`"'](?:\s+(?P<tool>tool|function)\b)?"#
);
// A tool by what it is for.
pattern!(
    PLAIN_TOOL,
    r"(?i)(?P<not>\bnot\s+|n['’]t\s+|\bnever\s+)?\b(?:use|using|call|calling|invoke|invoking)\s+(?:the|our|your)\s+(?P<name>search|web|browser|calculator|lookup|weather|retrieval|database|calendar|e-?mail|translation|booking|payment|crm|maps?|knowledge|code|python|sql|shell|terminal)(?:[ -](?:search|lookup|query|interpreter|execution|base))?\s+tool\b"
);
// Tools that a prompt says it gives, in a sentence or as a list below it.
pattern!(
    GIVEN_TOOLS,
    r"(?i)\b(?:access to|use of|given|have|offered|provided with|available)\b[^.\n:]{0,40}\btools?\b:?\s+(?:(?:named|called|are|such as)\s+)?(?P<list>[`\x22']?[a-z]\w*[`\x22']?(?:\([^)\n]*\))?(?:(?:\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+)[`\x22']?[a-z]\w*[`\x22']?(?:\([^)\n]*\))?)*)"
);
pattern!(TOOL_NAME, r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b|\b[a-z]+[0-9]*(?:[A-Z][a-z0-9]*)+\b");
pattern!(TOOL_LIST, r"(?i)\btools?\b[^.\n]*:\W*$");
pattern!(TOOL_ITEM, r"^\s*(?:[-*•]|\d+[.)])\s+[`\x22*]*(?P<name>[A-Za-z]\w*)[`\x22*]*\s*(?:\(|:|–|—|-|$)");
// Where code is written a function is one of that.
pattern!(
    WRITES_CODE,
    r"(?i)\b(?:code|coding|python|javascript|typescript|java|rust|\w*sql\w*|quer(?:y|ies)|program(?:s|ming)?|scripts?|refactor\w*|library|libraries|modules?)\b"
);

/// Whether the word beside a name says that it is a tool.
fn is_called_tool(found: &regex::Captures<'_>, writes_code: bool) -> bool {
    let word = found.name("tool").or(found.name("before"));
    word.is_some_and(|word| word.as_str().eq_ignore_ascii_case("tool") || !writes_code)
}

/// The tools that a line gives, by itself or as a part of a list.
fn given_tools<'t>(text: &'t str, in_list: &mut bool) -> Vec<regex::Match<'t>> {
    let item = TOOL_ITEM.captures(text).and_then(|found| found.name("name"));
    let mut given: Vec<regex::Match<'t>> =
        item.into_iter().filter(|name| *in_list && TOOL_NAME.is_match(name.as_str())).collect();
    *in_list = TOOL_LIST.is_match(text) || (*in_list && (item.is_some() || text.trim().is_empty()));
    for list in GIVEN_TOOLS.captures_iter(text).filter_map(|found| found.name("list")) {
        given.extend(TOOL_NAME.find_iter(text).filter(|name| list.range().contains(&name.start())));
    }
    given
}

/// A tool that the text names, and the prompt does not offer.
pub(super) fn tool(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let front = &subject.prompt.front;
    let offered: Vec<&str> = front.tools.iter().map(|tool| tool.name.as_str()).collect();
    // Names of something else: of variables, of what a tool is called with, of what is answered.
    let mut others: BTreeSet<String> = subject.prompt.variables.iter().cloned().collect();
    front.tools.iter().for_each(|tool| properties(&tool.parameters, &mut others));
    front.output.iter().for_each(|output| properties(&output.format.schema, &mut others));
    let mut told: BTreeSet<String> = BTreeSet::new();
    let is_camel = |name: &&str| name.starts_with(char::is_lowercase) && name.contains(char::is_uppercase);
    let has_camel = offered.iter().any(is_camel);
    let writes_code = WRITES_CODE.is_match(&subject.prose());
    for part in &subject.parts {
        let mut in_list = false;
        for (line, text) in part.prose() {
            let mut missing = given_tools(text, &mut in_list);
            for found in TOOL.captures_iter(text) {
                let (Some(name), is_tool) = (found.name("name"), is_called_tool(&found, writes_code)) else { continue };
                let is_used = found["verb"].to_lowercase().starts_with("us");
                let is_value = is_used && (found.name("behind").is_some() || NO_TOOL.is_match(name.as_str()));
                if is_tool || (!offered.is_empty() && !is_value) {
                    missing.push(name);
                }
            }
            for found in CAMEL_TOOL.captures_iter(text) {
                let Some(name) = found.name("name") else { continue };
                let is_called = !found["verb"].to_lowercase().starts_with("us");
                let is_quoted = found.name("open").is_some();
                let is_named_so = (is_called && is_quoted) || (has_camel && (is_called || is_quoted));
                if is_called_tool(&found, writes_code) || (is_named_so && !offered.is_empty()) {
                    missing.push(name);
                }
            }
            for found in QUOTED_TOOL.captures_iter(text) {
                missing.extend(found.name("name").filter(|_| is_called_tool(&found, writes_code)));
            }
            let plain = PLAIN_TOOL.captures_iter(text).filter(|found| found.name("not").is_none());
            for name in plain.filter_map(|found| found.name("name")) {
                // A tool that has it in its name, whatever else is in that.
                let is_offered = |offered: &&str| offered.to_lowercase().contains(&name.as_str().to_lowercase());
                missing.extend(Some(name).filter(|_| !offered.iter().any(is_offered)));
            }
            for name in missing {
                let is_known = offered.iter().any(|offered| offered.eq_ignore_ascii_case(name.as_str()))
                    || others.contains(name.as_str());
                if !is_known && told.insert(name.as_str().to_owned()) {
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

pattern!(
    ITEMS,
    r"(?i)\b(?:these|following|with|has|have|containing|contains)\b[^.;\n]{0,30}\b(?:keys?|fields?|properties|attributes)\b\W*:\W*$|\b(?:keys|fields|properties)\W*:\W*$"
);
pattern!(
    ITEM,
    r#"^(\s*)[-*•]\s+(?:\*\*)?[`"']?([a-z][A-Za-z0-9_-]*)[`"']?(?:\*\*)?\s*(?:\([^)]*\)\s*)?(?::|[-–—]\s|$)"#
);

/// The keys that a list has for the answer, an item each, behind a sentence that says so.
fn itemised(template: &Template) -> Vec<(Range<usize>, String)> {
    let mut keys = Vec::new();
    // How far the items are moved in, once there is one.
    let mut open: Option<Option<usize>> = None;
    for (line, text) in template.prose() {
        if let Some(depth) = open {
            if let Some(found) = ITEM.captures(text) {
                let (own, name) = (found.get(1).map_or(0, |blanks| blanks.len()), found.get(2));
                if depth.is_none_or(|depth| depth == own) {
                    open = Some(Some(own));
                    keys.extend(name.map(|name| {
                        (line.span.start + name.start()..line.span.start + name.end(), name.as_str().to_owned())
                    }));
                }
                continue;
            }
            // What an item says goes on, or another list is in it.
            if text.starts_with([' ', '\t']) && depth.is_some() {
                continue;
            }
        }
        let begin = text.trim_end().trim_end_matches(':').rfind(['.', ';', '!', '?']).map_or(0, |at| at + 1);
        let said = &text[begin..];
        let is_asked = ITEMS.is_match(said)
            && OF_ANSWER.is_match(said)
            && !OF_OTHERS.is_match(said.trim_end().trim_end_matches(':'));
        open = is_asked.then_some(None);
    }
    keys
}

// A list of all keys, and not of some.
pattern!(
    ALL_KEYS,
    r"(?i)\b(?:with|has|have|containing|contains)\s+(?:(?:only|exactly|just|the|these|following|two|three|four|five)\s+)*(?:\w+\s+)?(?:keys?|fields?|properties)\b"
);

/// Keys that the text asks for, and the schema does not have; and those that the schema wants, and the text leaves out
/// where it lists them.
pub(super) fn keys(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let Some(output) = &subject.prompt.front.output else { return };
    let schema = &output.format.schema;
    let mut known = BTreeSet::new();
    properties(schema, &mut known);
    if known.is_empty() {
        return;
    }
    let mut said: BTreeSet<String> = BTreeSet::new();
    let mut first: Option<(&Template, Range<usize>)> = None;
    let mut is_wrong = false;
    for part in &subject.parts {
        let itemised = itemised(part).into_iter();
        // A word with a capital letter, or with blanks, may be a name for people.
        let itemised =
            itemised.filter(|(_, key)| !known.iter().any(|known| known != key && known.eq_ignore_ascii_case(key)));
        for (span, key) in listed(part).into_iter().chain(itemised) {
            first = first.or_else(|| Some((*part, span.clone())));
            if !known.contains(&key) {
                let hint = did_you_mean(&key, known.iter().map(String::as_str));
                sink.of(part, span, format!("the schema of the answer has no key `{key}`{hint}"));
                is_wrong = true;
            }
            said.insert(key);
        }
    }
    let Some((part, span)) = first.filter(|_| !is_wrong) else { return };
    let Some(own) = schema.get("properties").and_then(Value::as_object) else { return };
    let required: Vec<&str> = match schema.get("required").and_then(Value::as_array) {
        Some(required) => required.iter().filter_map(Value::as_str).collect(),
        None => own.keys().map(String::as_str).collect(),
    };
    // A list of parts of an answer, or of some of its keys, leaves out what it likes.
    let is_whole = said.iter().all(|key| own.contains_key(key)) && ALL_KEYS.is_match(&subject.prose());
    let text =
        || subject.parts.iter().map(|part| part.masked[part.body..].to_lowercase()).collect::<Vec<_>>().join("\n");
    let missing: Vec<&str> = if is_whole { required } else { Vec::new() };
    let text = if missing.is_empty() { String::new() } else { text() };
    for key in missing.into_iter().filter(|key| !said.contains(*key) && !says(&text, &key.to_lowercase())) {
        let message =
            format!("the schema of the answer wants the key `{key}`, which the text does not name where it lists them");
        sink.of(part, span.clone(), message).about(format!("{} {key}", part.key));
    }
}

/// Whether a text has a key in it, as words of its own, whatever stands between them.
fn says(text: &str, key: &str) -> bool {
    let words: Vec<&str> = key.split(['_', '-']).filter(|word| !word.is_empty()).collect();
    text.contains(key) || (!words.is_empty() && words.iter().all(|word| text.contains(word)))
}
