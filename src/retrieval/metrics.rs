//! How good a ranking is, by ids: no judge and no key are needed.
//!
//! Each measure equals `ranx` and `pytrec_eval` to 1e-6 on `tests/vectors/retrieval_metrics.json`, which
//! `scripts/retrieval-metrics` makes. What those leave open is said here:
//!
//! - What is relevant counts once, at the first rank that has it. A rank that brings nothing new is no relevant one: an id
//!   that comes again, or another chunk of a document that is relevant as a whole.
//! - A rank may bring several relevant things: a chunk that holds two of them. Recall counts both, precision the rank, and nDCG is
//!   at most 1.
//! - A ranking that is shorter than k is one with nothing relevant behind its end; precision at k is still a share of k.
//! - Of a query without anything relevant no measure says anything: it is `None`, and counts in no mean.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::core::suggest::did_you_mean;
use crate::stats::{paired_mean, wilson};

/// How sure an interval is.
pub const CONFIDENCE: f64 = 0.95;
/// The largest k that is measured.
pub const MOST: usize = 1000;

/// What of a ranking is relevant.
#[derive(Clone, Debug, PartialEq)]
pub struct Relevance {
    /// The grade of what each rank brings, from the first; 0 where that is nothing new.
    pub gains: Vec<f64>,
    /// How many relevant things each rank brings.
    pub brings: Vec<usize>,
    /// The grades of everything that is relevant, the highest first.
    pub ideal: Vec<f64>,
}

impl Relevance {
    /// The relevance of what was retrieved, in its order; `fits` says whether something retrieved is, is a part of, or
    /// holds a relevant thing.
    pub fn of<'a, R>(retrieved: &[R], relevant: &'a [(String, f64)], fits: impl Fn(&R, &'a str) -> bool) -> Self {
        let mut is_taken = vec![false; relevant.len()];
        let (mut gains, mut brings) = (Vec::with_capacity(retrieved.len()), Vec::with_capacity(retrieved.len()));
        for one in retrieved {
            let (mut gain, mut count) = (0.0, 0);
            for (index, (id, grade)) in relevant.iter().enumerate() {
                // A large chunk may hold several relevant things.
                if *grade > 0.0 && !is_taken[index] && fits(one, id) {
                    is_taken[index] = true;
                    gain += *grade;
                    count += 1;
                }
            }
            gains.push(gain);
            brings.push(count);
        }
        let mut ideal: Vec<f64> = relevant.iter().map(|(_, grade)| *grade).filter(|grade| *grade > 0.0).collect();
        ideal.sort_unstable_by(|a, b| b.total_cmp(a));
        Self { gains, brings, ideal }
    }

    fn top(&self, k: usize) -> &[f64] {
        &self.gains[..k.min(self.gains.len())]
    }

    fn found(&self, k: usize) -> usize {
        self.top(k).iter().filter(|gain| **gain > 0.0).count()
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Whether anything relevant is among the first k.
    Hit,
    /// The share of what is relevant that is among the first k.
    Recall,
    /// The share of the first k that is relevant.
    Precision,
    /// The mean of the precision at each rank of the first k that is relevant: how far in front what is relevant stands. 0
    /// where nothing is.
    ContextPrecision,
    /// 1 by the rank of the first that is relevant; 0 where none of the first k is. Its mean is MRR.
    Mrr,
    /// The discounted cumulative gain by that of the best ranking: a gain is the grade, the discount log₂(rank + 1)
    /// (Järvelin and Kekäläinen 2002).
    Ndcg,
}

impl Measure {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Hit, Self::Recall, Self::Precision, Self::ContextPrecision, Self::Mrr, Self::Ndcg];

    /// Its name in golden files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Recall => "recall",
            Self::Precision => "precision",
            Self::ContextPrecision => "context-precision",
            Self::Mrr => "mrr",
            Self::Ndcg => "ndcg",
        }
    }

    /// Its value on the first k of a ranking, from 0 to 1; `None` where nothing is relevant, or k is 0.
    #[must_use]
    pub fn of(self, relevance: &Relevance, k: usize) -> Option<f64> {
        if relevance.ideal.is_empty() || k == 0 {
            return None;
        }
        let found = relevance.found(k);
        Some(match self {
            Self::Hit => f64::from(u8::from(found > 0)),
            Self::Recall => {
                let found: usize = relevance.brings.iter().take(k).sum();
                as_f64(found) / as_f64(relevance.ideal.len())
            }
            Self::Precision => as_f64(found) / as_f64(k),
            Self::ContextPrecision if found == 0 => 0.0,
            Self::ContextPrecision => {
                let ranks = relevance.top(k).iter().zip(1..).filter(|(gain, _)| **gain > 0.0).map(|(_, rank)| rank);
                ranks.zip(1..).map(|(rank, so_far)| as_f64(so_far) / as_f64(rank)).sum::<f64>() / as_f64(found)
            }
            Self::Mrr => {
                let first = relevance.top(k).iter().position(|gain| *gain > 0.0);
                first.map_or(0.0, |index| 1.0 / as_f64(index + 1))
            }
            Self::Ndcg => {
                let best = discounted(&relevance.ideal[..k.min(relevance.ideal.len())]);
                // A rank that brings several things at once is better than the best of one a rank.
                (discounted(relevance.top(k)) / best).min(1.0)
            }
        })
    }
}

fn discounted(gains: &[f64]) -> f64 {
    gains.iter().zip(2..).map(|(gain, rank)| gain / as_f64(rank).log2()).sum()
}

/// A measure on the first k: `recall@5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// What is measured.
    pub measure: Measure,
    /// On so many of the first.
    pub k: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}", self.measure.name(), self.k))
    }
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Measure::ALL.map(Measure::name);
        let (name, k) = text.split_once('@').ok_or_else(|| {
            let name = names.into_iter().find(|name| *name == text).unwrap_or("recall");
            format!("`{text}` says of no rank; write it as `{name}@5`")
        })?;
        let measure = Measure::ALL.into_iter().find(|measure| measure.name() == name).ok_or_else(|| {
            format!("there is no measure `{name}`{}; there are {}", did_you_mean(name, names), names.join(", "))
        })?;
        // `+5` and `05` would be other names for the same.
        let k = k.parse().ok().filter(|number: &usize| (1..=MOST).contains(number) && number.to_string() == k);
        let k = k.ok_or_else(|| format!("what stands behind `{name}@` must be a whole number from 1 to {MOST}"))?;
        Ok(Self { measure, k })
    }
}

/// A mean over queries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Where it may lie, at 95 %: by Wilson of hits, by Student's t of the others. `None` for fewer than two queries, and where
    /// all have the same value: nothing then shows how far the next one may be off.
    pub interval: Option<(f64, f64)>,
    /// Of so many queries.
    pub queries: usize,
}

/// Whether values differ by more than they are rounded: where all are the same, nothing shows how far the next may be off.
pub(super) fn vary(values: &[f64]) -> bool {
    values.iter().any(|value| (value - values[0]).abs() > f64::EPSILON)
}

/// The mean of a measure's values, one a query; `None` of none.
#[must_use]
pub fn mean(measure: Measure, values: &[f64]) -> Option<Mean> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / as_f64(values.len());
    let interval = if measure == Measure::Hit && values.len() > 1 {
        let hits = values.iter().filter(|value| **value > 0.0).count();
        Some(wilson(hits as u64, values.len() as u64, CONFIDENCE))
    } else {
        paired_mean(values, CONFIDENCE)
            .filter(|_| vary(values))
            .map(|estimate| (estimate.interval.0.max(0.0), estimate.interval.1.min(1.0)))
    };
    Some(Mean { mean, interval, queries: values.len() })
}

/// The order of a ranking: the higher score first, and by id where scores are the same, so that it is the same everywhere.
#[must_use]
pub fn by_score_then_id((a, a_id): (f64, &str), (b, b_id): (f64, &str)) -> Ordering {
    b.total_cmp(&a).then_with(|| a_id.cmp(b_id))
}

#[expect(clippy::cast_precision_loss, reason = "ranks and numbers of queries are far below 2^53")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    fn same(one: &&str, other: &str) -> bool {
        *one == other
    }

    fn relevance(ranking: &[&str], relevant: &[(&str, f64)]) -> Relevance {
        let relevant: Vec<(String, f64)> = relevant.iter().map(|(id, grade)| ((*id).to_owned(), *grade)).collect();
        Relevance::of(ranking, &relevant, same)
    }

    #[derive(Deserialize)]
    struct Query {
        run: BTreeMap<String, f64>,
        relevant: BTreeMap<String, f64>,
        values: BTreeMap<String, f64>,
    }

    #[derive(Deserialize)]
    struct Vectors {
        queries: Vec<Query>,
    }

    #[test]
    fn every_value_is_that_of_the_references() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/retrieval_metrics.json");
        let vectors: Vectors =
            serde_json::from_str(&std::fs::read_to_string(file).expect("readable")).expect("vectors");
        let (mut compared, mut wrong) = (0, Vec::new());
        for (number, query) in vectors.queries.iter().enumerate() {
            let mut run: Vec<(f64, &str)> = query.run.iter().map(|(id, score)| (*score, id.as_str())).collect();
            run.sort_by(|a, b| by_score_then_id(*a, *b));
            let ranking: Vec<&str> = run.into_iter().map(|(_, id)| id).collect();
            let relevant: Vec<(&str, f64)> = query.relevant.iter().map(|(id, grade)| (id.as_str(), *grade)).collect();
            let relevance = relevance(&ranking, &relevant);
            for (name, expected) in &query.values {
                let at: At = name.parse().expect(name);
                let value = at.measure.of(&relevance, at.k);
                compared += 1;
                if value.is_none_or(|value| (value - expected).abs() > 1e-6) {
                    wrong.push(format!("query {number}: {name} is {value:?}, not {expected}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
        assert!(vectors.queries.len() >= 250 && compared >= 250 * 24, "{compared}");
    }

    #[test]
    fn what_references_leave_open_is_defined() {
        let nothing = relevance(&["a", "b"], &[]);
        assert!(Measure::ALL.iter().all(|measure| measure.of(&nothing, 5).is_none()));
        let unjudged = relevance(&["a"], &[("a", 0.0)]);
        assert_eq!(Measure::Hit.of(&unjudged, 1), None);
        // An id that comes again counts once.
        let again = relevance(&["a", "a", "b"], &[("a", 1.0), ("b", 1.0)]);
        assert_eq!(again.gains, [1.0, 0.0, 1.0]);
        assert_eq!(Measure::Recall.of(&again, 3), Some(1.0));
        // Fewer than k.
        let short = relevance(&["a"], &[("a", 1.0), ("b", 1.0)]);
        assert_eq!((Measure::Precision.of(&short, 5), Measure::Recall.of(&short, 5)), (Some(0.2), Some(0.5)));
        assert_eq!(Measure::Hit.of(&relevance(&[], &[("a", 1.0)]), 5), Some(0.0));
    }

    #[test]
    fn a_document_counts_once_and_a_chunk_for_everything_that_it_holds() {
        let fits =
            |one: &&str, id: &str| one.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'));
        let relevant = [("a.md".to_owned(), 1.0), ("b.md#x".to_owned(), 3.0)];
        let found = Relevance::of(&["a.md#one", "a.md#two", "b.md#xy", "b.md#x"], &relevant, fits);
        assert_eq!((found.gains, found.ideal), (vec![1.0, 0.0, 0.0, 3.0], vec![3.0, 1.0]));
        let both = [("a.md".to_owned(), 1.0), ("a.md#two".to_owned(), 2.0)];
        let found = Relevance::of(&["a.md#one", "a.md#two", "a.md#three"], &both, fits);
        assert_eq!((found.gains, found.brings), (vec![1.0, 2.0, 0.0], vec![1, 1, 0]));
        let found = Relevance::of(&["c.md", "a.md#two", "a.md#one"], &both, fits);
        assert_eq!((&found.gains[..], &found.brings[..]), (&[0.0, 3.0, 0.0][..], &[0, 2, 0][..]));
        assert_eq!(Measure::Recall.of(&found, 1), Some(0.0));
        assert_eq!((Measure::Recall.of(&found, 2), Measure::Precision.of(&found, 2)), (Some(1.0), Some(0.5)));
        // Everything at the first rank is as good as can be.
        let found = Relevance::of(&["a.md#two"], &both, fits);
        assert_eq!((Measure::Ndcg.of(&found, 3), Measure::ContextPrecision.of(&found, 3)), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn names_of_measures_are_read() {
        assert_eq!("ndcg@10".parse(), Ok(At { measure: Measure::Ndcg, k: 10 }));
        let why = |text: &str| text.parse::<At>().expect_err("no measure");
        assert_eq!(
            why("ndgc@10"),
            "there is no measure `ndgc`; did you mean \"ndcg\"?; there are hit, recall, precision, context-precision, mrr, ndcg"
        );
        assert_eq!(why("mrr"), "`mrr` says of no rank; write it as `mrr@5`");
        for bad in ["hit@0", "hit@", "hit@+5", "hit@05", "hit@1001", "hit@x", "hit@99999999999999999999"] {
            assert_eq!(why(bad), "what stands behind `hit@` must be a whole number from 1 to 1000", "{bad}");
        }
    }

    #[test]
    fn a_mean_says_how_sure_it_is() {
        let hits = mean(Measure::Hit, &[1.0, 1.0, 1.0, 1.0]).expect("some");
        assert!((hits.interval.expect("Wilson").0 - 0.51).abs() < 0.01, "{hits:?}");
        let recall = mean(Measure::Recall, &[0.5, 1.0, 1.0]).expect("some");
        assert!(recall.interval.is_some_and(|(low, high)| low < recall.mean && high <= 1.0), "{recall:?}");
        assert_eq!(mean(Measure::Recall, &[1.0, 1.0]).expect("some").interval, None);
        assert_eq!(mean(Measure::Hit, &[1.0]).expect("some").interval, None);
        assert_eq!(mean(Measure::Hit, &[]), None);
    }

    proptest! {
        #[test]
        fn every_measure_is_a_share(
            ranking in prop::collection::vec("[a-h]", 0..12),
            relevant in prop::collection::btree_map("[a-h]", 0_u8..4, 0..8),
            k in 1_usize..15,
        ) {
            let ranking: Vec<&str> = ranking.iter().map(String::as_str).collect();
            let relevant: Vec<(&str, f64)> =
                relevant.iter().map(|(id, grade)| (id.as_str(), f64::from(*grade))).collect();
            let relevance = relevance(&ranking, &relevant);
            for measure in Measure::ALL {
                match measure.of(&relevance, k) {
                    Some(value) => prop_assert!((0.0..=1.0 + 1e-12).contains(&value), "{measure:?} {value}"),
                    None => prop_assert!(relevant.iter().all(|(_, grade)| *grade <= 0.0)),
                }
            }
        }
    }
}
