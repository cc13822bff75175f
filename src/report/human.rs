//! `human`: what failed and why, what changed and how, and the sums.

use std::collections::HashSet;
use std::io::{self, Write};

use super::difference::write_difference;
use super::samples::{found, is_undecided, judged_lines, samples_line};
use super::style::Style;
use crate::core::escape::{terminal, terminal_line};
use crate::core::event::{Event, Listener};
use crate::core::names::ModelAlias;
use crate::core::verdict::{Outcome, SampleOutcome, Summary, Verdict};
use crate::core::words::counted;

/// The most outcomes that are shown one by one.
const MOST: usize = 200;
/// The most answers' characters that a failure shows.
const SHOWN_ANSWER: usize = 600;

/// Writes a run for a person.
pub struct HumanReport<'a> {
    out: &'a mut dyn Write,
    style: Style,
    /// Whether only what is not good is shown.
    quiet: bool,
    /// Whether anything was done yet.
    begun: bool,
    shown: usize,
    hidden: usize,
    pending: usize,
    /// How many have samples that do not tell their pass rate from the one that is asked for.
    undecided: usize,
    /// Models that were given up, and how many cases they were not asked.
    unasked: Vec<(ModelAlias, u64)>,
    /// The differences that were shown.
    differences: HashSet<Vec<u8>>,
}

impl<'a> HumanReport<'a> {
    /// A report into a writer.
    pub fn new(out: &'a mut dyn Write, style: Style) -> Self {
        Self {
            out,
            style,
            quiet: false,
            begun: false,
            shown: 0,
            hidden: 0,
            pending: 0,
            undecided: 0,
            unasked: Vec::new(),
            differences: HashSet::new(),
        }
    }

    /// Shows only what is not good, and nothing where all is.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    fn outcome(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.pending += usize::from(outcome.detail.pending.is_some());
        self.undecided += usize::from(is_undecided(outcome));
        let is_advised = outcome.samples.iter().any(|sample| sample.advice().next().is_some());
        if outcome.verdict == Verdict::Passed && !outcome.flaky && !is_advised || self.quiet && outcome.good {
            return Ok(());
        }
        if outcome.detail.unasked {
            // Why was said once, when the asking ended.
            match self.unasked.iter_mut().find(|(model, _)| *model == outcome.model) {
                Some((_, count)) => *count += 1,
                None => self.unasked.push((outcome.model.clone(), 1)),
            }
            return Ok(());
        }
        if self.shown >= MOST {
            self.hidden += 1;
            return Ok(());
        }
        self.shown += 1;
        let verdict = painted(self.style, outcome.verdict);
        let name = format!(
            "{} › {} › {}",
            terminal_line(outcome.prompt.as_str()),
            terminal_line(outcome.case.as_str()),
            outcome.model
        );
        let held = outcome.quarantine.as_ref().map(|quarantine| {
            let reason = if quarantine.reason.is_empty() { String::new() } else { format!(": {}", quarantine.reason) };
            terminal_line(&format!(" (in quarantine until {}{reason})", quarantine.until)).into_owned()
        });
        let place = outcome.detail.place.as_ref().map(|at| format!("  {}:{}", terminal_line(&at.path), at.line));
        let (held, place) = (self.style.yellow(&held.unwrap_or_default()), self.style.dim(&place.unwrap_or_default()));
        writeln!(self.out, "{verdict} {}{held}{place}", self.style.bold(&name))?;
        match outcome.verdict {
            Verdict::Failed => self.failed(outcome)?,
            _ if !outcome.reason.is_empty() => writeln!(self.out, "    {}", indented(&outcome.reason))?,
            _ => {}
        }
        for checked in outcome.samples.iter().flat_map(SampleOutcome::advice) {
            let line = format!("{}: {}", checked.kind, checked.reason);
            writeln!(self.out, "    {} {}", self.style.yellow("~"), indented(&line))?;
        }
        if outcome.flaky {
            writeln!(self.out, "    {}", self.style.yellow(&format!("flaky: {}", samples_line(outcome))))?;
            let failing = outcome.samples.iter().find(|sample| sample.verdict == Verdict::Failed);
            if let Some(sample) = failing.filter(|_| outcome.verdict != Verdict::Failed) {
                writeln!(self.out, "    sample {}:", sample.sample)?;
                self.reasons(sample)?;
                self.answer(Some(sample))?;
            }
        }
        if !outcome.detail.form.is_empty() {
            let line = format!("format changed: {}", outcome.detail.form.join(", "));
            writeln!(self.out, "    {}", self.style.yellow(&indented(&line)))?;
        }
        if let Some(difference) = &outcome.detail.difference {
            let mut text = Vec::new();
            write_difference(&mut text, difference, "    ", self.style)?;
            // One edit of a prompt makes the same difference in every case: shown once, named after that.
            if self.differences.contains(&text) {
                let title = format!("the {} changed as shown above", difference.what);
                writeln!(self.out, "    {}", self.style.dim(&title))?;
            } else {
                let title = format!("the {} changed (- before, + now):", difference.what);
                writeln!(self.out, "    {}", self.style.dim(&title))?;
                self.out.write_all(&text)?;
                self.differences.insert(text);
            }
        } else if outcome.verdict == Verdict::New {
            self.answer(outcome.samples.first())?;
        }
        Ok(())
    }

    fn failed(&mut self, outcome: &Outcome) -> io::Result<()> {
        let Some(sample) = outcome.samples.iter().find(|sample| sample.verdict == Verdict::Failed) else {
            return writeln!(self.out, "    {}", indented(&outcome.reason));
        };
        if outcome.samples.len() > 1 {
            // Of samples of both kinds it is said below how many passed.
            let passed = if outcome.flaky { String::new() } else { format!("{}; ", samples_line(outcome)) };
            writeln!(self.out, "    {passed}sample {}:", sample.sample)?;
        }
        self.reasons(sample)?;
        if let Some(retrieved) = &outcome.detail.retrieved {
            writeln!(self.out, "    {}", self.style.dim(&indented(&found(retrieved))))?;
        }
        if outcome.detail.difference.is_none() {
            self.answer(Some(sample))?;
        }
        Ok(())
    }

    /// Why a sample fails.
    fn reasons(&mut self, sample: &SampleOutcome) -> io::Result<()> {
        if let Some(reason) = &sample.reason {
            writeln!(self.out, "    {} {}", self.style.red("✗"), indented(reason))?;
        }
        for checked in sample.failing() {
            let line = format!("{}: {}", checked.kind, checked.reason);
            writeln!(self.out, "    {} {}", self.style.red("✗"), indented(&line))?;
        }
        Ok(())
    }

    fn answer(&mut self, sample: Option<&SampleOutcome>) -> io::Result<()> {
        let Some(output) = sample.and_then(|sample| sample.output.as_deref()) else { return Ok(()) };
        let mut text: String = output.chars().take(SHOWN_ANSWER).collect();
        if output.chars().nth(SHOWN_ANSWER).is_some() {
            text.push('…');
        }
        for line in terminal(&text).lines() {
            writeln!(self.out, "    {} {line}", self.style.dim("│"))?;
        }
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if self.hidden > 0 {
            writeln!(self.out, "… and {} more that did not pass; `--report json=FILE` has all of them", self.hidden)?;
        }
        for (model, count) in &self.unasked {
            let verdict = painted(self.style, Verdict::Errored);
            let cases = counted(*count, "case was", "cases were");
            writeln!(self.out, "{verdict} {cases} not asked of {model}, as noted above")?;
        }
        if self.shown > 0 || !self.unasked.is_empty() {
            writeln!(self.out)?;
        }
        let parts: Vec<String> = Verdict::ALL
            .iter()
            .map(|verdict| {
                let text = format!("{} {}", summary.count(*verdict), verdict.name());
                if summary.count(*verdict) > 0 { coloured(self.style, *verdict, &text) } else { self.style.dim(&text) }
            })
            .collect();
        writeln!(self.out, "{} planned = {}", summary.planned, parts.join(" + "))?;
        let judged: u64 =
            [Verdict::Passed, Verdict::Failed, Verdict::Changed, Verdict::New].iter().map(|v| summary.count(*v)).sum();
        let good = judged - summary.count(Verdict::Failed);
        let mut facts = vec![format!("expectations held for {good} of {judged} answered")];
        if judged < summary.planned {
            facts.push(format!("{} without an answer", summary.planned - judged));
        }
        if summary.flaky > 0 {
            facts.push(format!("{} flaky", summary.flaky));
        }
        if self.undecided > 0 {
            facts.push(format!("{} undecided by their samples", self.undecided));
        }
        if summary.quarantined > 0 {
            facts.push(format!("{} in quarantine", summary.quarantined));
        }
        if summary.cut_off > 0 {
            facts.push(format!("{} cut off at the limit on tokens", counted(summary.cut_off, "answer", "answers")));
        }
        writeln!(self.out, "{}", facts.join(", "))?;
        writeln!(self.out, "{}", self.style.dim(&figures(summary)))?;
        for line in judged_lines(summary) {
            writeln!(self.out, "{}", terminal_line(&line))?;
        }
        if self.pending > 0 {
            let waiting = counted(self.pending as u64, "answer waits", "answers wait");
            writeln!(self.out, "{waiting} for review: `promptctl review`")?;
        }
        self.out.flush()
    }
}

/// Calls, tokens, money and time on one line.
fn figures(summary: &Summary) -> String {
    let mut parts = vec![format!("{}, {} replayed", counted(summary.calls_made, "call", "calls"), summary.replayed)];
    if summary.retries > 0 {
        parts.push(counted(summary.retries, "retry", "retries"));
    }
    parts.push(format!("{} tokens in, {} out", summary.input_tokens, summary.output_tokens));
    if summary.cost_usd > 0.0 || summary.recorded_cost_usd > 0.0 {
        parts.push(format!("${:.4} now, ${:.4} when recorded", summary.cost_usd, summary.recorded_cost_usd));
    }
    if summary.unpriced > 0 {
        parts.push(format!("{} unpriced", summary.unpriced));
    }
    parts.push(format!("{:.2} s", summary.seconds));
    parts.join(" · ")
}

fn coloured(style: Style, verdict: Verdict, text: &str) -> String {
    match verdict {
        Verdict::Passed => style.green(text),
        Verdict::Failed | Verdict::Errored => style.red(text),
        _ => style.yellow(text),
    }
}

fn painted(style: Style, verdict: Verdict) -> String {
    coloured(style, verdict, &format!("{:10}", verdict.name().to_uppercase()))
}

fn indented(text: &str) -> String {
    terminal(text).replace('\n', "\n      ")
}

impl Listener for HumanReport<'_> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { .. } | Event::Noted(_) | Event::Forecast(_) if self.quiet => Ok(()),
            Event::Started { heading, planned, calls, shard, .. } => {
                let calls = match calls {
                    0 => "no call needed".to_owned(),
                    n => format!("{} needed", counted(*n, "call", "calls")),
                };
                let part = shard.as_ref().map(|s| format!(" · part {} of {}", s.number, s.of)).unwrap_or_default();
                let line = format!("{}{part} · {planned} planned, {calls}", terminal_line(heading));
                writeln!(self.out, "{}", self.style.bold(&line))?;
                self.out.flush()
            }
            Event::Finished(outcome) => {
                self.begun = true;
                self.outcome(outcome)
            }
            Event::Noted(text) | Event::Forecast(text) => {
                writeln!(self.out, "{}", self.style.yellow(&format!("note: {}", terminal_line(text))))?;
                // What a run will cost is to be seen before it does; later a moving bar stands in the way.
                if self.begun { Ok(()) } else { self.out.flush() }
            }
            Event::Ended(_) if self.quiet && self.shown == 0 && self.unasked.is_empty() => Ok(()),
            Event::Ended(summary) => self.summary(summary),
            Event::Progressed { .. } | Event::Retried { .. } | Event::Traced(_) => {
                self.begun = true;
                Ok(())
            }
        }
    }
}
