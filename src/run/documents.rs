//! What the retrievers of prompts are asked for their cases, and what is known of it.

use std::collections::HashMap;

use rayon::prelude::*;

use super::answer::Skip;
use super::prepared::Prepared;
use crate::case::{Case, Found, Limit, Retrieval};
use crate::core::problem::{Problem, Problems};
use crate::core::record::Request;
use crate::plan::{Item, Workspace};
use crate::prompt::PromptRetriever;
use crate::recording::Store;

impl Prepared {
    /// Makes out what every retriever is asked, and gives the cases what is recorded of it.
    pub fn find_documents(&mut self, store: &Store, problems: &mut Problems) {
        find_documents(&mut self.workspace, store, problems);
    }

    /// Gives a case what its retriever found.
    pub fn set_retrieval(&mut self, case: usize, retrieval: Retrieval) {
        self.workspace.cases.list[case].set_retrieval(retrieval);
    }

    /// Why an item cannot be asked for want of documents.
    pub(super) fn lacks_documents(&self, item: &Item) -> Option<Skip> {
        let retrieval = self.workspace.case_of(item).retrieval.as_ref()?;
        match &retrieval.found {
            Found::Documents(_) => None,
            Found::NotAsked => {
                Some(Skip::Retrieval(format!("what the retriever `{}` finds is not recorded", retrieval.retriever)))
            }
            Found::Failed(why) => {
                Some(Skip::Retrieval(format!("the retriever `{}` failed: {why}", retrieval.retriever)))
            }
            Found::Limited(Limit::Calls(calls)) => Some(Skip::Budget(*calls)),
            Found::Limited(Limit::Cost(usd)) => Some(Skip::Money(*usd)),
        }
    }
}

/// Makes out what the retrievers of a project are asked for its cases, and gives the cases what is recorded of it.
pub fn find_documents(workspace: &mut Workspace, store: &Store, problems: &mut Problems) {
    let definitions = definitions(workspace, problems);
    if definitions.is_empty() {
        return;
    }
    let shared = &*workspace;
    let look = |(index, case): (usize, &Case)| -> Option<Result<(usize, Retrieval), Problems>> {
        let prompt = shared.prompt_of(case);
        let retriever = prompt.front.retriever.as_ref()?;
        let definition = definitions.get(&case.prompt)?;
        let request = match request(case, retriever, definition) {
            Ok(request) => request,
            Err(problem) => return Some(Err(problem.into())),
        };
        let (key, name) = (request.key(0), retriever.retriever.name.clone());
        let line = match store.find_retrieved(&prompt.name, &name, &key) {
            Ok(line) => line,
            Err(damaged) => return Some(Err(damaged)),
        };
        let found = line.and_then(|line| line.response.documents).map_or(Found::NotAsked, Found::Documents);
        Some(Ok((index, Retrieval { retriever: name, request, key, found, quality: None })))
    };
    let found: Vec<_> = shared.cases.list.par_iter().enumerate().filter_map(look).collect();
    for result in found {
        match result {
            Ok((index, retrieval)) => workspace.cases.list[index].set_retrieval(retrieval),
            Err(wrong) => problems.extend(wrong),
        }
    }
}

/// What decides beside the query what the retrievers of prompts find, by the index of the prompt. A file that cannot be read is
/// a problem.
fn definitions(workspace: &Workspace, problems: &mut Problems) -> HashMap<usize, String> {
    let mut known: HashMap<(&str, &str), Option<String>> = HashMap::new();
    let mut definitions = HashMap::new();
    for (index, prompt) in workspace.prompts.list.iter().enumerate() {
        let Some(PromptRetriever { retriever, .. }) = &prompt.front.retriever else { continue };
        // One that stands in a front matter has a file of its own.
        let place = (retriever.source.path.as_str(), retriever.name.as_str());
        let definition = known.entry(place).or_insert_with(|| match retriever.definition(&*workspace.tree) {
            Ok(definition) => Some(definition),
            Err(error) => {
                problems.push(error.into_problem());
                None
            }
        });
        if let Some(definition) = definition {
            definitions.insert(index, definition.clone());
        }
    }
    definitions
}

/// What a retriever is asked for a case.
fn request(case: &Case, retriever: &PromptRetriever, definition: &str) -> Result<Request, Problem> {
    let wrong = |why: String| {
        let message = format!("case `{}`: the query of its retriever cannot be made: {why}", case.name);
        Problem::error(case.place.clone(), message)
    };
    let query = retriever.query.render(&case.variables.to_jinja()).map_err(wrong)?;
    if query.trim().is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    let PromptRetriever { retriever, top, .. } = retriever;
    Ok(Request::retrieval(retriever.name.as_str(), retriever.kind_name(), &query, *top, definition))
}
