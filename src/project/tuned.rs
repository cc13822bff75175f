//! `fine-tuned:` of a model's entry: what it was tuned from, on what, and when.

use std::ops::Range;

use super::model::ModelEntry;
use crate::core::decode::Decoder;
use crate::core::names::ModelAlias;
use crate::core::suggest::did_you_mean;
use crate::core::time::parse_day;
use crate::core::yaml::Node;

/// Where a tuned model is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FineTuned {
    /// The provider's id of the model that it was tuned from.
    pub from: String,
    /// The entry of the project that is that model, where one is.
    pub base: Option<ModelAlias>,
    /// The folder of the data, below the project's.
    pub data: Option<String>,
    /// The day on which it was tuned, `2026-10-01`.
    pub on: Option<String>,
    base_span: Range<usize>,
}

/// Reads `fine-tuned: { from: …, base: …, data: …, on: … }`.
pub(super) fn decode_fine_tuned(decoder: &mut Decoder<'_>, node: &Node) -> Option<FineTuned> {
    let fields = decoder.fields(node, "fine-tuned", &["from", "base", "data", "on"])?;
    let Some(from) = fields.get("from") else {
        let help = "`fine-tuned: { from: gpt-4.1-mini-2025-04-14, data: tuned, on: 2026-10-01 }`";
        decoder.error_help(fields.span.clone(), "`fine-tuned` needs `from`: the id of the model that was tuned", help);
        return None;
    };
    let from = decoder.text(from, "from")?;
    let base = fields.get("base");
    let alias = base.and_then(|node| {
        let text = decoder.text(node, "base")?;
        ModelAlias::new(&text).map_err(|why| decoder.error(node.span.clone(), why)).ok()
    });
    let data = fields.get("data").and_then(|node| {
        let text = decoder.text(node, "data")?;
        let path = crate::core::path::TreePath::new(text.trim_end_matches('/'));
        path.map_err(|why| decoder.error(node.span.clone(), format!("data `{text}`: {why}"))).ok()
    });
    let on = fields.get("on").and_then(|node| {
        let text = decoder.text(node, "on")?;
        let day = parse_day(&text);
        if day.is_none() {
            decoder.error(node.span.clone(), format!("on is `{text}`; write a day such as 2026-12-31"));
        }
        day
    });
    let base_span = base.map_or(0..0, |node| node.span.clone());
    Some(FineTuned { from, base: alias, data: data.map(|path| path.to_string()), on, base_span })
}

/// Reports bases that are no models of the project.
pub(super) fn check_bases(decoder: &mut Decoder<'_>, models: &[ModelEntry]) {
    for entry in models {
        let Some((tuned, base)) = entry.fine_tuned.as_ref().and_then(|tuned| Some((tuned, tuned.base.as_ref()?)))
        else {
            continue;
        };
        if *base == entry.alias {
            decoder.error(tuned.base_span.clone(), format!("the model `{base}` cannot be its own base"));
        } else if !models.iter().any(|known| known.alias == *base) {
            let hint = did_you_mean(base.as_str(), models.iter().map(|known| known.alias.as_str()));
            decoder.error(tuned.base_span.clone(), format!("promptctl.yaml has no model `{base}`{hint}"));
        }
    }
}
