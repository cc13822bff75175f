//! The three forms in which an expectation is written, taken apart: its name, its value, the options beside it.

use std::ops::Range;

use super::compile::NOT;
use super::registry::{self, Entry};
use crate::core::decode::Decoder;
use crate::core::suggest::did_you_mean;
use crate::core::yaml::{Data, Node};

/// The options that stand beside the value of any expectation.
const COMMON: [&str; 4] = ["weight", "metric", "transform", "about"];

/// An expectation taken apart.
pub(super) struct Parts<'n> {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) value: Option<&'n Node>,
    pub(super) options: Options<'n>,
}

/// What stands beside the value.
#[derive(Clone, Default)]
pub(super) struct Options<'n>(Vec<(&'n str, &'n Node)>);

impl<'n> Options<'n> {
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, node)| *node)
    }
}

/// The three forms: a name alone, `NAME: VALUE`, and `type: NAME` with `value: VALUE`.
pub(super) fn take_apart<'n>(decoder: &mut Decoder<'_>, node: &'n Node) -> Option<Parts<'n>> {
    if let Data::Text(name) = &node.data {
        let known = known_name(decoder, name, node.span.clone())?;
        return Some(Parts { name: known, span: node.span.clone(), value: None, options: Options::default() });
    }
    let fields = decoder.map(node, "an expectation")?;
    if let Some(kind) = fields.get("type") {
        let name = decoder.text(kind, "type")?;
        let name = known_name(decoder, &name, kind.span.clone())?;
        let own = entry_of(&name).map_or(&[][..], |entry| entry.extra.names());
        let known: Vec<&str> = ["type", "value"].into_iter().chain(COMMON).chain(own.iter().copied()).collect();
        decoder.fields(node, &format!("`{name}`"), &known)?;
        let options = fields.iter().filter(|(key, node)| is_option(&key.text) && !matches!(node.data, Data::Null));
        let options = Options(options.map(|(key, node)| (key.text.as_str(), node)).collect());
        return Some(Parts { name, span: kind.span.clone(), value: fields.get("value"), options });
    }
    // An option of one expectation may be the name of another: the first name that is one decides.
    let is_name = |text: &str| entry_of(text).is_some();
    let mut named = fields.iter().filter(|(key, _)| !is_option(&key.text));
    let Some((key, value)) = named.next() else {
        decoder.error(node.span.clone(), "an expectation needs a name, such as `contains: …`");
        return None;
    };
    let name = known_name(decoder, &key.text, key.span.clone())?;
    if let Some((second, _)) = named.next() {
        let message = if is_name(&second.text) {
            format!("`{}` is a second expectation in one item; begin a new item with `- `", second.text)
        } else {
            let own = entry_of(&name).map_or(&[][..], |entry| entry.extra.names());
            let known = COMMON.iter().chain(own);
            let hint = did_you_mean(&second.text, known.clone().copied());
            let known: Vec<&str> = known.copied().collect();
            let known = if hint.is_empty() { format!("; it knows {}", known.join(", ")) } else { String::new() };
            format!("`{name}` knows no `{}`{hint}{known}", second.text)
        };
        decoder.error(second.span.clone(), message);
        return None;
    }
    let mut options = Vec::new();
    for (option, node) in fields.iter().filter(|(option, _)| is_option(&option.text)) {
        let is_known = COMMON.contains(&option.text.as_str())
            || entry_of(&name).is_some_and(|entry| entry.extra.names().contains(&option.text.as_str()));
        if !is_known {
            decoder.error(option.span.clone(), format!("`{name}` knows no `{}`", option.text));
            return None;
        }
        if !matches!(node.data, Data::Null) {
            options.push((option.text.as_str(), node));
        }
    }
    let value = Some(value).filter(|value| !matches!(value.data, Data::Null));
    Some(Parts { name, span: key.span.clone(), value, options: Options(options) })
}

fn entry_of(name: &str) -> Option<&'static Entry> {
    registry::find(name.strip_prefix(NOT).unwrap_or(name))
}

fn is_option(name: &str) -> bool {
    COMMON.contains(&name) || registry::options().any(|option| option == name)
}

fn known_name(decoder: &mut Decoder<'_>, name: &str, span: Range<usize>) -> Option<String> {
    if entry_of(name).is_some() {
        return Some(name.to_owned());
    }
    let both = registry::names().flat_map(|known| [known.to_owned(), format!("{NOT}{known}")]);
    let all: Vec<String> = both.collect();
    let hint = did_you_mean(name, all.iter().map(String::as_str));
    let message = format!("unknown expectation \"{name}\"{hint}");
    if hint.is_empty() {
        let known: Vec<&str> = registry::names().collect();
        decoder.error_help(span, message, format!("known: {}; `not-` may stand before each", known.join(", ")));
    } else {
        decoder.error(span, message);
    }
    None
}
