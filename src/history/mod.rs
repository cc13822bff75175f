//! The past: the versions of a prompt across the commits, the first commit at which something went wrong, and what became
//! of every run.
//!
//! Commits are read as trees: no checkout, no clone, nothing is written. A commit is loaded only where a file that the
//! prompt was read from is another one than at its neighbour, which git's names for contents tell without reading.
//! The runs are in `.promptctl/history.db`, a cache of what happened and never the truth: what it holds can be lost, and no
//! run comes out otherwise because of it.

mod asked;
mod added;
mod began;
mod bisect;
mod candidates;
mod database;
mod found;
mod gather;
mod lookup;
mod patches;
mod query;
mod record;
mod schema;
mod state;
mod trend;
mod versions;
mod walk;

pub use added::{Added, WrittenLine, added};
pub use asked::{Asked, Purpose, RanRow, Requests};
pub use began::{Began, Versioned, began};
pub use bisect::{Bisect, Mark, Step};
pub use candidates::{Candidate, Candidates};
pub use database::{Aside, DATABASE, History, HistoryError, append};
pub use found::{Extent, FirstBad, Found, Looked};
pub use gather::Gather;
pub use patches::{Patch, patches};
pub use query::{FlakyCase, OutcomeRow};
pub use record::RunRow;
pub use state::{Loaded, Needs, State, alone, template_path};
pub use trend::{By, Point, Trend, TrendRow, trends};
pub use versions::{Change, Entry, Figures, Told, Versions, changes, lines};
pub use walk::{About, Walk, WalkError, about};
