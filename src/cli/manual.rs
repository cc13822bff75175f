//! `promptctl completions`, `man` and `schema`: texts for shells, readers and editors.

use std::io::Read as _;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use flate2::read::DeflateDecoder;

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

/// A schema as the build packed it.
macro_rules! packed {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".schema.json.deflate"))
    };
}

pub(super) fn schema(context: &mut Context, args: &SchemaArgs) -> Result<Exit, Failure> {
    let packed: &[u8] = match args.of {
        SchemaOf::Project => packed!("project"),
        SchemaOf::FrontMatter => packed!("front-matter"),
        SchemaOf::Cases => packed!("cases"),
        SchemaOf::Report => packed!("report"),
        SchemaOf::Events => packed!("events"),
        SchemaOf::Compare => packed!("compare"),
        SchemaOf::Lint => packed!("lint"),
        SchemaOf::Audit => packed!("audit"),
        SchemaOf::Calibration => packed!("calibration"),
        SchemaOf::Split => packed!("split"),
        SchemaOf::Retrieval => packed!("retrieval"),
        SchemaOf::Queries => packed!("queries"),
        SchemaOf::Cost => packed!("cost"),
    };
    let mut text = Vec::new();
    DeflateDecoder::new(packed).read_to_end(&mut text)?;
    context.out().write_all(&text)?;
    Ok(Exit::Good)
}
