//! Which documents would answer a query, and what a retriever found for a case.

use std::sync::Arc;

use serde_json::Value;

use super::load::Case;
use crate::core::decode::Decoder;
use crate::core::names::{ModelAlias, RequestKey};
use crate::core::record::{Document, Request, digest_of_documents};
use crate::core::verdict::{Quality, Retrieved};
use crate::core::yaml::{Data, Node};
use crate::prompt::DOCUMENTS;

/// A document, or a part of one, that is relevant to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Relevant {
    /// What it is called.
    pub id: String,
    /// How relevant it is, above 0; 1 where nobody says.
    pub grade: f64,
}

/// What the retriever of a prompt was asked for a case, and what it found.
#[derive(Clone, Debug)]
pub struct Retrieval {
    /// The retriever.
    pub retriever: ModelAlias,
    /// What it is asked.
    pub request: Request,
    /// The key under which what it found is recorded.
    pub key: RequestKey,
    /// What it found.
    pub found: Found,
    /// How good that is, where the case says what is relevant and somebody measured it.
    pub quality: Option<Quality>,
}

/// What became of a retrieval.
#[derive(Clone, Debug)]
pub enum Found {
    /// These documents, the best first.
    Documents(Vec<Document>),
    /// It is not recorded, and nobody asked.
    NotAsked,
    /// It could not be had, and why.
    Failed(String),
    /// A limit was reached before it was asked for.
    Limited(Limit),
}

/// What a command may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// So many calls.
    Calls(u64),
    /// So many US dollars.
    Cost(f64),
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Calls(calls) => write!(f, "{calls} calls were allowed, and are spent"),
            Self::Cost(usd) => write!(f, "it might cost more than is left of ${usd}"),
        }
    }
}

impl Retrieval {
    /// What it found, where it did.
    #[must_use]
    pub fn documents(&self) -> Option<&[Document]> {
        match &self.found {
            Found::Documents(documents) => Some(documents),
            Found::NotAsked | Found::Failed(_) | Found::Limited(_) => None,
        }
    }

    /// What it found, as it is told beside an answer.
    #[must_use]
    pub fn told(&self) -> Option<Retrieved> {
        let documents = self.documents()?.iter().map(|document| document.id.clone()).collect();
        Some(Retrieved { retriever: self.retriever.clone(), top: self.top(), documents, quality: self.quality })
    }

    /// What stands for the documents in a request: their digest, or a word that no digest is.
    #[must_use]
    pub fn digest(&self) -> String {
        self.documents().map_or_else(|| "nothing yet".to_owned(), digest_of_documents)
    }

    /// The same with what was found.
    #[must_use]
    pub fn with(&self, found: Found) -> Self {
        Self { found, quality: None, ..self.clone() }
    }

    /// How many documents are asked for.
    #[must_use]
    pub fn top(&self) -> usize {
        self.request.params.get("top").and_then(Value::as_u64).and_then(|top| usize::try_from(top).ok()).unwrap_or(1)
    }

    /// The query.
    #[must_use]
    pub fn query(&self) -> &str {
        self.request.messages.first().map_or("", |message| message.content.as_str())
    }
}

/// Reads `relevant:`: an id, or a list of ids and `{ id: …, grade: … }`.
pub fn decode_relevant(decoder: &mut Decoder<'_>, node: &Node) -> Vec<Relevant> {
    let nodes = match &node.data {
        Data::Text(_) => std::slice::from_ref(node),
        _ => decoder.list(node, "relevant").unwrap_or_default(),
    };
    let mut relevant: Vec<Relevant> = Vec::new();
    for node in nodes {
        let (id, grade) = match &node.data {
            Data::Map(_) => {
                let Some(fields) = decoder.fields(node, "a relevant document", &["id", "grade"]) else { continue };
                let id = fields.get("id").and_then(|node| decoder.text(node, "id"));
                if id.is_none() && fields.get("id").is_none() {
                    decoder.error(node.span.clone(), "a relevant document needs an `id`");
                }
                let grade = fields.get("grade").map_or(Some(1.0), |node| decoder.number(node, "grade"));
                (id, grade)
            }
            _ => (decoder.text(node, "the id of a relevant document"), Some(1.0)),
        };
        let (Some(id), Some(grade)) = (id, grade) else { continue };
        if id.trim().is_empty() {
            decoder.error(node.span.clone(), "the id of a relevant document is empty");
        } else if !(grade > 0.0 && grade <= 1000.0) {
            decoder.error(node.span.clone(), "grade must be above 0 and at most 1000; leave out what is not relevant");
        } else if relevant.iter().any(|known| known.id == id) {
            decoder.error(node.span.clone(), format!("the relevant document `{id}` stands here a second time"));
        } else {
            relevant.push(Relevant { id, grade });
        }
    }
    relevant
}

impl Case {
    /// Gives it what its retriever found.
    pub fn set_retrieval(&mut self, retrieval: Retrieval) {
        let shown = match retrieval.documents() {
            Some(documents) => documents_value(documents),
            // A template that takes the first one for granted can be rendered all the same.
            None => documents_value(&vec![Document::default(); retrieval.top()]),
        };
        self.variables.set(DOCUMENTS, shown);
        self.retrieval = Some(Arc::new(retrieval));
    }
}

/// The documents as a template sees them.
fn documents_value(documents: &[Document]) -> Value {
    let shown = |document: &Document| {
        serde_json::json!({
            "id": document.id,
            "text": document.text,
            "score": document.score,
            "source": document.source,
        })
    };
    Value::Array(documents.iter().map(shown).collect())
}
