//! `promptctl review`: the answers that wait, on the terminal.

use std::io;

use console::{Key, Term};

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::waiting::{FilterArgs, find, requires_reason};
use crate::core::problem::Problems;
use crate::core::verdict::Exit;
use crate::plan::Workspace;
use crate::review::{Desk, Keys, show, walk};
use crate::snapshot::Pending;

/// Look at the answers that wait, riskiest first, and accept or reject them. Without a terminal it only prints.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
}

/// Keys from the terminal.
struct TerminalKeys(Term);

impl Keys for TerminalKeys {
    fn key(&mut self) -> io::Result<Option<char>> {
        loop {
            match self.0.read_key() {
                Ok(Key::Char(c)) => return Ok(Some(c)),
                Ok(Key::Enter) => return Ok(Some('\n')),
                Ok(Key::Backspace) => return Ok(Some('\u{8}')),
                Ok(Key::Escape | Key::CtrlC) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

pub(super) fn run(context: &mut Context, args: &Args) -> Result<Exit, Failure> {
    let project = Project::find(context, None)?;
    let found = find(&project, &args.filter)?;
    if found.is_empty() {
        writeln!(context.out(), "nothing waits for review")?;
        return Ok(Exit::Good);
    }
    // The prompt is shown where the project loads; a review is possible where it does not.
    let workspace = Workspace::load(project.tree.clone(), &mut Problems::default());
    let messages = move |pending: &Pending| messages_of(workspace.as_ref()?, pending);
    let prompt = |pending: &Pending| {
        let lines: Vec<String> = messages(pending)?.iter().map(|(role, text)| format!("[{role}] {text}")).collect();
        Some(lines.join("\n"))
    };
    let style = context.style();
    if !context.is_interactive() {
        for waiting in &found {
            show(context.out(), waiting, prompt(waiting).as_deref(), style)?;
            writeln!(context.out())?;
        }
        writeln!(
            context.out(),
            "{} waiting; nothing was done, because this is no terminal: use `promptctl accept` and `reject`",
            found.len()
        )?;
        return Ok(Exit::Waiting);
    }
    let mut desk = desk(&project, found);
    let walked = walk(context.out(), &mut TerminalKeys(Term::stdout()), &mut desk, style, &prompt);
    // What was decided is said whatever ended the review.
    let exit = close(context, &desk)?;
    walked?;
    Ok(exit)
}

fn desk(project: &Project, found: Vec<Pending>) -> Desk {
    Desk::new(found, project.root.clone(), project.working.clone(), requires_reason(project))
}

fn close(context: &mut Context, desk: &Desk) -> Result<Exit, Failure> {
    writeln!(context.out(), "\n{}", desk.closing_line())?;
    Ok(if desk.session.waiting() == 0 { Exit::Good } else { Exit::Waiting })
}

/// What the model was shown.
fn messages_of(workspace: &Workspace, pending: &Pending) -> Option<Vec<(&'static str, String)>> {
    let is_it = |case: &&crate::case::Case| {
        case.name.as_str() == pending.info.case && workspace.prompt_of(case).name.as_str() == pending.info.prompt
    };
    let case = workspace.cases.list.iter().find(is_it)?;
    let messages = workspace.messages(case).ok()?;
    Some(messages.iter().map(|message| (message.role.name(), message.shown().trim().to_owned())).collect())
}
