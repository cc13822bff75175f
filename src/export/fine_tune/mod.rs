//! Examples for fine-tuning from what was accepted: a line of JSON each, split without leaks, with what is to be said of
//! them.
//!
//! [`accepted()`] takes the examples from the outcomes of a replay, [`divide`] gives each a side, [`check`] says what is wrong with
//! all of them together, [`Lines`] writes them. Nothing is asked and nothing written here.

mod accepted;
mod alike;
mod checks;
mod lines;
mod record;
mod split;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::record::{Message, Tool};

pub use accepted::{Gathered, accepted};
pub use checks::{Check, Standing, check};
pub use lines::Lines;
pub use record::{Asked, CARD, FileRecord, Line, MADE_BY, Maker, SPLIT, SplitRecord, TunedModel, digest_of};
pub use split::{Division, divide};

/// The fewest examples with which a model is tuned.
pub const FEWEST: usize = 100;
/// With fewer it is often not worth it.
pub const FEW: usize = 500;
/// The most tokens of an example, where nobody says otherwise: what OpenAI takes for its smaller models.
pub const MAX_TOKENS: u64 = 65_536;

/// What the lines are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Chat lines as OpenAI's fine-tuning takes them.
    OpenAi,
    /// The same for Hugging Face's `datasets` and trainers: arguments of calls as objects, `tools` as text.
    Hf,
}

impl Format {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Hf => "hf",
        }
    }
}

/// Which answers count as accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Those that a person accepted.
    Snapshots,
    /// Those that nobody keeps a snapshot of and of which every expectation holds.
    Recordings,
    /// Both.
    Both,
}

impl Source {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshots => "snapshots",
            Self::Recordings => "recordings",
            Self::Both => "both",
        }
    }
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The form of the lines.
    pub format: Format,
    /// Whether the instructions of system and developer stay in the lines.
    #[serde(rename = "system")]
    pub keeps_system: bool,
    /// Which answers count.
    pub source: Source,
    /// The share that is held out, from 0 to below 1.
    pub holdout: f64,
    /// Which split of all that are possible.
    pub seed: u64,
    /// The most tokens of a line.
    pub max_tokens: u64,
}

/// The two sides of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What a model is tuned on.
    Train,
    /// What is held out.
    Validation,
}

impl Side {
    /// Its name, which is also that of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
        }
    }
}

/// An accepted answer with everything that was said before it.
#[derive(Clone, Debug)]
pub struct Example {
    /// The prompt.
    pub prompt: PromptName,
    /// What its author calls its version.
    pub version: Option<String>,
    /// What the prompt is.
    pub prompt_digest: String,
    /// The case.
    pub case: CaseName,
    /// The model that answered.
    pub model: ModelAlias,
    /// The id that the server reported for it, or the one that it was asked by.
    pub served: String,
    /// The case's tags.
    pub tags: Arc<[String]>,
    /// What the case was made from.
    pub group: Option<Arc<str>>,
    /// Everything that stands in the line; the last message is an answer.
    pub messages: Vec<Message>,
    /// How many messages the request had: what a model says behind them is what it learns.
    pub asked: usize,
    /// The tools that were on offer.
    pub tools: Vec<Tool>,
    /// What the case alone says, in words, by which cases are found to be alike.
    pub particular: String,
    /// Whether the prompt shows the case as an example.
    pub is_shown: bool,
    /// Whether a person accepted it.
    pub by_person: bool,
    /// Tokens of the line.
    pub tokens: u64,
    /// Whether the tokens were counted by the model's own vocabulary.
    pub counted: bool,
    /// SHA-256 over all that was said, whatever the form of the lines.
    pub sha256: String,
}

impl Example {
    /// Prompt, case and model in a line.
    #[must_use]
    pub fn name(&self) -> String {
        format!("`{}` › `{}` on `{}`", self.prompt, self.case, self.model)
    }

    /// The answers that are learnt.
    pub fn answers(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().skip(self.asked).filter(|message| message.role == crate::core::record::Role::Assistant)
    }
}

/// A case whose answer is in no file, and why.
#[derive(Clone, Debug)]
pub struct LeftOut {
    /// The prompt.
    pub prompt: PromptName,
    /// The case.
    pub case: CaseName,
    /// The model.
    pub model: ModelAlias,
    /// What kind of reason it is.
    pub code: &'static str,
    /// The reason, where the kind does not say it all.
    pub why: String,
}

/// Everything that a card says.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// What is written beside it.
    pub record: &'a SplitRecord,
    /// What was found.
    pub found: &'a Gathered,
    /// The sides.
    pub division: &'a Division,
    /// What was looked at.
    pub checks: &'a [Check],
    /// The command that makes it again.
    pub command: &'a str,
}
