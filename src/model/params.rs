//! Parameters: those of a protocol are passed on as they are; the common names of the others are translated where the
//! protocol has the same under another name, and are errors where it has no way to say them.

use serde_json::{Map, Value};

use super::provider::{Provider, parameters};
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::{Request, RequestKind};
use crate::plan::Unsendable;
use crate::project::ModelEntry;

/// A parameter that a protocol does not know by this name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) fit: Fit,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fit {
    /// The protocol has it under this name.
    As(&'static str),
    /// The protocol has it under this name, as a list.
    ListAs(&'static str),
    /// The protocol has no way to say it; with what to do instead, where there is something.
    Not(&'static str),
}

pub(super) const fn renamed(name: &'static str, own: &'static str) -> Parameter {
    Parameter { name, fit: Fit::As(own) }
}

pub(super) const fn listed(name: &'static str, own: &'static str) -> Parameter {
    Parameter { name, fit: Fit::ListAs(own) }
}

pub(super) const fn cannot(name: &'static str, instead: &'static str) -> Parameter {
    Parameter { name, fit: Fit::Not(instead) }
}

/// What promptctl itself decides, for every protocol over HTTP.
const OURS: [(&str, &str); 9] = [
    ("model", "name it with `model:` of the model entry"),
    ("messages", "the prompt's template makes the messages"),
    ("stream", "answers are read whole"),
    ("stream_options", "answers are read whole"),
    ("n", "ask for several answers with `repeat:`"),
    ("best_of", "ask for several answers with `repeat:`"),
    ("tools", "name them with `tools:` in the front matter of the prompt"),
    ("response_format", "ask for it with `output: { schema: … }` in the front matter of the prompt"),
    ("functions", "name them with `tools:` in the front matter of the prompt"),
];

/// Why a parameter cannot be sent to a model, and what to do; `None` where it can.
#[must_use]
pub fn refusal(entry: &ModelEntry, name: &str) -> Option<Unsendable> {
    // These have no wire protocol whose names could be wrong.
    if ["mock", "exec", "http"].contains(&entry.provider.as_str()) {
        return None;
    }
    if let Some((_, instead)) = OURS.iter().find(|(known, _)| *known == name) {
        // OpenAI's other forms (`json_object`) have no schema to be named by.
        if name == "response_format" && ["openai", "azure-openai"].contains(&entry.provider.as_str()) {
            return None;
        }
        return Some(Unsendable { why: format!("`{name}` is no parameter"), help: (*instead).to_owned() });
    }
    let parameter = parameters(entry).iter().find(|parameter| parameter.name == name)?;
    match parameter.fit {
        Fit::Not(instead) => {
            let why = format!("the provider `{}` cannot be sent `{name}`", entry.provider);
            let ignore = format!("let the model `{}` say `ignore: [{name}]` to leave it out", entry.alias);
            let help = if instead.is_empty() { ignore } else { format!("{instead}, or {ignore}") };
            Some(Unsendable { why, help })
        }
        Fit::As(_) | Fit::ListAs(_) => None,
    }
}

/// Reports the parameters of a model entry that its provider cannot be sent.
fn check_entry(entry: &ModelEntry, problems: &mut Problems) {
    let span = |name: &str| entry.param_spans.get(name).cloned().unwrap_or_else(|| entry.alias_span.clone());
    let mut refused = false;
    for name in entry.params.keys() {
        if let Some(Unsendable { why, help }) = refusal(entry, name) {
            // What is ignored here would be given and ignored at once.
            let ours = OURS.iter().any(|(known, _)| known == name);
            let help = if ours { help } else { format!("take `{name}` out of the `params` of `{}`", entry.alias) };
            problems.push(Problem::error(Place::span(&entry.source, span(name)), why).help(help));
            refused = true;
        }
    }
    let doubled = check_params(entry, &entry.params).err().filter(|_| !refused);
    if let Some(Unsendable { why, help }) = doubled {
        let last = entry.params.keys().next_back().map_or(0..0, |name| span(name));
        problems.push(Problem::error(Place::span(&entry.source, last), why).help(help));
    }
}

/// Reports parameters of an entry that no request to it could ever be sent with, once and where they stand.
fn check_own_params(entry: &ModelEntry, provider: &dyn Provider, problems: &mut Problems) {
    let probe = Request::of_params(&entry.provider, &entry.model, entry.params.clone());
    // Protocols of turns would miss the turns.
    let says = ["openai", "azure-openai", "http"].contains(&entry.provider.as_str()) && !entry.params.is_empty();
    if let Some(what) = says.then(|| provider.cannot(&probe)).flatten() {
        let name = entry.params.keys().next().cloned().unwrap_or_default();
        let span = entry.param_spans.get(&name).cloned().unwrap_or_else(|| entry.alias_span.clone());
        let message = format!("the provider `{}` cannot be sent {what}", entry.provider);
        problems.push(Problem::error(Place::span(&entry.source, span), message));
    }
}

/// The model entries of a project, checked: what can be sent to which.
pub struct Checker(Vec<Option<Box<dyn Provider>>>);

impl Checker {
    /// Checks every entry. What is wrong with one goes to `problems`.
    pub fn new(entries: &[ModelEntry], problems: &mut Problems) -> Self {
        let build = |entry: &ModelEntry| {
            let provider = super::provider::build(entry, None, problems)?;
            check_entry(entry, problems);
            check_own_params(entry, &*provider, problems);
            Some(provider)
        };
        Self(entries.iter().map(build).collect())
    }

    /// What of a request the entry of that index cannot be sent, and what to do.
    pub fn request(&self, index: usize, entry: &ModelEntry, request: &Request) -> Result<(), Unsendable> {
        check_params(entry, &request.params)?;
        match self.0.get(index).and_then(Option::as_ref).and_then(|provider| provider.cannot_be_sent(request)) {
            Some(what) => {
                let why =
                    format!("the provider `{}` of the model `{}` cannot be sent {what}", entry.provider, entry.alias);
                let help = match request.kind {
                    RequestKind::Answer => "test this prompt on other models, or change it",
                    RequestKind::Embedding | RequestKind::Retrieval => {
                        "name another model for embeddings (docs/providers.md says which providers have them)"
                    }
                };
                Err(Unsendable { why, help: help.to_owned() })
            }
            None => Ok(()),
        }
    }
}

/// What of these parameters a model cannot be sent, and what to do.
fn check_params(entry: &ModelEntry, params: &Map<String, Value>) -> Result<(), Unsendable> {
    let mut seen: Vec<(&str, &str)> = Vec::with_capacity(params.len());
    for name in params.keys() {
        if let Some(Unsendable { why, help }) = refusal(entry, name) {
            return Err(Unsendable { why: format!("{why} (model `{}`)", entry.alias), help });
        }
        let sent_as = translation(entry, name).unwrap_or(name);
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == sent_as) {
            let why = format!("`{other}` and `{name}` say the same to the model `{}`", entry.alias);
            let help = format!("leave one of them out, or let the model say `ignore: [{name}]`");
            return Err(Unsendable { why, help });
        }
        seen.push((sent_as, name));
    }
    Ok(())
}

fn translation(entry: &ModelEntry, name: &str) -> Option<&'static str> {
    let parameter = parameters(entry).iter().find(|parameter| parameter.name == name)?;
    match parameter.fit {
        Fit::As(own) | Fit::ListAs(own) => Some(own),
        Fit::Not(_) => None,
    }
}

/// The parameters of a request by the protocol's own names.
pub(super) fn translated(params: &Map<String, Value>, table: &[Parameter]) -> Map<String, Value> {
    params
        .iter()
        .map(|(name, value)| match table.iter().find(|parameter| parameter.name == name).map(|p| p.fit) {
            Some(Fit::As(own)) => (own.to_owned(), value.clone()),
            Some(Fit::ListAs(own)) => {
                let list = if value.is_array() { value.clone() } else { Value::Array(vec![value.clone()]) };
                (own.to_owned(), list)
            }
            Some(Fit::Not(_)) | None => (name.clone(), value.clone()),
        })
        .collect()
}
