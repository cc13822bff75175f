//! What a model entry says that its model costs, since when, and where that is from.

use super::model::decode_day;
use super::prices::KnownPrice;
use crate::core::decode::{Decoder, Fields};
use crate::core::price::{Price, Tier};
use crate::core::yaml::{Key, Node};

/// Kinds of tokens that have a price.
const KINDS: [&str; 5] = ["input", "cached-input", "cache-write", "output", "reasoning"];

/// Where a price is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceFrom {
    /// The day that it is of, `2026-12-31`, where that is known.
    pub as_of: Option<String>,
    /// Where it was read: an address, or words.
    pub source: Option<String>,
    /// Whether it is the shipped one.
    pub shipped: bool,
}

impl PriceFrom {
    pub(super) fn of_table(row: &KnownPrice) -> Self {
        Self { as_of: Some(row.as_of.clone()), source: Some(row.source.clone()), shipped: true }
    }
}

/// Amounts in the order of [`KINDS`].
type Amounts = [Option<f64>; 5];

fn amounts(decoder: &mut Decoder<'_>, fields: &Fields<'_>) -> Amounts {
    KINDS.map(|name| {
        let node = fields.get(name)?;
        let value = decoder.number(node, name)?;
        if value < 0.0 {
            decoder.error(node.span.clone(), format!("the price of {name} is below 0"));
            return None;
        }
        Some(value)
    })
}

/// Reads the price of a model entry.
pub(super) fn decode_price(decoder: &mut Decoder<'_>, node: &Node) -> Option<(Price, PriceFrom)> {
    let known = [&KINDS[..], &["tiers", "as-of", "source"]].concat();
    let fields = decoder.fields(node, "price", &known)?;
    let all = amounts(decoder, &fields);
    let as_of = fields.get("as-of").and_then(|node| decode_day(decoder, node, "as-of"));
    let source = fields.get("source").and_then(|node| decode_source(decoder, node));
    let tiers = fields.get("tiers").map(|node| decode_tiers(decoder, node, &fields)).unwrap_or_default();
    let [Some(input), cached_input, cache_write, Some(output), reasoning] = all else {
        // What is misspelt, or below 0, was said already.
        let is_missing = |name: &&str| fields.get(name).is_none();
        let is_known = |(key, _): &(Key, Node)| known.contains(&key.text.as_str());
        if ["input", "output"].iter().any(is_missing) && fields.iter().all(is_known) {
            decoder.error(fields.span, "a price needs `input` and `output`, in USD per million tokens");
        }
        return None;
    };
    let price = Price { input, cached_input, cache_write, output, reasoning, tiers };
    Some((price, PriceFrom { as_of, source, shipped: false }))
}

fn decode_source(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let text = decoder.text(node, "source")?;
    if text.trim().is_empty() {
        decoder.error(node.span.clone(), "source is empty; say where the price was read, or leave it out");
        return None;
    }
    Some(text)
}

/// Reads what long requests cost. A tier names every kind of token that the price names: what it would leave out, nobody
/// could guess.
fn decode_tiers(decoder: &mut Decoder<'_>, node: &Node, price: &Fields<'_>) -> Vec<Tier> {
    let mut tiers: Vec<Tier> = Vec::new();
    let known = [&["above"], &KINDS[..]].concat();
    for node in decoder.list(node, "tiers").unwrap_or_default() {
        let Some(fields) = decoder.fields(node, "a tier", &known) else { continue };
        let all = amounts(decoder, &fields);
        let Some(above_node) = fields.get("above") else {
            let message = "a tier needs `above`: the tokens of input beyond which it holds";
            decoder.error(fields.span, message);
            continue;
        };
        let Some(above) = decoder.count(above_node, "above", 1) else { continue };
        if tiers.last().is_some_and(|before| above <= before.above) {
            decoder.error(above_node.span.clone(), "a tier must be above more tokens than the one before it");
            continue;
        }
        let named = |name: &str| fields.get(name).is_some();
        if let Some(name) = KINDS.into_iter().find(|name| named(name) != price.get(name).is_some()) {
            let message = if named(name) {
                format!("the tier names `{name}`, and the price does not")
            } else {
                format!("the tier above {above} tokens names no `{name}`, and the price does")
            };
            decoder.error(fields.span, message);
            continue;
        }
        if let [Some(input), cached_input, cache_write, Some(output), reasoning] = all {
            tiers.push(Tier { above, input, cached_input, cache_write, output, reasoning });
        }
    }
    tiers
}
