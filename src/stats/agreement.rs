//! How far a judge agrees with people who labelled the same answers: a confusion table and what it says.
//!
//! Kappa is agreement beyond what the two would have by chance, given how often each uses each label (Cohen 1960, weighted:
//! Cohen 1968); its standard error is the asymptotic one of Fleiss, Cohen and Everitt (1969).

use std::collections::BTreeMap;

use statrs::distribution::{ContinuousCDF as _, Normal};

use super::discrete::{as_f64, wilson};

/// Below so many answers the intervals of kappa are rough: a rule of thumb.
const FEW: u64 = 30;
/// From this share of one label on, kappa says little: a single disagreement moves it far.
const LOPSIDED: f64 = 0.9;
/// What is smaller than this is the rounding of a zero.
const NOTHING: f64 = 1e-12;

/// How many of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

impl Share {
    /// The share; `None` of nothing.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.of > 0).then(|| as_f64(self.count) / as_f64(self.of))
    }

    /// Its Wilson interval at this level of confidence (`0.95`).
    #[must_use]
    pub fn interval(&self, confidence: f64) -> (f64, f64) {
        wilson(self.count, self.of, confidence)
    }
}

/// Agreement beyond chance: 1 is perfect, 0 what chance brings, below 0 worse than that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kappa {
    /// The estimate.
    pub value: f64,
    /// Its asymptotic standard error.
    pub error: f64,
    /// The interval, cut to what kappa can be. `None` where the error is 0, as it is when all agree: such an interval would
    /// have no width, whatever the number of answers.
    pub interval: Option<(f64, f64)>,
}

/// What to keep in mind before relying on the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caution {
    /// There are few answers: intervals are rough.
    Few,
    /// People gave all answers the same label: nothing shows whether the judge can tell labels apart.
    OneLabel,
    /// People gave nearly all answers the same label: accuracy is high for a judge that always says so, and kappa may be
    /// low for one that seldom errs.
    Lopsided,
}

/// How well a judge finds the answers of one label. A person's label is what is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Of those that the judge gave the label, how many have it.
    pub precision: Share,
    /// Of those that have the label, how many the judge gave it (sensitivity).
    pub recall: Share,
    /// Of those that do not have the label, how many the judge did not give it.
    pub specificity: Share,
}

impl Detection {
    /// The harmonic mean of precision and recall; `None` where neither the judge nor a person gave the label.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        let given = self.precision.of + self.recall.of;
        (given > 0).then(|| 2.0 * as_f64(self.recall.count) / as_f64(given))
    }
}

/// How often each pair of labels was given: by a person, by the judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion<L> {
    labels: Vec<L>,
    counts: BTreeMap<(usize, usize), u64>,
    /// How often a person gave each label, and how often the judge did.
    totals: Vec<(u64, u64)>,
    n: u64,
}

impl<L: Ord + Clone> Confusion<L> {
    /// The table of these pairs: a person's label, then the judge's.
    pub fn of(pairs: impl IntoIterator<Item = (L, L)>) -> Self {
        Self::counted(pairs.into_iter().map(|pair| (pair, 1)))
    }

    /// The table of pairs that are counted already.
    pub fn counted(pairs: impl IntoIterator<Item = ((L, L), u64)>) -> Self {
        let mut counted: BTreeMap<(L, L), u64> = BTreeMap::new();
        for (pair, count) in pairs.into_iter().filter(|(_, count)| *count > 0) {
            *counted.entry(pair).or_default() += count;
        }
        let mut labels: Vec<L> = counted.keys().flat_map(|(person, judge)| [person.clone(), judge.clone()]).collect();
        labels.sort_unstable();
        labels.dedup();
        let mut table = Self { totals: vec![(0, 0); labels.len()], labels, counts: BTreeMap::new(), n: 0 };
        for ((person, judge), count) in counted {
            let (Ok(row), Ok(column)) = (table.labels.binary_search(&person), table.labels.binary_search(&judge))
            else {
                continue;
            };
            table.counts.insert((row, column), count);
            table.totals[row].0 += count;
            table.totals[column].1 += count;
            table.n += count;
        }
        table
    }

    /// Every label that somebody gave, in order.
    #[must_use]
    pub fn labels(&self) -> &[L] {
        &self.labels
    }

    /// How many answers were labelled.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// How many answers a person gave the one label and the judge the other.
    #[must_use]
    pub fn count(&self, person: &L, judge: &L) -> u64 {
        let at = |label: &L| self.labels.binary_search(label).ok();
        at(person).zip(at(judge)).and_then(|at| self.counts.get(&at).copied()).unwrap_or(0)
    }

    /// How often both gave the same label.
    #[must_use]
    pub fn accuracy(&self) -> Share {
        let same = self.counts.iter().filter(|((row, column), _)| row == column);
        Share { count: same.map(|(_, count)| count).sum(), of: self.n }
    }

    /// How well the judge finds the answers with this label.
    #[must_use]
    pub fn detection(&self, label: &L) -> Detection {
        let both = self.count(label, label);
        let (person, judge) = self.labels.binary_search(label).map_or((0, 0), |at| self.totals[at]);
        Detection {
            precision: Share { count: both, of: judge },
            recall: Share { count: both, of: person },
            specificity: Share { count: self.n - person - (judge - both), of: self.n - person },
        }
    }

    /// Cohen's kappa, for labels without an order; `None` without any answer, and where both gave the same label to all: chance
    /// would have them agree, too.
    #[must_use]
    pub fn kappa(&self, confidence: f64) -> Option<Kappa> {
        let n = as_f64(self.n);
        let (people, judges): (Vec<f64>, Vec<f64>) =
            self.totals.iter().map(|(row, column)| (as_f64(*row) / n, as_f64(*column) / n)).unzip();
        // The mean weight of a row is how often the judge gives its label, and the other way round.
        self.kappa_of(|row, column| f64::from(u8::from(row == column)), &judges, &people, confidence)
    }

    /// Kappa with weights: 1 for agreement, less the further apart two labels are. `rows` and `columns` are the mean weights
    /// of a label of a person and of one of the judge, if the other's labels were given by chance.
    fn kappa_of(
        &self,
        weight: impl Fn(usize, usize) -> f64,
        rows: &[f64],
        columns: &[f64],
        confidence: f64,
    ) -> Option<Kappa> {
        let n = as_f64(self.n);
        let shares = || self.counts.iter().map(|((row, column), count)| (*row, *column, as_f64(*count) / n));
        let observed: f64 = shares().map(|(row, column, share)| share * weight(row, column)).sum();
        let expected: f64 = self.totals.iter().zip(rows).map(|((person, _), mean)| as_f64(*person) / n * mean).sum();
        let beyond = 1.0 - expected;
        if self.n == 0 || beyond <= NOTHING {
            return None;
        }
        let value = ((observed - expected) / beyond).clamp(-1.0, 1.0);
        let spread = |(row, column, share): (usize, usize, f64)| {
            let term = weight(row, column) * beyond - (rows[row] + columns[column]) * (1.0 - observed);
            share * term * term
        };
        let centre = observed * expected - 2.0 * expected + observed;
        let variance = (shares().map(spread).sum::<f64>() - centre * centre) / beyond.powi(4);
        let error = if variance > NOTHING { (variance / n).sqrt() } else { 0.0 };
        let half = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence)) * error;
        let interval = (error > 0.0).then(|| ((value - half).max(-1.0), (value + half).min(1.0)));
        Some(Kappa { value, error, interval })
    }

    /// What to keep in mind before relying on the figures.
    #[must_use]
    pub fn cautions(&self) -> Vec<Caution> {
        let most = self.totals.iter().map(|(person, _)| *person).max().unwrap_or(0);
        let spread = match most {
            _ if most == self.n => Some(Caution::OneLabel),
            _ if as_f64(most) >= LOPSIDED * as_f64(self.n) => Some(Caution::Lopsided),
            _ => None,
        };
        (self.n < FEW).then_some(Caution::Few).into_iter().chain(spread).collect()
    }
}

/// Kappa for scores, a person's and the judge's: a difference counts by its square, so that near misses cost little. `None`
/// without any pair, with a score that is not finite, and where both gave the same score to all.
#[must_use]
pub fn quadratic_kappa(pairs: &[(f64, f64)], confidence: f64) -> Option<Kappa> {
    let all = || pairs.iter().flat_map(|(person, judge)| [*person, *judge]);
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let width = high - low;
    if !all().all(f64::is_finite) || !width.is_finite() || width <= 0.0 {
        return None;
    }
    let place = |score: f64| Place((score - low) / width);
    let table = Confusion::of(pairs.iter().map(|(person, judge)| (place(*person), place(*judge))));
    let n = as_f64(table.n);
    // The mean weight of a label follows from the mean of the other's scores and from the mean of their squares.
    let moments = |of: fn(&(u64, u64)) -> u64| {
        let scores = table.totals.iter().zip(&table.labels);
        let sum = |power: i32| {
            scores.clone().map(|(totals, place)| as_f64(of(totals)) * place.0.powi(power)).sum::<f64>() / n
        };
        (sum(1), sum(2))
    };
    let means = |(mean, square): (f64, f64)| {
        table.labels.iter().map(|place| 1.0 - (place.0 * place.0 - 2.0 * place.0 * mean + square)).collect()
    };
    let rows: Vec<f64> = means(moments(|(_, judge)| *judge));
    let columns: Vec<f64> = means(moments(|(person, _)| *person));
    let weight = |row: usize, column: usize| 1.0 - (table.labels[row].0 - table.labels[column].0).powi(2);
    table.kappa_of(weight, &rows, &columns, confidence)
}

/// A score between the lowest and the highest, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place(f64);

impl Eq for Place {}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
