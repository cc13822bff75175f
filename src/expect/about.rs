//! What each expectation speaks of: how an answer is put, what it says, or what it took.

use regex_syntax::ast::{Ast, LiteralKind, parse::Parser};

use super::registry;
use crate::core::verdict::About;
use crate::core::yaml::{Data, Node};

/// How an answer is put.
const FORM: [&str; 20] = [
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
/// How an answer is put or what it says, by what they look for.
const EITHER: [&str; 3] = ["starts-with", "ends-with", "regex"];
/// What it took, and where it came from.
const MEANS: [&str; 4] = ["latency", "cost", "served-model", "context-share"];
/// What is made of others speaks of what they speak of.
const COMPOSED: [&str; 3] = ["all", "any", "none"];

/// What an expectation speaks of by itself; `None` where its parts say it. All others speak of content.
pub(super) fn about(name: &str, value: Option<&Node>) -> Option<About> {
    if COMPOSED.contains(&name) {
        None
    } else if EITHER.contains(&name) {
        let text = value.and_then(|node| if let Data::Text(text) = &node.data { Some(text.as_str()) } else { None });
        let has_words = |text: &str| if name == "regex" { spells(text) } else { text.contains(char::is_alphanumeric) };
        Some(if text.is_none_or(has_words) { About::Either } else { About::Form })
    } else if FORM.contains(&name) {
        Some(About::Form)
    } else if MEANS.contains(&name) {
        Some(About::Means)
    } else {
        Some(About::Content)
    }
}

/// Whether a regular expression spells a letter or a digit out, and does not only say where which kinds of characters
/// stand. One that only its more powerful kin can read may.
fn spells(pattern: &str) -> bool {
    fn has(ast: &Ast) -> bool {
        match ast {
            // `\n` and `\x0a` are no words.
            Ast::Literal(literal) => literal.kind == LiteralKind::Verbatim && literal.c.is_alphanumeric(),
            Ast::Repetition(repetition) => has(&repetition.ast),
            Ast::Group(group) => has(&group.ast),
            Ast::Alternation(alternation) => alternation.asts.iter().any(has),
            Ast::Concat(concat) => concat.asts.iter().any(has),
            _ => false,
        }
    }
    Parser::new().parse(pattern).map_or(true, |ast| has(&ast))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_expression_that_spells_a_word_may_want_a_fact() {
        for words in [r"\b14 days\b", "(?i)^yes$", "^(billing|shipping)$", "a(?=b)", "{{ label }}", "^B$"] {
            assert!(spells(words), "{words}");
        }
        for form in [r"^\d{4}-\d\d-\d\d$", "^[A-Z]+$", r"^\{.*\}$", r"\s\n", r"^\p{L}+[.!?]$"] {
            assert!(!spells(form), "{form}");
        }
    }

    #[test]
    fn every_name_is_one_of_an_expectation_and_stands_once() {
        let mut all: Vec<&str> = FORM.iter().chain(&EITHER).chain(&MEANS).chain(&COMPOSED).copied().collect();
        assert!(all.iter().all(|name| registry::find(name).is_some()), "{all:?}");
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
