//! What a linter found, as a person reads it, and as JSON.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use super::debt::write_debt;
use super::problems::snippet;
use super::style::Style;
use crate::core::escape::{json as escaped, terminal, terminal_line};
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::lint::{CoveredFile, Finding, LineMark, Linted, REFUSED, Rule, Waiver};
use crate::project::Level;

/// What is said beside the findings.
#[derive(Clone, Debug, Default)]
pub struct LintNotes {
    /// The commit whose findings are left out, and how many those are.
    pub base: Option<(String, usize)>,
    /// What the process ends with.
    pub exit: u8,
    /// From which level on findings fail.
    pub fail_on: String,
    /// Whether it is shown as a list of debts.
    pub is_debt: bool,
}

fn word(level: Level, style: Style) -> String {
    match level {
        Level::Error => style.red("error"),
        Level::Warning => style.yellow("warning"),
        Level::Info | Level::Off => style.dim("info"),
    }
}

/// Writes findings with their lines, or as a list of debts, and the sum.
pub fn write_lint(out: &mut dyn Write, linted: &Linted, notes: &LintNotes, style: Style) -> io::Result<()> {
    if notes.is_debt {
        write_debt(out, linted, style)?;
    } else {
        for finding in &linted.findings {
            write_finding(out, finding, style)?;
        }
    }
    for path in &linted.skipped {
        let place = style.bold(&terminal_line(&format!("{path}:")));
        writeln!(out, "{place} {}, as its template says nothing", style.yellow("skipped"))?;
    }
    let mut parts: Vec<String> =
        [(Level::Error, "error", "errors"), (Level::Warning, "warning", "warnings"), (Level::Info, "info", "infos")]
            .into_iter()
            .map(|(level, one, several)| (linted.count(level), one, several))
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, several)| counted(count as u64, one, several))
            .collect();
    if parts.is_empty() {
        parts.push(if linted.prompts > 0 { "nothing found" } else { "nothing looked at" }.to_owned());
    }
    let mut aside = Vec::new();
    if !linted.skipped.is_empty() {
        aside.push(format!("{} skipped", linted.skipped.len()));
    }
    if linted.waived > 0 {
        aside.push(format!("{} waived", linted.waived));
    }
    if let Some((base, count)) = &notes.base {
        aside.push(format!("{count} that {base} has already left out"));
        if !linted.gone.is_empty() {
            aside.push(format!(
                "{} found at {base} {} gone",
                linted.gone.len(),
                if linted.gone.len() == 1 { "is" } else { "are" }
            ));
        }
    }
    let fixable = linted.findings.iter().filter(|finding| !finding.edits.is_empty()).count();
    if fixable > 0 {
        aside.push(format!("{fixable} can be mended with --fix"));
    }
    let aside = if aside.is_empty() { String::new() } else { format!(" ({})", aside.join(", ")) };
    let prompts = if linted.is_refused {
        "a project that cannot be loaded".to_owned()
    } else {
        counted(linted.prompts as u64, "prompt", "prompts")
    };
    writeln!(out, "{}", style.bold(&format!("{} in {prompts}{}", parts.join(", "), terminal_line(&aside))))
}

fn write_finding(out: &mut dyn Write, finding: &Finding, style: Style) -> io::Result<()> {
    let (line, column) = finding.start();
    let place = format!("{}:{line}:{column}:", finding.source.path);
    let rule = style.dim(&format!("[{} {}]", finding.rule.code, finding.rule.name));
    let message = terminal(&finding.message).replace('\n', "\n  ");
    writeln!(
        out,
        "{} {} {rule} {}",
        style.bold(&terminal_line(&place)),
        word(finding.level, style),
        style.bold(&message)
    )?;
    let is_plain = finding.is_hidden || finding.span.is_empty();
    if is_plain {
        return writeln!(out, "  = help: {}\n", terminal_line(&finding.help));
    }
    let level = match finding.level {
        Level::Error => annotate_snippets::Level::ERROR,
        Level::Warning => annotate_snippets::Level::WARNING,
        Level::Info | Level::Off => annotate_snippets::Level::INFO,
    };
    writeln!(out, "{}\n", snippet(&finding.source, &finding.span, level, Some(&finding.help), style))
}

/// A rule, for programs.
fn rule_json(rule: &Rule) -> Value {
    json!({
        "code": rule.code, "name": rule.name, "severity": rule.level.name(), "reason": rule.reason, "fix": rule.fix,
        "limits": rule.limits.iter().map(|limit| (limit.name.to_owned(), json!(limit.default))).collect::<serde_json::Map<_, _>>(),
    })
}

fn waiver_json(waiver: &Waiver) -> Value {
    let (line, column) = waiver.source.line_column(waiver.span.start);
    json!({
        "path": waiver.source.path, "line": line, "column": column,
        "rules": waiver.rules.iter().map(|rule| rule.code).collect::<Vec<_>>(),
        "until": waiver.until, "reason": waiver.reason, "expired": waiver.is_expired, "used": waiver.used,
    })
}

fn finding_json(finding: &Finding) -> Value {
    let ((line, column), (end_line, end_column)) = (finding.start(), finding.end());
    json!({
        "code": finding.rule.code, "rule": finding.rule.name, "severity": finding.level.name(),
        "path": finding.source.path, "line": line, "column": column, "end_line": end_line, "end_column": end_column,
        "text": finding.text(), "message": finding.message, "help": finding.help, "key": finding.key(),
        "fixable": !finding.edits.is_empty(), "since": finding.owed.since, "by": finding.owed.by,
        "request_usd": finding.owed.request_usd, "request_is_estimate": finding.owed.is_estimate,
    })
}

/// What was found at the base, and where it stood there.
fn gone_json(finding: &Finding) -> Value {
    json!({
        "code": finding.rule.code, "rule": finding.rule.name, "severity": finding.level.name(),
        "path": finding.source.path, "line": finding.start().0, "message": finding.message, "key": finding.key(),
    })
}

/// Writes what was found for programs.
pub fn write_lint_json(out: &mut dyn Write, linted: &Linted, notes: &LintNotes) -> io::Result<()> {
    let mut rules: Vec<&Rule> = linted.findings.iter().map(|finding| finding.rule).collect();
    rules.sort_by_key(|rule| rule.code);
    rules.dedup_by_key(|rule| rule.code);
    let document = json!({
        "version": 1,
        "summary": {
            "prompts": linted.prompts, "error": linted.count(Level::Error), "warning": linted.count(Level::Warning),
            "info": linted.count(Level::Info), "waived": linted.waived,
            "known": notes.base.as_ref().map(|(_, count)| count), "skipped": linted.skipped.len(),
            "gone": notes.base.as_ref().map(|_| linted.gone.len()),
        },
        "base": notes.base.as_ref().map(|(base, _)| base),
        "fail_on": notes.fail_on, "exit_code": notes.exit,
        "findings": linted.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "gone": linted.gone.iter().map(gone_json).collect::<Vec<_>>(), "skipped": linted.skipped,
        "waivers": linted.waivers.iter().map(waiver_json).collect::<Vec<_>>(),
        "rules": rules.into_iter().map(rule_json).collect::<Vec<_>>(),
    });
    writeln!(out, "{}", escaped(&format!("{document:#}")))
}

/// Writes every waiver: where, what, until when, why, and whether it waives anything; then what is wrong with waivers.
pub fn write_waivers(out: &mut dyn Write, linted: &Linted, style: Style) -> io::Result<()> {
    for waiver in &linted.waivers {
        let (line, column) = waiver.source.line_column(waiver.span.start);
        let codes: Vec<&str> = waiver.rules.iter().map(|rule| rule.code).collect();
        let until = waiver.until.as_ref().map(|day| format!(" until {day}")).unwrap_or_default();
        let state = match (waiver.is_expired, waiver.used) {
            (true, _) => style.yellow("expired"),
            (false, 0) => style.yellow("waives nothing"),
            (false, used) => format!("waives {}", counted(used as u64, "finding", "findings")),
        };
        let place = style.bold(&terminal_line(&format!("{}:{line}:{column}:", waiver.source.path)));
        writeln!(out, "{place} {}{until}, {state}: {}", codes.join(", "), terminal_line(&waiver.reason))?;
    }
    let wrong: Vec<&Finding> = linted.findings.iter().filter(|finding| finding.is_of_waivers()).collect();
    if !wrong.is_empty() {
        writeln!(out)?;
    }
    for finding in &wrong {
        write_finding(out, finding, style)?;
    }
    let about = match wrong.len() as u64 {
        0 => String::new(),
        count => format!(", {} about them", counted(count, "finding", "findings")),
    };
    writeln!(out, "{}{about}", style.dim(&counted(linted.waivers.len() as u64, "waiver", "waivers")))
}

/// Writes a rule: what it is, why, what to do, what can be set.
pub fn write_rule(out: &mut dyn Write, rule: &Rule, style: Style) -> io::Result<()> {
    writeln!(out, "{} {}", style.bold(&format!("{} {}", rule.code, rule.name)), rule.level.name())?;
    writeln!(out, "why: {}", rule.reason)?;
    writeln!(out, "fix: {}", rule.fix)?;
    for limit in rule.limits {
        writeln!(out, "{}: {}", limit.name, limit.default)?;
    }
    let limits: String = rule.limits.iter().map(|limit| format!(", {}: {}", limit.name, limit.default)).collect();
    if REFUSED.iter().any(|refused| refused.code == rule.code) {
        return writeln!(out, "always on: every command refuses a project that breaks it");
    }
    writeln!(
        out,
        "in promptctl.yaml: `lint: {{ rules: {{ {}: {{ severity: {}{limits} }} }} }}`",
        rule.name,
        rule.level.name()
    )?;
    let comment = format!("promptctl: allow {} until=2026-12-31 reason=\"why\"", rule.code);
    writeln!(out, "in place: `{{# {comment} #}}`, in YAML `# {comment}`")
}

/// Writes templates with a mark for each line.
pub fn write_coverage(out: &mut dyn Write, files: &[CoveredFile], style: Style) -> io::Result<()> {
    let (mut seen, mut branches, mut rendered, mut all) = (0, 0, 0, 0);
    for file in files {
        let source = Arc::clone(&file.source);
        let (own, lines) = file.lines();
        let title = format!("{}  {own} of {lines} lines, {} of {} branches", source.path, file.seen, file.branches);
        writeln!(out, "{}", style.bold(&terminal_line(&title)))?;
        for (number, (text, mark)) in source.text.lines().zip(&file.marks).enumerate() {
            let text = terminal_line(text);
            let line = match mark {
                LineMark::Nothing => format!("  {:>4} │ {text}", number + 1),
                LineMark::Rendered => format!("+ {:>4} │ {text}", number + 1),
                LineMark::Half | LineMark::Untaken => style.yellow(&format!("~ {:>4} │ {text}", number + 1)),
                LineMark::Never => style.red(&format!("- {:>4} │ {text}", number + 1)),
            };
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
        (seen, branches, rendered, all) = (seen + file.seen, branches + file.branches, rendered + own, all + lines);
    }
    let sum = format!("{rendered} of {all} lines and {seen} of {branches} branches are rendered by a case");
    writeln!(out, "{}", style.bold(&sum))
}

impl LintNotes {
    /// What is said beside findings that end the process so.
    #[must_use]
    pub fn new(base: Option<(String, usize)>, exit: Exit, fail_on: Level) -> Self {
        Self { base, exit: exit.code(), fail_on: fail_on.name().to_owned(), is_debt: false }
    }
}
