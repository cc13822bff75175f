//! The first layer: a prompt's file, the partials that it reaches, and the settings that shape its requests.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::rename::PairedPrompt;
use super::side::TreeSide;
use crate::core::names::{ModelAlias, PromptName};
use crate::core::path::TreePath;
use crate::core::record::Tool;
use crate::plan::Overrides;
use crate::project::ModelEntry;
use crate::prompt::{PROMPTS, Prompt};
use crate::snapshot::{JsonChange, diff_json};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Only head has it.
    Added,
    /// Only base has it.
    Removed,
    /// Its text differs.
    Changed,
    /// It has another name, and perhaps another text.
    Renamed,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Its path: head's, or base's where head does not have it.
    pub path: String,
    /// Its path at base, where that was another.
    pub renamed_from: Option<String>,
    /// What became of it.
    pub kind: FileKind,
    /// Base's text.
    pub old: Option<String>,
    /// Head's text.
    pub new: Option<String>,
}

/// A setting that differs, value by value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingChange {
    /// Which: `params`, `output`, `tools`, `models`, or a model's entry in `promptctl.yaml`.
    pub setting: String,
    /// The values.
    pub changes: Vec<JsonChange>,
}

/// What differs in a prompt's files and settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TemplateChange {
    /// Its own file first, then the partials.
    pub files: Vec<FileChange>,
    /// Settings, as they were read: a file that the front matter names is compared by its values.
    pub settings: Vec<SettingChange>,
}

impl TemplateChange {
    /// Whether anything differs.
    #[must_use]
    pub fn differs(&self) -> bool {
        !self.files.is_empty() || !self.settings.is_empty()
    }
}

/// Compares files and settings.
pub(super) fn template(base: &TreeSide, head: &TreeSide, pair: &PairedPrompt, models: &Overrides) -> TemplateChange {
    let of = |side: &'_ TreeSide, name: &Option<PromptName>| {
        let name = name.as_ref()?;
        Some((side.file(name)?.clone(), side.text(side.file(name)?)?))
    };
    let (old, new) = (of(base, &pair.base), of(head, &pair.head));
    let mut files: Vec<FileChange> = file_change(old, new).into_iter().collect();
    let prompts = (
        pair.base.as_ref().and_then(|name| base.prompt(name)).map(|(_, prompt)| prompt),
        pair.head.as_ref().and_then(|name| head.prompt(name)).map(|(_, prompt)| prompt),
    );
    let reached = [prompts.0, prompts.1].into_iter().flatten().flat_map(|prompt| &prompt.partials);
    for partial in reached.collect::<BTreeSet<&String>>() {
        let Ok(path) = TreePath::new(&format!("{PROMPTS}/{partial}")) else { continue };
        let text = |side: &TreeSide| Some((path.clone(), side.text(&path)?));
        files.extend(file_change(text(base), text(head)));
    }
    let settings = match prompts {
        (Some(old), Some(new)) => settings((base, old), (head, new), models),
        _ => Vec::new(),
    };
    TemplateChange { files, settings }
}

fn file_change(old: Option<(TreePath, String)>, new: Option<(TreePath, String)>) -> Option<FileChange> {
    if old == new {
        return None;
    }
    let (old_path, old) = old.unzip();
    let (new_path, new) = new.unzip();
    let renamed_from = old_path.clone().filter(|old| new_path.as_ref().is_some_and(|new| new != old));
    let kind = match (&old_path, &new_path) {
        (None, _) => FileKind::Added,
        (_, None) => FileKind::Removed,
        _ if renamed_from.is_some() => FileKind::Renamed,
        _ => FileKind::Changed,
    };
    let path = new_path.or(old_path)?.to_string();
    Some(FileChange { path, renamed_from: renamed_from.map(|path| path.to_string()), kind, old, new })
}

fn settings(
    (base, old): (&TreeSide, &Prompt),
    (head, new): (&TreeSide, &Prompt),
    models: &Overrides,
) -> Vec<SettingChange> {
    let (old_models, new_models) = (aliases(base, old, models), aliases(head, new, models));
    let names = |models: &BTreeSet<ModelAlias>| json!(models);
    let mut changes = vec![
        setting("models", &names(&old_models), &names(&new_models)),
        setting("params", &Value::Object(old.front.params.clone()), &Value::Object(new.front.params.clone())),
        setting("output", &output(old), &output(new)),
        setting("tools", &tools(old), &tools(new)),
    ];
    for alias in old_models.intersection(&new_models) {
        let shape = |side: &TreeSide| side.workspace().and_then(|w| w.config.model(alias)).map_or(Value::Null, entry);
        changes.push(setting(&format!("model {alias}"), &shape(base), &shape(head)));
    }
    changes.into_iter().flatten().collect()
}

fn setting(name: &str, old: &Value, new: &Value) -> Option<SettingChange> {
    let mut changes = diff_json(old, new);
    // What is not there is no value.
    for change in &mut changes {
        change.old.take_if(|old| old.is_null() && change.path == "$");
        change.new.take_if(|new| new.is_null() && change.path == "$");
    }
    (!changes.is_empty()).then(|| SettingChange { setting: name.to_owned(), changes })
}

/// Every model that a case of the prompt is sent to, or that it names itself.
fn aliases(side: &TreeSide, prompt: &Prompt, models: &Overrides) -> BTreeSet<ModelAlias> {
    let Some(workspace) = side.workspace() else { return BTreeSet::new() };
    if !models.models.is_empty() {
        return models.models.iter().cloned().collect();
    }
    let own = prompt.front.models.as_ref().unwrap_or(&workspace.config.defaults.models);
    let cases = workspace.cases.list.iter().filter(|case| workspace.prompt_of(case).name == prompt.name);
    cases.flat_map(|case| workspace.models_of(case, models)).chain(own).cloned().collect()
}

fn output(prompt: &Prompt) -> Value {
    prompt.front.output.as_ref().map_or(Value::Null, |output| json!(output.format))
}

/// The tools by name, so that a new one in front does not change all the others.
fn tools(prompt: &Prompt) -> Value {
    let tool = |tool: &Tool| {
        let mut value = json!({"parameters": tool.parameters});
        if !tool.description.is_empty() {
            value["description"] = json!(tool.description);
        }
        value
    };
    let by_name: BTreeMap<&String, Value> = prompt.front.tools.iter().map(|one| (&one.name, tool(one))).collect();
    let mut by_name: Map<String, Value> = by_name.into_iter().map(|(name, tool)| (name.clone(), tool)).collect();
    if by_name.len() > 1 {
        let order: Vec<&String> = prompt.front.tools.iter().map(|tool| &tool.name).collect();
        by_name.insert("(order)".into(), json!(order));
    }
    Value::Object(by_name)
}

/// What of a model's entry shapes a request.
fn entry(entry: &ModelEntry) -> Value {
    let mut shape = json!({"provider": entry.provider, "model": entry.model, "params": entry.params});
    if !entry.ignore.is_empty() {
        shape["ignore"] = json!(entry.ignore);
    }
    if let Some(extras) = &entry.extras {
        shape["body and form"] = json!(extras.chars().take(12).collect::<String>());
    }
    shape
}
