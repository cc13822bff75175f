//! `json`: one versioned document for programs. Its shape is `docs/schema/report.schema.json`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use crate::core::event::{Event, Listener, Provenance};
use crate::core::verdict::{Exit, Outcome, Summary};

/// The version of the document's shape; it grows when something is taken away or changes its meaning.
pub const VERSION: u32 = 1;

/// Collects a run as JSON; [`JsonReport::write`] writes the document once the exit code is known.
#[derive(Debug, Default)]
pub struct JsonReport {
    heading: String,
    provenance: Provenance,
    /// The outcomes so far, already text: a hundred thousand of them take the room of their document only.
    results: Vec<u8>,
    summary: Summary,
}

/// An outcome with where it comes from, so that it says enough when it is taken out of its document.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    tool_version: &'static str,
    #[serde(flatten)]
    provenance: &'a Provenance,
}

impl JsonReport {
    fn add(&mut self, outcome: &Outcome) -> io::Result<()> {
        if !self.results.is_empty() {
            self.results.extend_from_slice(b",\n");
        }
        let row = Row { outcome, tool_version: env!("CARGO_PKG_VERSION"), provenance: &self.provenance };
        serde_json::to_writer(&mut self.results, &row).map_err(io::Error::other)
    }

    /// Writes the document.
    pub fn write(&self, out: &mut dyn Write, exit: Exit) -> io::Result<()> {
        let tool = json!({"name": "promptctl", "version": env!("CARGO_PKG_VERSION")});
        let text = |value: &Value| value.to_string();
        let summary = serde_json::to_string(&self.summary).map_err(io::Error::other)?;
        writeln!(out, "{{\"version\":{VERSION},\"tool\":{},\"heading\":{},", text(&tool), text(&json!(self.heading)))?;
        let (commit, dirty) = (json!(self.provenance.commit), json!(self.provenance.dirty));
        writeln!(out, "\"commit\":{commit},\"dirty\":{dirty},")?;
        writeln!(out, "\"exit_code\":{},\"summary\":{summary},", exit.code())?;
        writeln!(out, "\"results\":[")?;
        out.write_all(&self.results)?;
        writeln!(out, "\n]}}")?;
        out.flush()
    }
}

impl Listener for JsonReport {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { heading, provenance, .. } => {
                self.heading.clone_from(heading);
                self.provenance.clone_from(provenance);
            }
            Event::Finished(outcome) => self.add(outcome)?,
            Event::Ended(summary) => self.summary = (**summary).clone(),
            Event::Progressed { .. }
            | Event::Retried { .. }
            | Event::Noted(_)
            | Event::Forecast(_)
            | Event::Traced(_) => {}
        }
        Ok(())
    }
}
