//! What the retrievers of prompts are asked for their cases, and what is known of it.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::prepared::Prepared;
use crate::case::{Case, Found, Retrieval, documents_value};
use crate::core::problem::{Problem, Problems};
use crate::core::record::{Document, Request};
use crate::plan::{Item, Workspace};
use crate::prompt::{DOCUMENTS, PromptRetriever};
use crate::recording::Store;

/// What a template sees where nothing was found yet: nothing that any retriever finds.
const NOTHING: [Document; 0] = [];

impl Prepared {
    /// Whether any case waits for what a retriever finds.
    #[must_use]
    pub fn has_retrievers(&self) -> bool {
        let prompts = &self.workspace.prompts.list;
        self.workspace.cases.list.iter().any(|case| prompts[case.prompt].front.retriever.is_some())
    }

    /// Makes out what every retriever is asked, and gives the cases what is recorded of it.
    pub fn find_documents(&mut self, store: &Store, problems: &mut Problems) {
        if !self.has_retrievers() {
            return;
        }
        let definitions = definitions(&self.workspace, problems);
        let (workspace, mut found) = (&self.workspace, Vec::new());
        let asked = |(index, case): (usize, &Case)| -> Option<Result<(usize, Retrieval), Problems>> {
            let prompt = workspace.prompt_of(case);
            let retriever = prompt.front.retriever.as_ref()?;
            let definition = definitions.get(retriever.retriever.name.as_str())?;
            let request = match request(case, retriever, definition) {
                Ok(request) => request,
                Err(problem) => return Some(Err(problem.into())),
            };
            let (key, name) = (request.key(0), retriever.retriever.name.clone());
            match store.find_retrieved(&prompt.name, &name, &key) {
                Ok(line) => {
                    let found = line.and_then(|line| line.response.documents);
                    let found = found.map_or(Found::NotAsked, Found::Documents);
                    Some(Ok((index, Retrieval { retriever: name, request, key, found })))
                }
                Err(damaged) => Some(Err(damaged)),
            }
        };
        for result in workspace.cases.list.par_iter().enumerate().filter_map(asked).collect::<Vec<_>>() {
            match result {
                Ok(retrieval) => found.push(retrieval),
                Err(wrong) => problems.extend(wrong),
            }
        }
        for (index, retrieval) in found {
            self.set_retrieval(index, retrieval);
        }
    }

    /// Why an item cannot be asked for want of documents.
    pub(super) fn lacks_documents(&self, item: &Item) -> Option<String> {
        let retrieval = self.workspace.cases.list[item.case].retrieval.as_ref()?;
        match &retrieval.found {
            Found::Documents(_) => None,
            Found::NotAsked => Some(format!("what the retriever `{}` finds is not recorded", retrieval.retriever)),
            Found::Failed(why) => Some(format!("the retriever `{}` found nothing out: {why}", retrieval.retriever)),
        }
    }

    /// Gives a case what its retriever found.
    pub fn set_retrieval(&mut self, case: usize, retrieval: Retrieval) {
        let case = &mut self.workspace.cases.list[case];
        case.variables.set(DOCUMENTS, documents_value(retrieval.documents().unwrap_or(&NOTHING)));
        case.retrieval = Some(Arc::new(retrieval));
    }
}

/// What decides beside the query what each retriever finds, by its name. One whose files cannot be read is a problem.
fn definitions<'w>(workspace: &'w Workspace, problems: &mut Problems) -> HashMap<&'w str, String> {
    let mut definitions = HashMap::new();
    for prompt in &workspace.prompts.list {
        let Some(PromptRetriever { retriever, .. }) = &prompt.front.retriever else { continue };
        let name = retriever.name.as_str();
        if definitions.contains_key(name) {
            continue;
        }
        match retriever.definition(&*workspace.tree) {
            Ok(definition) => {
                definitions.insert(name, definition);
            }
            Err(error) => problems.push(error.into_problem()),
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
