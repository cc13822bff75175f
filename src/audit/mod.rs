//! What kind of gap a failing case has, by experiment: knowledge, behaviour, skill or reliability.
//!
//! Pure: gets what became of the answers of each experiment, says which experiment comes next, what the answers mean and
//! how sure that is, and what to do about it. Asks nobody; the command line makes the runs.

mod advice;
mod course;
mod document;
mod evidence;
mod gather;
mod pool;
mod reading;
mod table;
mod vary;

pub use advice::Step;
pub use course::{Evidence, Experiment, Lack, Trial, next};
pub use document::{CaseAudit, Document, GapCount, Pooled, PromptAudit, ShownLack, ShownTrial, Slice, VERSION};
pub use evidence::{Answered, Fails, answered};
pub use gather::{Audited, Frame, gather};
pub use reading::{Beside, Confidence, Gap, Reading, Readings, read};
pub use table::{Holds, Inputs, Rule};
pub use vary::{Bench, Example};
