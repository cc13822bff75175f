//! What becomes of each item of a run, kept.

use std::io;

use crate::core::event::{Event, Listener};
use crate::core::verdict::Outcome;

/// Keeps the outcomes of a run, in the order of its plan.
#[derive(Default)]
pub(super) struct Heard(pub(super) Vec<Outcome>);

impl Listener for Heard {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Finished(outcome) = event {
            self.0.push((**outcome).clone());
        }
        Ok(())
    }
}
