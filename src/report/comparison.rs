//! A comparison for a person: the verdicts first, then what is behind them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::difference::write_difference;
use super::style::Style;
use crate::compare::{Comparison, Flip, LeftOut, Median, Pair, Pairs, Ratio, Reliability, Row, UNJUDGED, Verdict};
use crate::core::escape::terminal_line;
use crate::core::verdict::Difference;
use crate::core::words::counted;

/// The most flipped cases that are shown with their answers.
const SHOWN: usize = 5;
/// The most lines of a difference.
const LINES: usize = 12;
/// The most characters of an answer that are shown.
const MOST: usize = 4000;
/// The most prompts that are named because nothing of them differs.
const NAMED: usize = 10;
/// Below this a probability has no digits that mean anything.
const TINY: f64 = -690.0;

/// A comparison, and what its first line and its advice say.
#[derive(Clone, Copy)]
pub struct Compared<'a> {
    /// The figures.
    pub comparison: &'a Comparison,
    /// The cases behind them.
    pub pairs: &'a Pairs,
    /// The first line: both sides, and where answers came from.
    pub heading: &'a str,
    /// What a person should know before all else.
    pub notes: &'a [String],
    /// The commands that tell apart what the prompt and what the model did.
    pub apart: &'a [String],
}

/// Writes a comparison.
pub fn write_comparison(out: &mut dyn Write, compared: &Compared<'_>, style: Style) -> io::Result<()> {
    let Compared { comparison, pairs, heading, notes, apart } = *compared;
    writeln!(out, "{}", style.bold(&terminal_line(heading)))?;
    for note in notes {
        writeln!(out, "{}", style.yellow(&format!("note: {}", terminal_line(note))))?;
    }
    for row in open(comparison) {
        let lost = |slice: &&Row| is_of(slice, row) && slice.verdict == Verdict::Regressed;
        let hidden: Vec<&str> = comparison.slices.iter().filter(lost).filter_map(|s| s.tag.as_deref()).collect();
        let hides = row.verdict != Verdict::Regressed && !hidden.is_empty();
        let but = if hides { format!(", but regressed in {}", hidden.join(", ")) } else { String::new() };
        line(out, row, &but, comparison, style)?;
        // What a whole hides is said before anything else.
        for slice in comparison.slices.iter().filter(|slice| is_of(slice, row)) {
            if slice.verdict == Verdict::Regressed
                || slice.verdict != row.verdict && !matches!(slice.verdict, Verdict::Undecided | Verdict::Unchanged)
            {
                line(out, slice, "", comparison, style)?;
            }
        }
    }
    unchanged(out, comparison, style)?;
    for row in open(comparison) {
        writeln!(out)?;
        figures(out, row, comparison, style)?;
        for slice in comparison.slices.iter().filter(|slice| is_of(slice, row)) {
            figures(out, slice, comparison, style)?;
        }
        flips(out, row, pairs, style)?;
        blame(out, row, apart, style)?;
    }
    left_out(out, pairs, style)?;
    if pairs.unjudged > 0 {
        let text = format!(
            "note: {} left out, checked by snapshots alone: {} of these answers differ",
            counted(pairs.unjudged, "case", "cases"),
            pairs.unjudged_changed
        );
        writeln!(out, "{}", style.yellow(&text))?;
    }
    if open(comparison).next().is_none() {
        return out.flush();
    }
    writeln!(
        out,
        "{}",
        style.dim("p says how likely such a difference is by chance on these cases; the interval looks beyond them")
    )?;
    out.flush()
}

/// Whether a slice is one of a prompt's on a model.
fn is_of(slice: &Row, row: &Row) -> bool {
    (&slice.prompt, &slice.model) == (&row.prompt, &row.model)
}

/// The prompts of which something differs.
fn open(comparison: &Comparison) -> impl Iterator<Item = &Row> {
    comparison.prompts.iter().filter(|row| row.verdict != Verdict::Unchanged)
}

/// The others, by name.
fn unchanged(out: &mut dyn Write, comparison: &Comparison, style: Style) -> io::Result<()> {
    let same: Vec<&Row> = comparison.prompts.iter().filter(|row| row.verdict == Verdict::Unchanged).collect();
    if same.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> = same.iter().take(NAMED).map(|row| name(row, comparison.several_models)).collect();
    if same.len() > NAMED {
        names.push(format!("and {} more", same.len() - NAMED));
    }
    let verdict = style.green(&format!("{:14}", "UNCHANGED"));
    writeln!(out, "{verdict} {}{}", names.join(", "), style.dim(": the same requests and answers"))
}

fn name(row: &Row, several: bool) -> String {
    let tag = row.tag.as_ref().map(|tag| format!(" [{tag}]")).unwrap_or_default();
    let model = if several { format!(" on {}", row.model) } else { String::new() };
    terminal_line(&format!("{}{tag}{model}", row.prompt)).into_owned()
}

fn line(out: &mut dyn Write, row: &Row, but: &str, comparison: &Comparison, style: Style) -> io::Result<()> {
    let text = format!("{:14}", row.verdict.name().to_uppercase());
    let verdict = match row.verdict {
        Verdict::Regressed => style.red(&text),
        Verdict::Improved | Verdict::NotRegressed | Verdict::Unchanged => style.green(&text),
        Verdict::Undecided => style.yellow(&text),
    };
    let stopped = row
        .stopped_after
        .filter(|_| comparison.sequential)
        .map(|pairs| format!(", decided after {pairs} pairs"))
        .unwrap_or_default();
    let few = row.verdict == Verdict::Undecided && row.losses.max(row.wins) < 5 && row.cases < 40;
    let few = if few { ": too few cases" } else { "" };
    let confirmed = row.confirmed_by.map(|n| format!(", by {n} fresh answers a case")).unwrap_or_default();
    writeln!(
        out,
        "{verdict} {}{few}  {} of {} → {} of {}, {}, {}, {}{stopped}{confirmed}{}",
        style.bold(&name(row, comparison.several_models)),
        row.base_passes,
        row.base_answers,
        row.head_passes,
        row.head_answers,
        counted(row.losses, "loss", "losses"),
        counted(row.wins, "win", "wins"),
        points(row),
        terminal_line(but)
    )
}

/// The difference in points, with its interval.
fn points(row: &Row) -> String {
    let interval = row.interval.map(|(low, high)| format!(" [{:+.1}, {:+.1}]", low * 100.0, high * 100.0));
    format!("{:+.1} points{}", row.difference * 100.0, interval.unwrap_or_default())
}

fn figures(out: &mut dyn Write, row: &Row, comparison: &Comparison, style: Style) -> io::Result<()> {
    writeln!(out, "{}", style.bold(&name(row, comparison.several_models)))?;
    let groups = row.groups.map(|groups| format!(" in {groups} groups")).unwrap_or_default();
    let p = if row.ln_p_two_sided < TINY { "< 1e-300".to_owned() } else { Short(row.p_two_sided).to_string() };
    writeln!(
        out,
        "    {}{groups} · p {p} two-sided, {} one-sided · q {}, Holm {}",
        counted(row.cases, "case", "cases"),
        Short(row.p_regress),
        Short(row.q),
        Short(row.p_holm)
    )?;
    if let (Verdict::Undecided, Some(losses)) = (row.verdict, row.least_losses.filter(|least| *least > row.losses)) {
        let text = format!(
            "with {} it would take {} to call it regressed",
            counted(row.wins, "win", "wins"),
            counted(losses, "loss", "losses")
        );
        writeln!(out, "    {}", style.dim(&text))?;
    }
    let moved = row
        .expectations
        .iter()
        .filter(|kind| kind.base_passes * kind.head_answers != kind.head_passes * kind.base_answers);
    let moved: Vec<String> = moved
        .map(|kind| {
            format!(
                "{} {} of {} → {} of {}",
                kind.kind, kind.base_passes, kind.base_answers, kind.head_passes, kind.head_answers
            )
        })
        .collect();
    if !moved.is_empty() {
        writeln!(out, "    {}", moved.join(" · "))?;
    }
    let ratio = |name: &str, ratio: &Option<Ratio>| {
        let ratio = ratio.as_ref()?;
        Some(format!("{name} ×{:.2} [{:.2}, {:.2}]", ratio.ratio, ratio.interval.0, ratio.interval.1))
    };
    let mut facts: Vec<String> = [
        ratio("length", &row.length_ratio),
        ratio("tokens", &row.token_ratio),
        ratio("cost", &row.cost_ratio),
        row.score.map(|score| format!("score {:.3} → {:.3}, p {}", score.base, score.head, Short(score.p_two_sided))),
        row.reliability.map(reliability),
        row.latency.map(|(base, head)| format!("latency {} → {}", median(base), median(head))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let shares = [
        ("refused", row.shares.refusals),
        ("unparsed", row.shares.unparsed),
        ("commonest answer", row.shares.commonest),
    ];
    for (name, (base, head)) in shares {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let (base, head) = (percent(base), percent(head));
        // Cheap signs of a drift, told also where there is none.
        facts.push(if base == head { format!("{name} {base}") } else { format!("{name} {base} → {head}") });
    }
    if !facts.is_empty() {
        writeln!(out, "    {}", facts.join(" · "))?;
    }
    Ok(())
}

/// How many cases pass at least once, and every time.
fn reliability(shares: Reliability) -> String {
    let percent = |(base, head): (f64, f64)| format!("{:.0} % → {:.0} %", base * 100.0, head * 100.0);
    format!("pass@{k} {}, pass^{k} {}", percent(shares.any), percent(shares.all), k = shares.k)
}

fn median(median: Median) -> String {
    let interval = median.interval.map(|(low, high)| format!(" [{low}, {high}]")).unwrap_or_default();
    format!("{} ms{interval}", median.median_ms)
}

/// A probability with three digits that mean something.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0.0 {
            f.write_str("< 1e-300")
        } else if self.0 < 0.001 {
            write!(f, "{:.2e}", self.0)
        } else {
            write!(f, "{:.3}", self.0)
        }
    }
}

fn flips(out: &mut dyn Write, row: &Row, pairs: &Pairs, style: Style) -> io::Result<()> {
    let of_prompt = |pair: &&Pair| (pair.prompt.as_str(), pair.model.as_str()) == (&*row.prompt, &*row.model);
    let mut flipped: Vec<&Pair> = pairs.pairs.iter().filter(of_prompt).filter(|pair| pair.flip().is_some()).collect();
    flipped.sort_by_key(|pair| pair.flip() == Some(Flip::Win));
    for pair in flipped.iter().take(SHOWN) {
        let word = if pair.flip() == Some(Flip::Loss) { style.red("lost") } else { style.green("won ") };
        writeln!(out, "  {word} {}", terminal_line(pair.case.as_str()))?;
        if let Some(why) = pair.head.iter().find_map(|sample| sample.unfinished.as_ref()) {
            writeln!(out, "       {}", terminal_line(why))?;
        } else if let Some(failed) = pair.head.iter().flat_map(|sample| &sample.failed).next() {
            writeln!(out, "       {}: {}", failed.kind, terminal_line(&failed.reason))?;
        }
        if let (Some(old), Some(new)) = (pair.base.first(), pair.head.first())
            && old.text != new.text
        {
            let difference =
                Difference { what: "answer".into(), old: cut(&old.text), new: cut(&new.text), json: false };
            let mut text = Vec::new();
            write_difference(&mut text, &difference, "       ", style)?;
            let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
            for line in lines.iter().take(LINES) {
                out.write_all(line)?;
            }
            if lines.len() > LINES {
                writeln!(out, "       {}", style.dim(&format!("… {} more lines", lines.len() - LINES)))?;
            }
        }
    }
    if flipped.len() > SHOWN {
        writeln!(out, "  … and {} more that flipped; --json has all of them", flipped.len() - SHOWN)?;
    }
    Ok(())
}

/// The cases that could not be compared, by what stands in the way.
fn left_out(out: &mut dyn Write, pairs: &Pairs, style: Style) -> io::Result<()> {
    let mut by_reason: BTreeMap<&str, Vec<&LeftOut>> = BTreeMap::new();
    // Those that only a snapshot checks are told with what became of them.
    for case in pairs.left_out.iter().filter(|case| case.why != UNJUDGED) {
        by_reason.entry(&*case.why).or_default().push(case);
    }
    for (why, cases) in by_reason {
        let names: Vec<String> =
            cases.iter().take(SHOWN).map(|case| format!("{} › {}", case.prompt, case.case)).collect();
        let more = cases.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count = counted(cases.len() as u64, "case", "cases");
        let text = format!("note: {count} left out, {why}: {}{more}", names.join(", "));
        writeln!(out, "{}", style.yellow(&terminal_line(&text)))?;
    }
    Ok(())
}

/// The beginning of a long answer: a page is for looking at.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}… ({} bytes in all)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

/// What differs between the sides, and what would tell two causes apart.
fn blame(out: &mut dyn Write, row: &Row, apart: &[String], style: Style) -> io::Result<()> {
    let changed = &row.changed;
    let causes: Vec<&str> =
        [(changed.prompt, "the prompt"), (changed.model, "the model"), (changed.expectations, "the expectations")]
            .into_iter()
            .filter_map(|(differs, what)| differs.then_some(what))
            .collect();
    let text = match causes.as_slice() {
        [] => "the prompt, the model and the expectations are the same on both sides".to_owned(),
        [one] => format!("what differs: {one}"),
        [before @ .., last] => format!("confounded: {} and {last} differ", before.join(", ")),
    };
    let text = if row.confounded { style.yellow(&text) } else { style.dim(&text) };
    writeln!(out, "    {text}")?;
    if changed.prompt && changed.model {
        for command in apart {
            writeln!(out, "    {}", style.dim(&format!("tell them apart: {}", terminal_line(command))))?;
        }
    }
    if row.served.moved() {
        let names = |names: &[String]| if names.is_empty() { "not told".to_owned() } else { names.join(", ") };
        let text = format!("served model: {} → {}", names(&row.served.base), names(&row.served.head));
        writeln!(out, "    {}", style.dim(&terminal_line(&text)))?;
    }
    if changed.expectations {
        let text = format!(
            "both sides are scored under head's expectations; by them alone, of base's answers that passed {} would fail, and of those that failed {} would pass",
            row.rescored.lost, row.rescored.won
        );
        writeln!(out, "    {}", style.dim(&text))?;
    }
    if row.variables_changed > 0 {
        let text =
            format!("in head {} with other variables", counted(row.variables_changed, "case comes", "cases come"));
        writeln!(out, "    {}", style.dim(&text))?;
    }
    for line in retrieval(row) {
        writeln!(out, "    {}", style.dim(&line))?;
    }
    Ok(())
}

/// What is to be said of documents.
pub(super) fn retrieval(row: &Row) -> Vec<String> {
    let mut lines = Vec::new();
    if row.documents_changed > 0 {
        lines.push(format!(
            "in head {} other documents",
            counted(row.documents_changed, "case is given", "cases are given")
        ));
    }
    if let Some([base, head]) = row.retrieval.as_ref().filter(|_| row.documents_changed > 0) {
        lines.push(format!("retrieval in base: {}", base.shown()));
        lines.push(format!("retrieval in head: {}", head.shown()));
    }
    lines
}
