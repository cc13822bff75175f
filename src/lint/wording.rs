//! What words tell by themselves: dates, names of models, what was put off, shouting, repetition, what nobody can see.

use std::collections::BTreeMap;

use super::look::{Look, Sink};
use super::pattern;
use super::text::{HOLE, Template, normalised};
use crate::core::escape::{is_hidden, written_out};

/// Letters that are written from right to left, in lines of which marks of direction have a use.
fn is_rtl(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}')
}

/// What stands around a place in its line.
fn near(text: &str, at: usize) -> &str {
    const FAR: usize = 200;
    let from = text.floor_char_boundary(at.saturating_sub(FAR));
    let to = text.ceil_char_boundary((at + FAR).min(text.len()));
    let from = text[from..at].rfind('\n').map_or(from, |found| from + found + 1);
    let to = text[at..to].find('\n').map_or(to, |found| at + found);
    &text[from..to]
}

/// Invisible characters, replacement characters and carriage returns alone.
pub(super) fn invisible(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    let text = &template.source.text;
    for (at, c) in text.char_indices() {
        let is_mark = matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}');
        if !(is_hidden(c) || c == '\u{FFFD}') {
            continue;
        }
        if is_mark && near(text, at).chars().any(is_rtl) {
            continue;
        }
        let span = at..at + c.len_utf8();
        let name = written_out(c).unwrap_or_else(|| c.escape_unicode().to_string());
        match c {
            '\u{FFFD}' => {
                let message = "a replacement character: here a character was lost";
                sink.of(template, span, message)
                    .help("write what stood here")
                    .about(format!("U+FFFD {}", template.key));
            }
            '\r' => {
                let message = "a carriage return without a line feed; a terminal and a model read different lines";
                let finding = sink.of(template, span.clone(), message);
                finding.help("end the line with a line feed").about("\\r").edit(span, "\n");
            }
            _ => {
                let message = format!("an invisible character, {name}");
                sink.of(template, span.clone(), message).about(name).edit(span, "");
            }
        }
    }
}

pattern!(
    DATE,
    r"(?i)\b(?:(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.? \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d|(?:as of|today is|the (?:current )?(?:year|date) is|it is (?:now|currently)|(?:knowledge )?cut-?off(?: date)?(?: is|:)?)[^.\n]{0,20}\b(?:19|20)\d\d(?:-\d\d-\d\d)?)\b"
);
pattern!(SAMPLE, r"(?i)e\.g\.|for example|such as|\bformat|example|yyyy|\blike\b|\bi\.e\.");

/// Dates that are written into the text.
pub(super) fn date(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    for span in template.matches(&DATE) {
        let line = template.prose().find(|(line, _)| line.span.start <= span.start && span.end <= line.span.end);
        // A date that shows how dates are written is none.
        if line.is_some_and(|(_, text)| SAMPLE.is_match(text)) {
            continue;
        }
        let message = format!("the date `{}` is written into the text", template.written(span.clone()));
        sink.of(template, span, message);
    }
}

pattern!(
    MODEL,
    r"(?i)\b(?:(?:chat)?gpt-?[2-9](?:\.\d)?[\w-]*|chatgpt|claude[- ](?:\d[\w.-]*|opus|sonnet|haiku|instant)|gemini[- ](?:\d[\w.-]*|pro|flash|ultra)|llama[- ]?\d[\w.-]*|mistral-\w+|text-davinci-\d+)"
);

/// Names of models that are written into the text.
pub(super) fn model_name(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    for span in template.matches(&MODEL) {
        let message = format!("`{}` names a model in the text", template.written(span.clone()));
        sink.of(template, span, message);
    }
}

pattern!(TODO_IN_TEXT, r"\b(?:TODO|FIXME|HACK)\b");
pattern!(TODO_IN_COMMENT, r"\b(?:TODO|FIXME|HACK|XXX)\b|(?i)\b(?:temporary|temporarily|workaround|work-around)\b");
pattern!(YAML_COMMENT, r"(?m)(?:^|[ \t])#(.*)$");

/// What was put off: in the text, in comments, in the front matter.
pub(super) fn todo(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    for span in template.matches(&TODO_IN_TEXT) {
        let message = format!("`{}` is sent to the model", template.written(span.clone()));
        sink.of(template, span, message);
    }
    let front = &template.source.text[..template.body];
    let of_front = YAML_COMMENT.captures_iter(front).filter_map(|found| found.get(1)).map(|m| m.range());
    let comments: Vec<_> = template.comments.iter().map(|comment| comment.text.clone()).chain(of_front).collect();
    for comment in comments {
        let text = template.written(comment.clone());
        if text.trim_start().starts_with("promptctl:") {
            continue;
        }
        if let Some(found) = TODO_IN_COMMENT.find(text) {
            let span = comment.start + found.start()..comment.start + found.end();
            let about = normalised(text);
            sink.of(template, span, format!("a comment says `{}`", found.as_str())).about(about);
        }
    }
}

pattern!(
    IMPERATIVE,
    r"(?i)^\W*(?:do not|don't|never|always|please|answer|respond|reply|return|output|write|use|you are|you must|you should|make sure|ensure|avoid|be |give|include|only )"
);
pattern!(HTML_COMMENT, r"<!--");

/// Instructions that were commented out instead of removed, and comments that the model is sent.
pub(super) fn commented_out(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    for comment in &template.comments {
        let text = template.written(comment.text.clone());
        let trimmed = text.trim().trim_matches('-').trim();
        let has_code = trimmed.contains("{{") || trimmed.contains("{%");
        let has_instruction = IMPERATIVE.is_match(trimmed) && trimmed.split_whitespace().count() >= 4;
        if !trimmed.starts_with("promptctl:") && (has_code || has_instruction) {
            let what = if has_code { "a part of a template" } else { "an instruction" };
            sink.of(template, comment.span.clone(), format!("{what} is commented out"));
        }
    }
    for span in template.matches(&HTML_COMMENT) {
        let message = "this comment is no comment of a template: the model is sent it";
        sink.of(template, span, message).help("write it as `{# … #}`, or remove it");
    }
}

pattern!(
    SHOUT,
    r"\b(?:DO NOT|DON'T|MUST NOT|MUST|NEVER|ALWAYS|IMPORTANT|CRITICAL|CRUCIAL|EXTREMELY|VERY|STRICTLY|ABSOLUTELY|MANDATORY|REQUIRED|ESSENTIAL|WARNING|ATTENTION|ONLY|NOT|EXACTLY|EVERY|UNDER NO CIRCUMSTANCES|NO EXCEPTIONS)\b"
);

/// Words in capitals, many or close together.
pub(super) fn emphasis(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    let found: Vec<_> = template.matches(&SHOUT).collect();
    let words = template.prose_text().split_whitespace().count();
    #[expect(clippy::cast_precision_loss, reason = "counts of words")]
    let density = found.len() as f64 * 100.0 / words.max(1) as f64;
    let is_dense = found.len() >= look.count("some") && density > look.limit("per-hundred-words");
    let Some(first) = found.first().filter(|_| found.len() >= look.count("count") || is_dense) else { return };
    let shown: Vec<&str> = found.iter().take(4).map(|span| template.written(span.clone())).collect();
    let message = format!("{} words in capitals stress something in {words} words: {}", found.len(), shown.join(", "));
    sink.of(template, first.clone(), message).about(template.key.clone());
}

/// The same sentence again and again.
pub(super) fn repeated(look: &Look<'_>, template: &Template, sink: &mut Sink) {
    let mut known: BTreeMap<String, Vec<std::ops::Range<usize>>> = BTreeMap::new();
    for span in &template.sentences {
        let text = normalised(&template.masked[span.clone()]);
        if text.split(' ').filter(|word| *word != "{}").count() >= 4 {
            known.entry(text).or_default().push(span.clone());
        }
    }
    for (text, spans) in known.into_iter().filter(|(_, spans)| spans.len() >= look.count("count").max(2)) {
        let lines: Vec<String> =
            spans.iter().take(5).map(|span| template.source.line_column(span.start).0.to_string()).collect();
        let more = if spans.len() > lines.len() { ", …" } else { "" };
        let lines = lines.join(", ");
        let message = format!("the same sentence stands here {} times, in the lines {lines}{more}", spans.len());
        sink.of(template, spans[1].clone(), message).about(text);
    }
}

/// A blank at the very end of the text.
pub(super) fn trailing_space(_: &Look<'_>, template: &Template, sink: &mut Sink) {
    if template.is_partial {
        return;
    }
    let Some(line) =
        template.lines.iter().rev().find(|line| !template.source.text[line.span.clone()].trim().is_empty())
    else {
        return;
    };
    let text = &template.source.text[line.span.clone()];
    let blank = text.len() - text.trim_end_matches([' ', '\t']).len();
    let is_sent = template.masked[line.span.clone()].trim_end_matches([' ', '\t']).len() + blank == text.len();
    if blank == 0 || !is_sent {
        return;
    }
    let span = line.span.end - blank..line.span.end;
    let ends_open = text.trim_end().ends_with([':', HOLE]);
    let message = if ends_open {
        "the prompt ends with a blank behind what the model is to go on with"
    } else {
        "the prompt ends with a blank"
    };
    sink.of(template, span.clone(), message).about(template.key.clone()).edit(span, "");
}
