//! `retrieval test --report FORMAT[=PATH]`: where what was found is written.

use std::io::{self, Write};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::reports::{Format, ReportArg};
use crate::cli::sink::{self, Opened, Piped};
use crate::core::escape;
use crate::core::suggest::did_you_mean;
use crate::core::verdict::Exit;
use crate::report::{COMMENT, Style, retrieval_markdown, write_retrieval};
use crate::retrieval::Tested;

const FORMATS: [Format; 3] = [Format::Human, Format::Json, Format::Markdown];

/// A report of a format that retrieval has.
pub(super) fn report(text: &str) -> Result<ReportArg, String> {
    let names = FORMATS.map(Format::name);
    let name = text.split('=').next().unwrap_or_default();
    if !names.contains(&name) {
        let hint = did_you_mean(name, names);
        return Err(format!("retrieval has no report format `{name}`; there are {}{hint}", names.join(", ")));
    }
    text.parse()
}

/// The reports, opened before anything is read.
pub(super) struct Reports(Opened);

impl Reports {
    pub(super) fn open(context: &Context, args: &[ReportArg], json: bool) -> Result<Self, Failure> {
        Ok(Self(Opened::open(context, args, json)?))
    }

    pub(super) fn write(mut self, context: &mut Context, tested: &Tested) -> Result<(), Failure> {
        let mut failed = self.0.write_files(&mut |out, format| one(out, format, tested, Style::plain()));
        let on_stdout = self.0.on_stdout.unwrap_or(Format::Human);
        let (style, is_good) = (context.style(), tested.exit_code == Exit::Good.code());
        if on_stdout != Format::Human || !(context.is_quiet() && is_good) {
            failed = failed.and(one(&mut Piped::new(context.out()), on_stdout, tested, style));
        }
        sink::unless_failed(failed)
    }
}

fn one(out: &mut dyn Write, format: Format, tested: &Tested, style: Style) -> io::Result<()> {
    match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(tested).map_err(io::Error::other)?;
            writeln!(out, "{}", escape::json(&text))
        }
        Format::Markdown => out.write_all(retrieval_markdown(tested, COMMENT).as_bytes()),
        _ => write_retrieval(out, tested, style),
    }
}
