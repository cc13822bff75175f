//! `promptctl merge`: the reports of a run's parts as one report.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::failure::Failure;
use super::reports::{ReportArgs, report_run};
use super::sink::is_same;
use crate::core::problem::Problems;
use crate::core::verdict::Exit;
use crate::report::{Saved, SavedError, merge};
use crate::run::RunResult;

/// The most bytes of a report: a million results have fewer.
const MOST: u64 = 2 << 30;

/// Put the JSON reports of `test --shard` together, as one machine would have reported it, and report that in any format.
/// The exit code is that of the whole run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The reports of all parts, in any order; or one report of a whole run, to have it in another format.
    #[arg(value_name = "REPORT", required = true)]
    saved: Vec<PathBuf>,
    #[command(flatten)]
    reports: ReportArgs,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    // What is read must not be emptied.
    for (saved, path) in args.saved.iter().flat_map(|saved| args.reports.paths().map(move |path| (saved, path))) {
        if is_same(&context.folder().join(saved), &context.folder().join(path)) {
            let message = format!("the report {} cannot be read and written at once", path.display());
            return Err(Failure::usage(message).help("give the merged report another path"));
        }
    }
    let opened = args.reports.open(context)?;
    let mut parts = Vec::with_capacity(args.saved.len());
    for path in &args.saved {
        parts.push((path.display().to_string(), read(context, path)?));
    }
    let Some(whole) = merge(parts)? else { return Err(Failure::usage("name the reports to merge")) };
    let (exit, summary) = (whole.exit(), whole.summary().clone());
    let root = context.folder().to_owned();
    report_run(context, &args.reports, opened, &root, |listener| {
        whole.tell(listener)?;
        Ok(RunResult { summary, exit, problems: Problems::default() })
    })
}

fn read(context: &Context, path: &Path) -> Result<Saved, Failure> {
    let shown = path.display().to_string();
    let failed = |why: &dyn std::fmt::Display| Failure::usage(format!("the report {shown} cannot be read: {why}"));
    let file = std::fs::File::open(context.folder().join(path)).map_err(|error| failed(&error))?;
    let mut text = String::new();
    file.take(MOST + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > MOST {
        return Err(failed(&format!("it is larger than {} MiB", MOST >> 20)));
    }
    Ok(Saved::read(&shown, &text)?)
}

impl From<SavedError> for Failure {
    fn from(error: SavedError) -> Self {
        let help = match &error {
            SavedError::NoReport { .. } | SavedError::Version { .. } => {
                "make one with `promptctl test --report json=FILE`, of the same version of promptctl"
            }
            SavedError::Whole(_) => "merge puts the parts of `test --shard K/N` together",
            SavedError::Different { .. } => "run every part of the same commit with the same command, but for --shard",
            SavedError::Doubled { .. } => "give each part's report once; each machine needs its own K of --shard K/N",
            SavedError::Missing { .. } => "its machine may have failed before it wrote a report",
            SavedError::Incomplete { .. } => "run the parts again",
        };
        Self::usage(error.to_string()).help(help)
    }
}
