//! The review on a terminal: one change at a time, a key for each decision. Works in 80 columns and over ssh: text
//! is only ever added below.

use std::io::{self, Write};

use super::desk::{Desk, Refusal};
use super::session::Decision;
use crate::core::escape::terminal_line;
use crate::core::verdict::Difference;
use crate::report::{Style, write_difference};
use crate::snapshot::{Pending, Reason};

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
    for what in &info.fails {
        writeln!(out, "  {}", style.red(&format!("✗ {}", terminal_line(what))))?;
    }
    if let Some(reason) = pending.accepted_reason() {
        writeln!(out, "  {}", style.dim(&format!("accepted before, because: {}", terminal_line(&reason))))?;
    }
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

/// What a person wants next.
enum Wish {
    Decide { decision: Decision, all: bool },
    Undo,
    Why,
    Quit,
}

/// Asks for a decision on everything that waits, and carries each out at once. `prompt` is what the model was shown,
/// where that is known.
pub fn walk(
    out: &mut dyn Write,
    keys: &mut dyn Keys,
    desk: &mut Desk,
    style: Style,
    prompt: &dyn Fn(&Pending) -> Option<String>,
) -> io::Result<()> {
    let mut reason: Option<Reason> = None;
    let mut shown: Option<(usize, u32)> = None;
    loop {
        let Some(index) = desk.session.next() else {
            if desk.session.steps() == 0 || !asks_to_undo(out, keys, style)? {
                return Ok(());
            }
            undo(out, desk, style)?;
            shown = None;
            continue;
        };
        let alike = desk.session.alike(index).len();
        if shown != Some((index, desk.session.revision(index))) {
            introduce(out, desk, index, alike, style, prompt)?;
            shown = Some((index, desk.session.revision(index)));
            reason = None;
        }
        let (decision, all) = match ask(out, keys, alike, desk.session.steps() > 0, style)? {
            Wish::Quit => return Ok(()),
            Wish::Undo => {
                undo(out, desk, style)?;
                shown = None;
                continue;
            }
            Wish::Why => {
                reason = read_reason(out, keys, style)?.or(reason);
                continue;
            }
            Wish::Decide { decision, all } => (decision, all),
        };
        let covered = desk.session.covered(index, decision, all);
        let mut why = reason.clone().filter(|_| decision == Decision::Accept);
        if let Some(what) = desk.needs_reason(&covered).filter(|_| decision == Decision::Accept && why.is_none()) {
            writeln!(out, "{}", style.yellow(&format!("{what}: why is it accepted?")))?;
            why = read_reason(out, keys, style)?;
            if why.is_none() {
                continue;
            }
        }
        match desk.decide(&covered, decision, why.as_ref()) {
            Ok(()) => done(out, decision, covered.len(), style)?,
            Err(refusal @ (Refusal::Unwritten(_) | Refusal::Unreadable(_))) => {
                return Err(io::Error::other(refusal.to_string()));
            }
            Err(refusal) => writeln!(out, "{}", style.red(&terminal_line(&refusal.to_string())))?,
        }
    }
}

/// Shows the next one.
fn introduce(
    out: &mut dyn Write,
    desk: &Desk,
    index: usize,
    alike: usize,
    style: Style,
    prompt: &dyn Fn(&Pending) -> Option<String>,
) -> io::Result<()> {
    let session = &desk.session;
    let pending = &session.pending[index];
    let place = session.pending.len() - session.count(None) + 1;
    writeln!(out, "\n{}", style.dim(&format!("── {place} of {} {}", session.pending.len(), "─".repeat(40))))?;
    show(out, pending, prompt(pending).as_deref(), style)?;
    if alike > 1 {
        let signature = terminal_line(&pending.change.signature).into_owned();
        writeln!(out, "  {}", style.yellow(&format!("the same in {alike} answers: {signature}")))?;
    }
    Ok(())
}

/// Reads keys until one of them is a wish.
fn ask(out: &mut dyn Write, keys: &mut dyn Keys, alike: usize, can_undo: bool, style: Style) -> io::Result<Wish> {
    let group = if alike > 1 { format!("  ·  A R S all {alike}") } else { String::new() };
    let back = if can_undo { "  ·  u undo" } else { "" };
    let line = format!("a accept  r reject  s skip{group}  ·  w say why{back}  ·  q quit > ");
    write!(out, "{}", style.bold(&line))?;
    out.flush()?;
    loop {
        let (decision, all) = match keys.key()? {
            Some('a') => (Decision::Accept, false),
            Some('r') => (Decision::Reject, false),
            Some('s' | ' ' | '\n') => (Decision::Skip, false),
            Some('A') => (Decision::Accept, true),
            Some('R') => (Decision::Reject, true),
            Some('S') => (Decision::Skip, true),
            Some('u') if can_undo => return Ok(Wish::Undo),
            Some('w') => {
                writeln!(out)?;
                return Ok(Wish::Why);
            }
            Some('q' | '\u{3}' | '\u{1b}') | None => {
                writeln!(out, "quit")?;
                return Ok(Wish::Quit);
            }
            Some(_) => continue,
        };
        return Ok(Wish::Decide { decision, all });
    }
}

/// After the last decision: whether that was a mistake.
fn asks_to_undo(out: &mut dyn Write, keys: &mut dyn Keys, style: Style) -> io::Result<bool> {
    write!(out, "\n{}", style.bold("everything is decided  ·  u undo  ·  Enter done > "))?;
    out.flush()?;
    loop {
        match keys.key()? {
            Some('u') => return Ok(true),
            Some('\n' | 'q' | '\u{3}' | '\u{1b}') | None => {
                writeln!(out, "done")?;
                return Ok(false);
            }
            Some(_) => {}
        }
    }
}

fn undo(out: &mut dyn Write, desk: &mut Desk, style: Style) -> io::Result<()> {
    match desk.undo() {
        Ok(covered) => {
            let count = if covered.len() > 1 { format!(" all {}", covered.len()) } else { String::new() };
            writeln!(out, "{}{count}", style.yellow("undone"))
        }
        Err(refusal) => writeln!(out, "{}", style.red(&terminal_line(&refusal.to_string()))),
    }
}

/// Reads a line of text key by key; `None` where it was given up.
fn read_reason(out: &mut dyn Write, keys: &mut dyn Keys, style: Style) -> io::Result<Option<Reason>> {
    write!(out, "{}", style.bold("why (Esc gives up) > "))?;
    out.flush()?;
    let mut text = String::new();
    loop {
        match keys.key()? {
            Some('\n') => break,
            Some('\u{8}' | '\u{7f}') => {
                if text.pop().is_some() {
                    write!(out, "\u{8} \u{8}")?;
                }
            }
            Some('\u{3}' | '\u{1b}') | None => {
                writeln!(out)?;
                return Ok(None);
            }
            Some(c) if c.is_control() => {}
            Some(c) => {
                text.push(c);
                write!(out, "{}", terminal_line(&c.to_string()))?;
            }
        }
        out.flush()?;
    }
    writeln!(out)?;
    match Reason::new(&text) {
        Ok(reason) => Ok(Some(reason)),
        Err(why) => {
            writeln!(out, "{}", style.red(&why))?;
            Ok(None)
        }
    }
}

fn done(out: &mut dyn Write, decision: Decision, covered: usize, style: Style) -> io::Result<()> {
    let word = match decision {
        Decision::Accept => style.green("accepted"),
        Decision::Reject => style.red("rejected"),
        Decision::Skip => style.dim("skipped"),
    };
    let count = if covered > 1 { format!(" all {covered}") } else { String::new() };
    writeln!(out, "{word}{count}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::core::path::TreePath;
    use crate::core::problem::Problems;
    use crate::snapshot::{Info, Snapshot, pending, write_accepted, write_pending};
    use crate::tree::WorkingTree;

    struct Typed(std::vec::IntoIter<char>);

    impl Keys for Typed {
        fn key(&mut self) -> io::Result<Option<char>> {
            Ok(self.0.next())
        }
    }

    fn project(failing: bool) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for case in ["a", "b"] {
            let path = TreePath::new(&format!("snapshots/p/{case}@m.snap")).expect("a path");
            let info = Info { prompt: "p".into(), case: case.into(), model: "m".into(), ..Info::default() };
            let old = Snapshot::new("", "", &info, "it takes 14 days".into());
            write_accepted(root.path(), &path, &old).expect("written");
            let fails = if failing { vec!["contains: no".to_owned()] } else { Vec::new() };
            let new = Snapshot::new("", "", &Info { failing, fails, ..info }, "it takes 30 days".into());
            write_pending(root.path(), &path, &new).expect("written");
        }
        root
    }

    fn typed(root: &Path, keys: &str) -> (Desk, String) {
        let tree = Arc::new(WorkingTree::open(root).expect("open"));
        let waiting = pending(&*tree, &mut Problems::default());
        let mut desk = Desk::new(waiting, root.to_owned(), tree, false);
        let mut out = Vec::new();
        let mut keys = Typed(keys.chars().collect::<Vec<_>>().into_iter());
        walk(&mut out, &mut keys, &mut desk, Style::plain(), &|_| None).expect("written");
        (desk, String::from_utf8(out).expect("text"))
    }

    fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(root.join("snapshots/p")).expect("there").map(|e| e.expect("readable").path());
        let mut files: Vec<_> =
            entries.map(|p| (p.display().to_string(), std::fs::read(&p).expect("readable"))).collect();
        files.sort();
        files
    }

    #[test]
    fn undo_goes_all_the_way_back() {
        let root = project(false);
        let before = files(root.path());
        let (desk, text) = typed(root.path(), "aruuAuq");
        assert_eq!(files(root.path()), before, "{text}");
        assert_eq!((desk.session.count(None), text.matches("undone").count()), (2, 3), "{text}");
        assert!(text.contains("everything is decided") && text.contains("undone all 2"), "{text}");
        assert_eq!(text.matches("── ").count(), 5, "what is undone is shown again: {text}");
    }

    #[test]
    fn what_fails_is_accepted_with_a_reason_only() {
        let root = project(true);
        let before = files(root.path());
        let (_, text) = typed(root.path(), "A\u{1b}q");
        assert_eq!(files(root.path()), before, "{text}");
        let (desk, text) = typed(root.path(), "athe policyX\u{8} moved\nq");
        assert_eq!(desk.session.count(Some(Decision::Accept)), 1, "{text}");
        let accepted = &files(root.path())[0].1;
        let accepted = String::from_utf8_lossy(accepted);
        assert!(accepted.contains("reason: the policy moved") && !accepted.contains("fails"), "{accepted}");
    }

    #[test]
    fn what_changed_meanwhile_is_shown_again() {
        let root = project(false);
        let tree = Arc::new(WorkingTree::open(root.path()).expect("open"));
        let waiting = pending(&*tree, &mut Problems::default());
        let mut desk = Desk::new(waiting, root.path().to_owned(), tree, false);
        let newer = root.path().join("snapshots/p/a@m.snap.new");
        std::fs::write(&newer, "---\ninfo:\n  case: a\n---\nquite another\n").expect("written");
        std::fs::remove_file(root.path().join("snapshots/p/b@m.snap.new")).expect("there");
        let mut out = Vec::new();
        walk(&mut out, &mut Typed(vec!['A', 'q'].into_iter()), &mut desk, Style::plain(), &|_| None).expect("written");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("2 answers changed on the disk since") && text.contains("quite another"), "{text}");
        assert_eq!((desk.session.waiting(), desk.session.count(Some(Decision::Accept))), (1, 0));
    }
}
