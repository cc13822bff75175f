//! YAML with places: `serde_yaml` decides what the values are, `granit-parser` where they stand.
//!
//! Beyond what those two refuse, a doubled key, a `<<` merge, a tag, a second document and a file or an expansion
//! over the limits are errors.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{Event, Parser};
use serde_json::{Map, Number, Value};

use super::problem::{Mistake, Place, Problem, Problems, Source};
use super::surrogates::{self, StandIns};

/// The largest YAML file that is read, in bytes.
pub const MAX_BYTES: usize = 32 << 20;
/// The most values that one file may expand to through its aliases.
const MAX_NODES: usize = 4_000_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Bytes of the source.
    pub span: Range<usize>,
    /// What it is.
    pub data: Data,
}

/// A mapping's key and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    /// Bytes of the source.
    pub span: Range<usize>,
    /// The key, as it was written.
    pub text: String,
}

/// What a [`Node`] is.
#[derive(Clone, Debug)]
pub enum Data {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, and how it was written (`1.0`, `007`, `1e3`).
    Number(Number, String),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// The value without its places.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(b) => Value::Bool(*b),
            Data::Number(n, _) => Value::Number(n.clone()),
            Data::Text(s) => Value::String(s.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Data::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.text.clone(), v.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// What kind of value it is, for messages: `text`, `a number`, …
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "true or false",
            Data::Number(..) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }

    /// The value below a key, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Puts the characters in that pairs of escapes mean.
    fn restore(&mut self, stand_ins: StandIns) {
        let settle = |text: &mut String| *text = stand_ins.restored(text).into_owned();
        match &mut self.data {
            Data::Text(text) => settle(text),
            Data::List(items) => items.iter_mut().for_each(|item| item.restore(stand_ins)),
            Data::Map(entries) => entries.iter_mut().for_each(|(key, node)| {
                settle(&mut key.text);
                node.restore(stand_ins);
            }),
            _ => {}
        }
    }

    fn count(&self) -> usize {
        1 + match &self.data {
            Data::List(items) => items.iter().map(Self::count).sum(),
            Data::Map(entries) => entries.iter().map(|(_, node)| node.count()).sum(),
            _ => 0,
        }
    }
}

/// Reads the one document of a source. An empty document is [`Data::Null`].
pub fn parse(source: &Arc<Source>) -> Result<Node, Problems> {
    parse_range(source, 0..source.text.len())
}

/// Reads the YAML that is a part of a source (a front matter); places count from the start of the whole source.
pub fn parse_range(source: &Arc<Source>, range: Range<usize>) -> Result<Node, Problems> {
    let text = &source.text[range.clone()];
    let at = |offset: usize, length: usize| {
        let start = (range.start + offset).min(range.end);
        Place::span(source, start..(start + length).min(range.end))
    };
    if text.len() > MAX_BYTES {
        let message = format!("the YAML file has {} MiB; {} are the most", text.len() >> 20, MAX_BYTES >> 20);
        let help = "put the rows of a large data set into a .jsonl or .csv file and name it under `datasets:`";
        return Err(Problem::error(Place::File(source.path.clone()), message).help(help).into());
    }
    if let Some(marker) = conflict_marker(text) {
        let message = "a conflict marker of a merge; choose one side and remove the marker lines";
        return Err(Problem::error(at(marker, 7), message).of(Mistake::ConflictMarker).into());
    }
    let stood = surrogates::replaced(text);
    let (text, stand_ins) = stood.as_ref().map_or((text, None), |(text, stand_ins)| (text.as_str(), Some(*stand_ins)));
    let (value, refused) = match serde_yaml::from_str::<serde_yaml::Value>(text) {
        Ok(value) => (value, None),
        // serde_yaml does not say where a doubled key stands: the walk below does.
        Err(error) if error.to_string().contains("duplicate entry") => {
            (serde_yaml::Value::Null, Some(syntax_problem(text, &error, &at)))
        }
        Err(error) => return Err(syntax_problem(text, &error, &at).into()),
    };
    let mut builder =
        Builder { text, base: range.start, anchors: HashMap::new(), nodes: 0, problems: Problems::default(), source };
    let mut document = builder.document(&value);
    if let (Ok(node), Some(stand_ins)) = (&mut document, stand_ins) {
        node.restore(stand_ins);
    }
    match document {
        Ok(node) if builder.problems.is_empty() => refused.map_or(Ok(node), |problem| Err(problem.into())),
        Ok(_) => Err(builder.problems),
        Err(stop) => {
            builder.problems.push(stop);
            Err(builder.problems)
        }
    }
}

/// The offset of a line that begins as git's conflict markers do.
#[must_use]
pub fn conflict_marker(text: &str) -> Option<usize> {
    let mut offset = 0;
    let mut opened = None;
    for line in text.split_inclusive('\n') {
        if line.starts_with("<<<<<<< ") {
            opened.get_or_insert(offset);
        } else if line.starts_with(">>>>>>> ") && opened.is_some() {
            return opened;
        }
        offset += line.len();
    }
    None
}

fn syntax_problem(text: &str, error: &serde_yaml::Error, at: &dyn Fn(usize, usize) -> Place) -> Problem {
    let offset = error.location().map_or(0, |l| l.index().min(text.len()));
    let full = error.to_string();
    // serde_yaml names the place at the end of its sentence; ours stands in front of it.
    let plain = full.split(" at line ").next().unwrap_or(&full).trim();
    let mut offset = offset;
    while offset > 0 && !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let problem = Problem::error(at(offset, 1), format!("this is not valid YAML: {plain}"));
    let line_start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
    let line = text[line_start..].lines().next().unwrap_or("");
    if line.trim_start_matches(' ').starts_with('\t') || text[line_start..offset].contains('\t') {
        problem.help("YAML does not allow tabs for indentation; use blanks")
    } else if plain.contains("mapping values are not allowed") {
        problem.help("put quotes around a text that holds `: `")
    } else {
        problem
    }
}

struct Builder<'a> {
    text: &'a str,
    base: usize,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: Problems,
    source: &'a Arc<Source>,
}

type Parsed<'p> = (Event<'p>, Range<usize>);

impl Builder<'_> {
    fn document(&mut self, value: &serde_yaml::Value) -> Result<Node, Problem> {
        let mut parser = Parser::new_from_str(self.text);
        loop {
            match self.next(&mut parser)? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, span) => return Ok(Node { span, data: Data::Null }),
                event => return self.node(&mut parser, event, value, 0),
            }
        }
    }

    fn next<'p>(&self, parser: &mut Parser<'p, granit_parser::StrInput<'p>>) -> Result<Parsed<'p>, Problem> {
        loop {
            match parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, span))) => {
                    let range = span.byte_range().unwrap_or(0..0);
                    return Ok((event, self.base + range.start..self.base + range.end));
                }
                Some(Err(error)) => {
                    let start = self.base + error.marker().byte_offset().unwrap_or(0).min(self.text.len());
                    return Err(self.problem(start..start, format!("this is not valid YAML: {}", error.info())));
                }
                None => {
                    let end = self.base + self.text.len();
                    return Err(self.problem(end..end, "this is not valid YAML: it ends too early".into()));
                }
            }
        }
    }

    fn problem(&self, span: Range<usize>, message: String) -> Problem {
        Problem::error(Place::span(self.source, span), message)
    }

    fn node<'p>(
        &mut self,
        parser: &mut Parser<'p, granit_parser::StrInput<'p>>,
        (event, span): Parsed<'p>,
        value: &serde_yaml::Value,
        depth: usize,
    ) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(self.problem(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.nodes += 1;
        if event.tag().is_some_and(|tag| !tag.is_yaml_core_schema()) || matches!(value, serde_yaml::Value::Tagged(_)) {
            return Err(self.problem(span, "YAML tags (`!name`) mean nothing here; remove the tag".into()));
        }
        let anchor = event.anchor_id().unwrap_or(0);
        let node = match event {
            Event::Scalar(raw, ..) => Node { data: scalar(value, raw), span },
            Event::SequenceStart(..) => self.list(parser, span, value, depth)?,
            Event::MappingStart(..) => self.map(parser, span, value, depth)?,
            Event::Alias(id) => match self.anchors.get(&id) {
                Some(node) => {
                    self.nodes += node.count();
                    if self.nodes > MAX_NODES {
                        return Err(self.problem(span, format!("the aliases expand to more than {MAX_NODES} values")));
                    }
                    node.clone()
                }
                None => return Err(self.problem(span, "an alias to itself or to nothing".into())),
            },
            _ => return Err(self.problem(span, "this is not valid YAML: a value is missing".into())),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list<'p>(
        &mut self,
        parser: &mut Parser<'p, granit_parser::StrInput<'p>>,
        span: Range<usize>,
        value: &serde_yaml::Value,
        depth: usize,
    ) -> Result<Node, Problem> {
        let values = value.as_sequence().map_or(&[][..], Vec::as_slice);
        let mut items = Vec::with_capacity(values.len());
        loop {
            match self.next(parser)? {
                (Event::SequenceEnd, end) => {
                    return Ok(Node { span: span.start..end.end.max(span.end), data: Data::List(items) });
                }
                event => {
                    let value = values.get(items.len()).unwrap_or(&serde_yaml::Value::Null);
                    items.push(self.node(parser, event, value, depth + 1)?);
                }
            }
        }
    }

    fn map<'p>(
        &mut self,
        parser: &mut Parser<'p, granit_parser::StrInput<'p>>,
        span: Range<usize>,
        value: &serde_yaml::Value,
        depth: usize,
    ) -> Result<Node, Problem> {
        let mut values = value.as_mapping().into_iter().flatten();
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, Range<usize>> = HashMap::new();
        let mut doubled = false;
        loop {
            let key = match self.next(parser)? {
                (Event::MappingEnd, end) => {
                    return Ok(Node { span: span.start..end.end.max(span.end), data: Data::Map(entries) });
                }
                (Event::Scalar(raw, ..), span) => Key { span, text: raw.into_owned() },
                (_, span) => return Err(self.problem(span, "a key must be a plain text".into())),
            };
            if key.text == "<<" {
                let message = "`<<` merges are not part of YAML 1.2; write the keys out".to_owned();
                return Err(self.problem(key.span, message));
            }
            if let Some(first) = seen.insert(key.text.clone(), key.span.clone()) {
                let (line, _) = self.source.line_column(first.start);
                let message = format!("the key `{}` stands here a second time (first in line {line})", key.text);
                self.problems.push(self.problem(key.span.clone(), message).of(Mistake::UnknownOrDouble));
                doubled = true;
            }
            // After a doubled key the values no longer stand in step; the file is refused anyway.
            let value = if doubled { None } else { values.next().map(|(_, value)| value) };
            let event = self.next(parser)?;
            let node = self.node(parser, event, value.unwrap_or(&serde_yaml::Value::Null), depth + 1)?;
            entries.push((key, node));
        }
    }
}

fn scalar(value: &serde_yaml::Value, raw: Cow<'_, str>) -> Data {
    match value {
        serde_yaml::Value::Null => Data::Null,
        serde_yaml::Value::Bool(b) => Data::Bool(*b),
        serde_yaml::Value::Number(n) => {
            let number = n
                .as_i64()
                .map(Number::from)
                .or_else(|| n.as_u64().map(Number::from))
                .or_else(|| n.as_f64().and_then(Number::from_f64));
            // `.nan` and `.inf` are no numbers in JSON, nor anywhere that a value goes from here.
            match number {
                Some(number) => Data::Number(number, raw.into_owned()),
                None => Data::Text(raw.into_owned()),
            }
        }
        _ => Data::Text(raw.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Problems> {
        parse(&Source::new("a.yaml", text))
    }

    fn messages(text: &str) -> Vec<String> {
        match read(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems
                .sorted()
                .into_iter()
                .map(|p| {
                    let (_, line, column) = p.place.locate();
                    format!("{}:{}: {}", line.unwrap_or(0), column.unwrap_or(0), p.message)
                })
                .collect(),
        }
    }

    #[test]
    fn values_keep_their_places() {
        let source = Source::new("a.yaml", "a: 1\nb: [x, \"y\"]\nc:\n  d: 007\n  e: no\n");
        let node = parse(&source).expect("valid");
        let d = node.get("c").and_then(|c| c.get("d")).expect("d");
        assert_eq!(&source.text[d.span.clone()], "007");
        assert_eq!(node.to_json(), serde_json::json!({"a": 1, "b": ["x", "y"], "c": {"d": "007", "e": "no"}}));
    }

    #[test]
    fn anchors_are_expanded_in_place() {
        let node = read("a: &x {k: 1}\nb: *x\n").expect("valid");
        assert_eq!(node.to_json(), serde_json::json!({"a": {"k": 1}, "b": {"k": 1}}));
    }

    #[test]
    fn doubled_keys_and_merges_are_errors_with_their_line() {
        assert_eq!(messages("a: 1\nb: 2\na: 3\n"), ["3:1: the key `a` stands here a second time (first in line 1)"]);
        assert!(messages("a: &x {k: 1}\nb:\n  <<: *x\n")[0].starts_with("3:3: `<<` merges"));
        assert!(messages("a: !ruby x\n")[0].contains("tags"));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            let previous = format!("*a{}", i - 1);
            text.push_str(&format!("a{i}: &a{i} [{}]\n", vec![previous; 9].join(", ")));
        }
        assert_eq!(messages(&text).len(), 1);
    }

    #[test]
    fn a_tab_is_named() {
        let problems = read("a:\n\tb: 1\n").expect_err("a tab").sorted();
        assert!(problems[0].help.as_deref().is_some_and(|h| h.contains("tabs")), "{problems:?}");
    }

    #[test]
    fn conflict_markers_are_named() {
        assert!(messages("a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n")[0].contains("conflict marker"));
    }
}
