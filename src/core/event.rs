//! What happens in a run, told as it happens. Events are the only thing between running and showing.

use serde::{Deserialize, Serialize};

use super::names::ModelAlias;
use super::verdict::{Outcome, Summary};

/// What a run read its project from, for whoever looks at its results later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The commit's hash; none outside a repository, and before its first commit.
    pub commit: Option<String>,
    /// Whether the project's folder held something else than that commit, where that can be told.
    pub dirty: Option<bool>,
}

/// Which part of a plan a run did, where the plan was divided among machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, from 1.
    pub number: u32,
    /// Of how many.
    pub of: u32,
    /// SHA-256 over the whole plan and how it was divided: the parts of one run have the same.
    pub plan: String,
    /// How many prompt × case × model the whole plan has.
    pub whole: u64,
}

/// Something that happened in a run.
#[derive(Clone, Debug)]
pub enum Event {
    /// The run begins.
    Started {
        /// How many prompt × case × model there are to do.
        planned: u64,
        /// The mode and the tree in a few words: the run's first line.
        heading: String,
        /// How many calls will be needed, as far as is known.
        calls: u64,
        /// What the project was read from.
        provenance: Provenance,
        /// Which part of a plan this is; none where it is the whole.
        shard: Option<Shard>,
    },
    /// A case on a model has all its answers, or none can be had; told at once, in no order.
    Progressed {
        /// The model that was asked.
        model: ModelAlias,
    },
    /// A request is sent again after a fault.
    Retried {
        /// The model that is asked.
        model: ModelAlias,
        /// What went wrong, in a few words.
        reason: String,
    },
    /// A case on a model is done; told in the order of the plan.
    Finished(Box<Outcome>),
    /// What the calls of a model will take, before they are made.
    Forecast(String),
    /// Something that a person should know, said once.
    Noted(String),
    /// What was sent or what came, in a line, for whoever wants to see all of it.
    Traced(String),
    /// The run is over.
    Ended(Box<Summary>),
}

/// Something that is told what happens in a run.
pub trait Listener {
    /// Takes one event. An error (a full disk, a closed pipe) ends the run.
    fn on(&mut self, event: &Event) -> std::io::Result<()>;
}
