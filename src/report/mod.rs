//! Showing: text from events and records into a `Write`. One file a format.
//!
//! A report never changes a verdict and never decides what is shown where; it is handed a writer and what happened.

mod comparison;
mod difference;
mod history;
mod human;
mod json;
mod problems;
mod progress;
mod style;

pub use comparison::write_comparison;
pub use difference::write_difference;
pub use history::{write_flaky, write_runs, write_trends};
pub use human::HumanReport;
pub use json::{JsonReport, VERSION};
pub use problems::write_problems;
pub use progress::Progress;
pub use style::Style;
