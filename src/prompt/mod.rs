//! A prompt: its front matter, its template, how it renders, and the digest that says what it is.

mod environment;
mod inline;

pub use environment::{jinja_message, jinja_span};
pub use inline::Inline;
