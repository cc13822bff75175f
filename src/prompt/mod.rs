//! A prompt: its front matter, its template, how it renders, and the digest that says what it is.
//!
//! Gets the files below `prompts/` from a tree and gives [`Prompts`]: checked, with their partials known, ready to be
//! rendered into messages. Rendering is pure: the same variables give the same bytes. Knows nothing of cases,
//! models or answers.

mod braces;
mod coverage;
pub(crate) mod elsewhere;
mod environment;
mod exhausted;
mod front_matter;
mod images;
mod inline;
mod load;
mod messages;
mod reach;
mod render;
mod renamed;
mod retriever;
mod variables;

pub use braces::{fence_mark, is_of_placeholders, opens_raw, single_braces};
pub use coverage::{Branch, Coverage};
pub use environment::{jinja_message, jinja_span};
pub use exhausted::one_always_holds;
pub use front_matter::{FrontMatter, Output, VariableDeclaration, written_version};
pub use inline::Inline;
pub use load::{ENDING, File, JUDGES, PROMPTS, Prompt, Prompts};
pub(crate) use reach::tokens;
pub use renamed::Renamed;
pub use retriever::{DOCUMENTS, PromptRetriever};
pub use variables::{SharedVariables, Variables};
