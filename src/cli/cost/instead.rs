//! `cost --alternatives`: what else could be asked, by what is recorded of it.

use super::side::Side;
use crate::cli::failure::Failure;
use crate::compare::{self, Limits};
use crate::core::names::{ModelAlias, PromptName};
use crate::cost::{Alternative, Bill, Evidence, Requests, fine_tuned, gather, retrieval, smaller_model};
use crate::plan::{Counter, Overrides, Plan};
use crate::project::{CostSettings, ModelEntry};

/// As in `promptctl compare`, where nobody says otherwise.
const ALPHA: f64 = 0.05;
const DELTA: f64 = 0.1;

/// The alternatives of every prompt, held against the first of its models.
pub(super) fn all(
    head: &Side,
    requests: &[Requests],
    bills: &[Bill],
    settings: &CostSettings,
) -> Result<Vec<Alternative>, Failure> {
    let mut found = Vec::new();
    let mut seen: Vec<&PromptName> = Vec::new();
    for (now, bill) in requests.iter().zip(bills) {
        if seen.contains(&&now.prompt) {
            continue;
        }
        seen.push(&now.prompt);
        for entry in others(head, &now.model, settings) {
            let Some((then, evidence)) = asked(head, now, &entry.alias, settings)? else { continue };
            // Of the other models of a project most were never asked this: only a model that is named is missed.
            if then.answered > 0 || settings.smaller.is_some() {
                found.push(smaller_model(bill, now, &then, evidence));
            }
        }
        let tuned = &settings.tuned;
        let stands = match &tuned.model {
            Some(alias) => asked(head, now, alias, settings)?,
            None => None,
        };
        let (stands, evidence) = stands.unzip();
        let price = stands.as_ref().and_then(|then| then.price.as_ref());
        found.push(fine_tuned(bill, now, tuned, price, evidence.flatten()));
        let embedding = head.prepared.workspace.config.judge.embeddings.as_ref();
        let embedding = embedding.and_then(|alias| head.prepared.workspace.config.model(alias)?.price.clone());
        let context = settings.retrieval.context.as_deref().and_then(|name| context(head, now, name));
        found.push(retrieval(bill, now, &settings.retrieval, context, embedding.map(|price| price.input)));
    }
    Ok(found)
}

/// The models that might answer instead.
fn others<'a>(head: &'a Side, now: &'a ModelAlias, settings: &'a CostSettings) -> impl Iterator<Item = &'a ModelEntry> {
    let is_meant = |entry: &&ModelEntry| {
        let named = settings.smaller.as_ref().is_none_or(|aliases| aliases.contains(&entry.alias));
        named && entry.alias != *now && settings.tuned.model.as_ref() != Some(&entry.alias)
    };
    head.prepared.workspace.config.models.iter().filter(is_meant)
}

/// A plan of the cases of a prompt on one model; `None` where they cannot be sent to it.
fn plan(head: &Side, prompt: &PromptName, model: &ModelAlias) -> Option<Plan> {
    let workspace = &head.prepared.workspace;
    let own: Vec<usize> = head
        .selected
        .iter()
        .copied()
        .filter(|index| workspace.prompt_of(&workspace.cases.list[*index]).name == *prompt)
        .collect();
    head.prepared.plan(&own, &Overrides { models: vec![model.clone()], repeat: None }).ok()
}

/// What another model took for the same cases, and whether its answers are as good. `None` where it cannot be asked.
fn asked(
    head: &Side,
    now: &Requests,
    model: &ModelAlias,
    settings: &CostSettings,
) -> Result<Option<(Requests, Option<Evidence>)>, Failure> {
    let (Some(before), Some(after)) = (plan(head, &now.prompt, &now.model), plan(head, &now.prompt, model)) else {
        return Ok(None);
    };
    let Some(then) = gather(&head.prepared, &after, &head.store)?.pop() else { return Ok(None) };
    let side = |plan| compare::Side { prepared: &head.prepared, plan, store: &head.store };
    let pairs = compare::pair(&side(&before), &side(&after), Some((&now.model, model)), &|_| true)?;
    let limits = Limits { alpha: ALPHA, delta: settings.delta.unwrap_or(DELTA), sequential: false };
    let comparison = compare::compare(&pairs, &limits);
    let evidence = comparison.prompts.into_iter().next().map(|row| Evidence {
        cases: row.cases,
        now: (row.base_passes, row.base_answers),
        then: (row.head_passes, row.head_answers),
        verdict: row.verdict,
        delta: limits.delta,
    });
    Ok(Some((then, evidence.filter(|evidence| evidence.cases > 0))))
}

/// The tokens of a variable, on the mean of all cases, where any of them gives it as text: one that gives none reads none.
fn context(head: &Side, now: &Requests, name: &str) -> Option<f64> {
    let workspace = &head.prepared.workspace;
    let entry = workspace.config.model(&now.model)?;
    let cases = head.selected.iter().map(|index| &workspace.cases.list[*index]);
    let own: Vec<_> = cases.filter(|case| workspace.prompt_of(case).name == now.prompt).collect();
    let counter = Counter::of(&workspace.request(own.first()?, entry).ok()?);
    let texts: Vec<&str> = own.iter().filter_map(|case| case.variables.get(name)?.as_str()).collect();
    let sum: u64 = texts.iter().map(|text| counter.count(text)).sum();
    #[expect(clippy::cast_precision_loss, reason = "tokens of variables are far below 2^53")]
    (!texts.is_empty()).then(|| sum as f64 / own.len() as f64)
}
