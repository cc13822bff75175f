//! Retrievers: an API or a program that is given a query and gives documents.
//!
//! Without a word on its form, `http` is sent `{"query": …, "top": N}` and gives
//! `{"documents": [{"id": …, "text": …, "score": …, "source": …}]}`; a program likewise, on standard input and output.

use minijinja::context;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_json_path::JsonPath;

use super::embedding::text_of;
use super::fault::{Fault, FaultKind, start_of};
use super::http::status_fault;
use super::http_api::{Template, headers, template};
use super::provider::{Building, Exchange, HttpCall, KeyHeader, Provider, Reply};
use super::wire::{Told, unexpected, with_content_type};
use super::{exec, http_api};
use crate::core::decode::Decoder;
use crate::core::record::{Document, FinishReason, Request, Response};
use crate::prompt::Inline;

const API: &str = "a retriever gives `{\"documents\": [{\"id\": …, \"text\": …}]}`";

/// What is read of each document, and of the answer as a whole.
const PATHS: [(&str, &str); 6] = [
    ("documents", "$.documents[*]"),
    ("id", "$.id"),
    ("text", "$.text"),
    ("score", "$.score"),
    ("source", "$.source"),
    ("error", "$.error"),
];

struct HttpRetriever {
    url: String,
    name: String,
    headers: Vec<(String, Inline)>,
    body: Option<Template>,
    paths: Vec<(&'static str, JsonPath)>,
    key_header: KeyHeader,
}

struct ExecRetriever {
    command: Vec<String>,
}

/// What a retriever's entry says, as something that can be asked.
pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    if building.entry.provider == "exec" {
        return Some(Box::new(ExecRetriever { command: exec::command(building)? }));
    }
    let entry = building.entry;
    let Some(url) = entry.base_url.clone() else {
        let message = format!("the retriever `{}` does not say where its server is", entry.alias);
        building.wrong(message, "write its whole address: `base-url: https://example.com/v1/search`");
        return None;
    };
    let (body, response, written) = (building.option("body"), building.option("response"), building.option("headers"));
    let key_header = http_api::key_header(building)?;
    let mut decoder = building.decoder();
    let body = match body {
        Some(node) => Some(template(&mut decoder, node)?),
        None => None,
    };
    let headers = headers(&mut decoder, written)?;
    let paths = paths(&mut decoder, response)?;
    Some(Box::new(HttpRetriever { url, name: entry.alias.to_string(), headers, body, paths, key_header }))
}

/// The paths to what is read, each as it is usual where the entry does not say.
fn paths(decoder: &mut Decoder<'_>, node: Option<&crate::core::yaml::Node>) -> Option<Vec<(&'static str, JsonPath)>> {
    let known: Vec<&str> = PATHS.iter().map(|(name, _)| *name).collect();
    let fields = match node {
        Some(node) => Some(decoder.fields(node, "response", &known)?),
        None => None,
    };
    let mut paths = Vec::new();
    for (name, usual) in PATHS {
        let written = fields.as_ref().and_then(|fields| fields.get(name));
        let text = match written {
            Some(node) => decoder.text(node, name)?,
            None => usual.to_owned(),
        };
        match (JsonPath::parse(&text), written) {
            (Ok(path), _) => paths.push((name, path)),
            (Err(error), Some(node)) => {
                decoder.error(node.span.clone(), format!("`{text}` is no JSON path: {error}"));
                return None;
            }
            (Err(_), None) => unreachable!("the usual paths are well-formed"),
        }
    }
    Some(paths)
}

fn top_of(request: &Request) -> Value {
    request.params.get("top").cloned().unwrap_or_default()
}

impl HttpRetriever {
    fn find<'d>(&self, document: &'d Value, name: &str) -> Option<&'d Value> {
        let path = self.paths.iter().find(|(known, _)| *known == name).map(|(_, path)| path)?;
        path.query(document).first().filter(|value| !value.is_null())
    }

    fn text(&self, document: &Value, name: &str) -> Option<String> {
        self.find(document, name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    fn call(&self, request: &Request) -> Result<HttpCall, String> {
        let variables = context! { query => text_of(request), top => minijinja::Value::from(minijinja::value::Serde(&top_of(request))) };
        let headers = http_api::rendered_headers(&self.headers, &variables)?;
        let body = match &self.body {
            Some(body) => body.document(&variables)?,
            None => json!({"query": text_of(request), "top": top_of(request)}).to_string().into_bytes(),
        };
        Ok(HttpCall { url: self.url.clone(), headers: with_content_type(&headers), body })
    }
}

impl Provider for HttpRetriever {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        match self.call(request) {
            Ok(call) => Exchange::Http(call),
            Err(why) => {
                let message = format!("the query of the retriever `{}` cannot be made: {why}", self.name);
                Exchange::Local {
                    delay: std::time::Duration::ZERO,
                    answer: Err(Fault::new(FaultKind::BadRequest, message)),
                }
            }
        }
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        let document: Result<Value, _> = serde_json::from_slice(&reply.body);
        if !(200..300).contains(&reply.status) {
            let said = document.as_ref().ok().and_then(|document| self.text(document, "error"));
            let said = said.map_or_else(|| Told::read(&reply.body).message, |text| start_of(text.as_bytes()));
            return Err(status_fault(reply.status, &said, &self.name));
        }
        let document = document.map_err(|error| unexpected(&error.to_string(), &reply.body, API))?;
        let path = self.paths.iter().find(|(name, _)| *name == "documents").map(|(_, path)| path);
        let found = path.map(|path| path.query(&document).all()).unwrap_or_default();
        // A path to the list itself means its items.
        let found: Vec<&Value> = match found.as_slice() {
            [Value::Array(items)] => items.iter().collect(),
            _ => found,
        };
        if found.is_empty() {
            if let Some(error) = self.text(&document, "error") {
                let message = format!("the server answered with an error: {}", start_of(error.as_bytes()));
                return Err(Fault::new(FaultKind::Server, message));
            }
            // Nothing fits, or nothing is where the documents should be.
            let says_none = document.get("documents").is_some_and(Value::is_array) || self.body.is_some();
            if !says_none {
                return Err(unexpected("there are no `documents`", &reply.body, API));
            }
        }
        let mut documents = Vec::with_capacity(found.len());
        for (number, item) in (1..).zip(found) {
            let lacks = |what: &str| unexpected(&format!("document {number} has no `{what}`"), &reply.body, API);
            documents.push(Document {
                id: self.text(item, "id").filter(|id| !id.trim().is_empty()).ok_or_else(|| lacks("id"))?,
                text: self.text(item, "text").ok_or_else(|| lacks("text"))?,
                score: self.find(item, "score").and_then(Value::as_f64).filter(|score| score.is_finite()),
                source: self.text(item, "source"),
            });
        }
        Ok(response(documents))
    }

    fn host(&self) -> Option<String> {
        reqwest::Url::parse(&self.url).ok()?.host_str().map(str::to_owned)
    }

    fn key_header(&self) -> KeyHeader {
        self.key_header.clone()
    }
}

fn response(documents: Vec<Document>) -> Response {
    Response { documents: Some(documents), finish_reason: FinishReason::Stop, ..Response::default() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    documents: Option<Vec<Document>>,
    error: Option<Value>,
}

impl Provider for ExecRetriever {
    fn exchange(&self, request: &Request, _sample: u32, _attempt: u32) -> Exchange {
        let input = json!({"query": text_of(request), "top": top_of(request)}).to_string().into_bytes();
        Exchange::Program { command: self.command.clone(), input }
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        let found: Found =
            serde_json::from_slice(&reply.body).map_err(|error| unexpected(&error.to_string(), &reply.body, API))?;
        if let Some(error) = found.error {
            let message = error.get("message").and_then(Value::as_str).or(error.as_str()).unwrap_or("an error");
            let again = error.get("retry").and_then(Value::as_bool) == Some(true);
            let message = format!("the program answered with an error: {}", start_of(message.as_bytes()));
            return Err(Fault::new(FaultKind::Server, message).again(again));
        }
        let Some(documents) = found.documents else {
            return Err(unexpected("there are no `documents`", &reply.body, API));
        };
        if documents.iter().any(|document| document.id.trim().is_empty()) {
            return Err(unexpected("a document has an empty `id`", &reply.body, API));
        }
        Ok(response(documents))
    }
}
