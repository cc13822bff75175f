//! `promptctl pending`, `accept` and `reject`: what waits, and what becomes of it.

use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use crate::core::escape::terminal_line;
use crate::core::problem::Problems;
use crate::core::verdict::Exit;
use crate::project::Config;
use crate::report::write_problems;
use crate::review::{Filter, FilterError, Session, like, needs_reason};
use crate::snapshot::{Act, ActError, Pending, Reason, Snapshot, act, pending};

/// Which of the answers that wait.
#[derive(Debug, clap::Args)]
pub(super) struct FilterArgs {
    /// Prompts: a name or a glob. Left out: all of them.
    #[arg(value_name = "PROMPT")]
    prompts: Vec<String>,
    /// Only cases whose name matches this glob. May be given several times.
    #[arg(long = "case", value_name = "GLOB")]
    cases: Vec<String>,
    /// Only this model. May be given several times.
    #[arg(long = "model", value_name = "ALIAS")]
    models: Vec<String>,
}

/// List the answers that wait for review.
#[derive(Debug, clap::Args)]
pub(super) struct PendingArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Accept answers that wait: they become the accepted ones.
#[derive(Debug, clap::Args)]
pub(super) struct AcceptArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Accept everything that waits.
    #[arg(long)]
    all: bool,
    /// Accept answers whose expectations fail, too.
    #[arg(long)]
    failing: bool,
    /// Accept everything that went through the same change as this case.
    #[arg(long, value_name = "PROMPT/CASE")]
    like: Option<String>,
    /// Why: kept in the accepted answer. Needed for answers whose expectations fail, and where the project says so.
    #[arg(long, value_name = "TEXT", value_parser = Reason::new)]
    reason: Option<Reason>,
}

/// Reject answers that wait: the accepted ones stay.
#[derive(Debug, clap::Args)]
pub(super) struct RejectArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Reject everything that waits.
    #[arg(long)]
    all: bool,
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        let exit = match error {
            FilterError::BadGlob(..) | FilterError::Ambiguous(_) => Exit::Usage,
            FilterError::NoMatch { .. } => Exit::Nothing,
        };
        Self::Message { exit, message: error.to_string(), help: None }
    }
}

pub(super) fn find(context: &Context, project: &Project, args: &FilterArgs) -> Result<Vec<Pending>, Failure> {
    let mut problems = Problems::default();
    let found = pending(&*project.working, &mut problems);
    let problems = problems.sorted();
    if found.is_empty() && !problems.is_empty() {
        return Err(Failure::Problems(problems));
    }
    // One that cannot be read does not hold back the others.
    write_problems(&mut context.err(), &problems, context.error_style())?;
    let filter = Filter { prompts: args.prompts.clone(), cases: args.cases.clone(), models: args.models.clone() };
    if found.is_empty() && !filter.is_everything() {
        let message = "nothing waits for review".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    Ok(filter.apply(found)?)
}

pub(super) fn list(context: &mut Context, args: &PendingArgs) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    let found = find(context, &project, &args.filter)?;
    if args.json {
        let items: Vec<_> = found
            .iter()
            .map(|p| {
                json!({
                    "prompt": p.info.prompt, "case": p.info.case, "model": p.info.model,
                    "path": p.path, "kind": p.change.kind.name(), "change": p.change.signature,
                    "failing": p.info.failing, "fails": p.info.fails,
                    "accepted_reason": p.accepted_reason(),
                    "accepted": p.accepted.as_ref().map(Snapshot::body), "new": p.new.body(),
                })
            })
            .collect();
        writeln!(context.out(), "{:#}", json!({"version": 1, "pending": items}))?;
        return Ok(if found.is_empty() { Exit::Good } else { Exit::Waiting });
    }
    let style = context.style();
    for group in Session::new(found.clone()).groups() {
        let count = group.members.len();
        let title = format!("{count} × {}: {}", group.change.kind.name(), terminal_line(&group.change.signature));
        writeln!(context.out(), "{}", style.yellow(&title))?;
        for pending in group.members.iter().map(|i| &found[*i]) {
            let info = &pending.info;
            let name = [&info.prompt, &info.case, &info.model].map(|p| terminal_line(p).into_owned()).join(" › ");
            writeln!(context.out(), "  {name}")?;
            for what in &info.fails {
                writeln!(context.out(), "    {}", style.red(&format!("✗ {}", terminal_line(what))))?;
            }
        }
    }
    match found.len() {
        0 => writeln!(context.out(), "nothing waits for review")?,
        n => writeln!(context.out(), "{n} waiting: `promptctl review`, or `promptctl accept` and `reject`")?,
    }
    Ok(if found.is_empty() { Exit::Good } else { Exit::Waiting })
}

/// Whether the project wants a reason for what is accepted. One that cannot be read wants none here; `test` refuses it.
pub(super) fn requires_reason(project: &Project) -> bool {
    Config::load(&*project.tree, &mut Problems::default()).is_some_and(|config| config.require_reason)
}

pub(super) fn accept_some(context: &mut Context, args: &AcceptArgs) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    let mut found = find_named(context, &project, &args.filter, args.all || args.like.is_some(), "accept")?;
    if let Some(named) = &args.like {
        found = like(&found, named)?;
    }
    let (wanted, held): (Vec<Pending>, Vec<Pending>) =
        found.into_iter().partition(|waiting| args.failing || !waiting.info.failing);
    if args.reason.is_none()
        && let Some(why) = needs_reason(requires_reason(&project), &wanted)
    {
        let of = wanted.iter().find(|one| one.info.failing).or(wanted.first());
        let path = of.map(|waiting| format!("{}: ", waiting.path)).unwrap_or_default();
        let failure = Failure::usage(format!("{path}{why}, so accepting it needs a reason; nothing was accepted"));
        return Err(failure.help("say why: `promptctl accept … --reason \"the refund policy changed\"`"));
    }
    if let Some(reason) = args.reason.as_ref().filter(|_| requires_reason(&project)) {
        // `test` would refuse it: the reason of another answer says nothing of this one.
        let former = |waiting: &&Pending| {
            let header = waiting.accepted.as_ref().and_then(|accepted| accepted.header().ok());
            header.is_some_and(|header| header.info.reason == reason.as_str())
        };
        if let Some(waiting) = wanted.iter().find(former) {
            let message = format!("{}: the answer before it was accepted for the very same reason", waiting.path);
            return Err(Failure::usage(format!("{message}; nothing was accepted")).help("say why this one is accepted"));
        }
    }
    for waiting in &wanted {
        act(&project.root, &[waiting], Act::Accept, args.reason.as_ref()).map_err(|e| write_failure(waiting, &e))?;
        writeln!(context.out(), "accepted {}", waiting.path)?;
    }
    writeln!(context.out(), "{} accepted", wanted.len())?;
    if !held.is_empty() {
        writeln!(
            context.out(),
            "{} held back, because their expectations fail: accepting them would not make them pass (--failing with --reason accepts them all the same)",
            held.len()
        )?;
        return Ok(Exit::Waiting);
    }
    Ok(Exit::Good)
}

pub(super) fn reject_some(context: &mut Context, args: &RejectArgs) -> Result<Exit, Failure> {
    let project = Project::on_disk(context)?;
    let found = find_named(context, &project, &args.filter, args.all, "reject")?;
    for waiting in &found {
        act(&project.root, &[waiting], Act::Reject, None).map_err(|error| write_failure(waiting, &error))?;
        writeln!(context.out(), "rejected {}", waiting.path)?;
    }
    writeln!(context.out(), "{} rejected", found.len())?;
    Ok(Exit::Good)
}

fn find_named(
    context: &Context,
    project: &Project,
    args: &FilterArgs,
    all: bool,
    verb: &str,
) -> Result<Vec<Pending>, Failure> {
    let named = !(args.prompts.is_empty() && args.cases.is_empty() && args.models.is_empty());
    if !named && !all {
        let failure = Failure::usage(format!("say what to {verb}: a prompt, --case, --model, or --all"));
        return Err(failure.help("`promptctl pending` lists what waits"));
    }
    let found = find(context, project, args)?;
    if found.is_empty() {
        let message = "nothing waits for review".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    Ok(found)
}

fn write_failure(waiting: &Pending, error: &ActError) -> Failure {
    match error {
        ActError::Changed(_) => Failure::Message {
            exit: Exit::Waiting,
            message: error.to_string(),
            help: Some("`promptctl review`".into()),
        },
        _ => Failure::usage(format!("{} cannot be written: {error}", waiting.path)),
    }
}
