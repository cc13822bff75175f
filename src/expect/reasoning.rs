//! `reasoning`: whether the provider showed how the model came to its answer, and what it said there.

use std::sync::Arc;

use super::argument::Arguments;
use super::shown::quoted;
use super::texts::Texts;
use super::{Check, Finding, Subject, Written};

struct Reasoning(Option<Texts>);
struct BoundReasoning(Vec<String>);

pub(super) fn reasoning(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let Some(node) = arguments.value else { return Some(Box::new(Reasoning(None))) };
    let fields = arguments.decoder.fields(node, "reasoning", &["contains"])?;
    let Some(contains) = fields.get("contains") else {
        arguments.error("`reasoning` takes nothing, or `contains` with a text or a list of texts");
        return None;
    };
    arguments.value = Some(contains);
    // One text is one text, commas and all.
    let texts = match &contains.data {
        crate::core::yaml::Data::Text(text) if !super::texts::is_expression(text) => {
            Texts::Each(vec![arguments.text()?])
        }
        _ => Texts::read(arguments)?,
    };
    Some(Box::new(Reasoning(Some(texts))))
}

impl Written for Reasoning {
    fn variables(&self) -> Vec<String> {
        self.0.as_ref().map(Texts::variables).unwrap_or_default()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let texts = self.0.as_ref().map(|texts| texts.render(variables)).transpose()?;
        Ok(Arc::new(BoundReasoning(texts.unwrap_or_default())))
    }
}

impl Check for BoundReasoning {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let Some(text) = subject.response.reasoning.as_deref().filter(|text| !text.trim().is_empty()) else {
            return Finding::new(false, "the provider showed no reasoning");
        };
        match self.0.iter().find(|wanted| !text.contains(wanted.as_str())) {
            Some(missing) => {
                Finding::new(false, format!("the reasoning lacks {}; it is {}", quoted(missing), quoted(text)))
            }
            None => Finding::new(true, format!("the provider showed the reasoning {}", quoted(text))),
        }
    }
}
