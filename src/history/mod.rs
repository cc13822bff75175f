//! A prompt's past: its versions across the commits, and the first commit at which something went wrong.
//!
//! Reads commits as trees: no checkout, no clone, nothing is written. A commit is loaded only where a file that the
//! prompt was read from is another one than at its neighbour, which git's names for contents tell without reading.

mod bisect;
mod candidates;
mod lookup;
mod state;
mod versions;
mod walk;

pub use bisect::{Bisect, Mark, Step};
pub use candidates::{Candidate, Candidates};
pub use state::{Loaded, Needs, State, alone, template_path};
pub use versions::{Change, Entry, Figures, Versions, changes, lines};
pub use walk::{About, Walk, WalkError};
