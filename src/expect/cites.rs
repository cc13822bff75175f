//! `cites`: every source that an answer names is one that it was given, and it names at least one.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::argument::Arguments;
use super::fence::blocks;
use super::shown::quoted;
use super::texts::Texts;
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::{Data, Node};

/// The most sources that a range such as `[1-5]` may stand for.
const MOST: u64 = 1000;

struct Cites {
    sources: Sources,
    pattern: Option<Regex>,
    optional: bool,
    every: bool,
}

enum Sources {
    Named(Texts),
    /// `1` to this.
    Numbered(u64),
}

pub(super) struct BoundCites {
    pub(super) sources: BTreeSet<String>,
    pub(super) pattern: Option<Regex>,
    pub(super) optional: bool,
    pub(super) every: bool,
}

pub(super) fn cites(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("the sources that were given")?;
    let mut cites = Cites { sources: Sources::Numbered(0), pattern: None, optional: false, every: false };
    let mut sources = node;
    if let Data::Map(_) = node.data {
        let fields = arguments.decoder.fields(node, "cites", &["sources", "pattern", "optional", "every"])?;
        if let Some(node) = fields.get("pattern") {
            cites.pattern = Some(pattern(arguments, node)?);
        }
        if let Some(node) = fields.get("optional") {
            cites.optional = arguments.decoder.bool(node, "optional")?;
        }
        if let Some(node) = fields.get("every") {
            cites.every = arguments.decoder.bool(node, "every")?;
        }
        if cites.every && cites.optional {
            arguments.error("with `every` no source is optional; write one of them");
            return None;
        }
        let Some(node) = fields.get("sources") else {
            arguments.error("`cites` needs the `sources` that were given");
            return None;
        };
        sources = node;
    }
    arguments.value = Some(sources);
    cites.sources = if let Data::Number(..) = sources.data {
        let count = arguments.decoder.count(sources, "the number of sources", 1)?;
        if count > MOST {
            arguments.error(format!("{count} sources; {MOST} are the most"));
            return None;
        }
        Sources::Numbered(count)
    } else {
        Sources::Named(Texts::read(arguments)?)
    };
    Some(Box::new(cites))
}

/// An expression whose first group is the name of a source.
pub(super) fn pattern(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<Regex> {
    let text = arguments.decoder.text(node, "pattern")?;
    let message = match Regex::new(&text) {
        Ok(regex) if regex.captures_len() < 2 => {
            "the pattern needs a group around the name of the source: `\\((\\w+)\\)`".into()
        }
        Ok(regex) if regex.is_match("") => "this pattern matches everywhere".into(),
        Ok(regex) => return Some(regex),
        Err(error) => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned();
            format!("this pattern does not compile: {why}")
        }
    };
    arguments.decoder.error(node.span.clone(), message);
    None
}

impl Written for Cites {
    fn variables(&self) -> Vec<String> {
        match &self.sources {
            Sources::Named(texts) => texts.variables(),
            Sources::Numbered(_) => Vec::new(),
        }
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let sources: BTreeSet<String> = match &self.sources {
            Sources::Named(texts) => texts.render(variables)?.iter().map(|name| name.trim().to_owned()).collect(),
            Sources::Numbered(count) => (1..=*count).map(|number| number.to_string()).collect(),
        };
        if sources.contains("") {
            return Err("the name of a source is blank for this case".into());
        }
        let Self { optional, every, .. } = *self;
        Ok(Arc::new(BoundCites { sources, pattern: self.pattern.clone(), optional, every }))
    }
}

/// `[1]`, `[doc-3, doc-4]`, `[^1]`, `【1†…】`; what stands in back quotes is code.
static MARKS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"`[^`\n]*`|\[([^\[\]\n]{1,200})\](\(?)|【([^【】\n]{1,200})】").ok());

impl BoundCites {
    /// The sources that an answer names, in order, each once.
    fn named(&self, text: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: String| {
            if !names.contains(&name) {
                names.push(name);
            }
        };
        let mut at = 0;
        let blocks = blocks(text);
        let ends = blocks.iter().map(|block| block.whole.clone()).chain(std::iter::once(text.len()..text.len()));
        for block in ends {
            let prose = &text[at..block.start];
            at = block.end;
            if let Some(pattern) = &self.pattern {
                pattern
                    .captures_iter(prose)
                    .filter_map(|found| found.get(1))
                    .for_each(|m| add(m.as_str().trim().into()));
                continue;
            }
            let Some(marks) = MARKS.as_ref() else { continue };
            for found in marks.captures_iter(prose) {
                // `[text](address)` is a link.
                let link = found.get(2).is_some_and(|mark| !mark.is_empty());
                let Some(inner) = found.get(1).or(found.get(3)).filter(|_| !link) else { continue };
                self.sources_in(inner.as_str(), &mut add);
            }
        }
        names
    }

    /// The sources between two brackets: all of it where that is one, else its parts between commas, ranges of numbers too.
    fn sources_in(&self, inner: &str, add: &mut impl FnMut(String)) {
        let inner = inner.split('†').next().unwrap_or(inner).trim();
        if self.sources.contains(inner) {
            return add(inner.to_owned());
        }
        let parts: Vec<&str> = inner.split([',', ';']).map(|part| part.trim().trim_start_matches('^')).collect();
        if !parts.iter().all(|part| self.sources.contains(*part) || is_mark(part)) {
            return;
        }
        for part in parts {
            match range(part).filter(|_| !self.sources.contains(part)) {
                Some((from, to)) => (from..=to).for_each(|number| add(number.to_string())),
                None => add(part.to_owned()),
            }
        }
    }
}

/// Whether a text in brackets looks like the name of a source: one word with a digit or a mark in it. `[sic]` is none.
fn is_mark(part: &str) -> bool {
    let marks = |c: char| matches!(c, '_' | '.' | ':' | '#' | '/' | '-' | '–');
    let fits = part.chars().all(|c| c.is_alphanumeric() || marks(c)) && part.chars().any(char::is_alphanumeric);
    fits && part.chars().any(|c| c.is_numeric() || marks(c))
}

/// `1-3`, `1–3`.
fn range(part: &str) -> Option<(u64, u64)> {
    let (from, to) = part.split_once(['-', '–'])?;
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from < to && to - from < MOST).then_some((from, to))
}

impl Check for BoundCites {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        let named = self.named(text);
        let list = |names: &[&String]| names.iter().take(10).map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let unknown: Vec<&String> = named.iter().filter(|name| !self.sources.contains(*name)).collect();
        if !unknown.is_empty() {
            let given: Vec<&String> = self.sources.iter().collect();
            return Finding::new(
                false,
                format!("the answer names {}, which was not given; given were {}", list(&unknown), list(&given)),
            );
        }
        if named.is_empty() {
            return Finding::new(self.optional, format!("the answer names no source: {}", quoted(text)));
        }
        let left: Vec<&String> = self.sources.iter().filter(|source| !named.contains(source)).collect();
        if self.every && !left.is_empty() {
            return Finding::new(false, format!("the answer does not name {}", list(&left)));
        }
        Finding::new(true, format!("the answer names {}", list(&named.iter().collect::<Vec<_>>())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(text: &str) -> Vec<String> {
        let sources = ["1", "2", "doc-3", "Annual report 2024"].map(str::to_owned).into();
        BoundCites { sources, pattern: None, optional: false, every: false }.named(text)
    }

    #[test]
    fn marks_are_told_from_other_brackets() {
        assert_eq!(named("a[1] b [2, doc-3]; [^1] [Annual report 2024]"), ["1", "2", "doc-3", "Annual report 2024"]);
        assert_eq!(named("[1-3] and [7]"), ["1", "2", "3", "7"]);
        assert_eq!(named("【2†source】"), ["2"]);
        assert_eq!(named("[sic] [see there] [x] [ ] [link](http://a) `a[1]` [Note: this]"), Vec::<String>::new());
        assert_eq!(named("```\na[2]\n```\n[1](x) [doc-9]"), ["doc-9"]);
        assert_eq!(named("[1-999999999999]"), ["1-999999999999"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_search_panic(text in "[\\[\\]1a, `^†【】\n-]{0,40}|.*") {
            let _ = named(&text);
        }
    }
}
