//! A prompt's past: its versions across the commits, and the first commit at which something went wrong.
//!
//! Reads commits as trees: no checkout, no clone, nothing is written. A commit is loaded only where a file that the
//! prompt was read from is another one than at its neighbour, which git's names for contents tell without reading.

mod state;
mod versions;
mod walk;

pub use state::{Loaded, State, alone, template_path};
pub use versions::{Change, Entry, Figures, Versions};
pub use walk::{About, Walk, WalkError};
