//! From what is written in `cases.yaml` to an expectation: its name, its value, its weight, and whether it is
//! turned round.

use std::ops::Range;
use std::sync::Arc;

use super::argument::Arguments;
use super::registry::{self, Entry, Extra, FINISH_REASON, IS_EMPTY, IS_REFUSAL};
use super::{Check, ReadFile, Subject, Written};
use crate::core::decode::Decoder;
use crate::core::problem::{Place, Problems, Source};
use crate::core::suggest::did_you_mean;
use crate::core::verdict::Checked;
use crate::core::yaml::{Data, Node};

const NOT: &str = "not-";

/// An expectation that makes sense, once its value is rendered for a case.
pub struct Expectation {
    kind: String,
    entry: &'static Entry,
    negated: bool,
    weight: f64,
    written: Box<dyn Written>,
    place: Place,
    /// What every case shares, where the value has nothing to render.
    shared: Option<Arc<dyn Check>>,
}

impl std::fmt::Debug for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expectation").field("kind", &self.kind).field("weight", &self.weight).finish_non_exhaustive()
    }
}

/// An expectation with the variables of a case in it.
pub struct Bound {
    kind: String,
    accepts_empty: bool,
    negated: bool,
    weight: f64,
    check: Arc<dyn Check>,
}

/// Reads one item of `expect:`. Everything that is wrong with it goes to `problems`.
pub fn compile(source: &Arc<Source>, node: &Node, read: ReadFile<'_>, problems: &mut Problems) -> Option<Expectation> {
    let mut decoder = Decoder { source, problems };
    let parts = take_apart(&mut decoder, node)?;
    let (bare, negated) = match parts.name.strip_prefix(NOT) {
        Some(bare) => (bare, true),
        None => (parts.name.as_str(), false),
    };
    let entry = registry::find(bare)?;
    let weight = match parts.weight {
        Some(node) => decoder.number(node, "weight")?,
        None => 1.0,
    };
    if weight < 0.0 {
        decoder.error(parts.span, "weight must be at least 0");
        return None;
    }
    for (extra, node, name) in [(Extra::Threshold, parts.threshold, "threshold"), (Extra::Flags, parts.flags, "flags")]
    {
        if let Some(node) = node.filter(|_| entry.extra != extra) {
            decoder.error(node.span.clone(), format!("`{bare}` knows no `{name}`"));
            return None;
        }
    }
    let place = Place::span(source, parts.span.clone());
    let mut arguments = Arguments {
        decoder: &mut decoder,
        name: entry.name,
        value: parts.value,
        threshold: parts.threshold,
        flags: parts.flags,
        span: parts.span,
        read,
    };
    let written = (entry.build)(&mut arguments)?;
    let shared = if written.variables().is_empty() {
        match written.bind(&minijinja::Value::UNDEFINED) {
            Ok(check) => Some(check),
            Err(why) => {
                problems.error(place, why);
                return None;
            }
        }
    } else {
        None
    };
    Some(Expectation { kind: parts.name, entry, negated, weight, written, place, shared })
}

struct Parts<'n> {
    name: String,
    span: Range<usize>,
    value: Option<&'n Node>,
    weight: Option<&'n Node>,
    threshold: Option<&'n Node>,
    flags: Option<&'n Node>,
}

const OPTIONS: [&str; 3] = ["weight", "threshold", "flags"];

/// The three forms: a name alone, `NAME: VALUE`, and `type: NAME` with `value: VALUE`.
fn take_apart<'n>(decoder: &mut Decoder<'_>, node: &'n Node) -> Option<Parts<'n>> {
    if let Data::Text(name) = &node.data {
        let known = known_name(decoder, name, node.span.clone())?;
        let (value, weight, threshold, flags) = (None, None, None, None);
        return Some(Parts { name: known, span: node.span.clone(), value, weight, threshold, flags });
    }
    let fields = decoder.map(node, "an expectation")?;
    let option = |name: &str| fields.get(name);
    if let Some(kind) = fields.get("type") {
        let name = decoder.text(kind, "type")?;
        let name = known_name(decoder, &name, kind.span.clone())?;
        decoder.fields(node, "an expectation", &["type", "value", OPTIONS[0], OPTIONS[1], OPTIONS[2]])?;
        return Some(Parts {
            name,
            span: kind.span.clone(),
            value: option("value"),
            weight: option("weight"),
            threshold: option("threshold"),
            flags: option("flags"),
        });
    }
    let mut named = fields.iter().filter(|(key, _)| !OPTIONS.contains(&key.text.as_str()));
    let Some((key, value)) = named.next() else {
        decoder.error(node.span.clone(), "an expectation needs a name, such as `contains: …`");
        return None;
    };
    let name = known_name(decoder, &key.text, key.span.clone())?;
    if let Some((second, _)) = named.next() {
        let message = format!("`{}` is a second expectation in one item; begin a new item with `- `", second.text);
        decoder.error(second.span.clone(), message);
        return None;
    }
    let value = Some(value).filter(|value| !matches!(value.data, Data::Null));
    Some(Parts {
        name,
        span: key.span.clone(),
        value,
        weight: option("weight"),
        threshold: option("threshold"),
        flags: option("flags"),
    })
}

fn known_name(decoder: &mut Decoder<'_>, name: &str, span: Range<usize>) -> Option<String> {
    if registry::find(name.strip_prefix(NOT).unwrap_or(name)).is_some() {
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

impl Expectation {
    /// Its name, with `not-` in front where it is turned round.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.kind
    }

    /// Where it is written.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether a case with it asks for an answer that did not end by itself.
    #[must_use]
    pub fn accepts_any_finish(&self) -> bool {
        matches!(self.entry.name, FINISH_REASON | IS_REFUSAL | IS_EMPTY) && !self.negated
    }

    /// The expectation for a case. An error says why its value makes no sense there.
    pub fn bind(&self, variables: &minijinja::Value) -> Result<Bound, String> {
        let check = match &self.shared {
            Some(check) => Arc::clone(check),
            None => self.written.bind(variables).map_err(|why| format!("`{}`: {why}", self.kind))?,
        };
        let accepts_empty = self.entry.name == IS_EMPTY;
        Ok(Bound { kind: self.kind.clone(), accepts_empty, negated: self.negated, weight: self.weight, check })
    }
}

impl Bound {
    /// Its weight in the score of the case.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Checks a response.
    #[must_use]
    pub fn check(&self, subject: &Subject<'_>) -> Checked {
        if subject.response.is_empty() && !self.accepts_empty {
            let reason = "the answer is empty".to_owned();
            return Checked { kind: self.kind.clone(), pass: false, score: 0.0, reason };
        }
        let finding = self.check.check(subject);
        if finding.unknown {
            return Checked { kind: self.kind.clone(), pass: false, score: 0.0, reason: finding.reason };
        }
        let score = if finding.score.is_finite() { finding.score.clamp(0.0, 1.0) } else { 0.0 };
        let (pass, score) = if self.negated { (!finding.holds, 1.0 - score) } else { (finding.holds, score) };
        let reason = match (pass, self.negated) {
            (true, _) => "holds".to_owned(),
            (false, false) => finding.reason,
            (false, true) => format!("it should not, but: {}", finding.reason),
        };
        Checked { kind: self.kind.clone(), pass, score, reason }
    }
}
