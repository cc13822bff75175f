//! The value of an expectation: what was written, checked for its kind, with templates where they are allowed.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::ReadFile;
use super::written::Options;
use crate::core::bundle::bundle;
use crate::core::decode::Decoder;
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// What an expectation's constructor gets: the value, the options beside it, and where mistakes go.
pub(super) struct Arguments<'d, 'p, 'n> {
    pub(super) decoder: &'d mut Decoder<'p>,
    pub(super) name: &'static str,
    pub(super) value: Option<&'n Node>,
    pub(super) threshold: Option<&'n Node>,
    pub(super) flags: Option<&'n Node>,
    /// Everything that stands beside the value.
    pub(super) options: Options<'n>,
    /// Where the expectation stands, for what is missing.
    pub(super) span: Range<usize>,
    pub(super) read: ReadFile<'d>,
}

impl<'n> Arguments<'_, '_, 'n> {
    /// Reports a mistake at the value, or at the expectation where there is none.
    pub(super) fn error(&mut self, message: impl Into<String>) {
        let span = self.value.map_or(self.span.clone(), |node| node.span.clone());
        self.decoder.error(span, message);
    }

    /// The value, which must be there.
    pub(super) fn required(&mut self, wanted: &str) -> Option<&'n Node> {
        if self.value.is_none() {
            let message = format!("`{}` needs {wanted}", self.name);
            self.decoder.error(self.span.clone(), message);
        }
        self.value
    }

    /// A text or a number, not empty, as a template over the case's variables.
    pub(super) fn text(&mut self) -> Option<Inline> {
        let node = self.required("a text")?;
        let text = match &node.data {
            Data::Text(text) => text.clone(),
            Data::Number(_, raw) => raw.clone(),
            _ => {
                self.decoder.wrong_kind(node, &format!("the value of `{}`", self.name), "text");
                return None;
            }
        };
        if text.is_empty() {
            self.error(format!("`{}` with an empty text holds for every answer; write what is expected", self.name));
            return None;
        }
        self.inline(node, &text)
    }

    /// A template over the case's variables.
    pub(super) fn inline(&mut self, node: &Node, text: &str) -> Option<Inline> {
        match Inline::new(text) {
            Ok(inline) => Some(inline),
            Err(why) => {
                self.decoder.error(node.span.clone(), format!("this template is wrong: {why}"));
                None
            }
        }
    }

    /// A list of texts, or one text with commas between them and quotes as in CSV.
    pub(super) fn texts(&mut self) -> Option<Vec<Inline>> {
        let node = self.required("a list of texts")?;
        let texts = match &node.data {
            Data::Text(text) => match split_csv(text) {
                Ok(texts) => texts,
                Err(why) => {
                    self.error(why);
                    return None;
                }
            },
            Data::List(items) => {
                let what = format!("a value of `{}`", self.name);
                let texts: Vec<String> = items.iter().filter_map(|item| self.decoder.text(item, &what)).collect();
                if texts.len() != items.len() {
                    return None;
                }
                texts
            }
            _ => {
                self.decoder.wrong_kind(node, &format!("the value of `{}`", self.name), "a list of texts");
                return None;
            }
        };
        if texts.is_empty() || texts.iter().any(String::is_empty) {
            self.error(format!("`{}` needs at least one text, and none of them empty", self.name));
            return None;
        }
        let count = texts.len();
        let inlines: Vec<Inline> = texts.iter().filter_map(|text| self.inline(node, text)).collect();
        (inlines.len() == count).then_some(inlines)
    }

    /// A number of at least 0.
    pub(super) fn limit(&mut self, wanted: &str) -> Option<f64> {
        let node = self.required(wanted)?;
        let value = self.decoder.number(node, &format!("the value of `{}`", self.name))?;
        if value < 0.0 {
            self.error(format!("`{}` needs a number of at least 0", self.name));
            return None;
        }
        Some(value)
    }

    /// `threshold`, which a score must reach: above 0, because every score reaches 0, and at most 1.
    pub(super) fn share(&mut self, default: Option<f64>) -> Option<f64> {
        let Some(node) = self.threshold else {
            if default.is_none() {
                let message = format!("`{}` needs a `threshold`, which its score must reach", self.name);
                self.decoder.error(self.span.clone(), message);
            }
            return default;
        };
        let share = self.decoder.number(node, "threshold")?;
        if share > 0.0 && share <= 1.0 {
            return Some(share);
        }
        self.decoder.error(node.span.clone(), "threshold must be above 0 and at most 1");
        None
    }

    /// An option that is a text, as a template over the case's variables. What is wrong with it was reported.
    pub(super) fn option(&mut self, name: &str) -> Result<Option<Inline>, ()> {
        let Some(node) = self.options.get(name) else { return Ok(None) };
        let text = self.decoder.text(node, name).ok_or(())?;
        self.inline(node, &text).ok_or(()).map(Some)
    }

    /// An option that is a plain word.
    pub(super) fn word(&mut self, name: &str) -> Result<Option<String>, ()> {
        let Some(node) = self.options.get(name) else { return Ok(None) };
        self.decoder.text(node, name).ok_or(()).map(Some)
    }

    /// A JSON Schema: a mapping, or `{ file: NAME }`. What it refers to in other files is put into it.
    pub(super) fn schema(&mut self, node: &Node) -> Option<Value> {
        let mut from = String::new();
        let schema = match (&node.data, node.get("file")) {
            (Data::Map(entries), Some(file)) if entries.len() == 1 => {
                let name = self.decoder.text(file, "file")?;
                match (self.read)(&name).and_then(|text| parse_schema(&text)) {
                    Ok(schema) => {
                        from = name;
                        schema
                    }
                    Err(why) => {
                        self.decoder.error(file.span.clone(), why);
                        return None;
                    }
                }
            }
            (Data::Map(_) | Data::Bool(_), _) => node.to_json(),
            (Data::Text(text), _) => match parse_schema(text) {
                Ok(schema) => schema,
                Err(why) => {
                    self.decoder.error(node.span.clone(), why);
                    return None;
                }
            },
            _ => {
                self.decoder.wrong_kind(node, "a JSON Schema", "a mapping");
                return None;
            }
        };
        if schema == Value::Bool(true) || schema.as_object().is_some_and(serde_json::Map::is_empty) {
            self.decoder.error(node.span.clone(), "this schema accepts everything");
            return None;
        }
        match bundle(schema, &from, self.read) {
            Ok(schema) => Some(schema),
            Err(why) => {
                self.decoder.error(node.span.clone(), why);
                None
            }
        }
    }
}

/// A JSON path as it is written at `node`.
pub(super) fn read_path(decoder: &mut Decoder<'_>, node: &Node, text: &str) -> Option<Arc<JsonPath>> {
    match JsonPath::parse(text) {
        Ok(path) => Some(Arc::new(path)),
        Err(error) => {
            let help = "a JSON path begins with `$`, such as `$.items[0].price`";
            decoder.error_help(node.span.clone(), format!("this JSON path is not valid: {error}"), help);
            None
        }
    }
}

fn parse_schema(text: &str) -> Result<Value, String> {
    let value: Value = serde_yaml::from_str(text).map_err(|error| format!("the schema cannot be read: {error}"))?;
    if value.is_object() || value.is_boolean() { Ok(value) } else { Err("a JSON Schema must be a mapping".into()) }
}

/// Texts with commas between them; a text with a comma stands in quotes, a quote in it is doubled.
fn split_csv(text: &str) -> Result<Vec<String>, String> {
    let tight = without_blanks_after_commas(text);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(tight.as_bytes());
    if text.matches('"').count() % 2 == 1 {
        return Err("a quote is not closed".into());
    }
    let record = reader.records().next().transpose().map_err(|error| error.to_string())?;
    Ok(record.iter().flat_map(|record| record.iter().map(str::to_owned)).filter(|text| !text.is_empty()).collect())
}

/// CSV takes a quote for the beginning of a quoted text only directly behind the comma.
fn without_blanks_after_commas(text: &str) -> String {
    let mut tight = String::with_capacity(text.len());
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= c == '"';
        if quoted || !c.is_whitespace() || !(tight.is_empty() || tight.ends_with(',')) {
            tight.push(c);
        }
    }
    tight
}
