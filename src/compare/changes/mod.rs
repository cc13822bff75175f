//! What changed in prompts between two trees: their files and settings, what callers must give, the messages of each
//! case, the answers. Pure data, from recorded answers alone.

mod answers;
mod cases;
mod contract;
mod rename;
mod rendered;
mod side;
mod template;

use rayon::prelude::*;
use serde::Serialize;

pub use answers::{AnswerCase, AnswerKept, AnswersChange, Given};
pub use contract::{Contract, Step, VariableChange, VariableKind};
pub use rename::{PairedPrompt, pair_prompts};
pub use rendered::{MessageChange, MessageKind, RenderedCase, RenderedChange, TokenTotal, Tokens, Unrendered};
pub use side::TreeSide;
pub use template::{FileChange, FileKind, SettingChange, TemplateChange};

use self::cases::{CasePair, pair_cases};
use crate::case::{Selection, SelectionError};
use crate::core::names::PromptName;
use crate::plan::Overrides;

/// Which layers of a change are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Files, settings, and what callers must give.
    pub template: bool,
    /// The messages of each case.
    pub rendered: bool,
    /// The answers.
    pub answers: bool,
}

/// What became of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptKind {
    /// It stands on both sides under one name.
    Kept,
    /// It stands on both sides, under two names.
    Renamed,
    /// Only head has it.
    Added,
    /// Only base has it.
    Removed,
}

/// A prompt on both sides.
#[derive(Clone, Debug, Serialize)]
pub struct PromptChange {
    /// Its name: head's, or base's where head does not have it.
    pub prompt: String,
    /// Its name at base, where that was another.
    pub renamed_from: Option<String>,
    /// What became of it.
    pub kind: PromptKind,
    /// Base's digest.
    pub base_digest: Option<String>,
    /// Head's digest.
    pub head_digest: Option<String>,
    /// Why a side could not be read as a whole.
    pub broken: Vec<String>,
    /// Files and settings.
    pub template: Option<TemplateChange>,
    /// What callers must give.
    pub contract: Option<Contract>,
    /// The messages of each case.
    pub rendered: Option<RenderedChange>,
    /// The answers.
    pub answers: Option<AnswersChange>,
}

impl PromptChange {
    /// Whether anything differs in the layers that were looked at.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.kind != PromptKind::Kept
            || self.template.as_ref().is_some_and(TemplateChange::differs)
            || self.rendered.as_ref().is_some_and(RenderedChange::differs)
            || self.answers.as_ref().is_some_and(|answers| !answers.changed.is_empty())
    }

    /// Whether there is something to be told of it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        let unknown = |answers: &AnswersChange| {
            answers.only_recorded_at_base + answers.only_recorded_at_head + answers.unrecorded > 0
        };
        self.differs() || !self.broken.is_empty() || self.answers.as_ref().is_some_and(unknown)
    }
}

/// Everything that changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Changes {
    /// The prompts of which there is something to tell, by name.
    pub prompts: Vec<PromptChange>,
    /// The names of those that are the same on both sides.
    pub same: Vec<String>,
}

impl Changes {
    /// Whether anything differs.
    #[must_use]
    pub fn differ(&self) -> bool {
        self.prompts.iter().any(PromptChange::differs)
    }
}

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The prompts.
    pub prompts: &'a [PairedPrompt],
    /// The layers.
    pub layers: Layers,
    /// Cases and tags.
    pub cases: &'a Selection,
    /// Models instead of those of the prompts.
    pub models: &'a Overrides,
}

/// Finds everything that changed.
pub fn changes(base: &TreeSide, head: &TreeSide, wanted: &Wanted<'_>) -> Result<Changes, SelectionError> {
    let selected = select(base, head, wanted)?;
    let (base_cases, head_cases) = &selected;
    let one = |pair: &PairedPrompt| {
        let cases = || pair_cases((base, base_cases), (head, head_cases), pair);
        change(base, head, pair, wanted, &cases)
    };
    let all: Vec<PromptChange> = wanted.prompts.par_iter().map(one).collect();
    let (prompts, same): (Vec<_>, Vec<_>) = all.into_iter().partition(PromptChange::is_told);
    Ok(Changes { prompts, same: same.into_iter().map(|change| change.prompt).collect() })
}

/// The cases of base and of head that are looked at. A filter may match on one side alone.
fn select(base: &TreeSide, head: &TreeSide, wanted: &Wanted<'_>) -> Result<(Vec<usize>, Vec<usize>), SelectionError> {
    let indexes = |side: &TreeSide, name: &dyn Fn(&PairedPrompt) -> Option<usize>| -> Vec<usize> {
        let mut indexes: Vec<usize> = wanted.prompts.iter().filter_map(name).collect();
        indexes.sort_unstable();
        if side.workspace().is_some() { indexes } else { Vec::new() }
    };
    let of_base = indexes(base, &|pair| Some(base.prompt(pair.base.as_ref()?)?.0));
    let of_head = indexes(head, &|pair| Some(head.prompt(pair.head.as_ref()?)?.0));
    let sides = [(base.workspace(), of_base), (head.workspace(), of_head)];
    let known: Vec<_> =
        sides.iter().filter_map(|(w, prompts)| Some((&w.as_ref()?.cases, prompts.as_slice()))).collect();
    if known.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let mut selected = wanted.cases.select_each(&known)?.into_iter();
    let mut next = |is_there: bool| if is_there { selected.next().unwrap_or_default() } else { Vec::new() };
    let base_cases = next(base.workspace().is_some());
    Ok((base_cases, next(head.workspace().is_some())))
}

fn change<'a>(
    base: &TreeSide,
    head: &TreeSide,
    pair: &PairedPrompt,
    wanted: &Wanted<'_>,
    cases: &dyn Fn() -> Vec<CasePair<'a>>,
) -> PromptChange {
    let (of_base, of_head) =
        (pair.base.as_ref().and_then(|name| base.prompt(name)), pair.head.as_ref().and_then(|name| head.prompt(name)));
    let digest = |prompt: Option<(usize, &crate::prompt::Prompt)>| prompt.map(|(_, prompt)| prompt.digest.clone());
    let layers = wanted.layers;
    let needs_cases = layers.rendered || layers.answers;
    let mut broken: Vec<String> = Vec::new();
    for (side, name) in [(base, &pair.base), (head, &pair.head)] {
        broken.extend(name.as_ref().and_then(|name| side.broken(name, needs_cases)));
    }
    let renders = |side: &TreeSide, name: &Option<PromptName>| name.as_ref().is_none_or(|name| side.renders(name));
    let both = renders(base, &pair.base) && renders(head, &pair.head);
    let all = if needs_cases && both { cases() } else { Vec::new() };
    PromptChange {
        prompt: pair.name().to_string(),
        renamed_from: pair.renamed_from().map(ToString::to_string),
        kind: pair.kind(),
        base_digest: digest(of_base),
        head_digest: digest(of_head),
        broken,
        template: layers.template.then(|| template::template(base, head, pair, wanted.models)),
        contract: of_base
            .zip(of_head)
            .filter(|_| layers.template && both)
            .map(|(old, new)| contract::contract(old.1, new.1)),
        rendered: (layers.rendered && both).then(|| rendered::rendered(base, head, &all, wanted.models)),
        answers: (layers.answers && both).then(|| answers::answers(base, head, pair, &all, wanted.models)),
    }
}
