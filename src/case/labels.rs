//! Answers that people have labelled: a data set of what a judge is held against.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::dataset;
use super::row::default_name;
use crate::core::names::CaseName;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::suggest::did_you_mean;
use crate::tree::Tree;

/// The column with the answer.
const OUTPUT: &str = "output";
/// The column with what people say of it.
const LABEL: &str = "label";
/// The columns that are not shown to a judge: it must not see what it is held against.
const OWN: [&str; 4] = [OUTPUT, LABEL, "name", "id"];
/// What people write for an answer that is good, and for one that is not.
const GOOD: [&str; 5] = ["pass", "true", "1", "yes", "good"];
const BAD: [&str; 5] = ["fail", "false", "0", "no", "bad"];

/// An answer that somebody has labelled.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// What it is called.
    pub name: CaseName,
    /// The answer.
    pub output: String,
    /// Whether people say that it is good.
    pub is_good: bool,
    /// All other columns.
    pub variables: Map<String, Value>,
    /// Where it stands.
    pub place: Place,
}

/// Every labelled answer of a file. Everything that is wrong with it is reported in one go.
pub fn read_labels(tree: &dyn Tree, path: &TreePath) -> Result<Vec<Labelled>, Problems> {
    let rows = dataset::read(tree, path)?;
    let mut problems = Problems::default();
    if rows.is_empty() {
        return Err(Problem::error(Place::File(path.to_string()), "there is no labelled answer in it").into());
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut labels = Vec::with_capacity(rows.len());
    for (number, row) in rows.into_iter().enumerate() {
        let place = Place::Line(path.to_string(), row.line);
        match labelled(row.values, number, path, &place) {
            Ok(label) => match names.insert(label.name.to_string(), row.line) {
                Some(first) => {
                    let message =
                        format!("the name `{}` stands here a second time (first in line {first})", label.name);
                    problems.push(Problem::error(place, message));
                }
                None => labels.push(label),
            },
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(labels) } else { Err(problems) }
}

fn labelled(
    mut values: Map<String, Value>,
    number: usize,
    path: &TreePath,
    place: &Place,
) -> Result<Labelled, Problem> {
    let error = |message: String| Problem::error(place.clone(), message);
    let name = CaseName::new(&default_name(&values, path, number)).map_err(error)?;
    let missing = |column: &str| {
        let hint = did_you_mean(column, values.keys().map(String::as_str));
        let help = "a row needs the columns `output`, the answer, and `label`, which is pass or fail";
        error(format!("the row has no `{column}`{hint}")).help(help)
    };
    let output = match values.get(OUTPUT) {
        Some(Value::String(text)) => text.clone(),
        // An answer that is JSON may stand in a row as it is.
        Some(value @ (Value::Object(_) | Value::Array(_) | Value::Number(_) | Value::Bool(_))) => value.to_string(),
        Some(Value::Null) => return Err(error("the `output` is `null`; a row needs an answer".to_owned())),
        None => return Err(missing(OUTPUT)),
    };
    if output.trim().is_empty() {
        return Err(error("the `output` is empty; an empty answer fails without a judge".to_owned()));
    }
    let label = match values.get(LABEL) {
        Some(Value::String(text)) => text.trim().to_lowercase(),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
        Some(Value::Null) => return Err(error(unknown_label("`null`"))),
        None => return Err(missing(LABEL)),
        Some(_) => return Err(error(unknown_label("no text"))),
    };
    let is_good = match label.as_str() {
        good if GOOD.contains(&good) => true,
        bad if BAD.contains(&bad) => false,
        other => return Err(error(unknown_label(&format!("`{other}`")))),
    };
    for own in OWN {
        values.remove(own);
    }
    Ok(Labelled { name, output, is_good, variables: values, place: place.clone() })
}

fn unknown_label(what: &str) -> String {
    format!("the `label` is {what}; write {} or {}", GOOD.join(", "), BAD.join(", "))
}
