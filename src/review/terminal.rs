//! The review on a terminal: one change at a time, a key for each decision. Works in 80 columns and over ssh: text
//! is only ever added below.

use std::io::{self, Write};

use super::session::{Decision, Session};
use crate::core::escape::terminal_line;
use crate::core::verdict::Difference;
use crate::report::{Style, write_difference};
use crate::snapshot::Pending;

/// The most lines of a prompt's messages that are shown above a change.
const MESSAGE_LINES: usize = 8;
/// The most lines of a new answer.
const ANSWER_LINES: usize = 20;

/// Where keys come from.
pub trait Keys {
    /// The next key, or `None` where no more come.
    fn key(&mut self) -> io::Result<Option<char>>;
}

/// Writes one answer that waits: what it belongs to, what the prompt was, what changed.
pub fn show(out: &mut dyn Write, pending: &Pending, prompt: Option<&str>, style: Style) -> io::Result<()> {
    let info = &pending.info;
    let name = [&info.prompt, &info.case, &info.model].map(|part| terminal_line(part).into_owned()).join(" › ");
    let kind = pending.change.kind.name();
    writeln!(out, "{}  {}", style.bold(&name), style.yellow(kind))?;
    let version =
        if info.version.is_empty() { String::new() } else { format!("version {} · ", terminal_line(&info.version)) };
    let digest = info.digest.get(..12).unwrap_or_default();
    writeln!(out, "{}", style.dim(&format!("{version}digest {} · {}", terminal_line(digest), pending.path)))?;
    if let Some(prompt) = prompt {
        let lines: Vec<&str> = prompt.lines().collect();
        for line in lines.iter().take(MESSAGE_LINES) {
            writeln!(out, "  {} {}", style.dim("│"), style.dim(&clip(&terminal_line(line), style.width)))?;
        }
        if lines.len() > MESSAGE_LINES {
            writeln!(out, "  {}", style.dim(&format!("│ … {} more lines", lines.len() - MESSAGE_LINES)))?;
        }
    }
    match &pending.accepted {
        Some(accepted) => {
            let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok_and(|v| !v.is_string());
            let (old, new) = (accepted.body().to_owned(), pending.new.body().to_owned());
            let json = info.compare == "json" && is_json(&old) && is_json(&new);
            write_difference(out, &Difference { what: "answer".into(), old, new, json }, "  ", style)
        }
        None => {
            writeln!(out, "  nothing was accepted yet; the answer is:")?;
            let lines: Vec<&str> = pending.new.body().lines().collect();
            for line in lines.iter().take(ANSWER_LINES) {
                writeln!(out, "  {} {}", style.green("+"), terminal_line(line))?;
            }
            if lines.len() > ANSWER_LINES {
                writeln!(out, "  {}", style.dim(&format!("… {} more lines", lines.len() - ANSWER_LINES)))?;
            }
            Ok(())
        }
    }
}

fn clip(text: &str, width: usize) -> String {
    let most = width.saturating_sub(6).max(20);
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(most).collect::<String>())
    }
}

/// Asks for a decision on everything that waits. `apply` carries a decision out at once; `prompt` is what the model
/// was shown, where that is known.
pub fn walk(
    out: &mut dyn Write,
    keys: &mut dyn Keys,
    session: &mut Session,
    style: Style,
    prompt: &dyn Fn(&Pending) -> Option<String>,
    apply: &mut dyn FnMut(&Pending, Decision) -> io::Result<()>,
) -> io::Result<()> {
    while let Some(index) = session.next() {
        let alike = session.alike(index).len();
        let place = session.pending.len() - session.count(None) + 1;
        writeln!(out, "\n{}", style.dim(&format!("── {place} of {} {}", session.pending.len(), "─".repeat(40))))?;
        let shown = prompt(&session.pending[index]);
        show(out, &session.pending[index], shown.as_deref(), style)?;
        if alike > 1 {
            let signature = terminal_line(&session.pending[index].change.signature).into_owned();
            writeln!(out, "  {}", style.yellow(&format!("the same in {alike} answers: {signature}")))?;
        }
        let Some((decision, all)) = ask(out, keys, alike, style)? else { return Ok(()) };
        for i in session.decide(index, decision, all) {
            apply(&session.pending[i], decision)?;
        }
    }
    Ok(())
}

/// Reads keys until one of them is a decision; `None` ends the review.
fn ask(out: &mut dyn Write, keys: &mut dyn Keys, alike: usize, style: Style) -> io::Result<Option<(Decision, bool)>> {
    let group = if alike > 1 { format!("  ·  A R S: all {alike}") } else { String::new() };
    write!(out, "{}", style.bold(&format!("a accept  r reject  s skip{group}  ·  q quit > ")))?;
    out.flush()?;
    loop {
        let key = keys.key()?;
        let decision = match key {
            Some('a') => (Decision::Accept, false),
            Some('r') => (Decision::Reject, false),
            Some('s' | ' ' | '\n') => (Decision::Skip, false),
            Some('A') => (Decision::Accept, true),
            Some('R') => (Decision::Reject, true),
            Some('S') => (Decision::Skip, true),
            Some('q' | '\u{3}' | '\u{1b}') | None => {
                writeln!(out, "quit")?;
                return Ok(None);
            }
            Some(_) => continue,
        };
        let word = match decision.0 {
            Decision::Accept => style.green("accepted"),
            Decision::Reject => style.red("rejected"),
            Decision::Skip => style.dim("skipped"),
        };
        let count = if decision.1 && alike > 1 { format!(" all {alike}") } else { String::new() };
        writeln!(out, "{word}{count}")?;
        return Ok(Some(decision));
    }
}
