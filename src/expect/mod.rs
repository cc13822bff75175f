//! Expectations: checks on a response. One file a family, each registered by one line in `registry`.
//!
//! Gets what was written in `cases.yaml` and gives [`Expectation`]s that were found to make sense; each is bound to a
//! case's variables and then checks responses. Knows nothing of providers: a judge, an embedder or a program reaches it as
//! a trait ([`Oracle`]). Turning an expectation round (`not-`) and the rule for empty answers live here, once, for all of them.

mod abstains;
mod about;
mod argument;
mod cites;
mod compile;
mod compose;
mod exact;
mod fence;
mod fixed;
mod form;
mod fuzzy;
mod html;
mod json;
mod judge;
mod language;
mod levenshtein;
mod markup;
mod meaning;
mod measure;
mod metrics;
mod ngrams;
mod number;
mod numerals;
mod one_of;
mod oracle;
mod outright;
mod pii;
mod preference;
mod program;
mod reading;
mod reasoning;
mod references;
mod refusal;
mod registry;
mod retrieved;
mod schema;
mod shipped;
mod shown;
mod sql;
mod subset;
mod text;
mod texts;
mod tools;
mod total;
mod transform;
mod values;
mod wanted;
mod written;
mod yaml;

pub use compile::{Bound, Expectation, compile};
pub use form::form_changes;
pub use judge::ASKS_AGAIN;
pub use oracle::{JudgeNeed, JudgeQuestion, Judgement, Need, Nobody, Oracle, Told};
pub use pii::personal_data;
pub use preference::{PREFERS, compares_answers};
pub use refusal::is_refusal;
pub use registry::names;
pub use shipped::{SHIPPED, given, judged};
pub use total::{Total, total};

use serde_json::Value;

use crate::core::record::{Message, Response, Role, Tool};
use crate::core::verdict::{Checked, JudgedBy, Lack};

/// What is checked.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The answer.
    pub response: &'a Response,
    /// What it cost, where that is known.
    pub cost_usd: Option<f64>,
    /// Who is asked by what the answer alone cannot tell.
    pub oracle: &'a dyn Oracle,
    /// The tools that the prompt offers.
    pub tools: &'a [Tool],
    /// The turn of the conversation that it answers, from 1.
    pub turn: u32,
    /// Every message that was sent before it; none where nobody asks for them, or where they are not known.
    pub sent: &'a [Message],
}

impl Subject<'_> {
    /// What the answer answers: the last message of the user.
    pub(crate) fn question(&self) -> String {
        let last = self.sent.iter().rev().find(|message| message.role == Role::User);
        last.filter(|_| self.turn > 1).map_or_else(|| self.oracle.question(), |message| message.content.clone())
    }

    /// The messages that were sent before it, as data.
    pub(crate) fn conversation(&self) -> Value {
        let said = |message: &Message| serde_json::json!({"role": message.role.name(), "content": message.content});
        self.sent.iter().map(said).collect()
    }
}

/// Reads a file that an expectation names, as seen from its own file.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// What a check found: whether it holds, how well, and the sentence that says why.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is another fact")]
pub(crate) struct Finding {
    pub(crate) holds: bool,
    /// From 0 to 1.
    pub(crate) score: f64,
    /// Said when it does not hold, or when it holds and should not.
    pub(crate) reason: String,
    /// Whether nobody can tell: then it fails, turned round or not.
    pub(crate) unknown: bool,
    /// Why it cannot be said at all: then it neither holds nor fails.
    pub(crate) lack: Option<Lack>,
    /// Whether it was said outright, beside the score: a *no* then counts nothing, whatever the score.
    pub(crate) outright: bool,
    /// Whether it is advice alone.
    pub(crate) advises: bool,
    /// Who judged.
    pub(crate) judge: Option<Box<JudgedBy>>,
    /// What it is made of.
    pub(crate) parts: Vec<Checked>,
    /// Whether the form of the answer keeps it from being read.
    pub(crate) unread: bool,
    /// Whether what it refuses are values of a form that is right.
    pub(crate) of_values: bool,
}

impl Finding {
    pub(crate) fn new(holds: bool, reason: impl Into<String>) -> Self {
        Self {
            holds,
            score: f64::from(u8::from(holds)),
            reason: reason.into(),
            unknown: false,
            lack: None,
            outright: false,
            advises: false,
            judge: None,
            parts: Vec::new(),
            unread: false,
            of_values: false,
        }
    }

    /// What was asked outside did not say.
    pub(crate) fn lacking(lack: Lack, reason: impl Into<String>) -> Self {
        Self { lack: Some(lack), ..Self::new(false, reason) }
    }

    /// The answer is not of the form in which it could be read.
    pub(crate) fn unread(reason: impl Into<String>) -> Self {
        Self { unread: true, ..Self::new(false, reason) }
    }

    /// What it would take to tell is missing.
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self { unknown: true, ..Self::new(false, reason) }
    }
}

/// A check whose value is complete.
pub(crate) trait Check: Send + Sync {
    /// Checks an answer that is not empty.
    fn check(&self, subject: &Subject<'_>) -> Finding;
}

/// A check as it was written; its value may still have to be rendered.
pub(crate) trait Written: Send + Sync {
    /// The variables that the value mentions.
    fn variables(&self) -> Vec<String> {
        Vec::new()
    }

    /// What it asks for outside of the answer.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// The expectations that it is made of.
    fn parts(&self) -> &[Expectation] {
        &[]
    }

    /// The complete check for a case. An error is a value that makes no sense once it is rendered.
    fn bind(&self, variables: &minijinja::Value) -> Result<std::sync::Arc<dyn Check>, String>;
}

#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod tests;
