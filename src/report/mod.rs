//! Showing: text from events and records into a `Write`. One file a format.
//!
//! A report never changes a verdict and never decides what is shown where; it is handed a writer and what happened.

mod problems;
mod style;

pub use problems::write_problems;
pub use style::Style;
