//! Cases of a prompt or a tag together: what each of them only suggests may be sure of all.

use super::course::{Evidence, Experiment, Trial};
use super::document::{Pooled, round};
use super::reading::stratum;
use crate::stats::{Stratum, holm, stratified_exact};

const ALPHA: f64 = 0.05;

/// Every experiment over all cases in which it was made: the exact test, a stratum a case. A case that always says the
/// same on both sides is one answer a side.
pub(super) fn pooled(cases: &[&Evidence]) -> Vec<Pooled> {
    let mut pooled = Vec::new();
    let mut family = Vec::new();
    for experiment in [Experiment::Facts, Experiment::Examples, Experiment::Model] {
        let both = cases.iter().filter_map(|case| {
            let (again, trial) = (case.trial(Experiment::Repeat)?, case.trial(experiment)?);
            let stratum = stratum(again, trial, experiment);
            Some(if case.is_one_answer_a_side(again, trial) { one_each(stratum) } else { stratum })
        });
        let strata: Vec<Stratum> = both.collect();
        let counts_right = |case: &&Evidence| {
            let trials = [case.trial(Experiment::Repeat), case.trial(experiment)];
            let differs = trials.iter().flatten().any(|trial| trial.right() != trial.passes());
            experiment == Experiment::Facts && trials[1].is_some() && trials[0].is_some_and(Trial::is_wrong) && differs
        };
        if strata.is_empty() {
            continue;
        }
        let sum = |of: fn(&Stratum) -> u64| strata.iter().map(of).sum::<u64>();
        let p = stratified_exact(&strata).p_improve();
        family.push(p);
        let closed = strata.iter().filter(|stratum| {
            stratum.head_passes * 2 > stratum.head
                && stratum.head_passes * stratum.base > stratum.base_passes * stratum.head
        });
        pooled.push(Pooled {
            experiment,
            cases: strata.len() as u64,
            closes: closed.count() as u64,
            right: cases.iter().any(counts_right),
            without: [sum(|s| s.base_passes), sum(|s| s.base)],
            with: [sum(|s| s.head_passes), sum(|s| s.head)],
            p,
            p_adjusted: 1.0,
            confident: false,
        });
    }
    for (one, p) in pooled.iter_mut().zip(holm(&family)) {
        one.confident = p <= ALPHA;
        one.p_adjusted = round(p);
        one.p = round(one.p);
    }
    pooled
}

fn one_each(stratum: Stratum) -> Stratum {
    let (base_passes, head_passes) = (u64::from(stratum.base_passes > 0), u64::from(stratum.head_passes > 0));
    Stratum { base_passes, base: 1, head_passes, head: 1 }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::{Answered, Fails};
    use super::*;

    fn case(without: (u64, u64), with: (u64, u64), constant: bool) -> Evidence {
        let answers = |(passes, count): (u64, u64)| {
            let one = |i: u64| Answered {
                fails: (i >= passes).then_some(Fails::Content),
                text: if constant { "x".into() } else { i.to_string() },
                why: String::new(),
                cost_usd: None,
                latency_ms: None,
            };
            Trial { answers: (0..count).map(one).collect(), ..Trial::default() }
        };
        let trials = [(Experiment::Repeat, answers(without)), (Experiment::Facts, answers(with))];
        Evidence { trials: trials.into_iter().collect(), ..Evidence::default() }
    }

    #[test]
    fn cases_that_only_suggest_are_sure_together() {
        let one = case((0, 3), (2, 3), false);
        let alone = &pooled(&[&one])[0];
        assert!(!alone.confident && (alone.p - 0.2).abs() < 1e-6, "{alone:?}");
        let cases = [one.clone(), one.clone(), one];
        let together = &pooled(&cases.iter().collect::<Vec<_>>())[0];
        assert!(together.confident && together.cases == 3 && together.closes == 3, "{together:?}");
        assert_eq!((together.without, together.with), ([0, 9], [6, 9]));
    }

    #[test]
    fn a_case_that_always_says_the_same_is_one_answer() {
        let constant = case((0, 5), (5, 5), true);
        let of = |count: usize| pooled(&vec![&constant; count])[0].confident;
        assert!(!of(4), "four coins");
        assert!(of(5), "five coins");
    }
}
