//! A comparison in the forms of test results: each prompt and each tag of it on a model is one test, which fails where it
//! regressed. What a case does alone may be chance, and is told with the row that it belongs to.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::gitlab::description;
use super::junit::xml;
use super::tap;
use crate::compare::{ChangedAnswer, Document as Comparison, Row, Verdict, Way};
use crate::core::digest::sha256_hex;
use crate::core::escape;
use crate::core::words::counted;

/// The figures of a row in a line.
pub(super) fn figures(row: &Row) -> String {
    let (losses, wins) = (counted(row.losses, "loss", "losses"), counted(row.wins, "win", "wins"));
    format!(
        "{} of {} → {} of {}, {losses}, {wins}",
        row.base_passes, row.base_answers, row.head_passes, row.head_answers
    )
}

/// A prompt, or a tag of it, on a model.
fn name(row: &Row) -> String {
    let tag = row.tag.as_ref().map(|tag| format!(" [{tag}]")).unwrap_or_default();
    format!("{}{tag} on {}", row.prompt, row.model)
}

/// The cases of a row that it lost.
fn lost<'a>(comparison: &'a Comparison, row: &'a Row) -> impl Iterator<Item = &'a ChangedAnswer> {
    let is_of = |answer: &&ChangedAnswer| {
        let is_tagged = row.tag.as_ref().is_none_or(|tag| answer.tags.contains(tag));
        (answer.prompt.as_str(), answer.model.as_str()) == (row.prompt.as_str(), row.model.as_str())
            && answer.flip == Way::Loss
            && is_tagged
    };
    comparison.answers.iter().filter(is_of)
}

/// The cases of a row that it lost, a line each.
fn losses(comparison: &Comparison, row: &Row) -> String {
    lost(comparison, row).map(|answer| format!("lost: {}: {}\n", answer.case, answer.failed.join("; "))).collect()
}

fn rows(comparison: &Comparison) -> impl Iterator<Item = &Row> {
    comparison.prompts.iter().flat_map(|prompt| {
        let is_of = |slice: &&Row| (&slice.prompt, &slice.model) == (&prompt.prompt, &prompt.model);
        std::iter::once(prompt).chain(comparison.slices.iter().filter(is_of))
    })
}

/// Writes a comparison as JUnit's XML: a suite a prompt.
pub fn write_junit_comparison(out: &mut dyn Write, comparison: &Comparison) -> io::Result<()> {
    let mut suites: Vec<TestSuite> = Vec::new();
    for row in rows(comparison) {
        let suite = xml(&row.prompt);
        if suites.last().is_none_or(|last| last.name != suite) {
            suites.push(TestSuite::new(suite));
        }
        let Some(suite) = suites.last_mut() else { continue };
        let status = if row.verdict == Verdict::Regressed {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("regressed").set_message(xml(&figures(row))).set_description(xml(&losses(comparison, row)));
            status
        } else {
            TestCaseStatus::success()
        };
        let mut case = TestCase::new(xml(&name(row)), status);
        case.set_classname(xml(&row.prompt)).set_system_out(xml(&figures(row)));
        case.add_property(("verdict", row.verdict.name()));
        case.add_property(("losses", row.losses.to_string().as_str()));
        case.add_property(("wins", row.wins.to_string().as_str()));
        suite.add_test_case(case);
    }
    let mut document = Document::new("promptctl compare");
    document.add_test_suites(suites);
    document.serialize(&mut *out).map_err(io::Error::other)
}

/// Writes a comparison as test points.
pub fn write_tap_comparison(out: &mut dyn Write, comparison: &Comparison) -> io::Result<()> {
    writeln!(out, "TAP version 14\n1..{}", rows(comparison).count())?;
    for (number, row) in (1..).zip(rows(comparison)) {
        let ok = if row.verdict == Verdict::Regressed { "not ok" } else { "ok" };
        let message = format!("{}\n{}", figures(row), losses(comparison, row));
        writeln!(out, "{ok} {number} - {}", tap::escaped(&name(row)))?;
        writeln!(out, "  ---\n  verdict: {}\n  message: {}\n  ...", row.verdict.name(), tap::text(message.trim_end()))?;
    }
    out.flush()
}

/// Writes a comparison as GitLab's code quality: an issue on the template of what regressed, and one on each case it lost.
pub fn write_gitlab_comparison(out: &mut dyn Write, comparison: &Comparison, folder: &str) -> io::Result<()> {
    let mut issues = Vec::new();
    for row in rows(comparison).filter(|row| row.verdict == Verdict::Regressed) {
        let path = format!("prompts/{}.j2", row.prompt);
        let text = format!("{} regressed: {}", name(row), figures(row));
        issues.push(issue(&text, &json!([row.prompt, row.tag, row.model]), "major", (folder, &path, 1)));
        for answer in lost(comparison, row).filter(|_| row.tag.is_none()) {
            let place = answer.place.as_ref().map_or((path.as_str(), 1), |place| (place.path.as_str(), place.line));
            let text =
                format!("{} › {} › {} lost: {}", answer.prompt, answer.case, answer.model, answer.failed.join("; "));
            let of = json!([answer.prompt, answer.case, answer.model, "lost"]);
            issues.push(issue(&text, &of, "minor", (folder, place.0, place.1)));
        }
    }
    writeln!(out, "{}", escape::json(&format!("{:#}", Value::Array(issues))))
}

fn issue(text: &str, of: &Value, severity: &str, (folder, path, line): (&str, &str, usize)) -> Value {
    json!({
        "description": description(text), "check_name": "promptctl/compare", "severity": severity,
        "fingerprint": sha256_hex(of.to_string().as_bytes()),
        "location": {"path": format!("{folder}{path}"), "lines": {"begin": line}},
    })
}
