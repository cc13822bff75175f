//! What a retriever should have found for a case: the documents that the case says are relevant.

use std::collections::{HashMap, HashSet};

use super::evaluate::part_of;
use super::local::Index;
use super::resolve::{Indexes, local_of};
use crate::case::{Case, Retrieval};
use crate::core::problem::Problems;
use crate::core::record::Document;
use crate::run::Prepared;

/// What became of looking for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Ideal {
    /// The relevant documents first, and then what else was found.
    Documents(Vec<Document>),
    /// Everything that is relevant was found already.
    Found,
    /// Nobody knows what these say.
    Unknown(Vec<String>),
}

/// What the retrievers of these cases should have found, by the index of the case: of those that say what is relevant, and for
/// which something was found at all.
pub fn ideals(prepared: &Prepared, cases: &[usize]) -> Result<HashMap<usize, Ideal>, Problems> {
    let (mut indexes, mut problems) = (Indexes::default(), Problems::default());
    let mut ideals = HashMap::new();
    for case in cases.iter().copied() {
        let own = &prepared.workspace.cases.list[case];
        let Some(retrieval) = own.retrieval.as_ref().filter(|_| !own.relevant.is_empty()) else { continue };
        let Some(found) = retrieval.documents() else { continue };
        let index = match local_of(prepared, own) {
            Some((retriever, local)) => match indexes.of(prepared, (retriever, local), &mut problems) {
                Some(index) => Some(&*index),
                None => continue,
            },
            None => None,
        };
        let texts = |id: &str| match index {
            Some(index) => of_index(index, retrieval, id),
            None => of_others(prepared, own, id),
        };
        ideals.insert(case, ideal(own, retrieval.top(), found, texts));
    }
    if problems.has_errors() { Err(problems) } else { Ok(ideals) }
}

fn ideal(case: &Case, top: usize, found: &[Document], texts: impl Fn(&str) -> Vec<Document>) -> Ideal {
    let mut relevant: Vec<_> = case.relevant.iter().collect();
    // What answers best stands first.
    relevant.sort_by(|a, b| b.grade.total_cmp(&a.grade));
    let (mut documents, mut unknown) = (Vec::<Document>::new(), Vec::new());
    for one in relevant {
        let known = texts(&one.id);
        if known.is_empty() && !found.iter().any(|document| part_of(document, &one.id)) {
            unknown.push(one.id.clone());
        }
        for document in known {
            if !documents.iter().any(|other| other.id == document.id) {
                documents.push(document);
            }
        }
    }
    if !unknown.is_empty() {
        return Ideal::Unknown(unknown);
    }
    let was_found: HashSet<&str> = found.iter().map(|document| document.id.as_str()).collect();
    if documents.iter().all(|document| was_found.contains(document.id.as_str())) {
        return Ideal::Found;
    }
    let most = top.max(documents.len());
    let others = found.iter().filter(|other| documents.iter().all(|one| one.id != other.id)).cloned();
    let others: Vec<Document> = others.take(most - documents.len()).collect();
    documents.extend(others);
    Ideal::Documents(documents)
}

/// The chunks of an index that an id names: that chunk, or of a file as many as are asked for, those that fit the query best.
fn of_index(index: &Index, retrieval: &Retrieval, id: &str) -> Vec<Document> {
    if let Some(same) = index.get(id) {
        return vec![same];
    }
    let is_part = |document: &Document| part_of(document, id);
    // The words suffice here: which of the chunks of one file come first.
    let ranked = index.search(retrieval.query(), None, index.chunks().len()).unwrap_or_default();
    let mut parts: Vec<Document> = ranked.into_iter().filter(is_part).collect();
    for document in index.documents().filter(is_part) {
        if !parts.iter().any(|known| known.id == document.id) {
            parts.push(document);
        }
    }
    parts.truncate(retrieval.top());
    parts
}

/// What the retriever of a case found for any case, of what an id names.
fn of_others(prepared: &Prepared, case: &Case, id: &str) -> Vec<Document> {
    let retriever = case.retrieval.as_ref().map(|retrieval| &retrieval.retriever);
    let of_retriever = |other: &&Case| other.retrieval.as_ref().map(|retrieval| &retrieval.retriever) == retriever;
    let mut parts: Vec<Document> = Vec::new();
    // What was found for the case itself goes before what was found for others.
    let others = prepared.workspace.cases.list.iter().filter(of_retriever);
    for other in std::iter::once(case).chain(others) {
        let found = other.retrieval.as_ref().and_then(|retrieval| retrieval.documents()).unwrap_or_default();
        for document in found.iter().filter(|document| part_of(document, id)) {
            if !parts.iter().any(|known| known.id == document.id) {
                parts.push(document.clone());
            }
        }
    }
    parts
}
