//! `promptctl compare`: did head get worse than base, on the same cases.

use std::io::Write;
use std::sync::Arc;

use super::ask::{AskArgs, Asker};
use super::compare_reports::{self, Reports};
use super::context::Context;
use super::failure::Failure;
use super::held::HeldArgs;
use super::past;
use super::reports::ReportArg;
use super::sides::{Both, Loaded, Wanted};
use crate::case::Selection;
use crate::compare::changes::{self as layered, Changes, Layers, TreeSide, pair_prompts};
use crate::compare::{Document, FailOn, Limits, Pairs, Told, compare};
use crate::core::verdict::Exit;
use crate::plan::Overrides;
use crate::report::{Compared, Style, write_comparison};

/// Compare two commits, or two models, on the same cases: what got worse, by how much, and beyond chance or not. Recorded
/// answers are used; what is not recorded is asked for, unless --offline.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The commits: `BASE..HEAD`, or `BASE` to compare it with the working tree. Left out: the last commit, or the
    /// working tree on both sides where two models are named.
    #[arg(value_name = "BASE[..HEAD]")]
    range: Option<String>,
    /// Only these prompts: a name or a glob. May be given several times.
    #[arg(long = "prompt", value_name = "PROMPT")]
    prompts: Vec<String>,
    /// Only cases whose name matches this glob. May be given several times.
    #[arg(long = "case", value_name = "GLOB")]
    cases: Vec<String>,
    /// Only cases with this tag. May be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    #[command(flatten)]
    held: HeldArgs,
    /// The model of the base.
    #[arg(long, value_name = "ALIAS", requires = "head_model")]
    base_model: Option<String>,
    /// The model of the head.
    #[arg(long, value_name = "ALIAS", requires = "base_model")]
    head_model: Option<String>,
    /// Stop at the pair at which a bet on the verdict is won.
    #[arg(long)]
    sequential: bool,
    /// Look at one answer of each case, and where a prompt seems worse take N fresh ones of both sides: they decide.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "5",
          value_parser = clap::value_parser!(u32).range(2..=100), conflicts_with = "sequential")]
    confirm: Option<u32>,
    #[command(flatten)]
    judge: JudgeArgs,
    #[command(flatten)]
    ask: AskArgs,
    /// Report as human, json, junit, markdown, github, html, gitlab or tap, to standard output or into a file. May be given several times.
    #[arg(long = "report", value_name = "FORMAT[=PATH]", value_parser = compare_reports::report)]
    reports: Vec<ReportArg>,
    /// Print JSON: the same as --report json.
    #[arg(long)]
    json: bool,
}

/// When a difference counts, and when the command fails because of it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct JudgeArgs {
    /// The chance of a false alarm, over all prompts.
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = share)]
    pub(super) alpha: f64,
    /// The least drop of the pass rate that matters.
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share)]
    pub(super) delta: f64,
    /// When to fail (exit code 1).
    #[arg(long, value_name = "WHEN", default_value = "regressed")]
    pub(super) fail_on: FailOnArg,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum FailOnArg {
    /// A prompt or a slice got worse.
    Regressed,
    /// Any case went another way.
    Changed,
    /// Something got worse, or it cannot be said.
    Undecided,
    /// Never.
    Never,
}

impl From<FailOnArg> for FailOn {
    fn from(arg: FailOnArg) -> Self {
        match arg {
            FailOnArg::Regressed => Self::Regressed,
            FailOnArg::Changed => Self::Changed,
            FailOnArg::Undecided => Self::Undecided,
            FailOnArg::Never => Self::Never,
        }
    }
}

impl JudgeArgs {
    /// The limits of a comparison.
    pub(super) fn limits(&self, sequential: bool) -> Limits {
        Limits { alpha: self.alpha, delta: self.delta, sequential }
    }
}

/// A share between 0 and 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("write a share between 0 and 1, such as 0.05".into()),
    }
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let mut reports = Reports::open(context, &args.reports, args.json)?;
    let (base_revision, head_revision) = sides(args);
    let (prompts, cases, tags) = (args.prompts.clone(), args.cases.clone(), args.tags.clone());
    let selection = Selection { prompts, cases, tags, listed: args.held.read(context)? };
    let wanted = |revision, model| Wanted {
        revision,
        model,
        selection: selection.clone(),
        repeat: args.confirm.map(|samples| samples + 1),
    };
    let base = Loaded::new(context, &wanted(base_revision, args.base_model.as_ref()), &args.ask)?;
    let head = Loaded::new(context, &wanted(head_revision, args.head_model.as_ref()), &args.ask)?;
    let damaged = head.prepared.check_calibrations();
    if damaged.has_errors() {
        return Err(damaged.into());
    }
    let models = base.model(args.base_model.as_ref()).zip(head.model(args.head_model.as_ref()));
    let (mode, words) = args.ask.mode(context);
    let asker = Asker::new(&head.project, &args.ask)?;
    let mut both = Both { base, head, models, asker, mode, notes: Vec::new(), waits: false };
    let limits = args.judge.limits(args.sequential);
    let (pairs, comparison) = match args.confirm {
        Some(samples) => both.confirm(context, samples, &limits)?,
        None => {
            both.fill(context, &|_| true, usize::MAX, Some(&limits).filter(|limits| limits.sequential))?;
            let pairs = both.pairs(&|_| true)?;
            let comparison = compare(&pairs, &limits);
            (pairs, comparison)
        }
    };
    let must_fail = pairs.pairs.iter().filter(|pair| pair.must_fail()).map(|pair| {
        let failing = pair.head.iter().filter(|sample| !sample.pass).count();
        format!("{} of {} must pass, and {failing} of {} answers fail", pair.case, pair.prompt, pair.head.len())
    });
    both.notes.extend(must_fail);
    let came = both.asker.came;
    let fail_on = FailOn::from(args.judge.fail_on);
    let changed = fail_on == FailOn::Changed && pairs.unjudged_changed > 0;
    let names = (both.base.describe(args.base_model.as_ref()), both.head.describe(args.head_model.as_ref()));
    let apart = both.apart(args.range.as_deref());
    let is_nothing = pairs.pairs.is_empty() && !changed;
    let verdict = match () {
        () if is_nothing => Exit::Nothing,
        () if changed || comparison.fails(fail_on) => Exit::Failed,
        () => Exit::Good,
    };
    let waits = if both.waits { Exit::Waiting } else { Exit::Good };
    let exit = verdict.worse(came.exit()).worse(waits);
    let heading = format!("compare {} → {} · {words}", names.0, names.1);
    let told = Told {
        heading: heading.clone(),
        sides: names,
        notes: both.notes.clone(),
        tell_apart: apart.clone(),
        spent: (came.calls, came.cost),
        exit_code: exit.code(),
    };
    let document = Document::new(&comparison, &pairs, &limits, told);
    let human = |out: &mut dyn Write, style: Style| {
        let compared =
            Compared { comparison: &comparison, pairs: &pairs, heading: &heading, notes: &both.notes, apart: &apart };
        write_comparison(out, &compared, style)?;
        if came.calls > 0 {
            writeln!(out, "{}", style.dim(&came.spent()))?;
        }
        Ok(())
    };
    let root = &both.head.project.root;
    let looked = || prompt_changes(&both, args);
    if is_nothing {
        reports.write_for_programs(context, &document, root, &human, &looked)?;
        return Err(nothing(&pairs, came.exit(), words));
    }
    reports.write(context, &document, root, &human, &looked)?;
    Ok(exit)
}

/// What changed in the prompts of both sides, without their answers: these the comparison has.
fn prompt_changes(both: &Both, args: &Args) -> Option<Changes> {
    let side = |side: &Loaded| TreeSide::load(Arc::clone(&side.project.tree), side.project.store());
    let (base, head) = (side(&both.base), side(&both.head));
    let prompts = pair_prompts(&base, &head);
    let cases = Selection { cases: args.cases.clone(), tags: args.tags.clone(), ..Selection::default() };
    let layers = Layers { template: true, rendered: true, answers: false };
    let wanted = layered::Wanted { prompts: &prompts, layers, cases: &cases, models: &Overrides::default() };
    layered::changes(&base, &head, &wanted).ok()
}

/// The revisions of both sides.
fn sides(args: &Args) -> (Option<&str>, Option<&str>) {
    match args.range.as_deref() {
        None if args.base_model.is_some() => (None, None),
        None => (Some("HEAD"), None),
        Some(range) => past::range(range),
    }
}

/// Why there is nothing to compare, and what to do.
fn nothing(pairs: &Pairs, exit: Exit, words: &str) -> Failure {
    let message = format!(
        "there is nothing to compare: {} cases have no recorded answer on one side, {} are only in head, {} only in base (or on another model), {} are checked by their snapshots alone",
        pairs.unanswered, pairs.only_head, pairs.only_base, pairs.unjudged
    );
    let help = match exit {
        Exit::Interrupted => "it was interrupted; the same command goes on from what was asked".to_owned(),
        Exit::Incomplete => "the budget is spent, or a key is not set: what is missing was not asked for".to_owned(),
        _ => format!("answers came from: {words}; two models are named by --base-model and --head-model"),
    };
    Failure::Message { exit: Exit::Nothing.worse(exit), message, help: Some(help) }
}
