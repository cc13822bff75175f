//! What each expectation speaks of: how an answer is put, what it says, or what it took.

use super::registry;
use crate::core::verdict::About;

/// How an answer is put.
const FORM: [&str; 23] = [
    "starts-with",
    "ends-with",
    "regex",
    "is-json",
    "contains-json",
    "json-schema",
    "is-xml",
    "contains-xml",
    "is-html",
    "contains-html",
    "is-sql",
    "contains-sql",
    "is-yaml",
    "code-fence",
    "valid-tool-arguments",
    "reasoning",
    "language",
    "cites",
    "cites-retrieved",
    "word-count",
    "max-tokens",
    registry::FINISH_REASON,
    registry::IS_EMPTY,
];
/// What it took, and where it came from.
const MEANS: [&str; 4] = ["latency", "cost", "served-model", "context-share"];
/// What is made of others speaks of what they speak of.
const COMPOSED: [&str; 3] = ["all", "any", "none"];

/// What an expectation speaks of by itself; `None` where its parts say it. All others speak of content.
pub(super) fn about(name: &str) -> Option<About> {
    if COMPOSED.contains(&name) {
        None
    } else if FORM.contains(&name) {
        Some(About::Form)
    } else if MEANS.contains(&name) {
        Some(About::Means)
    } else {
        Some(About::Content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_of_an_expectation_and_stands_once() {
        let mut all: Vec<&str> = FORM.iter().chain(&MEANS).chain(&COMPOSED).copied().collect();
        assert!(all.iter().all(|name| registry::find(name).is_some()), "{all:?}");
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
