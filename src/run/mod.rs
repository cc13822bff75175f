//! A run: asks or replays, checks, compares, and tells what happens in events.
//!
//! Gets a plan and the places where answers are kept, gives outcomes in the order of the plan. The only module beside
//! `model` that is async, and that only while something is really asked.

mod against;
mod answer;
mod asking;
mod bound;
mod budget;
mod calibration;
mod checking;
mod consulted;
mod consulting;
mod conversation;
mod deciding;
mod desk;
mod documents;
mod engine;
mod evaluate;
mod free;
mod judges;
mod prepared;
mod ready;
mod roster;
mod scored;
mod settings;
mod stop;
mod tally;
mod trial;
mod wanted;

pub use against::{Against, Script};
pub use calibration::{Calibration, calibration_path};
pub use conversation::Conversation;
pub use documents::find_documents;
pub use engine::{Run, RunError, RunResult};
pub use evaluate::place_of;
pub use free::Free;
pub use judges::{Judge, shipped_path};
pub use prepared::Prepared;
pub use roster::{EmbedderInUse, JudgeInUse, Roster};
pub use scored::Scoring;
pub use settings::{FlakyResult, MaxAge, Mode, Settings, SnapshotPolicy};
pub use stop::Stop;
pub use trial::{Disagreement, Expected, Trial, Tried, Unjudged, triable};
pub use wanted::{Forecast, Missing, Unrecorded, Wanted};
