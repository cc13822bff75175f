//! `promptctl export`: a project, or a part of it, in the form of another tool.

use std::path::PathBuf;

use clap::Subcommand;

use super::context::Context;
use super::failure::Failure;
use super::fine_tune;
use super::load::{Project, SelectionArgs};
use super::render::find_models;
use crate::core::path::TreePath;
use crate::core::record::Response;
use crate::core::verdict::Exit;
use crate::export::{self, Answers, Exported};
use crate::plan::{Item, Overrides, Plan};
use crate::recording::Store;
use crate::report::write_problems;
use crate::run::Prepared;
use crate::tree::{Tree as _, TreeError, WorkingTree, write};

/// Write prompts, cases and models in the form of another tool. What it cannot say is listed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Format {
    /// A configuration of promptfoo, with a file of messages for each prompt.
    Promptfoo(Common),
    /// A prompt file of GitHub Models (`.prompt.yml`) for each prompt.
    GithubModels(Common),
    /// A line of JSON for each case on each model, with the messages in the form of OpenAI.
    OpenaiMessages(Messages),
    /// A table with a row for each case on each model: variables and answers.
    Csv(Common),
    FineTune(Box<fine_tune::Args>),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only for this model. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// The folder that is written to.
    #[arg(long, value_name = "DIR", default_value = "exported")]
    into: PathBuf,
    /// Replace files that exist and differ.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct Messages {
    #[command(flatten)]
    common: Common,
    /// End each line with the recorded answer; cases without one are left out.
    #[arg(long)]
    answers: bool,
    /// Nothing but messages and tools in a line, as a fine-tuning job takes it.
    #[arg(long)]
    bare: bool,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let common = match &args.format {
        Format::FineTune(args) => return fine_tune::run(context, args),
        Format::Promptfoo(common) | Format::GithubModels(common) | Format::Csv(common) => common,
        Format::OpenaiMessages(messages) => &messages.common,
    };
    let project = Project::on_disk(context)?;
    let (prepared, _) = project.load()?;
    let renders = matches!(args.format, Format::Csv(_) | Format::OpenaiMessages(_));
    let plan = plan(context, &prepared, common, renders)?;
    let store = project.store();
    let answers = |item: &Item| answer(&prepared, &store, item);
    let workspace = &prepared.workspace;
    let exported = match &args.format {
        Format::Promptfoo(_) => export::promptfoo(workspace, &plan.items),
        Format::GithubModels(_) => export::github_models(workspace, &plan.items),
        Format::Csv(_) | Format::FineTune(_) => export::table(workspace, &plan.items, &answers),
        Format::OpenaiMessages(messages) => {
            let wanted: Option<&Answers<'_>> = if messages.answers { Some(&answers) } else { None };
            export::messages(workspace, &plan.items, wanted, messages.bare)
        }
    };
    write_out(context, common, exported)
}

/// What is exported; where prompts are rendered, only with the documents of their cases.
fn plan(context: &Context, prepared: &Prepared, common: &Common, renders: bool) -> Result<Plan, Failure> {
    let workspace = &prepared.workspace;
    let selected = common.selection.selection(context)?.select(&workspace.prompts, &workspace.cases)?;
    if let (true, Some(lack)) = (renders, super::retrieve::lacks(prepared, &selected).into_iter().next()) {
        return Err(Failure::usage(lack).help("`promptctl test` asks for it; then the cases can be exported"));
    }
    let models = find_models(&workspace.config.models, &common.models)?;
    let models = models.into_iter().map(|entry| entry.alias.clone()).collect();
    let plan = prepared.plan(&selected, &Overrides { models, repeat: None })?;
    if plan.items.is_empty() {
        let message = "nothing to export: the project has no case yet".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    Ok(plan)
}

/// The recorded answer to the request as it is now.
fn answer(prepared: &Prepared, store: &Store, item: &Item) -> Option<Response> {
    let workspace = &prepared.workspace;
    let case = &workspace.cases.list[item.case];
    let (prompt, model) = (&workspace.prompt_of(case).name, &workspace.config.models[item.model].alias);
    // What is damaged is told by `test`.
    store.find(prompt, model, item.keys.first()?).ok()?.map(|line| line.response)
}

fn write_out(context: &mut Context, common: &Common, exported: Exported) -> Result<Exit, Failure> {
    let root = context.folder().join(&common.into);
    let cannot =
        |error: std::io::Error| Failure::usage(format!("{} cannot be written: {error}", common.into.display()));
    std::fs::create_dir_all(&root).map_err(cannot)?;
    let there = WorkingTree::open(&root).map_err(cannot)?;
    let mut changed: Vec<&TreePath> = Vec::new();
    let mut taken = Vec::new();
    for (path, bytes) in &exported.files {
        match there.read(path, u64::MAX) {
            Ok(known) if known == *bytes => {}
            Ok(_) if !common.force => taken.push(path.to_string()),
            Ok(_) | Err(TreeError::Missing(_)) => changed.push(path),
            Err(error) => return Err(error.into_problem().into()),
        }
    }
    if !taken.is_empty() {
        let message = format!("these files exist already and differ; nothing was written: {}", taken.join(", "));
        return Err(Failure::usage(message).help("`--force` replaces them; `--into DIR` writes somewhere else"));
    }
    for path in &changed {
        write::replace(&root, path, &exported.files[*path]).map_err(cannot)?;
        writeln!(context.out(), "  wrote  {}/{path}", common.into.display())?;
    }
    let findings = exported.findings.sorted();
    let lost = findings.len();
    context.flush()?;
    for some in findings.chunks(50) {
        write_problems(&mut context.err(), some, context.error_style())?;
    }
    let left = match lost {
        0 => "everything was said".to_owned(),
        1 => "1 thing could not be said".to_owned(),
        n => format!("{n} things could not be said"),
    };
    let cases = if exported.cases == 1 { "1 case".to_owned() } else { format!("{} cases", exported.cases) };
    writeln!(context.out(), "{cases} exported; {left}")?;
    Ok(Exit::Good)
}
