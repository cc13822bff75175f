//! The vocabulary that every other module speaks: names, places in files, problems, digests, and the
//! records that flow from a request to a report.
//!
//! Nothing here does input or output, reads a clock, or knows a file format other than YAML and JSON as text.

pub mod bundle;
pub mod checked;
pub mod decode;
pub mod digest;
pub mod document;
pub mod embedding;
pub mod escape;
pub mod event;
pub mod json;
pub mod message;
pub mod names;
pub mod path;
pub mod price;
pub mod problem;
pub mod record;
pub mod redact;
pub mod redacted;
pub mod retrieved;
pub mod suggest;
pub mod summary;
pub mod surrogates;
pub mod time;
pub mod verdict;
pub mod words;
pub mod yaml;
