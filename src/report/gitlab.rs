//! `gitlab`: GitLab's code quality report, one issue for each outcome that is not good.
//! <https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format>

use std::io::{self, Write};

use serde_json::Value;

use super::Report;
use super::samples::why;
use crate::core::digest::sha256_hex;
use crate::core::escape::{json, terminal_line};
use crate::core::event::{Event, Listener};
use crate::core::verdict::{Exit, Outcome, Verdict};

/// The longest description.
const LONGEST: usize = 500;

/// Collects what is not good.
#[derive(Debug)]
pub struct GitlabReport {
    folder: String,
    issues: Vec<Value>,
}

impl GitlabReport {
    /// A report of a project in this folder of its repository, written with a `/` behind it.
    #[must_use]
    pub fn new(folder: String) -> Self {
        Self { folder, issues: Vec::new() }
    }

    fn issue(&self, outcome: &Outcome) -> Value {
        let Outcome { prompt, case, model, verdict, .. } = outcome;
        let text = format!("{prompt} › {case} › {model} {}: {}", verdict.name(), why(outcome));
        // The same case in the next pipeline is the same issue, whatever it says.
        let fingerprint = sha256_hex(serde_json::json!([prompt, case, model, verdict]).to_string().as_bytes());
        let severity = match verdict {
            Verdict::Failed => "major",
            Verdict::Errored => "critical",
            Verdict::Changed | Verdict::Stale | Verdict::Unrecorded | Verdict::New => "minor",
            Verdict::Passed | Verdict::Skipped => "info",
        };
        let (path, line) = match &outcome.detail.place {
            Some(place) => (place.path.clone(), place.line),
            None => (format!("prompts/{prompt}.j2"), 1),
        };
        serde_json::json!({
            "description": description(&text), "check_name": format!("promptctl/{}", verdict.name()),
            "fingerprint": fingerprint, "severity": severity,
            "location": {"path": format!("{}{path}", self.folder), "lines": {"begin": line}},
        })
    }
}

/// Untrusted text in a description. The page shows it as text; what is invisible there is made visible.
pub(super) fn description(text: &str) -> String {
    terminal_line(text).chars().take(LONGEST).collect()
}

impl Listener for GitlabReport {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Finished(outcome) = event
            && !outcome.good
        {
            self.issues.push(self.issue(outcome));
        }
        Ok(())
    }
}

impl Report for GitlabReport {
    fn write(&mut self, out: &mut dyn Write, _exit: Exit) -> io::Result<()> {
        let issues = Value::Array(std::mem::take(&mut self.issues));
        writeln!(out, "{}", json(&format!("{issues:#}")))
    }
}
