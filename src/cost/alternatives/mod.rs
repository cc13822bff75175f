//! From how many requests on something else is cheaper, with everything that is assumed, and where each of it is from.
//!
//! Nothing is advised whose evidence is missing: what is missing is said instead.

mod reckon;

use serde::Serialize;

pub use self::reckon::{fine_tuned, retrieval, smaller_model};
use super::bill::Bill;
use super::{Requests, as_f64};
use crate::compare::Verdict;
use crate::core::names::{ModelAlias, PromptName};
use crate::stats::median;

/// What is held against how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Another model of the project, with the same prompt.
    SmallerModel,
    /// A model that was trained on the accepted answers.
    FineTuned,
    /// Pieces of the context instead of the whole.
    Retrieval,
}

/// Where an assumption is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It stands in `promptctl.yaml`.
    File,
    /// Nobody says otherwise.
    Default,
    /// The recordings say it.
    Measured,
    /// The tokenizer says it.
    Estimated,
    /// The price of a model.
    Price,
}

/// Something that is assumed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assumption {
    /// Its name, as it is written in `promptctl.yaml` where it can be.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it is counted in.
    pub unit: &'static str,
    /// Where it is from.
    pub from: Origin,
}

/// Whether the answers are as good, by the cases that both models answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Cases that both answered.
    pub cases: u64,
    /// Passes and answers of the model that is used.
    pub now: (u64, u64),
    /// Passes and answers of the other.
    pub then: (u64, u64),
    /// What a comparison of both says.
    pub verdict: Verdict,
    /// The least drop of the pass rate that matters to it.
    pub delta: f64,
}

impl Evidence {
    /// Whether the other is shown to be no worse.
    #[must_use]
    pub fn is_no_worse(&self) -> bool {
        matches!(self.verdict, Verdict::Improved | Verdict::NotRegressed | Verdict::Unchanged)
    }
}

/// Something else that could be done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// What.
    pub kind: Kind,
    /// The prompt.
    pub prompt: PromptName,
    /// The model that is used.
    pub model: ModelAlias,
    /// The model that would be.
    pub instead: Option<String>,
    /// What is assumed.
    pub assumptions: Vec<Assumption>,
    /// What is missing for an answer.
    pub missing: Vec<String>,
    /// USD a request, on the mean, as it is.
    pub now_usd: Option<f64>,
    /// USD a request, on the mean, as it would be.
    pub then_usd: Option<f64>,
    /// USD for an answer that passes, as it is and as it would be.
    pub passed_usd: Option<(f64, f64)>,
    /// USD once.
    pub one_off_usd: f64,
    /// USD a month, whatever is asked.
    pub monthly_usd: f64,
    /// Requests a month.
    pub volume: Option<u64>,
    /// USD a month less, what it costs once not counted; below 0 where it is more.
    pub saving_usd: Option<f64>,
    /// From how many requests a month on it is cheaper, what it costs once not counted.
    pub from_volume: Option<u64>,
    /// After how many requests what it costs once has come back.
    pub after_requests: Option<u64>,
    /// After how many months.
    pub after_months: Option<f64>,
    /// Whether the answers are as good; none where that was not measured.
    pub evidence: Option<Evidence>,
    /// Milliseconds of an answer, the medians as it is and as it would be.
    pub latency_ms: (Option<f64>, Option<f64>),
}

impl Alternative {
    fn new(kind: Kind, bill: &Bill, requests: &Requests) -> Self {
        Self {
            kind,
            prompt: bill.prompt.clone(),
            model: bill.model.clone(),
            instead: None,
            assumptions: Vec::new(),
            missing: Vec::new(),
            now_usd: bill.cost_usd.map(|cost| cost.mean),
            then_usd: None,
            passed_usd: None,
            one_off_usd: 0.0,
            monthly_usd: 0.0,
            volume: bill.volume,
            saving_usd: None,
            from_volume: None,
            after_requests: None,
            after_months: None,
            evidence: None,
            latency_ms: (latency(requests), None),
        }
    }

    fn assume(&mut self, name: &'static str, unit: &'static str, value: f64, from: Origin) -> f64 {
        self.assumptions.push(Assumption { name, value, unit, from });
        value
    }

    /// What the file says, or else a value from elsewhere.
    fn assume_or(
        &mut self,
        name: &'static str,
        unit: &'static str,
        file: Option<f64>,
        (or, from): (f64, Origin),
    ) -> f64 {
        match file {
            Some(value) => self.assume(name, unit, value, Origin::File),
            None => self.assume(name, unit, or, from),
        }
    }

    /// What the file says, or else a price, or else it is missing.
    fn need(
        &mut self,
        name: &'static str,
        unit: &'static str,
        file: Option<f64>,
        price: Option<f64>,
        why: &str,
    ) -> Option<f64> {
        match (file, price) {
            (Some(value), _) => Some(self.assume(name, unit, value, Origin::File)),
            (None, Some(value)) => Some(self.assume(name, unit, value, Origin::Price)),
            (None, None) => {
                self.missing.push(why.to_owned());
                None
            }
        }
    }

    /// What follows for months and requests.
    fn settle(&mut self) {
        let Some(saving) = self.now_usd.zip(self.then_usd).map(|(now, then)| now - then) else { return };
        if saving > 0.0 {
            self.from_volume = whole(self.monthly_usd / saving);
        }
        let month = self.volume.map(|volume| saving * as_f64(volume) - self.monthly_usd);
        self.saving_usd = month;
        match month {
            Some(month) if month > 0.0 => {
                let months = self.one_off_usd / month;
                self.after_months = Some(months);
                self.after_requests = self.volume.and_then(|volume| whole(months * as_f64(volume)));
            }
            None if saving > 0.0 && self.monthly_usd <= 0.0 => self.after_requests = whole(self.one_off_usd / saving),
            _ => {}
        }
    }

    /// Whether it is cheaper, as far as that can be said.
    #[must_use]
    pub fn is_cheaper(&self) -> Option<bool> {
        match self.saving_usd {
            Some(saving) => Some(saving > 0.0),
            None => self.now_usd.zip(self.then_usd).map(|(now, then)| then < now),
        }
    }
}

/// A count of requests, rounded up.
fn whole(value: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "finite, and far below 2^63")]
    (value.is_finite() && (0.0..9e15).contains(&value)).then(|| (value - 1e-9).ceil().max(0.0) as u64)
}

fn latency(requests: &Requests) -> Option<f64> {
    median(&requests.rows.iter().filter_map(|row| row.latency_ms).map(as_f64).collect::<Vec<f64>>())
}
