//! `promptctl retrieval`: what retrievers find, held against what is relevant.

mod asking;
mod finder;
mod reports;
mod show;
mod side;
mod test;

use super::context::Context;
use super::failure::Failure;
use crate::core::verdict::Exit;

/// Test what retrievers find for golden queries, ask one, and list the chunks of its files. No model answers and none judges.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Test(test::Args),
    Query(show::QueryArgs),
    Chunks(show::ChunksArgs),
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Test(args) => test::run(context, args),
        Command::Query(args) => show::query(context, args),
        Command::Chunks(args) => show::chunks(context, args),
    }
}
