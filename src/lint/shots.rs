//! The examples that a template shows, whatever form they have: turns of the conversation, elements, labelled lines,
//! arrows, tables.

use std::collections::HashMap;
use std::ops::Range;

use super::pattern;
use super::structure::counts;
use super::text::{HOLE, Speaker, Template, TextLine, normalised};

/// An example.
#[derive(Debug)]
pub(super) struct Shot {
    /// Where it stands.
    pub(super) span: Range<usize>,
    /// What is answered in it.
    pub(super) answer: Range<usize>,
}

pattern!(
    ELEMENT,
    r"(?is)<example\b[^>]*>(?P<a>.*?)</example>|<sample\b[^>]*>(?P<b>.*?)</sample>|<shot\b[^>]*>(?P<c>.*?)</shot>"
);
pattern!(LAST_CHILD, r"(?s)<[\w-]+[^<>]*>([^<]*)</[\w-]+>\s*$");
pattern!(
    LABELLED,
    r"^\s*(?:[-*•>]\s*|\d{1,3}[.)]\s*)?(?:\*\*|_)?(?P<label>\p{L}[\p{L} /_-]{0,24}?)(?:\s*\d{1,3})?\s*(?:\*\*|_)?\s*[:：](?:\*\*)?\s*(?P<value>\S.*)$"
);
pattern!(
    ASKED,
    r"(?i)^(?:(?:sample|example) )?(?:inputs?|q|question|user|human|text|message|ticket|e-?mail|sentence|review|comment|post|query|utterance|document)$"
);
pattern!(
    ANSWERED,
    r"(?i)^(?:(?:sample|example|expected) )?(?:outputs?|a|answer|assistant|ai|label|sentiment|category|class|intent|queue|topic|tag|result|response)$"
);
pattern!(ARROW, r"^\s*(?:[-*•]\s*|\d{1,3}[.)]\s*)?(?P<left>\S.*?)\s*(?:-{1,2}>|→|={1,2}>|⇒|⟶)\s*(?P<value>\S.*)$");
pattern!(QUOTED, r#"^["'“„«`].*["'”“»`]$"#);
pattern!(ROW, r"^\s*\|(.+)\|\s*$");
pattern!(RULE, r"^\s*\|[\s:|-]+\|\s*$");

/// Whether a stretch of masked text is more than what a variable prints.
fn is_text(text: &str) -> bool {
    text.chars().any(|c| c.is_alphanumeric() && c != HOLE)
}

/// The examples of a template, in their order.
pub(super) fn shots(template: &Template) -> Vec<Shot> {
    let turns = turns(template);
    let mut all = elements(template);
    for more in [labelled, arrows, rows] {
        let lines: Vec<&TextLine> = template
            .lines
            .iter()
            // What a user said before the model answered is part of that example.
            .filter(|line| !matches!(line.speaker, Speaker::Assistant | Speaker::Tool))
            .filter(|line| turns.is_empty() || line.speaker != Speaker::User)
            .filter(|line| {
                // They are sorted, and do not overlap.
                let next = all.partition_point(|shot: &Shot| shot.span.end <= line.span.start);
                all.get(next).is_none_or(|shot| shot.span.start >= line.span.end)
            })
            .collect();
        all.extend(more(template, &lines));
        all.sort_by_key(|shot| shot.span.start);
    }
    all.extend(turns);
    all.sort_by_key(|shot| shot.span.start);
    all
}

/// What the model said before.
fn turns(template: &Template) -> Vec<Shot> {
    let said = super::examples::blocks(template, |line| line.speaker == Speaker::Assistant);
    let said = said.into_iter().filter(|span| is_text(&template.masked[span.clone()]));
    said.map(|span| Shot { answer: span.clone(), span }).collect()
}

/// `<example>…</example>`; the answer is its last element, or stands in its last line.
fn elements(template: &Template) -> Vec<Shot> {
    let text = &template.masked[template.body..];
    let found = ELEMENT.captures_iter(text).filter_map(|found| {
        let (whole, inner) = (found.get(0)?, found.name("a").or(found.name("b")).or(found.name("c"))?);
        if !is_text(inner.as_str()) {
            return None;
        }
        let last = || {
            let end = inner.as_str().trim_end().len();
            let from = inner.as_str()[..end].rfind('\n').map_or(0, |at| at + 1);
            let line = &inner.as_str()[from..end];
            let value = LABELLED.captures(line).or_else(|| ARROW.captures(line)).and_then(|found| found.name("value"));
            let span = value.map_or(0..line.len(), |value| value.range());
            from + span.start..from + span.end
        };
        let child = LAST_CHILD.captures(inner.as_str()).and_then(|found| found.get(1)).map(|found| found.range());
        let (answer, at) = (child.unwrap_or_else(last), template.body + inner.start());
        let span = template.body + whole.start()..template.body + whole.end();
        Some(Shot { span, answer: at + answer.start..at + answer.end })
    });
    found.collect()
}

struct Label {
    line: usize,
    key: String,
    span: Range<usize>,
    value: Range<usize>,
    is_example: bool,
}

/// `Ticket: …` and `Queue: …`, again and again.
fn labelled(template: &Template, lines: &[&TextLine]) -> Vec<Shot> {
    let label = |(number, line): (usize, &&TextLine)| {
        let found = LABELLED.captures(&template.masked[line.span.clone()])?;
        let (label, value) = (found.name("label")?, found.name("value")?);
        let value = line.span.start + value.start()..line.span.start + value.end();
        let key = label.as_str().trim().to_lowercase();
        let (span, is_example) = (line.span.clone(), line.is_example);
        is_text(&template.masked[value.clone()]).then_some(Label { line: number, key, span, value, is_example })
    };
    let labels: Vec<Label> = lines.iter().enumerate().filter_map(label).collect();
    let mut often: HashMap<&str, usize> = HashMap::new();
    for label in &labels {
        *often.entry(&label.key).or_default() += 1;
    }
    let is_part = |label: &Label| {
        often.get(label.key.as_str()).is_some_and(|count| *count > 1)
            || ASKED.is_match(&label.key)
            || ANSWERED.is_match(&label.key)
    };
    // A few lines may lie between, and one that is empty.
    let is_near = |one: &Label, next: &Label| {
        let between = lines.get(one.line + 1..next.line).unwrap_or_default();
        let is_empty = |line: &&&TextLine| template.masked[line.span.clone()].trim().is_empty();
        between.len() <= 6 && between.iter().filter(is_empty).count() <= 1
    };
    let mut groups: HashMap<&str, Vec<(&[Label], Shot)>> = HashMap::new();
    let mut at = 0;
    while let Some(first) = labels.get(at) {
        let mut end = at + 1;
        while let (true, Some(next)) = (is_part(first), labels.get(end)) {
            if next.key == first.key || !is_part(next) || !is_near(&labels[end - 1], next) {
                break;
            }
            end += 1;
        }
        let last = &labels[end - 1];
        if end > at + 1 {
            let shot = Shot { span: first.span.start..last.span.end, answer: last.value.clone() };
            groups.entry(&first.key).or_default().push((&labels[at..end], shot));
        }
        at = end;
    }
    let are_examples = |group: &Vec<(&[Label], Shot)>| {
        let answers = || group.iter().map(|(_, shot)| normalised(&template.masked[shot.answer.clone()]));
        let is_known = group.iter().any(|(labels, _)| {
            let last = &labels[labels.len() - 1];
            last.is_example || ANSWERED.is_match(&last.key)
        });
        // What sorts things says the same again.
        let all: Vec<String> = answers().filter(|answer| answer.split(' ').count() <= 4).collect();
        let again = counts(all.iter().map(String::as_str)).first().is_some_and(|(_, count)| *count > 1);
        is_known || (group.len() > 1 && all.len() == group.len() && again)
    };
    groups.into_values().filter(are_examples).flatten().map(|(_, shot)| shot).collect()
}

/// `"I was charged twice" -> billing`.
fn arrows(template: &Template, lines: &[&TextLine]) -> Vec<Shot> {
    let found = lines.iter().filter_map(|line| {
        let text = &template.masked[line.span.clone()];
        let found = ARROW.captures(text).filter(|_| !line.is_code || line.is_example)?;
        let (left, value) = (found.name("left")?.as_str(), found.name("value")?);
        let is_said = line.is_example || QUOTED.is_match(left) || left.split_whitespace().count() >= 4;
        let answer = line.span.start + value.start()..line.span.start + value.end();
        (is_said && is_text(left) && is_text(value.as_str())).then(|| Shot { span: line.span.clone(), answer })
    });
    let found: Vec<Shot> = found.collect();
    if found.len() > 1 { found } else { Vec::new() }
}

/// The rows of a table of texts and what they are.
fn rows(template: &Template, lines: &[&TextLine]) -> Vec<Shot> {
    let mut found = Vec::new();
    let mut head: Option<&str> = None;
    let mut is_table = false;
    for line in lines {
        let text = &template.masked[line.span.clone()];
        let Some(cells) = ROW.captures(text).and_then(|found| found.get(1)) else {
            (head, is_table) = (None, false);
            continue;
        };
        if RULE.is_match(text) {
            let names: Vec<&str> = head.unwrap_or_default().split('|').map(str::trim).collect();
            let is_named = names.first().is_some_and(|name| ASKED.is_match(name))
                && names.last().is_some_and(|name| ANSWERED.is_match(name));
            is_table = names.len() > 1 && (is_named || line.is_example);
        } else if is_table {
            let from = cells.as_str().rfind('|').map_or(0, |at| at + 1);
            let answer = line.span.start + cells.start() + from..line.span.start + cells.end();
            if is_text(cells.as_str()) {
                found.push(Shot { span: line.span.clone(), answer });
            }
        }
        head = Some(cells.as_str());
    }
    found
}
