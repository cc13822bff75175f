//! `promptctl list`: what there is.

use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::load::{Project, SelectionArgs};
use crate::core::escape::terminal_line;
use crate::core::names::ModelAlias;
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::plan::Workspace;
use crate::prompt::Prompt;

/// List prompts with their versions, models and numbers of cases.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,
    /// List the cases too.
    #[arg(long = "cases")]
    with_cases: bool,
    /// Read the project at this commit, tag or branch.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let (prepared, _) = Project::find(context, args.at.as_deref())?.load()?;
    let workspace = prepared.workspace;
    let selection = args.selection.selection(context)?;
    let prompts = selection.prompts(&workspace.prompts)?;
    let cases = selection.select(&workspace.prompts, &workspace.cases)?;
    let listed: Vec<(&Prompt, Vec<usize>)> = prompts
        .iter()
        .map(|i| {
            (
                &workspace.prompts.list[*i],
                cases.iter().copied().filter(|c| workspace.cases.list[*c].prompt == *i).collect(),
            )
        })
        .collect();
    if args.json {
        return print_json(context, &workspace, &listed);
    }
    let width = listed.iter().map(|(prompt, _)| prompt.name.as_str().len()).max().unwrap_or(0);
    let style = context.style();
    for (prompt, cases) in &listed {
        let version = prompt.front.version.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let models: Vec<&str> = models_of(&workspace, prompt).iter().map(ModelAlias::as_str).collect();
        let description = prompt.front.description.as_deref().unwrap_or_default();
        let name = style.bold(&format!("{:width$}", prompt.name));
        let count = counted(cases.len() as u64, "case", "cases");
        let line = format!(
            "{name}  {version:8}  {}  {count:>10}  {}  {}",
            &prompt.digest[..12],
            models.join(","),
            terminal_line(description)
        );
        writeln!(context.out(), "{}", line.trim_end())?;
        if args.with_cases {
            for case in cases.iter().map(|i| &workspace.cases.list[*i]) {
                let tags: Vec<String> = case.tags.iter().map(|tag| format!("#{}", terminal_line(tag))).collect();
                writeln!(context.out(), "{}", format!("  {}  {}", case.name, style.dim(&tags.join(" "))).trim_end())?;
            }
        }
    }
    let count = listed.iter().map(|(_, cases)| cases.len()).sum::<usize>();
    let total = format!("{} prompts, {count} cases, {} models", listed.len(), workspace.config.models.len());
    writeln!(context.out(), "{}", style.dim(&total))?;
    Ok(Exit::Good)
}

fn models_of<'a>(workspace: &'a Workspace, prompt: &'a Prompt) -> &'a [ModelAlias] {
    prompt.front.models.as_deref().unwrap_or(&workspace.config.defaults.models)
}

fn print_json(context: &mut Context, workspace: &Workspace, listed: &[(&Prompt, Vec<usize>)]) -> Result<Exit, Failure> {
    let prompts: Vec<_> = listed
        .iter()
        .map(|(prompt, cases)| {
            let cases: Vec<_> = cases
                .iter()
                .map(|i| &workspace.cases.list[*i])
                .map(|case| json!({"name": case.name, "tags": &*case.tags, "repeat": case.repeat}))
                .collect();
            json!({
                "name": prompt.name,
                "path": prompt.path,
                "version": prompt.front.version.as_ref().map(ToString::to_string),
                "description": prompt.front.description,
                "digest": prompt.digest,
                "models": models_of(workspace, prompt),
                "partials": prompt.partials,
                "cases": cases,
            })
        })
        .collect();
    let document = json!({"version": 1, "prompts": prompts});
    context.print_json(&document)?;
    Ok(Exit::Good)
}
