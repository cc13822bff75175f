//! A run as a page.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use minijinja::{Value, context};
use serde_json::json;

use super::figures::{Table, dollars, fragment, grouped, kind};
use super::outcome::{Detail, Row, cost, marks, rank, short_why, sum};
use super::packed::{Chunks, Lines};
use super::versions::{Measured, Past, plots};
use super::{Parts, plot, template, write_page};
use crate::core::event::{Event, Listener, Provenance, Shard};
use crate::core::names::PromptName;
use crate::core::verdict::{Exit, Outcome, Summary, Verdict};
use crate::core::words::counted;
use crate::report::Report;
use crate::report::page::escape::shown;
use crate::report::samples::{is_undecided, retrieval_lines};

/// The most cases that are in the page without a script, those to look at first.
const FIRST: usize = 25;
/// The most rows of the table of prompts that are seen at once.
const ROWS: usize = 30;
/// The most notes.
const NOTES: usize = 50;

const SCRIPT: &str = include_str!("run.js");
const BODY: &str = include_str!("run.html");

/// Collects a run as a page.
#[derive(Default)]
pub struct HtmlReport {
    heading: String,
    provenance: Provenance,
    shard: Option<Shard>,
    past: Option<Past>,
    names: Names,
    table: Table,
    /// What this run says of each prompt's version.
    measured: BTreeMap<PromptName, Measured>,
    index: Lines,
    details: Chunks,
    /// The cases to look at first: their rank, their place in the run, and the row.
    first: BTreeMap<(u8, usize), Value>,
    seen: usize,
    undecided: u64,
    notes: Vec<String>,
    summary: Summary,
}

/// Names that many rows share, by their place in a list.
#[derive(Debug, Default)]
struct Names {
    prompts: List,
    models: List,
    tags: List,
}

#[derive(Debug, Default)]
struct List {
    names: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl List {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        self.names.push(shown(name));
        self.places.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }
}

impl HtmlReport {
    /// A report that plots the versions of its prompts, where they can be looked up.
    #[must_use]
    pub fn with_past(past: Past) -> Self {
        Self { past: Some(past), ..Self::default() }
    }

    fn add(&mut self, outcome: &Outcome) -> io::Result<()> {
        let (chunk, line) = self.details.add(&Detail::of(outcome))?;
        let (rank, why) = (rank(outcome), short_why(outcome));
        let tags: BTreeSet<&String> = outcome.tags.iter().collect();
        self.index.add(&Row(
            self.names.prompts.place(outcome.prompt.as_str()),
            self.names.models.place(outcome.model.as_str()),
            shown(outcome.case.as_str()),
            Verdict::ALL.iter().position(|verdict| *verdict == outcome.verdict).unwrap_or_default(),
            marks(outcome),
            tags.into_iter().map(|tag| self.names.tags.place(tag)).collect(),
            sum(outcome, |sample| sample.usage.input),
            sum(outcome, |sample| sample.usage.output),
            cost(outcome),
            sum(outcome, |sample| sample.latency_ms),
            why.clone(),
            rank,
            chunk,
            line,
        ))?;
        self.table.add(outcome);
        self.measured.entry(outcome.prompt.clone()).or_default().add(outcome);
        self.undecided += u64::from(is_undecided(outcome));
        if outcome.verdict != Verdict::Passed || outcome.flaky {
            self.first.insert((rank, self.seen), first(outcome, why));
            if self.first.len() > FIRST {
                self.first.pop_last();
            }
        }
        self.seen += 1;
        Ok(())
    }

    /// What a person should know beside the verdicts.
    fn warnings(&self) -> Vec<String> {
        let sums = &self.summary;
        let all = [
            (sums.flaky, "case is", "cases are", "flaky: some samples passed and some failed"),
            (
                self.undecided,
                "case is",
                "cases are",
                "undecided: the samples do not tell the pass rate from the one asked for",
            ),
            (sums.quarantined, "case is", "cases are", "in quarantine, without a say in the exit code"),
            (sums.cut_off, "answer was", "answers were", "cut off at the limit on tokens"),
            (sums.unpriced, "answer has", "answers have", "no price, or no count of tokens"),
            (sums.retries, "request was", "requests were", "sent again after a fault"),
        ];
        let told = all.into_iter().filter(|(count, ..)| *count > 0);
        let mut warnings: Vec<String> =
            told.map(|(count, one, several, what)| format!("{} {what}", counted(count, one, several))).collect();
        if let Some(shard) = &self.shard {
            warnings.insert(0, format!("this is part {} of {} of the run", shard.number, shard.of));
        }
        warnings.extend(retrieval_lines(sums));
        warnings.extend(self.notes.iter().cloned());
        warnings
    }

    fn body(&mut self, exit: Exit) -> io::Result<String> {
        let past = self.past.take().map(|past| past(&self.provenance, &self.table.prompts())).unwrap_or_default();
        let sums = &self.summary;
        let counts: Vec<Value> = Verdict::ALL
            .into_iter()
            .map(|verdict| {
                let link = fragment(&[("verdict", verdict.name())]);
                let count = sums.count(verdict);
                context! { name => verdict.name(), count => grouped(count), any => count > 0, kind => kind(verdict), link }
            })
            .collect();
        let bar: Vec<(&str, u64)> =
            Verdict::ALL.into_iter().map(|verdict| (verdict.name(), sums.count(verdict))).collect();
        let warnings = self.warnings();
        let mut rows = std::mem::take(&mut self.table).rows();
        let more = rows.split_off(rows.len().min(ROWS));
        let commit = self.provenance.commit.as_deref().map(|commit| commit.get(..12).unwrap_or(commit));
        let facts = [
            Some(("calls", grouped(sums.calls_made))),
            Some(("replayed", grouped(sums.replayed))),
            Some(("tokens in", grouped(sums.input_tokens))),
            Some(("tokens out", grouped(sums.output_tokens))),
            (sums.cost_usd > 0.0).then(|| ("cost", dollars(sums.cost_usd))),
            (sums.recorded_cost_usd > 0.0).then(|| ("cost when recorded", dollars(sums.recorded_cost_usd))),
            Some(("took", format!("{:.2} s", sums.seconds))),
            commit.map(|commit| {
                let edited = if self.provenance.dirty == Some(true) { ", edited since" } else { "" };
                ("commit", format!("{commit}{edited}"))
            }),
        ];
        let values = context! {
            heading => self.heading.as_str(),
            verdict => verdict_line(sums),
            kind => if exit == Exit::Good { "good" } else if matches!(exit, Exit::Waiting | Exit::Incomplete) { "warn" } else { "bad" },
            exit => exit.code(),
            meaning => meaning(exit),
            counts,
            bar => plot::bar(&bar),
            planned => grouped(sums.planned),
            facts => facts.into_iter().flatten().map(|(name, value)| context! { name, value }).collect::<Vec<_>>(),
            warnings,
            rows,
            more,
            plots => plots(past, &self.measured),
            first => std::mem::take(&mut self.first).into_values().collect::<Vec<_>>(),
            has_cases => self.seen > 0,
            packed => template::html(super::PACKED_HERE.to_owned()),
        };
        template::fill("run.html", BODY, &values)
    }
}

/// A case as it is shown without a script.
fn first(outcome: &Outcome, why: String) -> Value {
    context! {
        verdict => outcome.verdict.name(),
        kind => kind(outcome.verdict),
        prompt => outcome.prompt.as_str(),
        case => outcome.case.as_str(),
        model => outcome.model.as_str(),
        why,
    }
}

/// `5 failed, 2 changed, 7 passed of 14`.
fn verdict_line(sums: &Summary) -> String {
    let passed = sums.count(Verdict::Passed);
    let others: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|verdict| *verdict != Verdict::Passed && sums.count(*verdict) > 0)
        .map(|verdict| format!("{} {}", grouped(sums.count(verdict)), verdict.name()))
        .collect();
    let planned = grouped(sums.planned);
    if others.is_empty() && sums.planned == 0 {
        return "Nothing was tested".to_owned();
    }
    if others.is_empty() && sums.planned == passed {
        return format!("All {planned} passed");
    }
    format!("{}, {} passed of {planned}", others.join(", "), grouped(passed))
}

/// What an exit code says.
fn meaning(exit: Exit) -> &'static str {
    match exit {
        Exit::Good => "all good",
        Exit::Failed => "answers failed",
        Exit::Usage => "the project or the command line is wrong",
        Exit::Errored => "an answer could not be had",
        Exit::Nothing => "nothing was selected",
        Exit::Waiting => "something waits for review or recording",
        Exit::Incomplete => "incomplete: the budget was spent",
        Exit::Interrupted => "interrupted",
    }
}

impl Listener for HtmlReport {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { heading, provenance, shard, .. } => {
                self.heading.clone_from(heading);
                self.provenance.clone_from(provenance);
                self.shard.clone_from(shard);
            }
            Event::Finished(outcome) => self.add(outcome)?,
            Event::Noted(note) if self.notes.len() < NOTES => self.notes.push(note.clone()),
            Event::Ended(summary) => self.summary = (**summary).clone(),
            _ => {}
        }
        Ok(())
    }
}

impl Report for HtmlReport {
    fn write(&mut self, out: &mut dyn Write, exit: Exit) -> io::Result<()> {
        let body = self.body(exit)?;
        let data = json!({
            "prompts": self.names.prompts.names,
            "models": self.names.models.names,
            "tags": self.names.tags.names,
            "verdicts": Verdict::ALL.map(|verdict| [verdict.name(), kind(verdict)]),
        });
        let title = format!("{} · promptctl", verdict_line(&self.summary));
        let (index, details) = (std::mem::take(&mut self.index), std::mem::take(&mut self.details));
        write_page(out, Parts { title: &title, body: &body, script: SCRIPT, data: &data, index, details })
    }
}
