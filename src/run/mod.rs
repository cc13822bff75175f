//! A run: asks or replays, checks, compares, and tells what happens in events.
//!
//! Gets a plan and the places where answers are kept, gives outcomes in the order of the plan. The only module beside
//! `model` that is async, and that only while something is really asked.

mod answer;
mod asking;
mod budget;
mod deciding;
mod engine;
mod evaluate;
mod prepared;
mod scored;
mod settings;
mod stop;
mod tally;
mod wanted;

pub use engine::{Run, RunError, RunResult};
pub use evaluate::place_of;
pub use prepared::Prepared;
pub use settings::{FlakyResult, MaxAge, Mode, Settings, SnapshotPolicy};
pub use stop::Stop;
pub use wanted::{Forecast, Missing, Unrecorded, Wanted};
