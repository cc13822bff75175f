//! Lists of texts that a case may give: written out, with templates in them, or one variable that is a list.

use serde_json::Value;

use super::argument::Arguments;
use crate::core::yaml::Data;
use crate::prompt::Inline;

/// The most entries of a list that a variable gives.
const MOST: usize = 10_000;

/// Texts, once they are rendered for a case.
#[derive(Clone)]
pub(super) enum Texts {
    Each(Vec<Inline>),
    /// `{{ labels }}`: the list that this expression gives.
    Variable(Inline),
}

impl Texts {
    /// What `arguments.value` says: a list, a text with commas between, or `{{ expression }}` that gives a list.
    pub(super) fn read(arguments: &mut Arguments<'_, '_, '_>) -> Option<Self> {
        match arguments.value.map(|node| (node, &node.data)) {
            Some((node, Data::Text(text))) if is_expression(text) => {
                Some(Self::Variable(arguments.inline(node, text.trim())?))
            }
            _ => arguments.texts().map(Self::Each),
        }
    }

    pub(super) fn variables(&self) -> Vec<String> {
        match self {
            Self::Each(inlines) => inlines.iter().flat_map(|inline| inline.variables().iter().cloned()).collect(),
            Self::Variable(inline) => inline.variables().to_vec(),
        }
    }

    /// The texts for a case: at least one, none of them empty.
    pub(super) fn render(&self, variables: &minijinja::Value) -> Result<Vec<String>, String> {
        let texts: Vec<String> = match self {
            Self::Each(inlines) => inlines.iter().map(|inline| inline.render(variables)).collect::<Result<_, _>>()?,
            Self::Variable(inline) => match inline.evaluate(variables)? {
                Value::Array(items) if items.len() > MOST => {
                    return Err(format!("{} gives {} entries; {MOST} are the most", inline.source(), items.len()));
                }
                Value::Array(items) => items.iter().map(|item| entry(inline, item)).collect::<Result<_, _>>()?,
                value => vec![entry(inline, &value)?],
            },
        };
        if texts.is_empty() {
            return Err("the list is empty for this case".into());
        }
        if texts.iter().any(String::is_empty) {
            return Err("one of the texts is empty for this case".into());
        }
        Ok(texts)
    }
}

fn entry(inline: &Inline, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(format!("{} must give texts, or a list of texts; it gives {value}", inline.source())),
    }
}

/// Whether a text is one `{{ expression }}` and nothing else.
pub(super) fn is_expression(text: &str) -> bool {
    let text = text.trim();
    let inner = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    inner.is_some_and(|inner| !inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%"))
}

#[cfg(test)]
mod tests {
    use super::is_expression;

    #[test]
    fn one_expression_is_told_from_a_text_with_expressions() {
        assert!(is_expression("{{ labels }}") && is_expression(" {{ docs | map(attribute='id') | list }}\n"));
        assert!(!is_expression("{{ a }}, {{ b }}") && !is_expression("x{{ a }}") && !is_expression("{{"));
    }
}
