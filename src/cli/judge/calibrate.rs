//! `promptctl judge calibrate`: holds a judge against answers that people have labelled.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::case::read_labels;
use crate::cli::ask::{AskArgs, Asker, Keep, store};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::heard::Heard;
use crate::cli::load::Project;
use crate::core::escape::terminal_line;
use crate::core::path::TreePath;
use crate::core::time::{Clock as _, day};
use crate::core::verdict::{Exit, Verdict};
use crate::core::words::counted;
use crate::report::{Asked, trial_json, write_problems, write_trial};
use crate::run::{Calibration, Expected, Forecast, Mode, Settings, Trial, Tried};
use crate::tree::{is_ignored, write};

/// Ask a judge about answers that people have labelled, and say how far it agrees with them.
///
/// The file holds a labelled answer a row: `output`, `label` (pass or fail), and what the judge is given beside them
/// (`question`, `context`, `reference`, `rubric`). The judge decides in tests once it reaches `judge: { gate }`; before, it
/// only advises.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    /// The labelled answers: csv, jsonl, json or yaml, in the project.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The check that asks the judge.
    #[arg(long, value_name = "CHECK", default_value = "llm-rubric")]
    check: String,
    /// The value of the expectation, one for all answers. Left out: the column `rubric`, `criteria` or `reference`.
    #[arg(long, value_name = "TEXT", visible_aliases = ["criteria", "reference"])]
    rubric: Option<String>,
    /// The threshold of the expectation.
    #[arg(long, value_name = "SCORE")]
    threshold: Option<f64>,
    /// The judge's model; left out: the project's judge.
    #[arg(long, value_name = "ALIAS")]
    model: Option<String>,
    /// The judge's prompt; left out: that of the check.
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// The letters of `factuality` that hold.
    #[arg(long, value_name = "LETTERS")]
    accept: Option<String>,
    /// A step of `g-eval`, given in their order; left out: the judge makes them up.
    #[arg(long = "step", value_name = "TEXT")]
    steps: Vec<String>,
    /// The model that embeds for `answer-relevance`; left out: the project's own.
    #[arg(long, value_name = "ALIAS")]
    embeddings: Option<String>,
    /// Ask again for what is recorded.
    #[arg(long, conflicts_with = "offline")]
    refresh: bool,
    /// Say what would be asked and what it would cost, and stop there.
    #[arg(long, conflicts_with = "offline")]
    dry_run: bool,
    /// Write where nothing is written by itself: in continuous integration.
    #[arg(long)]
    write: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    ask: AskArgs,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    let file = below(&project, &context.folder().join(&args.file), &args.file)?;
    let (prepared, warnings) = project.load()?;
    write_problems(&mut context.err(), &warnings, context.error_style())?;
    let labels = read_labels(&*project.tree, &file)?;
    let expected = Expected {
        check: args.check.clone(),
        value: args.rubric.clone(),
        threshold: args.threshold,
        model: args.model.clone(),
        prompt: args.prompt.clone(),
        accept: args.accept.clone(),
        steps: args.steps.clone(),
        embeddings: args.embeddings.clone(),
    };
    let trial = prepared.on_trial(&expected, labels, &file)?;
    let mut asker = Asker::new(&project, &args.ask)?;
    asker.leaves_errors = true;
    let (mode, what) = match args.ask.mode(context) {
        (Mode::Replay, _) if args.refresh || args.dry_run => (Mode::Fill, ""),
        mode => mode,
    };
    let what = if args.refresh { "every judgement is asked for again (--refresh)" } else { what };
    let settings = Settings { rejudges: args.refresh, ..asker.settings(mode) };
    let store = store(&project).with(trial.answers.clone());
    if args.dry_run {
        let forecast = asker.forecast(&trial.prepared, &trial.plan, &settings, &store)?;
        let labels = counted(trial.plan.items.len() as u64, "labelled answer", "labelled answers");
        let calls = counted(forecast.judge_calls(), "call", "calls");
        writeln!(context.out(), "dry run: nothing is asked\n{labels}, {calls} to make")?;
        let lines: Vec<String> =
            forecast.forecast(&trial.prepared, &trial.plan).iter().map(Forecast::sentence).collect();
        for line in forecast.notes.iter().chain(&lines) {
            writeln!(context.out(), "{}", terminal_line(line))?;
        }
        return Ok(Exit::Good);
    }
    let writes = args.write || !context.is_ci();
    let keep = if writes { Keep::Recorded } else { Keep::Nowhere };
    if !args.json && !context.is_quiet() {
        writeln!(context.err(), "{}", terminal_line(what))?;
    }
    let mut heard = Heard::default();
    asker.run_through(context, &project, &trial.prepared, &trial.plan, (&settings, keep), store, &mut heard)?;
    let tried = trial.result(&heard.0, day(context.take_clock().now()));
    let took = Asked::of(&heard.0);
    let kept = if writes && !asker.came.interrupted { put(&project, &trial, &tried, &took)? } else { Kept::Nothing };
    let gate = &trial.prepared.workspace.config.judge.gate;
    if args.json {
        let mut document = trial_json(&tried, &took, gate);
        document["written"] = kept.path().map(ToString::to_string).into();
        context.print_json(&document)?;
    } else {
        let style = context.style();
        write_trial(context.out(), &tried, &took, gate, style)?;
        match &kept {
            Kept::Nothing if tried.calibration.judged == 0 => {}
            Kept::Nothing if !tried.is_complete() => writeln!(context.out(), "nothing is written")?,
            Kept::Nothing => writeln!(context.out(), "nothing is written (CI; --write writes)")?,
            Kept::Written(path) => writeln!(context.out(), "written: {path}")?,
            Kept::Unchanged(path) => writeln!(context.out(), "unchanged: {path}")?,
        }
        if let Some(path) = kept.path().filter(|path| is_ignored(&project.root, path)) {
            writeln!(context.err(), "note: git ignores {path}: nobody else will have it")?;
        }
    }
    Ok(exit(&tried, asker.came.interrupted))
}

/// A file as a path of the project: a calibration that others cannot repeat proves nothing to them.
fn below(project: &Project, full: &Path, given: &Path) -> Result<TreePath, Failure> {
    let shown = given.display();
    let real = full.canonicalize().map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    let root = project.root.canonicalize()?;
    let below = real.strip_prefix(&root).ok().map(|path| path.to_string_lossy().replace('\\', "/"));
    below.and_then(|path| TreePath::new(&path).ok()).ok_or_else(|| {
        let help = "put it there, such as into fixtures/judges/: others must be able to do the same";
        Failure::usage(format!("{shown} is not in the project")).help(help)
    })
}

/// What became of the calibration.
enum Kept {
    Written(TreePath),
    /// It was there already.
    Unchanged(TreePath),
    Nothing,
}

impl Kept {
    fn path(&self) -> Option<&TreePath> {
        match self {
            Self::Written(path) | Self::Unchanged(path) => Some(path),
            Self::Nothing => None,
        }
    }
}

/// Writes the calibration, unless it is of a part of the labels. The same found again by replaying keeps its day.
fn put(project: &Project, trial: &Trial, tried: &Tried, asked: &Asked) -> Result<Kept, Failure> {
    if tried.calibration.judged == 0 || !tried.is_complete() {
        return Ok(Kept::Nothing);
    }
    let path = trial.path.clone();
    let there = project.tree.text(&path).ok().and_then(|text| Calibration::read(&text).ok());
    let is_same =
        there.is_some_and(|there| Calibration { day: there.day.clone(), ..tried.calibration.clone() } == there);
    if is_same && asked.calls == 0 {
        return Ok(Kept::Unchanged(path));
    }
    write::replace(&project.root, &path, tried.calibration.to_text().as_bytes()).map_err(|error| {
        let message = format!("the calibration cannot be written: {error}");
        Failure::Message { exit: Exit::Errored, message, help: None }
    })?;
    Ok(Kept::Written(path))
}

/// A judge that does not reach the gate fails, as an answer does. One of which not all is known yet is not judged.
fn exit(tried: &Tried, interrupted: bool) -> Exit {
    let is = |verdict: Verdict| tried.unjudged.iter().any(|unjudged| unjudged.verdict == verdict);
    let nobody = tried.calibration.judged == 0;
    [
        (interrupted, Exit::Interrupted),
        (nobody && is(Verdict::Errored), Exit::Errored),
        (is(Verdict::Skipped), Exit::Incomplete),
        (is(Verdict::Stale) || is(Verdict::Unrecorded), Exit::Waiting),
        (!nobody && tried.is_complete() && tried.falls_short.is_some(), Exit::Failed),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .fold(Exit::Good, |worst, (_, exit)| worst.worse(exit))
}
