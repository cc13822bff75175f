//! The sums of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checked::{Metrics, add_metrics};
use super::record::FinishReason;
use super::retrieved::Retrievals;
use super::verdict::{AnswerSource, Outcome, Verdict};

/// The sums of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many prompt × case × model there were to do.
    pub planned: u64,
    /// How many came to each verdict; all eight are there.
    #[serde(flatten)]
    pub verdicts: BTreeMap<Verdict, u64>,
    /// How many had samples of both kinds.
    pub flaky: u64,
    /// How many are in quarantine, whatever their verdict.
    #[serde(default)]
    pub quarantined: u64,
    /// Answers that were cut off at the limit on tokens.
    #[serde(default)]
    pub cut_off: u64,
    /// Calls made in this run.
    pub calls_made: u64,
    /// Answers taken from recordings.
    pub replayed: u64,
    /// Requests that were sent again after a fault.
    pub retries: u64,
    /// Tokens of all answers, replayed ones too.
    pub input_tokens: u64,
    /// Tokens of all answers, replayed ones too.
    pub output_tokens: u64,
    /// USD that this run spent.
    pub cost_usd: f64,
    /// USD that the replayed answers had cost when they were recorded.
    pub recorded_cost_usd: f64,
    /// Answers without a price or without token counts.
    pub unpriced: u64,
    /// Calls that judges, embeddings of them too, were asked in this run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub judge_calls: u64,
    /// Judgements taken from recordings.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub judge_replayed: u64,
    /// USD that judges cost in this run, apart from `cost_usd`.
    #[serde(default, skip_serializing_if = "is_free")]
    pub judge_cost_usd: f64,
    /// USD that the replayed judgements had cost.
    #[serde(default, skip_serializing_if = "is_free")]
    pub recorded_judge_cost_usd: f64,
    /// Judgements that are advice alone, because their judges have not proved themselves.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub advice: u64,
    /// Those of them that say no.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub advised_against: u64,
    /// The named scores.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: Metrics,
    /// How good retrievers are where cases say what is relevant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retrieval: Retrievals,
    /// Wall-clock seconds.
    pub seconds: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_free(cost: &f64) -> bool {
    *cost <= 0.0
}

impl Summary {
    /// How many outcomes have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    /// Adds an outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        *self.verdicts.entry(outcome.verdict).or_default() += 1;
        self.flaky += u64::from(outcome.flaky);
        self.quarantined += u64::from(outcome.quarantine.is_some());
        self.add_retrieved(outcome);
        for sample in &outcome.samples {
            self.cut_off += u64::from(sample.finish_reason == Some(FinishReason::Length));
            // A saved run may hold any number.
            self.input_tokens = self.input_tokens.saturating_add(sample.usage.input.unwrap_or(0));
            self.output_tokens = self.output_tokens.saturating_add(sample.usage.output.unwrap_or(0));
            match sample.source {
                Some(AnswerSource::Live) => self.cost_usd += sample.first_cost(),
                Some(AnswerSource::Recorded) => {
                    self.replayed += 1;
                    self.recorded_cost_usd += sample.first_cost();
                }
                None => {}
            }
            for turn in &sample.turns {
                match turn.source {
                    AnswerSource::Live => self.cost_usd += turn.cost_usd.unwrap_or(0.0),
                    AnswerSource::Recorded => {
                        self.replayed += 1;
                        self.recorded_cost_usd += turn.cost_usd.unwrap_or(0.0);
                    }
                }
            }
            self.unpriced += u64::from(sample.source.is_some() && sample.cost_usd.is_none());
            let advising = sample.expectations.iter().filter(|checked| checked.advises && checked.lack.is_none());
            self.advice += advising.count() as u64;
            self.advised_against += sample.advice().count() as u64;
            sample.expectations.iter().for_each(|checked| add_metrics(&mut self.metrics, checked));
            if let Some(judging) = &sample.judging {
                self.judge_calls = self.judge_calls.saturating_add(judging.calls);
                self.judge_replayed = self.judge_replayed.saturating_add(judging.replayed);
                self.judge_cost_usd += judging.cost_usd;
                self.recorded_judge_cost_usd += judging.recorded_cost_usd;
                self.unpriced = self.unpriced.saturating_add(judging.unpriced);
            }
        }
    }

    fn add_retrieved(&mut self, outcome: &Outcome) {
        let Some(retrieved) = &outcome.detail.retrieved else { return };
        let Some(quality) = retrieved.quality else { return };
        let holds = match outcome.verdict {
            Verdict::Passed | Verdict::Changed | Verdict::New => Some(true),
            Verdict::Failed => Some(false),
            Verdict::Stale | Verdict::Unrecorded | Verdict::Errored | Verdict::Skipped => None,
        };
        let name = format!("{} › {}", outcome.prompt, retrieved.retriever);
        self.retrieval.entry(name).or_default().add(retrieved.top, quality, holds);
    }

    /// Whether the verdicts add up to what was planned.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        Verdict::ALL.iter().map(|v| self.count(*v)).sum::<u64>() == self.planned
    }
}
