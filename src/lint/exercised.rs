//! Whether the cases need what the examples of a prompt show.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::examples::labels;
use super::look::{Look, Sink, Subject};
use super::text::Template;
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

/// What the cases of a prompt expect: the texts of expectations, the values that those may print, and accepted answers.
fn expected(look: &Look<'_>, subject: &Subject<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let (workspace, none) = (look.material.workspace, Overrides::default());
    let accepted = |case: &Case| -> Vec<String> {
        let paths = workspace.models_of(case, &none).iter().map(|alias| {
            let path = snapshot_path(&subject.prompt.name, &case.name, alias);
            look.material.has_file(&path).then(|| look.material.file(path.as_str())).flatten()
        });
        paths.flatten().filter_map(|source| Some(Snapshot::parse(&source.text).ok()?.body().to_lowercase())).collect()
    };
    for case in &subject.cases {
        let before = found.len();
        for check in case.checks.iter().chain(case.turns.iter().flat_map(|turn| turn.checks.iter())) {
            texts(&check.node.to_json(), &mut found);
        }
        if found[before..].iter().any(|text| text.contains("{{")) {
            case.variables.iter().for_each(|(_, value)| texts(value, &mut found));
        }
        if case.compare != Compare::None {
            found.extend(accepted(case));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a text has a label in it, as words of its own.
fn says(text: &str, label: &str) -> bool {
    let is_end = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    text.match_indices(label)
        .any(|(at, _)| is_end(text[..at].chars().next_back()) && is_end(text[at + label.len()..].chars().next()))
}

/// Examples with an answer that no case expects, where the cases expect those of others. Examples of free text, whose answers
/// no case repeats, are none of this rule's.
pub(super) fn unexercised(look: &Look<'_>, subject: &Subject<'_>, sink: &mut Sink) {
    if subject.cases.len() < 2 {
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
    let expected = expected(look, subject);
    let (known, missing): (Vec<_>, Vec<_>) =
        by_label.into_iter().partition(|(label, _)| expected.iter().any(|text| says(text, label)));
    // One answer alone may be met by chance, but where there are two to choose from.
    if known.is_empty() || (known.len() < 2 && missing.len() > 1) {
        return;
    }
    for (label, (part, span)) in missing {
        let message = format!("no case expects `{label}`, which is the answer of this example");
        sink.of(part, span, message).about(label);
    }
}
