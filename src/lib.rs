//! Prompts in git: versioned templates with golden cases, recorded answers, and changes that people review.
//!
//! ```text
//! tree ──> project ──> plan ──> run ──> outcomes ──> report
//! (working  (config,    (prompt   │                   (human, json)
//!  tree or   prompts,    × case   ├─ recording ─ model
//!  commit)   cases)      × model  ├─ expect
//!                        × sample)└─ snapshot
//!                                     compare = two sides, case by case + stats
//! ```
//!
//! Each module imports only from those above it in this list; `tests/layers.rs` holds the rule.

pub mod core;
pub mod tree;
pub mod project;
pub mod prompt;
pub mod case;
pub mod plan;
pub mod model;
pub mod recording;
pub mod expect;
pub mod stats;
pub mod snapshot;
pub mod run;
pub mod compare;
pub mod history;
pub mod lint;
pub mod retrieval;
pub mod audit;
pub mod cost;
pub mod export;
pub mod import;
pub mod report;
pub mod review;
pub mod cli;
