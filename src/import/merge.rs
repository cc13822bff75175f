//! An import into a project that has models already: its `promptctl.yaml` is never changed.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::draft::{Draft, PromptDraft};
use super::finding::Findings;
use super::judges::needs;
use super::yaml::to_yaml;
use crate::core::problem::Place;
use crate::project::{CONFIG_FILE, Config, ModelEntry};

/// Who judges, or embeds, where an expectation does not say.
enum Oracle {
    /// `judge:` of the project says.
    Named,
    /// The expectation must name this one itself: the project has models, but no `judge:`.
    Known(String),
    /// Nobody.
    Nobody,
}

/// What the models of a draft are called in the project.
pub(super) struct Names {
    aliases: HashMap<String, Option<String>>,
    judge: Oracle,
    embeddings: Oracle,
}

impl Names {
    pub(super) fn of_draft(draft: &Draft) -> Self {
        let aliases = draft.models.iter().map(|model| (model.alias.clone(), Some(model.alias.clone()))).collect();
        Self { aliases, judge: Oracle::Named, embeddings: Oracle::Named }
    }

    pub(super) fn in_project(draft: &Draft, config: &Config, findings: &mut Findings) -> Self {
        let mut aliases = HashMap::new();
        for model in &draft.models {
            let (provider, id) = (model.entry.get("provider"), model.entry.get("model"));
            let id = id.and_then(Value::as_str).unwrap_or(&model.alias);
            let is_same = |known: &&ModelEntry| provider == Some(&json!(known.provider)) && known.model == id;
            let mut same: Vec<_> = config.models.iter().filter(is_same).collect();
            same.sort_by_key(|known| known.alias.as_str() != model.alias);
            let known = same.first().map(|known| known.alias.to_string());
            if known.is_none() {
                let taken = config.models.iter().any(|known| known.alias.as_str() == model.alias);
                let alias = if taken { format!("{}-2", model.alias) } else { model.alias.clone() };
                let message =
                    format!("{CONFIG_FILE} has no such model as `{}`, and is not changed by an import", model.alias);
                let entry = to_yaml(&json!({ alias: model.entry }));
                findings.lost(model.place.clone(), message, format!("add it under `models:`\n{}", indented(&entry)));
            }
            aliases.insert(model.alias.clone(), known);
        }
        let named = |alias: &Option<String>| alias.as_ref().and_then(|alias| aliases.get(alias).cloned().flatten());
        let oracle = |is_named: bool, alias: &Option<String>| match named(alias) {
            _ if is_named => Oracle::Named,
            Some(alias) => Oracle::Known(alias),
            None => Oracle::Nobody,
        };
        let judge = oracle(config.judge.model.is_some(), &draft.judge);
        let embeddings = oracle(config.judge.embeddings.is_some(), &draft.embeddings);
        Self { aliases, judge, embeddings }
    }

    fn known(&self, alias: &str) -> Option<String> {
        self.aliases.get(alias).cloned().flatten()
    }

    pub(super) fn all_known(&self, aliases: &[String]) -> Vec<String> {
        let mut known: Vec<String> = Vec::new();
        for name in aliases.iter().filter_map(|alias| self.known(alias)) {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        known
    }

    /// Gives each expectation that a model judges the name of that model, and drops it where there is none.
    pub(super) fn judges(&self, prompt: &mut PromptDraft, findings: &mut Findings) {
        let place = prompt.place.clone();
        let mut settle = |expect: Vec<Value>, place: &Place| -> Vec<Value> {
            let judged = expect.into_iter().map(|value| self.with_known_judge(value));
            let mut kept = Vec::new();
            for value in judged {
                let missing = matches!(self.judge, Oracle::Nobody) && needs(&value, false)
                    || matches!(self.embeddings, Oracle::Nobody) && needs(&value, true);
                if missing {
                    let message = "an expectation is not carried over: the project names no model for it";
                    findings.lost(
                        place.clone(),
                        message,
                        "name one under `judge:` of promptctl.yaml, and import again",
                    );
                } else {
                    kept.push(value);
                }
            }
            kept
        };
        prompt.default_expect = settle(std::mem::take(&mut prompt.default_expect), &place);
        for case in &mut prompt.cases {
            case.expect = settle(std::mem::take(&mut case.expect), &case.place);
        }
        for dataset in &mut prompt.datasets {
            if let Some(Value::Array(expect)) = dataset.entry.remove("expect") {
                dataset.entry.insert("expect".to_owned(), Value::Array(settle(expect, &place)));
            }
        }
    }

    /// The models of an expectation by the names that the project has for them.
    fn with_known_judge(&self, expect: Value) -> Value {
        let (by_judge, by_embedder) = (needs(&expect, false), needs(&expect, true));
        let mut map = match expect {
            Value::String(name) if by_judge || by_embedder => Map::from_iter([("type".to_owned(), json!(name))]),
            Value::Object(map) => map,
            other => return other,
        };
        for key in ["model", "embeddings"] {
            if let Some(Value::String(alias)) = map.get(key).cloned() {
                match self.known(&alias) {
                    Some(known) => map.insert(key.to_owned(), json!(known)),
                    None => map.remove(key),
                };
            }
        }
        let composed = ["all", "any", "none"].into_iter().find(|key| map.get(*key).is_some_and(Value::is_array));
        if let Some(Value::Array(items)) = composed.and_then(|key| map.get_mut(key)) {
            let inner = std::mem::take(items);
            items.extend(inner.into_iter().map(|item| self.with_known_judge(item)));
            return Value::Object(map);
        }
        let is_similar = map.contains_key("similar") || map.contains_key("not-similar");
        let is_similar =
            is_similar || map.get("type").and_then(Value::as_str).is_some_and(|name| name.ends_with("similar"));
        if let (true, Oracle::Known(alias)) = (by_embedder, &self.embeddings) {
            map.insert(if is_similar { "model" } else { "embeddings" }.to_owned(), json!(alias));
        }
        if let (true, Oracle::Known(alias)) = (by_judge, &self.judge) {
            map.insert("model".to_owned(), json!(alias));
        }
        Value::Object(map)
    }
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
