//! Showing: text from events and records into a `Write`. One file a format.
//!
//! A report never changes a verdict and never decides what is shown where; it is handed a writer and what happened.

mod bisection;
mod changes;
mod comparison;
mod difference;
mod history;
mod human;
mod json;
mod log;
mod problems;
mod progress;
mod samples;
mod style;

pub use bisection::{write_candidates, write_found, write_looked};
pub use changes::write_changes;
pub use comparison::{Compared, write_comparison};
pub use difference::write_difference;
pub use history::{write_flaky, write_runs, write_trends};
pub use human::HumanReport;
pub use json::{JsonReport, VERSION};
pub use log::{change_word, write_log};
pub use problems::write_problems;
pub use progress::Progress;
pub use style::Style;
