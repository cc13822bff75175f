//! `promptctl import FORMAT PATH`: the configuration of another tool becomes a project.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;

use super::context::Context;
use super::failure::Failure;
use super::init;
use crate::case::Selection;
use crate::core::escape::terminal;
use crate::core::path::TreePath;
use crate::core::problem::{Problem, Problems, Severity};
use crate::core::verdict::Exit;
use crate::import::{self, Finding, Imported, Target};
use crate::plan::{Overrides, Workspace};
use crate::project::{CONFIG_FILE, Config, Root, find_project};
use crate::report::{Style, write_problems};
use crate::run::Prepared;
use crate::tree::{Nothing, Overlay, Tree, TreeError, WorkingTree, write};

/// What is read.
#[derive(Debug, Subcommand)]
pub(super) enum Format {
    /// A configuration of promptfoo (promptfooconfig.yaml), with the prompts, tests and files that it names.
    Promptfoo(Common),
    /// A prompt of GitHub Models (`.prompt.yml`), or a folder of them: messages, test data and evaluators.
    GithubModels(Common),
    /// A `.prompt` file of dotprompt (Handlebars), or a folder of them.
    Dotprompt(Common),
    /// A `.prompty` file, of either version, or a folder of them.
    Prompty(Common),
    /// A registry file of openai/evals (`evals/registry/evals/NAME.yaml`) with its samples, or a .jsonl of samples.
    OpenaiEvals(Common),
    /// A table of tests in the columns of promptfoo (`__expected`, `__description`, …; every other one is a variable).
    Csv(Table),
}

/// What a table is given.
#[derive(Debug, clap::Args)]
pub(super) struct Table {
    /// The prompt that the tests are for; it is made where the project has none of that name.
    #[arg(long, value_name = "NAME")]
    prompt: String,
    #[command(flatten)]
    common: Common,
}

/// What every format is given.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// The file, or the folder that holds it.
    path: PathBuf,
    /// The project; left out: the one around the current folder, or else a new one there.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// The folder outside of which no file is read; left out: the one that holds the file.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Show which files would be written and what would not be carried over; write nothing. With `-v`, their contents.
    #[arg(long)]
    dry_run: bool,
    /// Replace what is there under the same names.
    #[arg(long)]
    force: bool,
}

impl Format {
    fn parts(&self) -> (import::Format, &Common) {
        match self {
            Self::Promptfoo(common) => (import::Format::Promptfoo, common),
            Self::GithubModels(common) => (import::Format::GithubModels, common),
            Self::Dotprompt(common) => (import::Format::Dotprompt, common),
            Self::Prompty(common) => (import::Format::Prompty, common),
            Self::OpenaiEvals(common) => (import::Format::OpenaiEvals, common),
            Self::Csv(table) => (import::Format::Csv(table.prompt.clone()), &table.common),
        }
    }
}

pub(super) fn run(context: &mut Context, format: &Format) -> Result<Exit, Failure> {
    let (format, common) = format.parts();
    let (tree, paths) = source(context, common, &format)?;
    let root = target_root(context, common)?;
    let target: Arc<dyn Tree> = match WorkingTree::open(&root) {
        Ok(tree) => Arc::new(tree),
        Err(_) => Arc::new(Nothing::at("a new project")),
    };
    project_must_load(&*target)?;
    let imported = import::read(&format, &tree, &paths, &Target { tree: Arc::clone(&target), replace: common.force })
        .map_err(unreadable)?;
    let changed = changed_files(&target, &imported, common.force)?;
    // All of them are looked at before the first one is written.
    for path in &changed {
        write::fits(&root, path).map_err(|error| cannot_write(&error))?;
    }
    tell(context, &imported)?;
    let warnings = check(&target, &imported)?;
    write_all_problems(context, &warnings)?;
    if common.dry_run {
        for path in &changed {
            let bytes = &imported.files[path];
            writeln!(context.out(), "  would write  {path}  {} bytes", bytes.len())?;
            if context.is_verbose() {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let shown: String = terminal(&text).lines().map(|line| format!("    {line}\n")).collect();
                write!(context.out(), "{shown}")?;
            }
        }
        writeln!(context.out(), "{}", summary(&imported))?;
        return Ok(Exit::Good);
    }
    write_files(&root, &imported.files, &changed)?;
    // Who wants to hear only of what is not good was told on standard error.
    if !context.is_quiet() {
        for path in &changed {
            writeln!(context.out(), "  wrote  {path}")?;
        }
        writeln!(context.out(), "{}", summary(&imported))?;
    }
    Ok(Exit::Good)
}

/// The folder that is read, and the files in it.
fn source(
    context: &Context,
    common: &Common,
    format: &import::Format,
) -> Result<(WorkingTree, Vec<TreePath>), Failure> {
    let shown = common.path.display();
    let cannot = |error: &std::io::Error| Failure::usage(format!("{shown} cannot be read: {error}"));
    let mut full = context.folder().join(&common.path);
    let mut endings: &[&str] = &[];
    if full.is_dir() {
        let names = format.usual_files();
        endings = format.endings();
        match names.iter().map(|name| full.join(name)).find(|file| file.is_file()) {
            Some(found) => full = found,
            None if !endings.is_empty() => {}
            None => {
                let what =
                    if names.is_empty() { String::new() } else { format!(", and holds no {}", names.join(", no ")) };
                return Err(Failure::usage(format!("{shown} is a folder{what}")).help("name the file itself"));
            }
        }
    }
    let real = full.canonicalize().map_err(|error| cannot(&error))?;
    let root = match &common.root {
        Some(root) => context.folder().join(root),
        None => usual_root(&real, format),
    };
    let tree = WorkingTree::open(&root).map_err(|error| cannot(&error))?;
    let real_root = root.canonicalize().map_err(|error| cannot(&error))?;
    let below = real.strip_prefix(&real_root).ok().and_then(|below| {
        let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
        let joined = parts?.join("/");
        if joined.is_empty() { Some(TreePath::root()) } else { TreePath::new(&joined).ok() }
    });
    let Some(below) = below else {
        return Err(Failure::usage(format!("{shown} does not lie below {}", root.display())));
    };
    if endings.is_empty() {
        return Ok((tree, vec![below]));
    }
    let files = tree.list(&below).map_err(|error| Failure::from(error.into_problem()))?;
    // A name that begins with `_` is a part of others.
    let is_meant = |path: &TreePath| {
        endings.iter().any(|ending| path.file_name().ends_with(ending)) && !path.file_name().starts_with('_')
    };
    let files: Vec<TreePath> = files.into_iter().filter(is_meant).collect();
    if files.is_empty() {
        return Err(Failure::usage(format!("{shown} holds no file that ends with {}", endings.join(" or "))));
    }
    Ok((tree, files))
}

/// The folder of what is read; a registry has its samples beside its own folder.
fn usual_root(real: &Path, format: &import::Format) -> PathBuf {
    let own = if real.is_dir() { real } else { real.parent().unwrap_or(Path::new("/")) };
    let is_registry = *format == import::Format::OpenaiEvals && own.file_name().is_some_and(|name| name == "evals");
    if is_registry { own.parent().unwrap_or(own).to_owned() } else { own.to_owned() }
}

fn target_root(context: &Context, common: &Common) -> Result<PathBuf, Failure> {
    if let Some(into) = &common.into {
        return Ok(context.folder().join(into));
    }
    match find_project(context.folder()) {
        Ok(Root::Folder(root)) => Ok(root),
        Ok(Root::Bare(root)) => {
            Err(Failure::usage(format!("{} is a bare repository: it has no files to write", root.display())))
        }
        Err(_) => Ok(context.folder().to_owned()),
    }
}

/// A project that does not load cannot be added to, and its configuration must not be taken for a missing one.
fn project_must_load(target: &dyn Tree) -> Result<(), Failure> {
    let path = TreePath::new(CONFIG_FILE).map_err(Failure::usage)?;
    match target.text(&path) {
        Err(TreeError::Missing(_)) => Ok(()),
        Err(error) => Err(error.into_problem().into()),
        Ok(_) => {
            let mut problems = Problems::default();
            match Config::load(target, &mut problems) {
                Some(_) if !problems.has_errors() => Ok(()),
                _ => Err(problems.into()),
            }
        }
    }
}

fn unreadable(problems: Problems) -> Failure {
    let mut shown = Vec::new();
    // Writing into memory does not fail.
    let _ = write_problems(&mut shown, &problems.sorted(), Style::plain());
    Failure::usage(format!("nothing can be imported\n{}", String::from_utf8_lossy(&shown).trim_end()))
}

/// The files that are new or change. One that exists and differs is only replaced where that was asked for.
fn changed_files(target: &Arc<dyn Tree>, imported: &Imported, force: bool) -> Result<Vec<TreePath>, Failure> {
    let mut changed = Vec::new();
    let mut taken = Vec::new();
    for (path, bytes) in &imported.files {
        match target.read(path, u64::MAX) {
            Ok(known) if known == *bytes => {}
            Ok(_) if !force => taken.push(path.to_string()),
            Ok(_) | Err(TreeError::Missing(_)) => changed.push(path.clone()),
            Err(error) => return Err(error.into_problem().into()),
        }
    }
    if taken.is_empty() {
        return Ok(changed);
    }
    let message = format!("these files exist already and differ; nothing was written: {}", taken.join(", "));
    Err(Failure::usage(message).help("`--force` replaces them; `--into DIR` writes somewhere else"))
}

/// What is lost and what is different, on standard error.
fn tell(context: &mut Context, imported: &Imported) -> Result<(), Failure> {
    let findings = imported.findings.sorted();
    let (lost, noted): (Vec<Finding>, Vec<Finding>) = findings.into_iter().partition(|finding| finding.lost);
    context.flush()?;
    let style = context.error_style();
    for (heading, part) in [("not carried over", lost), ("carried over, but see to it", noted)] {
        if part.is_empty() {
            continue;
        }
        writeln!(context.err(), "{}", style.bold(&format!("{heading}: {}", part.len())))?;
        let problems: Vec<Problem> = part.into_iter().map(|finding| finding.problem).collect();
        write_all_problems(context, &problems)?;
    }
    Ok(())
}

/// All of them, however many there are.
fn write_all_problems(context: &Context, problems: &[Problem]) -> Result<(), Failure> {
    for some in problems.chunks(50) {
        write_problems(&mut context.err(), some, context.error_style())?;
    }
    Ok(())
}

/// Loads the project as it would be; warnings come back. What would not load is not written.
fn check(target: &Arc<dyn Tree>, imported: &Imported) -> Result<Vec<Problem>, Failure> {
    let tree: Arc<dyn Tree> = Arc::new(Overlay::new(Arc::clone(target), imported.files.clone()));
    let mut problems = Problems::default();
    if let Some(workspace) = Workspace::load(Arc::clone(&tree), &mut problems) {
        let prepared = Prepared::new(workspace, &mut problems);
        if !problems.has_errors() {
            let workspace = &prepared.workspace;
            let selected = Selection::default().select(&workspace.prompts, &workspace.cases)?;
            problems.extend(prepared.check_values(&selected));
            if let Err(found) = prepared.plan(&selected, &Overrides { models: Vec::new(), repeat: None }) {
                problems.extend(found);
            }
        }
    }
    let (errors, warnings): (Vec<Problem>, Vec<Problem>) =
        problems.sorted().into_iter().partition(|problem| problem.severity == Severity::Error);
    if errors.is_empty() { Ok(warnings) } else { Err(Failure::Problems(errors)) }
}

fn cannot_write(error: &std::io::Error) -> Failure {
    Failure::usage(format!("the project cannot be written: {error}"))
}

fn write_files(root: &Path, files: &BTreeMap<TreePath, Vec<u8>>, changed: &[TreePath]) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| cannot_write(&error);
    std::fs::create_dir_all(root).map_err(cannot)?;
    for path in changed {
        write::replace(root, path, &files[path]).map_err(cannot)?;
    }
    if changed.iter().any(|path| path.as_str() == CONFIG_FILE) {
        init::ignore(root).map_err(cannot)?;
    }
    Ok(())
}

fn summary(imported: &Imported) -> String {
    let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let lost = match imported.findings.lost_count() {
        0 => "everything was carried over".to_owned(),
        n => count(n, "thing was not carried over", "things were not carried over"),
    };
    format!(
        "{}, {}, {}; {lost}",
        count(imported.prompts, "prompt", "prompts"),
        count(imported.cases, "case", "cases"),
        count(imported.models, "model", "models")
    )
}
