//! `promptctl render`: what a model would be shown.

use std::io::Write as _;

use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::load::{Project, SelectionArgs};
use super::past;
use crate::core::escape::{terminal, terminal_line};
use crate::core::verdict::Exit;
use crate::plan::Overrides;
use crate::project::ModelEntry;

/// Print the messages that a prompt's cases are sent as. Nothing is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Render for this model instead of the prompt's own. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// Read the project at this commit, tag or branch. `PROMPT@1.2.0` renders one prompt as it was at a version.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Print whole requests as JSON, with their keys.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let mut selection = args.selection.selection(context)?;
    let project = match &selection.prompts[..] {
        [one] if one.contains('@') && args.at.is_none() => {
            let found = past::project_at(context, one)?;
            selection.prompts = vec![found.name.to_string()];
            found.project
        }
        several if several.iter().any(|pattern| pattern.contains('@')) => {
            return Err(Failure::usage("a prompt at a version is rendered alone: `promptctl render PROMPT@1.2.0`"));
        }
        _ => Project::find(context, args.at.as_deref())?,
    };
    let (prepared, _) = project.load()?;
    let workspace = &prepared.workspace;
    let selected = selection.select(&workspace.prompts, &workspace.cases)?;
    for note in super::retrieve::lacks(&prepared, &selected) {
        writeln!(context.err(), "note: {}", terminal_line(&note))?;
    }
    let models = find_models(&workspace.config.models, &args.models)?;
    let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
    let plan = prepared.plan(&selected, &Overrides { models, repeat: None })?;
    if plan.items.is_empty() {
        let message = "nothing to render: the project has no case yet".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    let mut documents = Vec::new();
    // The log of a pipeline is a pipe, too, and takes some lines for commands.
    let is_shown = context.out_is_terminal() || context.is_ci();
    let style = context.style();
    for item in &plan.items {
        let case = &workspace.cases.list[item.case];
        let entry = &workspace.config.models[item.model];
        let prompt = workspace.prompt_of(case);
        let request = workspace.request(case, entry)?;
        if args.json {
            documents.push(json!({
                "prompt": prompt.name, "case": case.name, "model": entry.alias,
                "version": prompt.front.version.as_ref().map(ToString::to_string),
                "digest": prompt.digest, "keys": item.keys, "request": request,
            }));
            continue;
        }
        let title = format!("{} › {} › {}", prompt.name, case.name, entry.alias);
        writeln!(context.out(), "{}", style.bold(&terminal_line(&title)))?;
        for message in &request.messages {
            // A file or a pipe gets the bytes; a terminal gets nothing that could move its cursor.
            let text = message.shown();
            let shown = if is_shown { terminal(&text) } else { text.as_str().into() };
            writeln!(context.out(), "{}\n{shown}", style.dim(&format!("[{}]", message.role.name())))?;
        }
        writeln!(context.out())?;
    }
    if args.json {
        context.print_json(&json!(documents))?;
    }
    Ok(Exit::Good)
}

/// The models of these aliases; an unknown one is an error with the nearest known one.
pub(super) fn find_models<'a>(models: &'a [ModelEntry], aliases: &[String]) -> Result<Vec<&'a ModelEntry>, Failure> {
    let mut found: Vec<&ModelEntry> = Vec::new();
    for alias in aliases.iter().flat_map(|alias| alias.split(',')).map(str::trim) {
        match models.iter().find(|entry| entry.alias.as_str() == alias) {
            Some(entry) if found.iter().any(|known| known.alias == entry.alias) => {}
            Some(entry) => found.push(entry),
            None => {
                let known: Vec<&str> = models.iter().map(|entry| entry.alias.as_str()).collect();
                let hint = crate::core::suggest::did_you_mean(alias, known.iter().copied());
                let failure = Failure::Message {
                    exit: Exit::Nothing,
                    message: format!("promptctl.yaml has no model `{alias}`{hint}"),
                    help: Some(format!("models: {}", known.join(", "))),
                };
                return Err(failure);
            }
        }
    }
    Ok(found)
}
