//! How far a run is: a moving bar on a terminal, a plain line now and then elsewhere. Goes to standard error.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::core::escape::terminal_line;
use crate::core::event::{Event, Listener};

/// How often a log gets a line.
const EVERY: Duration = Duration::from_secs(5);
/// Runs that need fewer calls are over before a bar is of use.
const WORTH_A_BAR: u64 = 2;

/// Shows how far a run is.
pub struct Progress<'a> {
    moving: bool,
    bar: Option<ProgressBar>,
    log: &'a mut dyn Write,
    total: u64,
    done: u64,
    retries: u64,
    told: Instant,
}

impl<'a> Progress<'a> {
    /// Progress on standard error: a bar where that is a terminal, else lines into `log`.
    pub fn new(moving: bool, log: &'a mut dyn Write) -> Self {
        Self { moving, bar: None, log, total: 0, done: 0, retries: 0, told: Instant::now() }
    }

    fn begin(&mut self, planned: u64, calls: u64) {
        self.total = planned;
        if !self.moving || calls < WORTH_A_BAR {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(planned), ProgressDrawTarget::stderr());
        let template = "{bar:30} {pos}/{len} · {per_sec} · {eta} left {msg}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar = Some(bar);
    }

    fn step(&mut self) -> io::Result<()> {
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if !self.moving && self.told.elapsed() >= EVERY => {
                self.told = Instant::now();
                writeln!(self.log, "{} of {} done, {} retries", self.done, self.total, self.retries)?;
            }
            None => {}
        }
        Ok(())
    }
}

impl Listener for Progress<'_> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Started { planned, calls, .. } => self.begin(*planned, *calls),
            Event::Progressed { .. } => self.step()?,
            Event::Retried { model, reason } => {
                self.retries += 1;
                if let Some(bar) = &self.bar {
                    let reason: String = reason.chars().take(60).collect();
                    bar.set_message(format!("· {} retries ({model}: {reason})", self.retries));
                }
            }
            Event::Ended(_) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            Event::Traced(line) => {
                let line = terminal_line(line);
                match &self.bar {
                    Some(bar) => bar.suspend(|| writeln!(self.log, "{line}"))?,
                    None => writeln!(self.log, "{line}")?,
                }
            }
            Event::Finished(_) | Event::Noted(_) | Event::Forecast(_) => {}
        }
        Ok(())
    }
}
