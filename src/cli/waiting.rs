//! `promptctl pending`, `accept`, `reject` and `review`: what waits, and what becomes of it.

use std::io;

use console::{Key, Term};
use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use crate::core::escape::terminal_line;
use crate::core::problem::Problems;
use crate::core::verdict::Exit;
use crate::plan::Workspace;
use crate::review::{Decision, Filter, FilterError, Keys, Session, show, walk};
use crate::snapshot::{Pending, Snapshot, accept, pending, reject};

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

/// Look at the answers that wait, riskiest first, and accept or reject them. Without a terminal it only prints.
#[derive(Debug, clap::Args)]
pub(super) struct ReviewArgs {
    #[command(flatten)]
    filter: FilterArgs,
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        let exit = match error {
            FilterError::BadGlob(..) => Exit::Usage,
            FilterError::NoMatch { .. } => Exit::Nothing,
        };
        Self::Message { exit, message: error.to_string(), help: None }
    }
}

fn find(project: &Project, args: &FilterArgs) -> Result<Vec<Pending>, Failure> {
    let mut problems = Problems::default();
    let found = pending(&*project.working, &mut problems);
    if problems.has_errors() {
        return Err(problems.into());
    }
    let filter = Filter { prompts: args.prompts.clone(), cases: args.cases.clone(), models: args.models.clone() };
    if found.is_empty() && !filter.is_everything() {
        let message = "nothing waits for review".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    Ok(filter.apply(found)?)
}

pub(super) fn list(context: &mut Context, args: &PendingArgs) -> Result<Exit, Failure> {
    let project = Project::find(context, None)?;
    let found = find(&project, &args.filter)?;
    if args.json {
        let items: Vec<_> = found
            .iter()
            .map(|p| {
                json!({
                    "prompt": p.info.prompt, "case": p.info.case, "model": p.info.model,
                    "path": p.path, "kind": p.change.kind.name(), "change": p.change.signature,
                    "failing": p.info.failing,
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
        }
    }
    match found.len() {
        0 => writeln!(context.out(), "nothing waits for review")?,
        n => writeln!(context.out(), "{n} waiting: `promptctl review`, or `promptctl accept` and `reject`")?,
    }
    Ok(if found.is_empty() { Exit::Good } else { Exit::Waiting })
}

pub(super) fn accept_some(context: &mut Context, args: &AcceptArgs) -> Result<Exit, Failure> {
    let project = Project::find(context, None)?;
    let found = find_named(&project, &args.filter, args.all, "accept")?;
    let (mut done, mut held) = (0, 0);
    for waiting in &found {
        if waiting.info.failing && !args.failing {
            held += 1;
            continue;
        }
        accept(&project.root, waiting).map_err(|error| write_failure(waiting, &error))?;
        done += 1;
        writeln!(context.out(), "accepted {}", waiting.path)?;
    }
    writeln!(context.out(), "{done} accepted")?;
    if held > 0 {
        writeln!(
            context.out(),
            "{held} held back, because their expectations fail: accepting them would not make them pass (--failing accepts them all the same)"
        )?;
        return Ok(Exit::Waiting);
    }
    Ok(Exit::Good)
}

pub(super) fn reject_some(context: &mut Context, args: &RejectArgs) -> Result<Exit, Failure> {
    let project = Project::find(context, None)?;
    let found = find_named(&project, &args.filter, args.all, "reject")?;
    for waiting in &found {
        reject(&project.root, waiting).map_err(|error| write_failure(waiting, &error))?;
        writeln!(context.out(), "rejected {}", waiting.path)?;
    }
    writeln!(context.out(), "{} rejected", found.len())?;
    Ok(Exit::Good)
}

fn find_named(project: &Project, args: &FilterArgs, all: bool, verb: &str) -> Result<Vec<Pending>, Failure> {
    let named = !(args.prompts.is_empty() && args.cases.is_empty() && args.models.is_empty());
    if !named && !all {
        let failure = Failure::usage(format!("say what to {verb}: a prompt, --case, --model, or --all"));
        return Err(failure.help("`promptctl pending` lists what waits"));
    }
    let found = find(project, args)?;
    if found.is_empty() {
        let message = "nothing waits for review".to_owned();
        return Err(Failure::Message { exit: Exit::Nothing, message, help: None });
    }
    Ok(found)
}

fn write_failure(waiting: &Pending, error: &io::Error) -> Failure {
    Failure::usage(format!("{} cannot be written: {error}", waiting.path))
}

/// Keys from the terminal.
struct TerminalKeys(Term);

impl Keys for TerminalKeys {
    fn key(&mut self) -> io::Result<Option<char>> {
        loop {
            match self.0.read_key() {
                Ok(Key::Char(c)) => return Ok(Some(c)),
                Ok(Key::Enter) => return Ok(Some('\n')),
                Ok(Key::Escape | Key::CtrlC) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

pub(super) fn review(context: &mut Context, args: &ReviewArgs) -> Result<Exit, Failure> {
    let project = Project::find(context, None)?;
    let found = find(&project, &args.filter)?;
    if found.is_empty() {
        writeln!(context.out(), "nothing waits for review")?;
        return Ok(Exit::Good);
    }
    // The prompt is shown where the project loads; a review is possible where it does not.
    let workspace = Workspace::load(project.tree.clone(), &mut Problems::default());
    let prompt = |pending: &Pending| messages_of(workspace.as_ref()?, pending);
    let style = context.style();
    let mut session = Session::new(found);
    if !context.is_interactive() {
        for waiting in &session.pending {
            show(context.out(), waiting, prompt(waiting).as_deref(), style)?;
            writeln!(context.out())?;
        }
        let count = session.pending.len();
        writeln!(
            context.out(),
            "{count} waiting; nothing was done, because this is no terminal: use `promptctl accept` and `reject`"
        )?;
        return Ok(Exit::Waiting);
    }
    let mut apply = |waiting: &Pending, decision: Decision| match decision {
        Decision::Accept => accept(&project.root, waiting),
        Decision::Reject => reject(&project.root, waiting),
        Decision::Skip => Ok(()),
    };
    walk(context.out(), &mut TerminalKeys(Term::stdout()), &mut session, style, &prompt, &mut apply)?;
    let (accepted, rejected) = (session.count(Some(Decision::Accept)), session.count(Some(Decision::Reject)));
    let left = session.pending.len() - accepted - rejected;
    writeln!(context.out(), "\n{accepted} accepted, {rejected} rejected, {left} still waiting")?;
    Ok(if left == 0 { Exit::Good } else { Exit::Waiting })
}

/// What the model was shown, as text.
fn messages_of(workspace: &Workspace, pending: &Pending) -> Option<String> {
    let is_it = |case: &&crate::case::Case| {
        case.name.as_str() == pending.info.case && workspace.prompt_of(case).name.as_str() == pending.info.prompt
    };
    let case = workspace.cases.list.iter().find(is_it)?;
    let messages = workspace.messages(case).ok()?;
    let lines: Vec<String> = messages.iter().map(|m| format!("[{}] {}", m.role.name(), m.shown().trim())).collect();
    Some(lines.join("\n"))
}
