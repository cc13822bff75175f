//! `json-path`: what stands at a path (RFC 9535) of a JSON answer.

use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::argument::{Arguments, read_path};
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::json::same;
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// A value as a reason shows it: a text in quotes, anything else as its JSON.
fn json_text(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => quoted(&value.to_string()),
        _ => value.to_string(),
    }
}

/// What is expected of the values at the path.
#[derive(Clone)]
enum Test {
    Exists,
    Equals(Value),
    /// A template: the value's text, or the value itself where the rendered text is JSON.
    EqualsText(Inline),
    Contains(Inline),
    Matches(regex::Regex),
    AtLeast(f64),
    AtMost(f64),
    Count(u64),
}

struct PathTest {
    path: Arc<JsonPath>,
    tests: Vec<Test>,
}

const KEYS: [&str; 8] = ["path", "equals", "contains", "matches", "exists", "at-least", "at-most", "count"];

pub(super) fn json_path(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a path, or `path` with `equals`")?;
    if let Data::Text(text) = &node.data {
        let path = read_path(arguments.decoder, node, text)?;
        return Some(Box::new(PathTest { path, tests: vec![Test::Exists] }));
    }
    let fields = arguments.decoder.fields(node, "json-path", &KEYS)?;
    let Some(path_node) = fields.get("path") else {
        arguments.error("`json-path` needs a `path`");
        return None;
    };
    let text = arguments.decoder.text(path_node, "path")?;
    let path = read_path(arguments.decoder, path_node, &text)?;
    let mut tests = Vec::new();
    for (key, node) in fields.iter().filter(|(key, _)| key.text != "path") {
        tests.push(read_test(arguments, &key.text, node)?);
    }
    if tests.is_empty() {
        tests.push(Test::Exists);
    }
    Some(Box::new(PathTest { path, tests }))
}

fn read_test(arguments: &mut Arguments<'_, '_, '_>, key: &str, node: &Node) -> Option<Test> {
    Some(match key {
        "equals" => match &node.data {
            Data::Text(text) => Test::EqualsText(arguments.inline(node, text)?),
            _ => Test::Equals(node.to_json()),
        },
        "contains" => {
            let text = arguments.decoder.text(node, "contains")?;
            if text.is_empty() {
                arguments.decoder.error(node.span.clone(), "an empty text is contained in every value");
                return None;
            }
            Test::Contains(arguments.inline(node, &text)?)
        }
        "matches" => {
            let text = arguments.decoder.text(node, "matches")?;
            match regex::Regex::new(&text) {
                Ok(regex) if !regex.is_match("") => Test::Matches(regex),
                Ok(_) => {
                    arguments.decoder.error(node.span.clone(), "this regex matches every value");
                    return None;
                }
                Err(error) => {
                    let text = error.to_string();
                    let why = text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned();
                    arguments.decoder.error(node.span.clone(), format!("this regex does not compile: {why}"));
                    return None;
                }
            }
        }
        "exists" if arguments.decoder.bool(node, "exists")? => Test::Exists,
        "exists" => Test::Count(0),
        "at-least" => Test::AtLeast(arguments.decoder.number(node, key)?),
        "at-most" => Test::AtMost(arguments.decoder.number(node, key)?),
        "count" => Test::Count(arguments.decoder.count(node, key, 0)?),
        // `fields` has reported every other key.
        _ => return None,
    })
}

impl Written for PathTest {
    fn variables(&self) -> Vec<String> {
        self.tests
            .iter()
            .flat_map(|test| match test {
                Test::EqualsText(inline) | Test::Contains(inline) => inline.variables().to_vec(),
                _ => Vec::new(),
            })
            .collect()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let mut tests = Vec::with_capacity(self.tests.len());
        for test in &self.tests {
            tests.push(match test {
                Test::EqualsText(inline) => BoundTest::EqualsText(inline.render(variables)?, inline.is_template()),
                Test::Contains(inline) => {
                    let text = inline.render(variables)?;
                    if text.is_empty() {
                        return Err("`contains` is empty for this case".into());
                    }
                    BoundTest::Contains(text)
                }
                other => BoundTest::Plain(other.clone()),
            });
        }
        Ok(Arc::new(BoundPath { path: Arc::clone(&self.path), tests }))
    }
}

enum BoundTest {
    Plain(Test),
    EqualsText(String, bool),
    Contains(String),
}

struct BoundPath {
    path: Arc<JsonPath>,
    tests: Vec<BoundTest>,
}

impl Check for BoundPath {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        let json = match serde_json::from_str::<Value>(text) {
            Ok(json) => json,
            Err(error) => return Finding::new(false, super::schema::not_json(text, &error)),
        };
        let values = self.path.query(&json).all();
        for test in &self.tests {
            if let Some(why) = test.failure(&values) {
                return Finding::new(false, format!("at `{}`: {why}", self.path));
            }
        }
        let found = values.first().map_or_else(|| "nothing".to_owned(), |value| json_text(value));
        Finding::new(true, format!("at `{}` stands {found}", self.path))
    }
}

impl BoundTest {
    /// Why the values at the path are not what is expected. All of them must be.
    fn failure(&self, values: &[&Value]) -> Option<String> {
        if let Self::Plain(Test::Count(count)) = self {
            let wrong = values.len() as u64 != *count;
            return wrong.then(|| format!("expected {count} values, there are {}", values.len()));
        }
        if values.is_empty() {
            return Some("there is nothing".into());
        }
        values.iter().find_map(|value| self.mismatch(value))
    }

    fn mismatch(&self, value: &Value) -> Option<String> {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let wrong = |wanted: String| Some(format!("expected {wanted}, it is {}", json_text(value)));
        match self {
            Self::Plain(Test::Equals(wanted)) if !same(value, wanted) => wrong(json_text(wanted)),
            Self::EqualsText(wanted, rendered) => {
                // `equals: "{{ days }}"` has become a text, whatever the variable was.
                let as_json = || serde_json::from_str(wanted).is_ok_and(|wanted: Value| same(value, &wanted));
                let equal = value.as_str() == Some(wanted) || *rendered && as_json();
                if equal { None } else { wrong(quoted(wanted)) }
            }
            Self::Contains(wanted) => {
                let held = match value {
                    Value::Array(items) => items.iter().any(|item| item.as_str() == Some(wanted)),
                    _ => text.contains(wanted.as_str()),
                };
                if held { None } else { wrong(format!("something with {}", quoted(wanted))) }
            }
            Self::Plain(Test::Matches(regex)) if !regex.is_match(&text) => wrong(format!("a match of `{regex}`")),
            Self::Plain(Test::AtLeast(least)) if value.as_f64().is_none_or(|v| v < *least) => {
                wrong(format!("at least {least}"))
            }
            Self::Plain(Test::AtMost(most)) if value.as_f64().is_none_or(|v| v > *most) => {
                wrong(format!("at most {most}"))
            }
            _ => None,
        }
    }
}
