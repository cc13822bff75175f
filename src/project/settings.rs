//! How answers are kept and compared: settings that a project, a cases file and a case may each give.

use regex::Regex;
use serde_json_path::JsonPath;

use crate::core::decode::Decoder;
use crate::core::json::Leeway;
use crate::core::yaml::{Data, Node};

/// How an answer is compared with the accepted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Byte for byte.
    Text,
    /// As JSON: the order of keys and white space do not count.
    Json,
    /// Not at all; no snapshot is kept.
    None,
}

impl Compare {
    /// Every way and its name.
    pub const ALL: [(&'static str, Self); 3] = [("text", Self::Text), ("json", Self::Json), ("none", Self::None)];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, way)| *way == self).map_or("", |(name, _)| name)
    }
}

/// What a redaction replaces.
#[derive(Clone, Debug)]
pub enum RedactionTarget {
    /// Every match of an expression, in the text.
    Pattern(Regex),
    /// Every value that a JSON path (RFC 9535) selects, where the answer is JSON.
    Path(JsonPath),
}

/// Something volatile that is replaced before an answer is compared and before it is written.
#[derive(Clone, Debug)]
pub struct Redaction {
    /// What is replaced.
    pub target: RedactionTarget,
    /// What stands in its place.
    pub replacement: String,
}

/// How the snapshots of a case are kept; each part may be left to the next wider setting.
#[derive(Clone, Debug, Default)]
pub struct SnapshotSettings {
    /// How to compare; `None` leaves it to the next wider setting.
    pub compare: Option<Compare>,
    /// What to redact; these come after those of the wider settings.
    pub redact: Vec<Redaction>,
    /// Whether the order of lists counts nowhere, of what is compared as JSON.
    pub unordered: Option<bool>,
    /// By how much numbers may differ, of what is compared as JSON.
    pub tolerance: Option<f64>,
}

impl SnapshotSettings {
    /// These settings where they say something, and `wider` where they do not.
    #[must_use]
    pub fn or(&self, wider: &Self) -> Self {
        let redact = wider.redact.iter().chain(&self.redact).cloned().collect();
        Self {
            compare: self.compare.or(wider.compare),
            redact,
            unordered: self.unordered.or(wider.unordered),
            tolerance: self.tolerance.or(wider.tolerance),
        }
    }

    /// What may differ between two answers that are compared as JSON.
    #[must_use]
    pub fn leeway(&self) -> Leeway {
        Leeway { unordered: self.unordered.unwrap_or(false), tolerance: self.tolerance.unwrap_or(0.0) }
    }
}

/// Reads `snapshot:`; a way to compare alone (`snapshot: json`) is the short form.
pub fn decode_snapshot(decoder: &mut Decoder<'_>, node: &Node) -> SnapshotSettings {
    let mut settings = SnapshotSettings::default();
    if let Data::Text(_) = node.data {
        settings.compare = decoder.choice(node, "snapshot", &Compare::ALL);
        return settings;
    }
    let Some(fields) = decoder.fields(node, "snapshot", &["compare", "redact", "unordered", "tolerance"]) else {
        return settings;
    };
    if let Some(node) = fields.get("compare") {
        settings.compare = decoder.choice(node, "compare", &Compare::ALL);
    }
    settings.unordered = fields.get("unordered").and_then(|node| decoder.bool(node, "unordered"));
    if let Some(node) = fields.get("tolerance") {
        settings.tolerance = decoder.number(node, "tolerance").filter(|tolerance| *tolerance >= 0.0);
        if settings.tolerance.is_none() {
            decoder.error(node.span.clone(), "tolerance must be a number of at least 0");
        }
    }
    let only_json = fields.entry("unordered").or_else(|| fields.entry("tolerance"));
    if let (Some((key, _)), Some(Compare::Text | Compare::None)) = (only_json, settings.compare) {
        decoder.error(key.span.clone(), format!("`{}` is of `compare: json` only", key.text));
    }
    for node in fields.get("redact").and_then(|node| decoder.list(node, "redact")).unwrap_or_default() {
        settings.redact.extend(decode_redaction(decoder, node));
    }
    settings
}

fn decode_redaction(decoder: &mut Decoder<'_>, node: &Node) -> Option<Redaction> {
    let fields = decoder.fields(node, "a redaction", &["regex", "path", "replace"])?;
    let replacement = match fields.get("replace") {
        Some(node) => decoder.text(node, "replace")?,
        None => "[redacted]".to_owned(),
    };
    let target = match (fields.get("regex"), fields.get("path")) {
        (Some(node), None) => {
            let pattern = decoder.text(node, "regex")?;
            match Regex::new(&pattern) {
                Ok(regex) if regex.is_match("") => {
                    decoder.error(node.span.clone(), "this regex matches the empty text, so it would match everywhere");
                    return None;
                }
                Ok(regex) => RedactionTarget::Pattern(regex),
                Err(error) => {
                    decoder.error(node.span.clone(), format!("this regex does not compile: {}", last_line(&error)));
                    return None;
                }
            }
        }
        (None, Some(node)) => {
            let path = decoder.text(node, "path")?;
            match JsonPath::parse(&path) {
                Ok(path) => RedactionTarget::Path(path),
                Err(error) => {
                    decoder.error(node.span.clone(), format!("this JSON path is not valid: {error}"));
                    return None;
                }
            }
        }
        _ => {
            decoder.error(fields.span, "a redaction needs either `regex` or `path`");
            return None;
        }
    };
    Some(Redaction { target, replacement })
}

/// The last line of a regex error: the others draw the expression, which the caller shows already.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned()
}

/// Reads `review: { require-reason: true }`.
pub(super) fn decode_review(decoder: &mut Decoder<'_>, node: &Node) -> bool {
    let fields = decoder.fields(node, "review", &["require-reason"]);
    let required = fields.as_ref().and_then(|fields| fields.get("require-reason"));
    required.and_then(|node| decoder.bool(node, "require-reason")).unwrap_or(false)
}
