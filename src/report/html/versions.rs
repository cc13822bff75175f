//! The versions of the prompts of a report, for its plots.

use minijinja::{Value, context};

use super::figures::{grouped, percent, share};
use super::plot::{Point, versions};
use crate::core::event::Provenance;
use crate::core::names::PromptName;
use crate::history::Told;

/// Looks up the newest versions of prompts, newest first, from what a run was read from. It is asked once, when the
/// report is written, with the prompts that matter most first.
pub type Past = Box<dyn FnOnce(&Provenance, &[PromptName]) -> Vec<(PromptName, Vec<Told>)>>;

/// A plot for each prompt of which several versions have recorded answers.
pub(super) fn plots(past: Vec<(PromptName, Vec<Told>)>) -> Vec<Value> {
    past.into_iter().filter_map(|(prompt, versions)| plot(&prompt, versions)).collect()
}

fn plot(prompt: &PromptName, mut told: Vec<Told>) -> Option<Value> {
    // A version that nobody recorded says nothing, and the same answers under another commit neither.
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
