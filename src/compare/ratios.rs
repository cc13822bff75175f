//! How answers of both sides differ beyond passing: ratios of lengths, tokens, cost and latency, shares, and what is to
//! blame.

use std::collections::{BTreeMap, BTreeSet};

use super::pair::{Pair, Sample};
use super::table::{Changed, Means, Median, Ratio, Reliability, Scores, Served, Shares};
use crate::stats::{Estimate, log_ratio, pass_at_k, pass_hat_k, quantile_ranks, sign_flip};

#[expect(clippy::cast_precision_loss, reason = "lengths and tokens are far below 2^53")]
pub(super) fn as_f64(n: u64) -> f64 {
    n as f64
}

/// The mean of what the answers of a side have of something.
fn mean(samples: &[Sample], of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = samples.iter().filter_map(of).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / as_f64(values.len() as u64))
}

pub(super) fn ratio(pairs: &[&Pair], of: impl Fn(&Sample) -> Option<f64> + Copy) -> Option<Ratio> {
    let both: Vec<(f64, f64)> =
        pairs.iter().filter_map(|pair| Some((mean(&pair.base, of)?, mean(&pair.head, of)?))).collect();
    let Estimate { mean, interval, .. } = log_ratio(&both, 0.95)?;
    Some(Ratio { ratio: mean, interval })
}

/// The medians of both sides, where anything was measured on both.
pub(super) fn latency(pairs: &[&Pair]) -> Option<(Median, Median)> {
    let median = |side: fn(&Pair) -> &Vec<Sample>| {
        let mut all: Vec<u64> = pairs.iter().flat_map(|pair| side(pair)).filter_map(|s| s.latency_ms).collect();
        all.sort_unstable();
        let at = |rank: u64| all.get(usize::try_from(rank).ok()?.checked_sub(1)?).copied();
        let ranks = quantile_ranks(all.len() as u64, 0.5, 0.95);
        let interval = ranks.and_then(|(low, high)| Some((at(low)?, at(high)?)));
        let (below, above) = (all.get(all.len().checked_sub(1)? / 2)?, all.get(all.len() / 2)?);
        Some(Median { median_ms: u64::midpoint(*below, *above), interval })
    };
    Some((median(|pair| &pair.base)?, median(|pair| &pair.head)?))
}

pub(super) fn latency_ratio(latency: Option<(Median, Median)>) -> Option<f64> {
    let (base, head) = latency.map(|(base, head)| (as_f64(base.median_ms), as_f64(head.median_ms)))?;
    (base > 0.0).then(|| head / base)
}

/// The scores of both sides. Where every score is 0 or 1 they say no more than passing does.
pub(super) fn scores(pairs: &[&Pair], seed: u64) -> Option<Scores> {
    let both: Vec<(f64, f64)> = pairs
        .iter()
        .filter_map(|pair| Some((mean(&pair.base, |s| s.score)?, mean(&pair.head, |s| s.score)?)))
        .collect();
    let is_graded = |sample: &Sample| sample.score.is_some_and(|score| score > 0.0 && score < 1.0);
    if both.is_empty() || !pairs.iter().any(|pair| pair.base.iter().chain(&pair.head).any(is_graded)) {
        return None;
    }
    let count = as_f64(both.len() as u64);
    let differences: Vec<f64> = both.iter().map(|(base, head)| head - base).collect();
    let test = sign_flip(&differences, seed);
    Some(Scores {
        base: both.iter().map(|(base, _)| base).sum::<f64>() / count,
        head: both.iter().map(|(_, head)| head).sum::<f64>() / count,
        p_regress: test.p_regress,
        p_two_sided: test.p_two_sided,
    })
}

/// How often some, and all, of as many answers pass as every case has on both sides.
pub(super) fn reliability(pairs: &[&Pair]) -> Option<Reliability> {
    let k = pairs.iter().map(|pair| pair.base.len().min(pair.head.len()) as u64).min().filter(|k| *k > 1)?;
    let share = |side: fn(&Pair) -> &Vec<Sample>, of: fn(u64, u64, u64) -> f64| {
        let sum: f64 = pairs
            .iter()
            .map(|pair| side(pair))
            .map(|samples| of(samples.len() as u64, samples.iter().filter(|s| s.pass).count() as u64, k))
            .sum();
        sum / as_f64(pairs.len() as u64)
    };
    let both = |of| (share(|pair| &pair.base, of), share(|pair| &pair.head, of));
    Some(Reliability { k, any: both(pass_at_k), all: both(pass_hat_k) })
}

pub(super) fn shares(pairs: &[&Pair]) -> Shares {
    let both = |share: &dyn Fn(&[&Sample]) -> f64| {
        let base: Vec<&Sample> = pairs.iter().flat_map(|pair| &pair.base).collect();
        let head: Vec<&Sample> = pairs.iter().flat_map(|pair| &pair.head).collect();
        (share(&base), share(&head))
    };
    let of = |samples: &[&Sample], is: fn(&Sample) -> bool| {
        as_f64(samples.iter().filter(|sample| is(sample)).count() as u64) / as_f64(samples.len().max(1) as u64)
    };
    let commonest = |samples: &[&Sample]| {
        let mut counts: BTreeMap<(&str, Option<&str>), u64> = BTreeMap::new();
        for sample in samples {
            *counts.entry((sample.text.as_str(), sample.calls.as_deref())).or_default() += 1;
        }
        as_f64(counts.values().copied().max().unwrap_or(0)) / as_f64(samples.len().max(1) as u64)
    };
    Shares {
        refusals: both(&|samples| of(samples, |sample| sample.refused)),
        unparsed: both(&|samples| of(samples, |sample| sample.unparsed)),
        commonest: both(&commonest),
    }
}

/// What the answers of each side take on the mean.
pub(super) fn means(pairs: &[&Pair]) -> Means {
    let of = |side: fn(&Pair) -> &Vec<Sample>, what: fn(&Sample) -> Option<f64>| {
        let values: Vec<f64> = pairs.iter().flat_map(|pair| side(pair)).filter_map(what).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / as_f64(values.len() as u64))
    };
    let both = |what| (of(|pair| &pair.base, what), of(|pair| &pair.head, what));
    Means {
        input_tokens: both(|sample| sample.input_tokens.map(as_f64)),
        output_tokens: both(|sample| sample.output_tokens.map(as_f64)),
        cost_usd: both(|sample| sample.cost),
    }
}

/// The models that answered on either side.
pub(super) fn served(pairs: &[&Pair]) -> Served {
    let of = |side: fn(&Pair) -> &Vec<Sample>| {
        let names = pairs.iter().flat_map(|pair| side(pair)).filter_map(|sample| sample.served.clone());
        names.collect::<BTreeSet<String>>().into_iter().collect()
    };
    Served { base: of(|pair| &pair.base), head: of(|pair| &pair.head) }
}

pub(super) fn changed(pairs: &[&Pair], served: &Served) -> Changed {
    Changed {
        prompt: pairs.iter().any(|pair| pair.digests.0 != pair.digests.1),
        model: pairs.iter().any(|pair| pair.entry_changed) || served.moved(),
        expectations: pairs.iter().any(|pair| pair.expectations_changed),
    }
}
