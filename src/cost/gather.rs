//! The rows: what each request of a plan took, as it was recorded, and how many tokens it is taken for.

use std::sync::Arc;

use rayon::prelude::*;

use super::fixed::{Fixed, fixed};
use crate::core::names::{CaseName, ModelAlias, PromptName};
use crate::core::price::Price;
use crate::core::problem::Problems;
use crate::core::record::{Request, Usage};
use crate::core::verdict::{Judging, Verdict};
use crate::plan::{Estimate, Item, Plan};
use crate::project::PriceFrom;
use crate::recording::Store;
use crate::run::{Prepared, Scoring};

/// One request, and what its answer took.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The case.
    pub case: CaseName,
    /// What the case was made from.
    pub group: Option<Arc<str>>,
    /// Whether an answer is recorded.
    pub is_answered: bool,
    /// The tokens, where an answer is recorded and the provider counted them.
    pub usage: Option<Usage>,
    /// The tokens of the request, estimated.
    pub estimate: Estimate,
    /// Whether the answer is as expected; `None` where there is none, or nobody can say.
    pub passed: Option<bool>,
    /// Milliseconds.
    pub latency_ms: Option<u64>,
}

/// All requests of a prompt to a model.
#[derive(Clone, Debug)]
pub struct Requests {
    /// The prompt.
    pub prompt: PromptName,
    /// What its author calls its version.
    pub version: Option<String>,
    /// What it is.
    pub digest: String,
    /// The model.
    pub model: ModelAlias,
    /// The kind of provider, and the provider's id of the model.
    pub served: (String, String),
    /// Its price.
    pub price: Option<Price>,
    /// Where that is from.
    pub price_from: PriceFrom,
    /// One a case and sample.
    pub rows: Vec<Asked>,
    /// How many have a recorded answer, whether its tokens were counted or not.
    pub answered: u64,
    /// What is the same in all of them.
    pub fixed: Option<Fixed>,
    /// What it took to judge the answers.
    pub judging: Judging,
    /// Requests of conversations beyond the first, and what those cost that have a price.
    pub turns: (u64, f64),
}

impl Requests {
    /// Tokens that were counted, of each row that has them, with the price where there is one.
    pub fn counted(&self) -> impl Iterator<Item = Usage> + '_ {
        self.rows.iter().filter_map(|row| row.usage)
    }
}

fn add(sum: &mut Judging, one: &Judging) {
    sum.calls += one.calls;
    sum.replayed += one.replayed;
    sum.cost_usd += one.cost_usd;
    sum.recorded_cost_usd += one.recorded_cost_usd;
    sum.unpriced += one.unpriced;
}

/// The usage of an answer that says what was read and what was written.
fn whole(usage: Usage) -> Option<Usage> {
    (usage.input.is_some() && usage.output.is_some()).then_some(usage)
}

/// The rows of every prompt and model of a plan, in its order. Nothing is asked.
pub fn gather(prepared: &Prepared, plan: &Plan, store: &Store) -> Result<Vec<Requests>, Problems> {
    let workspace = &prepared.workspace;
    let answers = prepared.answers(plan, store)?;
    let mut groups: Vec<((usize, usize), Vec<usize>)> = Vec::new();
    for (index, item) in plan.items.iter().enumerate() {
        let name = (workspace.cases.list[item.case].prompt, item.model);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, items)) => items.push(index),
            None => groups.push((name, vec![index])),
        }
    }
    let of_group = |((prompt, model), items): ((usize, usize), Vec<usize>)| -> Result<Requests, Problems> {
        let (prompt, entry) = (&workspace.prompts.list[prompt], &workspace.config.models[model]);
        let request = |item: &Item| Ok(workspace.request(&workspace.cases.list[item.case], entry)?);
        let requests: Vec<Request> =
            items.par_iter().map(|index| request(&plan.items[*index])).collect::<Result<_, Problems>>()?;
        let mut all = Requests {
            prompt: prompt.name.clone(),
            version: prompt.front.version.as_ref().map(ToString::to_string),
            digest: prompt.digest.clone(),
            model: entry.alias.clone(),
            served: (entry.provider.clone(), entry.model.clone()),
            price: entry.price.clone(),
            price_from: entry.price_from.clone(),
            rows: Vec::new(),
            answered: 0,
            fixed: fixed(&requests),
            judging: Judging::default(),
            turns: (0, 0.0),
        };
        for (index, request) in items.iter().zip(&requests) {
            let item = &plan.items[*index];
            let case = &workspace.cases.list[item.case];
            let estimate = Estimate::of(entry, request);
            for (sample, answer) in (0..).zip(&answers[*index]) {
                let mut row = Asked {
                    case: case.name.clone(),
                    group: case.group.clone(),
                    is_answered: answer.is_some(),
                    usage: None,
                    estimate,
                    passed: None,
                    latency_ms: None,
                };
                if let Some(answer) = answer {
                    let outcome = prepared.score(&Scoring::new(item.case, entry, (sample, answer), store))?;
                    all.answered += 1;
                    row.usage = whole(answer.usage);
                    row.latency_ms = answer.latency_ms;
                    row.passed = match outcome.verdict {
                        Verdict::Passed => Some(true),
                        Verdict::Failed => Some(false),
                        _ => None,
                    };
                    if let Some(judging) = &outcome.judging {
                        add(&mut all.judging, judging);
                    }
                    all.turns.0 += outcome.turns.len() as u64;
                    all.turns.1 += outcome.turns.iter().filter_map(|turn| turn.cost_usd).sum::<f64>();
                }
                all.rows.push(row);
            }
        }
        Ok(all)
    };
    groups.into_iter().map(of_group).collect()
}
