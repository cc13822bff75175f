//! The rows of a data set: csv, jsonl, json or yaml, an object a row.

use serde_json::{Map, Value};

use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems, Source};
use crate::core::yaml;
use crate::tree::Tree;

/// The largest data set, in bytes.
const MAX_DATASET: u64 = 512 << 20;
/// The most rows of one data set.
const MAX_ROWS: usize = 2_000_000;

/// A row and the line that it begins in.
pub(super) struct Row {
    pub(super) values: Map<String, Value>,
    pub(super) line: usize,
}

/// All rows of a file. The values of a csv file are texts.
pub(super) fn read(tree: &dyn Tree, path: &TreePath) -> Result<Vec<Row>, Problems> {
    let ending = path.file_name().rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    if !["csv", "jsonl", "ndjson", "json", "yaml", "yml"].contains(&ending.as_str()) {
        let message = "a data set must be a .csv, .jsonl, .json or .yaml file";
        return Err(Problem::error(Place::File(path.to_string()), message).into());
    }
    let text = tree.text_up_to(path, MAX_DATASET).map_err(crate::tree::TreeError::into_problem)?;
    let rows = match ending.as_str() {
        "csv" => read_csv(path, &text),
        "jsonl" | "ndjson" => read_jsonl(path, &text),
        "json" => read_json(path, &text),
        _ => read_yaml(path, text),
    }?;
    if rows.len() > MAX_ROWS {
        let message = format!("the data set has {} rows; {MAX_ROWS} are the most", rows.len());
        return Err(Problem::error(Place::File(path.to_string()), message).into());
    }
    Ok(rows)
}

fn line_problem(path: &TreePath, line: usize, message: impl Into<String>) -> Problem {
    Problem::error(Place::Line(path.to_string(), line), message)
}

fn read_csv(path: &TreePath, text: &str) -> Result<Vec<Row>, Problems> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let position = |error: &csv::Error| {
        let line = error.position().map_or(1, |p| usize::try_from(p.line()).unwrap_or(1));
        let message = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("the row has {len} columns, the header {expected_len}; put quotes around a text with commas")
            }
            _ => format!("this is not valid CSV: {error}"),
        };
        line_problem(path, line, message)
    };
    let header = reader.headers().map_err(|error| position(&error))?.clone();
    let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    for (i, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(line_problem(path, 1, format!("the column {} has no name", i + 1)).into());
        }
        if names[..i].contains(name) {
            return Err(line_problem(path, 1, format!("two columns have the name `{name}`")).into());
        }
    }
    let mut problems = Problems::default();
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, |p| usize::try_from(p.line()).unwrap_or(0));
                let values = names.iter().cloned().zip(record.iter().map(|v| Value::String(v.to_owned()))).collect();
                rows.push(Row { values, line });
            }
            Err(error) => problems.push(position(&error)),
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

fn read_jsonl(path: &TreePath, text: &str) -> Result<Vec<Row>, Problems> {
    let mut problems = Problems::default();
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(values)) => rows.push(Row { values, line: i + 1 }),
            Ok(_) => problems.push(line_problem(path, i + 1, "a row must be a JSON object")),
            Err(error) => problems.push(line_problem(path, i + 1, format!("this is not valid JSON: {error}"))),
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

fn read_json(path: &TreePath, text: &str) -> Result<Vec<Row>, Problems> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| line_problem(path, error.line(), format!("this is not valid JSON: {error}")))?;
    let Value::Array(items) = value else {
        return Err(line_problem(path, 1, "a data set must be a list of objects").into());
    };
    let mut rows = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        match item {
            Value::Object(values) => rows.push(Row { values, line: i + 1 }),
            _ => return Err(line_problem(path, 1, format!("the item {} is no object", i + 1)).into()),
        }
    }
    Ok(rows)
}

fn read_yaml(path: &TreePath, text: String) -> Result<Vec<Row>, Problems> {
    let source = Source::new(path.as_str(), text);
    let node = yaml::parse(&source)?;
    let yaml::Data::List(items) = &node.data else {
        return Err(line_problem(path, 1, "a data set must be a list of mappings").into());
    };
    let mut rows = Vec::with_capacity(items.len());
    for item in items {
        let (line, _) = source.line_column(item.span.start);
        match item.to_json() {
            Value::Object(values) => rows.push(Row { values, line }),
            _ => return Err(Problem::error(Place::span(&source, item.span.clone()), "a row must be a mapping").into()),
        }
    }
    Ok(rows)
}
