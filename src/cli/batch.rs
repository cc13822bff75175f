//! `promptctl batch`: hand many requests to a vendor's own engine, and turn its results into recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::load::{Project, SelectionArgs, known_secrets};
use super::render::find_models;
use super::test::{journal_name, put_away};
use crate::core::escape::terminal_line;
use crate::core::names::{ModelAlias, RequestKey};
use crate::core::problem::{Place, Problems};
use crate::core::record::Response;
use crate::core::time::{Clock as _, rfc3339};
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::model::Batch;
use crate::plan::{Overrides, Plan};
use crate::project::ModelEntry;
use crate::recording::{Journal, JournalError, Line};
use crate::run::Prepared;

/// Hand requests to a vendor's batch engine, and bring back its answers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Export(ExportArgs),
    Import(ImportArgs),
}

/// Write the requests that are not recorded as a batch file of OpenAI or Anthropic.
#[derive(Debug, clap::Args)]
struct ExportArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// The model to ask.
    #[arg(long, value_name = "ALIAS")]
    model: String,
    /// The file to write; a number is added where the vendor's limits want several. Left out: standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Export every request, recorded or not.
    #[arg(long)]
    refresh: bool,
}

/// Record the answers of a vendor's result file: all of them, or none where a line is wrong.
#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The result file that the vendor wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The model that answered; left out: every model of the project that was asked the same.
    #[arg(long, value_name = "ALIAS")]
    model: Option<String>,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Export(args) => export(context, args),
        Command::Import(args) => import(context, args),
    }
}

fn export(context: &mut Context, args: &ExportArgs) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    let (prepared, _) = project.load()?;
    let workspace = &prepared.workspace;
    let models = find_models(&workspace.config.models, std::slice::from_ref(&args.model))?;
    let [entry] = models.as_slice() else {
        return Err(Failure::usage(format!("`{}` names {} models; name one", args.model, models.len())));
    };
    let batch = Batch::of(entry)?;
    let selected = args.selection.selection(context)?.select(&workspace.prompts, &workspace.cases)?;
    // What a run would ask of this model; a prompt that is named is asked of it in any case.
    let named = !args.selection.prompts.is_empty();
    let models = if named { vec![entry.alias.clone()] } else { Vec::new() };
    if let Some(lack) = super::retrieve::lacks(&prepared, &selected).into_iter().next() {
        return Err(
            Failure::usage(lack).help("`promptctl test` asks for it; then its answers can be asked for in a batch")
        );
    }
    let mut plan = prepared.plan(&selected, &Overrides { models, repeat: None })?;
    plan.items.retain(|item| workspace.config.models[item.model].alias == entry.alias);
    if plan.items.is_empty() {
        let failure = Failure::usage(format!("no prompt is tested on `{}`", entry.alias));
        return Err(failure.help("name prompts, or name the model under `models:` of a prompt or of `defaults:`"));
    }
    let store = project.store();
    let mut wanted: BTreeMap<&RequestKey, usize> = BTreeMap::new();
    let mut recorded = 0;
    for item in &plan.items {
        let prompt = &workspace.prompt_of(&workspace.cases.list[item.case]).name;
        for key in &item.keys {
            if !args.refresh && store.find(prompt, &entry.alias, key)?.is_some() {
                recorded += 1;
            } else {
                wanted.insert(key, item.case);
            }
        }
    }
    if wanted.is_empty() {
        writeln!(context.err(), "nothing to export: all {recorded} answers are recorded")?;
        return Ok(Exit::Good);
    }
    let count = wanted.len();
    let mut requests = Vec::with_capacity(count);
    for (key, case) in wanted {
        requests.push((key, workspace.request(&workspace.cases.list[case], entry)?));
    }
    let files = batch.files(requests.into_iter());
    let Some(out) = &args.out else {
        let [file] = files.as_slice() else {
            let failure = Failure::usage(format!("the vendor's limits make {} files necessary", files.len()));
            return Err(failure.help("name a file with --out"));
        };
        context.out().write_all(file.as_bytes())?;
        return Ok(Exit::Good);
    };
    for (number, file) in files.iter().enumerate() {
        let path = numbered(&context.folder().join(out), number);
        write_whole(&path, file)
            .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))?;
        writeln!(context.err(), "{}", terminal_line(&path.display().to_string()))?;
    }
    let files = counted(files.len() as u64, "file", "files");
    writeln!(context.err(), "{count} requests in {files}; {recorded} answers are recorded already")?;
    Ok(Exit::Good)
}

/// `requests.jsonl`, `requests-2.jsonl`, …
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{}{ending}", number + 1))
}

/// A file that is there whole, or not at all.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// A model that takes batches, and which of the project's cases each of its requests belongs to.
struct Target<'p> {
    entry: &'p ModelEntry,
    batch: Batch,
    cases: BTreeMap<RequestKey, Vec<(usize, u32)>>,
}

fn targets<'p>(prepared: &'p Prepared, only: Option<&ModelAlias>) -> Result<Vec<Target<'p>>, Problems> {
    let workspace = &prepared.workspace;
    let all: Vec<usize> = (0..workspace.cases.list.len()).collect();
    let mut targets = Vec::new();
    for entry in workspace.config.models.iter().filter(|entry| only.is_none_or(|alias| entry.alias == *alias)) {
        let batch = match Batch::of(entry) {
            Ok(batch) => batch,
            Err(found) if only.is_some() => return Err(found),
            Err(_) => continue,
        };
        // A model that one prompt cannot be sent to may still have been asked about the others.
        let overrides = Overrides { models: vec![entry.alias.clone()], repeat: None };
        let plan = Plan::new(workspace, &all, &overrides, &|_, _| Ok(()))?;
        let mut cases: BTreeMap<RequestKey, Vec<(usize, u32)>> = BTreeMap::new();
        for item in &plan.items {
            for (sample, key) in (0..).zip(&item.keys) {
                cases.entry(key.clone()).or_default().push((item.case, sample));
            }
        }
        targets.push(Target { entry, batch, cases });
    }
    Ok(targets)
}

fn import(context: &mut Context, args: &ImportArgs) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    let (prepared, _) = project.load()?;
    let workspace = &prepared.workspace;
    let shown = args.file.display().to_string();
    let text = std::fs::read_to_string(context.folder().join(&args.file))
        .map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    let text = text.trim_start_matches('\u{feff}');
    let secrets = known_secrets(&Environment::load(&project)?, &workspace.config.models);
    if secrets.found_in(text) {
        let failure = Failure::usage(format!("{shown} holds a key that this project uses; nothing was imported"));
        return Err(failure.help("remove it from the file, and revoke it if others have the file"));
    }
    let only = match &args.model {
        Some(alias) => find_models(&workspace.config.models, std::slice::from_ref(alias))?.first().map(|e| &e.alias),
        None => None,
    };
    if text.trim().is_empty() || text.trim_start().starts_with("{\"requests\"") {
        let what = if text.trim().is_empty() {
            "is empty"
        } else {
            "holds the requests, as `promptctl batch export` wrote them"
        };
        return Err(
            Failure::usage(format!("{shown} {what}")).help("import takes the file of results that the vendor wrote")
        );
    }
    let targets = targets(&prepared, only)?;
    if targets.is_empty() {
        return Err(
            Failure::usage("no model of this project has batches").help("openai, openai-responses and anthropic have")
        );
    }
    let now = rfc3339(context.take_clock().now());
    let mut problems = Problems::default();
    let mut seen = BTreeSet::new();
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let place = Place::Line(shown.clone(), number);
        match read(&targets, line) {
            Err(why) => problems.error(place, why),
            Ok((key, _)) if !seen.insert(key.clone()) => {
                problems.error(place, format!("the custom_id `{key}` stands here a second time"));
            }
            Ok((_, Err(why))) => refused.push(format!("{shown}:{number}: {why}")),
            Ok((key, Ok(response))) => {
                for target in &targets {
                    for (case, sample) in target.cases.get(&key).into_iter().flatten() {
                        let case = &workspace.cases.list[*case];
                        let request = workspace.request(case, target.entry)?;
                        let line = Line {
                            key: key.clone(),
                            case: case.name.clone(),
                            sample: *sample,
                            model: target.entry.alias.clone(),
                            check: None,
                            turn: None,
                            experiment: None,
                            request: workspace.config.recordings.requests.then_some(request),
                            response: (*response).clone(),
                            recorded_at: now.clone(),
                        };
                        lines.push((workspace.prompt_of(case).name.clone(), line));
                    }
                }
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let count = seen.len() - refused.len();
    // Through a journal that is whole or not there: a process that is killed in the midst leaves nothing half done.
    let journal = match Journal::whole(&project.root, &journal_name(), secrets, &lines) {
        Ok(journal) => journal,
        Err(JournalError::Io(error)) => return Err(error.into()),
        Err(refused @ JournalError::Secret { .. }) => return Err(Failure::usage(refused.to_string())),
    };
    put_away(&project.root, journal)?;
    writeln!(context.out(), "{count} answers imported")?;
    for why in &refused {
        writeln!(context.err(), "no answer: {}", terminal_line(why))?;
    }
    Ok(if refused.is_empty() { Exit::Good } else { Exit::Errored })
}

type Read = (RequestKey, Result<Box<Response>, String>);

/// What stands on a line: the request must be one of the project as it is now.
fn read(targets: &[Target<'_>], line: &str) -> Result<Read, String> {
    let mut first = None;
    for target in targets {
        let result = match target.batch.result(line) {
            Ok(result) => result,
            Err(why) => {
                first.get_or_insert(why.to_string());
                continue;
            }
        };
        if target.cases.contains_key(&result.key) {
            return Ok((result.key, result.answer.map(Box::new)));
        }
        let key = &result.key;
        first = Some(format!("no case of this project sends the request `{key}`: it changed since the export"));
    }
    Err(first.unwrap_or_else(|| "no model of this project has batches".to_owned()))
}
