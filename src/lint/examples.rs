//! The examples of a prompt: that they are what is asked for, that no case is among them, that they are few and balanced.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use serde_json::Value;

use super::look::{Look, Sink, Subject};
use super::pattern;
use super::structure::counts;
use super::text::{HOLE, Speaker, Template, normalised};

pattern!(OUTPUT, r"(?i)\b(?:output|respon[sd]|answer|return|repl(?:y|ies)|format|produce|result)");
pattern!(
    LABEL,
    r"(?i)^\W{0,4}(?:inputs?|outputs?|examples?|q|a|question|answer|user|assistant|human|ai|label|sentiment|category|class)\b[^:\n]{0,12}:\s*"
);
pattern!(
    ANSWER,
    r"(?i)^\W{0,4}(?:outputs?|a|answer|assistant|ai|label|sentiment|category|class)\b[^:\n]{0,12}:\s*(\S.*)$"
);

/// Stretches of lines that belong together: what one speaker says, or one code block.
fn blocks(template: &Template, is_in: impl Fn(&super::text::TextLine) -> bool) -> Vec<Range<usize>> {
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

/// Examples of answers, as JSON where they are that.
fn answers(template: &Template) -> Vec<(Range<usize>, Value)> {
    let said = blocks(template, |line| line.speaker == Speaker::Assistant);
    let code = blocks(template, |line| line.is_code && line.speaker != Speaker::Assistant);
    let is_answer = |span: &Range<usize>| {
        let before = &template.masked[template.body..span.start];
        let near: Vec<&str> = before.lines().rev().filter(|line| !line.trim().is_empty()).take(2).collect();
        near.iter().any(|line| OUTPUT.is_match(line))
    };
    let all = said.into_iter().chain(code.into_iter().filter(is_answer));
    all.filter_map(|span| {
        let text = &template.masked[span.clone()];
        let from = text.find('{')?;
        let to = text.rfind('}')? + 1;
        let value = serde_json::from_str(text.get(from..to)?).ok()?;
        Some((span.start + from..span.start + to, value))
    })
    .collect()
}

/// An example of an answer that the prompt's own schema refuses.
pub(super) fn breaks_schema(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let Some(output) = &subject.prompt.front.output else { return };
    let Ok(validator) = jsonschema::validator_for(&output.format.schema) else { return };
    for part in &subject.parts {
        for (span, value) in answers(part) {
            if let Some(error) = validator.iter_errors(&value).next() {
                sink.of(part, span, format!("the schema of the answer refuses this example: {error}"));
            }
        }
    }
}

fn has_words(text: &str, least: usize) -> bool {
    text.split(' ').filter(|word| !word.contains("{}")).count() >= least
}

/// An example that is also a case.
pub(super) fn is_case(_: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let examples: Vec<(&Template, Range<usize>, String)> = subject
        .parts
        .iter()
        .flat_map(|part| {
            let whole = blocks(part, |line| line.is_example);
            let single = part.lines.iter().filter(|line| line.is_example).map(|line| line.span.clone());
            whole.into_iter().chain(single).map(move |span| (*part, span))
        })
        .map(|(part, span)| {
            let text = &part.masked[span.clone()];
            let text = LABEL.replace(text, "");
            (part, span, normalised(&text))
        })
        .filter(|(_, _, text)| has_words(text, 4))
        .collect();
    if examples.is_empty() {
        return;
    }
    let mut by_text: HashMap<&str, usize> = HashMap::new();
    for (place, (_, _, text)) in examples.iter().enumerate() {
        by_text.entry(text).or_insert(place);
    }
    let mut told: BTreeSet<String> = BTreeSet::new();
    for case in &subject.cases {
        for (_, value) in case.variables.iter() {
            let Some(text) = value.as_str().filter(|text| text.len() < 4000).map(normalised) else { continue };
            let Some((part, span, _)) = by_text.get(text.as_str()).and_then(|place| examples.get(*place)) else {
                continue;
            };
            if told.insert(text) {
                let message = format!("this example is the case `{}`", case.name);
                sink.of(part, span.clone(), message);
            }
        }
    }
}

/// What the examples of a template answer, where that is short.
fn labels(template: &Template) -> Vec<(Range<usize>, String)> {
    let said = blocks(template, |line| line.speaker == Speaker::Assistant).into_iter();
    let mut labels: Vec<(Range<usize>, String)> =
        said.map(|span| (span.clone(), normalised(&template.masked[span]))).collect();
    for line in template.lines.iter().filter(|line| line.is_example && line.speaker != Speaker::Assistant) {
        if let Some(found) = ANSWER.captures(&template.masked[line.span.clone()]) {
            labels.push((line.span.clone(), normalised(&found[1])));
        }
    }
    labels.retain(|(_, label)| !label.is_empty() && !label.contains("{}") && label.split(' ').count() <= 4);
    labels
}

/// Examples that mostly have one answer.
pub(super) fn imbalance(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let labels = labels(subject.own);
    let counted = counts(labels.iter().map(|(_, label)| label.as_str()));
    let Some((label, count)) = counted.first().filter(|_| labels.len() >= look.count("count")) else { return };
    #[expect(clippy::cast_precision_loss, reason = "counts of examples")]
    let share = *count as f64 / labels.len() as f64;
    if share > look.limit("share") {
        let message = format!("{count} of {} examples are answered with `{label}`", labels.len());
        sink.of(subject.own, labels[0].0.clone(), message).about(subject.own.key.clone());
    }
}

/// Very many examples.
pub(super) fn many(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    let said = blocks(subject.own, |line| line.speaker == Speaker::Assistant);
    let is_text = |span: &&Range<usize>| {
        !subject.own.masked[(*span).clone()].trim_matches(|c: char| c.is_whitespace() || c == HOLE).is_empty()
    };
    let labelled = subject.own.lines.iter().filter(|line| {
        line.is_example && line.speaker != Speaker::Assistant && ANSWER.is_match(&subject.own.masked[line.span.clone()])
    });
    let count = said.iter().filter(is_text).count().max(labelled.count());
    if count > look.count("count") {
        let message = format!("the prompt has {count} examples");
        sink.of(subject.own, subject.own.start(), message).about(subject.own.key.clone());
    }
}
