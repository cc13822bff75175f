//! How large a difference is: means with intervals, over cases or over groups of them, and ratios.

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::discrete::as_f64;

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// The interval at 95 %, or at the level that was asked for.
    pub interval: (f64, f64),
    /// The two-sided p-value of "the mean is 0".
    pub p_two_sided: f64,
}

impl Estimate {
    fn new(mean: f64, error: f64, freedom: u64, confidence: f64) -> Option<Self> {
        let t = StudentsT::new(0.0, 1.0, as_f64(freedom)).ok()?;
        let half = t.inverse_cdf(f64::midpoint(1.0, confidence)) * error;
        // Without any spread there is nothing to be unsure of.
        let p_two_sided = match (error > 0.0, mean == 0.0) {
            (true, _) => 2.0 * t.sf((mean / error).abs()),
            (false, true) => 1.0,
            (false, false) => 0.0,
        };
        Some(Self { mean, error, interval: (mean - half, mean + half), p_two_sided })
    }
}

/// The mean of differences, one a case, with a t interval; `None` for fewer than two.
#[must_use]
pub fn paired_mean(differences: &[f64], confidence: f64) -> Option<Estimate> {
    let n = as_f64(differences.len() as u64);
    if differences.len() < 2 {
        return None;
    }
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Estimate::new(mean, (variance / n).sqrt(), differences.len() as u64 - 1, confidence)
}

/// The mean of differences whose cases belong to groups: the standard error is clustered (CR1), so that cases made from
/// one another are not counted as many. `None` for fewer than two groups.
#[must_use]
pub fn clustered_mean<G: Ord>(differences: &[(G, f64)], confidence: f64) -> Option<Estimate> {
    let n = as_f64(differences.len() as u64);
    let mean = differences.iter().map(|(_, d)| d).sum::<f64>() / n;
    let mut groups: BTreeMap<&G, f64> = BTreeMap::new();
    for (group, d) in differences {
        *groups.entry(group).or_default() += d - mean;
    }
    if groups.len() < 2 {
        return None;
    }
    let count = as_f64(groups.len() as u64);
    let sum = groups.values().map(|residual| residual * residual).sum::<f64>();
    let error = (sum * count / (count - 1.0)).sqrt() / n;
    Estimate::new(mean, error, groups.len() as u64 - 1, confidence)
}

/// The geometric mean of the ratios head to base, with a t interval on their logarithms. Pairs that are not positive have
/// no ratio and are left out; `None` where fewer than two are left.
#[must_use]
pub fn log_ratio(pairs: &[(f64, f64)], confidence: f64) -> Option<Estimate> {
    let logs: Vec<f64> =
        pairs.iter().filter(|(base, head)| *base > 0.0 && *head > 0.0).map(|(base, head)| (head / base).ln()).collect();
    let estimate = paired_mean(&logs, confidence)?;
    Some(Estimate {
        mean: estimate.mean.exp(),
        error: estimate.error,
        interval: (estimate.interval.0.exp(), estimate.interval.1.exp()),
        p_two_sided: estimate.p_two_sided,
    })
}
