//! Costs, for a person at a terminal.

use std::io::{self, Write};

use super::Style;
use super::cost_words::{count, kind, of_alternative, of_bill, of_budget, of_change, whole};
use super::history::write_aligned;
use crate::core::escape::terminal_line;
use crate::core::words::usd;
use crate::cost::{Bill, Document, Spread, Standing, VersionRow};

/// Writes all that was found.
pub fn write_cost(out: &mut dyn Write, document: &Document, style: Style) -> io::Result<()> {
    let base = document.base.as_ref().map(|base| format!(", against {base}")).unwrap_or_default();
    writeln!(out, "{}", style.bold(&terminal_line(&format!("cost of {}{base}", document.tree))))?;
    for prompt in unique(document.prompts.iter().map(|bill| bill.prompt.as_str())) {
        let bills: Vec<&Bill> = document.prompts.iter().filter(|bill| bill.prompt.as_str() == prompt).collect();
        writeln!(out)?;
        write_prompt(out, &bills, style)?;
        for change in document.changes.iter().filter(|change| change.prompt.as_str() == prompt) {
            let versions = match &change.versions {
                (Some(base), Some(head)) if base != head => format!(" ({base} → {head})"),
                _ => String::new(),
            };
            let same = if change.same_digest { ", the same prompt" } else { "" };
            let title = format!("{} against base{versions}{same}", change.model);
            writeln!(out, "  {}", style.bold(&terminal_line(&title)))?;
            write_lines(out, &of_change(change), style)?;
        }
        for (_, model) in document.new.iter().filter(|(name, _)| name.as_str() == prompt) {
            writeln!(out, "  {}", style.bold(&terminal_line(&format!("{model} is not in base"))))?;
        }
        write_versions(out, document, prompt, style)?;
        write_budgets(out, document, prompt, style)?;
    }
    for name in &document.uncounted {
        writeln!(out, "\n{}", style.bold(&terminal_line(name.as_str())))?;
        writeln!(out, "  it has no case, so nothing of it can be counted")?;
        write_budgets(out, document, name.as_str(), style)?;
    }
    if !document.alternatives.is_empty() {
        writeln!(out, "\n{}", style.bold("alternatives"))?;
    }
    for found in &document.alternatives {
        let instead = found.instead.as_ref().map(|model| format!(", {model}")).unwrap_or_default();
        let title = format!("{} on {}: {}{instead}", found.prompt, found.model, kind(found.kind));
        writeln!(out, "\n  {}", style.bold(&terminal_line(&title)))?;
        write_lines(out, &of_alternative(found), style)?;
    }
    if !document.notes.is_empty() {
        writeln!(out)?;
    }
    for note in &document.notes {
        writeln!(out, "{}", style.yellow(&format!("note: {}", terminal_line(note))))?;
    }
    Ok(())
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

fn write_prompt(out: &mut dyn Write, bills: &[&Bill], style: Style) -> io::Result<()> {
    let Some(first) = bills.first() else { return Ok(()) };
    let version = first.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let volume = first.volume.map(|volume| format!(", {} requests a month", whole(volume))).unwrap_or_default();
    let title = format!("{}{version}{volume}", first.prompt);
    writeln!(out, "{}", style.bold(&terminal_line(&title)))?;
    let titles = ["model", "counted", "input", "p95", "output", "p95", "request", "p95", "mean", "a month"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(bills.iter().map(|bill| row(bill)));
    let is_monthly = first.volume.is_some();
    if !is_monthly {
        for row in &mut rows {
            row.pop();
        }
    }
    write_aligned(out, &rows, 1, "  ", style)?;
    for bill in bills {
        if bills.len() > 1 {
            writeln!(out, "  {}", terminal_line(bill.model.as_str()))?;
        }
        write_lines(out, &of_bill(bill), style)?;
    }
    Ok(())
}

fn row(bill: &Bill) -> Vec<String> {
    let tokens = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), count);
    let is_estimated = bill.counted == 0;
    let input = if is_estimated { bill.estimated_input } else { bill.input };
    let about = if is_estimated { "~" } else { "" };
    let read =
        |of: fn(Spread) -> f64| input.map_or_else(|| "-".to_owned(), |input| format!("{about}{}", count(of(input))));
    let unpriced = || if bill.priced { "-".to_owned() } else { "unpriced".to_owned() };
    let cost = |of: fn(Spread) -> f64| bill.cost_usd.map_or_else(unpriced, |cost| usd(of(cost)));
    let mean = bill.estimated_input_usd.map_or_else(|| cost(|cost| cost.mean), |input| format!("~{}", usd(input)));
    vec![
        terminal_line(bill.model.as_str()).into_owned(),
        format!("{} of {}", bill.counted, bill.requests),
        read(|input| input.median),
        read(|input| input.p95),
        tokens(bill.output.map(|output| output.median)),
        tokens(bill.output.map(|output| output.p95)),
        cost(|cost| cost.median),
        cost(|cost| cost.p95),
        mean,
        bill.month_usd.map_or_else(unpriced, |month| format!("{about}{}", usd(month))),
    ]
}

fn write_versions(out: &mut dyn Write, document: &Document, prompt: &str, style: Style) -> io::Result<()> {
    let own: Vec<&VersionRow> = document.versions.iter().filter(|row| row.prompt.as_str() == prompt).collect();
    if own.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {}", style.bold("versions, each at the price of now"))?;
    let titles = ["commit", "date", "version", "model", "counted", "input", "output", "request", "mean"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(own.iter().map(|row| {
        let short = |text: &Option<String>, most: usize| -> String {
            text.as_ref().map_or_else(|| "-".to_owned(), |text| text.chars().take(most).collect())
        };
        let about = if row.estimated { "~" } else { "" };
        vec![
            row.commit.as_ref().map_or_else(|| "(edited)".to_owned(), |_| short(&row.commit, 10)),
            short(&row.date, 10),
            terminal_line(&row.version.clone().unwrap_or_else(|| "-".to_owned())).into_owned(),
            terminal_line(row.model.as_str()).into_owned(),
            format!("{} of {}", row.counted, row.requests),
            row.input.map_or_else(|| "-".to_owned(), |input| format!("{about}{}", count(input.median))),
            row.output.map_or_else(|| "-".to_owned(), |output| count(output.median)),
            row.cost_usd.map_or_else(|| "-".to_owned(), |cost| usd(cost.median)),
            row.cost_usd.map_or_else(|| "-".to_owned(), |cost| usd(cost.mean)),
        ]
    }));
    write_aligned(out, &rows, 4, "    ", style)?;
    if let Some(row) = own.iter().find(|row| row.estimated) {
        let text = format!("~ is estimated (±{:.0} %): nothing is recorded of that version", row.margin * 100.0);
        writeln!(out, "    {text}")?;
    }
    Ok(())
}

fn write_budgets(out: &mut dyn Write, document: &Document, prompt: &str, style: Style) -> io::Result<()> {
    for judged in document.budgets.iter().filter(|judged| judged.prompt.as_str() == prompt) {
        let line = format!("budget of {}, {}", judged.model, of_budget(judged));
        let line = terminal_line(&line);
        let line = match judged.standing {
            Standing::Kept => style.green(&line),
            Standing::Exceeded => style.red(&line),
            Standing::Unjudged => style.yellow(&line),
            Standing::New => style.dim(&line),
        };
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// Sentences, broken where the screen ends.
fn write_lines(out: &mut dyn Write, lines: &[String], style: Style) -> io::Result<()> {
    for line in lines {
        let line = terminal_line(line);
        let (mut text, mut width) = (String::new(), 4);
        for word in line.split(' ') {
            let length = console::measure_text_width(word);
            if width > 6 && width + 1 + length > style.width {
                writeln!(out, "    {text}")?;
                (text, width) = ("  ".to_owned(), 6);
            } else if width > 4 && !text.trim().is_empty() {
                text.push(' ');
                width += 1;
            }
            text.push_str(word);
            width += length;
        }
        writeln!(out, "    {text}")?;
    }
    Ok(())
}
