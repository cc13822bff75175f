//! Ways through a template that no case can take, because the declared values of variables are exhausted before.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Value;
use minijinja::value::Serde;

use super::environment::pure;
use super::front_matter::VariableDeclaration;

/// The most combinations of values that are tried.
const MOST: usize = 1000;

/// The values that a declared variable can have, where its schema names them all.
fn values(declaration: &VariableDeclaration) -> Option<Vec<Value>> {
    let schema = &declaration.schema;
    if let Some(values) = schema.get("enum").and_then(|values| values.as_array()) {
        return Some(values.iter().map(|value| Value::from(Serde(value))).collect());
    }
    if let Some(value) = schema.get("const") {
        return Some(vec![Value::from(Serde(value))]);
    }
    let is_boolean = schema.get("type").and_then(|kind| kind.as_str()) == Some("boolean");
    is_boolean.then(|| vec![Value::from(false), Value::from(true)])
}

/// Whether one of the conditions holds whatever values the variables have that are declared. `false` where that cannot be
/// told: a condition reads something else, or there are too many values.
#[must_use]
pub fn one_always_holds(conditions: &[&str], declared: &[VariableDeclaration]) -> bool {
    let env = pure();
    let Ok(compiled) = conditions.iter().map(|text| env.compile_expression(text)).collect::<Result<Vec<_>, _>>() else {
        return false;
    };
    let names: BTreeSet<String> = compiled.iter().flat_map(|condition| condition.undeclared_variables(false)).collect();
    let known = |name: &String| declared.iter().find(|declaration| declaration.name == *name).and_then(values);
    let Some(domains) = names.iter().map(known).collect::<Option<Vec<_>>>() else { return false };
    let count = domains.iter().try_fold(1_usize, |count, values| count.checked_mul(values.len()));
    let Some(count) = count.filter(|count| (1..=MOST).contains(count)) else { return false };
    (0..count).all(|mut number| {
        let mut context: BTreeMap<String, Value> = BTreeMap::new();
        for (name, values) in names.iter().zip(&domains) {
            context.insert(name.clone(), values[number % values.len()].clone());
            number /= values.len();
        }
        let context = Value::from(context);
        compiled.iter().any(|condition| condition.eval(&context).is_ok_and(|value| value.is_true()))
    })
}
