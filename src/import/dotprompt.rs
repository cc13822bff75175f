//! `.prompt` files: a front matter and a template of Handlebars.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::draft::PromptDraft;
use super::finding::{Keys, scalar};
use super::intake::Intake;
use super::template::own_name;
use super::{handlebars, picoschema};
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problems};
use crate::core::yaml::{self, Data};

/// Reads a prompt, or every prompt of a folder, into the draft.
pub(super) fn read(intake: &mut Intake<'_>, path: &TreePath) -> Result<(), Problems> {
    let source = intake.tree.source(path).map_err(|error| Problems::from(error.into_problem()))?;
    let (front, start) = body_start(&source.text).unwrap_or((0..0, 0));
    let node = yaml::parse_range(&source, front.clone())?;
    let file = path.file_name();
    let stem = file.strip_suffix(".prompt").unwrap_or(file);
    let folder = path.parent();
    let place = Place::span(&source, 0..0);
    let mut prompt = PromptDraft::new(stem, String::new(), place.clone());
    if let Some(mut keys) = (!matches!(node.data, Data::Null))
        .then(|| Keys::new(&source, &node, "the front matter", &mut intake.findings))
        .flatten()
    {
        let name = keys.text("name", &mut intake.findings);
        prompt.name = super::draft::prompt_name(name.as_deref().unwrap_or(stem));
        if let Some(variant) = keys.text("variant", &mut intake.findings) {
            prompt.name = super::draft::prompt_name(&format!("{}-{variant}", prompt.name));
        }
        prompt.description = keys.text("description", &mut intake.findings);
        if let Some(model) = keys.text("model", &mut intake.findings) {
            prompt.models = add_model(intake, &model, &place).map(|alias| vec![alias]);
        }
        if let Some(node) = keys.take("config") {
            let params = config(intake, &keys, node);
            if !params.is_empty() {
                prompt.front.insert("params".to_owned(), Value::Object(params));
            }
        }
        if let Some(node) = keys.take("input") {
            input(intake, &keys, node, &mut prompt);
        }
        if let Some(node) = keys.take("output") {
            output(intake, &keys, node, &mut prompt);
        }
        keys.finish(
            &[
                (
                    "tools",
                    "describe each tool under `tools:` of the front matter: its name, description and parameters",
                ),
                ("metadata", "give cases `tags:`"),
            ],
            &mut intake.findings,
        );
    }
    prompt.body = handlebars::translate(intake, &source, start..source.text.len(), &folder);
    prompt.dialect = Some(crate::prompt::elsewhere::Dialect::Handlebars);
    intake.draft.add_prompt(prompt);
    Ok(())
}

/// The range of the front matter, and where the body begins: a mark is a line of three dashes and nothing else.
pub(super) fn body_start(text: &str) -> Option<(Range<usize>, usize)> {
    let mut offset = 0;
    let mut opened = None;
    for line in text.split_inclusive('\n') {
        let is_mark = line.trim_end() == "---";
        match opened {
            None if is_mark => opened = Some(offset + line.len()),
            // Comments and blank lines may stand before it.
            None if line.trim().is_empty() || line.starts_with('#') => {}
            None => return None,
            Some(from) if is_mark => return Some((from..offset, offset + line.len())),
            Some(_) => {}
        }
        offset += line.len();
    }
    None
}

/// The model of an id such as `googleai/gemini-2.5-flash`.
fn add_model(intake: &mut Intake<'_>, id: &str, place: &Place) -> Option<String> {
    let (vendor, name) = id.split_once('/').unwrap_or(("", id));
    let provider = match vendor {
        "googleai" | "google" => "gemini",
        "openai" => "openai",
        "anthropic" => "anthropic",
        "ollama" => "ollama",
        "" if name.starts_with("gemini") => "gemini",
        "" if name.starts_with("gpt") || name.starts_with('o') => "openai",
        "" if name.starts_with("claude") => "anthropic",
        _ => {
            let message = format!("the model `{}` is not carried over", super::finding::shown(id));
            let help = "name a model that speaks one of the protocols of `promptctl schema project`";
            intake.findings.lost(place.clone(), message, help);
            return None;
        }
    };
    let entry = json!({ "provider": provider, "model": name });
    Some(intake.draft.add_model(name, entry.as_object().cloned().unwrap_or_default(), true, place.clone()))
}

/// `config:` by the names that every protocol here understands.
fn config(intake: &mut Intake<'_>, keys: &Keys<'_>, node: &yaml::Node) -> Map<String, Value> {
    let mut params = Map::new();
    let Some(mut given) = Keys::new(&keys.source, node, "config", &mut intake.findings) else { return params };
    for (name, own) in [
        ("temperature", "temperature"),
        ("maxOutputTokens", "max_tokens"),
        ("topP", "top_p"),
        ("topK", "top_k"),
        ("stopSequences", "stop"),
        ("seed", "seed"),
    ] {
        if let Some(node) = given.take(name) {
            params.insert(own.to_owned(), node.to_json());
        }
    }
    given.finish(
        &[
            ("version", "write the version into `model:` of the model entry"),
            ("safetySettings", "write them under `body:` of the model entry"),
            ("apiKey", "name the variable that holds it with `api-key-env:`"),
        ],
        &mut intake.findings,
    );
    params
}

fn input(intake: &mut Intake<'_>, keys: &Keys<'_>, node: &yaml::Node, prompt: &mut PromptDraft) {
    let Some(mut given) = Keys::new(&keys.source, node, "input", &mut intake.findings) else { return };
    let defaults = given.take("default").map(yaml::Node::to_json).unwrap_or_default();
    let defaults = defaults.as_object().cloned().unwrap_or_default();
    if let Some(node) = given.take("schema") {
        let place = given.place(node);
        if let Some(name) = scalar(node) {
            let message =
                format!("the schema `{}` is not in this file, and is not carried over", super::finding::shown(&name));
            intake.findings.lost(place, message, "declare the variables under `vars:`");
        } else {
            let schema = picoschema::schema(&node.to_json(), &mut intake.findings, &place);
            let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let mut property = property.as_object().cloned().unwrap_or_default();
                if let Some(default) = defaults.get(name) {
                    property.insert("default".to_owned(), default.clone());
                } else if !required.contains(&json!(name)) {
                    property.insert("default".to_owned(), Value::Null);
                }
                prompt.declared.insert(own_name(name), Value::Object(property));
            }
        }
    }
    for (name, default) in &defaults {
        let declared = prompt.declared.entry(own_name(name)).or_insert_with(|| json!({}));
        if let Some(map) = declared.as_object_mut() {
            map.entry("default").or_insert_with(|| default.clone());
        }
    }
    given.finish(&[], &mut intake.findings);
}

fn output(intake: &mut Intake<'_>, keys: &Keys<'_>, node: &yaml::Node, prompt: &mut PromptDraft) {
    let Some(mut given) = Keys::new(&keys.source, node, "output", &mut intake.findings) else { return };
    let format = given.text("format", &mut intake.findings);
    match given.take("schema") {
        Some(node) if scalar(node).is_none() => {
            let place = given.place(node);
            let schema = picoschema::schema(&node.to_json(), &mut intake.findings, &place);
            prompt.front.insert("output".to_owned(), json!({ "schema": schema }));
        }
        Some(node) => {
            let place = given.place(node);
            intake.findings.lost(
                place,
                "a schema by its name is not carried over",
                "write it under `output: { schema: … }`",
            );
        }
        None if format.as_deref() == Some("json") => prompt.default_expect.push(json!("is-json")),
        None => {}
    }
    given.finish(&[], &mut intake.findings);
}
