//! Costs in Markdown: what a comment of a pull request shows.

use super::escape::{code, text};
use super::page::{Page, details};
use super::{NAME, SENTENCE};
use crate::core::words::usd;
use crate::cost::{Basis, Bill, Document, Standing};
use crate::report::cost_words::{count, kind, of_alternative, of_bill, of_budget, of_change, percent_more, whole};

/// A page of at most so many bytes: the verdict, a table, and what is behind it, folded away.
#[must_use]
pub fn cost_markdown(document: &Document, limit: usize) -> String {
    let mut page = Page::new(limit);
    page.push(&format!("**{}**\n\n", verdict(document)));
    let budgets = document.budgets.iter().map(|judged| {
        let sign = match judged.standing {
            Standing::Kept => "✅",
            Standing::Exceeded => "❌",
            Standing::Unjudged => "❔",
            Standing::New => "➖",
        };
        let (prompt, model) = (code(judged.prompt.as_str(), NAME), code(judged.model.as_str(), NAME));
        format!("- {sign} {prompt} on {model}: {}\n", text(&of_budget(judged), SENTENCE))
    });
    let mut left_out = page.lines(budgets, 3);
    page.push("\n| prompt | model | counted | input | output | request | against base | month |\n");
    page.push("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    left_out += page.lines(document.prompts.iter().map(|bill| row(document, bill)), 2);
    page.push("\n");
    let bills = document.prompts.iter().map(|bill| {
        let mut lines: Vec<String> = Vec::new();
        let own = document.changes.iter().find(|change| change.prompt == bill.prompt && change.model == bill.model);
        lines.extend(own.iter().flat_map(|change| of_change(change)).map(|line| format!("against base, {line}")));
        lines.extend(of_bill(bill));
        folded(&format!("{} on {}", bill.prompt, bill.model), &lines)
    });
    let alternatives = document.alternatives.iter().map(|found| {
        let instead = found.instead.as_ref().map(|model| format!(", {model}")).unwrap_or_default();
        folded(&format!("{} on {}: {}{instead}", found.prompt, found.model, kind(found.kind)), &of_alternative(found))
    });
    left_out += page.lines(bills.chain(alternatives).chain(versions(document)), 1);
    let uncounted = document.uncounted.iter().map(|name| {
        let name = code(name.as_str(), NAME);
        format!("- {name} has no case, so nothing of it can be counted\n")
    });
    left_out += page.lines(uncounted, 1);
    let notes = document.notes.iter().map(|note| format!("- note: {}\n", text(note, SENTENCE)));
    left_out += page.lines(notes, 1);
    if left_out > 0 {
        page.push(&format!("\n{left_out} more lines do not fit on this page.\n"));
    }
    page.finish()
}

fn verdict(document: &Document) -> String {
    let count = |standing: Standing| document.budgets.iter().filter(|judged| judged.standing == standing).count();
    let (exceeded, unjudged) = (count(Standing::Exceeded), count(Standing::Unjudged));
    let worst =
        document.changes.iter().filter_map(|change| change.cost_usd?.increase).fold(f64::NEG_INFINITY, f64::max);
    let change = if worst.is_finite() {
        format!("; the most that a request changes is {}", percent_more(worst))
    } else {
        String::new()
    };
    let text_of = match (exceeded, unjudged, document.budgets.len()) {
        (0, 0, 0) => format!("cost{change}"),
        (0, 0, _) => format!("cost: within budget{change}"),
        (0, unjudged, all) => {
            format!("cost: of {unjudged} of {all} budgets nobody can say whether they are kept{change}")
        }
        (exceeded, _, all) => format!("cost: {exceeded} of {all} budgets exceeded{change}"),
    };
    text(&text_of, SENTENCE)
}

fn row(document: &Document, bill: &Bill) -> String {
    let own = document.changes.iter().find(|change| change.prompt == bill.prompt && change.model == bill.model);
    let about = if bill.counted == 0 { "~" } else { "" };
    let input = if bill.counted == 0 { bill.estimated_input } else { bill.input };
    let dash = || "-".to_owned();
    let unpriced = || if bill.priced { dash() } else { "unpriced".to_owned() };
    // What follows from base says more than what is read alone.
    let follows = own.filter(|change| change.basis == Some(Basis::Proportion)).and_then(|change| change.cost_usd);
    let follows = follows.filter(|_| bill.counted == 0).map(|cost| cost.head);
    let each = bill.cost_usd.map(|cost| cost.mean).or(follows).or(bill.estimated_input_usd);
    let month = follows.zip(bill.volume).map(|(each, volume)| each * f64_of(volume)).or(bill.month_usd);
    let against = own.and_then(|change| change.cost_usd).and_then(|cost| Some((cost.mean, cost.increase?)));
    let cells = [
        format!("{} of {}", whole(bill.counted), whole(bill.requests)),
        input.map_or_else(dash, |input| format!("{about}{}", count(input.median))),
        bill.output.map_or_else(dash, |output| count(output.median)),
        each.map_or_else(unpriced, |each| format!("{about}{}", usd(each))),
        against.map_or_else(dash, |(_, increase)| percent_more(increase)),
        month.map_or_else(unpriced, |month| format!("{about}{}", usd(month))),
    ];
    let cells = cells.map(|cell| text(&cell, NAME)).join(" | ");
    format!("| {} | {} | {cells} |\n", code(bill.prompt.as_str(), NAME), code(bill.model.as_str(), NAME))
}

#[expect(clippy::cast_precision_loss, reason = "requests a month are far below 2^53")]
fn f64_of(count: u64) -> f64 {
    count as f64
}

fn versions(document: &Document) -> Option<String> {
    let line = |row: &crate::cost::VersionRow| {
        let about = if row.estimated { "~" } else { "" };
        let commit = row.commit.as_ref().map_or("(edited)", |commit| commit.get(..10).unwrap_or(commit));
        let input = row.input.map_or_else(|| "-".to_owned(), |input| format!("{about}{}", count(input.median)));
        let cost = row.cost_usd.map_or_else(|| "-".to_owned(), |cost| usd(cost.mean));
        let version = row.version.as_deref().unwrap_or("-");
        format!("{} on {} {commit} {version}: input {input}, a request {cost}", row.prompt, row.model)
    };
    let lines: Vec<String> = document.versions.iter().map(line).collect();
    (!lines.is_empty()).then(|| folded("versions", &lines))
}

fn folded(summary: &str, lines: &[String]) -> String {
    let body: String = lines.iter().map(|line| format!("- {}\n", text(line, SENTENCE))).collect();
    details(&super::escape::html_code(summary, NAME), &body)
}
