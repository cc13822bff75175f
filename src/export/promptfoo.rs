//! A configuration of promptfoo: providers, a file of messages for each prompt, a test for each case.

use serde_json::{Map, Value, json};

use super::template::{Language, shared};
use super::{Exported, assertions, by_prompt, cases_of, lost_of_cases};
use crate::case::Case;
use crate::core::problem::Place;
use crate::plan::{Item, Workspace};
use crate::project::{Limits, ModelEntry};
use crate::prompt::Prompt;

pub(super) const CONFIG: &str = "promptfooconfig.yaml";

pub(super) fn write(workspace: &Workspace, items: &[Item]) -> Exported {
    let mut exported = Exported::default();
    let mut prompts = Vec::new();
    let mut tests = Vec::new();
    let mut asked: Vec<usize> = Vec::new();
    for (index, items) in by_prompt(workspace, items) {
        let prompt = &workspace.prompts.list[index];
        let (spoken, single): (Vec<usize>, Vec<usize>) =
            cases_of(&items).into_iter().partition(|case| !workspace.cases.list[*case].turns.is_empty());
        for case in spoken {
            let case = &workspace.cases.list[case];
            let message = format!("the case `{}` is a conversation, and is left out", case.name);
            exported.lost(case.place.clone(), message, "");
        }
        let cases: Vec<&Case> = single.iter().map(|case| &workspace.cases.list[*case]).collect();
        if cases.is_empty() {
            continue;
        }
        let Some(shared) = shared(workspace, prompt, &cases, Language::Nunjucks, &mut exported) else { continue };
        lost_of_cases(&cases, &mut exported);
        let messages: Vec<Value> =
            shared.turns.iter().map(|turn| message(turn.role.name(), &turn.text, &turn.calls)).collect();
        let file = format!("prompts/{}.json", prompt.name);
        exported.add(&file, format!("{:#}\n", Value::Array(messages)));
        let mut entry = Map::from_iter([
            ("id".to_owned(), json!(format!("file://{file}"))),
            ("label".to_owned(), json!(prompt.name.as_str())),
        ]);
        let config = prompt_config(prompt);
        if !config.is_empty() {
            entry.insert("config".to_owned(), Value::Object(config));
        }
        prompts.push(Value::Object(entry));
        for ((case, variables), number) in cases.iter().zip(shared.variables).zip(single) {
            let models: Vec<usize> = items.iter().filter(|item| item.case == number).map(|item| item.model).collect();
            asked.extend(models.iter().filter(|model| !asked.contains(model)).copied().collect::<Vec<_>>());
            tests.push(test(workspace, prompt, case, variables, &models, &mut exported));
            exported.cases += 1;
        }
    }
    asked.sort_unstable();
    let entries = asked.iter().map(|model| &workspace.config.models[*model]);
    let providers: Vec<Value> = entries.filter_map(|entry| provider(entry, &mut exported)).collect();
    let config = json!({ "prompts": prompts, "providers": providers, "tests": tests });
    exported.add(CONFIG, serde_yaml::to_string(&config).unwrap_or_default());
    exported
}

fn message(role: &str, text: &str, calls: &[crate::core::record::ToolCall]) -> Value {
    let mut message = Map::from_iter([("role".to_owned(), json!(role)), ("content".to_owned(), json!(text))]);
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), super::messages::calls(calls));
    }
    Value::Object(message)
}

/// Parameters, tools and the form of the answer, which stand at a prompt in both.
fn prompt_config(prompt: &Prompt) -> Map<String, Value> {
    let mut config = prompt.front.params.clone();
    if !prompt.front.tools.is_empty() {
        config.insert("tools".to_owned(), super::messages::tools(&prompt.front.tools));
    }
    if let Some(output) = &prompt.front.output {
        let schema = json!({ "name": output.format.name, "schema": output.format.schema });
        config.insert("response_format".to_owned(), json!({ "type": "json_schema", "json_schema": schema }));
    }
    config
}

fn test(
    workspace: &Workspace,
    prompt: &Prompt,
    case: &Case,
    variables: Map<String, Value>,
    models: &[usize],
    exported: &mut Exported,
) -> Value {
    let mut test = Map::from_iter([
        ("description".to_owned(), json!(case.name.as_str())),
        ("prompts".to_owned(), json!([prompt.name.as_str()])),
    ]);
    let aliases: Vec<&str> = models.iter().map(|model| workspace.config.models[*model].alias.as_str()).collect();
    test.insert("providers".to_owned(), json!(aliases));
    let values = variables.clone();
    let variables: Map<String, Value> =
        variables.into_iter().map(|(name, value)| (name, value_there(value, &case.place, exported))).collect();
    if !variables.is_empty() {
        test.insert("vars".to_owned(), Value::Object(variables));
    }
    // With its label and its settings: an id alone may be that of several models.
    let judge = |alias: &str, exported: &mut Exported| {
        let entry = workspace.config.models.iter().find(|entry| entry.alias.as_str() == alias)?;
        provider(entry, exported)
    };
    let assert: Vec<Value> = case
        .checks
        .iter()
        .filter_map(|check| assertions::assertion(workspace, check, &values, &judge, exported))
        .collect();
    if !assert.is_empty() {
        test.insert("assert".to_owned(), Value::Array(assert));
    }
    if let Some(threshold) = case.threshold {
        test.insert("threshold".to_owned(), json!(threshold));
    }
    let mut options = Map::new();
    if case.repeat > 1 {
        options.insert("repeat".to_owned(), json!(case.repeat));
    }
    // A list is one value here; there it would be one test for each of its items.
    options.insert("disableVarExpansion".to_owned(), json!(true));
    test.insert("options".to_owned(), Value::Object(options));
    if !case.tags.is_empty() {
        test.insert("metadata".to_owned(), json!({ "tags": case.tags.to_vec() }));
    }
    Value::Object(test)
}

/// A value as it must be written there to be the same: one line end at its end is taken off, and names of files are read.
fn value_there(value: Value, place: &Place, exported: &mut Exported) -> Value {
    let Value::String(mut text) = value else { return value };
    if text.ends_with('\n') {
        text.push('\n');
    }
    if text.contains("{{") || text.contains("{%") || text.starts_with("file://") || text.starts_with("package:") {
        let message = "a value holds what promptfoo would render or read; here it is only text";
        exported.lost(place.clone(), message, "look at the request there once");
    }
    Value::String(text)
}

/// What promptfoo calls a model.
fn id_of(entry: &ModelEntry) -> Option<String> {
    Some(match entry.provider.as_str() {
        "openai" if entry.model.contains("embedding") => format!("openai:embedding:{}", entry.model),
        "openai" => format!("openai:chat:{}", entry.model),
        "openai-responses" => format!("openai:responses:{}", entry.model),
        "anthropic" => format!("anthropic:messages:{}", entry.model),
        "gemini" => format!("google:{}", entry.model),
        "ollama" => format!("ollama:chat:{}", entry.model),
        "azure-openai" => format!("azure:chat:{}", entry.model),
        "bedrock" => format!("bedrock:{}", entry.model),
        "mock" => "echo".to_owned(),
        _ => return None,
    })
}

fn provider(entry: &ModelEntry, exported: &mut Exported) -> Option<Value> {
    let place = Place::span(&entry.source, entry.alias_span.clone());
    let Some(id) = id_of(entry) else {
        let message =
            format!("the model `{}` (provider {}) has no counterpart, and is left out", entry.alias, entry.provider);
        exported.lost(place, message, "write a provider of your own there");
        return None;
    };
    let mut config = entry.params.clone();
    if let Some(base) = &entry.base_url {
        config.insert("apiBaseUrl".to_owned(), json!(base));
    }
    if let Some(variable) = &entry.api_key_env {
        config.insert("apiKeyEnvar".to_owned(), json!(variable));
    }
    for (key, node) in &entry.options {
        match (entry.provider.as_str(), key.text.as_str()) {
            ("azure-openai", "api-version") => {
                config.insert("apiVersion".to_owned(), node.to_json());
            }
            ("bedrock", "region") => {
                config.insert("region".to_owned(), node.to_json());
            }
            ("mock", _) => {
                let message =
                    format!("the scripted replies of `{}` are left out: `echo` repeats the prompt", entry.alias);
                exported.lost(place.clone(), message, "");
                break;
            }
            (_, name) => {
                let message = format!("`{name}` of the model `{}` is left out", entry.alias);
                exported.lost(Place::span(&entry.source, key.span.clone()), message, "");
            }
        }
    }
    let left_out = [
        ("ignore", !entry.ignore.is_empty()),
        ("price", entry.price.is_some() && !entry.price_from.shipped),
        ("limits", entry.limits != Limits::default()),
    ];
    for (name, _) in left_out.iter().filter(|(_, is_there)| *is_there) {
        exported.lost(place.clone(), format!("`{name}` of the model `{}` is left out", entry.alias), "");
    }
    let mut provider =
        Map::from_iter([("id".to_owned(), json!(id)), ("label".to_owned(), json!(entry.alias.as_str()))]);
    if !config.is_empty() {
        provider.insert("config".to_owned(), Value::Object(config));
    }
    Some(Value::Object(provider))
}
