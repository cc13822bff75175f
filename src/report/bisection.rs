//! A bisection as it goes on, and what it found.

use std::io::{self, Write};

use super::log::change_word;
use super::style::Style;
use crate::core::escape::terminal_line;
use crate::core::words::counted;
use crate::history::{Extent, Found, Looked, Mark};

/// Writes how many candidates there are.
pub fn write_candidates(out: &mut dyn Write, candidates: usize, commits: usize, style: Style) -> io::Result<()> {
    let steps = candidates.next_power_of_two().ilog2();
    let text = format!(
        "{} among {}, about {}",
        counted(candidates as u64, "candidate", "candidates"),
        counted(commits as u64, "commit", "commits"),
        counted(u64::from(steps), "step", "steps")
    );
    writeln!(out, "{}", style.dim(&text))
}

/// Writes what became of one commit, the `number`-th that was looked at.
pub fn write_looked(out: &mut dyn Write, number: usize, looked: &Looked, style: Style) -> io::Result<()> {
    let word = match looked.mark {
        Mark::Good => style.green("good"),
        Mark::Bad => style.red("bad "),
        Mark::Skip => style.yellow("skip"),
    };
    let about = &looked.about;
    let line = format!("{}  {}  {}", about.day(), looked.version.as_deref().unwrap_or("no version"), looked.reason);
    let hash = style.yellow(about.short());
    writeln!(out, "{number:3} {word} {hash}  {}", terminal_line(&line))?;
    out.flush()
}

/// Writes how it ended.
pub fn write_found(out: &mut dyn Write, prompt: &str, found: &Found, extent: Extent, style: Style) -> io::Result<()> {
    writeln!(out)?;
    if let Some(first) = &found.first_bad {
        let about = &first.about;
        writeln!(out, "{}", style.bold(&format!("the first bad commit is {}", about.commit)))?;
        let line = format!("{}  {}  {}", about.day(), about.author, about.summary);
        writeln!(out, "  {}", terminal_line(&line))?;
        let words: Vec<String> = first.changes.iter().map(change_word).collect();
        let (added, removed) = first.lines;
        writeln!(out, "  {} (+{added} −{removed} lines)", terminal_line(&words.join(", ")))?;
        let (short, prompt) = (about.short(), terminal_line(prompt));
        if let Some((good, bad)) = &found.moved {
            let text = format!(
                "confounded: another model answered there ({} → {}); compare its answers on one model to tell them apart",
                good.join(", "),
                bad.join(", ")
            );
            writeln!(out, "  {}", style.yellow(&terminal_line(&text)))?;
        }
        if first.is_root {
            writeln!(out, "  promptctl show {prompt}@{short}")?;
        } else {
            writeln!(out, "  promptctl diff {prompt} {short}~1..{short}")?;
        }
    } else if found.among.is_empty() {
        let text = "it is good and bad in the same version with the same answers: name other commits";
        writeln!(out, "{}", style.bold(text))?;
    } else {
        let text = "the first bad commit is one of these, which cannot be told apart:";
        writeln!(out, "{}", style.bold(text))?;
        for about in &found.among {
            writeln!(out, "  {}  {}", about.commit, terminal_line(&about.summary))?;
        }
    }
    let text = format!(
        "{} loaded, {}",
        counted(extent.loaded as u64, "commit", "commits"),
        counted(extent.calls_made, "call", "calls")
    );
    writeln!(out, "{}", style.dim(&text))
}
