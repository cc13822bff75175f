//! `promptctl judge`: who judges, by which prompts, and how far they agree with people.

mod calibrate;
mod copy;
mod list;

use super::context::Context;
use super::failure::Failure;
use crate::core::verdict::Exit;

/// List the judges of expectations, copy their prompts, hold them against people.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Copy(copy::Args),
    Calibrate(Box<calibrate::Args>),
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::List(args) => list::run(context, args),
        Command::Copy(args) => copy::run(context, args),
        Command::Calibrate(args) => calibrate::run(context, args),
    }
}
