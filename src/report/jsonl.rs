//! `jsonl`: what happens in a run, a line of JSON an event, while it goes on. The shape is `docs/schema/events.schema.json`.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::core::escape;
use crate::core::event::{Event, Listener};

/// The version of the lines' shape; it grows when something is taken away or changes its meaning.
const VERSION: u32 = 1;

/// Writes each event as it comes.
pub struct JsonlReport<'a> {
    out: &'a mut dyn Write,
}

impl<'a> JsonlReport<'a> {
    /// A report into a writer.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }
}

/// An event as JSON; `None` for those that are of no use to a program.
fn line(event: &Event) -> Option<Value> {
    Some(match event {
        Event::Started { planned, heading, calls, provenance, shard } => json!({
            "event": "started", "version": VERSION, "tool": {"name": "promptctl", "version": env!("CARGO_PKG_VERSION")},
            "heading": heading, "planned": planned, "calls": calls,
            "commit": provenance.commit, "dirty": provenance.dirty, "shard": shard,
        }),
        Event::Progressed { model } => json!({"event": "progressed", "model": model}),
        Event::Retried { model, reason } => json!({"event": "retried", "model": model, "reason": reason}),
        Event::Finished(outcome) => json!({"event": "finished", "result": outcome}),
        Event::Forecast(text) => json!({"event": "forecast", "text": text}),
        Event::Noted(text) => json!({"event": "noted", "text": text}),
        Event::Ended(summary) => json!({"event": "ended", "summary": summary}),
        // What is sent and what comes is for the eyes of whoever asked for it.
        Event::Traced(_) => return None,
    })
}

impl Listener for JsonlReport<'_> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        let Some(line) = line(event) else { return Ok(()) };
        writeln!(self.out, "{}", escape::json(&line.to_string()))?;
        // Whoever reads along must not wait for a buffer to fill.
        if matches!(event, Event::Finished(_)) { Ok(()) } else { self.out.flush() }
    }
}
