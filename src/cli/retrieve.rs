//! What the retrievers of prompts find: asked for before anything is planned, because it stands in the requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ask::{ASIDE, Keep, permissions, state_folder, store};
use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::interrupt;
use super::load::{Project, known_secrets};
use super::test::{journal_name, put_away, settle_failure};
use crate::case::{Found, Retrieval};
use crate::core::names::{CaseName, PromptName, RequestKey};
use crate::core::record::Request;
use crate::core::time::{Clock as _, rfc3339};
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::model::Client;
use crate::project::{ModelEntry, RetrieverKind};
use crate::recording::{Journal, JournalError, Line, recover};
use crate::retrieval::Asking;
use crate::run::{Mode, Prepared, Stop};

/// How retrievers are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks {
    /// Whether they are asked, and whether what is recorded counts.
    pub(super) mode: Mode,
    /// Where what they find goes.
    pub(super) keep: Keep,
    /// The most requests in flight.
    pub(super) jobs: Option<u16>,
    /// Whether programs of the project may run.
    pub(super) allow_exec: bool,
}

/// Gives the selected cases the documents that their retrievers find. What a person should know comes back.
pub(super) fn documents(
    context: &mut Context,
    project: &Project,
    prepared: &mut Prepared,
    selected: &[usize],
    asks: Asks,
) -> Result<Vec<String>, Failure> {
    let lacking = lacking(prepared, selected, asks.mode);
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    if asks.mode == Mode::Replay {
        return Ok(not_recorded(prepared, &lacking));
    }
    let found = ask(context, project, prepared, &lacking, asks)?;
    for (case, retrieval) in found {
        prepared.set_retrieval(case, retrieval);
    }
    Ok(Vec::new())
}

/// What of the documents for the selected cases nobody knows, in words.
pub(super) fn lacks(prepared: &Prepared, selected: &[usize]) -> Vec<String> {
    not_recorded(prepared, &lacking(prepared, selected, Mode::Replay))
}

/// The cases for which a retriever is to be asked.
fn lacking(prepared: &Prepared, selected: &[usize], mode: Mode) -> Vec<usize> {
    let cases = &prepared.workspace.cases.list;
    let is_lacking = |index: &usize| {
        let case = &cases[*index];
        let Some(retrieval) = &case.retrieval else { return false };
        let asked = entry_of(prepared, *index).is_some();
        retrieval.documents().is_none() || mode == Mode::Refresh && asked
    };
    selected.iter().copied().filter(is_lacking).collect()
}

/// The entry of a case's retriever, where that is asked.
fn entry_of(prepared: &Prepared, case: usize) -> Option<&ModelEntry> {
    let case = &prepared.workspace.cases.list[case];
    match &prepared.workspace.prompt_of(case).front.retriever.as_ref()?.retriever.kind {
        RetrieverKind::Asked(entry) => Some(entry),
        RetrieverKind::Local(_) => None,
    }
}

/// What to say where nobody may be asked.
fn not_recorded(prepared: &Prepared, lacking: &[usize]) -> Vec<String> {
    let mut by_retriever: BTreeMap<&str, u64> = BTreeMap::new();
    for case in lacking {
        if let Some(retrieval) = &prepared.workspace.cases.list[*case].retrieval {
            *by_retriever.entry(retrieval.retriever.as_str()).or_default() += 1;
        }
    }
    let note = |(retriever, count): (&str, u64)| {
        format!("what the retriever `{retriever}` finds is not recorded for {}", counted(count, "case", "cases"))
    };
    by_retriever.into_iter().map(note).collect()
}

fn ask(
    context: &mut Context,
    project: &Project,
    prepared: &Prepared,
    lacking: &[usize],
    asks: Asks,
) -> Result<Vec<(usize, Retrieval)>, Failure> {
    let workspace = &prepared.workspace;
    let known = store(project);
    let mut found = Vec::new();
    let mut requests: Vec<(&ModelEntry, Request)> = Vec::new();
    let mut cases: Vec<(usize, &Retrieval)> = Vec::new();
    for index in lacking.iter().copied() {
        let case = &workspace.cases.list[index];
        let (Some(retrieval), Some(entry)) = (case.retrieval.as_deref(), entry_of(prepared, index)) else { continue };
        let prompt = &workspace.prompt_of(case).name;
        let recorded = match asks.mode {
            // What an earlier comparison asked for an old version stands aside.
            Mode::Fill => known.find_retrieved(prompt, &retrieval.retriever, &retrieval.key)?,
            Mode::Refresh | Mode::Replay => None,
        };
        match recorded.and_then(|line| line.response.documents) {
            Some(documents) => found.push((index, retrieval.with(Found::Documents(documents)))),
            None => {
                requests.push((entry, retrieval.request.clone()));
                cases.push((index, retrieval));
            }
        }
    }
    if requests.is_empty() {
        return Ok(found);
    }
    let environment = Environment::load(project)?;
    let entries: Vec<ModelEntry> = requests.iter().map(|(entry, _)| (*entry).clone()).collect();
    let secrets = known_secrets(&environment, &[&workspace.config.models[..], &entries[..]].concat());
    let temporary = tempfile::tempdir()?;
    let root = match asks.keep {
        Keep::Recorded => project.root.clone(),
        Keep::Aside => state_folder(project, ASIDE)?,
        Keep::Drift | Keep::Nowhere => temporary.path().to_owned(),
    };
    std::fs::create_dir_all(&root)?;
    recover(&root).map_err(|error| settle_failure(error, Exit::Usage))?;
    let journal = Journal::begin(&root, &journal_name(), secrets.clone())?;
    let stop = Arc::new(Stop::default());
    interrupt::watch(&stop);
    let client = Client::new(permissions(context, project, asks.allow_exec, secrets));
    let variables = |name: &str| environment.get(name);
    let ends = || stop.is_interrupted();
    let asking = Asking { client: &client, variables: &variables, ends: &ends, jobs: asks.jobs.map(usize::from) };
    let clock = context.take_clock();
    let keeps_requests = workspace.config.recordings.requests;
    // What several cases look for is asked once, and recorded for each prompt.
    let mut names: BTreeMap<&RequestKey, Vec<(&PromptName, &CaseName)>> = BTreeMap::new();
    for (index, retrieval) in &cases {
        let case = &workspace.cases.list[*index];
        let prompt = &workspace.prompt_of(case).name;
        let names = names.entry(&retrieval.key).or_default();
        if !names.iter().any(|(known, _)| *known == prompt) {
            names.push((prompt, &case.name));
        }
    }
    let came = asking.ask(&requests, &mut |index, response| {
        let (_, retrieval) = &cases[index];
        for (prompt, case) in names.get(&retrieval.key).into_iter().flatten() {
            let line = Line {
                key: retrieval.key.clone(),
                case: (*case).clone(),
                sample: 0,
                model: retrieval.retriever.clone(),
                check: None,
                turn: None,
                experiment: None,
                request: keeps_requests.then(|| retrieval.request.clone()),
                response: response.clone(),
                recorded_at: rfc3339(clock.now()),
            };
            match journal.append(prompt, &line) {
                Ok(()) => {}
                Err(JournalError::Io(error)) => return Err(error),
                Err(refused @ JournalError::Secret { .. }) => return Ok(Some(refused.to_string())),
            }
        }
        Ok(None)
    });
    // Whatever happened, what arrived is put where it belongs.
    put_away(&root, journal)?;
    let came = came?.map_err(|error| Failure::usage(format!("asking for documents ended early: {error}")))?;
    if stop.is_interrupted() {
        let message = "interrupted; the same command goes on from here".to_owned();
        return Err(Failure::Message { exit: Exit::Interrupted, message, help: None });
    }
    for ((index, retrieval), came) in cases.into_iter().zip(came) {
        let outcome = match came {
            Ok(response) => Found::Documents(response.documents.unwrap_or_default()),
            Err(why) => Found::Failed(why),
        };
        found.push((index, retrieval.with(outcome)));
    }
    Ok(found)
}
