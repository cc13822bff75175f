//! Many requests as one file, for the vendors' own engines: written for OpenAI's or Anthropic's, and read back.
//!
//! A request goes by its key, so that nothing of the project is needed to know what a result answers but its text.

use serde_json::{Map, Value, json};

use super::provider::{self, BatchForm, Provider, Reply};
use super::wire::Told;
use crate::core::names::RequestKey;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::{Request, RequestKind, Response};
use crate::project::ModelEntry;

/// The most requests of one file, and the most bytes, that either vendor takes.
const OPENAI_MOST: (usize, usize) = (50_000, 200 << 20);
const ANTHROPIC_MOST: (usize, usize) = (100_000, 256 << 20);

/// A model whose vendor takes batches.
pub struct Batch {
    provider: Box<dyn Provider>,
}

/// Why a file of results cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BatchError(String);

/// One result: which request it answers, and the answer, or why there is none.
#[derive(Debug)]
pub struct BatchResult {
    /// The key of the request.
    pub key: RequestKey,
    /// The answer.
    pub answer: Result<Response, String>,
}

impl Batch {
    /// The batches of a model.
    pub fn of(entry: &ModelEntry) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        // Addresses and keys have no part in a batch.
        let provider = provider::build(entry, None, &mut problems).filter(|_| !problems.has_errors());
        let Some(provider) = provider else { return Err(problems) };
        let probe = Request::of_params(&entry.provider, &entry.model, Map::new());
        if provider.batch(&probe).is_none() {
            let place = Place::span(&entry.source, entry.provider_span.clone());
            let message = format!("the provider `{}` of the model `{}` has no batches", entry.provider, entry.alias);
            return Err(Problem::error(place, message).help("openai, openai-responses and anthropic have").into());
        }
        Ok(Self { provider })
    }

    /// The files of these requests: as many as the vendor's limits make necessary.
    #[must_use]
    pub fn files<'r>(&self, requests: impl Iterator<Item = (&'r RequestKey, Request)>) -> Vec<String> {
        let mut files: Vec<String> = Vec::new();
        let (mut count, mut form) = (0, BatchForm::Anthropic);
        for (key, request) in requests {
            // Batches are of answers.
            if request.kind != RequestKind::Answer {
                continue;
            }
            let Some((of, body)) = self.provider.batch(&request) else { continue };
            form = of;
            let (line, most) = match of {
                BatchForm::OpenAi { path } => {
                    (json!({"custom_id": key, "method": "POST", "url": path, "body": body}).to_string(), OPENAI_MOST)
                }
                BatchForm::Anthropic => (json!({"custom_id": key, "params": body}).to_string(), ANTHROPIC_MOST),
            };
            let full = count == most.0 || files.last().is_none_or(|file| file.len() + line.len() + 16 > most.1);
            if full {
                files.push(String::new());
                count = 0;
            }
            count += 1;
            if let Some(file) = files.last_mut() {
                let between = if file.is_empty() || matches!(of, BatchForm::OpenAi { .. }) { "" } else { ",\n" };
                file.push_str(between);
                file.push_str(&line);
                if matches!(of, BatchForm::OpenAi { .. }) {
                    file.push('\n');
                }
            }
        }
        if form == BatchForm::Anthropic {
            files = files.into_iter().map(|file| format!("{{\"requests\": [\n{file}\n]}}\n")).collect();
        }
        files
    }

    /// The result on a line of a vendor's file.
    pub fn result(&self, line: &str) -> Result<BatchResult, BatchError> {
        let wrong = |why: &str| BatchError(why.to_owned());
        let value: Value = serde_json::from_str(line).map_err(|error| BatchError(format!("no JSON: {error}")))?;
        let id = value.get("custom_id").and_then(Value::as_str).ok_or_else(|| wrong("there is no `custom_id`"))?;
        let key = RequestKey::new(id)
            .map_err(|_| BatchError(format!("the custom_id `{id}` is none that `promptctl batch export` wrote")))?;
        let parse = |status: u16, body: &Value| {
            let reply = Reply { status, body: body.to_string().into_bytes() };
            self.provider.parse(&reply).map_err(|fault| fault.to_string())
        };
        let answer = if let Some(result) = value.get("result") {
            match result.get("type").and_then(Value::as_str) {
                Some("succeeded") => parse(200, result.get("message").ok_or_else(|| wrong("there is no `message`"))?),
                Some("errored") => {
                    let error = result.get("error").cloned().unwrap_or_default();
                    Err(Told::read(error.to_string().as_bytes()).message)
                }
                Some(other) => Err(format!("the request is {other}")),
                None => return Err(wrong("the result has no `type`")),
            }
        } else if let Some(response) = value.get("response").filter(|response| !response.is_null()) {
            let status = response.get("status_code").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
            let status = status.ok_or_else(|| wrong("the response has no `status_code`"))?;
            parse(status, response.get("body").unwrap_or(&Value::Null))
        } else if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
            Err(Told::read(error.to_string().as_bytes()).message)
        } else {
            let exported = value.get("body").or(value.get("params")).is_some();
            let why = "this is a request, as `promptctl batch export` wrote it; the vendor's file of results is wanted";
            return Err(wrong(if exported { why } else { "there is neither a result nor an error" }));
        };
        Ok(BatchResult { key, answer })
    }
}
