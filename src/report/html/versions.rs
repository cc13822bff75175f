//! The versions of the prompts of a report, for its plots.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::figures::{grouped, percent, share};
use super::plot::{Point, versions};
use crate::core::event::Provenance;
use crate::core::names::PromptName;
use crate::core::verdict::{Outcome, Verdict};
use crate::history::{Figures, Told};

/// Looks up the newest versions of prompts, newest first, from what a run was read from. It is asked once, when the
/// report is written, with the prompts that matter most first.
pub type Past = Box<dyn FnOnce(&Provenance, &[PromptName]) -> Vec<(PromptName, Vec<Told>)>>;

/// What a run says of the version that it is of. Its answers are not among the recordings of a commit yet.
#[derive(Debug, Default)]
pub(super) struct Measured {
    digest: String,
    figures: Figures,
    /// Tokens read and written, and how many answers tell them.
    input: (u64, u32),
    output: (u64, u32),
}

impl Measured {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.digest.clone_from(&outcome.prompt_digest);
        self.figures.planned += outcome.samples.len() as u64;
        for sample in outcome.samples.iter().filter(|sample| sample.source.is_some()) {
            self.figures.answered += 1;
            // Whether an answer is the accepted one is no matter of its version.
            let is_good = matches!(sample.verdict, Verdict::Passed | Verdict::Changed | Verdict::New);
            self.figures.passed += u64::from(is_good);
            for (sum, tokens) in [(&mut self.input, sample.usage.input), (&mut self.output, sample.usage.output)] {
                if let Some(tokens) = tokens {
                    *sum = (sum.0.saturating_add(tokens), sum.1 + 1);
                }
            }
        }
    }

    fn figures(&self) -> Figures {
        #[expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^53")]
        let mean = |(sum, count): (u64, u32)| (count > 0).then(|| sum as f64 / f64::from(count));
        Figures { input_tokens: mean(self.input), output_tokens: mean(self.output), ..self.figures }
    }
}

/// A plot for each prompt of which several versions have answers.
pub(super) fn plots(past: Vec<(PromptName, Vec<Told>)>, run: &BTreeMap<PromptName, Measured>) -> Vec<Value> {
    let plot = |(prompt, mut versions): (PromptName, Vec<Told>)| {
        if let (Some(newest), Some(run)) = (versions.first_mut(), run.get(&prompt))
            && newest.digest.as_deref() == Some(run.digest.as_str())
            && newest.figures.is_none_or(|figures| figures.answered == 0)
        {
            newest.figures = Some(run.figures());
        }
        plot(&prompt, versions)
    };
    past.into_iter().filter_map(plot).collect()
}

fn plot(prompt: &PromptName, mut told: Vec<Told>) -> Option<Value> {
    // A version that nobody recorded says nothing.
    told.retain(|version| version.figures.is_some_and(|figures| figures.answered > 0));
    told.reverse();
    if told.len() < 2 {
        return None;
    }
    let points: Vec<Point> = told.iter().map(point).collect();
    let rows: Vec<Value> = told.iter().zip(&points).rev().map(|(told, point)| row(told, point)).collect();
    Some(context! { prompt => prompt.as_str(), svg => versions(prompt.as_str(), &points), count => points.len(), rows })
}

fn point(told: &Told) -> Point {
    let figures = told.figures.unwrap_or_default();
    let commit = told.about.as_ref().map(|about| about.short().get(..8).unwrap_or_default().to_owned());
    let tokens = [figures.input_tokens, figures.output_tokens].into_iter().flatten().reduce(|a, b| a + b);
    Point {
        label: commit.unwrap_or_else(|| "not committed".to_owned()),
        passed: figures.passed,
        answered: figures.answered,
        tokens,
    }
}

fn row(told: &Told, point: &Point) -> Value {
    let about = told.about.as_ref();
    context! {
        commit => point.label.as_str(),
        version => told.version.as_deref().unwrap_or("–"),
        day => about.map_or("", |about| about.day()),
        summary => about.map_or("", |about| about.summary.as_str()),
        passed => grouped(point.passed),
        answered => grouped(point.answered),
        percent => percent(share(point.passed, point.answered)),
        tokens => point.tokens.map_or_else(|| "–".to_owned(), |tokens| format!("{tokens:.0}")),
    }
}
