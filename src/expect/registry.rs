//! Every expectation by its name. Adding one is its file and its line here.

use super::Written;
use super::argument::Arguments;
use super::{
    abstains, cites, compose, fence, html, json, judge, language, levenshtein, markup, meaning, measure, metrics,
    number, one_of, pii, preference, program, reasoning, refusal, retrieved, schema, sql, subset, text, tools, yaml,
};

/// Builds an expectation from its arguments, or reports what is wrong with them.
pub(super) type Build = fn(&mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>>;

/// What an expectation may have beside its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    Nothing,
    Threshold,
    Flags,
    /// Of a judge.
    Judge,
    /// Of a judge that reads what the model was given.
    Contextual,
    /// Of a judge that goes through steps.
    Steps,
    /// Of a judge that is given categories.
    Categories,
    /// Of a judge whose words are compared by what they mean.
    Relevance,
    /// Of what compares embeddings.
    Meaning,
}

impl Extra {
    /// The options by their names.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Threshold => &["threshold"],
            Self::Flags => &["flags"],
            Self::Judge => &["threshold", "model", "prompt", "question"],
            Self::Contextual => &["threshold", "model", "prompt", "question", "context"],
            Self::Steps => &["threshold", "model", "prompt", "question", "steps"],
            Self::Categories => &["model", "prompt", "question", "accept"],
            Self::Relevance => &["threshold", "model", "prompt", "question", "embeddings"],
            Self::Meaning => &["threshold", "model"],
        }
    }
}

/// Every option that some expectation has beside its value.
pub(super) fn options() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().flat_map(|entry| entry.extra.names().iter().copied())
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

/// One that gives a score, of which a threshold makes a verdict.
const fn scored(name: &'static str, build: Build) -> Entry {
    Entry { name, build, extra: Extra::Threshold }
}

/// A name of the field that is refused with its reason.
const METEOR: &str = "meteor";
/// The one that asks for an empty answer.
pub(super) const IS_EMPTY: &str = "is-empty";
/// Those that ask for an answer that was cut, filtered or declined.
pub(super) const FINISH_REASON: &str = "finish-reason";
pub(super) const IS_REFUSAL: &str = "is-refusal";

pub(super) const ENTRIES: &[Entry] = &[
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
    entry("is-xml", markup::is_xml),
    entry("contains-xml", markup::contains_xml),
    entry("is-html", html::is_html),
    entry("contains-html", html::contains_html),
    entry("is-sql", sql::is_sql),
    entry("contains-sql", sql::contains_sql),
    entry("is-yaml", yaml::is_yaml),
    entry("json-subset", subset::json_subset),
    entry("one-of", one_of::one_of),
    entry("number", number::number),
    entry("code-fence", fence::code_fence),
    entry("tool-call", tools::tool_call),
    entry("valid-tool-arguments", tools::valid_tool_arguments),
    entry("reasoning", reasoning::reasoning),
    entry("language", language::language),
    entry("no-pii", pii::no_pii),
    entry("cites", cites::cites),
    entry("cites-retrieved", retrieved::cites_retrieved),
    entry("context-share", retrieved::context_share),
    entry("abstains", abstains::build),
    scored("rouge-n", metrics::rouge_n),
    scored("bleu", metrics::bleu),
    scored("gleu", metrics::gleu),
    scored(METEOR, metrics::meteor),
    scored("chrf", metrics::chrf),
    scored("similarity", metrics::similarity),
    entry("word-count", measure::word_count),
    entry("max-tokens", measure::max_tokens),
    entry("latency", measure::latency),
    entry("cost", measure::cost),
    entry(FINISH_REASON, measure::finish_reason),
    entry(IS_REFUSAL, refusal::build),
    entry(IS_EMPTY, measure::is_empty),
    Entry { name: "levenshtein", build: levenshtein::build, extra: Extra::Threshold },
    entry("served-model", measure::served_model),
    Entry { name: "all", build: compose::all, extra: Extra::Threshold },
    entry("any", compose::any),
    entry("none", compose::none),
    Entry { name: "llm-rubric", build: judge::llm_rubric, extra: Extra::Judge },
    Entry { name: "g-eval", build: judge::g_eval, extra: Extra::Steps },
    Entry { name: "factuality", build: judge::factuality, extra: Extra::Categories },
    Entry { name: "context-faithfulness", build: judge::context_faithfulness, extra: Extra::Contextual },
    Entry { name: "context-recall", build: judge::context_recall, extra: Extra::Contextual },
    Entry { name: "context-relevance", build: judge::context_relevance, extra: Extra::Contextual },
    Entry { name: "select-best", build: preference::select_best, extra: Extra::Judge },
    Entry { name: "prefers", build: preference::prefers, extra: Extra::Judge },
    Entry { name: "similar", build: meaning::similar, extra: Extra::Meaning },
    Entry { name: "answer-relevance", build: meaning::answer_relevance, extra: Extra::Relevance },
    entry("exec", program::exec),
];

/// The names of all expectations.
pub fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|entry| entry.name).filter(|name| *name != METEOR)
}

pub(super) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}
