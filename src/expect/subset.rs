//! `json-subset`: the answer is JSON that holds other JSON; whatever else it holds does not matter.

use std::sync::Arc;

use serde_json::Value;

use super::argument::Arguments;
use super::schema::not_json;
use super::shown::quoted;
use super::wanted::{How, Template, Wanted};
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::{Data, Node};

struct Subset {
    template: Template,
    how: How,
}

struct BoundSubset {
    wanted: Wanted,
    how: How,
}

const OPTIONS: [&str; 3] = ["value", "unordered", "tolerance"];

pub(super) fn json_subset(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a mapping or a list")?;
    let mut how = How::default();
    let mut inner = node;
    if has_options(node) {
        let fields = arguments.decoder.fields(node, "json-subset", &OPTIONS)?;
        if let Some(node) = fields.get("unordered") {
            how.unordered = arguments.decoder.bool(node, "unordered")?;
        }
        if let Some(node) = fields.get("tolerance") {
            how.tolerance = arguments.decoder.number(node, "tolerance")?;
            if how.tolerance < 0.0 {
                arguments.decoder.error(node.span.clone(), "tolerance must be at least 0");
                return None;
            }
        }
        inner = fields.get("value")?;
    }
    match &inner.data {
        Data::Map(entries) if !entries.is_empty() => {}
        Data::List(items) if !items.is_empty() => {}
        Data::Map(_) | Data::List(_) => {
            arguments.error("every object and every list holds an empty one; write what is expected in it");
            return None;
        }
        _ => {
            arguments.decoder.wrong_kind(inner, "the value of `json-subset`", "a mapping or a list");
            return None;
        }
    }
    Some(Box::new(Subset { template: Template::read(arguments, inner)?, how }))
}

/// Whether a mapping is `value` with an option beside it, and not what is expected.
fn has_options(node: &Node) -> bool {
    let Data::Map(entries) = &node.data else { return false };
    entries.len() > 1
        && entries.iter().any(|(key, _)| key.text == "value")
        && entries.iter().all(|(key, _)| OPTIONS.contains(&key.text.as_str()))
}

impl Written for Subset {
    fn variables(&self) -> Vec<String> {
        self.template.variables()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        Ok(Arc::new(BoundSubset { wanted: self.template.render(variables)?, how: self.how }))
    }
}

impl Check for BoundSubset {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        let value = match serde_json::from_str::<Value>(text) {
            Ok(value) => value,
            Err(error) => return Finding::unread(not_json(text, &error)),
        };
        match self.wanted.mismatch(&value, self.how) {
            Some(why) => Finding::new(false, why),
            None => Finding::new(true, format!("{} holds {}", quoted(text), self.wanted.shown())),
        }
    }
}
