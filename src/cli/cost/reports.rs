//! `cost --report FORMAT[=PATH]`: where what was found is written.

use std::io::{self, Write};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::reports::{Format, ReportArg};
use crate::cli::sink::{Opened, report_of};
use crate::core::escape;
use crate::cost::Document;
use crate::report::{COMMENT, Style, cost_markdown, write_cost};

const FORMATS: [Format; 3] = [Format::Human, Format::Json, Format::Markdown];

/// A report of a format that costs have.
pub(super) fn report(text: &str) -> Result<ReportArg, String> {
    report_of(text, FORMATS, "costs have")
}

/// The reports, opened before anything is read.
pub(super) struct Reports(Opened);

impl Reports {
    pub(super) fn open(context: &Context, args: &[ReportArg], json: bool) -> Result<Self, Failure> {
        Ok(Self(Opened::open(context, args, json)?))
    }

    pub(super) fn write(self, context: &mut Context, document: &Document) -> Result<(), Failure> {
        self.0.write(context, document.exit_code, &mut |out, format, style| one(out, format, document, style))
    }
}

fn one(out: &mut dyn Write, format: Format, document: &Document, style: Style) -> io::Result<()> {
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(document).map_err(io::Error::other)?;
            writeln!(out, "{}", escape::json(&text))
        }
        Format::Markdown => out.write_all(cost_markdown(document, COMMENT).as_bytes()),
        _ => write_cost(out, document, style),
    }
}
