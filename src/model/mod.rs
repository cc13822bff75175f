//! Models: the wire protocols, and the client that asks politely.
//!
//! A provider is pure: a request becomes an exchange, what came back becomes a response or a fault. The client does
//! the rest for all of them: connections, time limits, retries, pace. Keys are handed in. Knows nothing of cases,
//! recordings, expectations or snapshots.

mod anthropic;
mod azure;
mod batch;
mod bedrock;
mod breaker;
mod client;
mod credentials;
mod embedding;
mod exec;
mod fault;
mod gemini;
mod hosts;
mod http;
mod http_api;
mod mock;
mod ollama;
mod openai;
mod pace;
mod params;
mod program;
mod provider;
mod quota;
mod responses;
mod retrieving;
mod retry;
mod sign;
mod wire;

#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchError, BatchResult};
pub use client::{Client, Happened, Lane, Permissions, Question, connections, is_local, use_ring};
pub use credentials::{Variables, missing_credentials, secret_variables};
pub use embedding::embedding_request;
pub use fault::{Fault, FaultKind};
pub use hosts::{ALLOWED_HOSTS, AllowedHosts, vendor_variables};
pub use http::{call_fault, retry_after};
pub use params::{Checker, refusal};
pub use program::{end_programs, execute};
pub use provider::{check_retriever, host};
