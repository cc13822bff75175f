//! `--report FORMAT[=PATH]`: which reports a run is told to, and where they are written.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::context::Context;
use super::failure::Failure;
use super::plotted::versions_of;
use super::sink::{self, Piped, ReportFile};
use crate::core::event::{Event, Listener};
use crate::core::verdict::Exit;
use crate::report::{
    GithubReport, GitlabReport, HtmlReport, HumanReport, JOB_SUMMARY, JsonReport, JsonlReport, JunitReport,
    MarkdownReport, Progress, Report, Style, TapReport, write_problems,
};
use crate::run::{RunError, RunResult};
use crate::tree::open_repository;

/// Names the file that a job's summary is added to.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// The least room that a summary is worth writing in.
const LEAST_SUMMARY: usize = 4000;

/// What is reported, and where.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ReportArgs {
    /// Report as human, json, jsonl, junit, gitlab, tap, markdown, github or html, to standard output or into a file. May be given several times.
    #[arg(long = "report", value_name = "FORMAT[=PATH]")]
    pub(super) reports: Vec<ReportArg>,
    /// End with 0 where answers failed or something waits (1 and 5); what is wrong with the project or the run still
    /// shows. Reports keep the code that it would have been.
    #[arg(long)]
    exit_zero_on_fail: bool,
}

impl ReportArgs {
    /// What the process ends with.
    pub(super) fn exit(&self, exit: Exit) -> Exit {
        let is_of_answers = matches!(exit, Exit::Failed | Exit::Waiting);
        if self.exit_zero_on_fail && is_of_answers { Exit::Good } else { exit }
    }
}

/// The formats of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Human,
    Json,
    Jsonl,
    Junit,
    Gitlab,
    Tap,
    Markdown,
    Github,
    Html,
}

impl Format {
    const ALL: [(&'static str, Self); 9] = [
        ("human", Self::Human),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
        ("junit", Self::Junit),
        ("gitlab", Self::Gitlab),
        ("tap", Self::Tap),
        ("markdown", Self::Markdown),
        ("github", Self::Github),
        ("html", Self::Html),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// `FORMAT` or `FORMAT=PATH`.
#[derive(Clone, Debug)]
pub(super) struct ReportArg {
    pub(super) format: Format,
    pub(super) path: Option<PathBuf>,
}

impl FromStr for ReportArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = match text.split_once('=') {
            Some((_, "")) => return Err("the path is empty".into()),
            Some((name, path)) => (name, Some(PathBuf::from(path))),
            None => (text, None),
        };
        let names = Format::ALL.map(|(name, _)| name);
        match Format::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, format)) => Ok(Self { format: *format, path }),
            None => {
                let hint = crate::core::suggest::did_you_mean(name, names);
                Err(format!("there is no report format `{name}`; there are {}{hint}", names.join(", ")))
            }
        }
    }
}

impl fmt::Display for ReportArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.format.name())
    }
}

/// Several listeners as one.
pub(super) struct All<'a>(pub(super) Vec<&'a mut dyn Listener>);

impl Listener for All<'_> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        self.0.iter_mut().try_for_each(|listener| listener.on(event))
    }
}

/// How a run ended.
pub(super) type Done = Result<RunResult, RunError>;

/// A report that is written when the run is over, and where to.
type Written = (Box<dyn Report>, Option<ReportFile>);

/// Reports that are open, before anything is done.
pub(super) struct Opened {
    files: Vec<(Format, Option<ReportFile>)>,
    /// Whether the versions of prompts are plotted beside the run: of a part of it they would say something else.
    plots: bool,
}

impl Opened {
    /// Without plots, where the run is of a part of the cases, or on other models.
    pub(super) fn of_a_part(mut self, is_part: bool) -> Self {
        self.plots &= !is_part;
        self
    }
}

impl ReportArgs {
    /// The files of all reports.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.reports.iter().filter_map(|report| report.path.as_ref())
    }

    /// Opens the files of all reports.
    pub(super) fn open(&self, context: &Context) -> Result<Opened, Failure> {
        if self.reports.iter().filter(|report| report.path.is_none()).count() > 1 {
            return Err(Failure::usage("two reports cannot share standard output; give one of them a path"));
        }
        let formats = self.reports.iter().map(|report| report.format);
        Ok(Opened { files: formats.zip(sink::open(context, &self.reports)?).collect(), plots: true })
    }
}

/// Runs with the reports that were asked for, and writes them. `root` is the project's folder.
pub(super) fn report_run(
    context: &mut Context,
    args: &ReportArgs,
    opened: Opened,
    root: &Path,
    run: impl FnOnce(&mut dyn Listener) -> Done,
) -> Result<Exit, Failure> {
    let on_stdout = opened.files.iter().find(|(_, file)| file.is_none()).map_or(Format::Human, |(format, _)| *format);
    let mut streamed: Vec<(Format, ReportFile)> = Vec::new();
    let mut written: Vec<Written> = Vec::new();
    for (format, file) in opened.files {
        match (collected(format, root, opened.plots), file) {
            (Some(collects), file) => written.push((collects, file)),
            (None, Some(file)) => streamed.push((format, file)),
            (None, None) => {}
        }
    }
    if let Some((file, room)) = job_summary(context, &args.reports)? {
        written.push((Box::new(MarkdownReport::new(room)), Some(file)));
    }
    let (style, error_style, quiet) = (context.style(), context.error_style(), context.is_quiet());
    let moving = context.err_is_terminal();
    let (mut log, mut screen_log) = (context.err(), context.err());
    let mut piped = Piped::new(context.out());
    let done = {
        let mut progress = Progress::new(moving, &mut log);
        let mut streams: Vec<Box<dyn Listener + '_>> = Vec::new();
        let out: &mut dyn Write = &mut piped;
        if on_stdout == Format::Human {
            streams.push(Box::new(human(out, style, quiet)));
        } else {
            if let Some(stream) = stream(on_stdout, out) {
                streams.push(stream);
            }
            // That of the runner holds what a person reads: its log would show it twice.
            if on_stdout != Format::Github {
                streams.push(Box::new(human(&mut screen_log, error_style, quiet)));
            }
        }
        streams.extend(streamed.iter_mut().filter_map(|(format, file)| stream(*format, file)));
        let mut all = All(Vec::new());
        if !quiet {
            all.0.push(&mut progress);
        }
        all.0.extend(streams.iter_mut().map(|stream| &mut **stream as &mut dyn Listener));
        all.0.extend(written.iter_mut().map(|(report, _)| &mut **report as &mut dyn Listener));
        run(&mut all)
    };
    let result = match done {
        Ok(result) => result,
        Err(RunError::Problems(problems)) => return Err(problems.into()),
        Err(RunError::Io(error)) => {
            let message = format!("the run ended early: {error}");
            return Err(Failure::Message { exit: Exit::Errored, message, help: None });
        }
    };
    // One that cannot be written does not keep the others from it.
    let mut failed = Ok(());
    for (report, file) in &mut written {
        let done = match file {
            Some(file) => report.write(file, result.exit).and_then(|()| file.flush()),
            None => report.write(&mut Piped::new(context.out()), result.exit),
        };
        failed = failed.and(done);
    }
    for (_, mut file) in streamed {
        failed = failed.and(file.flush());
    }
    sink::unless_failed(failed)?;
    if !result.problems.is_empty() {
        Piped::new(context.out()).flush()?;
        write_problems(&mut context.err(), &result.problems.sorted(), error_style)?;
    }
    Ok(args.exit(result.exit))
}

/// A report that needs the whole run before it can be written.
fn collected(format: Format, root: &Path, plots: bool) -> Option<Box<dyn Report>> {
    match format {
        Format::Human | Format::Jsonl => None,
        Format::Json => Some(Box::<JsonReport>::default()),
        Format::Junit => Some(Box::new(JunitReport::new(folder_of(root)))),
        Format::Gitlab => Some(Box::new(GitlabReport::new(folder_of(root)))),
        Format::Tap => Some(Box::new(TapReport::new(folder_of(root)))),
        Format::Markdown => Some(Box::<MarkdownReport>::default()),
        Format::Github => Some(Box::new(GithubReport::new(folder_of(root)))),
        Format::Html if plots => Some(Box::new(HtmlReport::with_past(versions_of(root)))),
        Format::Html => Some(Box::<HtmlReport>::default()),
    }
}

/// A report that is written while the run goes on.
fn stream<'a>(format: Format, out: &'a mut dyn Write) -> Option<Box<dyn Listener + 'a>> {
    match format {
        Format::Human => Some(Box::new(HumanReport::new(out, Style::plain()))),
        Format::Jsonl => Some(Box::new(JsonlReport::new(out))),
        Format::Json
        | Format::Junit
        | Format::Gitlab
        | Format::Tap
        | Format::Markdown
        | Format::Github
        | Format::Html => None,
    }
}

fn human(out: &mut dyn Write, style: Style, quiet: bool) -> HumanReport<'_> {
    let report = HumanReport::new(out, style);
    if quiet { report.quiet() } else { report }
}

/// The project's folder as seen from the repository's root, with a `/` behind it; empty where it is that.
pub(super) fn folder_of(root: &Path) -> String {
    let folder = open_repository(root).map(|(_, folder)| folder).unwrap_or_default();
    if folder.is_empty() || folder.ends_with('/') { folder } else { format!("{folder}/") }
}

/// The file that a job's summary is added to, and how many bytes still fit, where the runner is told of a run.
pub(super) fn job_summary(context: &Context, reports: &[ReportArg]) -> Result<Option<(ReportFile, usize)>, Failure> {
    let Some(path) = context.variable(STEP_SUMMARY) else { return Ok(None) };
    if !reports.iter().any(|report| report.format == Format::Github) {
        return Ok(None);
    }
    let failed =
        |error: io::Error| Failure::usage(format!("{STEP_SUMMARY} is {path}, which cannot be written: {error}"));
    let file = File::options().append(true).create(true).open(&path).map_err(failed)?;
    let there = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(usize::MAX);
    // Where a step has filled it there is no room for a page, and one beyond the limit would cost the others.
    let room = JOB_SUMMARY.saturating_sub(there);
    Ok((room >= LEAST_SUMMARY).then(|| (ReportFile::of(Path::new(&path), file), room)))
}
