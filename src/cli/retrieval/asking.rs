//! Asking what the files do not say: APIs and programs for documents, models for vectors. What comes is recorded below
//! `fixtures/_retrieval/`, and replayed from there.

use super::side::Side;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::retrieve::{self, Allowance, Asks, Came, Query};
use crate::core::names::{CaseName, PromptName};
use crate::core::record::Request;
use crate::project::ModelEntry;
use crate::retrieval::RETRIEVAL;
use crate::run::Mode;

/// Whether anybody is asked, and who.
#[derive(Clone, Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct AskArgs {
    /// Ask nobody: only what is recorded, and the files.
    #[arg(long, conflicts_with_all = ["live", "refresh"])]
    offline: bool,
    /// Allow asking where that is not allowed by itself: in continuous integration.
    #[arg(long)]
    live: bool,
    /// Ask again for what is recorded.
    #[arg(long)]
    refresh: bool,
    /// The most requests in flight.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    jobs: Option<u16>,
    /// Allow retrievers that are programs of this project (`type: exec`) to be run.
    #[arg(long)]
    allow_exec: bool,
}

impl AskArgs {
    fn mode(&self, context: &Context) -> Mode {
        match (self.offline || context.is_ci() && !self.live && !self.refresh, self.refresh) {
            (true, _) => Mode::Replay,
            (false, true) => Mode::Refresh,
            (false, false) => Mode::Fill,
        }
    }
}

/// One thing to ask.
pub(super) struct Wanted<'a> {
    pub(super) entry: &'a ModelEntry,
    pub(super) request: Request,
    /// The query, or the chunk, that it is asked for.
    pub(super) case: CaseName,
}

/// Takes from the recordings what is there, asks for the rest, and gives what came in the order of what was wanted.
pub(super) fn ask(context: &Context, side: &Side, args: &AskArgs, wanted: &[Wanted<'_>]) -> Result<Vec<Came>, Failure> {
    let owner = PromptName::new(RETRIEVAL).map_err(Failure::usage)?;
    let query = |one: &Wanted<'_>| {
        let (owner, name, alias) = (owner.clone(), one.case.clone(), one.entry.alias.clone());
        Query { owner, name, alias, request: one.request.clone() }
    };
    let queries: Vec<(&ModelEntry, Query)> = wanted.iter().map(|one| (one.entry, query(one))).collect();
    let (mode, keep) = (args.mode(context), side.keep(context));
    let allowance = Allowance::default();
    let asks = Asks { mode, keep, jobs: args.jobs, allow_exec: args.allow_exec, allowance: &allowance };
    retrieve::ask(context, &side.project, &side.config, &queries, asks)
}
