//! `audit --report FORMAT[=PATH]`: which reports an audit is told to, and where they are written.

use std::io::{self, Write};

use crate::audit::Document;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::reports::{Format, ReportArg};
use crate::cli::sink::{self, Opened, Piped};
use crate::report::{Style, audit_markdown, write_audit, write_html_audit};

/// The formats of an audit.
const FORMATS: [Format; 4] = [Format::Human, Format::Json, Format::Markdown, Format::Html];

/// A report of a format that an audit has.
pub(super) fn report(text: &str) -> Result<ReportArg, String> {
    let names = FORMATS.map(Format::name);
    let name = text.split('=').next().unwrap_or_default();
    let none = |hint: String| format!("an audit has no report format `{name}`; there are {}{hint}", names.join(", "));
    let report: ReportArg = text.parse().map_err(|why: String| {
        // The formats of runs are no help here.
        let hint = crate::core::suggest::did_you_mean(name, names);
        if why.starts_with("there is no") { none(hint) } else { why }
    })?;
    if FORMATS.contains(&report.format) { Ok(report) } else { Err(none(String::new())) }
}

/// The reports of an audit, opened before anything is asked.
pub(super) struct Reports(Opened);

impl Reports {
    pub(super) fn open(context: &Context, args: &[ReportArg], json: bool) -> Result<Self, Failure> {
        Ok(Self(Opened::open(context, args, json)?))
    }

    fn on_stdout(&self) -> Format {
        self.0.on_stdout.unwrap_or(Format::Human)
    }

    /// Whether a person reads standard output.
    pub(super) fn is_human(&self) -> bool {
        self.on_stdout() == Format::Human
    }

    /// Writes all of them.
    pub(super) fn write(mut self, context: &mut Context, document: &Document) -> Result<(), Failure> {
        let mut failed = self.0.write_files(&mut |out, format| one(out, format, document, Style::plain()));
        let style = context.style();
        if !(context.is_quiet() && self.is_human() && document.failing == 0) {
            failed = failed.and(one(&mut Piped::new(context.out()), self.on_stdout(), document, style));
        }
        sink::unless_failed(failed)
    }
}

fn one(out: &mut dyn Write, format: Format, document: &Document, style: Style) -> io::Result<()> {
    match format {
        Format::Json => {
            let value = serde_json::to_value(document).map_err(io::Error::other)?;
            writeln!(out, "{}", crate::core::escape::json(&format!("{value:#}")))
        }
        Format::Markdown => out.write_all(audit_markdown(document).as_bytes()),
        Format::Html => write_html_audit(out, document),
        // The other formats were refused.
        _ => write_audit(out, document, style),
    }
}
