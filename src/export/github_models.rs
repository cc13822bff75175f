//! A `.prompt.yml` of GitHub Models for each prompt: its messages, the cases as test data, what is expected of all of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::assertions::parts;
use super::template::{Language, names_only, shared};
use super::{Exported, by_prompt, cases_of};
use crate::case::Case;
use crate::core::problem::Place;
use crate::core::record::Role;
use crate::plan::{Item, Workspace};
use crate::prompt::Prompt;

pub(super) fn write(workspace: &Workspace, items: &[Item]) -> Exported {
    let mut exported = Exported::default();
    for (index, items) in by_prompt(workspace, items) {
        let prompt = &workspace.prompts.list[index];
        let cases: Vec<&Case> = cases_of(&items).iter().map(|case| &workspace.cases.list[*case]).collect();
        let Some(shared) = shared(workspace, prompt, &cases, Language::Names, &mut exported) else { continue };
        let place = Place::File(prompt.path.to_string());
        let known = |role: Role| matches!(role, Role::System | Role::User | Role::Assistant);
        if shared.turns.iter().any(|turn| !known(turn.role) || !turn.calls.is_empty()) {
            let message = format!(
                "`{}` has messages that are neither of system, user nor assistant; it is left out",
                prompt.name
            );
            exported.lost(place, message, "");
            continue;
        }
        let messages: Vec<Value> = shared
            .turns
            .iter()
            .map(|turn| json!({ "role": turn.role.name(), "content": names_only(&turn.text) }))
            .collect();
        let models: BTreeSet<usize> = items.iter().map(|item| item.model).collect();
        let mut file = Map::from_iter([("name".to_owned(), json!(prompt.name.as_str()))]);
        if let Some(description) = &prompt.front.description {
            file.insert("description".to_owned(), json!(description));
        }
        add_model(workspace, prompt, &models, &mut file, &mut exported);
        add_format(prompt, &mut file, &mut exported);
        file.insert("messages".to_owned(), Value::Array(messages));
        let used = used_names(&shared.turns.iter().map(|turn| turn.text.as_str()).collect::<Vec<_>>(), &cases);
        let data: Vec<Value> = shared.variables.into_iter().map(|values| row(values, &used)).collect();
        file.insert("testData".to_owned(), Value::Array(data));
        let evaluators = evaluators(&cases, &mut exported);
        if !evaluators.is_empty() {
            file.insert("evaluators".to_owned(), Value::Array(evaluators));
        }
        super::lost_of_cases(&cases, &mut exported);
        exported.cases += cases.len();
        exported.add(
            &format!("{}.prompt.yml", prompt.name),
            serde_yaml::to_string(&Value::Object(file)).unwrap_or_default(),
        );
    }
    exported
}

/// The variables that a text or an expectation names; the others would be test data that nothing reads.
fn used_names(texts: &[&str], cases: &[&Case]) -> BTreeSet<String> {
    let of =
        |text: &str| crate::prompt::Inline::new(text).map(|inline| inline.variables().to_vec()).unwrap_or_default();
    let mut names: BTreeSet<String> = texts.iter().flat_map(|text| of(text)).collect();
    for check in cases.iter().flat_map(|case| case.checks.iter()) {
        if let (_, Some(Value::String(text)), _) = parts(&check.node.to_json()) {
            names.extend(of(&text));
        }
    }
    names
}

fn row(values: Map<String, Value>, used: &BTreeSet<String>) -> Value {
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    values.into_iter().filter(|(name, _)| used.contains(name)).map(|(name, value)| (name, json!(text(value)))).collect()
}

fn add_model(
    workspace: &Workspace,
    prompt: &Prompt,
    models: &BTreeSet<usize>,
    file: &mut Map<String, Value>,
    exported: &mut Exported,
) {
    let place = || Place::File(prompt.path.to_string());
    let Some(first) = models.first() else { return };
    if models.len() > 1 {
        let message = format!("`{}` is tested on {} models; a file names one", prompt.name, models.len());
        exported.lost(place(), message, "choose with `--model`");
    }
    let entry = &workspace.config.models[*first];
    let id = match (entry.provider.as_str(), entry.model.contains('/')) {
        (_, true) => entry.model.clone(),
        ("openai" | "openai-responses" | "azure-openai", _) => format!("openai/{}", entry.model),
        _ => {
            let message = format!(
                "the model `{}` is not named: GitHub Models has none of the provider {}",
                entry.alias, entry.provider
            );
            exported.lost(place(), message, "write `model:` into the file");
            String::new()
        }
    };
    if !id.is_empty() {
        file.insert("model".to_owned(), json!(id));
    }
    let mut params = entry.params.clone();
    params.extend(prompt.front.params.clone());
    let mut given = Map::new();
    for (name, value) in params {
        let theirs = match name.as_str() {
            "temperature" => "temperature",
            "max_tokens" => "maxTokens",
            "max_completion_tokens" => "maxCompletionTokens",
            "top_p" => "topP",
            _ => {
                exported.lost(place(), format!("the parameter `{name}` is left out"), "");
                continue;
            }
        };
        given.insert(theirs.to_owned(), value);
    }
    if !given.is_empty() {
        file.insert("modelParameters".to_owned(), Value::Object(given));
    }
}

fn add_format(prompt: &Prompt, file: &mut Map<String, Value>, exported: &mut Exported) {
    if let Some(output) = &prompt.front.output {
        let schema = json!({ "name": output.format.name, "strict": true, "schema": output.format.schema });
        file.insert("responseFormat".to_owned(), json!("json_schema"));
        file.insert("jsonSchema".to_owned(), json!(schema.to_string()));
    }
    if !prompt.front.tools.is_empty() {
        exported.lost(Place::File(prompt.path.to_string()), format!("the tools of `{}` are left out", prompt.name), "");
    }
}

/// What every case expects, word for word; anything else has no place there.
fn evaluators(cases: &[&Case], exported: &mut Exported) -> Vec<Value> {
    let written = |case: &Case| -> Vec<Value> { case.checks.iter().map(|check| check.node.to_json()).collect() };
    let all: Vec<Vec<Value>> = cases.iter().map(|case| written(case)).collect();
    let mut evaluators = Vec::new();
    let mut told = BTreeSet::new();
    for (case, own) in cases.iter().zip(&all) {
        for (check, value) in case.checks.iter().zip(own) {
            if !told.insert(value.to_string()) {
                continue;
            }
            let place = Place::span(&check.source, check.node.span.clone());
            let (name, text, beside) = parts(value);
            if !all.iter().all(|other| other.contains(value)) {
                exported.lost(place, format!("`{name}` is expected of some cases only, and is left out"), "");
                continue;
            }
            let theirs = match name.as_str() {
                "equals" => "equals",
                "icontains" | "contains" => "contains",
                "starts-with" => "startsWith",
                "ends-with" => "endsWith",
                _ => {
                    exported.lost(place, format!("`{name}` has no counterpart, and is left out"), "");
                    continue;
                }
            };
            let Some(Value::String(text)) = text else {
                exported.lost(place, format!("`{name}` of something else than a text is left out"), "");
                continue;
            };
            if !matches!(name.as_str(), "icontains" | "equals") {
                exported.lost(place.clone(), format!("`{name}` does not tell capital from small letters there"), "");
            }
            for option in beside.keys() {
                exported.lost(place.clone(), format!("`{option}` of `{name}` is left out"), "");
            }
            let number = evaluators.len() + 1;
            evaluators.push(json!({ "name": format!("{name} {number}"), "string": { theirs: names_only(&text) } }));
        }
    }
    evaluators
}
