//! Counts: intervals of a proportion, tails of the binomial distribution, order statistics.

use statrs::distribution::{Binomial, ContinuousCDF as _, DiscreteCDF as _, Normal};

/// The Wilson interval of a proportion of `passes` in `n`, at this level of confidence (`0.95`). Without any
/// observation everything is possible.
#[must_use]
pub fn wilson(passes: u64, n: u64, confidence: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (count, p) = (as_f64(n), as_f64(passes) / as_f64(n));
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
    let scale = 1.0 + z * z / count;
    let centre = (p + z * z / (2.0 * count)) / scale;
    let half = z / scale * (p * (1.0 - p) / count + z * z / (4.0 * count * count)).sqrt();
    // Rounding must not take all or none away from what was seen.
    let low = if passes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if passes >= n { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

/// The probability of at most `k` successes in `n`.
#[must_use]
pub fn binomial_at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    Binomial::new(p, n).map_or(f64::NAN, |binomial| binomial.cdf(k))
}

/// The probability of at least `k` successes in `n`.
#[must_use]
pub fn binomial_at_least(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n {
        return 0.0;
    }
    Binomial::new(p, n).map_or(f64::NAN, |binomial| binomial.sf(k - 1))
}

/// pass@k: the probability that at least one of `k` answers passes, drawn from `n` of which `passes` passed.
#[must_use]
pub fn pass_at_k(n: u64, passes: u64, k: u64) -> f64 {
    1.0 - all_of(n - passes.min(n), n, k)
}

/// pass^k: the probability that all of `k` answers pass, drawn from `n` of which `passes` passed.
#[must_use]
pub fn pass_hat_k(n: u64, passes: u64, k: u64) -> f64 {
    all_of(passes.min(n), n, k)
}

/// The probability that `k` draws from `n` without putting back are all among `some`.
fn all_of(some: u64, n: u64, k: u64) -> f64 {
    (0..k.min(n)).map(|i| as_f64(some.saturating_sub(i)) / as_f64(n - i)).product()
}

/// The ranks (from 1) of the sorted observations between which a quantile lies at this level of confidence; `None`
/// where there are too few.
#[must_use]
pub fn quantile_ranks(n: u64, quantile: f64, confidence: f64) -> Option<(u64, u64)> {
    let binomial = Binomial::new(quantile, n).ok()?;
    let tail = (1.0 - confidence) / 2.0;
    let least = |p: f64| (0..=n).find(|k| binomial.cdf(*k) >= p);
    let (low, high) = (least(tail)?, least(1.0 - tail)? + 1);
    (low >= 1 && high <= n).then_some((low, high))
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^53")]
pub(super) fn as_f64(n: u64) -> f64 {
    n as f64
}
