//! `tap`: the Test Anything Protocol, version 14. <https://testanything.org/tap-version-14-specification.html>

use std::io::{self, Write};

use serde_json::Value;

use super::Report;
use super::samples::{samples_line, why};
use crate::core::escape::{json, terminal_line};
use crate::core::event::{Event, Listener};
use crate::core::verdict::{Exit, Outcome, Verdict};

/// The most characters of a reason.
const LONGEST: usize = 2000;

/// Collects a run as test points.
#[derive(Debug)]
pub struct TapReport {
    /// The project's folder in its repository, with a `/` behind it.
    folder: String,
    count: u64,
    points: String,
}

impl TapReport {
    /// A report of a project in this folder of its repository, written with a `/` behind it.
    #[must_use]
    pub fn new(folder: String) -> Self {
        Self { folder, count: 0, points: String::new() }
    }

    fn add(&mut self, outcome: &Outcome) {
        self.count += 1;
        let is_held = outcome.quarantine.is_some() && outcome.verdict != Verdict::Passed;
        // What fails in quarantine is "not ok", and `# TODO` says that it may be.
        let is_ok = outcome.good && !is_held || outcome.verdict == Verdict::Skipped;
        let ok = if is_ok { "ok" } else { "not ok" };
        let name = [outcome.prompt.as_str(), outcome.case.as_str(), outcome.model.as_str()].map(escaped).join(" › ");
        let directive = match (&outcome.quarantine, outcome.verdict) {
            (_, Verdict::Skipped) => format!(" # SKIP {}", escaped(&outcome.reason)),
            (Some(quarantine), _) if is_held => {
                format!(" # TODO in quarantine until {} {}", escaped(&quarantine.until), escaped(&quarantine.reason))
            }
            _ => String::new(),
        };
        self.points.push_str(&format!("{ok} {} - {name}{}\n", self.count, directive.trim_end()));
        if outcome.verdict == Verdict::Passed && !outcome.flaky {
            return;
        }
        self.points.push_str(&format!("  ---\n  verdict: {}\n", outcome.verdict.name()));
        let why = why(outcome);
        if !why.is_empty() {
            self.points.push_str(&format!("  message: {}\n", text(&terminal_line(&why))));
        }
        if outcome.flaky {
            self.points.push_str(&format!("  flaky: {}\n", text(&samples_line(outcome))));
        }
        if let Some(place) = &outcome.detail.place {
            self.points.push_str(&format!(
                "  at: {{file: {}, line: {}}}\n",
                text(&format!("{}{}", self.folder, place.path)),
                place.line
            ));
        }
        self.points.push_str("  ...\n");
    }
}

/// Untrusted text in a diagnostic. That is YAML, and a text of JSON is one of YAML: nothing in it can end the block.
pub(super) fn text(text: &str) -> String {
    let clipped = Value::from(text.chars().take(LONGEST).collect::<String>()).to_string();
    json(&clipped).into_owned()
}

/// Untrusted text in the description of a test point: a `#` would begin a directive.
pub(super) fn escaped(text: &str) -> String {
    terminal_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

impl Listener for TapReport {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Finished(outcome) = event {
            self.add(outcome);
        }
        Ok(())
    }
}

impl Report for TapReport {
    fn write(&mut self, out: &mut dyn Write, exit: Exit) -> io::Result<()> {
        writeln!(out, "TAP version 14\n1..{}", self.count)?;
        out.write_all(self.points.as_bytes())?;
        match exit {
            Exit::Interrupted => writeln!(out, "Bail out! interrupted"),
            _ => Ok(()),
        }
    }
}
