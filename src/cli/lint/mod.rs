//! `promptctl lint`: prompt debt, found and counted.

mod debt;
mod mend;
mod past;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use self::debt::prices;
use self::mend::tell;
use self::past::{evidence, note, since};
use crate::case::Selection;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::load::Project;
use crate::cli::reports::folder_of;
use crate::cli::sink::{self, Piped};
use crate::core::names::{ModelAlias, PromptName};
use crate::core::problem::Problems;
use crate::core::suggest::did_you_mean;
use crate::core::verdict::Exit;
use crate::lint::{Evidence, Finding, Linted, Rule, Settings, covered, explained, find, lint};
use crate::plan::{Overrides, Workspace};
use crate::project::{Compare, Level};
use crate::recording::Store;
use crate::report::{
    LintNotes, Style, write_coverage, write_github_lint, write_lint, write_lint_json, write_rule, write_sarif,
    write_waivers,
};
use crate::run::Prepared;
use crate::snapshot::{Index, snapshot_path};
use crate::tree::Tree;

/// Find prompt debt: what makes prompts hard to keep, each with a reason and what to do. Asks no model.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    /// Prompts: a name, a glob or a path. Left out: all of them.
    #[arg(value_name = "PROMPT")]
    prompts: Vec<String>,
    /// Only this rule: a code or a name. May be given several times.
    #[arg(long = "rule", value_name = "CODE")]
    rules: Vec<String>,
    /// Also find what another engine makes otherwise of a template, for applications that render prompts with it (W35).
    #[arg(long, value_name = "ENGINE")]
    compat: Option<Compat>,
    /// Leave out what is found at this commit, tag or branch, too: only what is new.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Read the project at this commit, tag or branch.
    #[arg(long, value_name = "REV", conflicts_with = "fix")]
    at: Option<String>,
    /// Mend what needs nobody to decide anything.
    #[arg(long)]
    fix: bool,
    /// With --fix: only say what would be mended.
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// From which severity on findings fail (exit code 1).
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Report as human, json, sarif or github, to standard output or into a file. May be given several times.
    #[arg(long = "report", value_name = "FORMAT[=PATH]")]
    reports: Vec<Report>,
    /// Show the templates, and which of their lines a case renders.
    #[arg(long, conflicts_with_all = ["fix", "reports", "base", "rules", "waivers"])]
    coverage: bool,
    /// List what was found as debt: since when it is there, who wrote it, and what a request of its prompt costs, the oldest first.
    #[arg(long, conflicts_with_all = ["fix", "coverage", "waivers"])]
    debt: bool,
    /// List the waivers, and what they waive.
    #[arg(long, conflicts_with_all = ["fix", "reports", "base"])]
    waivers: bool,
    /// Explain a rule.
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Compat {
    /// Python's Jinja2
    Jinja2,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Info,
}

impl From<FailOn> for Level {
    fn from(level: FailOn) -> Self {
        match level {
            FailOn::Error => Self::Error,
            FailOn::Warning => Self::Warning,
            FailOn::Info => Self::Info,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Human,
    Json,
    Sarif,
    Github,
}

#[derive(Clone, Debug)]
struct Report {
    format: Format,
    path: Option<PathBuf>,
}

impl FromStr for Report {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const ALL: [(&str, Format); 4] =
            [("human", Format::Human), ("json", Format::Json), ("sarif", Format::Sarif), ("github", Format::Github)];
        let (name, path) = match text.split_once('=') {
            Some((_, "")) => return Err("the path is empty".into()),
            Some((name, path)) => (name, Some(PathBuf::from(path))),
            None => (text, None),
        };
        let names = ALL.map(|(name, _)| name);
        let known = ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, format)| Self { format: *format, path }).ok_or_else(|| {
            let hint = did_you_mean(name, names);
            format!("there is no report format `{name}`; there are {}{hint}", names.join(", "))
        })
    }
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    if let Some(name) = &args.explain {
        let (rule, style) = (explained(name).map_err(no_rule)?, context.style());
        write_rule(context.out(), rule, style)?;
        return Ok(Exit::Good);
    }
    let wanted = args.rules.iter().map(|name| find(name).map_err(no_rule)).collect::<Result<Vec<_>, _>>()?;
    if args.reports.iter().filter(|report| report.path.is_none()).count() > 1 {
        return Err(Failure::usage("two reports cannot share standard output; give one of them a path"));
    }
    let paths: Vec<Option<&PathBuf>> = args.reports.iter().map(|report| report.path.as_ref()).collect();
    let mut files = sink::open_paths(context, &paths)?;
    let project = Project::find(context, args.at.as_deref())?;
    let folder = folder_of(&project.root);
    let looked = look(context, args, &project, &wanted);
    if args.coverage || args.waivers {
        return looked.map(|looked| looked.exit);
    }
    let (Looked { linted, notes, exit }, refused) = match looked {
        Ok(looked) => (looked, None),
        // Who reads a report and nothing else must not take it for clean.
        Err(Failure::Problems(problems)) if !args.reports.is_empty() => {
            let linted = Linted::refused(&problems).bounded();
            let fail_on = args.fail_on.map_or(Level::Error, Level::from);
            let notes = LintNotes::new(None, Exit::Usage, fail_on);
            (Looked { linted, notes, exit: Exit::Usage }, Some(Failure::Problems(problems)))
        }
        Err(failure) => return Err(failure),
    };
    let mut failed = Ok(());
    let mut on_stdout = None;
    for (report, file) in args.reports.iter().zip(&mut files) {
        match file {
            Some(file) => {
                failed = failed.and(one(file, report.format, &linted, &notes, &folder).and_then(|()| file.flush()));
            }
            None => on_stdout = Some(report.format),
        }
    }
    let (style, quiet) = (context.style(), context.is_quiet());
    let out = &mut Piped::new(context.out());
    match on_stdout.unwrap_or(Format::Human) {
        // It is said on standard error, too.
        Format::Human if refused.is_some() => {}
        Format::Human if quiet && linted.findings.is_empty() && linted.skipped.is_empty() => {}
        Format::Human => write_lint(out, &linted, &notes, style)?,
        format => failed = failed.and(one(out, format, &linted, &notes, &folder)),
    }
    sink::unless_failed(failed)?;
    refused.map_or(Ok(exit), Err)
}

/// What was found, and what is said beside it.
struct Looked {
    linted: Linted,
    notes: LintNotes,
    exit: Exit,
}

/// Looks at a project. Coverage and waivers are shown at once.
fn look(context: &mut Context, args: &Args, project: &Project, wanted: &[&'static Rule]) -> Result<Looked, Failure> {
    let (prepared, _) = project.load()?;
    let prices = if args.debt { prices(project, &prepared)? } else { BTreeMap::new() };
    let workspace = prepared.workspace;
    let selected = select(&workspace, &args.prompts)?;
    let mut settings = settings(&workspace)?;
    settings.fail_on = args.fail_on.map_or(settings.fail_on, Level::from);
    if !wanted.is_empty() {
        settings = settings.only(wanted);
    }
    if let Some(Compat::Jinja2) = args.compat {
        settings = settings.also(find("W35").map_err(no_rule)?, Level::Warning);
    }
    rendered(&workspace, &selected)?;
    if args.coverage {
        let (files, style) = (covered(&workspace, &selected), context.style());
        write_coverage(&mut Piped::new(context.out()), &files, style)?;
        let notes = LintNotes::new(None, Exit::Good, settings.fail_on);
        return Ok(Looked { linted: Linted::default(), notes, exit: Exit::Good });
    }
    let evidence = evidence(context, project, &workspace, &selected, (args.at.as_deref(), args.base.as_deref()))?;
    let look = Pass { project, args, evidence: &evidence, settings: &settings };
    let known = look.known(context)?;
    let mended = if args.fix { look.mend(known.as_ref())? } else { BTreeMap::new() };
    let mended = tell(context, project, &mended, args.dry_run)?;
    let (mut linted, count) = match mended {
        Some(tree) => look.pass(tree, known.as_ref())?.1,
        None => look.of(&workspace, &selected, known.as_ref())?,
    };
    if args.waivers {
        // What is not shown does not fail.
        linted.findings.retain(Finding::is_of_waivers);
    }
    let dated = since(&project.root, args.at.as_deref().unwrap_or("HEAD"), &linted, args.debt);
    linted.date(args.debt, &note(context, "how old findings are", dated)?, &evidence.today);
    linted.price(&prices);
    let exit = if linted.fails(settings.fail_on) {
        Exit::Failed
    } else if linted.prompts == 0 && !args.waivers {
        // What was skipped did not pass.
        Exit::Nothing
    } else {
        Exit::Good
    };
    if args.waivers {
        let style = context.style();
        write_waivers(&mut Piped::new(context.out()), &linted, style)?;
    }
    let base = args.base.clone().map(|base| (base, count));
    let notes = LintNotes { is_debt: args.debt, ..LintNotes::new(base, exit, settings.fail_on) };
    Ok(Looked { linted, notes, exit })
}

fn no_rule(why: String) -> Failure {
    Failure::usage(why).help("docs/linting.md lists the rules")
}

fn select(workspace: &Workspace, prompts: &[String]) -> Result<Vec<usize>, Failure> {
    let selection = Selection { prompts: prompts.to_vec(), ..Selection::default() };
    let selected = selection.prompts(&workspace.prompts)?;
    if selected.is_empty() {
        let message = "there is no prompt to look at".to_owned();
        let help = Some("a prompt is a file prompts/NAME.j2; `promptctl init` writes one".to_owned());
        return Err(Failure::Message { exit: Exit::Nothing, message, help });
    }
    Ok(selected)
}

fn settings(workspace: &Workspace) -> Result<Settings, Failure> {
    let mut problems = Problems::default();
    let settings = Settings::new(&workspace.config, &mut problems);
    if problems.is_empty() { Ok(settings) } else { Err(problems.into()) }
}

/// What cannot be rendered cannot be looked at.
fn rendered(workspace: &Workspace, selected: &[usize]) -> Result<(), Failure> {
    use rayon::prelude::*;
    let is_selected = |case: &&crate::case::Case| selected.binary_search(&case.prompt).is_ok();
    // What a retriever found is no mistake of the project.
    let is_own = |case: &&crate::case::Case| case.retrieval.as_ref().is_none_or(|found| found.documents().is_none());
    let cases = workspace.cases.list.par_iter().filter(|case| is_selected(case) && is_own(case));
    let found: Vec<_> = cases.filter_map(|case| workspace.messages(case).err()).collect();
    let mut problems = Problems::default();
    for problem in found {
        problems.push(problem);
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}

/// What is damaged, or in conflict, cannot be looked at either: recordings and accepted answers of cases.
fn readable(workspace: &Workspace, selected: &[usize], store: &Store) -> Result<(), Failure> {
    let none = Overrides::default();
    let mut problems = Problems::default();
    let snapshots = Index::load(&*workspace.tree).map_err(Problems::from)?;
    let cases = workspace.cases.list.iter().filter(|case| selected.binary_search(&case.prompt).is_ok());
    let mut seen: BTreeSet<(&PromptName, &ModelAlias)> = BTreeSet::new();
    for case in cases {
        let name = &workspace.prompt_of(case).name;
        for alias in workspace.models_of(case, &none) {
            if seen.insert((name, alias))
                && let Err(found) = store.load(name, alias)
            {
                problems.extend(found);
            }
            let path = snapshot_path(name, &case.name, alias);
            if case.compare != Compare::None
                && let Err(problem) = snapshots.get(&*workspace.tree, &path)
            {
                problems.push(problem);
            }
        }
    }
    if problems.has_errors() { Err(problems.into()) } else { Ok(()) }
}

fn one(out: &mut dyn Write, format: Format, linted: &Linted, notes: &LintNotes, folder: &str) -> std::io::Result<()> {
    match format {
        Format::Human => write_lint(out, linted, notes, Style::plain()),
        Format::Json => write_lint_json(out, linted, notes),
        Format::Sarif => write_sarif(out, linted, folder),
        Format::Github => write_github_lint(out, linted, notes, folder),
    }
}

/// One look at the project, or at what it would be.
struct Pass<'a> {
    project: &'a Project,
    args: &'a Args,
    evidence: &'a Evidence,
    settings: &'a Settings,
}

impl Pass<'_> {
    /// What is found at the base.
    fn known(&self, context: &Context) -> Result<Option<Linted>, Failure> {
        let (Some(revision), Some(before)) = (&self.args.base, &self.evidence.before) else { return Ok(None) };
        let project = Project::find_or_nothing(context, revision)?;
        let evidence = Evidence {
            today: self.evidence.today.clone(),
            flaky: Arc::clone(&self.evidence.flaky),
            results: Arc::clone(&self.evidence.results),
            commits: Arc::clone(&self.evidence.commits),
            ..Evidence::default()
        };
        let all: Vec<usize> = (0..before.prompts.list.len()).collect();
        Ok(Some(lint(before, &project.store(), &evidence, self.settings, &all)))
    }

    /// What is found in a project, without what is known, and how much of that there is.
    fn of(
        &self,
        workspace: &Workspace,
        selected: &[usize],
        known: Option<&Linted>,
    ) -> Result<(Linted, usize), Failure> {
        let store = Store::open(Arc::clone(&workspace.tree));
        readable(workspace, selected, &store)?;
        let mut linted = lint(workspace, &store, self.evidence, self.settings, selected);
        let count = known.map_or(0, |known| linted.subtract(known, &self.evidence.renamed));
        Ok((linted.bounded(), count))
    }

    /// The project as it would be in a tree, with what its retrievers are known to find.
    fn load(&self, tree: Arc<dyn Tree>) -> Result<Workspace, Problems> {
        let mut problems = Problems::default();
        let store = Store::open(Arc::clone(&tree)).with(self.project.shared.clone());
        let prepared = Workspace::load(tree, &mut problems).map(|workspace| {
            let mut prepared = Prepared::new(workspace, &mut problems);
            prepared.find_documents(&store, &mut problems);
            prepared
        });
        prepared.filter(|_| !problems.has_errors()).map(|prepared| prepared.workspace).ok_or(problems)
    }

    fn pass(&self, tree: Arc<dyn Tree>, known: Option<&Linted>) -> Result<(Workspace, (Linted, usize)), Failure> {
        let workspace = self.load(tree)?;
        let selected = select(&workspace, &self.args.prompts)?;
        let linted = self.of(&workspace, &selected, known)?;
        Ok((workspace, linted))
    }
}
