//! A judge held against people, and the judges of a project, as a person reads them.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::style::Style;
use crate::core::escape::terminal_line;
use crate::core::verdict::{Outcome, Verdict};
use crate::core::words::counted;
use crate::project::Gate;
use crate::run::{Calibration, JudgeInUse, Roster, Tried};
use crate::stats::{Caution, Share};

/// The level of confidence of the intervals.
const CONFIDENCE: f64 = 0.95;
/// How many disagreements are shown.
const SHOWN: usize = 20;

/// What it took to judge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Calls.
    pub calls: u64,
    /// Judgements that were recorded.
    pub replayed: u64,
    /// USD.
    pub cost_usd: f64,
    /// USD that the recorded ones had cost.
    pub recorded_cost_usd: f64,
    /// Judgements without a price.
    pub unpriced: u64,
}

impl Asked {
    /// What these outcomes took.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Self {
        let judged = outcomes.iter().flat_map(|outcome| &outcome.samples).filter_map(|sample| sample.judging);
        judged.fold(Self::default(), |sum, judging| Self {
            calls: sum.calls + judging.calls,
            replayed: sum.replayed + judging.replayed,
            cost_usd: sum.cost_usd + judging.cost_usd,
            recorded_cost_usd: sum.recorded_cost_usd + judging.recorded_cost_usd,
            unpriced: sum.unpriced + judging.unpriced,
        })
    }

    fn sentence(&self) -> String {
        let mut text = format!("{}, {} replayed", counted(self.calls, "call", "calls"), self.replayed);
        if self.cost_usd > 0.0 || self.recorded_cost_usd > 0.0 {
            text.push_str(&format!(", ${:.4} (${:.4} when recorded)", self.cost_usd, self.recorded_cost_usd));
        }
        if self.unpriced > 0 {
            text.push_str(&format!(", {} unpriced", self.unpriced));
        }
        text
    }
}

/// Writes how far a judge agrees with people, and where it does not.
pub fn write_trial(out: &mut dyn Write, tried: &Tried, asked: &Asked, gate: &Gate, style: Style) -> io::Result<()> {
    let found = &tried.calibration;
    let rule = if found.rule.is_empty() { String::new() } else { format!(", {}", found.rule) };
    let title = format!("{} on {}, asked by {}{rule}", found.prompt, found.model, found.check);
    writeln!(out, "{}", style.bold(&terminal_line(&title)))?;
    let all = found.judged + tried.unjudged.len() as u64;
    let mut facts = vec![format!("{}: {} judged", counted(all, "labelled answer", "labelled answers"), found.judged)];
    if found.errored > 0 {
        facts.push(format!("{} errored", found.errored));
    }
    let rest = tried.unjudged.len() as u64 - found.errored;
    if rest > 0 {
        facts.push(format!("{rest} not judged"));
    }
    writeln!(out, "{} · {}", facts.join(", "), asked.sentence())?;
    if found.judged > 0 {
        write_figures(out, found, style)?;
    }
    write_disagreements(out, tried, style)?;
    write_unjudged(out, tried, style)?;
    writeln!(out)?;
    if found.judged == 0 {
        return writeln!(out, "{}", style.red("nothing could be judged"));
    }
    match &tried.falls_short {
        _ if !tried.is_complete() => writeln!(out, "{}", style.yellow("undecided: not every label was judged")),
        None => writeln!(out, "{}: it reaches {}", style.green("it decides"), gate_words(gate)),
        Some(why) => writeln!(out, "{}: {why}", style.yellow("it only advises")),
    }
}

/// What is asked of a judge that decides.
fn gate_words(gate: &Gate) -> String {
    let kappa = gate.kappa.map(|kappa| format!("kappa {kappa}"));
    let accuracy = gate.accuracy.map(|accuracy| format!("accuracy {accuracy}"));
    let labels = (gate.labels > 1).then(|| format!("{} labels", gate.labels));
    let errored = format!("at most {:.0} % errored", gate.errored * 100.0);
    kappa.into_iter().chain(accuracy).chain(labels).chain([errored]).collect::<Vec<_>>().join(", ")
}

fn write_figures(out: &mut dyn Write, found: &Calibration, style: Style) -> io::Result<()> {
    let confusion = found.confusion();
    writeln!(out, "\n{:>12}  {:>11}  {:>11}", "", "judge: pass", "judge: fail")?;
    for (name, pass, fail) in
        [("people: pass", found.pass_pass, found.pass_fail), ("people: fail", found.fail_pass, found.fail_fail)]
    {
        writeln!(out, "{name}  {pass:>11}  {fail:>11}")?;
    }
    let accuracy = confusion.accuracy();
    let fail = confusion.detection(&false);
    writeln!(out, "\naccuracy   {}", share(accuracy, "agreed"))?;
    writeln!(out, "kappa      {}", kappa_words(found))?;
    writeln!(out, "`fail`     precision {}", share(fail.precision, "of what it fails, people fail"))?;
    writeln!(out, "           recall {}", share(fail.recall, "of what people fail, it fails"))?;
    writeln!(out, "           specificity {}", share(fail.specificity, "of what people pass, it passes"))?;
    for caution in confusion.cautions() {
        writeln!(out, "{}", style.yellow(&format!("note: {}", caution_words(caution))))?;
    }
    Ok(())
}

fn share(share: Share, what: &str) -> String {
    let Share { count, of } = share;
    match share.value() {
        None => format!("not defined: there is none ({what})"),
        Some(value) => {
            let (low, high) = share.interval(CONFIDENCE);
            format!("{value:.3} ({low:.3} to {high:.3}; {count} of {of}: {what})")
        }
    }
}

fn kappa_words(found: &Calibration) -> String {
    match (found.kappa, found.kappa_interval) {
        (None, _) => "not defined: people and the judge gave all answers the same label".to_owned(),
        (Some(kappa), Some((low, high))) => format!("{kappa:.3} ({low:.3} to {high:.3})"),
        (Some(kappa), None) if found.pass_fail + found.fail_pass == 0 => {
            format!("{kappa:.3} (without an interval: they always agree)")
        }
        (Some(kappa), None) => format!("{kappa:.3} (without an interval: its error is 0)"),
    }
}

fn caution_words(caution: Caution) -> &'static str {
    match caution {
        Caution::Few => "fewer than 30 labels: the intervals are rough",
        Caution::OneLabel => {
            "people gave all answers the same label: nothing shows whether the judge can tell good from bad"
        }
        Caution::Lopsided => {
            "people gave nearly all answers the same label: a judge that always says so has a high accuracy, and a single disagreement moves kappa far"
        }
    }
}

fn caution_name(caution: Caution) -> &'static str {
    match caution {
        Caution::Few => "few",
        Caution::OneLabel => "one-label",
        Caution::Lopsided => "lopsided",
    }
}

fn write_disagreements(out: &mut dyn Write, tried: &Tried, style: Style) -> io::Result<()> {
    if tried.disagreements.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.bold("where they disagree"))?;
    for row in tried.disagreements.iter().take(SHOWN) {
        let place = format!("{}:{}", tried.calibration.labels, row.line);
        writeln!(
            out,
            "  {} ({}): people say {}, the judge says {}",
            terminal_line(&row.name),
            terminal_line(&place),
            row.people,
            row.judge
        )?;
        writeln!(out, "    {}", style.dim(&terminal_line(&row.reason)))?;
    }
    let more = tried.disagreements.len().saturating_sub(SHOWN);
    if more > 0 {
        writeln!(out, "  and {more} more; --json has all of them")?;
    }
    Ok(())
}

fn write_unjudged(out: &mut dyn Write, tried: &Tried, style: Style) -> io::Result<()> {
    if tried.unjudged.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.bold("what was not judged"))?;
    // What is missing for one reason is said once; what a judge said and nobody can read, of each.
    let mut alike: Vec<(&str, &str, u64)> = Vec::new();
    for row in tried.unjudged.iter().filter(|row| row.verdict != Verdict::Errored) {
        match alike.iter_mut().find(|(verdict, why, _)| (*verdict, *why) == (row.verdict.name(), &row.reason)) {
            Some((.., count)) => *count += 1,
            None => alike.push((row.verdict.name(), &row.reason, 1)),
        }
    }
    for (verdict, why, count) in alike {
        writeln!(out, "  {count} {verdict}: {}", terminal_line(why))?;
    }
    let errored: Vec<_> = tried.unjudged.iter().filter(|row| row.verdict == Verdict::Errored).collect();
    for row in errored.iter().take(SHOWN) {
        let place = format!("{}:{}", tried.calibration.labels, row.line);
        writeln!(out, "  {} ({}): errored", terminal_line(&row.name), terminal_line(&place))?;
        writeln!(out, "    {}", style.dim(&terminal_line(&row.reason)))?;
    }
    let more = errored.len().saturating_sub(SHOWN);
    if more > 0 {
        writeln!(out, "  and {more} more; --json has all of them")?;
    }
    Ok(())
}

/// The same for programs.
#[must_use]
pub fn trial_json(tried: &Tried, asked: &Asked, gate: &Gate) -> Value {
    let confusion = tried.calibration.confusion();
    let fail = confusion.detection(&false);
    let share = |share: Share| json!({"count": share.count, "of": share.of, "value": share.value()});
    let cautions: Vec<&str> = confusion.cautions().into_iter().map(caution_name).collect();
    let judged = tried.calibration.judged > 0;
    json!({
        "calibration": tried.calibration,
        "fail": {
            "precision": share(fail.precision),
            "recall": share(fail.recall),
            "specificity": share(fail.specificity),
        },
        "cautions": if judged { cautions } else { Vec::new() },
        "gate": {"kappa": gate.kappa, "accuracy": gate.accuracy, "labels": gate.labels, "errored": gate.errored},
        "decides": judged && tried.is_complete() && tried.falls_short.is_none(),
        "falls_short": tried.falls_short,
        "disagreements": tried.disagreements,
        "unjudged": tried.unjudged,
        "calls": asked.calls,
        "replayed": asked.replayed,
        "cost_usd": asked.cost_usd,
        "recorded_cost_usd": asked.recorded_cost_usd,
        "unpriced": asked.unpriced,
    })
}

/// Writes who judges in a project.
pub fn write_roster(out: &mut dyn Write, roster: &Roster, style: Style) -> io::Result<()> {
    if roster.judges.is_empty() && roster.embedders.is_empty() {
        return writeln!(out, "no expectation asks a judge or an embedding");
    }
    for judge in &roster.judges {
        write_judge(out, judge, style)?;
    }
    for embedder in &roster.embedders {
        let many = counted(embedder.expectations, "expectation", "expectations");
        let (name, model) = (style.bold("embeddings"), terminal_line(&embedder.model));
        writeln!(out, "{name} by {model}, for {many}")?;
    }
    Ok(())
}

fn write_judge(out: &mut dyn Write, judge: &JudgeInUse, style: Style) -> io::Result<()> {
    let own = if judge.built_in { "built in" } else { "the project's own" };
    let digest = judge.digest.get(..12).unwrap_or(&judge.digest);
    let title = format!("{} on {}", judge.prompt, judge.model);
    writeln!(out, "{} · {own}, {digest}", style.bold(&terminal_line(&title)))?;
    let rule = if judge.rule.is_empty() { String::new() } else { format!(" ({})", judge.rule) };
    let beside = if judge.beside.is_empty() { String::new() } else { format!(", with {}", judge.beside.join(", ")) };
    let many = counted(judge.expectations, "expectation", "expectations");
    writeln!(out, "    asked by {}{rule} in {many}{}", judge.check, terminal_line(&beside))?;
    if let Some(found) = &judge.calibration {
        let accuracy = found.confusion().accuracy();
        let errored = if found.errored > 0 { format!(", {} errored", found.errored) } else { String::new() };
        writeln!(out, "    held against {} on {}{errored}", terminal_line(&found.labels), terminal_line(&found.day))?;
        writeln!(out, "    kappa {}, accuracy {}", kappa_words(found), share(accuracy, "agreed"))?;
    }
    if judge.labels_changed {
        writeln!(out, "    {}", style.yellow("the labels have changed since, or are not there any more"))?;
    }
    match &judge.advises {
        None => writeln!(out, "    {}", style.green("decides")),
        Some(why) => writeln!(out, "    {}: {}", style.yellow("only advises"), terminal_line(why)),
    }
}
