//! `one-of`: the whole answer is one of a few texts, as when a model is to choose a label.

use std::sync::Arc;

use super::argument::Arguments;
use super::shown::{form_hint, quoted};
use super::texts::Texts;
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::Data;

struct OneOf {
    texts: Texts,
    fold: bool,
}

struct BoundOneOf {
    texts: Vec<String>,
    fold: bool,
}

pub(super) fn one_of(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a list of texts")?;
    let mut fold = false;
    if let Data::Map(_) = node.data {
        let fields = arguments.decoder.fields(node, "one-of", &["values", "ignore-case"])?;
        if let Some(node) = fields.get("ignore-case") {
            fold = arguments.decoder.bool(node, "ignore-case")?;
        }
        arguments.span = node.span.clone();
        arguments.value = fields.get("values");
    }
    Some(Box::new(OneOf { texts: Texts::read(arguments)?, fold }))
}

fn folded(text: &str, fold: bool) -> String {
    if fold { text.trim().to_lowercase() } else { text.trim().to_owned() }
}

impl Written for OneOf {
    fn variables(&self) -> Vec<String> {
        self.texts.variables()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let texts: Vec<String> = self.texts.render(variables)?.iter().map(|text| text.trim().to_owned()).collect();
        if texts.iter().any(String::is_empty) {
            return Err("one of the texts is blank for this case".into());
        }
        Ok(Arc::new(BoundOneOf { texts, fold: self.fold }))
    }
}

impl Check for BoundOneOf {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let answer = folded(&subject.response.text, self.fold);
        let found = self.texts.iter().find(|text| folded(text, self.fold) == answer);
        match found {
            Some(text) => Finding::new(true, format!("the answer is {}", quoted(text))),
            None => {
                let shown: Vec<String> = self.texts.iter().take(10).map(|text| quoted(text)).collect();
                let more = self.texts.len().saturating_sub(10);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let hints = self.texts.iter().map(|text| form_hint(&folded(text, self.fold), &answer));
                let hint = hints.max_by_key(|hint| hint.len()).unwrap_or_default();
                let why =
                    format!("expected one of {}{more}; the answer is {}{hint}", shown.join(", "), quoted(&answer));
                Finding::new(false, why)
            }
        }
    }
}
