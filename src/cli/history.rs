//! `promptctl history`: the runs of `promptctl test`, and which cases are flaky. Also where a run is written down.

use std::path::Path;

use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use crate::core::problem::{Place, Problem};
use crate::core::verdict::Exit;
use crate::history::{Aside, DATABASE, Gather, History, HistoryError, append};
use crate::project::find_root;
use crate::report::{write_flaky, write_problems, write_runs};

/// Writes a run into the history. What goes wrong there is said, and changes nothing about the run.
pub(super) fn remember(context: &mut Context, root: &Path, mut gather: Gather, exit: Option<Exit>) {
    if !gather.has_begun() {
        return;
    }
    if let Some(exit) = exit {
        gather.end(exit);
    }
    let (message, help) = match append(root, &gather) {
        Ok(None) => return,
        Ok(Some(Aside { path, reason })) => (
            format!("the history of runs could not be used: {reason}"),
            format!("it was moved to {path}, and a new one begins with this run"),
        ),
        Err(error) => (
            format!("this run is not in the history: {error}"),
            "nothing else of the run is affected; move the file away if this goes on".to_owned(),
        ),
    };
    let warning = Problem::warning(Place::File(DATABASE.to_owned()), message).help(help);
    // What was printed stands before it. Where nobody reads any more, nobody needs to be told.
    let _ = context.flush();
    let _ = write_problems(&mut context.err(), &[warning], context.error_style());
}

/// Show the runs of `promptctl test`, newest first, or which cases are flaky.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// At most so many.
    #[arg(short = 'n', long = "limit", value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// The cases whose answers disagree, most flaky first: runs whose samples disagreed, or that came out otherwise than
    /// most runs that asked the same.
    #[arg(long)]
    flaky: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let history = open(context)?;
    let (limit, style) = (args.limit as usize, context.style());
    if args.flaky {
        let flaky = history.flaky(limit).map_err(|error| unreadable(&error))?;
        if args.json {
            let document = json!({"version": 1, "flaky": flaky});
            context.print_json(&document)?;
        } else {
            write_flaky(context.out(), &flaky, style)?;
        }
        return Ok(Exit::Good);
    }
    let runs = history.runs(limit).map_err(|error| unreadable(&error))?;
    if args.json {
        let document = json!({"version": 1, "runs": runs});
        context.print_json(&document)?;
    } else {
        write_runs(context.out(), &runs, style)?;
    }
    Ok(Exit::Good)
}

/// The history of the project around the command's folder. The project itself need not be in order.
pub(super) fn open(context: &Context) -> Result<History, Failure> {
    let root = find_root(context.folder()).map_err(|error| Failure::usage(error.to_string()))?;
    match History::open(&root) {
        Ok(Some(history)) => Ok(history),
        Ok(None) => Err(nothing("there is no history yet").help(
            "`promptctl test` writes each of its runs into .promptctl/history.db; in CI, and with --at, only with --write",
        )),
        Err(error) => Err(unreadable(&error)),
    }
}

/// What was asked for is not there.
pub(super) fn nothing(message: impl Into<String>) -> Failure {
    Failure::Message { exit: Exit::Nothing, message: message.into(), help: None }
}

/// Why a history cannot be read, and what to do.
pub(super) fn unreadable(error: &HistoryError) -> Failure {
    let failure = Failure::usage(format!("the history of runs in {DATABASE} cannot be read: {error}"));
    if error.is_lost() { failure.help("remove it, and `promptctl test` begins a new one") } else { failure }
}
