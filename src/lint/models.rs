//! The models of a project: names that move, ends that come, settings that nobody made.

use jiff::civil::Date;

use super::look::{Look, Sink};
use super::pattern;
use crate::core::record::Request;
use crate::plan::{Estimate, request};
use crate::project::{Level, ModelEntry};
use crate::prompt::Prompt;

/// Whether a real model is behind an entry.
fn is_model(entry: &ModelEntry) -> bool {
    !matches!(entry.provider.as_str(), "mock" | "exec")
}

fn entries<'a>(look: &'a Look<'_>) -> impl Iterator<Item = &'a ModelEntry> {
    look.material.workspace.config.models.iter().filter(|entry| is_model(entry))
}

/// The prompts that a model is asked.
fn prompts<'a>(look: &'a Look<'_>, entry: &'a ModelEntry) -> impl Iterator<Item = &'a Prompt> {
    let workspace = look.material.workspace;
    workspace.prompts.list.iter().filter(|prompt| {
        let models = prompt.front.models.as_ref().unwrap_or(&workspace.config.defaults.models);
        models.contains(&entry.alias)
    })
}

fn requests<'a>(look: &'a Look<'_>, entry: &'a ModelEntry) -> impl Iterator<Item = (&'a Prompt, Request)> {
    prompts(look, entry).map(move |prompt| (prompt, request(prompt, entry, Vec::new())))
}

fn is_latest(entry: &ModelEntry) -> bool {
    let model = entry.model.to_lowercase();
    model.split(['-', ':', '/', '@', '_']).any(|part| part == "latest")
}

/// A name that the vendor lets move.
pub(super) fn moving(look: &Look<'_>, sink: &mut Sink) {
    for entry in entries(look).filter(|entry| is_latest(entry)) {
        let message =
            format!("the model `{}` is `{}`, which moves when the vendor has a new one", entry.alias, entry.model);
        sink.at(&entry.source, entry.alias_span.clone(), message).about(format!("{} {}", entry.alias, entry.model));
    }
}

pattern!(DATED, r"\d{4}-\d{2}-\d{2}|\d{8}|-\d{4}\b|-\d{3}\b|@\d|:\d");

/// A name without a day, of a vendor that gives models days.
pub(super) fn undated(look: &Look<'_>, sink: &mut Sink) {
    let is_hosted = |entry: &&ModelEntry| {
        entry.base_url.is_none()
            && matches!(entry.provider.as_str(), "openai" | "openai-responses" | "anthropic" | "gemini" | "bedrock")
    };
    for entry in entries(look).filter(is_hosted).filter(|entry| !is_latest(entry) && !DATED.is_match(&entry.model)) {
        let message = format!("the model `{}` is `{}`, without a date", entry.alias, entry.model);
        sink.at(&entry.source, entry.alias_span.clone(), message).about(format!("{} {}", entry.alias, entry.model));
    }
}

/// A model that is soon no longer served, or no longer is.
pub(super) fn retiring(look: &Look<'_>, sink: &mut Sink) {
    let Ok(today) = look.material.evidence.today.parse::<Date>() else { return };
    for entry in entries(look) {
        let Some((text, day)) = entry.retires_on.as_ref().and_then(|text| Some((text, text.parse::<Date>().ok()?)))
        else {
            continue;
        };
        let left = today.until(day).map_or(i32::MAX, |span| span.get_days());
        let is_far = f64::from(left) > look.limit("days");
        if is_far {
            continue;
        }
        let message = if left >= 0 {
            format!("the model `{}` is no longer served from {text} on, in {left} days", entry.alias)
        } else {
            format!("the model `{}` is no longer served since {text}", entry.alias)
        };
        let finding = sink.at(&entry.source, entry.alias_span.clone(), message);
        finding.about(format!("{} {text}", entry.alias));
        if left < 0 {
            finding.level(Level::Error);
        }
    }
}

/// Parameters that say how answers are drawn.
const SAMPLING: [&str; 9] = [
    "temperature",
    "top_p",
    "topP",
    "top_k",
    "seed",
    "reasoning_effort",
    "reasoning",
    "generationConfig",
    "inferenceConfig",
];

fn names(prompts: &[&Prompt]) -> String {
    let shown: Vec<String> = prompts.iter().take(3).map(|prompt| format!("`{}`", prompt.name)).collect();
    let more = prompts.len().saturating_sub(3);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// Nobody says how answers are drawn.
pub(super) fn sampling(look: &Look<'_>, sink: &mut Sink) {
    for entry in entries(look) {
        let is_unset = |request: &Request| !SAMPLING.iter().any(|name| request.params.contains_key(*name));
        let unset: Vec<&Prompt> =
            requests(look, entry).filter(|(_, request)| is_unset(request)).map(|(prompt, _)| prompt).collect();
        if !unset.is_empty() && !entry.params.keys().any(|name| name == "options") {
            let message = format!("neither `{}` nor {} says how answers are drawn", entry.alias, names(&unset));
            sink.at(&entry.source, entry.alias_span.clone(), message).about(entry.alias.to_string());
        }
    }
}

/// Nobody limits what an answer may cost.
pub(super) fn unlimited(look: &Look<'_>, sink: &mut Sink) {
    for entry in entries(look) {
        let is_unset = |request: &Request| Estimate::of(entry, request).output.is_none();
        let unset: Vec<&Prompt> =
            requests(look, entry).filter(|(_, request)| is_unset(request)).map(|(prompt, _)| prompt).collect();
        if !unset.is_empty() {
            let message = format!("neither `{}` nor {} limits the tokens of an answer", entry.alias, names(&unset));
            sink.at(&entry.source, entry.alias_span.clone(), message).about(entry.alias.to_string());
        }
    }
}
