//! Gathering a run for the history while it goes on.

use std::io;
use std::sync::Arc;

use super::record::{PromptRow, ResultRow, RunRow};
use crate::core::event::{Event, Listener};
use crate::core::time::rfc3339;
use crate::core::verdict::{AnswerSource, Exit, Outcome, SampleOutcome, Verdict};
use crate::run::Mode;

/// A run as far as it has come.
#[derive(Debug, Default)]
pub struct Gather {
    pub(super) run: RunRow,
    pub(super) prompts: Vec<PromptRow>,
    pub(super) results: Vec<ResultRow>,
    begun: bool,
}

impl Gather {
    /// A run that begins now.
    #[must_use]
    pub fn new(started: jiff::Timestamp, tree: String, mode: Mode) -> Self {
        let run = RunRow {
            started: rfc3339(started),
            tree,
            mode: mode.name().to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..RunRow::default()
        };
        Self { run, ..Self::default() }
    }

    /// Whether there is anything to keep: a run whose project is wrong never begins.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// The run ended so.
    pub fn end(&mut self, exit: Exit) {
        self.run.exit_code = Some(exit.code());
    }

    fn add(&mut self, outcome: &Outcome) {
        self.run.summary.add(outcome);
        let prompt = self.prompt(outcome);
        let row = self.row(prompt, outcome);
        self.results.push(row);
    }

    /// The number of an outcome's prompt. The plan goes from prompt to prompt, so that it is nearly always the last.
    fn prompt(&mut self, outcome: &Outcome) -> usize {
        let same = |row: &PromptRow| {
            row.name == outcome.prompt && row.digest == outcome.prompt_digest && row.version == outcome.prompt_version
        };
        self.prompts.iter().rposition(same).unwrap_or_else(|| {
            self.prompts.push(PromptRow {
                name: outcome.prompt.clone(),
                version: outcome.prompt_version.clone(),
                digest: outcome.prompt_digest.clone(),
            });
            self.prompts.len() - 1
        })
    }

    fn row(&self, prompt: usize, outcome: &Outcome) -> ResultRow {
        let samples = &outcome.samples;
        let is_live = |sample: &SampleOutcome| sample.source == Some(AnswerSource::Live);
        ResultRow {
            prompt,
            case: outcome.case.clone(),
            model: outcome.model.clone(),
            served_model: samples
                .iter()
                .find_map(|sample| sample.served_model.as_deref())
                .map(|name| self.shared(name)),
            request: samples.iter().find_map(|sample| sample.key.as_ref()).map(|key| key.short().to_owned()),
            verdict: outcome.verdict,
            passes: samples.iter().filter(|sample| sample.verdict == Verdict::Passed).count() as u64,
            samples: samples.len() as u64,
            flaky: outcome.flaky,
            input_tokens: sum(samples.iter().map(|sample| sample.usage.input)),
            output_tokens: sum(samples.iter().map(|sample| sample.usage.output)),
            cost_usd: sum(samples.iter().map(|sample| sample.cost_usd)),
            latency_ms: mean(samples.iter().filter_map(|sample| sample.latency_ms)),
            source: samples.iter().find(|sample| is_live(sample)).or(samples.first()).and_then(|sample| sample.source),
        }
    }

    /// A name that the last row has already takes no room of its own.
    fn shared(&self, name: &str) -> Arc<str> {
        let last = self.results.last().and_then(|row| row.served_model.as_ref());
        last.filter(|last| ***last == *name).map_or_else(|| Arc::from(name), Arc::clone)
    }
}

/// The sum of what is known; nothing where nothing is.
fn sum<T: std::iter::Sum<T>>(values: impl Iterator<Item = Option<T>>) -> Option<T> {
    let mut known = values.flatten().peekable();
    known.peek()?;
    Some(known.sum())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^52")]
fn mean(values: impl Iterator<Item = u64>) -> Option<f64> {
    let (sum, count) =
        values.fold((0, 0_u32), |(sum, count): (u64, u32), value| (sum.saturating_add(value), count + 1));
    (count > 0).then(|| sum as f64 / f64::from(count))
}

impl Listener for Gather {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { planned, provenance, .. } => {
                self.begun = true;
                self.run.summary.planned = *planned;
                self.run.provenance = provenance.clone();
            }
            Event::Finished(outcome) => self.add(outcome),
            Event::Ended(summary) => self.run.summary = (**summary).clone(),
            Event::Progressed { .. }
            | Event::Retried { .. }
            | Event::Noted(_)
            | Event::Forecast(_)
            | Event::Traced(_) => {}
        }
        Ok(())
    }
}
