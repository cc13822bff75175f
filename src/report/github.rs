//! `github`: what the runner of GitHub Actions understands. Annotations on the lines that they are about, the riskiest
//! first, and what a person reads in the log, folded a prompt.
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use super::human::HumanReport;
use super::lint::{LintNotes, write_lint};
use super::rows::figures;
use super::samples::why;
use super::{Report, Style};
use crate::compare::{ChangedAnswer, Document, Row, Verdict as Judged, Way};
use crate::core::escape::terminal_line;
use crate::core::event::{Event, Listener};
use crate::core::verdict::{Exit, Outcome, Verdict};
use crate::core::words::counted;
use crate::lint::Linted;
use crate::project::Level;

/// The most annotations of a kind that a step shows.
const SHOWN: usize = 10;
/// The most bytes of a message.
const MESSAGE: usize = 2000;

/// What an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Error,
    Warning,
    Notice,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Notice];

    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// One annotation.
#[derive(Clone, Debug)]
struct Annotation {
    kind: Kind,
    /// Of one kind, the lower comes first.
    rank: u8,
    path: String,
    line: usize,
    title: String,
    message: String,
}

/// What stands behind `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands in a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Lines of untrusted text as a message: nothing invisible, no command, not too long.
fn message(text: &str) -> String {
    let end = text.floor_char_boundary(MESSAGE);
    let more = if end < text.len() { format!("\n… ({} bytes left out)", text.len() - end) } else { String::new() };
    let lines: Vec<String> = text[..end].lines().map(|line| terminal_line(line).into_owned()).collect();
    format!("{}{more}", lines.join("\n"))
}

impl Annotation {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (path, title) = (terminal_line(&self.path), terminal_line(&self.title));
        let (path, title, message) = (property(&path), property(&title), data(&message(&self.message)));
        writeln!(out, "::{} file={path},line={},title={title}::{message}", self.kind.name(), self.line)
    }
}

/// Writes annotations as far as a step shows them, and says how many more there are.
fn annotate(out: &mut dyn Write, mut annotations: Vec<Annotation>) -> io::Result<()> {
    annotations.sort_by_key(|annotation| (annotation.kind, annotation.rank));
    for kind in Kind::ALL {
        let all: Vec<&Annotation> = annotations.iter().filter(|annotation| annotation.kind == kind).collect();
        let shown = if all.len() > SHOWN { SHOWN - 1 } else { all.len() };
        for annotation in &all[..shown] {
            annotation.write(out)?;
        }
        if all.len() > shown {
            let more = counted((all.len() - shown) as u64, "more of these", "more of these");
            writeln!(out, "::{} title=promptctl::and {more}: see the log of this step", kind.name())?;
        }
    }
    Ok(())
}

/// Folds what a person reads under a title.
fn group(out: &mut dyn Write, title: &str, text: &[u8]) -> io::Result<()> {
    writeln!(out, "::group::{}", data(&terminal_line(title)))?;
    out.write_all(text)?;
    if !text.ends_with(b"\n") && !text.is_empty() {
        writeln!(out)?;
    }
    writeln!(out, "::endgroup::")
}

/// Collects a run, to tell the runner of it.
#[derive(Debug)]
pub struct GithubReport {
    folder: String,
    heading: String,
    notes: Vec<String>,
    /// The prompts in the order of the run.
    prompts: Vec<Prompt>,
    annotations: Vec<Annotation>,
    ended: Option<Event>,
}

/// What became of a prompt's cases.
#[derive(Debug)]
struct Prompt {
    name: String,
    count: u64,
    bad: u64,
    /// What a person is shown of it.
    events: Vec<Event>,
}

impl GithubReport {
    /// A report of a project in this folder of its repository, written with a `/` behind it.
    #[must_use]
    pub fn new(folder: String) -> Self {
        let (prompts, annotations) = (Vec::new(), Vec::new());
        Self { folder, heading: String::new(), notes: Vec::new(), prompts, annotations, ended: None }
    }

    fn add(&mut self, event: &Event, outcome: &Outcome) {
        let name = outcome.prompt.as_str();
        if self.prompts.last().is_none_or(|last| last.name != name) {
            self.prompts.push(Prompt { name: name.to_owned(), count: 0, bad: 0, events: Vec::new() });
        }
        if let Some(prompt) = self.prompts.last_mut() {
            prompt.count += 1;
            prompt.bad += u64::from(!outcome.good);
            if outcome.verdict != Verdict::Passed || outcome.flaky {
                prompt.events.push(event.clone());
            }
        }
        self.annotations.extend(self.annotation(outcome));
    }

    fn annotation(&self, outcome: &Outcome) -> Option<Annotation> {
        let kind = match outcome.verdict {
            Verdict::Passed if !outcome.flaky => return None,
            _ if outcome.good => Kind::Notice,
            Verdict::Failed | Verdict::Errored => Kind::Error,
            _ => Kind::Warning,
        };
        let rank = outcome.verdict.risk();
        let (path, line) = match &outcome.detail.place {
            Some(place) => (place.path.clone(), place.line),
            None => (template(outcome.prompt.as_str()), 1),
        };
        let flaky = if outcome.flaky { ", flaky" } else { "" };
        let held = outcome.quarantine.as_ref().map(|held| format!(", in quarantine until {}", held.until));
        let title = format!("{} › {} › {}", outcome.prompt, outcome.case, outcome.model);
        let verdict = format!("{}{flaky}{}", outcome.verdict.name(), held.unwrap_or_default());
        let why = why(outcome);
        let message = if why.is_empty() { verdict } else { format!("{verdict}: {why}") };
        Some(Annotation { kind, rank, path: format!("{}{path}", self.folder), line, title, message })
    }
}

fn template(prompt: &str) -> String {
    format!("prompts/{prompt}.j2")
}

impl Listener for GithubReport {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { heading, .. } => self.heading.clone_from(heading),
            Event::Noted(note) | Event::Forecast(note) => self.notes.push(note.clone()),
            Event::Finished(outcome) => self.add(event, outcome),
            Event::Ended(_) => self.ended = Some(event.clone()),
            Event::Progressed { .. } | Event::Retried { .. } | Event::Traced(_) => {}
        }
        Ok(())
    }
}

impl Report for GithubReport {
    fn write(&mut self, out: &mut dyn Write, _exit: Exit) -> io::Result<()> {
        writeln!(out, "{}", terminal_line(&self.heading))?;
        for note in &self.notes {
            writeln!(out, "{}", terminal_line(&format!("note: {note}")))?;
        }
        // One report for all prompts: what it has shown once it names after that, and in the end it says what it did not show.
        let written = Drained::default();
        let mut sink = written.clone();
        let mut human = HumanReport::new(&mut sink, Style::plain());
        for Prompt { name, count, bad, events } in &self.prompts {
            events.iter().try_for_each(|event| human.on(event))?;
            let text = written.0.take();
            let count = counted(*count, "case", "cases");
            let title =
                if *bad > 0 { format!("{name}: {bad} of {count} not good") } else { format!("{name}: {count} good") };
            if text.is_empty() {
                writeln!(out, "{}", terminal_line(&title))?;
            } else {
                group(out, &title, &text)?;
            }
        }
        annotate(out, std::mem::take(&mut self.annotations))?;
        self.ended.iter().try_for_each(|event| human.on(event))?;
        out.write_all(&written.0.take())?;
        out.flush()
    }
}

/// A writer whose text is taken out from time to time.
#[derive(Clone, Default)]
struct Drained(Rc<RefCell<Vec<u8>>>);

impl Write for Drained {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells the runner what a linter found. `folder` is the project's in its repository, with a `/` behind it.
pub fn write_github_lint(out: &mut dyn Write, linted: &Linted, notes: &LintNotes, folder: &str) -> io::Result<()> {
    let mut human = Vec::new();
    write_lint(&mut human, linted, notes, Style::plain())?;
    group(out, "promptctl lint", &human)?;
    let annotations = linted.findings.iter().map(|finding| Annotation {
        kind: match finding.level {
            Level::Error => Kind::Error,
            Level::Warning => Kind::Warning,
            Level::Info | Level::Off => Kind::Notice,
        },
        rank: 0,
        path: format!("{folder}{}", finding.source.path),
        line: finding.start().0,
        title: format!("{} {}", finding.rule.code, finding.rule.name),
        message: format!("{}\n{}", finding.message, finding.help),
    });
    let skipped = linted.skipped.iter().map(|path| Annotation {
        kind: Kind::Notice,
        rank: 1,
        path: format!("{folder}{path}"),
        line: 1,
        title: "skipped".to_owned(),
        message: "nothing was looked at, as the template says nothing".to_owned(),
    });
    annotate(out, annotations.chain(skipped).collect())?;
    out.flush()
}

/// Tells the runner of a comparison. `human` is what a person reads of it.
pub fn write_github_comparison(out: &mut dyn Write, document: &Document, human: &[u8], folder: &str) -> io::Result<()> {
    group(out, &document.heading, human)?;
    let rows = document.prompts.iter().chain(&document.slices).filter_map(|row| of_row(row, folder));
    let answers = document.answers.iter().filter_map(|answer| of_answer(answer, document, folder));
    annotate(out, rows.chain(answers).collect())?;
    out.flush()
}

fn of_row(row: &Row, folder: &str) -> Option<Annotation> {
    let (kind, rank) = match (row.verdict, &row.tag) {
        (Judged::Regressed, None) => (Kind::Error, 0),
        (Judged::Regressed, Some(_)) => (Kind::Error, 1),
        (Judged::Undecided, None) if row.losses > row.wins => (Kind::Notice, 0),
        _ => return None,
    };
    let tag = row.tag.as_ref().map(|tag| format!(" [{tag}]")).unwrap_or_default();
    Some(Annotation {
        kind,
        rank,
        path: format!("{folder}{}", template(&row.prompt)),
        line: 1,
        title: format!("{}{tag} on {} {}", row.prompt, row.model, row.verdict.name()),
        message: figures(row),
    })
}

/// A case that got worse: a warning where its prompt did, too, else a notice.
fn of_answer(answer: &ChangedAnswer, document: &Document, folder: &str) -> Option<Annotation> {
    if answer.flip != Way::Loss {
        return None;
    }
    let is_of =
        |row: &&Row| (row.prompt.as_str(), row.model.as_str()) == (answer.prompt.as_str(), answer.model.as_str());
    let mut rows = document.prompts.iter().chain(&document.slices).filter(is_of);
    let regressed = rows.any(|row| row.verdict == Judged::Regressed);
    let (path, line) = match &answer.place {
        Some(place) => (place.path.clone(), place.line),
        None => (template(answer.prompt.as_str()), 1),
    };
    let why = if answer.failed.is_empty() { String::new() } else { format!("\n{}", answer.failed.join("\n")) };
    let (base, head) = (&answer.base, &answer.head);
    Some(Annotation {
        kind: if regressed { Kind::Warning } else { Kind::Notice },
        rank: 1,
        path: format!("{folder}{path}"),
        line,
        title: format!("{} › {} › {} lost", answer.prompt, answer.case, answer.model),
        message: format!("{} of {} → {} of {} pass{why}", base.passes, base.count, head.passes, head.count),
    })
}
