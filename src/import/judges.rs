//! The models that a project needs beside those that a source names: who judges, who embeds, who answers at all.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::finding::Findings;
use crate::core::problem::Place;

/// The names of expectations that a model judges.
const JUDGED: [&str; 8] = [
    "llm-rubric",
    "g-eval",
    "factuality",
    "answer-relevance",
    "context-faithfulness",
    "context-recall",
    "context-relevance",
    "select-best",
];

/// Whether an expectation, or one that it is composed of, asks a model that it does not name.
pub(super) fn needs(expect: &Value, embeddings: bool) -> bool {
    let (name, map) = match expect {
        Value::String(name) => (name.as_str(), None),
        Value::Object(map) => {
            let name = map.get("type").and_then(Value::as_str).or_else(|| map.keys().next().map(String::as_str));
            (name.unwrap_or_default(), Some(map))
        }
        _ => return false,
    };
    let bare = name.strip_prefix("not-").unwrap_or(name);
    let has = |key: &str| map.is_some_and(|map| map.contains_key(key));
    let own = if embeddings {
        bare == "similar" && !has("model") || bare == "answer-relevance" && !has("embeddings")
    } else {
        JUDGED.contains(&bare) && !has("model")
    };
    let inner = ["all", "any", "none"].iter().filter_map(|key| map?.get(*key)?.as_array());
    own || inner.flatten().any(|item| needs(item, embeddings))
}

/// Names who judges and who embeds where expectations ask for it and the source does not say.
pub(super) fn name_judges(draft: &mut Draft, findings: &mut Findings, wanted: Option<&str>, place: &Place) {
    let all = |draft: &Draft, embeddings: bool| {
        let of = |prompt: &super::draft::PromptDraft| {
            let own = prompt.cases.iter().flat_map(|case| &case.expect);
            let rows = prompt.datasets.iter().filter_map(|set| set.entry.get("expect")?.as_array()).flatten();
            prompt.default_expect.iter().chain(own).chain(rows).any(|expect| needs(expect, embeddings))
        };
        draft.prompts.iter().any(of)
    };
    for (embeddings, name, what) in [(false, "gpt-4.1", "judges"), (true, "text-embedding-3-large", "embeds")] {
        let is_named = if embeddings { draft.embeddings.is_some() } else { draft.judge.is_some() };
        if is_named || !all(draft, embeddings) {
            continue;
        }
        let judges = |model: &&super::draft::ModelDraft| !model.answers && draft.embeds(&model.alias) == embeddings;
        let known = draft.models.iter().find(judges).map(|model| model.alias.clone());
        let named = wanted.filter(|alias| draft.embeds(alias) == embeddings).map(str::to_owned).or(known);
        let alias = named.unwrap_or_else(|| {
            let message = format!("the source does not say who {what}; here it is OpenAI's `{name}`");
            findings.note(place.clone(), message, "name another model under `judge:` of promptctl.yaml");
            let entry = Map::from_iter([("provider".to_owned(), json!("openai")), ("model".to_owned(), json!(name))]);
            draft.add_model(name, entry, false, place.clone())
        });
        if embeddings {
            draft.embeddings = Some(alias);
        } else {
            draft.judge = Some(alias);
        }
    }
}

/// A project needs a model: where nothing is left, one that repeats the question.
pub(super) fn at_least_one(draft: &mut Draft, findings: &mut Findings, place: &Place) {
    if draft.models.iter().any(|model| model.answers) {
        return;
    }
    let entry = Map::from_iter([
        ("provider".to_owned(), json!("mock")),
        ("replies".to_owned(), json!([{ "say": "{{ last_user_message }}" }])),
    ]);
    draft.add_model("stand-in", entry, true, place.clone());
    let message = "no model could be carried over; `stand-in` repeats the question instead";
    findings.note(place.clone(), message, "name a real model in promptctl.yaml");
}
