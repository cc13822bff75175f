//! `recordings:` of `promptctl.yaml`: how recordings are kept, and when they are old.

use crate::core::decode::Decoder;
use crate::core::yaml::Node;

/// How recordings are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// Whether the rendered request stands in the line.
    pub requests: bool,
    /// When an answer is old.
    pub max_age: MaxAge,
}

/// When a recorded answer is old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxAge {
    /// Nobody said: after a usual time, and only a person is told.
    #[default]
    Usual,
    /// Never.
    Off,
    /// After so many days.
    Days(u32),
}

/// Reads `recordings: { requests: false, max-age: 90d }`.
pub(super) fn decode_recordings(decoder: &mut Decoder<'_>, node: Option<&Node>) -> Recordings {
    let mut recordings = Recordings { requests: true, max_age: MaxAge::Usual };
    let fields = node.and_then(|node| decoder.fields(node, "recordings", &["requests", "max-age"]));
    let Some(fields) = fields else { return recordings };
    if let Some(node) = fields.get("requests") {
        recordings.requests = decoder.bool(node, "requests").unwrap_or(true);
    }
    if let Some(node) = fields.get("max-age") {
        recordings.max_age = decode_max_age(decoder, node).unwrap_or_default();
    }
    recordings
}

/// Reads `max-age: 90d`, or `off`.
fn decode_max_age(decoder: &mut Decoder<'_>, node: &Node) -> Option<MaxAge> {
    let text = decoder.text(node, "max-age")?;
    let days = text.strip_suffix('d').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    match (text.as_str(), days.and_then(|digits| digits.parse().ok())) {
        ("off", _) => Some(MaxAge::Off),
        (_, Some(days @ 1..=36_500)) => Some(MaxAge::Days(days)),
        _ => {
            decoder.error(node.span.clone(), format!("max-age is `{text}`; write days, such as 90d, or `off`"));
            None
        }
    }
}
