//! What finds: an index of files, or what an API or a program was asked before.

use std::collections::HashMap;

use super::asking::{AskArgs, Wanted, ask};
use super::side::Side;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::core::embedding::Embedding;
use crate::core::names::CaseName;
use crate::core::record::{Document, Request};
use crate::model::embedding_request;
use crate::project::{Local, ModelEntry, Retriever, RetrieverKind};
use crate::retrieval::{Index, Lack, Retrieves};

/// A query, and what it is called.
pub(super) type Named = (String, CaseName);

/// What finds documents for the queries that it was made for.
pub(super) enum Finder {
    Files {
        index: Box<Index>,
        /// The vectors of the queries.
        vectors: HashMap<String, Embedding>,
        /// Why there are no vectors, where there should be.
        lack: Option<Lack>,
    },
    Asked(HashMap<String, Result<Vec<Document>, Lack>>),
}

impl Finder {
    /// Indexes the files of a local retriever, cut as `local` says, and asks for vectors; or asks the retriever for each query.
    pub(super) fn new(
        context: &Context,
        side: &Side,
        retriever: &Retriever,
        local: Option<&Local>,
        (queries, depth): (&[Named], usize),
        args: &AskArgs,
    ) -> Result<Self, Failure> {
        match (&retriever.kind, local) {
            (RetrieverKind::Local(own), local) => files(context, side, retriever, local.unwrap_or(own), queries, args),
            (RetrieverKind::Asked(entry), _) => asked(context, side, (retriever, entry), queries, depth, args),
        }
    }

    /// Its index, of a local one.
    pub(super) fn index(&self) -> Option<&Index> {
        match self {
            Self::Files { index, .. } => Some(index),
            Self::Asked(_) => None,
        }
    }
}

impl Retrieves for Finder {
    fn retrieve(&self, query: &str, top: usize) -> Result<Vec<Document>, Lack> {
        match self {
            Self::Files { lack: Some(lack), .. } => Err(lack.clone()),
            Self::Files { index, vectors, lack: None } => {
                index.search(query, vectors.get(query), top).map_err(|error| Lack::Failed(error.to_string()))
            }
            Self::Asked(found) => {
                let mut documents = found.get(query).cloned().unwrap_or(Err(Lack::NotRecorded))?;
                documents.truncate(top);
                Ok(documents)
            }
        }
    }
}

fn files(
    context: &Context,
    side: &Side,
    retriever: &Retriever,
    local: &Local,
    queries: &[Named],
    args: &AskArgs,
) -> Result<Finder, Failure> {
    let mut index = Box::new(side.index(retriever, local)?);
    let (mut vectors, mut lack) = (HashMap::new(), None);
    let embedder = local.embeddings.as_ref();
    if let Some(entry) = embedder.and_then(|alias| side.config.models.iter().find(|entry| entry.alias == *alias)) {
        let chunk = |(text, id): (&String, &str)| (text.clone(), CaseName::new(id).or_else(|_| CaseName::new("chunk")));
        let ids = index.chunks().iter().map(|chunk| chunk.id.as_str());
        let chunks = index.texts().iter().zip(ids).map(chunk);
        let queries = queries.iter().map(|(query, name)| (query.clone(), Ok(name.clone())));
        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        let mut texts: Vec<String> = Vec::new();
        for (text, name) in chunks.chain(queries) {
            wanted.push(Wanted {
                entry,
                request: embedding_request(entry, &text),
                case: name.map_err(Failure::usage)?,
            });
            texts.push(text);
        }
        for (text, came) in texts.into_iter().zip(ask(context, side, args, &wanted)?) {
            match came.map(|response| response.embedding) {
                Ok(Some(vector)) => {
                    vectors.insert(text, vector);
                }
                Ok(None) => lack = Some(Lack::Failed(format!("the model `{}` gave no embedding", entry.alias))),
                Err(why) => lack = Some(why),
            }
        }
        if lack.is_none() {
            let done = index.embed(&|text: &str| vectors.get(text).cloned());
            lack = done.err().map(|error| Lack::Failed(error.to_string()));
        }
    }
    Ok(Finder::Files { index, vectors, lack })
}

fn asked(
    context: &Context,
    side: &Side,
    (retriever, entry): (&Retriever, &ModelEntry),
    queries: &[Named],
    depth: usize,
    args: &AskArgs,
) -> Result<Finder, Failure> {
    let definition = retriever.definition(&*side.project.tree).map_err(|error| Failure::from(error.into_problem()))?;
    let kind = retriever.kind_name();
    let request = |query: &str| Request::retrieval(retriever.name.as_str(), kind, query, depth, &definition);
    let wanted = queries.iter().map(|(query, name)| Wanted { entry, request: request(query), case: name.clone() });
    let wanted: Vec<Wanted<'_>> = wanted.collect();
    let came = ask(context, side, args, &wanted)?;
    let documents = came.into_iter().map(|one| one.map(|response| response.documents.unwrap_or_default()));
    Ok(Finder::Asked(queries.iter().map(|(query, _)| query.clone()).zip(documents).collect()))
}
