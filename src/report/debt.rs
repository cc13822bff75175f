//! What was found as a list of debts: the oldest first, each with its age, who wrote its line, and what a request of its prompt costs.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::history::write_aligned;
use super::style::Style;
use crate::core::escape::terminal_line;
use crate::core::words::usd;
use crate::lint::{Finding, Linted};

/// Writes a line a finding. What git does not know yet, or no more, comes last.
pub(super) fn write_debt(out: &mut dyn Write, linted: &Linted, style: Style) -> io::Result<()> {
    if linted.findings.is_empty() {
        return Ok(());
    }
    let mut findings: Vec<&Finding> = linted.findings.iter().collect();
    findings.sort_by_key(|finding| (finding.owed.since.is_none(), finding.owed.since.clone(), Reverse(finding.level)));
    let mut rows = vec![["since", "days", "by", "a request", "what", "where", ""].map(str::to_owned).to_vec()];
    rows.extend(findings.into_iter().map(row));
    write_aligned(out, &rows, rows[0].len(), "", style)?;
    writeln!(out)
}

fn row(finding: &Finding) -> Vec<String> {
    let owed = &finding.owed;
    let or_none =
        |value: Option<String>| value.map_or_else(|| "-".to_owned(), |value| terminal_line(&value).into_owned());
    let (line, column) = finding.start();
    let mark = if owed.is_estimate { "~" } else { "" };
    vec![
        or_none(owed.since.clone()),
        or_none(owed.days.map(|days| days.to_string())),
        or_none(owed.by.clone()),
        or_none(owed.request_usd.map(|cost| format!("{mark}{}", usd(cost)))),
        format!("{} {} {}", finding.level.name(), finding.rule.code, finding.rule.name),
        terminal_line(&format!("{}:{line}:{column}", finding.source.path)).into_owned(),
        terminal_line(&finding.message.replace('\n', " ")).into_owned(),
    ]
}
