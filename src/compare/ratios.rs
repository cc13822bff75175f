//! How answers of both sides differ beyond passing: ratios of lengths, tokens, cost and latency, shares, and what is to
//! blame.

use std::collections::{BTreeMap, BTreeSet};

use super::pair::{Pair, Sample};
use super::table::{Changed, Ratio, Served, Shares};
use crate::stats::{Estimate, log_ratio};

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

pub(super) fn latency(pairs: &[&Pair]) -> Option<f64> {
    let median = |side: fn(&Pair) -> &Vec<Sample>| {
        let mut all: Vec<u64> = pairs.iter().flat_map(|pair| side(pair)).filter_map(|s| s.latency_ms).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().map(as_f64)
    };
    let (base, head) = (median(|pair| &pair.base)?, median(|pair| &pair.head)?);
    (base > 0.0).then(|| head / base)
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
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for sample in samples {
            *counts.entry(sample.text.as_str()).or_default() += 1;
        }
        as_f64(counts.values().copied().max().unwrap_or(0)) / as_f64(samples.len().max(1) as u64)
    };
    Shares {
        refusals: both(&|samples| of(samples, |sample| sample.refused)),
        unparsed: both(&|samples| of(samples, |sample| sample.unparsed)),
        commonest: both(&commonest),
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
    let Served { base, head } = served;
    Changed {
        prompt: pairs.iter().any(|pair| pair.digests.0 != pair.digests.1),
        model: pairs.iter().any(|pair| pair.entry_changed) || !base.is_empty() && !head.is_empty() && base != head,
        expectations: pairs.iter().any(|pair| pair.expectations_changed),
    }
}
