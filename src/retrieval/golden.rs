//! Golden queries of a retriever: `fixtures/_retrieval/NAME.yaml`. No prompt has a folder whose name begins with `_`.

use std::ops::Range;
use std::sync::Arc;

use super::metrics::At;
use crate::case::{FIXTURES, Relevant, decode_relevant};
use crate::core::decode::Decoder;
use crate::core::names::{CaseName, ModelAlias};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::suggest::did_you_mean;
use crate::core::yaml::{self, Node};
use crate::project::Retriever;
use crate::tree::{Tree, TreeError};

/// The folder of golden queries below that of fixtures, and of what is kept below that of snapshots.
pub const RETRIEVAL: &str = "_retrieval";

/// What may be wrong with what is found for a query, beside the measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The relevant passage is in a file, and whole in none of its chunks.
    Cut,
    /// What is relevant is no longer there: no file or chunk is called so, or no file has the passage.
    Gone,
    /// A file that was found has not been touched for longer than `max-age`.
    Stale,
    /// It is relevant, and not among the first.
    Missed,
}

impl Fault {
    /// All.
    pub const ALL: [Self; 4] = [Self::Cut, Self::Gone, Self::Stale, Self::Missed];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Gone => "gone",
            Self::Stale => "stale",
            Self::Missed => "missed",
        }
    }
}

/// Golden queries.
#[derive(Clone, Debug)]
pub struct Golden {
    /// The file.
    pub path: TreePath,
    /// The queries, in its order.
    pub queries: Vec<Query>,
    /// The least that measures must be.
    pub expect: Vec<(At, f64)>,
    /// What fails beside those.
    pub fail_on: Vec<Fault>,
    /// Whether the ids that are found are kept.
    pub snapshot: bool,
}

/// A golden query.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its name.
    pub name: CaseName,
    /// What is asked.
    pub query: String,
    /// What answers it; nothing where nothing should.
    pub relevant: Vec<Relevant>,
    /// Labels.
    pub tags: Vec<String>,
    /// A text that answers it, word for word.
    pub passage: Option<String>,
    /// Its line.
    pub line: usize,
}

/// The file with the golden queries of a retriever.
#[must_use]
pub fn golden_path(name: &ModelAlias) -> TreePath {
    let path = format!("{FIXTURES}/{RETRIEVAL}/{name}.yaml");
    TreePath::new(&path).unwrap_or_else(|_| unreachable!("a checked name makes a relative path"))
}

impl Golden {
    /// Reads the golden queries of a retriever; `None` where it has none.
    pub fn load(tree: &dyn Tree, name: &ModelAlias, problems: &mut Problems) -> Option<Self> {
        let path = golden_path(name);
        let source = match tree.source(&path) {
            Ok(source) => source,
            Err(TreeError::Missing(_)) => return None,
            Err(error) => {
                problems.push(error.into_problem());
                return None;
            }
        };
        match yaml::parse(&source) {
            Ok(node) => decode(&path, &source, &node, problems),
            Err(found) => {
                problems.extend(found);
                None
            }
        }
    }
}

/// A file of golden queries whose retriever does not exist would never be tested, and nobody would know.
pub fn report_orphans(tree: &dyn Tree, retrievers: &[Arc<Retriever>], problems: &mut Problems) {
    let Ok(folder) = TreePath::new(&format!("{FIXTURES}/{RETRIEVAL}")) else { return };
    let files = tree.list(&folder).unwrap_or_default();
    let names = || retrievers.iter().map(|retriever| retriever.name.as_str());
    for path in files {
        let below = path.below(folder.as_str()).unwrap_or_default();
        if let Some(name) = below.strip_suffix(".yml") {
            let message = format!("golden queries are in {name}.yaml; rename it");
            problems.error(Place::File(path.to_string()), message);
        } else if let Some(name) = below.strip_suffix(".yaml").filter(|name| !names().any(|known| known == *name)) {
            let message = format!("these queries belong to no retriever: there is no `{name}` under `retrievers:`");
            problems.error(Place::File(path.to_string()), format!("{message}{}", did_you_mean(name, names())));
        }
    }
}

fn decode(path: &TreePath, source: &Arc<Source>, node: &Node, problems: &mut Problems) -> Option<Golden> {
    let mut decoder = Decoder { source, problems };
    let known = ["queries", "expect", "fail-on", "snapshot"];
    let fields = decoder.fields(node, "golden queries", &known)?;
    let mut expect = Vec::new();
    if let Some(fields) = fields.get("expect").and_then(|node| decoder.map(node, "expect")) {
        for (key, node) in fields.iter() {
            match key.text.parse::<At>() {
                Ok(at) => expect.extend(decode_least(&mut decoder, node, at).map(|least| (at, least))),
                Err(why) => decoder.error(key.span.clone(), why),
            }
        }
    }
    let mut fail_on = vec![Fault::Cut, Fault::Gone];
    if let Some(node) = fields.get("fail-on") {
        let items = decoder.list(node, "fail-on")?;
        let choices = Fault::ALL.map(|fault| (fault.name(), fault));
        fail_on = items.iter().filter_map(|node| decoder.choice(node, "fail-on", &choices)).collect();
    }
    let snapshot = match fields.get("snapshot") {
        Some(node) => decoder.choice(node, "snapshot", &[("ids", true), ("none", false)])?,
        None => true,
    };
    let Some(list) = fields.get("queries") else {
        decoder.error(fields.span, "there are no `queries`");
        return None;
    };
    let items = decoder.list(list, "queries")?;
    if items.is_empty() {
        decoder.error(list.span.clone(), "there are no queries");
    }
    let mut queries: Vec<Query> = Vec::new();
    for item in items {
        let Some((query, span)) = decode_query(&mut decoder, item) else { continue };
        if let Some(first) = queries.iter().find(|known| known.name == query.name) {
            let message = format!("the query `{}` stands in line {} already", query.name, first.line);
            decoder.error(span, message);
            continue;
        }
        queries.push(query);
    }
    let counts = queries.iter().any(|query| !query.relevant.is_empty());
    if !counts && !snapshot && decoder.problems.is_empty() {
        decoder.error(list.span.clone(), "nothing is relevant and nothing is kept: these queries cannot fail");
    }
    if !counts && !expect.is_empty() && decoder.problems.is_empty() {
        decoder.error(list.span.clone(), "no query says what is `relevant`, so that no measure can be expected");
    }
    Some(Golden { path: path.clone(), queries, expect, fail_on, snapshot })
}

fn decode_least(decoder: &mut Decoder<'_>, node: &Node, at: At) -> Option<f64> {
    let least = decoder.number(node, &at.to_string())?;
    if !(least > 0.0 && least <= 1.0) {
        decoder.error(node.span.clone(), format!("{at} must be above 0 and at most 1: no value is less than 0"));
        return None;
    }
    Some(least)
}

fn decode_query(decoder: &mut Decoder<'_>, node: &Node) -> Option<(Query, Range<usize>)> {
    let fields = decoder.fields(node, "a query", &["name", "query", "relevant", "tags", "passage"])?;
    let Some(query_node) = fields.get("query") else {
        decoder.error(node.span.clone(), "a query needs a `query`: what is asked");
        return None;
    };
    let query = decoder.text(query_node, "query")?;
    if query.trim().is_empty() {
        decoder.error(query_node.span.clone(), "the query is empty");
    }
    let (name, name_span) = match fields.get("name") {
        Some(node) => (decoder.text(node, "name")?, node.span.clone()),
        None => (query.trim().to_owned(), query_node.span.clone()),
    };
    let name = match CaseName::new(&name) {
        Ok(name) => name,
        Err(why) => {
            let why = why.replace("case's", "query's").replace("the case name", "the query's name");
            decoder.error_help(name_span, why, "give the query a `name`");
            return None;
        }
    };
    let Some(relevant) = fields.get("relevant") else {
        let help = "name documents or chunks by their ids (`promptctl retrieval chunks`); `relevant: []` where nothing answers it";
        decoder.error_help(name_span, format!("the query `{name}` does not say what is `relevant`"), help);
        return None;
    };
    let relevant_span = relevant.span.clone();
    let relevant = decode_relevant(decoder, relevant);
    for one in &relevant {
        let whole = relevant
            .iter()
            .find(|other| one.id.strip_prefix(other.id.as_str()).is_some_and(|rest| rest.starts_with('#')));
        if let Some(whole) = whole {
            let message =
                format!("`{}` is a part of `{}`, which is relevant as a whole; name one of them", one.id, whole.id);
            decoder.error(relevant_span.clone(), message);
        }
    }
    let tags = fields.get("tags").map_or(Some(Vec::new()), |node| decoder.texts(node, "tags"))?;
    let passage = match fields.get("passage") {
        Some(node) => {
            let passage = decoder.text(node, "passage")?;
            if passage.trim().is_empty() {
                decoder.error(node.span.clone(), "the passage is empty");
            }
            Some(passage)
        }
        None => None,
    };
    let line = decoder.source.line_column(node.span.start).0;
    Some((Query { name, query, relevant, tags, passage, line }, fields.span))
}

/// What is wrong with a retriever that has no golden queries, as a problem at its place in the project's file.
#[must_use]
pub fn no_golden(retriever: &Retriever) -> Problem {
    let path = golden_path(&retriever.name);
    let place = Place::span(&retriever.source, retriever.span.clone());
    Problem::error(place, format!("the retriever `{}` has no golden queries: there is no {path}", retriever.name))
        .help("write it: `queries: [{ query: \"How many days of leave?\", relevant: [handbook/leave.md] }]`")
}
