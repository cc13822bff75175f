//! Asking what the files do not say: APIs and programs for documents, models for vectors. What comes is recorded below
//! `fixtures/_retrieval/`, and replayed from there.

use std::collections::HashMap;
use std::sync::Arc;

use super::side::Side;
use crate::cli::ask::{ASIDE, Keep, permissions, state_folder, store};
use crate::cli::context::Context;
use crate::cli::environment::Environment;
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::load::known_secrets;
use crate::cli::test::{journal_name, put_away, settle_failure};
use crate::core::names::{CaseName, ModelAlias, PromptName, RequestKey};
use crate::core::record::{Request, Response};
use crate::core::time::{Clock as _, rfc3339};
use crate::core::verdict::Exit;
use crate::model::Client;
use crate::project::ModelEntry;
use crate::recording::{Journal, JournalError, Line, recover};
use crate::retrieval::{Asking, Lack, RETRIEVAL};
use crate::run::{Mode, Stop};

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
        match (self.offline || context.is_ci() && !self.live, self.refresh) {
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

/// What came, or why there is nothing.
pub(super) type Came = Result<Response, Lack>;

/// Takes from the recordings what is there, asks for the rest, and gives what came in the order of what was wanted.
pub(super) fn ask(context: &Context, side: &Side, args: &AskArgs, wanted: &[Wanted<'_>]) -> Result<Vec<Came>, Failure> {
    let folder = PromptName::new(RETRIEVAL).map_err(Failure::usage)?;
    let (mode, known) = (args.mode(context), store(&side.project));
    let keys: Vec<RequestKey> = wanted.iter().map(|one| one.request.key(0)).collect();
    let mut came: Vec<Option<Came>> = Vec::with_capacity(wanted.len());
    for (one, key) in wanted.iter().zip(&keys) {
        let line = match mode {
            Mode::Refresh => None,
            _ => match known.find_retrieved(&folder, &one.entry.alias, key)? {
                Some(line) => Some(line),
                None => known.find(&folder, &one.entry.alias, key)?,
            },
        };
        came.push(
            line.map(|line| Ok(line.response)).or_else(|| (mode == Mode::Replay).then_some(Err(Lack::NotRecorded))),
        );
    }
    let open: Vec<usize> = (0..wanted.len()).filter(|index| came[*index].is_none()).collect();
    if !open.is_empty() {
        for (index, response) in open.iter().zip(ask_each(context, side, args, wanted, &open, &folder)?) {
            came[*index] = Some(response.map_err(Lack::Failed));
        }
    }
    Ok(came.into_iter().map(|one| one.unwrap_or(Err(Lack::NotRecorded))).collect())
}

fn ask_each(
    context: &Context,
    side: &Side,
    args: &AskArgs,
    wanted: &[Wanted<'_>],
    open: &[usize],
    folder: &PromptName,
) -> Result<Vec<Result<Response, String>>, Failure> {
    let project = &side.project;
    let environment = Environment::load(project)?;
    let entries: Vec<ModelEntry> =
        unique(open.iter().map(|index| wanted[*index].entry)).into_values().cloned().collect();
    let secrets = known_secrets(&environment, &[&side.config.models[..], &entries[..]].concat());
    let temporary = tempfile::tempdir()?;
    let root = match side.keep(context) {
        Keep::Recorded => project.root.clone(),
        Keep::Aside => state_folder(project, ASIDE)?,
        Keep::Drift | Keep::Nowhere => temporary.path().to_owned(),
    };
    std::fs::create_dir_all(&root)?;
    recover(&root).map_err(|error| settle_failure(error, Exit::Usage))?;
    let journal = Journal::begin(&root, &journal_name(), secrets.clone())?;
    let stop = Arc::new(Stop::default());
    interrupt::watch(&stop);
    let client = Client::new(permissions(context, project, args.allow_exec, secrets));
    let variables = |name: &str| environment.get(name);
    let ends = || stop.is_interrupted();
    let asking = Asking { client: &client, variables: &variables, ends: &ends, jobs: args.jobs.map(usize::from) };
    let clock = context.take_clock();
    let requests: Vec<(&ModelEntry, Request)> =
        open.iter().map(|index| (wanted[*index].entry, wanted[*index].request.clone())).collect();
    let came = asking.ask(&requests, &mut |index, response| {
        let one = &wanted[open[index]];
        let line = Line {
            key: one.request.key(0),
            case: one.case.clone(),
            sample: 0,
            model: one.entry.alias.clone(),
            check: None,
            turn: None,
            experiment: None,
            request: side.config.recordings.requests.then(|| one.request.clone()),
            response: response.clone(),
            recorded_at: rfc3339(clock.now()),
        };
        match journal.append(folder, &line) {
            Ok(()) => Ok(None),
            Err(JournalError::Io(error)) => Err(error),
            Err(refused @ JournalError::Secret { .. }) => Ok(Some(refused.to_string())),
        }
    });
    // Whatever happened, what arrived is put where it belongs.
    put_away(&root, journal)?;
    let came = came?.map_err(|error| Failure::usage(format!("asking ended early: {error}")))?;
    if stop.is_interrupted() {
        let message = "interrupted; the same command goes on from here".to_owned();
        return Err(Failure::Message { exit: Exit::Interrupted, message, help: None });
    }
    Ok(came)
}

fn unique<'a>(entries: impl Iterator<Item = &'a ModelEntry>) -> HashMap<&'a ModelAlias, &'a ModelEntry> {
    entries.map(|entry| (&entry.alias, entry)).collect()
}
