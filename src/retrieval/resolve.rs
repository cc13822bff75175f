//! What local retrievers find for the cases of a project, and how good what is found for them is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::chunk::chunks;
use super::evaluate::{is_part, part_of};
use super::local::{Index, MAX_FILE};
use super::metrics::{Measure, Relevance};
use crate::case::{Case, Found, Retrieval};
use crate::core::embedding::Embedding;
use crate::core::path::TreePath;
use crate::core::problem::{Problem, Problems};
use crate::core::record::Document;
use crate::core::suggest::did_you_mean;
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

/// Tells what cases call relevant that is in no file and no chunk of their retriever, and what is relevant to no retriever at all.
pub fn check_relevant(prepared: &Prepared, problems: &mut Problems) {
    let mut files: HashMap<(&str, &str), Option<HashSet<String>>> = HashMap::new();
    let mut cut: HashMap<(&str, &str, String), Option<Vec<String>>> = HashMap::new();
    for case in prepared.workspace.cases.list.iter().filter(|case| !case.relevant.is_empty()) {
        let retriever = &prepared.workspace.prompt_of(case).front.retriever;
        if retriever.is_none() {
            let message =
                format!("case `{}` says what is `relevant`, and its prompt has no `retriever` to find it", case.name);
            let help = "name a retriever in the front matter, or take `relevant:` out";
            problems.push(Problem::warning(case.place.clone(), message).help(help));
            continue;
        }
        let Some((retriever, local)) = local_of(prepared, case) else { continue };
        let place = (retriever.source.path.as_str(), retriever.name.as_str());
        let known = files.entry(place).or_insert_with(|| {
            let paths = local.paths(&*prepared.workspace.tree).ok()?;
            Some(paths.iter().map(ToString::to_string).collect())
        });
        let Some(known) = known else { continue };
        for one in case.relevant.iter() {
            let file = one.id.split_once('#').map_or(one.id.as_str(), |(file, _)| file);
            if known.contains(&one.id) {
                continue;
            }
            let (what, hint) = if known.contains(file) {
                // Another place of the file would be measured for good.
                let key = (place.0, place.1, file.to_owned());
                let cut = cut.entry(key).or_insert_with(|| cut_ids(prepared, local, file));
                let is_cut = |ids: &Vec<String>| ids.iter().any(|id| *id == one.id || is_part(id, &one.id));
                match cut {
                    Some(ids) if !is_cut(ids) => ("no chunk", did_you_mean(&one.id, ids.iter().map(String::as_str))),
                    _ => continue,
                }
            } else {
                ("in no file", did_you_mean(file, known.iter().map(String::as_str)))
            };
            let message = format!(
                "case `{}`: the relevant `{}` is {what} of the retriever `{}`{hint}",
                case.name, one.id, retriever.name
            );
            let help = "an id is a file, or FILE#CHUNK; `promptctl retrieval chunks` lists them";
            problems.push(Problem::warning(case.place.clone(), message).help(help));
        }
    }
}

/// The ids of a file's chunks, where it can be read.
fn cut_ids(prepared: &Prepared, local: &Local, file: &str) -> Option<Vec<String>> {
    let path = TreePath::new(file).ok()?;
    let text = prepared.workspace.tree.text_up_to(&path, MAX_FILE).ok()?;
    Some(chunks(&path, &text, local.chunk).into_iter().map(|chunk| chunk.id).collect())
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
