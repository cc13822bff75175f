//! The figures of a comparison, by prompt and by tag, and the verdict that follows from them.

use std::collections::{BTreeMap, BTreeSet};

use super::order::seed;
use super::pair::{Flip, Pair, Pairs, Sample};
use super::ratios::{as_f64, changed, latency, latency_ratio, means, ratio, reliability, scores, served, shares};
use super::table::{ByExpectation, Comparison, FlippedCase, Limits, Rescored, Row, Verdict};
use crate::core::verdict::Retrieval;
use crate::stats::{
    Decision, Sequential, Stratum, benjamini_hochberg, binomial_at_most, clustered_mean, holm, paired_mean,
    stratified_exact,
};

/// A prompt on a model, a tag of it where it is a slice, and its pairs.
type Part<'a> = ((&'a str, &'a str), Option<&'a String>, Vec<&'a Pair>);

/// Computes every figure.
#[must_use]
pub fn compare(pairs: &Pairs, limits: &Limits) -> Comparison {
    // The case is the unit: on another model it would count a second time.
    let mut names: Vec<(&str, &str)> = Vec::new();
    for pair in &pairs.pairs {
        let name = (pair.prompt.as_str(), pair.model.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let prompts: BTreeSet<&str> = names.iter().map(|(prompt, _)| *prompt).collect();
    let several_models = prompts.len() < names.len();
    let (mut wholes, mut parts) = (Vec::new(), Vec::new());
    for name in names {
        let is_own = |pair: &&Pair| (pair.prompt.as_str(), pair.model.as_str()) == name;
        let own: Vec<&Pair> = pairs.pairs.iter().filter(is_own).collect();
        let tags: BTreeSet<&String> = own.iter().flat_map(|pair| &pair.tags).collect();
        for tag in tags {
            let tagged: Vec<&Pair> = own.iter().copied().filter(|pair| pair.tags.contains(tag)).collect();
            // A slice that is the whole says nothing more.
            if tagged.len() < own.len() {
                parts.push((name, Some(tag), tagged));
            }
        }
        wholes.push((name, None, own));
    }
    // Many bets at once: each must win that much more.
    let rows = |all: Vec<Part<'_>>| -> Vec<Row> {
        // What is the same on both sides cannot raise an alarm, and takes nothing from the others.
        let open = all.iter().filter(|(_, _, pairs)| !is_unchanged(pairs)).count() as u64;
        let each = Limits { alpha: limits.alpha / as_f64(open.max(1)), ..*limits };
        all.iter().map(|(name, tag, pairs)| row(*name, *tag, pairs, &bet(pairs, &each, limits.alpha))).collect()
    };
    let (mut prompts, mut slices) = (rows(wholes), rows(parts));
    adjust(&mut prompts, limits);
    adjust(&mut slices, limits);
    Comparison { sequential: limits.sequential, several_models, prompts, slices }
}

/// Many tests at once: what is left of each, and the verdicts.
fn adjust(rows: &mut [Row], limits: &Limits) {
    let mut rows: Vec<&mut Row> = rows.iter_mut().filter(|row| row.verdict != Verdict::Unchanged).collect();
    let p: Vec<f64> = rows.iter().map(|row| row.p_regress).collect();
    let better = holm(&rows.iter().map(|row| row.p_improve).collect::<Vec<f64>>());
    let (q, worse) = (benjamini_hochberg(&p), holm(&p));
    for (index, row) in rows.iter_mut().enumerate() {
        row.q = q[index];
        row.p_holm = worse[index];
        row.least_losses = least_losses(row.wins, row.cases, limits.alpha / as_f64(p.len() as u64));
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

fn row((prompt, model): (&str, &str), tag: Option<&String>, pairs: &[&Pair], bets: &Sequential) -> Row {
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
    let groups: BTreeSet<&str> = pairs.iter().filter_map(|pair| pair.group.as_deref()).collect();
    let estimate = if groups.is_empty() {
        paired_mean(&differences, 0.95)
    } else {
        // A case without a group is a group of its own.
        let group = pairs.iter().map(|pair| (pair.group.as_deref(), pair.case.as_str()));
        let group = group.map(|(group, case)| (group, group.map_or(case, |_| "")));
        clustered_mean(&group.zip(differences.iter().copied()).collect::<Vec<_>>(), 0.95)
    };
    let flips: Vec<FlippedCase> = pairs.iter().filter_map(|pair| flipped(pair)).collect();
    let losses = flips.iter().filter(|flip| flip.loss).count() as u64;
    let (served, latency) = (served(pairs), latency(pairs));
    let changed = changed(pairs, &served);
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^53")]
    let mean = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
    Row {
        must_fail: pairs.iter().filter(|pair| pair.must_fail()).map(|pair| pair.case.to_string()).collect(),
        prompt: prompt.to_owned(),
        model: model.to_owned(),
        tag: tag.cloned(),
        cases: pairs.len() as u64,
        base_passes: strata.iter().map(|s| s.base_passes).sum(),
        base_answers: strata.iter().map(|s| s.base).sum(),
        head_passes: strata.iter().map(|s| s.head_passes).sum(),
        head_answers: strata.iter().map(|s| s.head).sum(),
        losses,
        wins: flips.len() as u64 - losses,
        difference: mean,
        // Where no case differs from another nothing says how far others might; and no share goes beyond the whole.
        interval: estimate
            .map(|estimate| estimate.interval)
            .filter(|(low, high)| high > low)
            .map(|(low, high)| (low.max(-1.0), high.min(1.0))),
        groups: (!groups.is_empty()).then_some(groups.len() as u64),
        p_regress: test.p_regress(),
        p_improve: test.p_improve(),
        mid_p_regress: test.mid_p_regress(),
        least_losses: None,
        p_two_sided: test.p_two_sided(),
        ln_p_two_sided: test.ln_two_sided().max(f64::MIN),
        q: 1.0,
        p_holm: 1.0,
        // JSON has no infinity.
        e_regress: bets.e_regress().min(f64::MAX),
        e_ok: bets.e_ok().min(f64::MAX),
        verdict: match bets.decision() {
            _ if is_unchanged(pairs) => Verdict::Unchanged,
            Some(Decision::Regressed) => Verdict::Regressed,
            Some(Decision::NotRegressed) => Verdict::NotRegressed,
            None => Verdict::Undecided,
        },
        stopped_after: bets.stopped_after(),
        length_ratio: ratio(pairs, |sample| Some(as_f64(sample.length))),
        token_ratio: ratio(pairs, |sample| sample.output_tokens.map(as_f64)),
        cost_ratio: ratio(pairs, |sample| sample.cost),
        latency_ratio: latency_ratio(latency),
        latency,
        score: scores(pairs, seed(prompt, digests(pairs))),
        reliability: reliability(pairs),
        shares: shares(pairs),
        means: means(pairs),
        expectations: by_expectation(pairs),
        confounded: changed.is_confounded(),
        served,
        rescored: Rescored {
            lost: pairs.iter().map(|pair| pair.rescored.0).sum(),
            won: pairs.iter().map(|pair| pair.rescored.1).sum(),
        },
        variables_changed: pairs.iter().filter(|pair| pair.variables_changed).count() as u64,
        documents_changed: pairs.iter().filter(|pair| pair.documents_changed).count() as u64,
        retrieval: retrieval(pairs),
        confirmed_by: None,
        flips,
        changed,
    }
}

/// How good what was retrieved is on each side, and which answers hold without it.
fn retrieval(pairs: &[&Pair]) -> Option<[Retrieval; 2]> {
    let holds = |samples: &[Sample]| {
        let passes = samples.iter().filter(|sample| sample.pass).count();
        (!samples.is_empty()).then_some(passes * 2 > samples.len())
    };
    let mut both = [Retrieval::default(); 2];
    for pair in pairs {
        let Some(found) = pair.retrieved else { continue };
        for ((side, (top, quality)), samples) in both.iter_mut().zip(found).zip([&pair.base, &pair.head]) {
            side.add(top, quality, holds(samples));
        }
    }
    (both[0].results > 0).then_some(both)
}

/// Whether both sides are the same in all that is asked, expected and answered.
fn is_unchanged(pairs: &[&Pair]) -> bool {
    pairs.iter().all(|pair| pair.same)
}

fn flipped(pair: &Pair) -> Option<FlippedCase> {
    let first = |samples: &[Sample]| samples.first().map(|sample| sample.text.clone()).unwrap_or_default();
    Some(FlippedCase {
        case: pair.case.to_string(),
        loss: pair.flip()? == Flip::Loss,
        base_answer: first(&pair.base),
        base_left_out: 0,
        head_answer: first(&pair.head),
        head_left_out: 0,
        failed: pair.head.iter().find(|sample| !sample.failed.is_empty()).map(Sample::reasons).unwrap_or_default(),
    })
}

/// The least number of losses that the exact test calls worse than chance explains, with so many wins, whatever the other
/// rows say.
fn least_losses(wins: u64, cases: u64, alpha: f64) -> Option<u64> {
    (wins + 1..=cases.saturating_sub(wins)).find(|losses| binomial_at_most(wins, losses + wins, 0.5) <= alpha)
}

fn by_expectation(pairs: &[&Pair]) -> Vec<ByExpectation> {
    let mut kinds: BTreeMap<&str, [u64; 4]> = BTreeMap::new();
    for pair in pairs {
        for (side, samples) in [(0, &pair.base), (2, &pair.head)] {
            for (kind, holds) in samples.iter().flat_map(|sample| &sample.checks) {
                let counts = kinds.entry(kind).or_default();
                counts[side] += u64::from(*holds);
                counts[side + 1] += 1;
            }
        }
    }
    let row = |(kind, [base_passes, base_answers, head_passes, head_answers]): (&str, [u64; 4])| ByExpectation {
        kind: kind.to_owned(),
        base_passes,
        base_answers,
        head_passes,
        head_answers,
    };
    kinds.into_iter().map(row).collect()
}

/// Bets on the pairs, one after the other, in an order that does not depend on how they are written: the first answers of
/// all cases before the second ones. `missing` is the chance of calling a worse head not worse.
fn bet(pairs: &[&Pair], limits: &Limits, missing: f64) -> Sequential {
    let mut bets = Sequential::new(limits.alpha, missing, limits.delta);
    let mut ordered = pairs.to_vec();
    ordered.sort_by_key(|pair| pair.rank);
    let rounds = pairs.iter().map(|pair| pair.base.len().min(pair.head.len())).max().unwrap_or(0);
    for round in 0..rounds {
        for difference in ordered.iter().filter_map(|pair| step(pair, round)) {
            bets.take(difference);
            if limits.sequential && bets.decision().is_some() {
                return bets;
            }
        }
    }
    bets
}

/// What a round of answers says of a case: where one side has more answers, those that have no partner say nothing.
fn step(pair: &Pair, round: usize) -> Option<f64> {
    let worth = |sample: &Sample| if sample.pass { 1.0 } else { 0.0 };
    Some(worth(pair.head.get(round)?) - worth(pair.base.get(round)?))
}

/// The digests of both sides' prompts.
fn digests<'a>(pairs: &[&'a Pair]) -> (&'a str, &'a str) {
    pairs.first().map(|pair| (&*pair.digests.0, &*pair.digests.1)).unwrap_or_default()
}
