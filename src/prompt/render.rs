//! Rendering a prompt with a case's variables into messages.

use std::io;

use minijinja::ErrorKind;

use super::environment::{jinja_message, jinja_span};
use super::load::{PROMPTS, Prompt, Prompts};
use super::messages::{split, with_nonce};
use super::variables::Variables;
use crate::core::problem::{Mistake, Place, Problem};
use crate::core::record::Message;

/// The largest rendered prompt, in bytes.
const MAX_RENDERED: usize = 16 << 20;

impl Prompts {
    /// The messages of a prompt for these variables. The same variables give the same bytes.
    pub fn render(&self, prompt: &Prompt, variables: &Variables) -> Result<Vec<Message>, Problem> {
        let key = prompt.path.below(PROMPTS).unwrap_or_default();
        let nonce = variables.nonce();
        let mut text = Limited(Vec::new());
        let (rendered, marks) = with_nonce(&nonce, || {
            let template = self.env.get_template(key)?;
            template.render_captured_to(variables.to_jinja(), &mut text).map(drop)
        });
        if let Err(error) = rendered {
            return Err(self.problem(prompt, &error));
        }
        let text = String::from_utf8(text.0).unwrap_or_default();
        let load = |file: &str| self.images.load(file);
        split(&text, &marks, &load).map_err(|why| Problem::error(Place::File(prompt.path.to_string()), why))
    }

    /// The place of an error may be in a partial.
    fn problem(&self, prompt: &Prompt, error: &minijinja::Error) -> Problem {
        let innermost = innermost(error);
        let own = prompt.path.below(PROMPTS).unwrap_or_default();
        let key = innermost.name().or(error.name()).unwrap_or(own);
        let message = if io_cause(error) {
            format!("the rendered prompt is larger than {} MiB", MAX_RENDERED >> 20)
        } else {
            jinja_message(innermost)
        };
        let Some(template) = self.templates.get(key) else {
            return Problem::error(Place::File(prompt.path.to_string()), message);
        };
        let span = jinja_span(innermost, template.text()).unwrap_or(0..0);
        let place = Place::span(&template.source, template.body + span.start..template.body + span.end);
        let problem = Problem::error(place, message);
        match innermost.kind() {
            ErrorKind::UndefinedError => problem.of(Mistake::UndefinedVariable),
            _ => problem,
        }
    }
}

/// The error that started it: an include wraps what went wrong inside.
fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let mut at = error;
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(jinja) = cause.downcast_ref::<minijinja::Error>() {
            at = jinja;
        }
        source = cause.source();
    }
    at
}

fn io_cause(error: &minijinja::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.downcast_ref::<io::Error>().is_some() {
            return true;
        }
        source = cause.source();
    }
    false
}

/// A text that refuses to grow without end.
#[derive(Default)]
pub(super) struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the rendered prompt is too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
