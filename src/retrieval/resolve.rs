//! What local retrievers find for the cases of a project, and how good what is found for them is.

use std::collections::HashMap;
use std::sync::Arc;

use super::evaluate::part_of;
use super::local::Index;
use super::metrics::{Measure, Relevance};
use crate::case::{Case, Found, Retrieval};
use crate::core::embedding::Embedding;
use crate::core::problem::Problems;
use crate::core::record::Document;
use crate::core::verdict::Quality;
use crate::project::{Local, Retriever, RetrieverKind};
use crate::run::Prepared;

/// The indexes of local retrievers, each built once, by the file and the name of the retriever.
#[derive(Default)]
pub struct Indexes(HashMap<(String, String), Option<Index>>);

/// The local retriever of a case, where it has one.
#[must_use]
pub fn local_of<'p>(prepared: &'p Prepared, case: &Case) -> Option<(&'p Arc<Retriever>, &'p Local)> {
    let workspace = &prepared.workspace;
    let retriever = &workspace.prompts.list[case.prompt].front.retriever.as_ref()?.retriever;
    match &retriever.kind {
        RetrieverKind::Local(local) => Some((retriever, local)),
        RetrieverKind::Asked(_) => None,
    }
}

impl Indexes {
    /// The index of a retriever; what is wrong with it goes to `problems`, once.
    pub fn of(
        &mut self,
        prepared: &Prepared,
        (retriever, local): (&Retriever, &Local),
        problems: &mut Problems,
    ) -> Option<&mut Index> {
        let key = (retriever.source.path.clone(), retriever.name.to_string());
        let built = self.0.entry(key).or_insert_with(|| {
            let built = Index::build(&*prepared.workspace.tree, retriever, local);
            built.map_err(|found| problems.extend(found)).ok()
        });
        built.as_mut()
    }
}

/// Gives cases whose retriever is local, and knows words alone, what it finds, where that is not recorded.
pub fn search_local(prepared: &mut Prepared, problems: &mut Problems) {
    let mut indexes = Indexes::default();
    for case in 0..prepared.workspace.cases.list.len() {
        let own = &prepared.workspace.cases.list[case];
        let Some(retrieval) = own.retrieval.clone().filter(|retrieval| retrieval.documents().is_none()) else {
            continue;
        };
        let Some((retriever, local)) = local_of(prepared, own).filter(|(_, local)| local.embeddings.is_none()) else {
            continue;
        };
        let Some(index) = indexes.of(prepared, (retriever, local), problems) else { continue };
        prepared.set_retrieval(case, retrieval.with(found(index, &retrieval, None)));
    }
}

/// What an index finds for the query of a case.
#[must_use]
pub fn found(index: &Index, retrieval: &Retrieval, vector: Option<&Embedding>) -> Found {
    match index.search(retrieval.query(), vector, retrieval.top()) {
        Ok(documents) => Found::Documents(documents),
        Err(why) => Found::Failed(why.to_string()),
    }
}

/// Measures what was found for every case that says what is relevant.
pub fn rate(prepared: &mut Prepared) {
    for case in 0..prepared.workspace.cases.list.len() {
        let own = &prepared.workspace.cases.list[case];
        let Some(retrieval) = own.retrieval.as_ref().filter(|_| !own.relevant.is_empty()) else { continue };
        let Some(documents) = retrieval.documents() else { continue };
        let relevant: Vec<(String, f64)> = own.relevant.iter().map(|one| (one.id.clone(), one.grade)).collect();
        let quality = quality(documents, &relevant, retrieval.top());
        let rated = Retrieval { quality, ..(**retrieval).clone() };
        prepared.set_retrieval(case, rated);
    }
}

fn quality(documents: &[Document], relevant: &[(String, f64)], k: usize) -> Option<Quality> {
    let relevance = Relevance::of(documents, relevant, part_of);
    let of = |measure: Measure| measure.of(&relevance, k);
    Some(Quality {
        hit: of(Measure::Hit)?,
        recall: of(Measure::Recall)?,
        precision: of(Measure::Precision)?,
        mrr: of(Measure::Mrr)?,
        ndcg: of(Measure::Ndcg)?,
    })
}
