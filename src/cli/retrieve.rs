//! What retrievers find: asked for before anything is planned, because it stands in the requests.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::ask::{ASIDE, Keep, permissions, state_folder, store};
use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::interrupt;
use super::load::{Project, known_secrets};
use super::test::{journal_name, put_away, settle_failure};
use crate::case::{Found, Limit};
use crate::core::embedding::Embedding;
use crate::core::names::{CaseName, ModelAlias, PromptName, RequestKey};
use crate::core::problem::Problems;
use crate::core::record::{Request, RequestKind, Response};
use crate::core::time::{Clock as _, rfc3339};
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::model::{Client, embedding_request};
use crate::plan::Estimate;
use crate::project::{Config, ModelEntry, RetrieverKind};
use crate::recording::{Journal, JournalError, Line, Store, recover};
use crate::retrieval::{Asking, Indexes, Lack, RETRIEVAL, found, local_of, rate};
use crate::run::{Mode, Prepared, Stop};

/// What a command with limits may take for documents, and what it took.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    pub(super) max_calls: Option<u64>,
    pub(super) max_cost: Option<f64>,
    calls: Cell<u64>,
    cost: Cell<f64>,
}

impl Allowance {
    pub(super) fn new(max_calls: Option<u64>, max_cost: Option<f64>) -> Self {
        Self { max_calls, max_cost, ..Self::default() }
    }

    /// How many calls were made.
    pub(super) fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// What they may have cost, in USD.
    pub(super) fn cost(&self) -> f64 {
        self.cost.get()
    }

    /// Counts a request, where it is within the limits.
    fn take(&self, entry: &ModelEntry, request: &Request) -> Result<(), Limit> {
        if let Some(most) = self.max_calls.filter(|most| self.calls() >= *most) {
            return Err(Limit::Calls(most));
        }
        let may_cost =
            || entry.price.as_ref().and_then(|price| Estimate::of(entry, request).most_cost(price)).unwrap_or(0.0);
        let cost = self.cost() + may_cost();
        if let Some(most) = self.max_cost.filter(|most| cost > *most) {
            return Err(Limit::Cost(most));
        }
        self.calls.set(self.calls() + 1);
        self.cost.set(cost);
        Ok(())
    }
}

/// How retrievers are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks<'a> {
    /// Whether they are asked, and whether what is recorded counts.
    pub(super) mode: Mode,
    /// Where what they find goes.
    pub(super) keep: Keep,
    /// The most requests in flight.
    pub(super) jobs: Option<u16>,
    /// Whether programs of the project may run.
    pub(super) allow_exec: bool,
    /// What that may take.
    pub(super) allowance: &'a Allowance,
}

/// What came of a query, or why there is nothing.
pub(super) type Came = Result<Response, Lack>;

/// What one retriever is to find, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// The prompt, or the folder of golden queries.
    pub(super) owner: PromptName,
    /// The case, or the golden query.
    pub(super) name: CaseName,
    /// The retriever, or the model that embeds.
    pub(super) alias: ModelAlias,
    /// What is asked.
    pub(super) request: Request,
}

/// Gives the selected cases the documents that their retrievers find. What a person should know comes back.
pub(super) fn documents(
    context: &Context,
    project: &Project,
    prepared: &mut Prepared,
    selected: &[usize],
    asks: Asks<'_>,
) -> Result<Vec<String>, Failure> {
    let lacking = lacking(prepared, selected, asks.mode);
    if asks.mode != Mode::Replay {
        ask_apis(context, project, prepared, &lacking, asks)?;
    }
    search_hybrid(context, project, prepared, &lacking, asks)?;
    if asks.mode != Mode::Replay {
        keep_local(context, project, prepared, selected, asks)?;
    }
    rate(prepared);
    Ok(if asks.mode == Mode::Replay { lacks(prepared, selected) } else { Vec::new() })
}

/// What of the documents for the selected cases nobody knows, in words.
pub(super) fn lacks(prepared: &Prepared, selected: &[usize]) -> Vec<String> {
    not_recorded(prepared, &lacking(prepared, selected, Mode::Replay))
}

/// The cases for which a retriever is to be asked.
fn lacking(prepared: &Prepared, selected: &[usize], mode: Mode) -> Vec<usize> {
    let cases = &prepared.workspace.cases.list;
    let is_lacking = |index: &usize| {
        let Some(retrieval) = &cases[*index].retrieval else { return false };
        // Whose files are the same finds the same again, but by what a model makes of them.
        let may_differ = || {
            let local = local_of(prepared, &cases[*index]);
            local.is_none_or(|(_, local)| local.embeddings.is_some())
        };
        retrieval.documents().is_none() || mode == Mode::Refresh && may_differ()
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

fn query_of(prepared: &Prepared, case: usize) -> Option<Query> {
    let case = &prepared.workspace.cases.list[case];
    let retrieval = case.retrieval.as_ref()?;
    let (owner, name) = (prepared.workspace.prompt_of(case).name.clone(), case.name.clone());
    Some(Query { owner, name, alias: retrieval.retriever.clone(), request: retrieval.request.clone() })
}

/// Asks the retrievers that are APIs or programs.
fn ask_apis(
    context: &Context,
    project: &Project,
    prepared: &mut Prepared,
    lacking: &[usize],
    asks: Asks<'_>,
) -> Result<(), Failure> {
    let mut queries: Vec<(&ModelEntry, Query)> = Vec::new();
    let mut cases = Vec::new();
    for case in lacking.iter().copied() {
        if let Some((entry, query)) = entry_of(prepared, case).zip(query_of(prepared, case)) {
            queries.push((entry, query));
            cases.push(case);
        }
    }
    let came = ask(context, project, &prepared.workspace.config, &queries, asks)?;
    for (case, came) in cases.into_iter().zip(came) {
        let outcome = match came {
            Ok(response) => Found::Documents(response.documents.unwrap_or_default()),
            Err(why) => not_found(&why),
        };
        if let Some(retrieval) = prepared.workspace.cases.list[case].retrieval.clone() {
            prepared.set_retrieval(case, retrieval.with(outcome));
        }
    }
    Ok(())
}

/// Searches the indexes that know meaning, whose chunks and queries are embedded for that.
fn search_hybrid(
    context: &Context,
    project: &Project,
    prepared: &mut Prepared,
    lacking: &[usize],
    asks: Asks<'_>,
) -> Result<(), Failure> {
    let (mut indexes, mut problems) = (Indexes::default(), Problems::default());
    for case in lacking.iter().copied() {
        let own = &prepared.workspace.cases.list[case];
        let Some(retrieval) = own.retrieval.clone() else { continue };
        let Some((retriever, local)) = local_of(prepared, own) else { continue };
        let Some(embedder) = &local.embeddings else { continue };
        let config = &prepared.workspace.config;
        let Some(embedder) = config.model(embedder) else { continue };
        let Some(index) = indexes.of(prepared, (retriever, local), &mut problems) else { continue };
        if !index.is_embedded() {
            let mut texts: Vec<&str> = index.texts().iter().map(String::as_str).collect();
            // The other queries of the retriever are embedded with it.
            let others = lacking.iter().filter_map(|case| prepared.workspace.cases.list[*case].retrieval.as_ref());
            let others: Vec<_> = others.filter(|other| other.retriever == retrieval.retriever).collect();
            texts.extend(others.iter().map(|other| other.query()));
            let vectors = vectors(context, project, config, embedder, &texts, asks)?;
            let of_queries = vectors.and_then(|vectors| {
                let taken = index.embed(&|text: &str| vectors.get(text).cloned());
                taken.map(|()| vectors).map_err(|error| Lack::Failed(error.to_string()))
            });
            index.remember(of_queries);
        }
        let outcome = match index.queries() {
            Ok(vectors) => found(index, &retrieval, vectors.get(retrieval.query())),
            Err(why) => not_found(why),
        };
        prepared.set_retrieval(case, retrieval.with(outcome));
    }
    if problems.has_errors() { Err(problems.into()) } else { Ok(()) }
}

fn not_found(why: &Lack) -> Found {
    match why {
        Lack::NotRecorded => Found::NotAsked,
        Lack::Limited(limit) => Found::Limited(*limit),
        Lack::Failed(why) => Found::Failed(why.clone()),
    }
}

/// The vectors of texts, by a model that embeds; those that were asked for before are not asked again.
fn vectors(
    context: &Context,
    project: &Project,
    config: &Config,
    embedder: &ModelEntry,
    texts: &[&str],
    asks: Asks<'_>,
) -> Result<Result<HashMap<String, Embedding>, Lack>, Failure> {
    let owner = PromptName::new(RETRIEVAL).map_err(Failure::usage)?;
    let name = CaseName::new("chunk").map_err(Failure::usage)?;
    let query = |text: &&str| {
        let (owner, name, alias) = (owner.clone(), name.clone(), embedder.alias.clone());
        (embedder, Query { owner, name, alias, request: embedding_request(embedder, text) })
    };
    let queries: Vec<(&ModelEntry, Query)> = texts.iter().map(query).collect();
    let mode = if asks.mode == Mode::Refresh { Mode::Fill } else { asks.mode };
    let came = ask(context, project, config, &queries, Asks { mode, ..asks })?;
    let mut vectors = HashMap::new();
    for (text, came) in texts.iter().zip(came) {
        let vector =
            came.and_then(|response| response.embedding.ok_or_else(|| Lack::Failed("it gave no embedding".to_owned())));
        match vector {
            Ok(vector) => vectors.insert((*text).to_owned(), vector),
            Err(why @ (Lack::NotRecorded | Lack::Limited(_))) => return Ok(Err(why)),
            Err(why) => return Ok(Err(Lack::Failed(format!("the model `{}`: {why}", embedder.alias)))),
        };
    }
    Ok(Ok(vectors))
}

/// Records what local retrievers found, so that an old version is seen as it was.
fn keep_local(
    context: &Context,
    project: &Project,
    prepared: &Prepared,
    selected: &[usize],
    asks: Asks<'_>,
) -> Result<(), Failure> {
    if asks.keep != Keep::Recorded {
        return Ok(());
    }
    let known = project.store();
    let now = rfc3339(context.take_clock().now());
    let keeps_requests = prepared.workspace.config.recordings.requests;
    let mut lines = Vec::new();
    for case in selected.iter().copied() {
        let own = &prepared.workspace.cases.list[case];
        let query = query_of(prepared, case).filter(|_| local_of(prepared, own).is_some());
        let Some((retrieval, query)) = own.retrieval.as_ref().zip(query) else { continue };
        let Some(documents) = retrieval.documents() else { continue };
        if recorded(&known, &query, &retrieval.key)?.is_none() {
            let response = Response { documents: Some(documents.to_vec()), ..Response::default() };
            let line = line(&query, response, keeps_requests, now.clone());
            lines.push((query.owner, line));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let environment = Environment::load(project)?;
    let secrets = known_secrets(&environment, &prepared.workspace.config.models);
    let (_temporary, root) = root(project, asks.keep)?;
    let journal = Journal::begin(&root, &journal_name(), secrets)?;
    let written = lines.iter().try_for_each(|(prompt, line)| journal.append(prompt, line));
    put_away(&root, journal)?;
    written.map_err(|error| Failure::usage(error.to_string()))
}

/// Where lines go, below which folder; what is kept nowhere is written down all the same until the command ends.
fn root(project: &Project, keep: Keep) -> Result<(tempfile::TempDir, PathBuf), Failure> {
    let temporary = tempfile::tempdir()?;
    let root = match keep {
        Keep::Recorded => project.root.clone(),
        Keep::Aside => state_folder(project, ASIDE)?,
        Keep::Drift | Keep::Nowhere => temporary.path().to_owned(),
    };
    std::fs::create_dir_all(&root)?;
    recover(&root).map_err(|error| settle_failure(error, Exit::Usage))?;
    Ok((temporary, root))
}

fn line(query: &Query, response: Response, keeps_requests: bool, recorded_at: String) -> Line {
    Line {
        key: query.request.key(0),
        case: query.name.clone(),
        sample: 0,
        model: query.alias.clone(),
        check: None,
        turn: None,
        experiment: None,
        request: keeps_requests.then(|| query.request.clone()),
        response,
        recorded_at,
    }
}

/// What is recorded of a query.
fn recorded(store: &Store, query: &Query, key: &RequestKey) -> Result<Option<Response>, Problems> {
    let line = match query.request.kind {
        RequestKind::Embedding => store.find(&query.owner, &query.alias, key)?,
        _ => store.find_retrieved(&query.owner, &query.alias, key)?,
    };
    Ok(line.map(|line| line.response))
}

/// Asks everything that is not recorded, and gives what came in the order of the queries; what comes is recorded at once.
pub(super) fn ask(
    context: &Context,
    project: &Project,
    config: &Config,
    queries: &[(&ModelEntry, Query)],
    asks: Asks<'_>,
) -> Result<Vec<Came>, Failure> {
    // What is to be recorded must not lie aside, where nobody else has it.
    let known = if asks.keep == Keep::Recorded { project.store() } else { store(project) };
    let keys: Vec<RequestKey> = queries.iter().map(|(_, query)| query.request.key(0)).collect();
    let mut came: Vec<Option<Came>> = Vec::with_capacity(queries.len());
    for ((_, query), key) in queries.iter().zip(&keys) {
        let response = if asks.mode == Mode::Refresh { None } else { recorded(&known, query, key)? };
        came.push(response.map(Ok));
    }
    let wanted: Vec<usize> = (0..queries.len()).filter(|index| came[*index].is_none()).collect();
    if !wanted.is_empty() && asks.mode == Mode::Replay {
        for index in wanted {
            came[index] = Some(Err(Lack::NotRecorded));
        }
    } else if !wanted.is_empty() {
        let wanted = within(asks.allowance, queries, &keys, wanted, &mut came);
        let asked = if wanted.is_empty() {
            Vec::new()
        } else {
            ask_wanted(context, project, config, (queries, &keys, &wanted), asks)?
        };
        for (index, one) in wanted.into_iter().zip(asked) {
            came[index] = Some(one.map_err(Lack::Failed));
        }
    }
    Ok(came.into_iter().flatten().collect())
}

/// What of the wanted requests the limits allow; the others come to nothing. What is asked once is counted once.
fn within(
    allowance: &Allowance,
    queries: &[(&ModelEntry, Query)],
    keys: &[RequestKey],
    wanted: Vec<usize>,
    came: &mut [Option<Came>],
) -> Vec<usize> {
    let mut known: HashMap<&RequestKey, Result<(), Limit>> = HashMap::new();
    let mut is_allowed = |index: &usize| {
        let (entry, query) = &queries[*index];
        let taken = known.entry(&keys[*index]).or_insert_with(|| allowance.take(entry, &query.request));
        if let Err(limit) = taken {
            came[*index] = Some(Err(Lack::Limited(*limit)));
        }
        taken.is_ok()
    };
    wanted.into_iter().filter(|index| is_allowed(index)).collect()
}

fn ask_wanted(
    context: &Context,
    project: &Project,
    config: &Config,
    (queries, keys, wanted): (&[(&ModelEntry, Query)], &[RequestKey], &[usize]),
    asks: Asks<'_>,
) -> Result<Vec<Result<Response, String>>, Failure> {
    let environment = Environment::load(project)?;
    let mut entries = config.models.clone();
    for (entry, _) in wanted.iter().map(|index| &queries[*index]) {
        let is_same =
            |known: &ModelEntry| known.source.path == entry.source.path && known.alias_span == entry.alias_span;
        if !entries.iter().any(is_same) {
            entries.push((*entry).clone());
        }
    }
    let secrets = known_secrets(&environment, &entries);
    let (_temporary, root) = root(project, asks.keep)?;
    let journal = Journal::begin(&root, &journal_name(), secrets.clone())?;
    let stop = Arc::new(Stop::default());
    interrupt::watch(&stop);
    let client = Client::new(permissions(context, project, asks.allow_exec, secrets));
    let variables = |name: &str| environment.get(name);
    let ends = || stop.is_interrupted();
    let asking = Asking { client: &client, variables: &variables, ends: &ends, jobs: asks.jobs.map(usize::from) };
    let clock = context.take_clock();
    // What several look for is asked once, and recorded for each owner.
    let mut owners: BTreeMap<&RequestKey, Vec<&Query>> = BTreeMap::new();
    for index in wanted {
        let (key, query) = (&keys[*index], &queries[*index].1);
        let own = owners.entry(key).or_default();
        if !own.iter().any(|other| other.owner == query.owner) {
            own.push(query);
        }
    }
    let requests: Vec<(&ModelEntry, Request)> =
        wanted.iter().map(|index| (queries[*index].0, queries[*index].1.request.clone())).collect();
    let asked = asking.ask(&requests, &mut |at, response| {
        for query in owners.get(&keys[wanted[at]]).into_iter().flatten() {
            let line = line(query, response.clone(), config.recordings.requests, rfc3339(clock.now()));
            match journal.append(&query.owner, &line) {
                Ok(()) => {}
                Err(JournalError::Io(error)) => return Err(error),
                Err(refused @ JournalError::Secret { .. }) => return Ok(Some(refused.to_string())),
            }
        }
        Ok(None)
    });
    // Whatever happened, what arrived is put where it belongs.
    put_away(&root, journal)?;
    let asked = asked?.map_err(|error| Failure::usage(format!("asking for documents ended early: {error}")))?;
    if stop.is_interrupted() {
        let message = "interrupted; the same command goes on from here".to_owned();
        return Err(Failure::Message { exit: Exit::Interrupted, message, help: None });
    }
    Ok(asked)
}
