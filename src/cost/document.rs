//! All that `promptctl cost` found, as reports write it.

use serde::Serialize;

use super::alternatives::Alternative;
use super::bill::{Bill, Spread};
use super::budget::{Judged, Standing};
use super::change::Change;
use crate::core::names::{ModelAlias, PromptName};
use crate::core::verdict::Exit;

/// A version of a prompt on a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionRow {
    /// The prompt, as it is called now.
    pub prompt: PromptName,
    /// The model.
    pub model: ModelAlias,
    /// The commit; none: the working tree.
    pub commit: Option<String>,
    /// Its day.
    pub date: Option<String>,
    /// What its author calls it.
    pub version: Option<String>,
    /// What it was.
    pub digest: String,
    /// How many requests its cases made.
    pub requests: u64,
    /// Those with counted tokens.
    pub counted: u64,
    /// Tokens that were read; estimated where nothing was counted.
    pub input: Option<Spread>,
    /// Tokens that were written.
    pub output: Option<Spread>,
    /// USD a request, at the price that the model has now.
    pub cost_usd: Option<Spread>,
    /// Whether `input` is an estimate.
    pub estimated: bool,
    /// How far an estimate may be off.
    pub margin: f64,
}

/// The whole.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// The version of this form.
    pub version: u32,
    /// What was looked at.
    pub tree: String,
    /// What it is held against.
    pub base: Option<String>,
    /// By prompt and model.
    pub prompts: Vec<Bill>,
    /// By version, the newest first, where that was asked for.
    pub versions: Vec<VersionRow>,
    /// Head against base, where there is one.
    pub changes: Vec<Change>,
    /// Prompts on models that only head has, where there is a base.
    pub new: Vec<(PromptName, ModelAlias)>,
    /// Prompts of which nothing can be counted, because they have no case.
    pub uncounted: Vec<PromptName>,
    /// What became of the budgets.
    pub budgets: Vec<Judged>,
    /// What else could be done, where that was asked for.
    pub alternatives: Vec<Alternative>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// How the command ends.
    pub exit_code: u8,
}

impl Document {
    /// How the command ends: a budget that is exceeded is worse than one of which nobody can say.
    #[must_use]
    pub fn exit(budgets: &[Judged]) -> Exit {
        let any = |standing: Standing| budgets.iter().any(|judged| judged.standing == standing);
        if any(Standing::Exceeded) {
            Exit::Failed
        } else if any(Standing::Unjudged) {
            Exit::Errored
        } else {
            Exit::Good
        }
    }
}
