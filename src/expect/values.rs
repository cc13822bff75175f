//! What is expected of the values that a path selects.

use std::cmp::Ordering;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Number, Value};

use super::argument::Arguments;
use super::schema::{mismatch, validator};
use super::shown::{form_hint, quoted};
use super::wanted::{How, Template, Wanted, shown};
use crate::core::decode::Fields;
use crate::core::json::{kind, order};
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// What may stand beside the path.
pub(super) const KEYS: [&str; 19] = [
    "path",
    "equals",
    "not-equals",
    "tolerance",
    "contains",
    "not-contains",
    "starts-with",
    "ends-with",
    "matches",
    "one-of",
    "type",
    "less-than",
    "greater-than",
    "at-least",
    "at-most",
    "length",
    "count",
    "exists",
    "schema",
];

const TYPES: [(&str, &str); 8] = [
    ("string", "string"),
    ("number", "number"),
    ("integer", "integer"),
    ("boolean", "boolean"),
    ("array", "array"),
    ("list", "array"),
    ("object", "object"),
    ("null", "null"),
];

/// How a number is compared with a limit.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Limit {
    Less,
    Greater,
    AtLeast,
    AtMost,
}

impl Limit {
    fn words(self) -> &'static str {
        match self {
            Self::Less => "less than",
            Self::Greater => "greater than",
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
        }
    }
}

/// Where a text stands in a value.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Part {
    Inside,
    NotInside,
    Beginning,
    End,
}

/// A test as it is written.
pub(super) enum Test {
    Exists,
    Count(u64, u64),
    Equals(Template, f64),
    Differs(Template, f64),
    Text(Part, Inline),
    Matches(regex::Regex),
    OneOf(Vec<Template>),
    Type(Vec<&'static str>),
    Limit(Limit, Inline),
    Length(u64, u64),
    Schema(Arc<Validator>),
}

/// A test with the variables of a case in it.
pub(super) enum BoundTest {
    Exists,
    Count(u64, u64),
    Equals(Wanted, f64),
    Differs(Wanted, f64),
    Text(Part, String),
    Matches(regex::Regex),
    OneOf(Vec<Wanted>),
    Type(Vec<&'static str>),
    Limit(Limit, Number),
    Length(u64, u64),
    Schema(Arc<Validator>),
}

/// Reads everything beside `path`; nothing there: something must stand at the path.
pub(super) fn read(arguments: &mut Arguments<'_, '_, '_>, fields: &Fields<'_>) -> Option<Vec<Test>> {
    let tolerance = match fields.get("tolerance") {
        Some(node) => tolerance(arguments, fields, node)?,
        None => 0.0,
    };
    let mut tests = Vec::new();
    for (key, node) in fields.iter().filter(|(key, _)| !matches!(key.text.as_str(), "path" | "tolerance")) {
        tests.push(read_test(arguments, &key.text, node, tolerance)?);
    }
    if tests.len() > 1
        && let Some(nothing) = fields.get("exists").filter(|node| matches!(node.data, Data::Bool(false)))
    {
        let message = "`exists: false` wants nothing at the path, so nothing else can be tested there";
        arguments.decoder.error(nothing.span.clone(), message);
        return None;
    }
    if tests.iter().any(|test| matches!(test, Test::Count(_, 0))) && tests.len() > 1 {
        arguments.error("`count: 0` wants nothing at the path, so nothing else can be tested there");
        return None;
    }
    if tests.is_empty() {
        tests.push(Test::Exists);
    }
    Some(tests)
}

fn tolerance(arguments: &mut Arguments<'_, '_, '_>, fields: &Fields<'_>, node: &Node) -> Option<f64> {
    let by = arguments.decoder.number(node, "tolerance")?;
    let wrong = if by < 0.0 {
        "tolerance must be at least 0"
    } else if fields.get("equals").or(fields.get("not-equals")).is_none() {
        "`tolerance` belongs to `equals` or `not-equals`, which are not there"
    } else {
        return Some(by);
    };
    arguments.decoder.error(node.span.clone(), wrong);
    None
}

fn read_test(arguments: &mut Arguments<'_, '_, '_>, key: &str, node: &Node, tolerance: f64) -> Option<Test> {
    Some(match key {
        "equals" => Test::Equals(Template::read(arguments, node)?, tolerance),
        "not-equals" => Test::Differs(Template::read(arguments, node)?, tolerance),
        "contains" => Test::Text(Part::Inside, read_text(arguments, key, node)?),
        "not-contains" => Test::Text(Part::NotInside, read_text(arguments, key, node)?),
        "starts-with" => Test::Text(Part::Beginning, read_text(arguments, key, node)?),
        "ends-with" => Test::Text(Part::End, read_text(arguments, key, node)?),
        "matches" => Test::Matches(read_regex(arguments, node)?),
        "one-of" => {
            let items = arguments.decoder.list(node, "one-of")?;
            if items.is_empty() {
                arguments.decoder.error(node.span.clone(), "`one-of` needs at least one value");
                return None;
            }
            Test::OneOf(items.iter().map(|item| Template::read(arguments, item)).collect::<Option<_>>()?)
        }
        "type" => Test::Type(read_types(arguments, node)?),
        "less-than" => Test::Limit(Limit::Less, read_figure(arguments, key, node)?),
        "greater-than" => Test::Limit(Limit::Greater, read_figure(arguments, key, node)?),
        "at-least" => Test::Limit(Limit::AtLeast, read_figure(arguments, key, node)?),
        "at-most" => Test::Limit(Limit::AtMost, read_figure(arguments, key, node)?),
        "length" => {
            let (min, max) = read_range(arguments, key, node)?;
            Test::Length(min, max)
        }
        "count" => {
            let (min, max) = read_range(arguments, key, node)?;
            Test::Count(min, max)
        }
        "exists" if arguments.decoder.bool(node, "exists")? => Test::Exists,
        "exists" => Test::Count(0, 0),
        "schema" => Test::Schema(Arc::new(validator(arguments, node)?)),
        // `fields` has reported every other key.
        _ => return None,
    })
}

fn read_text(arguments: &mut Arguments<'_, '_, '_>, key: &str, node: &Node) -> Option<Inline> {
    let text = arguments.decoder.text(node, key)?;
    if text.is_empty() {
        arguments.decoder.error(node.span.clone(), "an empty text is contained in every value");
        return None;
    }
    arguments.inline(node, &text)
}

fn read_regex(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<regex::Regex> {
    let text = arguments.decoder.text(node, "matches")?;
    let message = match regex::Regex::new(&text) {
        Ok(regex) if !regex.is_match("") => return Some(regex),
        Ok(_) => "this regex matches every value".to_owned(),
        Err(error) => {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned();
            format!("this regex does not compile: {why}")
        }
    };
    arguments.decoder.error(node.span.clone(), message);
    None
}

fn read_types(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<Vec<&'static str>> {
    let items = match &node.data {
        Data::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    // `type: null` is what YAML has for nothing.
    let one = |item: &Node| match item.data {
        Data::Null => Some("null"),
        _ => arguments.decoder.choice(item, "type", &TYPES),
    };
    let types: Vec<&str> = items.iter().map(one).collect::<Option<_>>()?;
    if types.is_empty() {
        arguments.decoder.error(node.span.clone(), "`type` needs at least one type");
        return None;
    }
    Some(types)
}

/// A number, or a template that gives one.
fn read_figure(arguments: &mut Arguments<'_, '_, '_>, key: &str, node: &Node) -> Option<Inline> {
    if let Data::Text(text) = &node.data {
        let inline = arguments.inline(node, text)?;
        if inline.is_template() {
            return Some(inline);
        }
    }
    arguments.decoder.number(node, key)?;
    arguments.inline(node, &node.to_json().to_string())
}

/// A number as JSON has it, or as Rust reads it (`+5`, `.5`).
fn read_number(text: &str) -> Option<Number> {
    serde_json::from_str(text).ok().or_else(|| Number::from_f64(text.parse().ok()?))
}

/// A whole number, or `min` and `max`.
fn read_range(arguments: &mut Arguments<'_, '_, '_>, key: &str, node: &Node) -> Option<(u64, u64)> {
    if !matches!(node.data, Data::Map(_)) {
        let exact = arguments.decoder.count(node, key, 0)?;
        return Some((exact, exact));
    }
    let fields = arguments.decoder.fields(node, key, &["min", "max"])?;
    let min = fields.get("min").map_or(Some(0), |node| arguments.decoder.count(node, "min", 0))?;
    let max = fields.get("max").map_or(Some(u64::MAX), |node| arguments.decoder.count(node, "max", 0))?;
    let wrong = if min > max {
        format!("min is {min} and max is {max}, so nothing can fit")
    } else if min == 0 && max == u64::MAX {
        format!("`{key}` needs `min` above 0, `max` or both")
    } else {
        return Some((min, max));
    };
    arguments.decoder.error(node.span.clone(), wrong);
    None
}

impl Test {
    pub(super) fn variables(&self) -> Vec<String> {
        match self {
            Self::Equals(template, _) | Self::Differs(template, _) => template.variables(),
            Self::Text(_, inline) | Self::Limit(_, inline) => inline.variables().to_vec(),
            Self::OneOf(templates) => templates.iter().flat_map(Template::variables).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn bind(&self, variables: &minijinja::Value) -> Result<BoundTest, String> {
        Ok(match self {
            Self::Exists => BoundTest::Exists,
            Self::Count(min, max) => BoundTest::Count(*min, *max),
            Self::Equals(template, by) => BoundTest::Equals(template.render(variables)?, *by),
            Self::Differs(template, by) => BoundTest::Differs(template.render(variables)?, *by),
            Self::Text(part, inline) => {
                let text = inline.render(variables)?;
                if text.is_empty() {
                    return Err("a text that the value is to contain is empty for this case".into());
                }
                BoundTest::Text(*part, text)
            }
            Self::Matches(regex) => BoundTest::Matches(regex.clone()),
            Self::OneOf(templates) => {
                BoundTest::OneOf(templates.iter().map(|template| template.render(variables)).collect::<Result<_, _>>()?)
            }
            Self::Type(types) => BoundTest::Type(types.clone()),
            Self::Limit(limit, inline) => {
                let text = inline.render(variables)?;
                let wrong = || format!("a limit must be a number; it is {}", quoted(&text));
                BoundTest::Limit(*limit, read_number(text.trim()).ok_or_else(wrong)?)
            }
            Self::Length(min, max) => BoundTest::Length(*min, *max),
            Self::Schema(schema) => BoundTest::Schema(Arc::clone(schema)),
        })
    }
}

/// Why the values at a path are not what is expected. All of them must be.
pub(super) fn failure(test: &BoundTest, values: &[&Value]) -> Option<String> {
    if let BoundTest::Count(min, max) = test {
        let wrong = !(*min..=*max).contains(&(values.len() as u64));
        return wrong.then(|| format!("expected {} values, there are {}", amount(*min, *max), values.len()));
    }
    if values.is_empty() {
        return Some("there is nothing".into());
    }
    values.iter().find_map(|value| test.mismatch(value))
}

fn amount(min: u64, max: u64) -> String {
    match (min, max) {
        (min, max) if min == max => format!("{min}"),
        (min, u64::MAX) => format!("at least {min}"),
        (0, max) => format!("at most {max}"),
        (min, max) => format!("{min} to {max}"),
    }
}

fn is_type(value: &Value, wanted: &str) -> bool {
    // 5.0 is an integer, as in JSON Schema.
    let whole = || value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0);
    if wanted == "integer" { value.is_number() && whole() } else { kind(value) == wanted }
}

/// The text that a text is looked for in: a text itself, anything else as its JSON.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a list has the text as an item, or another value has it in its text.
fn contains(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| match item {
            Value::Array(_) | Value::Object(_) => false,
            item => text_of(item) == wanted,
        }),
        _ => text_of(value).contains(wanted),
    }
}

impl BoundTest {
    fn mismatch(&self, value: &Value) -> Option<String> {
        let how = |tolerance: f64| How { exact: true, tolerance, ..How::default() };
        let (fits, wanted) = match self {
            Self::Exists | Self::Count(..) => return None,
            Self::Equals(wanted, by) => {
                wanted.mismatch(value, how(*by))?;
                let texts = (wanted.to_json(), value);
                let hint = texts.0.as_str().zip(texts.1.as_str()).map_or("", |(wanted, text)| form_hint(wanted, text));
                return Some(format!("expected {}, it is {}{hint}", wanted.shown(), shown(value)));
            }
            Self::Differs(other, by) => {
                (other.mismatch(value, how(*by)).is_some(), format!("anything but {}", other.shown()))
            }
            Self::Text(part, text) => match part {
                Part::Inside => (contains(value, text), format!("something with {}", quoted(text))),
                Part::NotInside => (!contains(value, text), format!("something without {}", quoted(text))),
                Part::Beginning => {
                    (text_of(value).starts_with(text), format!("something that begins with {}", quoted(text)))
                }
                Part::End => (text_of(value).ends_with(text), format!("something that ends with {}", quoted(text))),
            },
            Self::Matches(regex) => (regex.is_match(&text_of(value)), format!("a match of `{regex}`")),
            Self::OneOf(all) => {
                let list: Vec<String> = all.iter().take(10).map(Wanted::shown).collect();
                let fits = all.iter().any(|wanted| wanted.mismatch(value, how(0.0)).is_none());
                (fits, format!("one of {}", list.join(", ")))
            }
            Self::Type(types) => (types.iter().any(|wanted| is_type(value, wanted)), types.join(" or ")),
            Self::Limit(limit, figure) => {
                let is = value.as_number().and_then(|number| order(number, figure));
                let fits = match limit {
                    Limit::Less => is == Some(Ordering::Less),
                    Limit::Greater => is == Some(Ordering::Greater),
                    Limit::AtLeast => is.is_some_and(Ordering::is_ge),
                    Limit::AtMost => is.is_some_and(Ordering::is_le),
                };
                (fits, format!("{} {figure}", limit.words()))
            }
            Self::Length(min, max) => {
                let length = match value {
                    Value::String(text) => Some(text.chars().count()),
                    Value::Array(items) => Some(items.len()),
                    Value::Object(map) => Some(map.len()),
                    _ => None,
                };
                let fits = length.is_some_and(|length| (*min..=*max).contains(&(length as u64)));
                let is = match length {
                    Some(length) => format!(" (its length is {length})"),
                    None => format!(" (a {}, which has no length)", kind(value)),
                };
                let wanted = format!("a length of {}", amount(*min, *max));
                return (!fits).then(|| format!("expected {wanted}, it is {}{is}", shown(value)));
            }
            Self::Schema(schema) => {
                return mismatch(schema, value).map(|why| format!("it does not fit the schema{why}"));
            }
        };
        (!fits).then(|| format!("expected {wanted}, it is {}", shown(value)))
    }
}
