//! `promptctl judge list`: whom the project's expectations ask, and who of them decides.

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::core::verdict::Exit;
use crate::report::write_roster;

/// List every judge that the project's expectations ask, how far it agrees with people, and whether it decides.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Read the project at this commit, tag or branch.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let project = Project::find(context, args.at.as_deref())?;
    let (prepared, _) = project.load()?;
    let damaged = prepared.check_calibrations();
    if damaged.has_errors() {
        return Err(damaged.into());
    }
    let roster = prepared.roster();
    if args.json {
        context.print_json(&json!(roster))?;
    } else {
        let style = context.style();
        write_roster(context.out(), &roster, style)?;
    }
    Ok(Exit::Good)
}
