//! Asking for answers that a comparison lacks: recorded like any other, kept where they belong, within the limits of the
//! command line.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use super::context::Context;
use super::environment::Environment;
use super::failure::Failure;
use super::interrupt;
use super::load::{Project, known_secrets};
use super::reports::All;
use super::retrieve::{Allowance, Asks};
use super::test::{journal_name, put_away, settle_failure};
use crate::core::event::{Event, Listener, Provenance};
use crate::core::names::PromptName;
use crate::core::redact::Secrets;
use crate::core::verdict::{Exit, Verdict};
use crate::core::words::counted;
use crate::model::{ALLOWED_HOSTS, AllowedHosts, Permissions};
use crate::plan::Plan;
use crate::recording::{Journal, Line, Store, orphans, recover};
use crate::report::Progress;
use crate::run::{Against, FlakyResult, Missing, Mode, Prepared, Run, RunError, Settings, SnapshotPolicy, Stop};
use crate::snapshot::Index;
use crate::tree::{WorkingTree, state};

/// The variable, set outside the repository, that allows models to be programs.
const ALLOW_EXEC: &str = "PROMPTCTL_ALLOW_EXEC";
/// Where answers are kept that belong to no file of the working tree: those of old versions.
pub(super) const ASIDE: &str = ".promptctl/asked";
/// Where the newest answers to recorded requests are kept until a person says that they count.
pub(super) const DRIFT: &str = ".promptctl/drift";

/// What a command that compares may ask for.
#[derive(Clone, Debug, Default, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct AskArgs {
    /// Never call a model; use what is recorded.
    #[arg(long, conflicts_with = "live")]
    pub(super) offline: bool,
    /// Allow calls where they are not allowed by themselves: in continuous integration.
    #[arg(long)]
    pub(super) live: bool,
    /// The most requests in flight.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(super) jobs: Option<u16>,
    /// Make at most this many calls; the rest is left out.
    #[arg(long, value_name = "N")]
    pub(super) max_calls: Option<u64>,
    /// Spend at most this many US dollars; what might cost more than is left is left out.
    #[arg(long, value_name = "USD", value_parser = super::test::dollars)]
    pub(super) max_cost: Option<f64>,
    /// Do not ask before a run that may cost much.
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Allow models that are programs of this project (`provider: exec`) to be run.
    #[arg(long)]
    pub(super) allow_exec: bool,
}

impl AskArgs {
    /// Where answers come from: the flags, then the environment, then what is usual; and the same in words.
    pub(super) fn mode(&self, context: &Context) -> (Mode, &'static str) {
        match (self.offline, self.live, context.is_ci()) {
            (true, ..) => (Mode::Replay, "recorded answers only (--offline)"),
            (false, false, true) => (Mode::Replay, "recorded answers only (CI; --live allows calls)"),
            _ => (Mode::Fill, "recorded answers, and calls for what is not recorded"),
        }
    }
}

/// Where new answers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// With the recordings of the project.
    Recorded,
    /// Into local state, which git ignores.
    Aside,
    /// Into local state of its own: what is recorded of the same requests stays what it is.
    Drift,
    /// Nowhere, beyond this command.
    Nowhere,
}

impl Keep {
    /// What is asked for the working tree is recorded, and for anything else put aside; a pipeline and a repository without
    /// files keep nothing.
    pub(super) fn of(context: &Context, project: &Project, is_aside: bool) -> Self {
        match is_aside {
            _ if context.is_ci() || project.is_bare => Self::Nowhere,
            true => Self::Aside,
            false => Self::Recorded,
        }
    }
}

/// What asking came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    /// Calls that were made.
    pub(super) calls: u64,
    /// USD that they cost.
    pub(super) cost: f64,
    /// Answers whose cost is not known.
    pub(super) unpriced: u64,
    /// Cases that could not be answered.
    pub(super) errored: u64,
    /// Cases that were left out, because a limit was reached or a key is missing.
    pub(super) skipped: u64,
    /// Whether a person ended it.
    pub(super) interrupted: bool,
}

impl Came {
    pub(super) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.cost += other.cost;
        self.unpriced += other.unpriced;
        self.errored += other.errored;
        self.skipped += other.skipped;
        self.interrupted |= other.interrupted;
    }

    /// What it took, in words.
    pub(super) fn spent(&self) -> String {
        let calls = counted(self.calls, "call", "calls");
        match self.unpriced {
            0 => format!("{calls}, ${:.4}", self.cost),
            unpriced if unpriced >= self.calls => format!("{calls}, unpriced"),
            unpriced => format!("{calls}, ${:.4} and {unpriced} unpriced", self.cost),
        }
    }

    /// The exit code that follows from it alone.
    pub(super) fn exit(&self) -> Exit {
        [(self.interrupted, Exit::Interrupted), (self.errored > 0, Exit::Errored), (self.skipped > 0, Exit::Incomplete)]
            .into_iter()
            .find_map(|(applies, exit)| applies.then_some(exit))
            .unwrap_or(Exit::Good)
    }
}

/// What somebody outside the repository allows.
pub(super) fn permissions(context: &Context, project: &Project, allow_exec: bool, secrets: Secrets) -> Permissions {
    let allowed = context.variable(ALLOW_EXEC).is_some_and(|value| value == "1" || value == "true");
    Permissions {
        hosts: AllowedHosts::new(context.variable(ALLOWED_HOSTS).as_deref()),
        programs: allow_exec || allowed,
        folder: project.root.clone(),
        traces: context.is_verbose(),
        secrets,
    }
}

/// Asks, within the limits of one command.
pub(super) struct Asker {
    args: AskArgs,
    environment: Environment,
    stop: Arc<Stop>,
    /// What was asked so far.
    pub(super) came: Came,
    watched: bool,
    /// Whether a person has agreed to all that follows.
    agreed: bool,
    /// What was said.
    told: Vec<String>,
    /// The other side of a comparison, while this one is asked.
    pub(super) against: Option<Against>,
    /// Whether somebody else says what could not be answered.
    pub(super) leaves_errors: bool,
}

impl Asker {
    pub(super) fn new(project: &Project, args: &AskArgs) -> Result<Self, Failure> {
        let environment = Environment::load(project)?;
        Ok(Self {
            args: args.clone(),
            environment,
            stop: Arc::default(),
            came: Came::default(),
            watched: false,
            agreed: false,
            told: Vec::new(),
            against: None,
            leaves_errors: false,
        })
    }

    /// Asks for what a plan lacks, and makes the store know it. `mode` says whether recorded answers count.
    pub(super) fn fill(
        &mut self,
        context: &mut Context,
        project: &Project,
        prepared: &Prepared,
        plan: &Plan,
        (mode, keep): (Mode, Keep),
        store: Store,
    ) -> Result<(Store, Vec<(PromptName, Line)>), Failure> {
        let settings = self.settings(mode);
        let missing = self.forecast(prepared, plan, &settings, &store)?;
        if missing.is_nothing() {
            self.came.skipped += missing.left_out();
            self.note(context, &missing.notes)?;
            return Ok((store, Vec::new()));
        }
        if !self.agreed && mode != Mode::Replay {
            self.agree(context, prepared, plan, &settings, &missing)?;
        }
        self.run_agreed(context, project, prepared, plan, (&settings, keep), store, &mut Nobody)
    }

    /// Runs a plan, whatever is recorded of it; `heard` is told what becomes of it, and the store knows what was said.
    #[expect(clippy::too_many_arguments, reason = "each is another part of a run")]
    pub(super) fn run_through(
        &mut self,
        context: &mut Context,
        project: &Project,
        prepared: &Prepared,
        plan: &Plan,
        (settings, keep): (&Settings, Keep),
        store: Store,
        heard: &mut dyn Listener,
    ) -> Result<(Store, Vec<(PromptName, Line)>), Failure> {
        if !self.agreed && settings.mode != Mode::Replay {
            let missing = self.forecast(prepared, plan, settings, &store)?;
            self.agree(context, prepared, plan, settings, &missing)?;
        }
        self.run_agreed(context, project, prepared, plan, (settings, keep), store, heard)
    }

    /// The same once a person has agreed.
    #[expect(clippy::too_many_arguments, reason = "each is another part of a run")]
    fn run_agreed(
        &mut self,
        context: &mut Context,
        project: &Project,
        prepared: &Prepared,
        plan: &Plan,
        (settings, keep): (&Settings, Keep),
        store: Store,
        heard: &mut dyn Listener,
    ) -> Result<(Store, Vec<(PromptName, Line)>), Failure> {
        if !self.watched {
            interrupt::watch(&self.stop);
            self.watched = true;
        }
        // What is kept nowhere is written down all the same until the command ends: it was paid for.
        let temporary = tempfile::tempdir()?;
        let root = match keep {
            // Nothing is asked, and nothing written.
            _ if settings.mode == Mode::Replay => temporary.path().to_owned(),
            Keep::Recorded => project.root.clone(),
            Keep::Aside => state_folder(project, ASIDE)?,
            Keep::Drift => state_folder(project, DRIFT)?,
            Keep::Nowhere => temporary.path().to_owned(),
        };
        std::fs::create_dir_all(&root)?;
        recover(&root).map_err(|error| settle_failure(error, Exit::Usage))?;
        let secrets = known_secrets(&self.environment, &prepared.workspace.config.models);
        let journal = Journal::begin(&root, &journal_name(), secrets.clone())?;
        let mut told = std::mem::take(&mut self.told);
        let done = self.run(context, project, prepared, plan, settings, &store, &journal, secrets, (&mut told, heard));
        self.told = told;
        // Whatever happened, what arrived is put where it belongs.
        let lines = put_away(&root, journal)?;
        self.came.add(done?);
        Ok((store.with(lines.clone()), lines))
    }

    /// Asks a person before calls that may cost much. Where a plan is asked in parts, its whole is agreed on before.
    fn agree(
        &mut self,
        context: &mut Context,
        prepared: &Prepared,
        plan: &Plan,
        settings: &Settings,
        missing: &Missing,
    ) -> Result<(), Failure> {
        if self.args.yes || super::forecast::agrees_to(context, missing, prepared, plan, settings)? {
            return Ok(());
        }
        let message = "nothing was asked".to_owned();
        Err(Failure::Message { exit: Exit::Incomplete, message, help: None })
    }

    /// Asks a person once for all of these plans, of which no more than they lack is asked in what follows.
    pub(super) fn agree_to(
        &mut self,
        context: &mut Context,
        plans: &[(&Prepared, &Plan, &Store)],
        mode: Mode,
    ) -> Result<(), Failure> {
        let settings = self.settings(mode);
        let is_asked = !self.args.yes && super::forecast::is_asked_about(context, &settings);
        for (prepared, plan, store) in plans.iter().filter(|_| is_asked) {
            let missing = self.forecast(prepared, plan, &settings, store)?;
            if !missing.is_nothing() {
                self.agree(context, prepared, plan, &settings, &missing)?;
            }
        }
        self.agreed = true;
        Ok(())
    }

    /// What would have to be asked for a plan.
    pub(super) fn forecast(
        &self,
        prepared: &Prepared,
        plan: &Plan,
        settings: &Settings,
        store: &Store,
    ) -> Result<Missing, Failure> {
        let get = |name: &str| self.environment.get(name);
        Ok(Missing::find(prepared, plan, settings, store, &get, self.against.as_ref())?)
    }

    /// What is left of what may be asked, for documents.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance::new(self.calls_left(), self.args.max_cost.map(|limit| (limit - self.came.cost).max(0.0)))
    }

    /// How retrievers are asked.
    pub(super) fn asks<'a>(&self, mode: Mode, keep: Keep, allowance: &'a Allowance) -> Asks<'a> {
        Asks { mode, keep, jobs: self.args.jobs, allow_exec: self.args.allow_exec, allowance }
    }

    /// Whether there is a limit on what may be asked.
    pub(super) fn has_budget(&self) -> bool {
        self.args.max_calls.is_some() || self.args.max_cost.is_some()
    }

    /// How many calls are left of those that are allowed.
    pub(super) fn calls_left(&self) -> Option<u64> {
        Some(self.args.max_calls?.saturating_sub(self.came.calls))
    }

    /// Says each thing once.
    fn note(&mut self, context: &Context, notes: &[String]) -> Result<(), Failure> {
        for note in notes {
            if !self.told.contains(note) {
                writeln!(context.err(), "note: {}", crate::core::escape::terminal_line(note))?;
                self.told.push(note.clone());
            }
        }
        Ok(())
    }

    /// What may be done, within the limits of the command line.
    pub(super) fn settings(&self, mode: Mode) -> Settings {
        Settings {
            mode,
            rejudges: false,
            snapshots: SnapshotPolicy::Warn,
            writes: false,
            max_calls: self.args.max_calls,
            calls_before: self.came.calls,
            again: self.came.calls > 0,
            max_cost: self.args.max_cost.map(|limit| (limit - self.came.cost).max(0.0)),
            confirms: false,
            flaky: FlakyResult::AsRate,
            max_age: None,
            until: None,
            fail_fast: false,
            new_waits: false,
            require_live: false,
            heading: String::new(),
            provenance: Provenance::default(),
            shard: None,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is another part of a run")]
    fn run(
        &self,
        context: &mut Context,
        project: &Project,
        prepared: &Prepared,
        plan: &Plan,
        settings: &Settings,
        store: &Store,
        journal: &Journal,
        secrets: Secrets,
        (told, heard): (&mut Vec<String>, &mut dyn Listener),
    ) -> Result<Came, Failure> {
        let permissions = permissions(context, project, self.args.allow_exec, secrets);
        let get = |name: &str| self.environment.get(name);
        let clock = context.take_clock();
        let run = Run {
            prepared,
            plan,
            settings,
            store,
            snapshots: (&Index::default(), &*project.tree),
            against: self.against.as_ref(),
            journal: Some(journal),
            root: None,
            variables: &get,
            clock: &clock,
            stop: &self.stop,
            jobs: self.args.jobs.map(usize::from),
            permissions,
            notes: Vec::new(),
        };
        let moving = context.err_is_terminal();
        let (mut log, mut notes) = (context.err(), context.err());
        let shows_errors = !self.leaves_errors;
        let mut quiet = Quiet { progress: Progress::new(moving, &mut log), notes: &mut notes, told, shows_errors };
        let result = match run.run(&mut All(vec![&mut quiet, heard])) {
            Ok(result) => result,
            Err(RunError::Problems(problems)) => return Err(problems.into()),
            Err(RunError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Failure::BrokenPipe),
            Err(RunError::Io(error)) => {
                let message = format!("asking ended early: {error}");
                return Err(Failure::Message { exit: Exit::Errored, message, help: None });
            }
        };
        let calls = result.summary.calls_made + result.summary.judge_calls;
        Ok(Came {
            calls,
            cost: result.summary.cost_usd + result.summary.judge_cost_usd,
            unpriced: result.summary.unpriced.min(calls),
            errored: result.summary.count(Verdict::Errored),
            skipped: result.summary.count(Verdict::Skipped),
            interrupted: self.stop.is_interrupted(),
        })
    }
}

/// A folder of local state, which git ignores whatever the project's own files say.
pub(super) fn state_folder(project: &Project, folder: &str) -> io::Result<PathBuf> {
    let below = folder.strip_prefix(state::STATE).unwrap_or(folder).trim_start_matches('/');
    state::prepare(&project.root, &format!("{below}/fixtures"))?;
    Ok(project.root.join(folder))
}

/// Local state for answers that belong to no file of the working tree.
fn aside(project: &Project) -> PathBuf {
    project.root.join(ASIDE)
}

/// The recordings of a project, with those that were asked for by an earlier comparison or bisection.
pub(super) fn store(project: &Project) -> Store {
    let store = project.store().with(orphans(&project.root)).with(orphans(&aside(project)));
    match WorkingTree::open(&aside(project)) {
        Ok(tree) => store.or_glancing(Arc::new(tree)),
        // Nothing was ever asked aside.
        Err(_) => store,
    }
}

/// Whom nothing is told.
struct Nobody;

impl Listener for Nobody {
    fn on(&mut self, _: &Event) -> io::Result<()> {
        Ok(())
    }
}

/// Tells what a person should know, each thing once, and nothing of the cases.
struct Quiet<'a> {
    progress: Progress<'a>,
    notes: &'a mut dyn io::Write,
    told: &'a mut Vec<String>,
    shows_errors: bool,
}

impl Listener for Quiet<'_> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        self.progress.on(event)?;
        let note = match event {
            Event::Noted(text) => format!("note: {text}"),
            Event::Traced(text) => text.clone(),
            Event::Finished(outcome) if self.shows_errors && outcome.verdict == Verdict::Errored => {
                format!("note: {}", outcome.reason)
            }
            _ => return Ok(()),
        };
        if matches!(event, Event::Traced(_)) || !self.told.contains(&note) {
            writeln!(self.notes, "{}", crate::core::escape::terminal_line(&note))?;
            self.told.push(note);
        }
        Ok(())
    }
}
