//! The command line: arguments become settings, settings become calls of the library, results become text and an
//! exit code. The only module that prints, exits, and reads the environment, the terminal, the current folder or
//! the clock.

mod ask;
mod audit;
mod batch;
mod bisect;
mod bump;
mod changed;
mod comment;
mod compare;
mod compare_reports;
mod context;
mod cost;
mod days;
mod diff;
mod drift;
mod environment;
mod export;
mod fine_tune;
mod folder;
mod failure;
mod forecast;
mod github;
mod heard;
mod held;
mod history;
mod import;
mod import_project;
mod init;
mod interrupt;
mod judge;
mod labelled;
mod lint;
mod list;
mod load;
mod log;
mod manual;
mod memory;
mod merge;
mod models;
#[cfg(feature = "shared-recordings")]
mod objects;
#[cfg(not(feature = "shared-recordings"))]
#[path = "no_objects.rs"]
mod objects;
mod past;
mod plotted;
mod probe;
mod prune;
mod render;
mod replay;
mod retrieve;
mod reasons;
mod reports;
mod rerun;
mod retrieval;
mod review;
mod search;
mod serve;
mod shared;
mod show;
mod sink;
mod sides;
mod test;
mod tuned;
mod trend;
mod waiting;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::context::Context;
use self::failure::Failure;
use crate::core::verdict::Exit;

/// Prompts in git: versioned templates, golden cases, recorded answers, reviewed changes.
#[derive(Debug, Parser)]
#[command(name = "promptctl", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Run as if started in this folder.
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    directory: Option<std::path::PathBuf>,
    /// Colours: as the terminal allows, always, or never.
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto")]
    color: context::ColorChoice,
    /// Show on standard error what is sent to models and what comes back, without keys.
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Show only what is not good: no heading, no notes, no progress, and nothing at all where all is good.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Test(Box<test::Args>),
    Compare(compare::Args),
    Cost(cost::Args),
    Comment(comment::Args),
    Diff(diff::Args),
    Drift(drift::Args),
    Bisect(bisect::Args),
    Audit(audit::Args),
    Log(log::Args),
    Show(show::Args),
    History(history::Args),
    Trend(trend::Args),
    Bump(bump::Args),
    List(list::Args),
    Lint(lint::Args),
    Render(render::Args),
    Retrieval(retrieval::Args),
    Review(review::Args),
    Pending(waiting::PendingArgs),
    Accept(waiting::AcceptArgs),
    Reject(waiting::RejectArgs),
    Import(import::Args),
    Export(export::Args),
    Judge(judge::Args),
    Batch(batch::Args),
    Merge(merge::Args),
    Models(models::Args),
    Prune(prune::Args),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
    Schema(manual::SchemaArgs),
}

/// Runs the command of this process and gives its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error),
    };
    let mut context = match Context::new(cli.directory.as_deref(), cli.color, (cli.verbose, cli.quiet)) {
        Ok(context) => context,
        Err(failure) => return failure.print_plainly(),
    };
    let done = run(&mut context, cli.command);
    // Whoever reads no further has seen enough; how it ended stands.
    let flushed = |context: &mut Context| match context.flush() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::from(error)),
        _ => Ok(()),
    };
    let done = done.and_then(|exit| flushed(&mut context).map(|()| exit));
    match done {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => failure.print(&mut context),
    }
}

fn run(context: &mut Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(context, &args),
        Command::Test(args) => test::run(context, &args),
        Command::Compare(args) => compare::run(context, &args),
        Command::Cost(args) => cost::run(context, &args),
        Command::Comment(args) => comment::run(context, &args),
        Command::Diff(args) => diff::run(context, &args),
        Command::Drift(args) => drift::run(context, &args),
        Command::Audit(args) => audit::run(context, &args),
        Command::Bisect(args) => bisect::run(context, &args),
        Command::Log(args) => log::run(context, &args),
        Command::Show(args) => show::run(context, &args),
        Command::History(args) => history::run(context, &args),
        Command::Trend(args) => trend::run(context, &args),
        Command::Bump(args) => bump::run(context, &args),
        Command::List(args) => list::run(context, &args),
        Command::Lint(args) => lint::run(context, &args),
        Command::Retrieval(args) => retrieval::run(context, &args),
        Command::Review(args) => review::run(context, &args),
        Command::Pending(args) => waiting::list(context, &args),
        Command::Accept(args) => waiting::accept_some(context, &args),
        Command::Reject(args) => waiting::reject_some(context, &args),
        Command::Import(args) => import::run(context, &args),
        Command::Export(args) => export::run(context, &args),
        Command::Judge(args) => judge::run(context, &args),
        Command::Batch(args) => batch::run(context, &args),
        Command::Merge(args) => merge::run(context, &args),
        Command::Models(args) => models::run(context, &args),
        Command::Prune(args) => prune::run(context, &args),
        Command::Render(args) => render::run(context, &args),
        Command::Completions(args) => manual::completions(context, &args),
        Command::Man(args) => manual::man(context, &args),
        Command::Schema(args) => manual::schema(context, &args),
    }
}
