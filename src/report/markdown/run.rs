//! A run: the verdict, a table of the prompts, and every outcome that a reviewer has to look at.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use super::difference::{block, difference, plain};
use super::escape::{clip, code, dollars, html_code, text};
use super::page::{Folded, Page, details};
use super::{COMMENT, NAME, SENTENCE};
use crate::core::event::{Event, Listener};
use crate::core::verdict::{Exit, Outcome, SampleOutcome, Summary, Verdict};
use crate::core::words::counted;
use crate::report::Report;
use crate::report::samples::{judged_lines, samples_line, why};

/// The most bytes of an answer that are kept, and of a side of a difference.
const KEPT: usize = 32 * 1024;
/// The most names of cases that stand together.
const NAMES: usize = 50;
/// The most samples of a case that are shown.
const SAMPLES: usize = 10;
/// The most bytes of a reason behind a case's name.
const SHORT: usize = 140;

/// Collects a run, to write it as Markdown.
#[derive(Debug)]
pub struct MarkdownReport {
    limit: usize,
    heading: String,
    part: Option<(u32, u32)>,
    notes: Vec<String>,
    prompts: BTreeMap<(String, String), Sums>,
    /// What is shown one by one.
    outcomes: Vec<Outcome>,
    summary: Summary,
}

/// The sums of a prompt on a model.
#[derive(Clone, Debug, Default)]
struct Sums {
    verdicts: BTreeMap<Verdict, u64>,
    bad: u64,
    flaky: u64,
    held: u64,
    checked: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost_usd: f64,
    answers: u64,
    unpriced: u64,
}

impl Default for MarkdownReport {
    fn default() -> Self {
        Self::new(COMMENT)
    }
}

impl MarkdownReport {
    /// A report of at most so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            heading: String::new(),
            part: None,
            notes: Vec::new(),
            prompts: BTreeMap::new(),
            outcomes: Vec::new(),
            summary: Summary::default(),
        }
    }

    fn add(&mut self, outcome: &Outcome) {
        let sums = self.prompts.entry((outcome.prompt.to_string(), outcome.model.to_string())).or_default();
        *sums.verdicts.entry(outcome.verdict).or_default() += 1;
        sums.bad += u64::from(!outcome.good);
        sums.flaky += u64::from(outcome.flaky);
        for sample in &outcome.samples {
            let decides = || sample.expectations.iter().filter(|checked| checked.decides());
            sums.held += decides().filter(|checked| checked.pass).count() as u64;
            sums.checked += decides().count() as u64;
            sums.input_tokens = sums.input_tokens.saturating_add(sample.usage.input.unwrap_or(0));
            sums.output_tokens = sums.output_tokens.saturating_add(sample.usage.output.unwrap_or(0));
            sums.cost_usd += sample.cost_usd.unwrap_or(0.0);
            sums.answers += u64::from(sample.source.is_some());
            sums.unpriced += u64::from(sample.source.is_some() && sample.cost_usd.is_none());
        }
        if outcome.verdict != Verdict::Passed || outcome.flaky {
            self.outcomes.push(kept(outcome));
        }
    }

    /// The page of a run that ended so, of at most so many bytes.
    #[must_use]
    pub fn page(&self, exit: Exit, limit: usize) -> String {
        let mut page = Page::new(limit);
        page.push(&format!("### {}\n\n{}\n\n", self.verdict(exit), code(&self.heading, SENTENCE)));
        self.table(&mut page);
        page.push(&self.figures());
        let left_out = page.lines(self.notes.iter().map(|note| format!("- note: {}\n", text(note, SENTENCE))), 6);
        if left_out > 0 {
            page.push(&format!("- … and {}\n", counted(left_out as u64, "more note", "more notes")));
        }
        page.push("\n");
        let left_out = self.shown(&mut page);
        if left_out > 0 {
            let more = counted(left_out as u64, "more of these", "more of these");
            page.push(&format!("… and {more}: the report of `--report html=FILE` has all of them\n"));
        }
        page.finish()
    }

    /// The first line: what a reviewer has to know.
    fn verdict(&self, exit: Exit) -> String {
        let order = [
            Verdict::Failed,
            Verdict::Errored,
            Verdict::Changed,
            Verdict::Stale,
            Verdict::Unrecorded,
            Verdict::New,
            Verdict::Skipped,
        ];
        let counts = order.into_iter().filter(|verdict| self.summary.count(*verdict) > 0);
        let counts: Vec<String> =
            counts.map(|verdict| format!("{} {}", self.summary.count(verdict), verdict.name())).collect();
        let planned = self.summary.planned;
        let mut line = match exit {
            Exit::Good if planned == 0 => "✅ nothing had to be tested".to_owned(),
            Exit::Good if counts.is_empty() => format!("✅ all {planned} passed"),
            Exit::Good => format!("✅ all {planned} good ({})", counts.join(", ")),
            Exit::Interrupted => format!("⚠️ interrupted: {} of {planned}", or_passed(&counts)),
            Exit::Waiting | Exit::Incomplete => format!("⚠️ {} of {planned}", or_passed(&counts)),
            Exit::Nothing => "⚠️ nothing was selected".to_owned(),
            Exit::Failed | Exit::Errored | Exit::Usage => format!("❌ {} of {planned}", or_passed(&counts)),
        };
        if self.summary.flaky > 0 {
            line.push_str(&format!(", {} flaky", self.summary.flaky));
        }
        if self.summary.quarantined > 0 {
            line.push_str(&format!(", {} in quarantine", self.summary.quarantined));
        }
        if let Some((number, of)) = self.part {
            line.push_str(&format!(" (part {number} of {of})"));
        }
        line
    }

    fn table(&self, page: &mut Page) {
        if self.prompts.is_empty() {
            return;
        }
        page.push("| prompt | model | verdicts | expectations held | tokens in, out | cost |\n");
        page.push("| --- | --- | --- | --- | --- | --- |\n");
        let mut rows: Vec<_> = self.prompts.iter().collect();
        rows.sort_by_key(|(name, sums)| {
            let failed = sums.verdicts.get(&Verdict::Failed).copied().unwrap_or(0);
            (std::cmp::Reverse((sums.bad.min(1) * failed, sums.bad)), *name)
        });
        let lines = rows.into_iter().map(|((prompt, model), sums)| {
            let sign = if sums.bad > 0 { "❌" } else { "✅" };
            let counts = Verdict::ALL.into_iter().filter_map(|verdict| Some((verdict, sums.verdicts.get(&verdict)?)));
            let mut counts: Vec<String> =
                counts.map(|(verdict, count)| format!("{count} {}", verdict.name())).collect();
            if sums.flaky > 0 {
                counts.push(format!("{} flaky", sums.flaky));
            }
            let cost = match (sums.answers, sums.unpriced) {
                (0, _) => "–".to_owned(),
                (answers, unpriced) if answers == unpriced => "not told".to_owned(),
                (_, 0) => dollars(sums.cost_usd),
                (_, unpriced) => format!("{} and {unpriced} unpriced", dollars(sums.cost_usd)),
            };
            format!(
                "| {sign} {} | {} | {} | {} of {} | {}, {} | {cost} |\n",
                code(prompt, NAME),
                code(model, NAME),
                counts.join(", "),
                sums.held,
                sums.checked,
                sums.input_tokens,
                sums.output_tokens,
            )
        });
        let left_out = page.lines(lines, 2);
        page.push("\n");
        if left_out > 0 {
            page.push(&format!("… and {}\n\n", counted(left_out as u64, "more row", "more rows")));
        }
    }

    /// Calls and money in a line.
    fn figures(&self) -> String {
        let summary = &self.summary;
        let mut parts =
            vec![format!("{}, {} replayed", counted(summary.calls_made, "call", "calls"), summary.replayed)];
        if summary.cost_usd > 0.0 || summary.recorded_cost_usd > 0.0 {
            let (now, before) = (dollars(summary.cost_usd), dollars(summary.recorded_cost_usd));
            parts.push(format!("{now} now, {before} when recorded"));
        }
        if summary.cut_off > 0 {
            let answers = counted(summary.cut_off, "answer", "answers");
            parts.push(format!("{answers} cut off at the limit on tokens"));
        }
        let mut lines = format!("{}\n\n", parts.join(" · "));
        for line in judged_lines(summary) {
            lines.push_str(&format!("- {}\n", text(&line, SENTENCE)));
        }
        if !lines.ends_with("\n\n") {
            lines.push('\n');
        }
        lines
    }

    /// What is shown one by one, as far as it fits; how many do not.
    fn shown(&self, page: &mut Page) -> usize {
        let (together, alone): (Vec<&Outcome>, Vec<&Outcome>) = self.outcomes.iter().partition(|outcome| {
            matches!(outcome.verdict, Verdict::Unrecorded | Verdict::Skipped) || outcome.detail.unasked
        });
        // One edit of a prompt makes the same difference in every case: shown once, named after that.
        let mut first: HashMap<(&str, &str), &Outcome> = HashMap::new();
        let mut items: Vec<Folded<'_>> = Vec::new();
        for outcome in alone {
            let like = outcome.detail.difference.as_ref().and_then(|now| {
                let seen = *first.entry((&now.old, &now.new)).or_insert(outcome);
                (!std::ptr::eq(seen, outcome)).then_some(seen)
            });
            // What is named after another comes behind it.
            let size = like.map_or_else(|| size(outcome), |like| size(like) + 1);
            items.push(Folded { rank: rank(outcome), size, make: Box::new(move || shown(outcome, like)) });
        }
        let mut groups: BTreeMap<(u8, &str, &str, &str), Vec<&Outcome>> = BTreeMap::new();
        for outcome in together {
            let key = (rank(outcome), outcome.prompt.as_str(), outcome.model.as_str(), outcome.reason.as_str());
            groups.entry(key).or_default().push(outcome);
        }
        for ((rank, ..), group) in groups {
            let size = group.len();
            items.push(Folded { rank, size, make: Box::new(move || several(&group)) });
        }
        page.folded(items)
    }
}

fn or_passed(counts: &[String]) -> String {
    if counts.is_empty() { "all passed".to_owned() } else { counts.join(", ") }
}

/// An outcome without what no page has room for.
fn kept(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    let cut = |text: &mut String| {
        let (start, left_out) = clip(text, KEPT);
        if left_out > 0 {
            *text = format!("{start}… ({left_out} bytes left out)");
        }
    };
    for sample in &mut outcome.samples {
        if let Some(output) = &mut sample.output {
            cut(output);
        }
    }
    if let Some(difference) = &mut outcome.detail.difference {
        let whole = difference.old.len().max(difference.new.len()) <= KEPT;
        difference.json &= whole;
        cut(&mut difference.old);
        cut(&mut difference.new);
    }
    outcome
}

/// What comes first.
fn rank(outcome: &Outcome) -> u8 {
    if outcome.quarantine.is_some() { u8::MAX } else { outcome.verdict.risk() }
}

fn sign(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        _ if outcome.good => "⚪",
        Verdict::Failed | Verdict::Errored => "❌",
        _ => "⚠️",
    }
}

/// About how long it is when it is shown.
fn size(outcome: &Outcome) -> usize {
    let outputs = outcome.samples.iter().filter_map(|sample| sample.output.as_ref()).map(String::len);
    outputs.sum::<usize>() + outcome.detail.difference.as_ref().map_or(0, |now| now.old.len() + now.new.len())
}

/// The command that records what a prompt lacks.
fn records(outcome: &Outcome) -> String {
    let prompt = outcome.prompt.as_str();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let quoted =
        if prompt.chars().all(is_plain) { prompt.to_owned() } else { format!("'{}'", prompt.replace('\'', r"'\''")) };
    format!("to record it: {}\n", code(&format!("promptctl test {quoted}"), SENTENCE))
}

/// One outcome; `like` is another that differs in the same way and is shown before it.
fn shown(outcome: &Outcome, like: Option<&Outcome>) -> String {
    let name = |name: &str| html_code(name, NAME);
    let reason = why(outcome);
    let short = if reason.is_empty() { String::new() } else { format!(": {}", html_code(&reason, SHORT)) };
    let flaky = if outcome.flaky { ", flaky" } else { "" };
    let held = if outcome.quarantine.is_some() { ", in quarantine" } else { "" };
    let summary = format!(
        "{} {} › {} › {} {}{flaky}{held}{short}",
        sign(outcome),
        name(outcome.prompt.as_str()),
        name(outcome.case.as_str()),
        name(outcome.model.as_str()),
        outcome.verdict.name()
    );
    let mut body = String::new();
    if let Some(place) = &outcome.detail.place {
        body.push_str(&format!("{}\n\n", code(&format!("{}:{}", place.path, place.line), SENTENCE)));
    }
    if let Some(quarantine) = &outcome.quarantine {
        let why = if quarantine.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", text(&quarantine.reason, SENTENCE))
        };
        body.push_str(&format!("in quarantine until {}{why}\n\n", code(&quarantine.until, NAME)));
    }
    let failing = outcome.samples.iter().find(|sample| sample.verdict == Verdict::Failed);
    let reasons = failing.map(reasons).filter(|reasons| !reasons.is_empty());
    let reasons = reasons.unwrap_or_else(|| outcome.reason.lines().map(str::to_owned).collect());
    // What is stale says so by what changed.
    if !reasons.is_empty() && outcome.verdict != Verdict::Stale {
        body.push_str(&block("text", reasons));
        body.push('\n');
    }
    match (&outcome.detail.difference, like) {
        (Some(difference), Some(like)) => {
            let what = text(&difference.what, NAME);
            body.push_str(&format!("the {what} changed as that of {} did\n", code(like.case.as_str(), NAME)));
        }
        (Some(now), None) => {
            body.push_str(&format!("the {} changed:\n\n", text(&now.what, NAME)));
            body.push_str(&difference(&now.old, &now.new, now.json));
        }
        (None, _) if outcome.samples.len() < 2 => {
            if let Some(output) = failing.or(outcome.samples.first()).and_then(|sample| sample.output.as_ref()) {
                body.push_str(&format!("the answer:\n\n{}", plain(output)));
            }
        }
        (None, _) => {}
    }
    if outcome.samples.len() > 1 && outcome.samples.iter().any(|sample| sample.output.is_some()) {
        body.push_str(&samples(outcome));
    }
    if outcome.verdict == Verdict::Stale {
        body.push_str(&format!("\n{}", records(outcome)));
    }
    if matches!(outcome.verdict, Verdict::Changed | Verdict::New) && !outcome.good {
        body.push_str("\nto look at it and accept it: `promptctl review`\n");
    }
    details(&summary, &body)
}

fn reasons(sample: &SampleOutcome) -> Vec<String> {
    let checks = sample.failing().map(|checked| format!("✗ {}: {}", checked.kind, checked.reason));
    let checks = checks.chain(sample.advice().map(|checked| format!("~ {}: {}", checked.kind, checked.reason)));
    sample.reason.iter().map(|reason| format!("✗ {reason}")).chain(checks).collect()
}

/// Each sample of a case with what it came to, the failing ones first.
fn samples(outcome: &Outcome) -> String {
    let mut shown = format!("{}\n\n", text(&samples_line(outcome), SENTENCE));
    let mut all: Vec<&SampleOutcome> = outcome.samples.iter().collect();
    all.sort_by_key(|sample| (sample.verdict == Verdict::Passed, sample.sample));
    let mut seen: Vec<(&str, u32)> = Vec::new();
    for sample in all.iter().take(SAMPLES) {
        shown.push_str(&format!("sample {}: {}\n\n", sample.sample, sample.verdict.name()));
        let output = sample.output.as_deref().unwrap_or_default();
        match seen.iter().find(|(known, _)| *known == output) {
            Some((_, first)) => shown.push_str(&format!("the same answer as sample {first}\n\n")),
            None if output.is_empty() => shown.push_str(&format!("{}\n", block("text", reasons(sample)))),
            None => {
                seen.push((output, sample.sample));
                let mut lines = if sample.verdict == Verdict::Failed { reasons(sample) } else { Vec::new() };
                lines.extend(clip(output, 2000).0.lines().map(str::to_owned));
                shown.push_str(&format!("{}\n", block("text", lines)));
            }
        }
    }
    if all.len() > SAMPLES {
        let more = counted((all.len() - SAMPLES) as u64, "more sample", "more samples");
        shown.push_str(&format!("… and {more}\n"));
    }
    shown
}

/// Outcomes that say the same, together.
fn several(group: &[&Outcome]) -> String {
    let Some(outcome) = group.first() else { return String::new() };
    let reason = why(outcome);
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", html_code(&reason, SHORT)) };
    let cases = counted(group.len() as u64, "case", "cases");
    let name = |name: &str| html_code(name, NAME);
    let summary = format!(
        "{} {} › {} {cases} {}{reason}",
        sign(outcome),
        name(outcome.prompt.as_str()),
        name(outcome.model.as_str()),
        outcome.verdict.name()
    );
    let mut lines: Vec<String> = group.iter().take(NAMES).map(|outcome| outcome.case.to_string()).collect();
    if group.len() > NAMES {
        lines.push(format!("… and {} more", group.len() - NAMES));
    }
    let mut body = block("text", lines);
    if outcome.verdict == Verdict::Unrecorded {
        body.push_str(&format!("\n{}", records(outcome)));
    }
    details(&summary, &body)
}

impl Listener for MarkdownReport {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { heading, shard, .. } => {
                self.heading.clone_from(heading);
                self.part = shard.as_ref().map(|shard| (shard.number, shard.of));
            }
            Event::Finished(outcome) => self.add(outcome),
            Event::Noted(note) => self.notes.push(note.clone()),
            Event::Ended(summary) => self.summary = (**summary).clone(),
            Event::Progressed { .. } | Event::Retried { .. } | Event::Forecast(_) | Event::Traced(_) => {}
        }
        Ok(())
    }
}

impl Report for MarkdownReport {
    fn write(&mut self, out: &mut dyn Write, exit: Exit) -> io::Result<()> {
        out.write_all(self.page(exit, self.limit).as_bytes())?;
        out.flush()
    }
}
