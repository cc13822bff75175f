//! The versions of a prompt, as a list for a person.

use std::io::{self, Write};

use super::history::commit;
use super::style::Style;
use crate::core::escape::terminal_line;
use crate::core::names::PromptName;
use crate::history::{Asked, Change, Figures, Purpose, RanRow, Told};

/// The most requests of a version that are shown.
const MOST: usize = 12;

/// Writes the versions of a prompt, newest first.
pub fn write_log(out: &mut dyn Write, name: &PromptName, versions: &[Told], style: Style) -> io::Result<()> {
    writeln!(out, "{}", style.bold(&terminal_line(name.as_str())))?;
    for entry in versions {
        let (commit, who) = match &entry.about {
            Some(about) => (about.short(), format!("{} {}", about.day(), terminal_line(&about.author))),
            None => ("working tree", "not committed".to_owned()),
        };
        let version = entry.version.as_deref().unwrap_or("no version");
        let digest = entry.digest.as_deref().map_or("no digest", |digest| digest.get(..12).unwrap_or(digest));
        let changes: Vec<String> = entry.changes.iter().map(change_word).collect();
        let (added, removed) = entry.lines;
        writeln!(
            out,
            "{}  {who}  {}  {digest}  {} {}",
            style.yellow(commit),
            style.bold(&terminal_line(version)),
            terminal_line(&changes.join(", ")),
            style.dim(&format!("(+{added} −{removed} lines)")),
        )?;
        let summary = entry.about.as_ref().map(|about| terminal_line(&about.summary).into_owned());
        let facts: Vec<String> = summary.into_iter().chain(entry.figures.iter().map(results)).collect();
        if !facts.is_empty() {
            writeln!(out, "    {}", style.dim(&facts.join(" · ")))?;
        }
        if let Some(why) = &entry.broken {
            writeln!(out, "    {}", style.red(&format!("cannot be loaded: {}", terminal_line(why))))?;
        }
        for asked in entry.asked.iter().take(MOST) {
            writeln!(out, "    {}", terminal_line(&request(asked)))?;
        }
        if entry.asked.len() > MOST {
            writeln!(out, "    and {} more requests", entry.asked.len() - MOST)?;
        }
        if entry.cut {
            let text = "this clone is shallow: what came before is not known (`git fetch --unshallow`)";
            writeln!(out, "    {}", style.yellow(text))?;
        }
    }
    writeln!(out)
}

/// Writes the runs that asked what was looked for, newest first.
pub fn write_ran(out: &mut dyn Write, ran: &[RanRow], style: Style) -> io::Result<()> {
    if ran.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", style.bold("runs"))?;
    for row in ran.iter().take(MOST) {
        let day = row.started.get(..10).unwrap_or(&row.started);
        let version = row.prompt_version.as_deref().unwrap_or("no version");
        let digest = row.prompt_digest.get(..12).unwrap_or(&row.prompt_digest);
        let more = if row.runs > 1 { format!(", the newest of {}", row.runs) } else { String::new() };
        let line = format!(
            "#{}{more}  {day}  commit {}  {} {version}  {digest}  case `{}` on {}",
            row.run,
            commit(&row.provenance),
            row.prompt,
            row.case,
            row.model,
        );
        writeln!(out, "  {}", terminal_line(&line))?;
    }
    if ran.len() > MOST {
        writeln!(out, "  and {} more", ran.len() - MOST)?;
    }
    writeln!(out)
}

/// A request in a line.
fn request(asked: &Asked) -> String {
    let Asked { key, case, model, sample, purpose, rendered } = asked;
    let what = match purpose {
        Purpose::Answer if *rendered => String::new(),
        Purpose::Answer => ", recorded here, though this version asks something else".to_owned(),
        Purpose::Turn(turn) => format!(", turn {turn}"),
        Purpose::Check(check) => format!(", asked by the check {check}"),
        Purpose::Experiment(experiment) => format!(", the experiment {experiment} of an audit"),
        Purpose::Documents => ", the search for its documents".to_owned(),
    };
    format!("request {}: case `{case}` on {model}, sample {}{what}", key.short(), sample + 1)
}

/// A change in a word or two.
#[must_use]
pub fn change_word(change: &Change) -> String {
    match change {
        Change::Created => "created".to_owned(),
        Change::Removed => "removed".to_owned(),
        Change::Renamed(old) => format!("renamed from {old}"),
        Change::Template => "template".to_owned(),
        Change::Partial(name) => format!("partial {name}"),
        Change::Parameters => "parameters".to_owned(),
        Change::Version => "version".to_owned(),
        Change::FrontMatter => "front matter".to_owned(),
        Change::Cases => "cases".to_owned(),
        Change::Snapshots => "snapshots".to_owned(),
        Change::Recordings => "recordings: the same requests have other answers".to_owned(),
        Change::Broken => "broken".to_owned(),
        Change::Mended => "mended".to_owned(),
    }
}

fn results(figures: &Figures) -> String {
    if figures.answered == 0 {
        return format!("no answer recorded for {}", figures.planned);
    }
    let mut text = format!("{} of {} passed", figures.passed, figures.answered);
    if figures.answered < figures.planned {
        text.push_str(&format!(", {} without an answer", figures.planned - figures.answered));
    }
    let tokens = |count: Option<f64>, what: &str| count.map(|count| format!(", {count:.0} tokens {what}"));
    text.extend(tokens(figures.input_tokens, "in"));
    text.extend(tokens(figures.output_tokens, "out"));
    text
}
