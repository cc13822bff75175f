//! The examples of a prompt: that they are what is asked for, that no case is among them, that they are few and balanced.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use serde_json::Value;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::shots::{Shot, shots};
use super::structure::counts;
use super::text::{Speaker, Template, TextLine, normalised};

// What a JSON value is, by what stands in front of it: the last word counts.
pattern!(
    OUTPUT,
    r"(?i)\b(?:outputs?|respon[sd]e?|answers?|return|reply|format|produce|results?|emit|(?:as|in|valid) JSON)\b(?:-\w+)?"
);
pattern!(
    INPUT,
    r"(?i)\b(?:inputs?|requests?|tickets?|messages?|documents?|contexts?|receives?|given|payload|tools?|api|e-?mails?|records?|events?|sends?|webhook|raw|source|returns|responds|replies with|gives|sent|comes|looks like|user(?:'s)?\s*:)"
);
pattern!(
    NO_ANSWER,
    r"(?i)\b(?:wrong|bad|incorrect|invalid|not|never|don't|avoid|counter-?examples?|mistakes?|instead of|rather than|unacceptable|malformed|broken|schema)\b"
);
pattern!(EXAMPLE, r"(?i)\b(?:examples?|e\.g\.|samples?|like this|such as|for instance)\b|<(?:example|sample|shot)\b");
pattern!(
    LABEL_OUT,
    r"(?i)^[^\w<]{0,4}<?(?:(?:expected|example|sample|correct|desired|good|model|final|your|the) )*(?:outputs?|answer|response|result|assistant|return|reply|respond|json)\b[^.]{0,40}[:>]\W*$"
);
pattern!(
    LABEL_IN,
    r"(?i)^[^\w<]{0,4}<?(?:(?:example|sample) )?(?:inputs?|user|human|q|question|text|context|ticket|request)\b[^.]{0,40}[:>]\W*$"
);

/// Stretches of lines that belong together: what one speaker says, or one code block.
pub(super) fn blocks(template: &Template, is_in: impl Fn(&TextLine) -> bool) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut last: Option<(Speaker, bool)> = None;
    for line in &template.lines {
        let kind = is_in(line).then_some((line.speaker, line.is_code));
        match (kind, blocks.last_mut()) {
            (Some(kind), Some(block)) if last == Some(kind) => block.end = line.span.end,
            (Some(_), _) => blocks.push(line.span.clone()),
            (None, _) => {}
        }
        last = kind;
    }
    blocks
}

/// What a JSON value in a prompt is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// An answer, as the prompt wants it.
    Answer,
    /// An example of something.
    Example,
    /// What comes in, or is not to be said.
    Other,
}

/// What a text says of the value behind it.
fn introduced(text: &str) -> Option<Shown> {
    // Of a sentence, the last.
    let text = text.trim_end();
    let text = &text[text.trim_end_matches([':', '.', ' ']).rfind(". ").map_or(0, |at| at + 1)..];
    if NO_ANSWER.is_match(text) {
        return Some(Shown::Other);
    }
    if LABEL_OUT.is_match(text) {
        return Some(Shown::Answer);
    }
    if LABEL_IN.is_match(text) {
        return Some(Shown::Other);
    }
    let last = |pattern: &regex::Regex| pattern.find_iter(text).last().map(|found| found.start());
    match (last(&OUTPUT), last(&INPUT)) {
        (Some(output), input) if input.is_none_or(|input| input < output) => Some(Shown::Answer),
        (_, Some(_)) => Some(Shown::Other),
        _ => EXAMPLE.is_match(text).then_some(Shown::Example),
    }
}

/// Every JSON object, and list of objects, in a template.
fn values(template: &Template) -> Vec<(Range<usize>, Value)> {
    const LONGEST: usize = 50_000;
    const TRIED: usize = 5_000;
    let (mut at, mut found) = (template.body, Vec::new());
    for _ in 0..TRIED {
        let Some(from) = template.masked[at..].find(['{', '[']).map(|found| at + found) else { break };
        let text = &template.masked[from..template.masked.floor_char_boundary(from + LONGEST)];
        at = from + 1;
        if text.starts_with('[') && !text[1..].trim_start().starts_with('{') {
            continue;
        }
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            at = from + values.byte_offset();
            found.push((from..at, value));
        } else if let Some(length) = extent(text) {
            // What lies within something that is no JSON is no value of its own.
            at = from + length;
        }
    }
    found
}

/// How far a brace reaches.
fn extent(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at + c.len_utf8())
    })
}

/// What a value is: an earlier answer, or what the text before it says.
fn kind(template: &Template, span: &Range<usize>, known: &[(Range<usize>, Value)]) -> Option<Shown> {
    const LINES: usize = 3;
    let number = template.lines.partition_point(|line| line.span.end < span.start);
    let line = template.lines.get(number)?;
    let is_talk = template.lines.iter().any(|line| line.speaker == Speaker::Assistant);
    match line.speaker {
        Speaker::Assistant => return Some(Shown::Answer),
        Speaker::Tool => return None,
        Speaker::User if is_talk => return None,
        _ => {}
    }
    let before = template.masked[line.span.start..span.start].trim_end_matches(['`', ' ', '"', '\'']);
    if before.chars().any(char::is_alphanumeric) {
        return introduced(before).or(line.is_example.then_some(Shown::Example));
    }
    let is_known =
        |line: &TextLine| known.iter().any(|(span, _)| span.start < line.span.end && line.span.start < span.end);
    let above = template.lines[..number].iter().rev().take_while(|above| above.speaker == line.speaker);
    let above = above.filter(|line| !line.is_code && !is_known(line));
    let texts =
        above.map(|line| &template.masked[line.span.clone()]).filter(|text| text.chars().any(char::is_alphanumeric));
    for text in texts.take(LINES) {
        if let Some(kind) = introduced(text) {
            return Some(kind);
        }
        // "or", "and this": what stood above goes on.
        if text.split_whitespace().count() > 3 {
            break;
        }
    }
    line.is_example.then_some(Shown::Example)
}

pattern!(
    STANDS_FOR,
    r"(?i)^\s*(?:<.*>|\[.*\]|\{.*\}|\.{2,}|…|.*\|.*|(?:an? |the )?(?:string|str|integer|int|number|float|double|boolean|bool|array|list|object|null|date)(?:\W.*)?|.*\b(?:true|yes)\s*(?:/|or)\s*(?:false|no)\b.*|one of\b.*|\d+(?:\.\d+)?\s*(?:-|–|to|\.\.)\s*\d.*)\s*$"
);

/// What a schema says against a value, but for words that stand for a value in it.
fn refused(validator: &jsonschema::Validator, value: &Value) -> Option<String> {
    let stands_for = |value: &Value| value.as_str().is_some_and(|text| STANDS_FOR.is_match(text));
    let mut errors = validator.iter_errors(value);
    errors.find(|error| !stands_for(error.instance())).map(|error| error.to_string())
}

/// Whether a value seems to be an attempt at what a schema wants: most of its keys are keys of that.
fn attempts(schema: &Value, value: &Value) -> bool {
    let (Some(known), Some(own)) = (schema.get("properties").and_then(Value::as_object), value.as_object()) else {
        return false;
    };
    let shared = own.keys().filter(|key| known.contains_key(*key)).count();
    shared > 0 && shared * 2 >= own.len()
}

/// An example of an answer that the prompt's own schema refuses.
pub(super) fn breaks_schema(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let Some(output) = &subject.prompt.front.output else { return };
    let schema = &output.format.schema;
    let Ok(validator) = jsonschema::validator_for(schema) else { return };
    for part in &subject.parts {
        let known = values(part);
        for (span, value) in &known {
            let kind = kind(part, span, &known);
            let inner = ["output", "answer", "expected", "response", "completion"].iter().find_map(|key| {
                let inner = value.get(key).filter(|inner| inner.is_object())?;
                (!attempts(schema, value)).then_some(inner)
            });
            let is_answer = match (kind, inner) {
                (None | Some(Shown::Other), _) => false,
                (Some(Shown::Answer), None) => true,
                (Some(_), Some(inner)) => attempts(schema, inner),
                (Some(Shown::Example), None) => attempts(schema, value),
            };
            // The schema itself, or a call of a tool, is no answer.
            let is_of_form = value.get("properties").is_some() || value.get("$schema").is_some();
            let is_call = value.get("name").is_some() && value.get("arguments").or(value.get("parameters")).is_some();
            if !is_answer || ((is_of_form || is_call) && !attempts(schema, value)) {
                continue;
            }
            if let Some(error) = refused(&validator, inner.unwrap_or(value)) {
                sink.of(part, span.clone(), format!("the schema of the answer refuses this example: {error}"));
            }
        }
    }
}

/// A word of a template, as it is compared, and where it stands.
fn words(template: &Template) -> Vec<(String, Range<usize>)> {
    let text = &template.masked[template.body..];
    let found = WORD.find_iter(text);
    found.map(|word| (word.as_str().to_lowercase(), template.body + word.start()..template.body + word.end())).collect()
}

// Scripts without blanks between words: each letter is one.
pattern!(WORD, r"\x01+|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{N}]+)*");

/// The most texts of a case that are looked for are shorter than this.
const LONGEST: usize = 4000;
/// So many words are no chance, if they have so many letters.
const LEAST: usize = 4;
const SHORTEST: usize = 10;

/// An example that is also a case.
pub(super) fn is_case(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    if subject.cases.is_empty() {
        return;
    }
    let parts: Vec<_> = subject.parts.iter().map(|part| (*part, words(part), OnceCell::new())).collect();
    let mut places: HashMap<[&str; LEAST], Vec<(usize, usize)>> = HashMap::new();
    for (number, (_, words, _)) in parts.iter().enumerate() {
        for (at, window) in words.windows(LEAST).enumerate() {
            let key = std::array::from_fn(|i| window[i].0.as_str());
            places.entry(key).or_default().push((number, at));
        }
    }
    let mut told: BTreeSet<(usize, usize)> = BTreeSet::new();
    for case in &subject.cases {
        for (_, value) in case.variables.iter() {
            let Some(text) = value.as_str().filter(|text| text.len() < LONGEST) else { continue };
            let text = text.to_lowercase();
            let said: Vec<&str> = WORD.find_iter(&text).map(|word| word.as_str()).collect();
            let Some(first) = said.first_chunk::<LEAST>().filter(|_| text.chars().count() >= SHORTEST) else {
                continue;
            };
            for (number, at) in places.get(first).into_iter().flatten().take(20) {
                let (part, words, known) = &parts[*number];
                let here = words.get(*at..at + said.len()).unwrap_or_default();
                if here.len() < said.len() || !here.iter().zip(&said).all(|((word, _), said)| word == said) {
                    continue;
                }
                let span = here[0].1.start..here[here.len() - 1].1.end;
                if shows(part, &span, || known.get_or_init(|| shots(part))) && told.insert((*number, *at)) {
                    let about = normalised(&part.masked[span.clone()]);
                    sink.of(part, span, format!("this example is the case `{}`", case.name)).about(about);
                    break;
                }
            }
        }
    }
}

/// Whether a stretch is an example of its own: the whole of a line, an element, a cell or a quotation, where examples
/// stand or something is quoted.
fn shows<'s>(template: &Template, span: &Range<usize>, shots: impl Fn() -> &'s Vec<Shot>) -> bool {
    let before = template.masked[template.body..span.start].trim_end_matches([' ', '\t', '*', '_', '(', '-', '>', '#']);
    let (open, behind) = (template.masked[template.body..span.start].chars().last(), &template.masked[span.end..]);
    let behind = behind.trim_start_matches([' ', '\t', '.', '!', '?', '*', '_', ')', ',', '…', '。', '！', '？']);
    let is_quote = |c: char| matches!(c, '"' | '\'' | '“' | '”' | '„' | '«' | '»' | '`' | '‘' | '’');
    let is_quoted = open.is_some_and(is_quote) && behind.starts_with(is_quote);
    let is_begun = before.is_empty()
        || open == Some('>')
        || before.ends_with(['\n', ':', '|', '：', '.'])
        || before.ends_with(is_quote);
    let is_ended = behind.is_empty()
        || behind.starts_with(['\n', '\r', '<', '|', '-', '=', '→', '⇒'])
        || behind.starts_with(is_quote);
    if is_quoted || !(is_begun && is_ended) {
        return is_quoted;
    }
    let mut lines = template.lines.iter().filter(|line| line.span.start < span.end && span.start < line.span.end);
    lines.all(|line| line.is_example || line.speaker == Speaker::Assistant)
        || shots().iter().any(|shot| shot.span.start <= span.start && span.end <= shot.span.end)
}

/// What the examples of a template answer, where that is short.
pub(super) fn labels(template: &Template) -> Vec<(Range<usize>, String)> {
    let shots = shots(template);
    let answers = shots.into_iter().map(|shot| (shot.span, normalised(&template.masked[shot.answer])));
    answers.filter(|(_, label)| !label.is_empty() && !label.contains("{}") && label.split(' ').count() <= 4).collect()
}

/// Examples that mostly have one answer.
pub(super) fn imbalance(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let of_part = |part: &&Template| labels(part).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
    let all: Vec<String> = subject.parts.iter().flat_map(of_part).collect();
    let counted = counts(all.iter().map(String::as_str));
    let Some((label, count)) = counted.first().filter(|_| all.len() >= look.count("count")) else { return };
    #[expect(clippy::cast_precision_loss, reason = "counts of examples")]
    let share = *count as f64 / all.len() as f64;
    if share > look.limit("share") {
        let message = format!("{count} of {} examples are answered with `{label}`", all.len());
        let first = labels(subject.own).into_iter().next().map_or_else(|| subject.own.start(), |(span, _)| span);
        sink.of(subject.own, first, message).about(subject.own.key.clone());
    }
}

/// Very many examples.
pub(super) fn many(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let count: usize = subject.parts.iter().map(|part| shots(part).len()).sum();
    if count > look.count("count") {
        let message = format!("the prompt has {count} examples");
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone()).amount(count);
    }
}
