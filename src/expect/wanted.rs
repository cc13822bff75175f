//! JSON that is expected within other JSON, with templates over the case's variables in its texts.

use serde_json::Value;

use super::argument::Arguments;
use super::shown::{form_hint, quoted};
use crate::core::json::{near, same};
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// JSON as it is written.
pub(super) enum Template {
    /// Nothing to render in it.
    Plain(Value),
    Text(Inline),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Template {
    /// Reads a value; `None` where a template in it is wrong, which is reported.
    pub(super) fn read(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<Self> {
        Some(match &node.data {
            Data::Text(text) => {
                let inline = arguments.inline(node, text)?;
                if inline.is_template() { Self::Text(inline) } else { Self::Plain(node.to_json()) }
            }
            Data::List(items) => {
                Self::List(items.iter().map(|item| Self::read(arguments, item)).collect::<Option<_>>()?)
            }
            Data::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, node)| Some((key.text.clone(), Self::read(arguments, node)?)))
                    .collect::<Option<_>>()?,
            ),
            _ => Self::Plain(node.to_json()),
        })
    }

    pub(super) fn variables(&self) -> Vec<String> {
        match self {
            Self::Plain(_) => Vec::new(),
            Self::Text(inline) => inline.variables().to_vec(),
            Self::List(items) => items.iter().flat_map(Self::variables).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(_, value)| value.variables()).collect(),
        }
    }

    pub(super) fn render(&self, variables: &minijinja::Value) -> Result<Wanted, String> {
        Ok(match self {
            Self::Plain(value) => Wanted::Plain(value.clone()),
            Self::Text(inline) => Wanted::Rendered(inline.render(variables)?),
            Self::List(items) => {
                Wanted::List(items.iter().map(|item| item.render(variables)).collect::<Result<_, _>>()?)
            }
            Self::Map(entries) => {
                let render = |(key, value): &(String, Self)| Ok((key.clone(), value.render(variables)?));
                Wanted::Map(entries.iter().map(render).collect::<Result<_, String>>()?)
            }
        })
    }
}

/// JSON that is expected.
pub(super) enum Wanted {
    Plain(Value),
    /// What a template rendered to: that text, or the value where the text is JSON (`"{{ days }}"` is a text,
    /// whatever the variable was).
    Rendered(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

/// How it is compared.
#[derive(Clone, Copy, Default)]
pub(super) struct How {
    /// Nothing else may be there: no other key, no other item.
    pub(super) exact: bool,
    /// The order of items does not count.
    pub(super) unordered: bool,
    /// By how much numbers may differ.
    pub(super) tolerance: f64,
}

impl Wanted {
    /// Where and why a value does not hold this; `None` if it does.
    pub(super) fn mismatch(&self, value: &Value, how: How) -> Option<String> {
        let mut path = String::from("$");
        self.differs(value, how, &mut path).map(|why| format!("at `{path}`: {why}"))
    }

    fn fits(&self, value: &Value, how: How) -> bool {
        self.differs(value, how, &mut String::new()).is_none()
    }

    /// Why a value differs; `path` is then where.
    fn differs(&self, value: &Value, how: How, path: &mut String) -> Option<String> {
        match (self, value) {
            (Self::Map(entries), Value::Object(map)) => {
                for (key, wanted) in entries {
                    let length = path.len();
                    path.push_str(&step(key));
                    let Some(inner) = map.get(key) else { return Some("there is nothing".into()) };
                    let why = wanted.differs(inner, how, path);
                    if why.is_some() {
                        return why;
                    }
                    path.truncate(length);
                }
                let unknown = |key: &&String| !entries.iter().any(|(known, _)| known == *key);
                let other = how.exact.then(|| map.keys().find(unknown)).flatten()?;
                path.push_str(&step(other));
                Some("this is not expected".into())
            }
            (Self::List(items), Value::Array(values)) => {
                if how.exact && items.len() != values.len() {
                    return Some(format!("expected {} items, there are {}", items.len(), values.len()));
                }
                if how.unordered { anywhere(items, values, how) } else { in_order(items, values, how, path) }
            }
            (Self::Plain(wanted), value) => {
                if plain_fits(wanted, value, how) {
                    return None;
                }
                let hint = wanted.as_str().zip(value.as_str()).map_or("", |(wanted, text)| form_hint(wanted, text));
                Some(format!("expected {}, it is {}{hint}", shown(wanted), shown(value)))
            }
            (Self::Rendered(wanted), value) => {
                let as_json =
                    || serde_json::from_str(wanted).is_ok_and(|wanted: Value| plain_fits(&wanted, value, how));
                let fits = value.as_str() == Some(wanted) || as_json();
                (!fits).then(|| format!("expected {}, it is {}", quoted(wanted), shown(value)))
            }
            (Self::Map(_), value) => Some(format!("expected an object, it is {}", shown(value))),
            (Self::List(_), value) => Some(format!("expected a list, it is {}", shown(value))),
        }
    }
}

fn step(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_alphanumeric() || c == '_') && !key.starts_with(|c: char| c.is_ascii_digit());
    if plain && !key.is_empty() { format!(".{key}") } else { format!("[{}]", quoted(key)) }
}

fn plain_fits(wanted: &Value, value: &Value, how: How) -> bool {
    let numbers = wanted.as_number().zip(value.as_number()).filter(|_| how.tolerance > 0.0);
    let nearly = numbers.is_some_and(|(wanted, value)| near(wanted, value, how.tolerance));
    nearly || same(wanted, value)
}

/// The items, one behind the other; others may stand between them where they may be there at all.
fn in_order(items: &[Wanted], values: &[Value], how: How, path: &mut String) -> Option<String> {
    let mut at = 0;
    for (index, item) in items.iter().enumerate() {
        if how.exact {
            let length = path.len();
            path.push_str(&format!("[{index}]"));
            let why = item.differs(&values[index], how, path);
            if why.is_some() {
                return why;
            }
            path.truncate(length);
            continue;
        }
        match values[at..].iter().position(|value| item.fits(value, how)) {
            Some(found) => at += found + 1,
            None if values.len() == 1 && items.len() == 1 => {
                path.push_str("[0]");
                return item.differs(&values[0], how, path);
            }
            None => {
                let behind = if index == 0 { String::new() } else { format!(" behind the {index} before it") };
                return Some(format!("there is no item{behind} that is {}", item.shown()));
            }
        }
    }
    None
}

/// Each item has a value of its own, wherever it stands: a matching of items with values.
fn anywhere(items: &[Wanted], values: &[Value], how: How) -> Option<String> {
    let mut taken: Vec<Option<usize>> = vec![None; values.len()];
    for (index, item) in items.iter().enumerate() {
        let mut seen = vec![false; values.len()];
        if !place(index, items, values, how, &mut taken, &mut seen) {
            return Some(format!("there is no item for {}", item.shown()));
        }
    }
    None
}

/// Finds a value for an item, moving others on where that helps.
fn place(
    index: usize,
    items: &[Wanted],
    values: &[Value],
    how: How,
    taken: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    for at in 0..values.len() {
        if seen[at] || !items[index].fits(&values[at], how) {
            continue;
        }
        seen[at] = true;
        if taken[at].is_none_or(|other| place(other, items, values, how, taken, seen)) {
            taken[at] = Some(index);
            return true;
        }
    }
    false
}

/// A value as a reason shows it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string()),
        _ => value.to_string(),
    }
}

impl Wanted {
    /// As a reason shows it.
    pub(super) fn shown(&self) -> String {
        shown(&self.to_json())
    }

    /// As JSON; what a template rendered to is a text.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Rendered(text) => Value::String(text.clone()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }
}
