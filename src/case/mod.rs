//! Golden cases: `fixtures/PROMPT/cases.yaml`, the rows of its data sets, and which of them are selected.
//!
//! Gets the prompts and the tree, gives [`Cases`]: named, with all variables in place and checked against what the
//! prompt declares. Expectations are carried along as they were written; `expect` reads them.

mod bind;
mod dataset;
mod file;
mod labels;
mod load;
mod relevant;
mod row;
mod selection;
mod turns;

pub use labels::{Labelled, read_labels};
pub use load::{CASES_FILE, Case, Cases, Check, FIXTURES, cases_path};
pub use relevant::{Found, Limit, Relevant, Retrieval, decode_relevant};
pub use selection::{Listed, Selection, SelectionError, by_name};
pub use turns::{Say, Turn};
