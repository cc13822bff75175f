//! `promptctl test --rerun failed --from report.json`: only what came to these verdicts in an earlier run.

use std::collections::HashSet;
use std::path::Path;

use clap::ValueEnum;
use serde::Deserialize;

use super::failure::Failure;
use crate::core::verdict::{Exit, Verdict};
use crate::plan::{Plan, Workspace};

/// What of an earlier run is to be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Rerun {
    Failed,
    Errored,
    Changed,
    Stale,
    Skipped,
    /// Samples of both kinds, whatever the verdict.
    Flaky,
}

/// The part of a report that names what was done. Reports of later versions may hold more.
#[derive(Deserialize)]
struct Report {
    version: u32,
    results: Vec<Reported>,
}

#[derive(Deserialize)]
struct Reported {
    prompt: String,
    case: String,
    model: String,
    verdict: Verdict,
    #[serde(default)]
    flaky: bool,
}

impl Rerun {
    fn matches(self, reported: &Reported) -> bool {
        match self {
            Self::Failed => reported.verdict == Verdict::Failed,
            Self::Errored => reported.verdict == Verdict::Errored,
            Self::Changed => reported.verdict == Verdict::Changed,
            Self::Stale => reported.verdict == Verdict::Stale,
            Self::Skipped => reported.verdict == Verdict::Skipped,
            Self::Flaky => reported.flaky,
        }
    }
}

/// Keeps what an earlier run's report names. A case that is no longer there is left out; nothing left is an error.
/// Gives a line for each item that is kept.
pub(super) fn keep(
    plan: &mut Plan,
    workspace: &Workspace,
    report: &Path,
    wanted: &[Rerun],
) -> Result<Vec<String>, Failure> {
    let shown = report.display();
    let text = std::fs::read_to_string(report)
        .map_err(|error| Failure::usage(format!("the report {shown} cannot be read: {error}")))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{shown} is no report of promptctl: {error}")).help("make one with `--report json=FILE`")
    })?;
    if report.version != crate::report::VERSION {
        return Err(Failure::usage(format!("{shown} is a report of version {}, which is not known", report.version)));
    }
    let named: HashSet<(&str, &str, &str)> = report
        .results
        .iter()
        .filter(|reported| wanted.iter().any(|rerun| rerun.matches(reported)))
        .map(|reported| (reported.prompt.as_str(), reported.case.as_str(), reported.model.as_str()))
        .collect();
    let mut kept = Vec::new();
    plan.items.retain(|item| {
        let case = &workspace.cases.list[item.case];
        let (prompt, model) = (&workspace.prompt_of(case).name, &workspace.config.models[item.model].alias);
        let is_named = named.contains(&(prompt.as_str(), case.name.as_str(), model.as_str()));
        if is_named {
            kept.push(format!("{prompt} › {} › {model}", case.name));
        }
        is_named
    });
    if kept.is_empty() {
        let message = format!("nothing of {shown} is to be done again: no selected case came to such a verdict");
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    Ok(kept)
}
