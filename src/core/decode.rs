//! From YAML nodes to typed values, with every mistake collected instead of the first alone.

use std::ops::Range;
use std::sync::Arc;

use super::problem::{Mistake, Place, Problem, Problems, Source};
use super::suggest::did_you_mean;
use super::yaml::{Data, Key, Node};

/// Reads nodes of one source and collects what is wrong with them.
pub struct Decoder<'a> {
    /// The file that the nodes come from.
    pub source: &'a Arc<Source>,
    /// Where mistakes go.
    pub problems: &'a mut Problems,
}

/// A mapping whose keys have been checked against the known ones.
pub struct Fields<'n> {
    /// The place of the whole mapping.
    pub span: Range<usize>,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    /// The value of a key; a key with nothing behind it counts as absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|(_, node)| node).filter(|node| !matches!(node.data, Data::Null))
    }

    /// A key with its value, also where the value is nothing.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<(&'n Key, &'n Node)> {
        self.entries.iter().find(|(k, _)| k.text == key).map(|(k, n)| (k, n))
    }

    /// All keys with their values.
    pub fn iter(&self) -> impl Iterator<Item = &'n (Key, Node)> + use<'n> {
        self.entries.iter()
    }
}

impl Decoder<'_> {
    /// Reports an error at a span.
    pub fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.problems.push(Problem::error(Place::span(self.source, span), message));
    }

    /// Reports an error at a span with what to do.
    pub fn error_help(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Problem::error(Place::span(self.source, span), message).help(help));
    }

    /// Reports a key that there is not, or a name that stands twice.
    pub fn error_key(&mut self, span: Range<usize>, message: impl Into<String>) {
        let problem = Problem::error(Place::span(self.source, span), message);
        self.problems.push(problem.of(Mistake::UnknownOrDouble));
    }

    /// Reports that a node is of the wrong kind.
    pub fn wrong_kind(&mut self, node: &Node, what: &str, wanted: &str) {
        self.error(node.span.clone(), format!("{what} must be {wanted}, not {}", node.kind()));
    }

    /// A mapping with known keys only; unknown ones are reported with the nearest known one.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let fields = self.map(node, what)?;
        for (key, _) in fields.entries {
            if !known.contains(&key.text.as_str()) {
                let hint = did_you_mean(&key.text, known.iter().copied());
                let message = format!("unknown key `{}` in {what}{hint}", key.text);
                let problem = Problem::error(Place::span(self.source, key.span.clone()), message);
                let problem = problem.of(Mistake::UnknownOrDouble);
                let is_guessed = !hint.is_empty();
                let help = || format!("known keys: {}", known.join(", "));
                self.problems.push(if is_guessed { problem } else { problem.help(help()) });
            }
        }
        Some(fields)
    }

    /// A mapping with any keys.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        if let Data::Map(entries) = &node.data {
            return Some(Fields { span: node.span.clone(), entries });
        }
        self.wrong_kind(node, what, "a mapping");
        None
    }

    /// A list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        if let Data::List(items) = &node.data {
            return Some(items);
        }
        self.wrong_kind(node, what, "a list");
        None
    }

    /// Text. A number is taken as it was written (`007`, `1.0`), because names and ids often look like one.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.data {
            Data::Text(text) => Some(text.clone()),
            Data::Number(_, raw) => Some(raw.clone()),
            _ => {
                self.wrong_kind(node, what, "text");
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Data::Bool(value) = node.data {
            return Some(value);
        }
        self.wrong_kind(node, what, "true or false");
        None
    }

    /// A finite number.
    pub fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        if let Data::Number(number, _) = &node.data
            && let Some(value) = number.as_f64().filter(|v| v.is_finite())
        {
            return Some(value);
        }
        self.wrong_kind(node, what, "a number");
        None
    }

    /// A whole number of at least `least`.
    pub fn count(&mut self, node: &Node, what: &str, least: u64) -> Option<u64> {
        if let Data::Number(number, _) = &node.data
            && let Some(value) = number.as_u64().filter(|v| *v >= least)
        {
            return Some(value);
        }
        self.error(node.span.clone(), format!("{what} must be a whole number of at least {least}"));
        None
    }

    /// A list of texts; one text alone is a list of one.
    pub fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<String>> {
        if let Data::Text(text) = &node.data {
            return Some(vec![text.clone()]);
        }
        let items = self.list(node, what)?;
        let texts: Vec<String> = items.iter().filter_map(|item| self.text(item, what)).collect();
        (texts.len() == items.len()).then_some(texts)
    }

    /// One of a few words; a wrong one is reported with all of them.
    pub fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let hint = did_you_mean(&text, words.iter().copied());
        let message = format!("{what} is `{text}`, which is none of {}{hint}", words.join(", "));
        self.error(node.span.clone(), message);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_collected() {
        let source = Source::new("a.yaml", "nam: x\nrepeat: -1\ntags: {a: b}\n");
        let node = super::super::yaml::parse(&source).expect("valid YAML");
        let mut problems = Problems::default();
        let mut decoder = Decoder { source: &source, problems: &mut problems };
        let fields = decoder.fields(&node, "a case", &["name", "repeat", "tags"]).expect("a mapping");
        assert_eq!(decoder.count(fields.get("repeat").expect("there"), "repeat", 1), None);
        assert_eq!(decoder.texts(fields.get("tags").expect("there"), "tags"), None);
        let messages: Vec<String> = problems.sorted().into_iter().map(|p| p.message).collect();
        assert_eq!(
            messages,
            [
                "unknown key `nam` in a case; did you mean \"name\"?",
                "repeat must be a whole number of at least 1",
                "tags must be a list, not a mapping",
            ]
        );
    }
}
