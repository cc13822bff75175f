//! What a request and a month cost: medians, 95th percentiles and means over the recorded requests.

use serde::Serialize;

use super::caching::{Caching, caching};
use super::{Fixed, Requests, as_f64, mean};
use crate::core::names::{ModelAlias, PromptName};
use crate::core::price::{Parts, Price};
use crate::core::verdict::Judging;
use crate::project::CacheSettings;
use crate::stats::{median, percentile};

/// How something lies over the requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the requests have less.
    pub median: f64,
    /// 95 in 100 have no more.
    pub p95: f64,
    /// The mean: what times the number of requests is the sum.
    pub mean: f64,
}

impl Spread {
    /// Of these values; `None` of nothing.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mean = mean(values.iter().copied())?;
        Some(Self { median: median(values)?, p95: percentile(values, 0.95)?, mean })
    }

    fn of_counts(values: impl Iterator<Item = Option<u64>>) -> Option<Self> {
        Self::of(&values.flatten().map(as_f64).collect::<Vec<f64>>())
    }
}

/// What the requests of a prompt to a model cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bill {
    /// The prompt.
    pub prompt: PromptName,
    /// What its author calls its version.
    pub version: Option<String>,
    /// What it is.
    pub digest: String,
    /// The model.
    pub model: ModelAlias,
    /// How many requests its cases make.
    pub requests: u64,
    /// Those with a recorded answer.
    pub answered: u64,
    /// Those of them whose tokens the provider counted: all figures are of these.
    pub counted: u64,
    /// Tokens that were read, cached or not.
    pub input: Option<Spread>,
    /// The part of them that came from a cache.
    pub cached_input: Option<Spread>,
    /// The part of them that was written into one.
    pub cache_write: Option<Spread>,
    /// Tokens that were written, reasoning included.
    pub output: Option<Spread>,
    /// The part of them that was reasoning.
    pub reasoning: Option<Spread>,
    /// Tokens of the requests as they are estimated, whether anything was recorded or not.
    pub estimated_input: Option<Spread>,
    /// How far each estimate may be off.
    pub margin: f64,
    /// Whether the model has a price.
    pub priced: bool,
    /// The day of the price, where that is known.
    pub price_as_of: Option<String>,
    /// How long the recorded answers took, in milliseconds.
    pub latency_ms: Option<Spread>,
    /// How many of them say so.
    pub timed: u64,
    /// USD a request.
    pub cost_usd: Option<Spread>,
    /// The same on the mean, part by part.
    pub parts_usd: Option<Parts>,
    /// USD of what is read alone, estimated: where nothing was recorded.
    pub estimated_input_usd: Option<f64>,
    /// Requests a month.
    pub volume: Option<u64>,
    /// USD a month; of what is read alone, where nothing was recorded.
    pub month_usd: Option<f64>,
    /// What is the same in all requests.
    pub fixed: Option<Fixed>,
    /// What a cache would save.
    pub caching: Caching,
    /// What it took to judge the recorded answers; no part of a request.
    pub judging: Option<Judging>,
    /// Requests of conversations beyond the first of each case; not counted above.
    pub later_turns: u64,
    /// What they cost, as far as they have a price.
    pub later_turns_usd: f64,
}

/// Adds up what the requests of a prompt to a model cost.
#[must_use]
pub fn bill(requests: &Requests, volume: Option<u64>, cache: &CacheSettings) -> Bill {
    let usages: Vec<_> = requests.counted().collect();
    let costs: Option<Vec<Parts>> =
        requests.price.as_ref().map(|price| usages.iter().filter_map(|usage| price.parts(usage)).collect());
    let sums: Vec<f64> = costs.iter().flatten().map(Parts::sum).collect();
    let cost_usd = Spread::of(&sums);
    let part = |of: fn(&Parts) -> f64| mean(costs.iter().flatten().map(of)).unwrap_or(0.0);
    let parts_usd = cost_usd.map(|_| Parts {
        input: part(|parts| parts.input),
        cached_input: part(|parts| parts.cached_input),
        cache_write: part(|parts| parts.cache_write),
        output: part(|parts| parts.output),
        reasoning: part(|parts| parts.reasoning),
    });
    let estimated_input = Spread::of_counts(requests.rows.iter().map(|row| Some(row.estimate.input)));
    let of_input = |price: &Price| mean(requests.rows.iter().map(|row| price.read(as_f64(row.estimate.input))));
    let estimated_input_usd = requests.price.as_ref().filter(|_| usages.is_empty()).and_then(of_input);
    let each = cost_usd.map(|cost| cost.mean).or(estimated_input_usd);
    let judging = &requests.judging;
    let mut bill = Bill {
        prompt: requests.prompt.clone(),
        version: requests.version.clone(),
        digest: requests.digest.clone(),
        model: requests.model.clone(),
        requests: requests.rows.len() as u64,
        answered: requests.answered,
        counted: usages.len() as u64,
        input: Spread::of_counts(usages.iter().map(|usage| usage.input)),
        cached_input: Spread::of_counts(usages.iter().map(|usage| usage.cached_input)),
        cache_write: Spread::of_counts(usages.iter().map(|usage| usage.cache_write)),
        output: Spread::of_counts(usages.iter().map(|usage| usage.output)),
        reasoning: Spread::of_counts(usages.iter().map(|usage| usage.reasoning)),
        estimated_input,
        margin: requests.rows.iter().map(|row| row.estimate.margin()).fold(0.0, f64::max),
        priced: requests.price.is_some(),
        price_as_of: requests.price_from.as_of.clone(),
        latency_ms: Spread::of_counts(requests.rows.iter().map(|row| row.latency_ms)),
        timed: requests.rows.iter().filter(|row| row.latency_ms.is_some()).count() as u64,
        cost_usd,
        parts_usd,
        estimated_input_usd,
        volume,
        month_usd: each.zip(volume).map(|(each, volume)| each * as_f64(volume)),
        fixed: requests.fixed,
        caching: Caching::Nothing { why: String::new() },
        judging: (judging.calls + judging.replayed + judging.unpriced > 0).then_some(*judging),
        later_turns: requests.turns.0,
        later_turns_usd: requests.turns.1,
    };
    bill.caching = caching(requests, &bill, cache);
    bill
}
