//! Every expectation by its name. Adding one is its file and its line here.

use super::Written;
use super::argument::Arguments;
use super::{json, levenshtein, measure, refusal, schema, text};

/// Builds an expectation from its arguments, or reports what is wrong with them.
pub(super) type Build = fn(&mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>>;

/// What an expectation may have beside its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    Nothing,
    Threshold,
    Flags,
}

/// An expectation's name, how it is built, and what stands beside its value.
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) build: Build,
    pub(super) extra: Extra,
}

const fn entry(name: &'static str, build: Build) -> Entry {
    Entry { name, build, extra: Extra::Nothing }
}

/// The one that asks for an empty answer.
pub(super) const IS_EMPTY: &str = "is-empty";
/// Those that ask for an answer that was cut, filtered or declined.
pub(super) const FINISH_REASON: &str = "finish-reason";
pub(super) const IS_REFUSAL: &str = "is-refusal";

pub(super) const ENTRIES: [Entry; 23] = [
    entry("equals", text::equals),
    entry("contains", text::contains),
    entry("icontains", text::icontains),
    entry("contains-all", text::contains_all),
    entry("contains-any", text::contains_any),
    entry("icontains-all", text::icontains_all),
    entry("icontains-any", text::icontains_any),
    entry("starts-with", text::starts_with),
    entry("ends-with", text::ends_with),
    Entry { name: "regex", build: text::regex, extra: Extra::Flags },
    entry("is-json", schema::is_json),
    entry("contains-json", schema::contains_json),
    entry("json-schema", schema::json_schema),
    entry("json-path", json::json_path),
    entry("word-count", measure::word_count),
    entry("max-tokens", measure::max_tokens),
    entry("latency", measure::latency),
    entry("cost", measure::cost),
    entry(FINISH_REASON, measure::finish_reason),
    entry(IS_REFUSAL, refusal::build),
    entry(IS_EMPTY, measure::is_empty),
    Entry { name: "levenshtein", build: levenshtein::build, extra: Extra::Threshold },
    entry("served-model", measure::served_model),
];

/// The names of all expectations.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name)
}

pub(super) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}
