//! A case's variables against what its prompt declares: types, what is missing, what nobody uses.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::core::problem::{Mistake, Place, Problem};
use crate::core::suggest::did_you_mean;
use crate::core::yaml::{Data, Node};
use crate::prompt::{DOCUMENTS, Inline, Prompt, PromptRetriever, VariableDeclaration, Variables};

/// Fills in the declared defaults that neither the case nor its file gives.
pub(super) fn add_defaults(prompt: &Prompt, given: impl Fn(&str) -> bool, own: &mut Map<String, Value>) {
    for declaration in prompt.front.variables.iter().flatten() {
        if let Some(default) = declaration.default.as_ref().filter(|_| !given(&declaration.name)) {
            own.insert(declaration.name.clone(), default.clone());
        }
    }
}

/// Something that is wrong with a case's variables.
pub(super) struct Mismatch {
    what: String,
    is_missing: bool,
}

impl Mismatch {
    fn new(what: String) -> Self {
        Self { what, is_missing: false }
    }

    /// As a mistake of a case.
    pub(super) fn problem(&self, place: &Place, case: &str) -> Problem {
        let problem = Problem::error(place.clone(), format!("case `{case}`: {}", self.what));
        if self.is_missing { problem.of(Mistake::UndefinedVariable) } else { problem }
    }
}

/// Everything that is wrong with a case's variables as a whole.
pub(super) fn mismatches(prompt: &Prompt, variables: &Variables) -> Vec<Mismatch> {
    if let (Some(PromptRetriever { retriever, .. }), Some(_)) = (&prompt.front.retriever, variables.get(DOCUMENTS)) {
        let what = format!("`{DOCUMENTS}` is what the retriever `{}` finds, and cannot be given", retriever.name);
        return vec![Mismatch::new(what)];
    }
    let Some(declared) = &prompt.front.variables else {
        return if prompt.is_whole { missing_undeclared(prompt, variables) } else { Vec::new() };
    };
    let mut found = Vec::new();
    let is_found = |name: &str| prompt.front.retriever.is_some() && name == DOCUMENTS;
    for declaration in declared.iter().filter(|declaration| !is_found(&declaration.name)) {
        match variables.get(&declaration.name) {
            None => found.push(missing(prompt, &declaration.name, variables)),
            Some(value) => {
                if let Some(why) = declaration.mismatch(value) {
                    let name = &declaration.name;
                    let wanted = declaration.type_name().map(|t| format!(" (declared as {t})")).unwrap_or_default();
                    found.push(Mismatch::new(format!("the variable `{name}`{wanted} does not fit: {why}")));
                }
            }
        }
    }
    found
}

/// Without `vars:`, a variable that the template mentions and a near one that the case gives is a misspelling;
/// anything else is left to rendering, because the template may be able to do without.
fn missing_undeclared(prompt: &Prompt, variables: &Variables) -> Vec<Mismatch> {
    let given: BTreeSet<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    prompt
        .variables
        .iter()
        .filter(|name| !given.contains(name.as_str()) && (prompt.front.retriever.is_none() || *name != DOCUMENTS))
        .filter_map(|name| {
            let unused = given.iter().copied().filter(|g| !prompt.variables.contains(*g));
            let hint = did_you_mean(name, unused);
            let what = || format!("the variable `{name}` of the prompt `{}` is missing{hint}", prompt.name);
            (!hint.is_empty()).then(|| Mismatch { what: what(), is_missing: true })
        })
        .collect()
}

fn missing(prompt: &Prompt, name: &str, variables: &Variables) -> Mismatch {
    let strays = variables.iter().map(|(given, _)| given.as_str()).filter(|given| !prompt.variables.contains(*given));
    let hint = did_you_mean(name, strays);
    let what = format!("the variable `{name}` of the prompt `{}` is missing{hint}", prompt.name);
    Mismatch { what, is_missing: true }
}

/// Whether anything makes use of a variable that a hand-written case gives.
pub(super) fn is_used(prompt: &Prompt, name: &str, checks: &[&Node]) -> bool {
    let declared = prompt.front.variables.iter().flatten().any(|declaration| declaration.name == name);
    declared || prompt.variables.contains(name) || checks.iter().any(|node| mentions(node, name) || takes_all(node))
}

/// Whether an expectation hands every variable on: to a judge, whose prompt may use any, or to a program.
fn takes_all(node: &Node) -> bool {
    const KINDS: [&str; 8] =
        ["llm-rubric", "g-eval", "factuality", "answer-relevance", "select-best", "prefers", "exec", "context-"];
    let is_one = |name: &str| {
        let name = name.strip_prefix("not-").unwrap_or(name);
        KINDS.iter().any(|kind| name == *kind || kind.ends_with('-') && name.starts_with(kind))
    };
    match &node.data {
        Data::Text(text) => is_one(text),
        Data::List(items) => items.iter().any(takes_all),
        Data::Map(entries) => entries.iter().any(|(key, value)| is_one(&key.text) || takes_all(value)),
        _ => false,
    }
}

fn mentions(node: &Node, name: &str) -> bool {
    match &node.data {
        Data::Text(text) => Inline::new(text).is_ok_and(|inline| inline.variables().iter().any(|v| v == name)),
        Data::List(items) => items.iter().any(|item| mentions(item, name)),
        Data::Map(entries) => entries.iter().any(|(_, item)| mentions(item, name)),
        _ => false,
    }
}

/// A csv file knows only texts: a column whose variable is declared as a number or a boolean is read as one.
pub(super) fn coerce(declared: &[VariableDeclaration], values: &mut Map<String, Value>) {
    for declaration in declared {
        let Some(Value::String(text)) = values.get(&declaration.name) else { continue };
        let value = match declaration.type_name() {
            Some("number" | "integer" | "boolean" | "null" | "array" | "object") => serde_json::from_str(text).ok(),
            _ => None,
        };
        if let Some(value) = value {
            values.insert(declaration.name.clone(), value);
        }
    }
}
