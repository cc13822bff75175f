//! `json-path`: what stands at a path (RFC 9535) of a JSON answer.

use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::argument::{Arguments, read_path};
use super::values::{BoundTest, KEYS, Test, failure};
use super::wanted::shown;
use super::{Check, Finding, Subject, Written, values};
use crate::core::yaml::Data;

struct PathTest {
    path: Arc<JsonPath>,
    tests: Vec<Test>,
}

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
    let tests = values::read(arguments, &fields)?;
    Some(Box::new(PathTest { path, tests }))
}

impl Written for PathTest {
    fn variables(&self) -> Vec<String> {
        self.tests.iter().flat_map(Test::variables).collect()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let tests = self.tests.iter().map(|test| test.bind(variables)).collect::<Result<_, _>>()?;
        Ok(Arc::new(BoundPath { path: Arc::clone(&self.path), tests }))
    }
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
            Err(error) => return Finding::unread(super::schema::not_json(text, &error)),
        };
        let found = self.path.query(&json).all();
        for test in &self.tests {
            if let Some(why) = failure(test, &found) {
                return Finding::new(false, format!("at `{}`: {why}", self.path));
            }
        }
        let first = found.first().map_or_else(|| "nothing".to_owned(), |value| shown(value));
        Finding::new(true, format!("at `{}` stands {first}", self.path))
    }
}
