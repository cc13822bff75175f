//! Which experiment comes next: the cheapest first, and none that can no longer change the reading or the step.

use std::collections::BTreeMap;

use serde::Serialize;

use super::evidence::{Answered, Fails};
use super::reading::{Confidence, Gap, read};
use crate::core::names::ModelAlias;

/// An experiment with a failing case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Experiment {
    /// The same request again.
    Repeat,
    /// With its facts in the prompt.
    Facts,
    /// With answers of other cases before it.
    Examples,
    /// On a stronger model.
    Model,
}

impl Experiment {
    /// All of them, the cheapest first.
    pub const ALL: [Self; 4] = [Self::Repeat, Self::Facts, Self::Examples, Self::Model];

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Facts => "facts",
            Self::Examples => "examples",
            Self::Model => "model",
        }
    }
}

/// Why the evidence of an experiment is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The case says no facts.
    NoFacts,
    /// Its retriever found everything that the case says is relevant.
    Found,
    /// Nobody knows what these relevant documents say.
    NoDocuments(Vec<String>),
    /// No other case has an answer that could be shown.
    NoExamples,
    /// The project has no stronger model.
    NoStronger,
    /// It cannot be sent.
    Unsendable(String),
    /// Calls are not allowed, and nothing is recorded.
    Unrecorded,
    /// A limit was reached, or a key is missing.
    Skipped(String),
    /// The provider could not answer.
    Errored(String),
}

impl Lack {
    /// What is missing.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::NoFacts => "the case says no facts".to_owned(),
            Self::Found => "its retriever found everything that is relevant".to_owned(),
            Self::NoDocuments(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
                format!("nobody knows what {} says, which is relevant", ids.join(", "))
            }
            Self::NoExamples => "no other case has a passing or accepted answer".to_owned(),
            Self::NoStronger => "no stronger model is known".to_owned(),
            Self::Unsendable(why) | Self::Errored(why) | Self::Skipped(why) => why.clone(),
            Self::Unrecorded => "nothing is recorded, and calls are not allowed".to_owned(),
        }
    }

    /// How to supply it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoFacts => "write what would answer it under `facts:` of the case",
            Self::Found => "write under `facts:` of the case what the documents do not say, where that is it",
            Self::NoDocuments(_) => "write what it says under `facts:` of the case, or correct `relevant:`",
            Self::NoExamples => "accept a good answer of another case of the prompt, outside of its `group:`",
            Self::NoStronger => "name one in promptctl.yaml: `audit: { stronger: [ALIAS] }`",
            Self::Unsendable(_) => "see what the message says, or try another model",
            Self::Unrecorded => "leave --offline out; in continuous integration say --live",
            Self::Skipped(_) => {
                "allow more calls or money, or give the key, and audit again: what was answered is kept"
            }
            Self::Errored(_) => "audit again when the model answers: what was answered is kept",
        }
    }
}

/// What an experiment came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// Its answers.
    pub answers: Vec<Answered>,
    /// What is missing of it.
    pub lack: Option<Lack>,
    /// The model that answered, where it is another one.
    pub model: Option<ModelAlias>,
}

impl Trial {
    /// An experiment that cannot be made.
    #[must_use]
    pub fn lacking(lack: Lack) -> Self {
        Self { lack: Some(lack), ..Self::default() }
    }

    /// How many answers pass.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.answers.iter().filter(|answer| answer.passes()).count() as u64
    }

    /// How many answers say what is right, however they are put.
    #[must_use]
    pub fn right(&self) -> u64 {
        self.answers.iter().filter(|answer| answer.is_right()).count() as u64
    }

    /// Whether an answer says what is wrong.
    pub(super) fn is_wrong(&self) -> bool {
        self.answers.iter().any(|answer| answer.fails == Some(Fails::Content))
    }

    /// How many answers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.answers.len() as u64
    }

    /// Whether at least three answers are there, and all the same.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        is_constant(self.answers.iter())
    }
}

/// From how many answers on that are all the same a model is taken to say nothing else.
const CONSTANT: usize = 3;

pub(super) fn is_constant<'a>(answers: impl Iterator<Item = &'a Answered>) -> bool {
    let texts: Vec<&str> = answers.map(|answer| answer.text.as_str()).collect();
    texts.len() >= CONSTANT && texts.windows(2).all(|pair| pair[0] == pair[1])
}

/// Everything that is known of a failing case on a model.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The answers for which it was found to fail. They were chosen by failing, and stand in no test.
    pub own: Vec<Answered>,
    /// The experiments that were made, and those that cannot be.
    pub trials: BTreeMap<Experiment, Trial>,
    /// Whether the model is told to sample, so that answers that are the same are several all the same.
    pub is_sampled: bool,
    /// Whether an example that is shown before it says what it was to answer.
    pub is_told: bool,
    /// Whether its facts are documents, which its retriever should have found.
    pub is_retrieved: bool,
}

impl Evidence {
    /// What an experiment came to, where it has answers.
    #[must_use]
    pub fn trial(&self, experiment: Experiment) -> Option<&Trial> {
        self.trials.get(&experiment).filter(|trial| !trial.answers.is_empty())
    }

    /// Whether the request and the experiment each get always the same answer, so that each is one answer and not many.
    pub(super) fn is_one_answer_a_side(&self, again: &Trial, trial: &Trial) -> bool {
        !self.is_sampled && is_constant(self.own.iter().chain(&again.answers)) && trial.is_constant()
    }

    /// What is missing, of each experiment.
    pub(super) fn lacks(&self) -> impl Iterator<Item = &Lack> {
        self.trials.values().filter_map(|trial| trial.lack.as_ref()).filter(|lack| **lack != Lack::Found)
    }

    /// Whether nobody can say what an experiment would show. Facts that stand in the request already need none.
    pub(super) fn is_missing(&self, experiment: Experiment) -> bool {
        self.trials.get(&experiment).is_none_or(|trial| match &trial.lack {
            Some(lack) => *lack != Lack::Found,
            None => trial.answers.is_empty(),
        })
    }

    /// Whether nothing is known of an experiment, not even that it cannot be made.
    fn is_open(&self, experiment: Experiment) -> bool {
        !self.trials.contains_key(&experiment)
    }
}

/// The experiments to make next; none: no further one changes anything.
#[must_use]
pub fn next(evidence: &Evidence) -> Vec<Experiment> {
    if evidence.is_open(Experiment::Repeat) {
        return vec![Experiment::Repeat];
    }
    // Without a baseline nothing can be held against it.
    let Some(again) = evidence.trial(Experiment::Repeat) else { return Vec::new() };
    let readings = read(evidence);
    if again.passes() == again.count() || readings.beside().is_some() {
        return Vec::new();
    }
    // Where the content holds no fact is missing; whether examples mend the form decides what to do.
    let in_form = readings.in_form() == Some(Confidence::Confident);
    let cheap = if in_form { &[Experiment::Examples][..] } else { &[Experiment::Facts, Experiment::Examples] };
    let open: Vec<Experiment> = cheap.iter().copied().filter(|one| evidence.is_open(*one)).collect();
    if !open.is_empty() {
        return open;
    }
    // A stronger model tells skill from what nothing helps, and nothing else. What only looks like a matter of form, because
    // nobody can say whether the content holds, closes nothing yet.
    let checked_form =
        |reading: &super::Reading| reading.gap == Gap::Behaviour && reading.by.is_none() && !reading.open;
    let closed = readings.all.iter().any(checked_form) || readings.contrasts.iter().any(|contrast| contrast.closes);
    let is_sure = |reading: &super::Reading| reading.confidence == Confidence::Confident;
    let passes = readings.all.iter().any(|reading| reading.gap == Gap::Reliability && is_sure(reading));
    if closed || passes || !evidence.is_open(Experiment::Model) {
        return Vec::new();
    }
    vec![Experiment::Model]
}
