//! What a retriever found for a case, and how good that was: told beside the answer, which may be good all the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::ModelAlias;
use super::words::counted;

/// How good a ranking of documents is, each from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Whether anything relevant is there.
    pub hit: f64,
    /// The share of what is relevant that is there.
    pub recall: f64,
    /// The share of what is there that is relevant.
    pub precision: f64,
    /// 1 by the rank of the first that is relevant.
    pub mrr: f64,
    /// The discounted gain by that of the best ranking.
    pub ndcg: f64,
}

/// What a retriever found for a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retrieved {
    /// The retriever.
    pub retriever: ModelAlias,
    /// How many documents were asked for.
    pub top: usize,
    /// The ids of what it found, the best first.
    pub documents: Vec<String>,
    /// How good that is, where the case says what is relevant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

/// How good a retriever is on the cases of a prompt that say what is relevant, and what became of their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// How many results (prompt × case × model) are in it.
    pub results: u64,
    /// How many documents were asked for.
    pub top: usize,
    /// The means.
    #[serde(flatten)]
    pub mean: Quality,
    /// Results whose answers hold though nothing relevant was found.
    pub lucky: u64,
    /// Results whose answers fail though something relevant was found.
    pub wasted: u64,
}

/// The retrievers of a run, by prompt and retriever: `PROMPT › RETRIEVER`.
pub type Retrievals = BTreeMap<String, Retrieval>;

impl Retrieval {
    /// Adds a result: how good its documents are, and whether its answers hold; `None` where there is no answer.
    pub fn add(&mut self, top: usize, quality: Quality, holds: Option<bool>) {
        self.results += 1;
        self.top = self.top.max(top);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let count = self.results as f64;
        let mean = &mut self.mean;
        for (mean, value) in [
            (&mut mean.hit, quality.hit),
            (&mut mean.recall, quality.recall),
            (&mut mean.precision, quality.precision),
            (&mut mean.mrr, quality.mrr),
            (&mut mean.ndcg, quality.ndcg),
        ] {
            *mean += (value - *mean) / count;
        }
        self.lucky += u64::from(quality.hit == 0.0 && holds == Some(true));
        self.wasted += u64::from(quality.hit > 0.0 && holds == Some(false));
    }

    /// It in a line, beside the answers.
    #[must_use]
    pub fn shown(&self) -> String {
        let Quality { hit, recall, precision, mrr, ndcg } = self.mean;
        let k = self.top;
        let mut line = format!(
            "hit@{k} {hit:.3} · recall@{k} {recall:.3} · precision@{k} {precision:.3} · MRR {mrr:.3} · nDCG@{k} {ndcg:.3} (mean of {})",
            self.results
        );
        if self.lucky > 0 {
            let answers = counted(self.lucky, "answer holds", "answers hold");
            line.push_str(&format!("; {answers} though nothing relevant was found"));
        }
        if self.wasted > 0 {
            let answers = counted(self.wasted, "answer fails", "answers fail");
            line.push_str(&format!("; {answers} though something relevant was found"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_all_and_luck_is_counted() {
        let good = Quality { hit: 1.0, recall: 0.5, precision: 0.25, mrr: 1.0, ndcg: 0.75 };
        let mut sum = Retrieval::default();
        sum.add(4, good, Some(true));
        sum.add(4, Quality::default(), Some(true));
        sum.add(4, good, Some(false));
        sum.add(4, Quality::default(), None);
        assert_eq!(
            sum.shown(),
            "hit@4 0.500 · recall@4 0.250 · precision@4 0.125 · MRR 0.500 · nDCG@4 0.375 (mean of 4); 1 answer holds though \
             nothing relevant was found; 1 answer fails though something relevant was found"
        );
    }
}
