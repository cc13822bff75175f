//! The texts that an answer is compared with.

use super::argument::Arguments;
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// One text or a list of texts that an answer is compared with: commas belong to the text.
pub(super) fn read(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<Vec<Inline>> {
    let nodes = match &node.data {
        Data::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let what = format!("the value of `{}`", arguments.name);
    let mut inlines = Vec::with_capacity(nodes.len());
    for node in nodes {
        let text = arguments.decoder.text(node, &what)?;
        if text.trim().is_empty() {
            arguments.decoder.error(node.span.clone(), format!("{what} is empty, so there is nothing to compare with"));
            return None;
        }
        inlines.push(arguments.inline(node, &text)?);
    }
    if inlines.is_empty() {
        arguments.error(format!("`{}` needs a text to compare with", arguments.name));
        return None;
    }
    Some(inlines)
}

/// The references for a case, none of them empty.
pub(super) fn render(inlines: &[Inline], variables: &minijinja::Value) -> Result<Vec<String>, String> {
    let texts: Vec<String> = inlines.iter().map(|inline| inline.render(variables)).collect::<Result<_, _>>()?;
    if texts.iter().any(|text| text.trim().is_empty()) {
        return Err("the text to compare with is empty for this case".into());
    }
    Ok(texts)
}
