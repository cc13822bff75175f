//! The past of a project: what became of every run, kept in a database of its own.
//!
//! `.promptctl/history.db` is a cache of what happened and never the truth: what it holds can be lost, and no run
//! comes out otherwise because of it.

mod database;
mod gather;
mod query;
mod record;
mod schema;
mod trend;

pub use database::{Aside, DATABASE, History, HistoryError, append};
pub use gather::Gather;
pub use query::FlakyCase;
pub use record::RunRow;
pub use trend::{By, Point, Trend, TrendRow, trends};
