//! `promptctl completions`, `man` and `schema`: texts for shells, readers and editors.

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use super::context::Context;
use super::failure::Failure;
use crate::core::verdict::Exit;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Print the manual page, of the whole or of one command.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The command; left out: promptctl itself.
    command: Option<String>,
}

/// Print a JSON Schema, for editors and other tools.
#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {
    /// Which one.
    of: SchemaOf,
}

/// What a JSON Schema describes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SchemaOf {
    /// promptctl.yaml
    Project,
    /// The front matter of a prompt
    FrontMatter,
    /// cases.yaml
    Cases,
    /// The report of `test --report json`
    Report,
    /// The lines of `test --report jsonl`
    Events,
    /// The report of `compare --report json`
    Compare,
    /// The output of `judge calibrate --json`
    Calibration,
    /// The report of `cost --report json`
    Cost,
    /// Golden queries of a retriever: `fixtures/_retrieval/NAME.yaml`
    Queries,
    /// The report of `retrieval test --report json`
    Retrieval,
    /// The report of `lint --report json`
    Lint,
    /// The report of `audit --report json`
    Audit,
    /// The split.json of `export fine-tune`
    Split,
}

pub(super) fn completions(context: &mut Context, args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "promptctl", &mut script);
    context.out().write_all(&script)?;
    Ok(Exit::Good)
}

pub(super) fn man(context: &mut Context, args: &ManArgs) -> Result<Exit, Failure> {
    let mut root = super::Cli::command();
    root.build();
    let command = match &args.command {
        None => root,
        Some(name) => match root.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let names: Vec<&str> = root.get_subcommands().map(clap::Command::get_name).collect();
                let hint = crate::core::suggest::did_you_mean(name, names.iter().copied());
                return Err(Failure::usage(format!("there is no command `{name}`{hint}")));
            }
        },
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    context.out().write_all(&page)?;
    Ok(Exit::Good)
}

pub(super) fn schema(context: &mut Context, args: &SchemaArgs) -> Result<Exit, Failure> {
    let text = match args.of {
        SchemaOf::Project => include_str!("../../docs/schema/project.schema.json"),
        SchemaOf::FrontMatter => include_str!("../../docs/schema/front-matter.schema.json"),
        SchemaOf::Cases => include_str!("../../docs/schema/cases.schema.json"),
        SchemaOf::Report => include_str!("../../docs/schema/report.schema.json"),
        SchemaOf::Events => include_str!("../../docs/schema/events.schema.json"),
        SchemaOf::Compare => include_str!("../../docs/schema/compare.schema.json"),
        SchemaOf::Lint => include_str!("../../docs/schema/lint.schema.json"),
        SchemaOf::Audit => include_str!("../../docs/schema/audit.schema.json"),
        SchemaOf::Calibration => include_str!("../../docs/schema/calibration.schema.json"),
        SchemaOf::Split => include_str!("../../docs/schema/split.schema.json"),
        SchemaOf::Retrieval => include_str!("../../docs/schema/retrieval.schema.json"),
        SchemaOf::Queries => include_str!("../../docs/schema/queries.schema.json"),
        SchemaOf::Cost => include_str!("../../docs/schema/cost.schema.json"),
    };
    context.out().write_all(text.as_bytes())?;
    Ok(Exit::Good)
}
