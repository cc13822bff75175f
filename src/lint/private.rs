//! What should not be in a repository: keys, and data of people. It is never shown, and no key of a finding is made of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::finding::Finding;
use super::look::{Look, Sink};
use super::text::Template;
use crate::core::problem::Source;
use crate::core::redact::key_shape;
use crate::core::words::counted;
use crate::expect::personal_data;

/// The endings of files that hold text.
const TEXTS: [&str; 12] = ["yaml", "yml", "json", "jsonl", "csv", "tsv", "md", "txt", "snap", "new", "xml", "html"];

/// Every text of the project but the templates, by path.
fn texts(look: &Look<'_>, folders: &[&str]) -> Vec<Arc<Source>> {
    let files: Vec<_> = folders.iter().flat_map(|folder| look.material.list(folder)).collect();
    let is_text = |path: &str| path.rsplit_once('.').is_some_and(|(_, ending)| TEXTS.contains(&ending));
    let files = files.par_iter().filter(|path| is_text(path.as_str()));
    files.filter_map(|path| look.material.file(path.as_str())).collect()
}

fn keys(text: &str) -> Vec<(&'static str, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((what, range)) = text.get(at..).and_then(key_shape) {
        found.push((what, at + range.start..at + range.end));
        at += range.end;
    }
    found
}

/// Keys in templates, cases, recordings and snapshots.
pub(super) fn secret(look: &Look<'_>, sink: &mut Sink) {
    let sources = look.material.templates.iter().map(|template| Arc::clone(&template.source));
    let sources: Vec<_> = sources.chain(texts(look, &["fixtures", "snapshots"])).collect();
    let found: Vec<_> = sources.par_iter().map(|source| (source, keys(&source.text))).collect();
    for (source, keys) in found {
        for (what, span) in keys {
            let about = format!("{what} {}", source.path);
            sink.at(source, span, format!("this looks like {what}")).hidden().about(about);
        }
    }
}

/// What a text holds of people, that was not made up for it.
fn people(text: &str) -> Vec<(&'static str, Range<usize>)> {
    personal_data(text).into_iter().filter(|(_, range)| !is_made_up(&text[range.clone()])).collect()
}

/// Hides the lines of a finding that hold what nobody should read, whatever it is about.
pub(super) fn guard(finding: &mut Finding) {
    const FAR: usize = 2000;
    let text = &finding.source.text;
    let before = text.floor_char_boundary(finding.span.start.saturating_sub(FAR));
    let behind = text.ceil_char_boundary((finding.span.end + FAR).min(text.len()));
    let from = text[before..finding.span.start].rfind('\n').map_or(before, |at| before + at + 1);
    let to = text[finding.span.end..behind].find('\n').map_or(behind, |at| finding.span.end + at);
    let lines = &text[from..to];
    if key_shape(lines).is_some() || !people(lines).is_empty() {
        finding.is_hidden = true;
    }
}

/// Addresses and numbers that are set aside for examples.
fn is_made_up(text: &str) -> bool {
    let text = text.to_lowercase();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let domains =
        ["example.com", "example.org", "example.net", "example.edu", ".example", ".test", ".invalid", ".localhost"];
    let cards = ["4242424242424242", "4111111111111111", "4000056655665556", "5555555555554444", "378282246310005"];
    domains.iter().any(|domain| text.ends_with(domain))
        || cards.contains(&digits.as_str())
        || (!text.contains('@') && digits.contains("55501"))
        || text == "de89370400440532013000"
        || text == "gb82west12345698765432"
}

fn told(found: &[(&'static str, Range<usize>)]) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (what, _) in found {
        *counts.entry(what).or_default() += 1;
    }
    let each = counts
        .into_iter()
        .map(|(what, count)| if count == 1 { what.to_owned() } else { format!("{count} times {what}") });
    each.collect::<Vec<_>>().join(", ")
}

/// Data of people in templates, cases and recordings.
pub(super) fn personal(look: &Look<'_>, sink: &mut Sink) {
    let of_template = |template: &Template| (Arc::clone(&template.source), people(&template.source.text));
    let templates = look.material.templates.par_iter().map(of_template);
    let files = texts(look, &["fixtures"]);
    let files = files.into_par_iter().map(|source| {
        let found = people(&source.text);
        (source, found)
    });
    let all: Vec<_> = templates.chain(files).filter(|(_, found)| !found.is_empty()).collect();
    for (source, found) in all {
        let Some((_, first)) = found.first() else { continue };
        let message = format!("this file holds {} in {}", told(&found), counted(found.len() as u64, "place", "places"));
        let about = format!("{} {}", told(&found), source.path);
        sink.at(&source, first.clone(), message).hidden().about(about);
    }
}
