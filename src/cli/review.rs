//! `promptctl review`: the answers that wait, on the terminal or as a page.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use console::{Key, Term};

use super::context::Context;
use super::failure::Failure;
use super::load::Project;
use super::waiting::{FilterArgs, find, requires_reason};
use super::{interrupt, serve};
use crate::core::problem::Problems;
use crate::core::verdict::Exit;
use crate::plan::Workspace;
use crate::review::page::{Messages, Said, Site};
use crate::review::{Desk, Keys, show, walk};
use crate::snapshot::Pending;

/// Look at the answers that wait, riskiest first, and accept or reject them. Without a terminal it only prints.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// Show them as a page in the browser of this machine, until Ctrl-C or its button `Finish`.
    #[arg(long)]
    web: bool,
    /// The port of the page; left out: any that is free.
    #[arg(long, value_name = "N", requires = "web", default_value_t = 0)]
    port: u16,
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
    let project = Project::on_disk(context)?;
    let found = find(context, &project, &args.filter)?;
    if found.is_empty() {
        writeln!(context.out(), "nothing waits for review")?;
        return Ok(Exit::Good);
    }
    // The prompt is shown where the project loads; a review is possible where it does not.
    let workspace = Workspace::load(project.tree.clone(), &mut Problems::default());
    let messages = move |pending: &Pending| messages_of(workspace.as_ref()?, pending);
    if args.web {
        return on_a_page(context, &project, found, args.port, Box::new(messages));
    }
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

fn on_a_page(
    context: &mut Context,
    project: &Project,
    found: Vec<Pending>,
    port: u16,
    messages: Messages,
) -> Result<Exit, Failure> {
    let cannot = |error: io::Error| {
        let failure = Failure::usage(format!("the port {port} of this machine cannot be listened on: {error}"));
        failure.help("leave --port out, and any free one is taken")
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(cannot)?;
    let authority = listener.local_addr().map_err(cannot)?.to_string();
    let token = token()?;
    let name = project.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let site = Site::new(desk(project, found), &name, &authority, &token, messages);
    writeln!(context.out(), "http://{authority}/{token}/")?;
    context.flush()?;
    let note = "open this page in the browser of this machine; nobody else can read it. Ctrl-C ends the review\n";
    io::Write::write_all(&mut context.err(), note.as_bytes())?;
    let site = serve::serve(listener, site, interrupt::asked_to_end())?;
    close(context, &site.into_desk())
}

/// 128 bits that nobody can guess, as hex digits.
fn token() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::usage(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What the model was shown.
fn messages_of(workspace: &Workspace, pending: &Pending) -> Option<Vec<Said>> {
    let is_it = |case: &&crate::case::Case| {
        case.name.as_str() == pending.info.case && workspace.prompt_of(case).name.as_str() == pending.info.prompt
    };
    let case = workspace.cases.list.iter().find(is_it)?;
    let messages = workspace.messages(case).ok()?;
    Some(messages.iter().map(|message| (message.role.name(), message.shown().trim().to_owned())).collect())
}
