//! Prompts in git: versioned templates with golden cases, recorded answers, and changes that people review.
pub mod core;
