//! The figures of a comparison, by prompt and by tag, and the verdict that follows from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::pair::{Flip, Pair, Pairs, Sample};
use crate::core::digest::sha256_hex;
use crate::stats::{
    Decision, Estimate, Sequential, Stratum, benjamini_hochberg, holm, log_ratio, paired_mean, stratified_exact,
};

/// Rates of error, and the drop that matters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The chance of a false alarm, over all prompts of a run; also of calling a worse head not worse.
    pub alpha: f64,
    /// The least drop that matters.
    pub delta: f64,
    /// Whether the verdict is the one at which betting stops.
    pub sequential: bool,
}

/// What became of a prompt, or of a slice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Head is worse than chance explains.
    Regressed,
    /// Head is better than chance explains.
    Improved,
    /// Head is not worse by as much as matters.
    NotRegressed,
    /// The cases do not say.
    Undecided,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::NotRegressed => "not regressed",
            Self::Undecided => "undecided",
        }
    }
}

/// When a comparison fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// A prompt or a slice regressed.
    Regressed,
    /// Any case flipped.
    Changed,
    /// Something regressed, or it cannot be said.
    Undecided,
    /// Never.
    Never,
}

/// What differs between the sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The prompt's digest.
    pub prompt: bool,
    /// The model: its entry, or which model the server says that it was.
    pub model: bool,
    /// What is expected. Both sides are scored under head's expectations.
    pub expectations: bool,
}

/// Shares of answers, base and head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Shares {
    /// Declined.
    pub refusals: (f64, f64),
    /// JSON was wanted, and something else came.
    pub unparsed: (f64, f64),
    /// The commonest answer.
    pub commonest: (f64, f64),
}

/// A prompt, or a slice of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The prompt.
    pub prompt: String,
    /// The tag of a slice; none for the whole prompt.
    pub tag: Option<String>,
    /// Cases with answers on both sides.
    pub cases: u64,
    /// Passing answers of base, and all of them.
    pub base_passes: u64,
    /// All answers of base.
    pub base_answers: u64,
    /// Passing answers of head, and all of them.
    pub head_passes: u64,
    /// All answers of head.
    pub head_answers: u64,
    /// Cases that got worse.
    pub losses: u64,
    /// Cases that got better.
    pub wins: u64,
    /// The mean difference of the pass rates, head less base.
    pub difference: f64,
    /// Its 95 % interval, beyond these cases; none for a single case.
    pub interval: Option<(f64, f64)>,
    /// How likely so few passes of head are, if nothing changed, on these cases.
    pub p_regress: f64,
    /// How likely so many passes of head are, if nothing changed.
    pub p_improve: f64,
    /// The same to both sides.
    pub p_two_sided: f64,
    /// ln of that: it may be too small for a number.
    pub ln_p_two_sided: f64,
    /// Benjamini and Hochberg's q over the prompts (or over the slices).
    pub q: f64,
    /// Holm's p over the prompts (or over the slices).
    pub p_holm: f64,
    /// What a bet is worth that head is worse.
    pub e_regress: f64,
    /// What a bet is worth that head is not worse by as much as matters.
    pub e_ok: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// After how many pairs betting stopped.
    pub stopped_after: Option<u64>,
    /// The geometric mean ratio of the lengths of answers, with its interval.
    pub length_ratio: Option<Ratio>,
    /// The same of the tokens of answers.
    pub token_ratio: Option<Ratio>,
    /// The same of the cost.
    pub cost_ratio: Option<Ratio>,
    /// The ratio of the medians of latency; reported, never gated.
    pub latency_ratio: Option<f64>,
    /// Shares of answers.
    pub shares: Shares,
    /// The cases that flipped.
    pub flips: Vec<FlippedCase>,
    /// What differs.
    pub changed: Changed,
}

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Head to base.
    pub ratio: f64,
    /// At 95 %.
    pub interval: (f64, f64),
}

/// A case that flipped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlippedCase {
    /// Its name.
    pub case: String,
    /// Whether it got worse.
    pub loss: bool,
}

/// A whole comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Whether the verdicts are those at which betting stopped.
    pub sequential: bool,
    /// The prompts, in head's order.
    pub prompts: Vec<Row>,
    /// Their slices, by prompt and tag.
    pub slices: Vec<Row>,
}

impl Comparison {
    /// Whether the comparison fails.
    #[must_use]
    pub fn fails(&self, on: FailOn) -> bool {
        let mut rows = self.prompts.iter().chain(&self.slices);
        match on {
            FailOn::Never => false,
            FailOn::Regressed => rows.any(|row| row.verdict == Verdict::Regressed),
            FailOn::Changed => rows.any(|row| row.losses + row.wins > 0),
            FailOn::Undecided => {
                rows.any(|row| row.verdict == Verdict::Regressed)
                    || self.prompts.iter().any(|row| row.verdict == Verdict::Undecided)
            }
        }
    }
}

/// Computes every figure.
#[must_use]
pub fn compare(pairs: &Pairs, limits: &Limits) -> Comparison {
    let mut names: Vec<&str> = Vec::new();
    for pair in &pairs.pairs {
        if !names.contains(&pair.prompt.as_str()) {
            names.push(pair.prompt.as_str());
        }
    }
    let (mut prompts, mut slices) = (Vec::new(), Vec::new());
    for name in names {
        let own: Vec<&Pair> = pairs.pairs.iter().filter(|pair| pair.prompt.as_str() == name).collect();
        prompts.push(row(name, None, &own, limits));
        let tags: BTreeSet<&String> = own.iter().flat_map(|pair| &pair.tags).collect();
        for tag in tags {
            let tagged: Vec<&Pair> = own.iter().copied().filter(|pair| pair.tags.contains(tag)).collect();
            // A slice that is the whole says nothing more.
            if tagged.len() < own.len() {
                slices.push(row(name, Some(tag), &tagged, limits));
            }
        }
    }
    adjust(&mut prompts, limits);
    adjust(&mut slices, limits);
    Comparison { sequential: limits.sequential, prompts, slices }
}

/// Many tests at once: what is left of each, and the verdicts.
fn adjust(rows: &mut [Row], limits: &Limits) {
    let p: Vec<f64> = rows.iter().map(|row| row.p_regress).collect();
    let better = holm(&rows.iter().map(|row| row.p_improve).collect::<Vec<f64>>());
    let (q, worse) = (benjamini_hochberg(&p), holm(&p));
    for (index, row) in rows.iter_mut().enumerate() {
        row.q = q[index];
        row.p_holm = worse[index];
        if limits.sequential {
            continue;
        }
        row.verdict = if row.p_holm <= limits.alpha {
            Verdict::Regressed
        } else if better[index] <= limits.alpha {
            Verdict::Improved
        } else if row.e_ok >= 1.0 / limits.alpha {
            Verdict::NotRegressed
        } else {
            Verdict::Undecided
        };
    }
}

fn row(prompt: &str, tag: Option<&String>, pairs: &[&Pair], limits: &Limits) -> Row {
    let passes = |samples: &[Sample]| samples.iter().filter(|sample| sample.pass).count() as u64;
    let strata: Vec<Stratum> = pairs
        .iter()
        .map(|pair| Stratum {
            base_passes: passes(&pair.base),
            base: pair.base.len() as u64,
            head_passes: passes(&pair.head),
            head: pair.head.len() as u64,
        })
        .collect();
    let test = stratified_exact(&strata);
    let differences: Vec<f64> = pairs.iter().map(|pair| pair.difference()).collect();
    let estimate = paired_mean(&differences, 0.95);
    let bets = bet(prompt, pairs, limits);
    let flips: Vec<FlippedCase> = pairs
        .iter()
        .filter_map(|pair| Some(FlippedCase { case: pair.case.to_string(), loss: pair.flip()? == Flip::Loss }))
        .collect();
    let losses = flips.iter().filter(|flip| flip.loss).count() as u64;
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^53")]
    let mean = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
    Row {
        prompt: prompt.to_owned(),
        tag: tag.cloned(),
        cases: pairs.len() as u64,
        base_passes: strata.iter().map(|s| s.base_passes).sum(),
        base_answers: strata.iter().map(|s| s.base).sum(),
        head_passes: strata.iter().map(|s| s.head_passes).sum(),
        head_answers: strata.iter().map(|s| s.head).sum(),
        losses,
        wins: flips.len() as u64 - losses,
        difference: mean,
        interval: estimate.map(|estimate| estimate.interval),
        p_regress: test.p_regress(),
        p_improve: test.p_improve(),
        p_two_sided: test.p_two_sided(),
        ln_p_two_sided: test.ln_two_sided(),
        q: 1.0,
        p_holm: 1.0,
        e_regress: bets.e_regress(),
        e_ok: bets.e_ok(),
        verdict: match bets.decision() {
            Some(Decision::Regressed) => Verdict::Regressed,
            Some(Decision::NotRegressed) => Verdict::NotRegressed,
            None => Verdict::Undecided,
        },
        stopped_after: bets.stopped_after(),
        length_ratio: ratio(pairs, |sample| Some(as_f64(sample.length))),
        token_ratio: ratio(pairs, |sample| sample.output_tokens.map(as_f64)),
        cost_ratio: ratio(pairs, |sample| sample.cost),
        latency_ratio: latency(pairs),
        shares: shares(pairs),
        flips,
        changed: changed(pairs),
    }
}

/// Bets on the pairs in an order that does not depend on how they are written: shuffled from a seed of the prompt and both
/// sides, one tag after the other.
fn bet(prompt: &str, pairs: &[&Pair], limits: &Limits) -> Sequential {
    let mut bets = Sequential::new(limits.alpha, limits.alpha, limits.delta);
    let digests = pairs.first().map(|pair| format!("{}{}", pair.digests.0, pair.digests.1)).unwrap_or_default();
    let seed = u64::from_str_radix(&sha256_hex(format!("{prompt}\n{digests}").as_bytes())[..16], 16).unwrap_or(0);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut groups: BTreeMap<String, Vec<&Pair>> = BTreeMap::new();
    let mut ordered: Vec<&Pair> = pairs.to_vec();
    ordered.sort_by(|a, b| a.case.as_str().cmp(b.case.as_str()));
    for pair in ordered {
        groups.entry(pair.tags.join("\n")).or_default().push(pair);
    }
    let mut queues: Vec<Vec<&Pair>> = groups.into_values().collect();
    for queue in &mut queues {
        random.shuffle(queue);
    }
    while queues.iter().any(|queue| !queue.is_empty()) {
        for queue in &mut queues {
            let Some(pair) = queue.pop() else { continue };
            bets.take(pair.difference());
            if limits.sequential && bets.decision().is_some() {
                return bets;
            }
        }
    }
    bets
}

#[expect(clippy::cast_precision_loss, reason = "lengths and tokens are far below 2^53")]
fn as_f64(n: u64) -> f64 {
    n as f64
}

/// The mean of what the answers of a side have of something.
fn mean(samples: &[Sample], of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = samples.iter().filter_map(of).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / as_f64(values.len() as u64))
}

fn ratio(pairs: &[&Pair], of: impl Fn(&Sample) -> Option<f64> + Copy) -> Option<Ratio> {
    let both: Vec<(f64, f64)> =
        pairs.iter().filter_map(|pair| Some((mean(&pair.base, of)?, mean(&pair.head, of)?))).collect();
    let Estimate { mean, interval, .. } = log_ratio(&both, 0.95)?;
    Some(Ratio { ratio: mean, interval })
}

fn latency(pairs: &[&Pair]) -> Option<f64> {
    let median = |side: fn(&Pair) -> &Vec<Sample>| {
        let mut all: Vec<u64> = pairs.iter().flat_map(|pair| side(pair)).filter_map(|s| s.latency_ms).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().map(as_f64)
    };
    let (base, head) = (median(|pair| &pair.base)?, median(|pair| &pair.head)?);
    (base > 0.0).then(|| head / base)
}

fn shares(pairs: &[&Pair]) -> Shares {
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

fn changed(pairs: &[&Pair]) -> Changed {
    let served = |side: fn(&Pair) -> &Vec<Sample>| {
        pairs.iter().flat_map(|pair| side(pair)).filter_map(|s| s.served.as_deref()).collect::<BTreeSet<&str>>()
    };
    let (base, head) = (served(|pair| &pair.base), served(|pair| &pair.head));
    Changed {
        prompt: pairs.iter().any(|pair| pair.digests.0 != pair.digests.1),
        model: pairs.iter().any(|pair| pair.entry_changed) || !base.is_empty() && !head.is_empty() && base != head,
        expectations: pairs.iter().any(|pair| pair.expectations_changed),
    }
}
