//! What an import tells: what could not be carried over, and what means something else now. Nothing is dropped without
//! a word: a mapping is read through [`Keys`], which knows what nobody asked for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::redact::key_shape;
use crate::core::yaml::{Data, Key, Node};

/// Something that a person should know about an import.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Whether something of the source is not in the project.
    pub lost: bool,
    /// What, where, and what to do.
    pub problem: Problem,
}

/// All findings of an import.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    all: Vec<Finding>,
    /// Where the tags of translated templates stand in the source.
    spots: BTreeMap<String, Place>,
}

impl Findings {
    /// Something that is not carried over.
    pub(super) fn lost(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.add(true, place, message.into(), help.into());
    }

    /// Something that is carried over and means something else, or that a person has to see to.
    pub(super) fn note(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.add(false, place, message.into(), help.into());
    }

    fn add(&mut self, lost: bool, place: Place, message: String, help: String) {
        let problem = Problem::warning(without_secret(place), message);
        let problem = if help.is_empty() { problem } else { problem.help(help) };
        self.all.push(Finding { lost, problem });
    }

    /// Keeps in mind where a translated tag stands in the source; the first of several alike counts.
    pub(super) fn keep_spot(&mut self, tag: &str, place: Place) {
        self.spots.entry(tag.to_owned()).or_insert(place);
    }

    /// Where a translated tag stands in the source.
    pub(super) fn spot(&self, tag: &str) -> Option<Place> {
        self.spots.get(tag).cloned()
    }

    /// Mistakes of a file of the source that could not be read.
    pub(super) fn unreadable(&mut self, problems: Problems) {
        self.all.extend(problems.sorted().into_iter().map(|problem| Finding { lost: true, problem }));
    }

    /// All of them by their places, each once.
    #[must_use]
    pub fn sorted(&self) -> Vec<Finding> {
        let mut all = self.all.clone();
        all.sort_by_cached_key(|finding| {
            let (path, line, column) = finding.problem.place.locate();
            (path.map(str::to_owned), line, column, !finding.lost, finding.problem.message.clone())
        });
        all.dedup_by(|a, b| {
            a.problem.message == b.problem.message && a.problem.place.locate() == b.problem.place.locate()
        });
        all
    }

    /// How many things were not carried over.
    #[must_use]
    pub fn lost_count(&self) -> usize {
        self.sorted().iter().filter(|finding| finding.lost).count()
    }
}

/// What a line may say of a secret that stands in it.
static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?:api[-_]?key|authorization|secret|password|passwd|token|credential)["']?\s*:\s*["']?[^\s"'{}\[\]$]{8,}"#).ok()
});

/// The place, without its line where that may hold a secret: a message shows the line.
fn without_secret(place: Place) -> Place {
    let Place::Span(source, range) = &place else { return place };
    let (line, _) = source.line_column(range.start);
    let text = &source.text[source.line_range(line)];
    if key_shape(text).is_none() && !SECRET.as_ref().is_some_and(|secret| secret.is_match(text)) {
        return place;
    }
    Place::Line(source.path.clone(), line)
}

/// A key with a fixed reason why it is not carried over, and what to do.
pub(super) type Reason = (&'static str, &'static str);

/// A mapping of the source. What is not taken of it is reported by [`Keys::finish`].
#[must_use]
pub(super) struct Keys<'n> {
    pub(super) source: Arc<Source>,
    pub(super) span: Range<usize>,
    what: String,
    entries: &'n [(Key, Node)],
    taken: Vec<bool>,
}

impl<'n> Keys<'n> {
    /// The keys of a mapping; anything else is reported and is none.
    pub(super) fn new(source: &Arc<Source>, node: &'n Node, what: &str, findings: &mut Findings) -> Option<Self> {
        let Data::Map(entries) = &node.data else {
            let message = format!("{what} is {} where a mapping is expected, and is not carried over", node.kind());
            findings.lost(Place::span(source, node.span.clone()), message, "");
            return None;
        };
        Some(Self {
            source: Arc::clone(source),
            span: node.span.clone(),
            what: what.to_owned(),
            entries,
            taken: vec![false; entries.len()],
        })
    }

    /// The value of a key, which is then seen to; nothing counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<&'n Node> {
        self.take_entry(name).map(|(_, node)| node).filter(|node| !matches!(node.data, Data::Null))
    }

    /// A key with its value.
    pub(super) fn take_entry(&mut self, name: &str) -> Option<(&'n Key, &'n Node)> {
        let at = self.entries.iter().position(|(key, _)| key.text == name)?;
        self.taken[at] = true;
        let (key, node) = &self.entries[at];
        Some((key, node))
    }

    /// A text; a number or a truth value as it is written. Anything else is reported.
    pub(super) fn text(&mut self, name: &str, findings: &mut Findings) -> Option<String> {
        let node = self.take(name)?;
        let text = scalar(node);
        if text.is_none() {
            let message = format!("`{name}` of {} is {} where a text is expected", self.what, node.kind());
            findings.lost(self.place(node), message, "");
        }
        text
    }

    /// A finite number. Anything else is reported.
    pub(super) fn number(&mut self, name: &str, findings: &mut Findings) -> Option<f64> {
        let node = self.take(name)?;
        let number = match &node.data {
            Data::Number(number, _) => number.as_f64(),
            Data::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number: &f64| number.is_finite());
        if number.is_none() {
            findings.lost(self.place(node), format!("`{name}` of {} is no number", self.what), "");
        }
        number
    }

    /// Every key that nobody has taken yet, taken now.
    pub(super) fn rest(&mut self) -> Vec<(&'n Key, &'n Node)> {
        let left = (0..self.entries.len()).filter(|at| !self.taken[*at]).collect::<Vec<_>>();
        left.into_iter()
            .map(|at| {
                self.taken[at] = true;
                (&self.entries[at].0, &self.entries[at].1)
            })
            .collect()
    }

    pub(super) fn place(&self, node: &Node) -> Place {
        Place::span(&self.source, node.span.clone())
    }

    /// The place of the whole mapping.
    pub(super) fn whole(&self) -> Place {
        Place::span(&self.source, self.span.start..self.span.start)
    }

    /// Reports every key that nobody has taken: with its reason where there is one.
    pub(super) fn finish(mut self, reasons: &[Reason], findings: &mut Findings) {
        let what = self.what.clone();
        for (key, node) in self.rest() {
            let is_nothing = match &node.data {
                Data::Null => true,
                Data::List(items) => items.is_empty(),
                Data::Map(entries) => entries.is_empty(),
                _ => false,
            };
            if is_nothing {
                continue;
            }
            let help = reasons.iter().find(|(name, _)| *name == key.text).map_or("", |(_, help)| *help);
            let place = Place::span(&self.source, key.span.clone());
            findings.lost(place, format!("`{}` of {what} is not carried over", shown(&key.text)), help);
        }
    }
}

/// A text, a number as it is written, or a truth value.
pub(super) fn scalar(node: &Node) -> Option<String> {
    match &node.data {
        Data::Text(text) => Some(text.clone()),
        Data::Number(_, raw) => Some(raw.clone()),
        Data::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The beginning of a text of the source, for a message.
pub(super) fn shown(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(60).collect();
    if short.len() < text.trim().len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::yaml;

    #[test]
    fn what_nobody_takes_is_reported_once() {
        let source = Source::new("a.yaml", "a: 1\nb: two\nc: [x]\nd:\ne: []\n");
        let node = yaml::parse(&source).expect("valid YAML");
        let mut findings = Findings::default();
        for _ in 0..2 {
            let mut keys = Keys::new(&source, &node, "a test", &mut findings).expect("a mapping");
            assert_eq!(keys.text("b", &mut findings).as_deref(), Some("two"));
            keys.finish(&[("c", "write it by hand")], &mut findings);
        }
        let shown: Vec<_> = findings.sorted().iter().map(|f| (f.problem.in_a_line(), f.problem.help.clone())).collect();
        assert_eq!(
            shown,
            [
                ("a.yaml:1: `a` of a test is not carried over".to_owned(), None),
                ("a.yaml:3: `c` of a test is not carried over".to_owned(), Some("write it by hand".to_owned())),
            ]
        );
        assert_eq!(findings.lost_count(), 2);
    }
}
