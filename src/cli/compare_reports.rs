//! `compare --report FORMAT[=PATH]`: which reports a comparison is told to, and where they are written.

use std::io::{self, Write};
use std::path::Path;

use super::context::Context;
use super::failure::Failure;
use super::reports::{Format, ReportArg, folder_of, job_summary};
use super::sink::{self, Opened, Piped, ReportFile};
use crate::compare::Document;
use crate::compare::changes::Changes;
use crate::core::verdict::Exit;
use crate::report::{
    COMMENT, Style, comparison_markdown, write_github_comparison, write_gitlab_comparison, write_html_comparison,
    write_junit_comparison, write_tap_comparison,
};

/// The formats of a comparison.
const FORMATS: [Format; 8] = [
    Format::Human,
    Format::Json,
    Format::Junit,
    Format::Markdown,
    Format::Github,
    Format::Html,
    Format::Gitlab,
    Format::Tap,
];

/// A report of a format that a comparison has.
pub(super) fn report(text: &str) -> Result<ReportArg, String> {
    let names = FORMATS.map(Format::name);
    let report: ReportArg = text.parse().map_err(|why: String| {
        // The formats of runs are no help here.
        let name = text.split('=').next().unwrap_or_default();
        let hint = crate::core::suggest::did_you_mean(name, names);
        if why.starts_with("there is no") { format!("{}{hint}", none(name, &names)) } else { why }
    })?;
    if FORMATS.contains(&report.format) { Ok(report) } else { Err(none(report.format.name(), &names)) }
}

fn none(name: &str, names: &[&str]) -> String {
    format!("a comparison has no report format `{name}`; there are {}", names.join(", "))
}

/// What a person reads, written in a style.
pub(super) type Human<'a> = dyn Fn(&mut dyn Write, Style) -> io::Result<()> + 'a;

/// What changed in the prompts, looked up where a report shows it; none where that is not known.
pub(super) type Changed<'a> = dyn Fn() -> Option<Changes> + 'a;

/// The reports of a comparison, opened before anything is asked: what cannot be written shows then, and nobody finds an
/// older one.
pub(super) struct Reports {
    opened: Opened,
    job_summary: Option<(ReportFile, usize)>,
}

impl Reports {
    pub(super) fn open(context: &Context, args: &[ReportArg], json: bool) -> Result<Self, Failure> {
        Ok(Self { opened: Opened::open(context, args, json)?, job_summary: job_summary(context, args)? })
    }

    /// Writes all of them. Without one for standard output, a person reads it there.
    pub(super) fn write(
        mut self,
        context: &mut Context,
        document: &Document,
        root: &Path,
        human: &Human<'_>,
        changes: &Changed<'_>,
    ) -> Result<(), Failure> {
        self.write_for_programs(context, document, root, human, changes)?;
        let (style, is_good) = (context.style(), document.exit_code == Exit::Good.code());
        if self.opened.on_stdout.is_none_or(|format| format == Format::Human) && !(context.is_quiet() && is_good) {
            human(&mut Piped::new(context.out()), style)?;
        }
        Ok(())
    }

    /// Writes all but what a person reads on standard output: where nothing could be compared, an error says why.
    pub(super) fn write_for_programs(
        &mut self,
        context: &mut Context,
        document: &Document,
        root: &Path,
        human: &Human<'_>,
        changes: &Changed<'_>,
    ) -> Result<(), Failure> {
        let mut write =
            |out: &mut dyn Write, format| one(out, format, document, root, (human, Style::plain()), changes);
        let mut failed = self.opened.write_files(&mut write);
        if let Some(format) = self.opened.on_stdout.filter(|format| *format != Format::Human) {
            let out = &mut Piped::new(context.out());
            failed = failed.and(write(out, format));
        }
        if let Some((file, room)) = &mut self.job_summary {
            let done = file.write_all(comparison_markdown(document, *room).as_bytes());
            failed = failed.and(done.and_then(|()| file.flush()));
        }
        sink::unless_failed(failed)
    }
}

fn one(
    out: &mut dyn Write,
    format: Format,
    document: &Document,
    root: &Path,
    (human, style): (&Human<'_>, Style),
    changes: &Changed<'_>,
) -> io::Result<()> {
    match format {
        Format::Json => document.write(out),
        Format::Markdown => out.write_all(comparison_markdown(document, COMMENT).as_bytes()),
        Format::Github => {
            let mut text = Vec::new();
            human(&mut text, Style::plain())?;
            write_github_comparison(out, document, &text, &folder_of(root))
        }
        Format::Html => write_html_comparison(out, document, changes().as_ref()),
        Format::Junit => write_junit_comparison(out, document),
        Format::Gitlab => write_gitlab_comparison(out, document, &folder_of(root)),
        Format::Tap => write_tap_comparison(out, document),
        // Lines of what happens were refused: a comparison is no course of events.
        Format::Human | Format::Jsonl => human(out, style),
    }
}
