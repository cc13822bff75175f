//! Whether the cases need what the examples of a prompt show.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value;

use super::examples::labels;
use super::look::{Look, Sink, Subject};
use super::text::{Template, normalised};
use crate::case::Case;
use crate::plan::Overrides;
use crate::project::Compare;
use crate::snapshot::{Snapshot, snapshot_path};

/// Every text of an expectation, in small letters.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.to_lowercase()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(values) => values.values().for_each(|value| texts(value, found)),
        Value::Number(number) => found.push(number.to_string()),
        Value::Bool(value) => found.push(value.to_string()),
        Value::Null => {}
    }
}

/// The accepted answers of a case.
fn accepted(look: &Look<'_>, subject: &Subject<'_>, case: &Case) -> Vec<String> {
    if case.compare == Compare::None {
        return Vec::new();
    }
    let none = Overrides::default();
    let models = look.material.workspace.models_of(case, &none);
    let sources = models.iter().filter_map(|alias| {
        let path = snapshot_path(&subject.prompt.name, &case.name, alias);
        look.material.has_file(&path).then(|| look.material.file(path.as_str())).flatten()
    });
    sources.filter_map(|source| Some(Snapshot::parse(&source.text).ok()?.body().to_lowercase())).collect()
}

/// What the cases of a prompt expect: the texts of expectations, the values that those may print, and accepted answers.
fn expected(look: &Look<'_>, subject: &Subject<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for case in &subject.cases {
        let before = found.len();
        for check in case.checks.iter().chain(case.turns.iter().flat_map(|turn| turn.checks.iter())) {
            texts(&check.node.to_json(), &mut found);
        }
        if found[before..].iter().any(|text| text.contains("{{")) {
            case.variables.iter().for_each(|(_, value)| texts(value, &mut found));
        }
        found.extend(accepted(look, subject, case));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a text is no longer than the answer of an example that sorts something.
fn is_short(text: &str) -> bool {
    !text.is_empty() && text.split(' ').count() <= 4
}

/// Answers that the cases expect word for word, and that are as short as those of examples.
fn exact(look: &Look<'_>, subject: &Subject<'_>) -> BTreeSet<String> {
    let mut found = Vec::new();
    for case in &subject.cases {
        let mut said = Vec::new();
        for check in case.checks.iter().chain(case.turns.iter().flat_map(|turn| turn.checks.iter())) {
            let Value::Object(fields) = check.node.to_json() else { continue };
            let kind = fields.get("type").and_then(Value::as_str);
            for name in ["equals", "one-of"] {
                let value = fields.get(name).or_else(|| fields.get("value").filter(|_| kind == Some(name)));
                texts(value.unwrap_or(&Value::Null), &mut said);
            }
        }
        for text in said {
            if text.contains("{{") {
                let printed = case.variables.iter().find(|(name, _)| prints(&text, name));
                texts(printed.map_or(&Value::Null, |(_, value)| value), &mut found);
            } else {
                found.push(text);
            }
        }
        found.extend(accepted(look, subject, case));
    }
    found.iter().map(|text| normalised(text)).filter(|text| is_short(text)).collect()
}

/// Whether a text is an expression that prints a variable.
fn prints(text: &str, name: &str) -> bool {
    let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
    inner.is_some_and(|inner| inner.split('|').next().is_some_and(|inner| inner.trim() == name.to_lowercase()))
}

/// Whether a text has a label in it, as words of its own.
fn says(text: &str, label: &str) -> bool {
    let is_end = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    text.match_indices(label)
        .any(|(at, _)| is_end(text[..at].chars().next_back()) && is_end(text[at + label.len()..].chars().next()))
}

/// Examples with an answer that no case expects, where the cases expect those of others, or other short answers word for word.
/// Examples of free text, whose answers no case repeats, are none of this rule's.
pub(super) fn unexercised(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    if subject.cases.is_empty() {
        return;
    }
    let mut by_label: BTreeMap<String, (&Template, Range<usize>)> = BTreeMap::new();
    let mut count = 0;
    for part in &subject.parts {
        for (span, label) in labels(part) {
            count += 1;
            by_label.entry(label).or_insert((part, span));
        }
    }
    if count < look.count("examples").max(2) || by_label.len() < 2 {
        return;
    }
    let distinct = by_label.len();
    let expected = expected(look, subject);
    let (known, missing): (Vec<_>, Vec<_>) =
        by_label.into_iter().partition(|(label, _)| expected.iter().any(|text| says(text, label)));
    // One answer alone may be met by chance, but where there are two to choose from; not where it is expected word for word.
    let is_chance = subject.cases.len() < 2 || known.is_empty() || (known.len() < 2 && missing.len() > 1);
    if is_chance {
        let exact = exact(look, subject);
        let is_one = known.iter().any(|(label, _)| exact.contains(label));
        // Examples that sort things give the same answer again; those of free text show a form.
        let are_others = known.is_empty() && !exact.is_empty() && subject.cases.len() > 1 && count > distinct;
        if !is_one && !are_others {
            return;
        }
    }
    for (label, (part, span)) in missing {
        let message = format!("no case expects `{label}`, which is the answer of this example");
        sink.of(part, span, message).about(label);
    }
}
