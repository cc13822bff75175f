//! Reviewing what changed: the session, which is pure, the desk, which carries decisions out and takes them back, and the
//! terminal and the page that show it.

mod desk;
mod filter;
pub mod page;
mod session;
mod terminal;

pub use desk::{Desk, Refusal, needs_reason};
pub use filter::{Filter, FilterError, like};
pub use session::{Decision, Group, Session};
pub use terminal::{Keys, show, walk};
