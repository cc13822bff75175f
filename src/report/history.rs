//! The history for a person: runs, flaky cases, and trends with a line of blocks for each figure.

use std::io::{self, Write};

use super::style::Style;
use crate::core::escape::terminal_line;
use crate::core::event::Provenance;
use crate::core::verdict::{Summary, Verdict};
use crate::history::{FlakyCase, Point, RunRow, Trend};

/// From the least to the most.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes runs, a line each.
pub fn write_runs(out: &mut dyn Write, runs: &[RunRow], style: Style) -> io::Result<()> {
    let mut rows =
        vec![titles(["run", "started", "commit", "mode", "held", "rate", "tokens", "cost", "took", "verdicts"])];
    rows.extend(runs.iter().map(|run| {
        let summary = &run.summary;
        let (held, answered) = held(summary);
        vec![
            format!("#{}", run.run),
            terminal_line(&run.started).into_owned(),
            commit(&run.provenance),
            terminal_line(&run.mode).into_owned(),
            format!("{held} of {answered}"),
            rate(held, answered),
            format!("{} in, {} out", summary.input_tokens, summary.output_tokens),
            format!("${:.4}", summary.cost_usd),
            format!("{:.2} s", summary.seconds),
            verdicts(run),
        ]
    }));
    write_table(out, &rows, "", style)?;
    out.flush()
}

/// Cases of which the expectations held, of those with an answer.
fn held(summary: &Summary) -> (u64, u64) {
    let count = |verdicts: &[Verdict]| verdicts.iter().map(|verdict| summary.count(*verdict)).sum::<u64>();
    let held = count(&[Verdict::Passed, Verdict::Changed, Verdict::New]);
    (held, held + summary.count(Verdict::Failed))
}

/// The verdicts that a run came to, and what else is worth a word.
fn verdicts(run: &RunRow) -> String {
    let counts = Verdict::ALL.into_iter().map(|verdict| (run.summary.count(verdict), verdict.name()));
    let counts = counts
        .chain([(run.summary.flaky, "flaky"), (run.summary.quarantined, "quarantined")])
        .filter(|(count, _)| *count > 0);
    let mut words: Vec<String> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    match run.exit_code {
        Some(130) => words.push("interrupted".to_owned()),
        Some(_) => {}
        None => words.push("ended early".to_owned()),
    }
    words.join(", ")
}

/// A commit for a person: twelve digits, and `+` where something else lay in the project's folder.
pub(super) fn commit(provenance: &Provenance) -> String {
    let Some(commit) = &provenance.commit else { return "-".to_owned() };
    let short: String = commit.chars().take(12).collect();
    let edited = if provenance.dirty == Some(true) { "+" } else { "" };
    format!("{}{edited}", terminal_line(&short))
}

/// A share in percent, cut and not rounded: 999 of 1000 is not 100 %.
#[expect(clippy::cast_precision_loss, reason = "numbers of cases are far below 2^52")]
fn rate(passes: u64, answered: u64) -> String {
    match (passes, answered) {
        (_, 0) => "-".to_owned(),
        (passes, answered) if passes == answered => "100 %".to_owned(),
        (0, _) => "0 %".to_owned(),
        _ => format!("{:.1} %", (passes as f64 / answered as f64 * 1000.0).floor() / 10.0),
    }
}

/// Writes flaky cases, most flaky first.
pub fn write_flaky(out: &mut dyn Write, flaky: &[FlakyCase], style: Style) -> io::Result<()> {
    if flaky.is_empty() {
        writeln!(out, "no case is flaky: wherever the same was asked again, it came out the same")?;
        return out.flush();
    }
    let mut rows = vec![titles(["flaky runs", "samples passed", "case"])];
    rows.extend(flaky.iter().map(|found| {
        vec![
            format!("{} of {}", found.flaky_runs, found.runs),
            format!("{} of {}", found.passes, found.samples),
            name(&[&found.prompt, &found.case, &found.model]),
        ]
    }));
    write_table(out, &rows, "", style)?;
    out.flush()
}

/// Names as every report writes them.
fn name(parts: &[&str]) -> String {
    parts.iter().map(|part| terminal_line(part)).collect::<Vec<_>>().join(" › ")
}

/// Writes the trends of a prompt, a model after the other.
pub fn write_trends(out: &mut dyn Write, prompt: &str, trends: &[Trend], style: Style) -> io::Result<()> {
    for (number, trend) in trends.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", style.bold(&name(&[prompt, &trend.model])))?;
        write_figures(out, &trend.points, style)?;
        write_points(out, &trend.points, style)?;
    }
    out.flush()
}

/// A figure of a point, and how it is written.
struct Figure {
    title: &'static str,
    value: fn(&Point) -> Option<f64>,
    text: fn(&Point) -> Option<String>,
    /// Where the scale is not that of the values.
    scale: Option<(f64, f64)>,
}

const FIGURES: [Figure; 4] = [
    Figure {
        title: "pass rate",
        value: |point| point.pass_rate,
        text: |point| Some(format!("{} ({} of {})", rate(point.passes, point.answered), point.passes, point.answered)),
        scale: Some((0.0, 1.0)),
    },
    Figure { title: "tokens", value: |point| point.tokens, text: tokens, scale: None },
    Figure { title: "cost", value: |point| point.cost_usd, text: cost, scale: None },
    Figure { title: "latency", value: |point| point.latency_ms, text: latency, scale: None },
];

fn tokens(point: &Point) -> Option<String> {
    point.tokens.map(|tokens| format!("{tokens:.1}"))
}

fn cost(point: &Point) -> Option<String> {
    point.cost_usd.map(|cost| format!("${cost:.6}"))
}

fn latency(point: &Point) -> Option<String> {
    point.latency_ms.map(|latency| format!("{latency:.0} ms"))
}

/// A line a figure: its blocks, its first and its last value.
fn write_figures(out: &mut dyn Write, points: &[Point], style: Style) -> io::Result<()> {
    // The newest are those that fit beside title and values.
    let room = style.width.saturating_sub(60).max(10);
    let shown = &points[points.len().saturating_sub(room)..];
    for figure in &FIGURES {
        let values: Vec<Option<f64>> = shown.iter().map(figure.value).collect();
        let known: Vec<&Point> = shown.iter().filter(|point| (figure.value)(point).is_some()).collect();
        let ends = [known.first(), known.last().filter(|_| known.len() > 1)];
        let texts: Vec<String> = ends.into_iter().flatten().filter_map(|point| (figure.text)(point)).collect();
        if !texts.is_empty() {
            let line = style.green(&sparkline(&values, figure.scale));
            writeln!(out, "  {:9}  {line}  {}", figure.title, texts.join(" → "))?;
        }
    }
    Ok(())
}

/// A block for each value, a blank where there is none. Values that are all the same lie at the bottom.
fn sparkline(values: &[Option<f64>], scale: Option<(f64, f64)>) -> String {
    let known = || values.iter().flatten().copied();
    let (least, most) =
        scale.unwrap_or_else(|| (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max)));
    let block = |value: f64| {
        let share = if most > least { (value - least) / (most - least) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
        let step = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
        BLOCKS.get(step).copied().unwrap_or(' ')
    };
    values.iter().map(|value| value.map_or(' ', block)).collect()
}

/// A line a point; what the prompt is, and who answered, where that changed.
fn write_points(out: &mut dyn Write, points: &[Point], style: Style) -> io::Result<()> {
    let mut rows =
        vec![titles(["run", "started", "commit", "held", "rate", "tokens", "cost", "latency", "what changed"])];
    let mut before: Option<&Point> = None;
    for point in points {
        let figure = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        rows.push(vec![
            format!("#{}", point.run),
            terminal_line(&point.started).into_owned(),
            commit(&point.provenance),
            format!("{} of {}", point.passes, point.answered),
            rate(point.passes, point.answered),
            figure(tokens(point)),
            figure(cost(point)),
            figure(latency(point)),
            changes(before, point),
        ]);
        before = Some(point);
    }
    write_table(out, &rows, "  ", style)
}

/// Version, digest and the model that answered, where they are other ones than before.
fn changes(before: Option<&Point>, point: &Point) -> String {
    let digest: String = point.prompt_digest.chars().take(12).collect();
    let facts = [
        ("version", before.map(|before| &before.prompt_version), point.prompt_version.as_deref()),
        ("served by", before.map(|before| &before.served_model), point.served_model.as_deref()),
    ];
    let mut words: Vec<String> = facts
        .into_iter()
        .filter(|(_, before, now)| before.is_none_or(|before| before.as_deref() != *now))
        .filter_map(|(what, _, now)| Some(format!("{what} {}", terminal_line(now?))))
        .collect();
    if before.is_none_or(|before| before.prompt_digest != point.prompt_digest) {
        words.insert(0, format!("digest {}", terminal_line(&digest)));
    }
    words.join(", ")
}

fn titles<const N: usize>(titles: [&str; N]) -> Vec<String> {
    titles.map(str::to_owned).to_vec()
}

/// Columns as wide as their widest cell; the first row is the titles.
fn write_table(out: &mut dyn Write, rows: &[Vec<String>], indent: &str, style: Style) -> io::Result<()> {
    write_aligned(out, rows, usize::MAX, indent, style)
}

/// The same; the first columns stand left, the others right.
pub(super) fn write_aligned(
    out: &mut dyn Write,
    rows: &[Vec<String>],
    left: usize,
    indent: &str,
    style: Style,
) -> io::Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| console::measure_text_width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let side = if column < left { console::Alignment::Left } else { console::Alignment::Right };
            console::pad_str(cell, *width, side, None).into_owned()
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        let line = if number == 0 { style.dim(line) } else { line.to_owned() };
        writeln!(out, "{indent}{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_the_values() {
        assert_eq!(sparkline(&[Some(0.0), None, Some(7.0), Some(3.0)], None), "▁ █▄");
        assert_eq!(sparkline(&[Some(0.5), Some(1.0)], Some((0.0, 1.0))), "▅█");
        assert_eq!(sparkline(&[Some(3.0), Some(3.0)], None), "▁▁");
        assert_eq!(sparkline(&[Some(f64::NAN), Some(f64::INFINITY), None], None), "▁▁ ");
        assert_eq!(sparkline(&[], None), "");
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!([rate(999, 1000), rate(2999, 3000), rate(2, 2)], ["99.9 %", "99.9 %", "100 %"]);
        assert_eq!([rate(0, 5), rate(1, 3), rate(0, 0)], ["0 %", "33.3 %", "-"]);
    }
}
