//! The built binary on small projects: standard output, standard error and exit status, as snapshots.

#![allow(unreachable_pub, reason = "modules of one test binary")]

mod auditing;
mod auditing_exactly;
mod auditing_retrieval;
mod bisecting;
mod broken;
mod changing;
mod commands;
mod commenting;
#[path = "../common/mod.rs"]
mod common;
mod comparing;
mod conversing;
mod costing;
mod diffing;
mod documents;
mod drifting;
#[path = "../common/embed.rs"]
mod embed;
mod embedding;
mod expecting;
mod exporting;
mod faults;
mod fine_tuning;
mod git;
mod hostile;
mod html;
mod importing;
mod importing_exactly;
mod judging;
mod killed;
mod limits;
mod opposed_talks;
mod linting;
mod linting_again;
mod linting_words;
mod linting_exactly;
mod linting_past;
mod linting_reports;
mod past;
mod providers;
mod pulls;
mod regressions;
mod requests;
mod reporting;
mod retrieving;
mod retrieving_exactly;
mod review;
mod running;
mod sandbox;
mod server;
mod sharding;
mod sharing;
mod standing;
mod talking;
mod tls;
mod translating;
mod trees;
mod versions;
mod web;
