//! From what is written in `cases.yaml` to an expectation: its name, its value, its weight, and whether it is
//! turned round.

use std::borrow::Cow;
use std::sync::Arc;

use super::about::about;
use super::argument::Arguments;
use super::oracle::Need;
use super::registry::{self, Entry, FINISH_REASON, IS_EMPTY, IS_REFUSAL};
use super::schema::found_in;
use super::transform::{BoundTransform, Transform};
use super::written::take_apart;
use super::{Check, Finding, ReadFile, Subject, Written};
use crate::core::decode::Decoder;
use crate::core::problem::{Place, Problems, Source};
use crate::core::record::Response;
use crate::core::verdict::{About, Checked, Lack, Unread};
use crate::core::yaml::Node;

pub(super) const NOT: &str = "not-";

/// An expectation that makes sense, once its value is rendered for a case.
pub struct Expectation {
    kind: String,
    entry: &'static Entry,
    negated: bool,
    weight: f64,
    metric: Option<String>,
    about: Option<About>,
    /// Whether the case says what it is about.
    says_about: bool,
    transform: Option<Transform>,
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
#[expect(clippy::struct_excessive_bools, reason = "each is another fact")]
pub struct Bound {
    kind: String,
    accepts_empty: bool,
    asks: bool,
    negated: bool,
    weight: f64,
    metric: Option<String>,
    about: Option<About>,
    says_about: bool,
    transform: Option<BoundTransform>,
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
    let weight = match parts.options.get("weight") {
        Some(node) => decoder.number(node, "weight")?,
        None => 1.0,
    };
    if weight < 0.0 {
        decoder.error(parts.span, "weight must be at least 0");
        return None;
    }
    let metric = match parts.options.get("metric") {
        Some(node) => Some(read_metric(&mut decoder, node)?),
        None => None,
    };
    let says_about = parts.options.get("about").is_some();
    let about = match parts.options.get("about") {
        Some(node) => Some(decoder.choice(node, "about", &[("form", About::Form), ("content", About::Content)])?),
        None => about(entry.name, parts.value),
    };
    let transform = match parts.options.get("transform") {
        Some(node) => Some(Transform::read(&mut decoder, node)?),
        None => None,
    };
    let place = Place::span(source, parts.span.clone());
    let mut arguments = Arguments {
        decoder: &mut decoder,
        name: entry.name,
        value: parts.value,
        threshold: parts.options.get("threshold"),
        flags: parts.options.get("flags"),
        options: parts.options,
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
    Some(Expectation {
        kind: parts.name,
        entry,
        negated,
        weight,
        metric,
        about,
        says_about,
        transform,
        written,
        place,
        shared,
    })
}

/// A named score: a word that stands in tables.
fn read_metric(decoder: &mut Decoder<'_>, node: &Node) -> Option<String> {
    let name = decoder.text(node, "metric")?;
    let is_word = |c: char| c.is_alphanumeric() || " -_./".contains(c);
    if name.trim().is_empty() || name.chars().count() > 60 || !name.chars().all(is_word) {
        decoder.error(
            node.span.clone(),
            "a metric is named by letters, digits, `-`, `_`, `.`, `/` and blanks, at most 60",
        );
        return None;
    }
    Some(name)
}

impl Expectation {
    /// Its name, with `not-` in front where it is turned round.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.kind
    }

    /// How much it counts.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
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
            || self.written.parts().iter().any(Self::accepts_any_finish)
    }

    fn accepts_empty(&self) -> bool {
        self.entry.name == IS_EMPTY || self.written.parts().iter().any(Self::accepts_empty)
    }

    /// Everything that it asks for outside of the answer, with the place that asks.
    #[must_use]
    pub fn needs(&self) -> Vec<(&Place, Need)> {
        let own = self.written.needs().into_iter().map(|need| (&self.place, need));
        own.chain(self.written.parts().iter().flat_map(Self::needs)).collect()
    }

    /// The variables that anything in it mentions.
    pub(super) fn variables(&self) -> Vec<String> {
        let mut variables = self.written.variables();
        variables.extend(self.transform.iter().flat_map(Transform::variables));
        variables
    }

    /// The expectation for a case. An error says why its value makes no sense there.
    pub fn bind(&self, variables: &minijinja::Value) -> Result<Bound, String> {
        let wrong = |why| format!("`{}`: {why}", self.kind);
        let check = match &self.shared {
            Some(check) => Arc::clone(check),
            None => self.written.bind(variables).map_err(wrong)?,
        };
        let transform = self.transform.as_ref().map(|transform| transform.bind(variables)).transpose();
        Ok(Bound {
            kind: self.kind.clone(),
            accepts_empty: self.accepts_empty(),
            asks: !self.needs().is_empty(),
            negated: self.negated,
            weight: self.weight,
            metric: self.metric.clone(),
            about: self.about,
            says_about: self.says_about,
            transform: transform.map_err(wrong)?,
            check,
        })
    }
}

impl Bound {
    /// Whether it asks anything outside of the answer.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.asks
    }

    /// Checks a response.
    #[must_use]
    pub fn check(&self, subject: &Subject<'_>) -> Checked {
        if subject.response.is_empty() && !self.accepts_empty {
            return Checked { reason: "the answer is empty".to_owned(), void: true, ..self.checked() };
        }
        let response = match self.transformed(subject.response) {
            Ok(response) => response,
            Err(reason) => return Checked { reason, void: true, ..self.checked() },
        };
        let finding = self.check.check(&Subject { response: &response, ..*subject });
        let unread = finding.unread.then(|| self.unread(subject, &response));
        let parts = finding.parts.clone();
        let (advises, judge) = (finding.advises, finding.judge.clone());
        // Values are refused of a form that is right: that may be what the answer says.
        let about = if finding.of_values && !self.says_about { Some(About::Either) } else { self.about };
        let common = Checked { advises, judge, parts, about, unread, ..self.checked() };
        if finding.lack.is_some() {
            return Checked { reason: finding.reason, lack: finding.lack, ..common };
        }
        if finding.unknown {
            return Checked { reason: finding.reason, void: true, unscored: true, ..common };
        }
        // A score that is no number says nothing at all.
        if !finding.score.is_finite() {
            let reason = format!("the score is {}, which is no number", finding.score);
            return Checked { reason, lack: Some(Lack::Errored), ..common };
        }
        let Finding { holds, score, reason, outright, .. } = finding;
        let score = score.clamp(0.0, 1.0);
        let (pass, score) = if self.negated { (!holds, 1.0 - score) } else { (holds, score) };
        let score = if outright && !pass { 0.0 } else { score };
        let reason = match (pass, self.negated) {
            // What a judge says for it is worth reading too.
            (true, _) if finding.judge.is_some() => reason,
            (true, _) => "holds".to_owned(),
            (false, false) => reason,
            (false, true) => format!("it should not, but: {reason}"),
        };
        Checked { pass, score, reason, ..common }
    }

    /// It was not asked for, because of what is known already.
    #[must_use]
    pub fn unasked(&self, why: &str) -> Checked {
        Checked { reason: why.to_owned(), lack: Some(Lack::Unasked), ..self.checked() }
    }

    fn checked(&self) -> Checked {
        let (kind, metric) = (self.kind.clone(), self.metric.clone());
        Checked { kind, weight: self.weight, metric, about: self.about, ..Checked::default() }
    }

    /// What it would say of the one JSON value that stands in an answer which is none as a whole.
    fn unread(&self, subject: &Subject<'_>, response: &Response) -> Unread {
        let mut found = found_in(&response.text);
        let (Some(value), None) = (found.next(), found.next()) else { return Unread::Unknown };
        let within = Response { text: value.to_string(), ..response.clone() };
        let finding = self.check.check(&Subject { response: &within, ..*subject });
        if finding.unread || finding.unknown || finding.lack.is_some() {
            Unread::Unknown
        } else if finding.holds != self.negated {
            Unread::Holds
        } else {
            Unread::Fails
        }
    }

    fn transformed<'r>(&self, response: &'r Response) -> Result<Cow<'r, Response>, String> {
        let Some(transform) = &self.transform else { return Ok(Cow::Borrowed(response)) };
        let text = transform.apply(&response.text)?;
        let changed = Response { text, ..response.clone() };
        if changed.is_empty() && !self.accepts_empty {
            return Err("nothing is left of the answer after `transform`".to_owned());
        }
        Ok(Cow::Owned(changed))
    }
}
