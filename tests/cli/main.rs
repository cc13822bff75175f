//! The built binary on small projects: standard output, standard error and exit status, as snapshots.

mod broken;
mod commands;
mod hostile;
mod killed;
mod review;
mod running;
mod sandbox;
mod server;
mod trees;
