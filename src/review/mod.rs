//! Reviewing what changed: the session, which is pure, and the terminal that shows it.

mod filter;
mod session;
mod terminal;

pub use filter::{Filter, FilterError};
pub use session::{Decision, Group, Session};
pub use terminal::{Keys, show, walk};
