//! Expectations on what was retrieved for a case: that the answer names it, and how much of the model's window it takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::Value as Jinja;

use super::argument::Arguments;
use super::cites::{BoundCites, pattern};
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::Data;
use crate::prompt::DOCUMENTS;
use regex::Regex;

/// The documents of a case as its template sees them; an error where there are none to be seen.
fn documents(variables: &Jinja) -> Result<Vec<Jinja>, String> {
    let found = variables.get_attr(DOCUMENTS).map_err(|error| error.to_string())?;
    if found.is_undefined() {
        return Err("nothing is retrieved for this case: its prompt has no `retriever`, and no `documents`".to_owned());
    }
    found.try_iter().map(Iterator::collect).map_err(|_| "`documents` is no list".to_owned())
}

/// A field of a document as text, where it has one that says something.
fn field(document: &Jinja, name: &str) -> Option<String> {
    let value = document.get_attr(name).ok()?;
    let text = value.as_str().map(str::to_owned).or_else(|| value.is_number().then(|| value.to_string()))?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// By what an answer names a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Id,
    Source,
    Number,
}

struct CitesRetrieved {
    by: By,
    pattern: Option<Regex>,
    optional: bool,
}

/// `cites-retrieved`, alone or with `by`, `pattern` and `optional`.
pub(super) fn cites_retrieved(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let mut cites = CitesRetrieved { by: By::Id, pattern: None, optional: false };
    if let Some(node) = arguments.value {
        let by = [("id", By::Id), ("source", By::Source), ("number", By::Number)];
        if let Data::Map(_) = node.data {
            let fields = arguments.decoder.fields(node, "cites-retrieved", &["by", "pattern", "optional"])?;
            if let Some(node) = fields.get("by") {
                cites.by = arguments.decoder.choice(node, "by", &by)?;
            }
            if let Some(node) = fields.get("pattern") {
                cites.pattern = Some(pattern(arguments, node)?);
            }
            if let Some(node) = fields.get("optional") {
                cites.optional = arguments.decoder.bool(node, "optional")?;
            }
        } else {
            cites.by = arguments.decoder.choice(node, "cites-retrieved", &by)?;
        }
    }
    Some(Box::new(cites))
}

impl Written for CitesRetrieved {
    fn variables(&self) -> Vec<String> {
        vec![DOCUMENTS.to_owned()]
    }

    fn bind(&self, variables: &Jinja) -> Result<Arc<dyn Check>, String> {
        let documents = documents(variables)?;
        let name = |(number, document): (usize, &Jinja)| match self.by {
            By::Id => field(document, "id"),
            By::Source => field(document, "source"),
            By::Number => Some(number.to_string()),
        };
        let sources: BTreeSet<String> = (1..).zip(&documents).filter_map(name).collect();
        Ok(Arc::new(BoundCites { sources, pattern: self.pattern.clone(), optional: self.optional, every: false }))
    }
}

struct ContextShare {
    most: f64,
}

struct BoundShare {
    most: f64,
    texts: Vec<String>,
}

/// `context-share: 0.5`.
pub(super) fn context_share(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let most = arguments.limit("a share of the model's window, such as 0.5")?;
    if !(most > 0.0 && most <= 1.0) {
        arguments.error("`context-share` must be above 0 and at most 1");
        return None;
    }
    Some(Box::new(ContextShare { most }))
}

impl Written for ContextShare {
    fn variables(&self) -> Vec<String> {
        vec![DOCUMENTS.to_owned()]
    }

    fn bind(&self, variables: &Jinja) -> Result<Arc<dyn Check>, String> {
        let texts = documents(variables)?.iter().filter_map(|document| field(document, "text")).collect();
        Ok(Arc::new(BoundShare { most: self.most, texts }))
    }
}

impl Check for BoundShare {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let Some(window) = subject.oracle.window().filter(|window| *window > 0) else {
            let model = subject.oracle.model();
            return Finding::unknown(format!(
                "how much the model `{model}` can read is not known; write its `context-window`"
            ));
        };
        let tokens: u64 = self.texts.iter().map(|text| subject.oracle.tokens(text)).sum();
        #[expect(clippy::cast_precision_loss, reason = "tokens are far below 2^53")]
        let share = tokens as f64 / window as f64;
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        Finding::new(
            share <= self.most,
            format!(
                "what was retrieved has about {tokens} tokens, {} of the {window} that the model reads; at most {} is expected",
                percent(share),
                percent(self.most)
            ),
        )
    }
}
