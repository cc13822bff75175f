//! `json`: one versioned document for programs. Its shape is `docs/schema/report.schema.json`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::Report;
use crate::core::escape;
use crate::core::event::{Event, Listener, Provenance, Shard};
use crate::core::verdict::{Exit, Outcome, Summary};

/// The version of the document's shape; it grows when something is taken away or changes its meaning.
pub const VERSION: u32 = 1;

/// Collects a run as JSON.
#[derive(Debug, Default)]
pub struct JsonReport {
    heading: String,
    provenance: Provenance,
    shard: Option<Shard>,
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
        let text = serde_json::to_string(&row).map_err(io::Error::other)?;
        self.results.extend_from_slice(escape::json(&text).as_bytes());
        Ok(())
    }
}

impl Report for JsonReport {
    fn write(&mut self, out: &mut dyn Write, exit: Exit) -> io::Result<()> {
        let tool = json!({"name": "promptctl", "version": env!("CARGO_PKG_VERSION")});
        let text = |value: &Value| escape::json(&value.to_string()).into_owned();
        let summary = serde_json::to_string(&self.summary).map_err(io::Error::other)?;
        writeln!(out, "{{\"version\":{VERSION},\"tool\":{},\"heading\":{},", text(&tool), text(&json!(self.heading)))?;
        let (commit, dirty) = (json!(self.provenance.commit), json!(self.provenance.dirty));
        writeln!(out, "\"commit\":{commit},\"dirty\":{dirty},")?;
        if let Some(shard) = &self.shard {
            writeln!(out, "\"shard\":{},", text(&json!(shard)))?;
        }
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
            Event::Started { heading, provenance, shard, .. } => {
                self.heading.clone_from(heading);
                self.shard.clone_from(shard);
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
