//! `prompts:` of a configuration: texts, files, globs, lists of messages.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::chat;
use super::super::draft::{PromptDraft, prompt_name};
use super::super::finding::{Keys, scalar, shown};
use super::super::intake::{Intake, ending};
use super::super::models::{holds_template, texts};
use super::super::nunjucks;
use super::super::shape;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Source};
use crate::core::yaml::{Data, Node};
use crate::prompt::elsewhere::Dialect;

/// What a prompt is called in the source, and what its own entry adds.
#[derive(Clone, Default)]
struct Entry {
    label: Option<String>,
    config: Option<(Value, Place)>,
}

pub(super) fn read(intake: &mut Intake<'_>, folder: &TreePath, source: &Arc<Source>, node: &Node) {
    match &node.data {
        Data::List(items) => items.iter().for_each(|item| one(intake, folder, source, item)),
        Data::Map(entries) => {
            for (key, label) in entries {
                let entry = Entry { label: scalar(label), config: None };
                let place = Place::span(source, key.span.clone());
                raw(intake, folder, &key.text, &entry, &place);
            }
        }
        _ => one(intake, folder, source, node),
    }
}

fn one(intake: &mut Intake<'_>, folder: &TreePath, source: &Arc<Source>, node: &Node) {
    if let Some(text) = scalar(node) {
        return raw(intake, folder, &text, &Entry::default(), &Place::span(source, node.span.clone()));
    }
    let Some(mut keys) = Keys::new(source, node, "a prompt", &mut intake.findings) else { return };
    let place = keys.whole();
    let id = keys.text("id", &mut intake.findings);
    let text = keys.text("raw", &mut intake.findings);
    let label = keys.text("label", &mut intake.findings).or(keys.text("display", &mut intake.findings));
    let config = keys.take("config").map(|node| (node.to_json(), keys.place(node)));
    let label = label.or_else(|| text.is_some().then(|| id.clone()).flatten());
    keys.finish(&[("function", "an import runs no program; write the prompt as a template")], &mut intake.findings);
    match text.or(id) {
        Some(text) => raw(intake, folder, &text, &Entry { label, config }, &place),
        None => intake.findings.lost(place, "a prompt without `raw` or `id` is not carried over", ""),
    }
}

/// Whether a prompt is meant by a name: its own, or a pattern with `*`.
pub(super) fn is_called(prompt: &PromptDraft, name: &str) -> bool {
    let stem = |name: &str| {
        let file = name.trim_start_matches("file://").rsplit('/').next().unwrap_or(name).to_owned();
        file.rsplit_once('.').map_or(file.clone(), |(stem, _)| stem.to_owned())
    };
    match name.strip_suffix('*') {
        Some(start) => prompt.name.starts_with(&prompt_name(start.trim_end_matches(':'))),
        None => prompt.name == prompt_name(name) || prompt.name == prompt_name(&stem(name)),
    }
}

/// A text of `prompts:`: the prompt itself, or where it is.
fn raw(intake: &mut Intake<'_>, folder: &TreePath, text: &str, entry: &Entry, place: &Place) {
    for elsewhere in ["exec:", "portkey://", "langfuse://", "helicone://", "package:"] {
        if text.starts_with(elsewhere) {
            let message = format!("the prompt `{}` is not carried over: it is not in the folder", shown(text));
            return intake.findings.lost(place.clone(), message, "write it as a template below prompts/");
        }
    }
    if text.starts_with("file://") || looks_like_a_file(text) {
        let plain = text.strip_prefix("file://").unwrap_or(text);
        if plain.contains('*') {
            return glob(intake, folder, plain, entry, place);
        }
        let (file, function) = match plain.rsplit_once(':') {
            Some((file, function)) if !function.contains('/') && file.contains('.') => (file, Some(function)),
            _ => (plain, None),
        };
        let Some(path) = intake.path(folder, file, place) else { return };
        return file_prompt(intake, &path, function, entry, place);
    }
    let name = entry.label.clone().unwrap_or_else(|| "prompt".to_owned());
    add(intake, &name, text, entry, place, &|_| place.clone());
}

/// A text without a line end that ends as a file does, or has no blank and a slash.
fn looks_like_a_file(text: &str) -> bool {
    const ENDINGS: [&str; 21] = [
        "txt", "md", "json", "jsonl", "yaml", "yml", "csv", "j2", "njk", "js", "cjs", "mjs", "ts", "cts", "mts", "py",
        "rb", "sh", "exe", "bat", "ps1",
    ];
    if text.contains('\n') || text.contains("{{") {
        return false;
    }
    let file = text.rsplit_once(':').filter(|(file, _)| file.contains('.')).map_or(text, |(file, _)| file);
    ENDINGS.contains(&ending(file).as_str()) || (text.contains(['/', '*']) && !text.contains(' '))
}

fn glob(intake: &mut Intake<'_>, folder: &TreePath, pattern: &str, entry: &Entry, place: &Place) {
    let found = super::super::files::matching(intake, folder, pattern, place);
    if found.is_empty() {
        intake.findings.lost(place.clone(), format!("no file matches `{}`", shown(pattern)), "");
    }
    for path in found {
        file_prompt(intake, &path, None, entry, place);
    }
}

fn file_prompt(intake: &mut Intake<'_>, path: &TreePath, function: Option<&str>, entry: &Entry, place: &Place) {
    let kind = ending(path.file_name());
    let is_text = ["txt", "md", "j2", "njk", "json", "jsonl", "yaml", "yml", "csv", ""].contains(&kind.as_str());
    if function.is_some() || !is_text {
        let message = format!("the prompt `{path}` is not carried over: it is a program");
        return intake.findings.lost(place.clone(), message, "write what it makes as a template below prompts/");
    }
    let Some(source) = intake.source(path, place) else { return };
    let stem = path.file_name().rsplit_once('.').map_or(path.file_name(), |(stem, _)| stem);
    let name = entry.label.clone().unwrap_or_else(|| stem.to_owned());
    let text = source.text.as_str();
    match kind.as_str() {
        "txt" => {
            for range in parts(text) {
                let at = |inner: std::ops::Range<usize>| {
                    Place::span(&source, range.start + inner.start..range.start + inner.end)
                };
                add(intake, &name, &text[range.clone()], entry, place, &at);
            }
        }
        "yaml" | "yml" => {
            let Some(node) = intake.yaml(&source) else { return };
            add(intake, &name, &node.to_json().to_string(), entry, place, &|_| Place::span(&source, 0..0));
        }
        "jsonl" => {
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let at = Place::Line(path.to_string(), number + 1);
                add(intake, &name, line, entry, place, &|_| at.clone());
            }
        }
        "csv" => csv_prompts(intake, path, text, &name, entry, place),
        _ => add(intake, &name, text, entry, place, &|inner| Place::span(&source, inner)),
    }
}

fn csv_prompts(intake: &mut Intake<'_>, path: &TreePath, text: &str, name: &str, entry: &Entry, place: &Place) {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let Ok(header) = reader.headers().cloned() else { return };
    let column = |wanted: &str| header.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let Some(prompt) = column("prompt") else {
        let message = format!("`{path}` has no column `prompt`");
        return intake.findings.lost(place.clone(), message, "");
    };
    let label = column("label");
    for record in reader.records().filter_map(Result::ok) {
        let line = record.position().map_or(1, |position| usize::try_from(position.line()).unwrap_or(1));
        let at = Place::Line(path.to_string(), line);
        let own = label.and_then(|at| record.get(at)).filter(|label| !label.is_empty());
        if let Some(text) = record.get(prompt).filter(|text| !text.is_empty()) {
            add(intake, own.unwrap_or(name), text, entry, place, &|_| at.clone());
        }
    }
}

/// The prompts of a text file: `---` alone in a line stands between two.
fn parts(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut parts = Vec::new();
    let (mut from, mut offset) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim() == "---" {
            parts.push(from..offset);
            from = offset + line.len();
        }
        offset += line.len();
    }
    parts.push(from..offset);
    let trimmed = |range: std::ops::Range<usize>| {
        let part = &text[range.clone()];
        let start = range.start + (part.len() - part.trim_start().len());
        start..start + part.trim().len()
    };
    parts.into_iter().map(trimmed).filter(|range| !range.is_empty()).collect()
}

fn add(
    intake: &mut Intake<'_>,
    name: &str,
    text: &str,
    entry: &Entry,
    place: &Place,
    at: &dyn Fn(std::ops::Range<usize>) -> Place,
) {
    let whole = at(0..0);
    let body = match chat::turns(text) {
        Some(turns) => {
            tell_of_what_is_beside(text, intake, &whole);
            chat::body(&turns, intake, &whole, &|intake, text| intake.jinja(text, &whole))
        }
        None => {
            let seems_chat = text.trim_start().starts_with('[') && text.contains("\"role\"");
            if seems_chat {
                let message = "these messages are no JSON before they are rendered; they are carried over as one text";
                intake.findings.lost(whole, message, "write each message with role() in the template");
            }
            nunjucks::translate(text, at, &mut intake.findings)
        }
    };
    let dialect = Some(Dialect::Nunjucks);
    let index = intake.draft.add_prompt(PromptDraft { dialect, ..PromptDraft::new(name, body, place.clone()) });
    if let Some((config, place)) = &entry.config {
        prompt_config(intake, index, config, place);
    }
}

/// What stands beside the messages of a prompt, and beside the text of a message.
fn tell_of_what_is_beside(text: &str, intake: &mut Intake<'_>, place: &Place) {
    let Some(value) = chat::value_of(text) else { return };
    let beside = value.as_object().into_iter().flatten().filter(|(name, _)| *name != "messages");
    for (name, _) in beside {
        let message = format!("`{}` beside the messages of a prompt is not carried over", shown(name));
        intake.findings.lost(place.clone(), message, "parameters stand under `params:` in the front matter");
    }
    let messages = value.get("messages").unwrap_or(&value).as_array();
    let of_messages: BTreeSet<&String> =
        messages.into_iter().flatten().filter_map(Value::as_object).flat_map(Map::keys).collect();
    for name in of_messages {
        // A result belongs to the calls before it by its place.
        if !matches!(name.as_str(), "role" | "content" | "tool_calls" | "tool_call_id") {
            let message = format!("`{}` of a message is not carried over", shown(name));
            intake.findings.lost(place.clone(), message, "");
        }
    }
}

/// `config:` of a prompt: parameters, tools, the form of the answer.
fn prompt_config(intake: &mut Intake<'_>, index: usize, config: &Value, place: &Place) {
    let Value::Object(map) = config else {
        return intake.findings.lost(place.clone(), "`config` of a prompt is no mapping", "");
    };
    let mut params = Map::new();
    for (name, value) in map {
        match name.as_str() {
            "tools" => shape(intake, index, "tools", value, place),
            "response_format" if value.get("type") == Some(&json!("json_schema")) => {
                shape(intake, index, "response_format", value, place);
            }
            "prefix" | "suffix" => {
                let message = format!("`{name}` of a prompt is not carried over");
                intake.findings.lost(place.clone(), message, "write it into the template");
            }
            name if holds_template(value) => {
                let message = format!("`{}` is a template, and is not carried over", shown(name));
                intake.findings.lost(place.clone(), message, "write the value");
            }
            name => {
                params.insert(name.to_owned(), value.clone());
            }
        }
    }
    if !params.is_empty() {
        intake.draft.prompts[index].front.insert("params".to_owned(), Value::Object(params));
    }
}

/// Puts tools or the form of the answer into the front matter of a prompt that has none yet.
pub(super) fn shape(intake: &mut Intake<'_>, index: usize, what: &str, value: &Value, place: &Place) {
    let (key, made) = match what {
        "tools" => ("tools", shape::tools(value, &mut intake.findings, place)),
        _ => ("output", shape::output(value, &mut intake.findings, place)),
    };
    if let Some(made) = made {
        intake.draft.prompts[index].front.entry(key).or_insert(made);
    }
}

/// The labels of a list of prompts.
pub(super) fn labels(node: &Node) -> Vec<String> {
    texts(node)
}
