//! Exact tests of base against head: over cases with passes, and over cases with scores.

use statrs::function::factorial::ln_binomial;

/// One case: passes and samples on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stratum {
    /// Passes of the base.
    pub base_passes: u64,
    /// Samples of the base.
    pub base: u64,
    /// Passes of the head.
    pub head_passes: u64,
    /// Samples of the head.
    pub head: u64,
}

/// An exact test, as natural logarithms: real data reach probabilities that a float cannot hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExactTest {
    /// ln P(head passes as rarely as it did, or more rarely), if both sides are alike.
    pub ln_regress: f64,
    /// ln P(head passes as often as it did, or more often), if both sides are alike.
    pub ln_improve: f64,
    /// ln of the probability of exactly what was seen.
    pub ln_point: f64,
}

impl ExactTest {
    /// The one-sided p-value of "head is worse".
    #[must_use]
    pub fn p_regress(&self) -> f64 {
        self.ln_regress.exp().min(1.0)
    }

    /// The one-sided p-value of "head is better".
    #[must_use]
    pub fn p_improve(&self) -> f64 {
        self.ln_improve.exp().min(1.0)
    }

    /// The two-sided p-value: twice the smaller of the two.
    #[must_use]
    pub fn p_two_sided(&self) -> f64 {
        self.ln_two_sided().exp().min(1.0)
    }

    /// ln of the two-sided p-value.
    #[must_use]
    pub fn ln_two_sided(&self) -> f64 {
        (self.ln_regress.min(self.ln_improve) + std::f64::consts::LN_2).min(0.0)
    }

    /// The mid-p of "head is worse": what was seen counts half.
    #[must_use]
    pub fn mid_p_regress(&self) -> f64 {
        (self.p_regress() - self.ln_point.exp() / 2.0).clamp(0.0, 1.0)
    }
}

/// The exact conditional test of Mantel and Haenszel, a stratum a case. Given the passes of a case on both sides
/// together, those of head are hypergeometric; their sum is the convolution. With one sample a side it is McNemar's exact
/// test, with one case Fisher's.
#[must_use]
pub fn stratified_exact(strata: &[Stratum]) -> ExactTest {
    // A case of one sample a side that flipped is a fair coin; the other such cases say nothing.
    let single = |s: &&Stratum| s.base == 1 && s.head == 1;
    let coins: Vec<&Stratum> = strata.iter().filter(single).filter(|s| s.base_passes != s.head_passes).collect();
    let mut sum: Vec<f64> = {
        let n = coins.len() as u64;
        let all = super::discrete::as_f64(n) * std::f64::consts::LN_2;
        (0..=n).map(|k| ln_binomial(n, k) - all).collect()
    };
    let mut seen = coins.iter().filter(|s| s.head_passes == 1).count();
    for stratum in strata.iter().filter(|s| !single(s)) {
        let (least, of_head) = hypergeometric(stratum);
        if of_head.len() < 2 {
            continue;
        }
        sum = convolve(&sum, &of_head);
        seen += usize::try_from(stratum.head_passes - least).unwrap_or(0);
    }
    ExactTest {
        ln_regress: ln_sum(&sum[..=seen.min(sum.len() - 1)]),
        ln_improve: ln_sum(&sum[seen.min(sum.len() - 1)..]),
        ln_point: sum[seen.min(sum.len() - 1)],
    }
}

/// The least number of passes that head can have, and the log-probability of each from there on.
fn hypergeometric(stratum: &Stratum) -> (u64, Vec<f64>) {
    let passes = stratum.base_passes + stratum.head_passes;
    let least = passes.saturating_sub(stratum.base);
    let most = passes.min(stratum.head);
    let all = ln_binomial(stratum.base + stratum.head, passes);
    let ln = |k: u64| ln_binomial(stratum.head, k) + ln_binomial(stratum.base, passes - k) - all;
    (least, (least..=most).map(ln).collect())
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    (0..a.len() + b.len() - 1)
        .map(|t| {
            let from = (t + 1).saturating_sub(a.len());
            let terms: Vec<f64> = (from..b.len().min(t + 1)).map(|s| a[t - s] + b[s]).collect();
            ln_sum(&terms)
        })
        .collect()
}

/// ln of a sum of terms that are given as logarithms.
fn ln_sum(terms: &[f64]) -> f64 {
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + terms.iter().map(|term| (term - most).exp()).sum::<f64>().ln()
}

/// A permutation test of scores: p-values of "head is worse" and of "they differ".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignFlip {
    /// One-sided.
    pub p_regress: f64,
    /// Two-sided.
    pub p_two_sided: f64,
}

/// Up to how many differences every flip is counted.
const EXACT: usize = 16;
/// How many flips are drawn beyond that.
const DRAWN: u32 = 20_000;

/// Flips the signs of the differences, head minus base: how often is the sum as small as it is? Exact for up to 16 of
/// them that are not zero, beyond that with 20,000 flips drawn from the seed.
#[must_use]
pub fn sign_flip(differences: &[f64], seed: u64) -> SignFlip {
    let moved: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if moved.is_empty() {
        return SignFlip { p_regress: 1.0, p_two_sided: 1.0 };
    }
    let observed: f64 = moved.iter().sum();
    // Sums of the same terms in another order differ in their last digits.
    let slack = 1e-12 * moved.iter().map(|d| d.abs()).sum::<f64>().max(1.0);
    let (mut low, mut far, mut all) = (0_u32, 0_u32, 0_u32);
    let mut count = |sum: f64| {
        low += u32::from(sum <= observed + slack);
        far += u32::from(sum.abs() >= observed.abs() - slack);
        all += 1;
    };
    if moved.len() <= EXACT {
        for signs in 0..1_u32 << moved.len() {
            count(moved.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d }).sum());
        }
    } else {
        // What was observed is one of the flips.
        count(observed);
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 1..DRAWN {
            count(moved.iter().map(|d| if random.bool() { -d } else { *d }).sum());
        }
    }
    SignFlip { p_regress: f64::from(low) / f64::from(all), p_two_sided: f64::from(far) / f64::from(all) }
}
