//! Models: the wire protocols, and the client that asks politely.
//!
//! A provider is pure: a request becomes an exchange, what came back becomes a response or a fault. The client does
//! the rest for all of them: connections, time limits, retries, pace. Keys are handed in. Knows nothing of cases,
//! recordings, expectations or snapshots.

mod client;
mod fault;
mod hosts;
mod http;
mod mock;
mod openai;
mod pace;
mod provider;
mod retry;

pub use client::{Client, Lane};
pub use fault::{Fault, FaultKind};
pub use hosts::{ALLOWED_HOSTS, AllowedHosts};
pub use provider::{check, key_variable};
