//! `promptctl import`: what other tools have becomes a project; answers that exist already become recordings.

use std::path::PathBuf;

use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::import_project;
use super::load::{Project, known_secrets};
use super::render::find_models;
use crate::case::Selection;
use crate::core::problem::{Place, Problem};
use crate::core::redact::key_shape;
use crate::core::time::{Clock as _, rfc3339};
use crate::core::verdict::Exit;
use crate::recording::{ImportTarget, SettleError, import, recorded_path, settle};

/// Take over what another tool has: its prompts, tests and models as a project, or answers as recordings.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Without a format, FILE holds answers that exist already, as JSON lines; they are recorded, all or none."
)]
pub(super) struct Args {
    #[command(subcommand)]
    format: Option<import_project::Format>,
    #[command(flatten)]
    answers: Option<Answers>,
}

/// Answers that exist already.
#[derive(Debug, clap::Args)]
struct Answers {
    /// Answers to be recorded: each line names its case (`case`, or `vars`) and carries `output`.
    file: PathBuf,
    /// The prompt that was asked.
    #[arg(long, value_name = "NAME")]
    prompt: String,
    /// The model that answered.
    #[arg(long, value_name = "ALIAS")]
    model: String,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    match (&args.format, &args.answers) {
        (Some(format), _) => import_project::run(context, format),
        (None, Some(answers)) => record(context, answers),
        // clap asks for the file where there is no format.
        (None, None) => Err(Failure::usage("import needs a format and a path, or a file of answers")),
    }
}

fn record(context: &mut Context, args: &Answers) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    let (prepared, _) = project.load()?;
    let workspace = prepared.workspace;
    let selection = Selection { prompts: vec![args.prompt.clone()], ..Selection::default() };
    let prompts = selection.prompts(&workspace.prompts)?;
    let [prompt] = prompts.as_slice() else {
        return Err(Failure::usage(format!("`{}` names {} prompts; name one", args.prompt, prompts.len())));
    };
    let prompt_name = workspace.prompts.list[*prompt].name.clone();
    let models = find_models(&workspace.config.models, std::slice::from_ref(&args.model))?;
    let [entry] = models.as_slice() else {
        return Err(Failure::usage(format!("`{}` names {} models; name one", args.model, models.len())));
    };
    let shown = args.file.display().to_string();
    let text = std::fs::read_to_string(context.folder().join(&args.file))
        .map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    if known_secrets(&Environment::load(&project)?, &workspace.config.models).found_in(&text) {
        let failure = Failure::usage(format!("{shown} holds a key that this project uses; nothing was imported"));
        return Err(failure.help("remove it from the file, and revoke it if others have the file"));
    }
    let cases: Vec<_> = workspace.cases.list.iter().filter(|case| case.prompt == *prompt).collect();
    let targets: Vec<ImportTarget> = cases
        .iter()
        .map(|case| ImportTarget { name: case.name.clone(), variables: case.variables.canonical() })
        .collect();
    let now = rfc3339(context.take_clock().now());
    let request = |index: usize| workspace.request(cases[index], entry);
    let keep = workspace.config.recordings.requests;
    let lines = import(&shown, &text, &entry.alias, &targets, keep, &now, &request)?;
    for line in &lines {
        if let Some((shape, _)) = key_shape(&line.response.text) {
            let place = Place::File(shown.clone());
            let message =
                format!("the answer of case `{}` seems to hold {shape}, and is therefore not recorded", line.case);
            return Err(Problem::error(place, message).into());
        }
    }
    let count = lines.len();
    settle(&project.root, lines.into_iter().map(|line| (prompt_name.clone(), line)).collect()).map_err(|error| {
        match error {
            SettleError::Damaged(problems) => Failure::from(problems),
            other => Failure::usage(other.to_string()),
        }
    })?;
    let path = recorded_path(&prompt_name, &entry.alias);
    writeln!(context.out(), "{count} answers imported into {path}")?;
    Ok(Exit::Good)
}
