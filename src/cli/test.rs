//! `promptctl test`: render, ask or replay, check, compare.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use rayon::prelude::*;

use super::ask::{Keep, permissions};
use super::changed;
use super::context::Context;
use super::days;
use super::environment::Environment;
use super::failure::Failure;
use super::forecast;
use super::history;
use super::interrupt;
use super::load::{Project, SelectionArgs, known_secrets};
use super::reasons;
use super::render::find_models;
use super::reports::{All, Opened, ReportArgs, report_run};
use super::rerun::{self, Rerun};
use super::retrieve;
use super::shared::SharedArgs;
use crate::core::escape::terminal_line;
use crate::core::event::Provenance;
use crate::core::names::PromptName;
use crate::core::problem::{Place, Problem, Severity};
use crate::core::redact::Secrets;
use crate::core::time::Clock as _;
use crate::core::verdict::Exit;
use crate::core::words::counted;
use crate::history::Gather;
use crate::plan::{Overrides, Part, Plan};
use crate::recording::{Journal, Line, SettleError, orphans, recover, settle};
use crate::report::write_problems;
use crate::run::{FlakyResult, Mode, Prepared, Run, Settings, SnapshotPolicy, Stop};
use crate::snapshot::{Index, PENDING};
use crate::tree::{provenance, tracked};

/// Test prompts: replay what is recorded, ask for what is not, check and compare the answers.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Test on this model instead of the prompts' own. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
    /// Never call a model; replay what is recorded.
    #[arg(long, conflicts_with_all = ["refresh", "live"])]
    offline: bool,
    /// Ask again for everything, whatever is recorded.
    #[arg(long)]
    refresh: bool,
    /// Ask judges again for what they have said before; recorded answers are kept.
    #[arg(long, conflicts_with = "offline")]
    rejudge: bool,
    /// Allow calls where they are not allowed by themselves: in continuous integration, or with --at.
    #[arg(long)]
    live: bool,
    /// Write recordings and pending snapshots where nothing is written by itself (in continuous integration).
    #[arg(long)]
    write: bool,
    /// Fail where a case could not be asked for want of a key.
    #[arg(long)]
    require_live: bool,
    /// Take this many samples of each case.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: Option<u32>,
    /// The most requests in flight.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    jobs: Option<u16>,
    /// What a changed answer means.
    #[arg(long, value_name = "POLICY", default_value = "fail")]
    snapshots: PolicyArg,
    /// Make at most this many calls; the rest is skipped.
    #[arg(long, value_name = "N")]
    max_calls: Option<u64>,
    /// Spend at most this many US dollars; what might cost more than is left is skipped.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    max_cost: Option<f64>,
    /// Ask nothing more after this time (`90s`, `10m`); what was not asked is skipped.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_time: Option<u64>,
    /// Take one answer of each case, and N where that one fails: it fails if most of them do.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100), conflicts_with_all = ["repeat", "fail_fast"])]
    confirm: Option<u32>,
    /// What a case is of which some samples pass and some fail. Left out: as its `min-pass-rate` says.
    #[arg(long, value_name = "RESULT", conflicts_with = "confirm")]
    flaky_result: Option<FlakyArg>,
    /// Say what would be asked and what it would cost, and stop there.
    #[arg(long, conflicts_with_all = ["offline", "reports"])]
    dry_run: bool,
    /// Do not ask before a run that may cost much.
    #[arg(long, short)]
    yes: bool,
    /// Allow models that are programs of this project (`provider: exec`) to be run.
    #[arg(long)]
    allow_exec: bool,
    /// Stop after the first failure.
    #[arg(long)]
    fail_fast: bool,
    /// Only what came to this verdict in an earlier run. May be given several times.
    #[arg(long, value_name = "VERDICT", requires = "from")]
    rerun: Vec<Rerun>,
    /// The JSON report of the earlier run.
    #[arg(long, value_name = "REPORT", requires = "rerun")]
    from: Option<PathBuf>,
    /// Only prompts that differ from where this branch began: what they send, what they expect, or their models. BASE is
    /// the branch or commit to compare with, left out: the default branch.
    #[arg(long, value_name = "BASE", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with = "at")]
    changed: Option<String>,
    /// What to do where it cannot be told what this branch changes: in a shallow clone, without a default branch.
    #[arg(long, value_name = "WHAT", requires = "changed", default_value = "error")]
    changed_fallback: changed::Fallback,
    /// Read the project at this commit, tag or branch.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Do only this part of what is planned, such as 2/4: the parts of several machines are put together by `merge`.
    #[arg(long, value_name = "K/N", conflicts_with_all = ["confirm", "dry_run"])]
    shard: Option<Part>,
    #[command(flatten)]
    shared: SharedArgs,
    #[command(flatten)]
    reports: ReportArgs,
}

/// A duration in milliseconds.
fn duration(text: &str) -> Result<u64, String> {
    crate::core::time::parse_duration_ms(text).ok_or_else(|| "write a duration such as 90s or 10m".into())
}

/// An amount of money.
pub(super) fn dollars(text: &str) -> Result<f64, String> {
    match text.trim_start_matches('$').parse::<f64>() {
        Ok(amount) if amount.is_finite() && amount >= 0.0 => Ok(amount),
        _ => Err("write an amount of US dollars such as 0.50".into()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PolicyArg {
    /// The run is not good (exit code 5).
    Fail,
    /// It is shown, and the run is good.
    Warn,
    /// It becomes the accepted answer.
    Accept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FlakyArg {
    /// One sample that passes is enough; the case is shown and counted as flaky.
    Pass,
    /// Every sample must pass.
    Fail,
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let is_whole = args.models.is_empty() && args.selection.cases.is_empty() && args.selection.tags.is_empty();
    let is_part = !is_whole || args.selection.held.cases_from.is_some() || args.shard.is_some() || args.from.is_some();
    let opened = args.reports.open(context)?.of_a_part(is_part);
    let mut project = Project::find(context, args.at.as_deref())?;
    if args.write || args.snapshots == PolicyArg::Accept {
        let help = "`git clone` the repository, and run it in the clone";
        project.needs_files("to write recordings and snapshots into", help)?;
    }
    let (provenance, unknown) = provenance(&project.root, args.at.as_deref());
    let mut settings = decide(context, args, &project, provenance);
    let (mut prepared, warnings) = project.load()?;
    if args.snapshots == PolicyArg::Accept && prepared.workspace.config.require_reason {
        let message = "this project wants a reason for what is accepted (`review: { require-reason: true }`)";
        return Err(
            Failure::usage(message).help("test without `--snapshots accept`, then `promptctl accept --reason …`")
        );
    }
    settings.max_age = days::max_age(context, prepared.workspace.config.recordings.max_age, args.at.is_some());
    let selected = args.selection.selection(context)?.select(&prepared.workspace.prompts, &prepared.workspace.cases)?;
    let found = documents(context, args, &project, (&mut prepared, &selected), &mut settings)?;
    let models = find_models(&prepared.workspace.config.models, &args.models)?;
    let overrides = Overrides {
        models: models.into_iter().map(|entry| entry.alias.clone()).collect(),
        repeat: args.confirm.or(args.repeat),
    };
    let mut plan = planned(&prepared, &selected, &overrides)?;
    if let Some(report) = &args.from {
        let kept = rerun::keep(&mut plan, &prepared.workspace, &context.folder().join(report), &args.rerun)?;
        for line in kept {
            writeln!(context.err(), "again: {}", terminal_line(&line))?;
        }
    }
    let had_items = !plan.items.is_empty();
    let with = args.changed.as_deref().filter(|base| !base.is_empty());
    let unexplained = if args.at.is_none() { reasons::missing(&project, &prepared, &plan, with)? } else { Vec::new() };
    let looks_back = args.changed.is_none() && args.at.is_none();
    let mut unmoved = if looks_back { changed::unmoved_here(&project, &prepared, &plan) } else { Vec::new() };
    if let Some(base) = args.changed.as_ref().filter(|_| had_items) {
        let base = Some(base.as_str()).filter(|base| !base.is_empty());
        let fallback = args.changed_fallback;
        unmoved = changed::keep(context, &project, &prepared, &mut plan, &overrides, base, fallback)?;
    }
    keep_repeat(&prepared, &mut plan, &selected, overrides, args.confirm)?;
    unmoved.extend(unexplained);
    if unmoved.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Failure::Problems(unmoved));
    }
    let is_unchanged = had_items && plan.items.is_empty();
    if let Some(part) = args.shard {
        let times = prepared.recorded_latencies(&plan, &project.store());
        let deciding: Vec<Option<String>> = plan.items.par_iter().map(|item| prepared.deciding(item, None)).collect();
        let (own, shard) = plan.part(&prepared.workspace, part, &times, &deciding);
        plan = own;
        settings.shard = Some(shard);
    }
    if is_unchanged {
        write_problems(&mut context.err(), &unmoved, context.error_style())?;
        if args.reports.reports.is_empty() {
            writeln!(context.out(), "nothing to test: no prompt changed")?;
            return Ok(Exit::Good);
        }
        // Whoever reads a report must not find an older one.
        writeln!(context.err(), "nothing to test: no prompt changed")?;
        return report_run(context, &args.reports, opened, &project.root, |listener| {
            changed::empty_run(listener, &settings)
        });
    }
    if !had_items {
        return Err(no_case());
    }
    let committed = tracked(&project.root, PENDING);
    if !committed.is_empty() {
        let found = committed.into_iter().map(|path| {
            let message = "an answer that waits for review is tracked by git, and would wait in every clone";
            let help = format!("git rm --cached {path}");
            Problem::error(Place::File(path), message).help(help)
        });
        return Err(Failure::Problems(found.collect()));
    }
    let environment = Environment::load(&project)?;
    let unknown = unknown.map(|error| Problem::warning(Place::Nowhere, error.to_string()));
    let warnings = warnings.into_iter().chain(environment.warning.clone()).chain(unknown).chain(unmoved);
    let warnings = warnings.chain(days::quarantines_over(context, &prepared, &plan));
    let warnings: Vec<Problem> = warnings.collect();
    write_problems(&mut context.err(), &warnings, context.error_style())?;
    if let (Some(Part { number, of }), true) = (args.shard, plan.items.is_empty()) {
        writeln!(context.err(), "nothing to test in part {number} of {of}: there are fewer cases than parts")?;
        return report_run(context, &args.reports, opened, &project.root, |listener| {
            changed::empty_run(listener, &settings)
        });
    }
    let mut notes = args.shared.fetch(context, &mut project, &prepared, &plan, settings.mode)?;
    notes.extend(found);
    if args.dry_run {
        return forecast::dry_run(context, &notes, (&project, &prepared, &plan), &settings, &environment);
    }
    if !args.yes && !forecast::agrees(context, &project, &prepared, &plan, &settings, &environment)? {
        return Err(Failure::Message { exit: Exit::Incomplete, message: "nothing was asked".to_owned(), help: None });
    }
    notes.extend(forecast::retirements(context, &prepared, &plan, &settings));
    execute(context, args, &project, &prepared, &plan, &settings, &environment, (notes, opened))
}

/// What retrievers find for the cases, within the limits of the run. What is told of it comes back.
fn documents(
    context: &Context,
    args: &Args,
    project: &Project,
    (prepared, selected): (&mut Prepared, &[usize]),
    settings: &mut Settings,
) -> Result<Vec<String>, Failure> {
    let allowance = retrieve::Allowance::new(settings.max_calls, settings.max_cost);
    let asks = asks(args, settings, &allowance);
    let mut told = retrieve::documents(context, project, prepared, selected, asks)?;
    if allowance.calls() > 0 {
        told.push(format!("for documents {} made", counted(allowance.calls(), "call was", "calls were")));
        settings.calls_before = allowance.calls();
        settings.max_cost = settings.max_cost.map(|most| (most - allowance.cost()).max(0.0));
    }
    Ok(told)
}

/// How retrievers are asked before it.
fn asks<'a>(args: &Args, settings: &Settings, allowance: &'a retrieve::Allowance) -> retrieve::Asks<'a> {
    retrieve::Asks {
        mode: if args.dry_run { Mode::Replay } else { settings.mode },
        keep: if settings.writes { Keep::Recorded } else { Keep::Nowhere },
        jobs: args.jobs,
        allow_exec: args.allow_exec,
        allowance,
    }
}

fn no_case() -> Failure {
    let message = "nothing to test: the project has no case yet".to_owned();
    let help = Some("write one into fixtures/PROMPT/cases.yaml; `promptctl schema cases` describes it".to_owned());
    Failure::Message { exit: Exit::Nothing, message, help }
}

/// The plan of what is selected. Plan and values look at every case, and what both find is shown in one go.
pub(super) fn planned(prepared: &Prepared, selected: &[usize], overrides: &Overrides) -> Result<Plan, Failure> {
    let mut values = prepared.check_values(selected);
    values.extend(prepared.check_calibrations());
    match prepared.plan(selected, overrides) {
        Ok(plan) if values.is_empty() => Ok(plan),
        Ok(_) => Err(values.into()),
        Err(mut found) => {
            found.extend(values);
            Err(found.into())
        }
    }
}

/// No other answer excuses one that fails where a case must pass: where failures are confirmed, it keeps its own number of samples.
fn keep_repeat(
    prepared: &Prepared,
    plan: &mut Plan,
    selected: &[usize],
    overrides: Overrides,
    confirm: Option<u32>,
) -> Result<(), Failure> {
    let cases = &prepared.workspace.cases.list;
    let must_pass: Vec<usize> =
        selected.iter().copied().filter(|index| confirm.is_some() && cases[*index].must_pass).collect();
    let own = prepared.plan(&must_pass, &Overrides { repeat: None, ..overrides })?;
    for item in own.items {
        let planned = plan.items.iter_mut().filter(|known| (known.case, known.model) == (item.case, item.model));
        planned.for_each(|known| known.keys.clone_from(&item.keys));
    }
    Ok(())
}

/// Mode and permissions: the flags, then the environment, then what is usual.
fn decide(context: &Context, args: &Args, project: &Project, provenance: Provenance) -> Settings {
    let ci = context.is_ci();
    let calls =
        !args.offline && (args.live || args.refresh || args.rejudge || args.dry_run || !ci && args.at.is_none());
    let mode = match (calls, args.refresh) {
        (false, _) => Mode::Replay,
        (true, true) => Mode::Refresh,
        (true, false) => Mode::Fill,
    };
    let accepts = args.snapshots == PolicyArg::Accept;
    let writes = args.write || accepts || !ci && args.at.is_none();
    let what = match mode {
        _ if args.dry_run => "dry run: nothing is asked",
        Mode::Replay if args.offline => "replay only (--offline)",
        Mode::Replay if ci => "replay only (CI; --live allows calls)",
        Mode::Replay => "replay only (--at; --live allows calls)",
        Mode::Refresh => "call again for everything (--refresh)",
        Mode::Fill if args.rejudge => "replay, call for what is not recorded, and ask every judge again (--rejudge)",
        Mode::Fill => "replay, and call for what is not recorded",
    };
    let confirms = args.confirm.map(|n| format!(" · a failure is confirmed by {n} answers")).unwrap_or_default();
    let keeps = if writes { "" } else { " · nothing is written" };
    Settings {
        mode,
        rejudges: args.rejudge,
        snapshots: match args.snapshots {
            PolicyArg::Fail => SnapshotPolicy::Fail,
            PolicyArg::Warn => SnapshotPolicy::Warn,
            PolicyArg::Accept => SnapshotPolicy::Accept,
        },
        writes,
        max_calls: args.max_calls,
        calls_before: 0,
        again: false,
        max_cost: args.max_cost,
        confirms: args.confirm.is_some(),
        flaky: match args.flaky_result {
            None => FlakyResult::AsRate,
            Some(FlakyArg::Pass) => FlakyResult::Pass,
            Some(FlakyArg::Fail) => FlakyResult::Fail,
        },
        max_age: None,
        until: args.max_time.map(|ms| std::time::Instant::now() + std::time::Duration::from_millis(ms)),
        fail_fast: args.fail_fast,
        new_waits: ci,
        require_live: args.require_live || !ci,
        heading: format!(
            "promptctl {} · {} · {what}{confirms}{keeps}",
            env!("CARGO_PKG_VERSION"),
            project.tree.describe()
        ),
        provenance,
        shard: None,
    }
}

#[expect(clippy::too_many_arguments, reason = "each is another part of a run")]
fn execute(
    context: &mut Context,
    args: &Args,
    project: &Project,
    prepared: &Prepared,
    plan: &Plan,
    settings: &Settings,
    environment: &Environment,
    (mut notes, opened): (Vec<String>, Opened),
) -> Result<Exit, Failure> {
    let records = settings.writes && settings.mode != Mode::Replay;
    let left_behind = if settings.writes && args.at.is_none() {
        let recovered = recover(&project.root).map_err(|error| settle_failure(error, Exit::Usage))?;
        if recovered > 0 {
            notes.push(format!("{recovered} answers of a run that was killed were recovered"));
        }
        Vec::new()
    } else {
        orphans(&project.root)
    };
    let store = project.store().with(left_behind);
    let index = Index::load(&*project.tree)?;
    let secrets = known_secrets(environment, &prepared.workspace.config.models);
    let journal = if records { Some(open_journal(project, secrets.clone())?) } else { None };
    if let Some(journal) = &journal {
        // What came from elsewhere is recorded here as if it had been asked for.
        for (prompt, line) in &project.shared {
            journal.append(prompt, line).map_err(|error| Failure::usage(error.to_string()))?;
        }
    }
    let stop = Arc::new(Stop::default());
    if settings.mode != Mode::Replay {
        interrupt::watch(&stop);
    }
    let permissions = permissions(context, project, args.allow_exec, secrets);
    let get = |name: &str| environment.get(name);
    let clock = context.take_clock();
    let mut gather = settings.writes.then(|| Gather::new(clock.now(), project.tree.describe(), settings.mode));
    let result = {
        let run = Run {
            prepared,
            plan,
            settings,
            store: &store,
            snapshots: (&index, &*project.tree),
            against: None,
            journal: journal.as_ref(),
            root: Some(&project.root),
            variables: &get,
            clock: &clock,
            stop: &stop,
            jobs: args.jobs.map(usize::from),
            permissions,
            notes,
        };
        report_run(context, &args.reports, opened, &project.root, |listener| match gather.as_mut() {
            Some(gather) => run.run(&mut All(vec![gather, listener])),
            None => run.run(listener),
        })
    };
    // Whatever happened, what arrived is put where it belongs.
    let result = match journal {
        Some(journal) => match put_away(&project.root, journal) {
            Ok(lines) => {
                for note in args.shared.put(context, project, &lines)? {
                    writeln!(context.err(), "{}", terminal_line(&note))?;
                }
                result
            }
            Err(failure) => Err(failure),
        },
        None => result,
    };
    if let Some(gather) = gather {
        history::remember(context, &project.root, gather, result.as_ref().ok().copied());
    }
    result
}

/// Moves what a journal holds to where it belongs below a root, and gives it.
pub(super) fn put_away(root: &Path, journal: Journal) -> Result<Vec<(PromptName, Line)>, Failure> {
    let (path, lines) = journal.finish()?;
    settle(root, lines.clone()).map_err(|error| settle_failure(error, Exit::Errored))?;
    // Another process may have recovered it meanwhile: what is in it is settled either way.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(lines),
    }
}

/// A name that no other run has.
pub(super) fn journal_name() -> String {
    format!("{}-{}", std::process::id(), jiff::Timestamp::now().as_nanosecond())
}

fn open_journal(project: &Project, secrets: Secrets) -> Result<Journal, Failure> {
    Journal::begin(&project.root, &journal_name(), secrets).map_err(|error| {
        Failure::usage(format!("the journal in {}/.promptctl cannot be opened: {error}", project.root.display()))
    })
}

/// Before the run it is the project that is wrong; after it an answer could not be put where it belongs.
pub(super) fn settle_failure(error: SettleError, exit: Exit) -> Failure {
    match error {
        SettleError::Damaged(problems) => problems.into(),
        other => Failure::Message { exit, message: other.to_string(), help: None },
    }
}
