//! The third layer: what was answered at base against what was answered at head, each by its own request.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::cases::{CasePair, RenderedSide};
use super::rename::PairedPrompt;
use super::side::TreeSide;
use crate::core::names::{CaseName, ModelAlias, PromptName, RequestKey};
use crate::core::problem::{Problem, Problems};
use crate::core::record::Response;
use crate::plan::Overrides;
use crate::recording::Line;
use crate::run::Script;
use crate::snapshot::{Answer, Info, JsonChange, classify, diff_json, snapshot_path};

/// Where an answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKept {
    /// Among the recordings.
    Recorded,
    /// As an accepted snapshot; nothing is recorded.
    Accepted,
}

/// The answer of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Where it is kept.
    pub kept: AnswerKept,
    /// How many samples there are; this is the first of them.
    pub samples: u64,
    /// The answer, as it is compared: redacted, JSON pretty-printed, calls of tools behind it.
    pub text: String,
}

/// A case on a model whose answers differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerCase {
    /// The case.
    pub case: CaseName,
    /// The model.
    pub model: ModelAlias,
    /// Cases of one number show the very same change.
    pub group: usize,
    /// What kind of change it is, in a few words.
    pub what: &'static str,
    /// Whether both sides asked the very same.
    pub same_request: bool,
    /// Base's answer.
    pub base: Given,
    /// Head's answer.
    pub head: Given,
    /// What differs, where both are JSON objects or arrays.
    pub json: Option<Vec<JsonChange>>,
    /// Why head's answer was accepted, where it was and somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What differs in the answers of a prompt's cases.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AnswersChange {
    /// Cases × models with an answer on both sides.
    pub compared: u64,
    /// Of them, those whose answers are the same.
    pub same: u64,
    /// Those that differ.
    pub changed: Vec<AnswerCase>,
    /// Cases × models without an answer at head yet.
    pub only_recorded_at_base: u64,
    /// Cases × models without an answer at base.
    pub only_recorded_at_head: u64,
    /// Cases × models whose request differs, without an answer on either side.
    pub unrecorded: u64,
    /// Cases × models whose request is the same, without an answer on either side.
    pub unrecorded_same_request: u64,
    /// Cases × models that cannot be rendered on a side, so that nobody knows what is asked.
    pub unrendered: u64,
    /// Cases × models of one side only.
    pub without_counterpart: u64,
    /// Recordings or snapshots that could not be read.
    pub problems: Vec<String>,
}

/// What came of a case on a model.
enum Found {
    Both(Box<AnswerCase>, String),
    Same,
    OnlyBase,
    OnlyHead,
    Neither { same_request: bool },
    Unrendered,
    OneSide,
    Broken(String),
}

/// Compares the answers of every case on every model.
pub(super) fn answers(
    base: &TreeSide,
    head: &TreeSide,
    pair: &PairedPrompt,
    pairs: &[CasePair<'_>],
    models: &Overrides,
) -> AnswersChange {
    let mut change = AnswersChange::default();
    let (Some(old_name), Some(new_name)) = (&pair.base, &pair.head) else { return change };
    let of_case = |case: &CasePair<'_>| -> Vec<Found> {
        let (Some(old), Some(new)) = (&case.base, &case.head) else { return Vec::new() };
        let (before, now) = (old.workspace.models_of(old.case, models), new.workspace.models_of(new.case, models));
        let gone = before.iter().filter(|alias| !now.contains(alias)).map(|_| Found::OneSide);
        let find = |alias: &ModelAlias| {
            if !before.contains(alias) {
                return Found::OneSide;
            }
            let (old, new) = (Asked::new(base, old_name, old, alias), Asked::new(head, new_name, new, alias));
            compare(&old, &new, alias).unwrap_or_else(|problems| Found::Broken(first(problems)))
        };
        now.iter().map(find).chain(gone).collect()
    };
    let found: Vec<Vec<Found>> = pairs.par_iter().map(of_case).collect();
    let mut groups: HashMap<String, usize> = HashMap::new();
    for found in found.into_iter().flatten() {
        match found {
            Found::Both(mut case, signature) => {
                case.reason = why(head, new_name, &case);
                change.compared += 1;
                let next = groups.len();
                case.group = *groups.entry(signature).or_insert(next);
                change.changed.push(*case);
            }
            Found::Same => (change.compared, change.same) = (change.compared + 1, change.same + 1),
            Found::OnlyBase => change.only_recorded_at_base += 1,
            Found::OnlyHead => change.only_recorded_at_head += 1,
            Found::Neither { same_request: true } => change.unrecorded_same_request += 1,
            Found::Neither { same_request: false } => change.unrecorded += 1,
            Found::Unrendered => change.unrendered += 1,
            Found::OneSide => change.without_counterpart += 1,
            Found::Broken(why) if change.problems.contains(&why) => {}
            Found::Broken(why) => change.problems.push(why),
        }
    }
    change
}

/// Why head's answer was accepted.
fn why(head: &TreeSide, prompt: &PromptName, case: &AnswerCase) -> Option<String> {
    let path = snapshot_path(prompt, &case.case, &case.model);
    let accepted = head.snapshots.get(&*head.tree, &path).ok()?.filter(|kept| kept.body() == case.head.text)?;
    Some(accepted.header().ok()?.info.reason).filter(|reason| !reason.is_empty())
}

fn first(problems: Problems) -> String {
    problems.sorted().first().map_or_else(String::new, Problem::in_a_line)
}

/// What one side asks a model, and where its answers are.
struct Asked<'a> {
    side: &'a TreeSide,
    prompt: &'a PromptName,
    rendered: &'a RenderedSide<'a>,
    alias: &'a ModelAlias,
    /// The key of each sample; none where the case could not be rendered.
    keys: Vec<RequestKey>,
}

impl<'a> Asked<'a> {
    fn new(side: &'a TreeSide, prompt: &'a PromptName, rendered: &'a RenderedSide<'a>, alias: &'a ModelAlias) -> Self {
        let entry = rendered.workspace.config.model(alias);
        let request = entry
            .zip(rendered.messages.as_ref().ok())
            .map(|(entry, messages)| rendered.workspace.request_of(rendered.case, entry, messages.clone()));
        let keys = request.map(|request| (0..rendered.case.repeat).map(|sample| request.key(sample)).collect());
        Self { side, prompt, rendered, alias, keys: keys.unwrap_or_default() }
    }

    /// The first recorded answer, in the form that head's case compares, and how many there are.
    fn recorded(&self, form: &RenderedSide<'_>) -> Result<Option<Given>, Problems> {
        let (mut given, mut samples) = (None, 0);
        for key in &self.keys {
            let Some(line) = self.side.store.find(self.prompt, self.alias, key)? else { continue };
            samples += 1;
            if given.is_none() {
                let answer = self.whole(line)?;
                given = Some(Answer::new(&answer, form.case.compare, &form.case.snapshot));
            }
        }
        let text = given.map(|answer| answer.body().to_owned());
        Ok(text.map(|text| Given { kept: AnswerKept::Recorded, samples, text }))
    }

    /// An answer with the conversation behind it, where there is one.
    fn whole(&self, line: Line) -> Result<Response, Problems> {
        let Some(entry) = self.rendered.workspace.config.model(self.alias) else { return Ok(line.response) };
        let Some(script) = Script::of(self.rendered.workspace, self.rendered.case, entry)? else {
            return Ok(line.response);
        };
        let find = |key: &RequestKey| {
            Ok::<_, Problems>(self.side.store.find(self.prompt, self.alias, key)?.map(|line| line.response))
        };
        script.told((line.sample, &line.response), find)
    }

    /// The accepted answer, and whether it answers this very request.
    fn accepted(&self) -> Result<Option<(Given, bool)>, Problems> {
        let path = snapshot_path(self.prompt, &self.rendered.case.name, self.alias);
        let Some(snapshot) = self.side.snapshots.get(&*self.side.tree, &path)? else { return Ok(None) };
        let is_ours =
            snapshot.header().is_ok_and(|header| self.keys.first().is_some_and(|key| header.info.key == key.as_str()));
        let given = Given { kept: AnswerKept::Accepted, samples: 1, text: snapshot.body().to_owned() };
        Ok(Some((given, is_ours)))
    }
}

fn compare(old: &Asked<'_>, new: &Asked<'_>, alias: &ModelAlias) -> Result<Found, Problems> {
    if old.keys.is_empty() || new.keys.is_empty() {
        return Ok(Found::Unrendered);
    }
    let (base, head) = (old.recorded(new.rendered)?, new.recorded(new.rendered)?);
    if base.is_none() && head.is_none() {
        return accepted(old, new, alias);
    }
    // An accepted answer counts as recorded where it answers this very request.
    let answering = |side: &Asked<'_>| Ok(side.accepted()?.filter(|(_, is_ours)| *is_ours).map(|(given, _)| given));
    let base = base.map_or_else(|| answering(old), |given| Ok(Some(given)))?;
    let head = head.map_or_else(|| answering(new), |given: Given| Ok::<_, Problems>(Some(given)))?;
    Ok(match (base, head) {
        (Some(base), Some(head)) if base.text == head.text => Found::Same,
        (Some(base), Some(head)) => differ(base, head, alias, &new.rendered.case.name, old.keys == new.keys),
        (Some(_), None) => Found::OnlyBase,
        (None, Some(_)) => Found::OnlyHead,
        (None, None) => Found::Neither { same_request: old.keys == new.keys },
    })
}

/// Where no recordings are kept the accepted answers tell. That they are the same says nothing of another request that
/// nobody has tested.
fn accepted(old: &Asked<'_>, new: &Asked<'_>, alias: &ModelAlias) -> Result<Found, Problems> {
    let same_request = old.keys == new.keys;
    Ok(match (old.accepted()?, new.accepted()?) {
        (Some((base, _)), Some((head, is_ours))) if base.text == head.text && (same_request || is_ours) => Found::Same,
        (Some((base, _)), Some((head, _))) if base.text != head.text => {
            differ(base, head, alias, &new.rendered.case.name, same_request)
        }
        (Some((_, true)), _) => Found::OnlyBase,
        (_, Some((_, true))) => Found::OnlyHead,
        _ => Found::Neither { same_request },
    })
}

/// Two answers whose texts differ; JSON that says the same is the same answer.
fn differ(base: Given, head: Given, alias: &ModelAlias, case: &CaseName, same_request: bool) -> Found {
    let json = structured(&base.text).zip(structured(&head.text)).map(|(old, new)| diff_json(&old, &new));
    if json.as_ref().is_some_and(Vec::is_empty) {
        return Found::Same;
    }
    let info = Info::default();
    let change = classify(Some((&base.text, &info)), (&head.text, &info), &format!("{case} {alias}"));
    let signature = format!("{:?} {}", change.kind, change.signature);
    let (case, model, what) = (case.clone(), alias.clone(), change.kind.name());
    Found::Both(
        Box::new(AnswerCase { case, model, group: 0, what, same_request, base, head, json, reason: None }),
        signature,
    )
}

/// A JSON object or array.
fn structured(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(text).ok().filter(|value| value.is_object() || value.is_array())
}
