//! `promptctl history`: the runs of `promptctl test`, and which cases are flaky. Also where a run is written down.

use std::path::Path;

use super::context::Context;
use crate::core::problem::{Place, Problem};
use crate::core::verdict::Exit;
use crate::history::{Aside, DATABASE, Gather, append};
use crate::report::write_problems;

/// Writes a run into the history. What goes wrong there is said, and changes nothing about the run.
pub(super) fn remember(context: &mut Context, root: &Path, mut gather: Gather, exit: Option<Exit>) {
    if !gather.has_begun() {
        return;
    }
    if let Some(exit) = exit {
        gather.end(exit);
    }
    let (message, help) = match append(root, &gather) {
        Ok(None) => return,
        Ok(Some(Aside { path, reason })) => (
            format!("the history of runs could not be used: {reason}"),
            format!("it was moved to {path}, and a new one begins with this run"),
        ),
        Err(error) => (
            format!("this run is not in the history: {error}"),
            "nothing else of the run is affected; move the file away if this goes on".to_owned(),
        ),
    };
    let warning = Problem::warning(Place::File(DATABASE.to_owned()), message).help(help);
    // What was printed stands before it. Where nobody reads any more, nobody needs to be told.
    let _ = context.flush();
    let _ = write_problems(&mut context.err(), &[warning], context.error_style());
}
