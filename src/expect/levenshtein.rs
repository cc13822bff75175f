//! `levenshtein`: how many characters must be changed to get from the answer to the expected text.

use std::sync::Arc;

use super::argument::Arguments;
use super::shown::{form_hint, quoted};
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::Data;
use crate::prompt::Inline;

/// The distance that is allowed where none is written.
const DEFAULT: u64 = 5;
/// Longer texts would take too long to compare, in characters.
const LONGEST: usize = 20_000;

struct Distance {
    text: Inline,
    most: u64,
}

struct BoundDistance {
    text: String,
    most: u64,
}

pub(super) fn build(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a text")?;
    let mut threshold = arguments.threshold;
    if let Data::Map(_) = node.data {
        let fields = arguments.decoder.fields(node, "levenshtein", &["value", "threshold"])?;
        threshold = fields.get("threshold").or(threshold);
        let span = node.span.clone();
        arguments.value = fields.get("value");
        arguments.span = span;
    }
    let text = arguments.text()?;
    let most = match threshold {
        Some(node) => arguments.decoder.count(node, "threshold", 0)?,
        None => DEFAULT,
    };
    Some(Box::new(Distance { text, most }))
}

impl Written for Distance {
    fn variables(&self) -> Vec<String> {
        self.text.variables().to_vec()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        Ok(Arc::new(BoundDistance { text: self.text.render(variables)?, most: self.most }))
    }
}

impl Check for BoundDistance {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let answer = &subject.response.text;
        if answer.chars().count().max(self.text.chars().count()) > LONGEST {
            return Finding::unknown(format!("the texts are longer than {LONGEST} characters, too long to compare"));
        }
        let distance = strsim::levenshtein(answer, &self.text) as u64;
        let why = format!(
            "{distance} characters differ, at most {} are expected; expected {}, the answer is {}{}",
            self.most,
            quoted(&self.text),
            quoted(answer),
            form_hint(answer, &self.text)
        );
        Finding::new(distance <= self.most, why)
    }
}
