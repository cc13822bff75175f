//! The variables of one rendering: what many cases share, and what one case adds or overrides.

use std::sync::Arc;

use minijinja::value::{Serde, merge_maps};
use serde_json::{Map, Value};

use crate::core::digest::{canonical_json, sha256_hex};

/// Variables that many cases share, converted and hashed once.
#[derive(Debug)]
pub struct SharedVariables {
    values: Map<String, Value>,
    jinja: minijinja::Value,
    digest: String,
}

impl SharedVariables {
    /// Shares these values.
    #[must_use]
    pub fn new(values: Map<String, Value>) -> Arc<Self> {
        let jinja = minijinja::Value::from(Serde(&values));
        let digest = digest_of(&values);
        Arc::new(Self { values, jinja, digest })
    }
}

fn digest_of(values: &Map<String, Value>) -> String {
    sha256_hex(serde_json::to_string(values).unwrap_or_default().as_bytes())
}

/// All variables of a case.
#[derive(Clone, Debug)]
pub struct Variables {
    shared: Arc<SharedVariables>,
    own: Map<String, Value>,
}

impl Variables {
    /// Shared values, and a case's own, which win.
    #[must_use]
    pub fn new(shared: Arc<SharedVariables>, own: Map<String, Value>) -> Self {
        Self { shared, own }
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.own.get(name).or_else(|| self.shared.values.get(name))
    }

    /// Gives a variable a value, whatever it had.
    pub fn set(&mut self, name: &str, value: Value) {
        self.own.insert(name.to_owned(), value);
    }

    /// Every variable with its value, each once.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        let shared = self.shared.values.iter().filter(|(name, _)| !self.own.contains_key(*name));
        self.own.iter().chain(shared)
    }

    /// The variables as one JSON object with sorted keys: the same for the same values.
    #[must_use]
    pub fn canonical(&self) -> String {
        canonical_json(&Value::Object(self.iter().map(|(k, v)| (k.clone(), v.clone())).collect()))
    }

    /// The variables as templates see them.
    #[must_use]
    pub fn to_jinja(&self) -> minijinja::Value {
        if self.own.is_empty() {
            return self.shared.jinja.clone();
        }
        merge_maps([self.shared.jinja.clone(), minijinja::Value::from(Serde(&self.own))])
    }

    /// A text that depends on every byte of every value, and that no value can therefore hold.
    pub(super) fn nonce(&self) -> String {
        let own = serde_json::to_string(&self.own).unwrap_or_default();
        sha256_hex(format!("role\n{}\n{own}", self.shared.digest).as_bytes())[..32].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_cases_own_value_wins() {
        let shared = SharedVariables::new(map(&json!({"a": 1, "b": 2})));
        let variables = Variables::new(shared, map(&json!({"b": 3})));
        assert_eq!(variables.get("b"), Some(&json!(3)));
        assert_eq!(variables.canonical(), r#"{"a":1,"b":3}"#);
        let jinja = variables.to_jinja();
        assert_eq!(jinja.get_attr("b").ok().and_then(|v| i64::try_from(v).ok()), Some(3));
        assert_eq!(jinja.get_attr("a").ok().and_then(|v| i64::try_from(v).ok()), Some(1));
    }
}
