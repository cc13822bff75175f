//! `abstains`: whether an answer says that it does not know, or that it was not given what it would take. The rules are few and
//! published, so that a person can foresee them.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::argument::Arguments;
use super::fixed::fixed;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};

/// How much of the answer's beginning is looked at, in characters: who does not know says so first.
const HEAD: usize = 300;

const SOURCE: &str = "(?:the |this |these |your |any (?:of the )?|my )?(?:given |provided |available |supplied |above |attached )*(?:context|documents?|sources?|policy|policies|text|passages?|information|article|knowledge base|materials?|excerpts?|records?|data|documentation|faq|manual)";

/// What an answer says that abstains. English only.
static SET: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
    RegexSet::new([
        // "I don't know", "we do not really know", "I honestly don't know the answer".
        r"\b(?:i|we) (?:\w+ly )?(?:don't|do not) (?:\w+ly )?know\b".to_owned(),
        // "I'm not sure", "I am not certain".
        r"\b(?:i'm|i am|we're|we are) (?:not (?:entirely |really )?(?:sure|certain)|unsure)\b".to_owned(),
        // "I don't have information", "I have no record", "we do not have enough details".
        r"\b(?:i|we) (?:(?:currently |do not currently |don't currently )?(?:don't|do not) have|don't currently have|do not currently have|have no|lack)(?: access to)?(?: any| the| that| enough| sufficient| specific| more)* (?:information|details?|data|knowledge|records?|answer|context|documentation|way of knowing)\b".to_owned(),
        // "I can't find that", "I couldn't find any information", "I was unable to determine", "I cannot answer from the context".
        r"\b(?:i|we) (?:can't|cannot|can not|couldn't|could not|(?:am|was|are|were|'m) unable to|'m not able to|am not able to) (?:find|determine|locate|tell|say|verify|confirm|answer)\b".to_owned(),
        // "The document doesn't mention", "the policy does not say".
        format!(r"\b{SOURCE} (?:i have |i was given |(?:that )?you (?:gave|provided) |provided |given |available )?(?:don't|doesn't|do not|does not|didn't|did not) (?:\w+ly )?(?:mention|say|state|specify|contain|include|provide|cover|address|describe|discuss|answer|indicate|give|tell)\b"),
        // "None of the sources mention", "neither document says".
        format!(r"\b(?:none of|neither(?: of)?) {SOURCE} (?:\w+ly )?(?:mentions?|says?|states?|specif(?:y|ies)|contains?|includes?|provides?|covers?|address(?:es)?|describes?|discuss(?:es)?|answers?)\b"),
        // "There is no information about", "no mention of", "not enough information", "insufficient information".
        r"\b(?:there(?:'s| is) (?:no|not enough|insufficient)|(?:not|isn't) enough|insufficient) (?:\w+ )?(?:information|mention|details?|data|evidence|context)\b".to_owned(),
        r"\bno (?:\w+ )?(?:information|mention|details?|data|evidence|context) (?:(?:is|was|are|were) )?(?:available|given|provided|found|about|on|regarding)\b".to_owned(),
        // "It is not mentioned in the document", "this isn't stated", "is not known".
        format!(r"\b(?:is|are|was|were)(?: not|n't) (?:\w+ly )?(?:mentioned|stated|specified|provided|given|included|covered|found|described|available|contained|answered) (?:in|by|within|from|anywhere in) {SOURCE}"),
        // "The answer is unknown", "it cannot be determined".
        r"\b(?:(?:the answer|it|this|that) (?:is|remains) (?:unknown|not known|unclear)|(?:can't|cannot|can not|could not|couldn't) be (?:determined|answered|inferred|found))\b".to_owned(),
        // The whole of it.
        r"^\W*(?:unknown|not (?:known|stated|mentioned|specified|found|available|enough information)|no (?:answer|idea)(?: found)?|n/?a|unanswerable|insufficient information|cannot answer)\W*$".to_owned(),
    ])
    .ok()
});

/// Who wonders why somebody doubts it does not say that they do not know it.
static WONDERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b(?:don't|do not) (?:\w+ly )?know (?:why|how) (?:you|anyone|anybody|someone|people|they) (?:would |could |might |should |can |ever |even )*(?:doubt|ask|think|believe|say|question|wonder|worry)\b").ok()
});

/// Whether a text abstains.
fn abstains(text: &str) -> bool {
    let head: String = text.chars().take(HEAD).collect();
    let head = head.to_lowercase().replace('\u{2019}', "'");
    let head =
        WONDERS.as_ref().map_or_else(|| head.clone(), |wonders| wonders.replace_all(&head, "wonder").into_owned());
    SET.as_ref().is_some_and(|set| set.is_match(&head))
}

struct Abstains;

pub(super) fn build(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    if arguments.value.is_some() {
        arguments.error("`abstains` takes no value");
        return None;
    }
    Some(fixed(Abstains))
}

impl Check for Abstains {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        let holds = abstains(text);
        let what = if holds {
            "the answer says that it does not know"
        } else {
            "the answer does not say that it does not know"
        };
        Finding::new(holds, format!("{what}: {}", quoted(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wonders_why_somebody_doubts_was_taken_for_one_who_does_not_know() {
        assert!(WONDERS.is_some(), "it compiles");
        assert!(!abstains("I don't know why you would doubt it: the answer is 42."));
        assert!(abstains("I don't know why you were charged twice."));
        assert!(abstains("I don't know why you ask. I do not know the answer."));
    }

    #[derive(serde::Deserialize)]
    struct Texts {
        abstains: Vec<String>,
        answers: Vec<String>,
    }

    /// What the documentation says of the rules.
    #[test]
    fn the_rules_are_measured_on_texts_that_were_there_before_them() {
        assert!(SET.is_some(), "every rule compiles");
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/abstains.yaml");
        let texts: Texts = serde_yaml::from_str(&std::fs::read_to_string(file).expect("readable")).expect("texts");
        let missed: Vec<&String> = texts.abstains.iter().filter(|text| !abstains(text)).collect();
        let wrong: Vec<&String> = texts.answers.iter().filter(|text| abstains(text)).collect();
        let counts = (missed.len(), texts.abstains.len(), wrong.len(), texts.answers.len());
        assert_eq!(counts, (3, 46, 0, 44), "missed: {missed:#?}, taken for it: {wrong:#?}");
    }
}
