//! Answers that exist already (a production log, another tool's run) become recordings.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::file::BYTE_ORDER_MARK;
use super::leak;
use super::line::Line;
use crate::core::digest::canonical_json;
use crate::core::names::{CaseName, ModelAlias};
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::{FinishReason, Request, Response, Usage};
use crate::core::redact::Secrets;
use crate::core::suggest::did_you_mean;

/// A case that a line may belong to.
pub struct ImportTarget {
    /// Its name.
    pub name: CaseName,
    /// Its variables as canonical JSON.
    pub variables: String,
}

/// A line as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    case: Option<Value>,
    vars: Option<Map<String, Value>>,
    output: Value,
    sample: Option<u32>,
    latency_ms: Option<f64>,
    usage: Option<WrittenUsage>,
    model: Option<String>,
    finish_reason: Option<FinishReason>,
    recorded_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUsage {
    #[serde(alias = "prompt_tokens", alias = "input_tokens")]
    input: Option<u64>,
    #[serde(alias = "completion_tokens", alias = "output_tokens")]
    output: Option<u64>,
    #[serde(alias = "cached_tokens")]
    cached_input: Option<u64>,
    #[serde(alias = "reasoning_tokens")]
    reasoning: Option<u64>,
    /// The sum, which other tools write beside its parts.
    #[serde(rename = "total_tokens")]
    _total: Option<u64>,
}

/// What an import needs to know beside the file.
struct Import<'a> {
    path: &'a str,
    targets: &'a [ImportTarget],
    by_name: HashMap<&'a str, usize>,
    by_variables: HashMap<&'a str, Vec<usize>>,
}

/// Reads a file of answers. Every line that fits no case, or that cannot be read, is a problem; with any of them
/// nothing is imported. `request` renders the request of a case, `now` is the time of a line that tells none.
pub fn import(
    path: &str,
    text: &str,
    model: &ModelAlias,
    targets: &[ImportTarget],
    keep_requests: bool,
    now: &str,
    request: &dyn Fn(usize) -> Result<Request, Problem>,
) -> Result<Vec<Line>, Problems> {
    let import = Import::new(path, targets);
    let mut problems = Problems::default();
    let mut lines: Vec<Line> = Vec::new();
    let mut seen: HashMap<(usize, u32), (usize, String)> = HashMap::new();
    let mut requests: HashMap<usize, Option<Request>> = HashMap::new();
    let text = text.trim_start_matches(BYTE_ORDER_MARK);
    for (i, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = i + 1;
        let (index, sample, response, recorded_at) = match import.read(text) {
            Ok(read) => read,
            Err(why) => {
                problems.error(Place::Line(path.to_owned(), number), why);
                continue;
            }
        };
        if let Some((first, output)) = seen.get(&(index, sample)) {
            if *output != response.text {
                let name = &targets[index].name;
                let why =
                    format!("a second, different answer for sample {sample} of case `{name}` (first in line {first})");
                problems.push(
                    Problem::error(Place::Line(path.to_owned(), number), why)
                        .help("number the answers of one case with `sample`"),
                );
            }
            continue;
        }
        seen.insert((index, sample), (number, response.text.clone()));
        // A case that cannot be rendered is one problem, however many lines name it.
        let rendered =
            requests.entry(index).or_insert_with(|| request(index).map_err(|problem| problems.push(problem)).ok());
        let Some(request) = rendered else { continue };
        let line = Line {
            key: request.key(sample),
            case: targets[index].name.clone(),
            sample,
            model: model.clone(),
            check: None,
            turn: None,
            experiment: None,
            request: keep_requests.then(|| request.clone()),
            response,
            recorded_at: recorded_at.unwrap_or_else(|| now.to_owned()),
        };
        if let Err(leak) = leak::check(&line, &Secrets::default()) {
            let why =
                format!("{} of case `{}` seems to hold {}, and is not imported", leak.part, line.case, leak.shape);
            problems.error(Place::Line(path.to_owned(), number), why);
            continue;
        }
        lines.push(line);
    }
    if lines.is_empty() && problems.is_empty() {
        problems.error(Place::File(path.to_owned()), "there is no line to import");
    }
    if problems.is_empty() { Ok(lines) } else { Err(problems) }
}

impl<'a> Import<'a> {
    fn new(path: &'a str, targets: &'a [ImportTarget]) -> Self {
        let mut by_variables: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, target) in targets.iter().enumerate() {
            by_variables.entry(&target.variables).or_default().push(i);
        }
        let by_name = targets.iter().enumerate().map(|(i, target)| (target.name.as_str(), i)).collect();
        Self { path, targets, by_name, by_variables }
    }

    fn read(&self, text: &str) -> Result<(usize, u32, Response, Option<String>), String> {
        let written: Written = serde_json::from_str(text).map_err(|error| self.json_reason(&error))?;
        let index = self.case_of(&written)?;
        let recorded_at = written.recorded_at.as_deref().map(in_utc).transpose()?;
        let latency_ms = match written.latency_ms {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
            Some(ms) if (0.0..1e12).contains(&ms) => Some(ms.round() as u64),
            Some(ms) => return Err(format!("latency_ms is {ms}, which is no duration")),
            None => None,
        };
        let usage = written.usage.map_or_else(Usage::default, |usage| Usage {
            input: usage.input,
            cached_input: usage.cached_input,
            cache_write: None,
            output: usage.output,
            reasoning: usage.reasoning,
        });
        let text = match written.output {
            Value::String(text) => text,
            Value::Null => return Err("output is null; an answer that could not be had is not recorded".into()),
            other => other.to_string(),
        };
        let response = Response {
            text,
            finish_reason: written.finish_reason.unwrap_or(FinishReason::Stop),
            usage,
            latency_ms,
            model: written.model,
            ..Response::default()
        };
        Ok((index, written.sample.unwrap_or(0), response, recorded_at))
    }

    fn json_reason(&self, error: &serde_json::Error) -> String {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
        let known =
            ["case", "vars", "output", "sample", "latency_ms", "usage", "model", "finish_reason", "recorded_at"];
        let unknown = text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        match unknown {
            Some(field) => format!(
                "unknown field `{field}`{}; {} knows {}",
                did_you_mean(field, known),
                self.what(),
                known.join(", ")
            ),
            None => format!("column {}: {text}", error.column()),
        }
    }

    fn what(&self) -> String {
        format!("a line of {}", self.path.rsplit('/').next().unwrap_or(self.path))
    }

    fn case_of(&self, written: &Written) -> Result<usize, String> {
        match (&written.case, &written.vars) {
            (Some(case), None) => {
                let name = match case {
                    Value::String(name) => name.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return Err("case must be the name of a case".into()),
                };
                self.by_name.get(name.as_str()).copied().ok_or_else(|| {
                    let hint = did_you_mean(&name, self.targets.iter().map(|target| target.name.as_str()));
                    format!("the prompt has no case `{name}`{hint}")
                })
            }
            (None, Some(vars)) => {
                let canonical = canonical_json(&Value::Object(vars.clone()));
                match self.by_variables.get(canonical.as_str()).map(Vec::as_slice) {
                    Some([index]) => Ok(*index),
                    Some(several) => {
                        let names: Vec<String> =
                            several.iter().map(|i| format!("`{}`", self.targets[*i].name)).collect();
                        Err(format!(
                            "these variables are those of several cases ({}); name one with `case`",
                            names.join(", ")
                        ))
                    }
                    None => Err("no case has exactly these variables; name one with `case`".into()),
                }
            }
            (Some(_), Some(_)) => Err("`case` and `vars` both name a case; leave one out".into()),
            (None, None) => Err("a line must name its case, with `case` or with `vars`".into()),
        }
    }
}

/// A time as every recording carries it, whatever offset it was written with.
fn in_utc(time: &str) -> Result<String, String> {
    let parsed: Result<Timestamp, _> = time.parse();
    parsed
        .map(|time| time.to_string())
        .map_err(|_| format!("recorded_at is `{time}`, which is no RFC 3339 time such as 2026-01-31T12:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{Message, RequestKind, Role};

    fn targets() -> Vec<ImportTarget> {
        ["one", "two"]
            .iter()
            .map(|name| ImportTarget {
                name: CaseName::new(name).expect("a name"),
                variables: format!("{{\"q\":\"{name}\"}}"),
            })
            .collect()
    }

    fn read(text: &str) -> Result<Vec<Line>, Vec<String>> {
        let request = |index: usize| {
            Ok(Request {
                provider: "mock".into(),
                model: "m".into(),
                kind: RequestKind::Answer,
                messages: vec![Message::new(Role::User, index.to_string())],
                tools: Vec::new(),
                response_format: None,
                params: Map::new(),
                extras: None,
                retrieved: None,
            })
        };
        let model = ModelAlias::new("fast").expect("an alias");
        import("log.jsonl", text, &model, &targets(), true, "2026-01-01T00:00:00Z", &request).map_err(|problems| {
            problems.sorted().iter().map(|p| format!("{:?} {}", p.place.locate().1, p.message)).collect()
        })
    }

    #[test]
    fn lines_are_matched_by_name_or_by_variables() {
        let text = "{\"case\":\"one\",\"output\":\"a\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}\n{\"vars\":{\"q\":\"two\"},\"output\":{\"x\":1},\"latency_ms\":12.4}\n";
        let lines = read(text).expect("imported");
        assert_eq!(lines[0].response.usage.input, Some(3));
        assert_eq!((lines[1].case.as_str(), lines[1].response.text.as_str()), ("two", "{\"x\":1}"));
        assert_eq!(lines[1].response.latency_ms, Some(12));
    }

    #[test]
    fn a_byte_order_mark_and_offsets_of_times_are_taken() {
        let text = "\u{feff}{\"case\":\"one\",\"output\":\"a\",\"recorded_at\":\"2026-01-01T12:00:00+02:00\"}\r\n";
        assert_eq!(read(text).expect("imported")[0].recorded_at, "2026-01-01T10:00:00Z");
    }

    #[test]
    fn what_looks_like_a_key_is_not_imported() {
        let key = format!("sk-proj-{}", "a1".repeat(20));
        let text = format!("{{\"case\":\"one\",\"output\":\"see:\\n{key}\"}}");
        let messages = read(&text).expect_err("refused");
        assert_eq!(messages, ["Some(1) the answer of case `one` seems to hold an OpenAI key, and is not imported"]);
    }

    #[test]
    fn every_bad_line_is_reported_and_nothing_imported() {
        let text = "{\"case\":\"onne\",\"output\":\"a\"}\n{\"case\":\"one\",\"output\":\"a\"}\n{\"case\":\"one\",\"outptu\":\"a\"}\nnot json\n{\"vars\":{},\"output\":\"a\"}\n{\"case\":\"one\",\"output\":\"b\"}\n";
        let messages = read(text).expect_err("refused");
        assert_eq!(messages.len(), 5, "{messages:?}");
        assert!(messages[0].starts_with("Some(1) the prompt has no case `onne`; did you mean \"one\"?"));
        assert!(messages[1].contains("did you mean \"output\"?"), "{messages:?}");
        assert!(messages[4].contains("first in line 2"), "{messages:?}");
    }
}
