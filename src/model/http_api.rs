//! `http`: any API that takes JSON and gives JSON. The entry holds the body as a template, and the paths to what is
//! wanted of the answer.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::value::Serde;
use minijinja::{Value as Jinja, context};
use serde_json::{Map, Value, json};
use serde_json_path::JsonPath;

use super::embedding::{self, Embeds};
use super::fault::{Fault, start_of};
use super::http::status_fault;
use super::provider::{Building, Exchange, HttpCall, KeyHeader, Provider, Reply};
use super::wire::{Told, arguments, base64_of, promised, read_header, unexpected, with_content_type};
use crate::core::decode::Decoder;
use crate::core::record::{FinishReason, Request, Response, Role, ToolCall, Usage};
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 4] = ["headers", "body", "response", "key-header"];
const API: &str = "the API that `response:` describes";

struct HttpApi {
    url: String,
    alias: String,
    headers: Vec<(String, Inline)>,
    body: Template,
    paths: BTreeMap<&'static str, JsonPath>,
    reasons: BTreeMap<String, FinishReason>,
    key_header: KeyHeader,
    /// The variables that the body and the headers make use of.
    mentioned: BTreeSet<String>,
}

/// A JSON value whose texts are templates.
pub(super) enum Template {
    Value(Value),
    /// A text; one that is a single expression gives the expression's own value.
    Text {
        inline: Inline,
        alone: bool,
    },
    List(Vec<Template>),
    Map(Vec<(String, Template)>),
}

/// What is read of an answer, and whether the path to it must be there.
const PATHS: [&str; 11] = [
    "text",
    "embedding",
    "finish-reason",
    "model",
    "error",
    "reasoning",
    "tool-calls",
    "input-tokens",
    "cached-input-tokens",
    "output-tokens",
    "reasoning-tokens",
];

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    let entry = building.entry;
    let Some(url) = entry.base_url.clone() else {
        let message = format!("the model `{}` does not say where its server is", entry.alias);
        building.wrong(message, "write its whole address: `base-url: https://example.com/v1/generate`");
        return None;
    };
    let Some(body) = building.option("body") else {
        let message = format!("the model `{}` does not say what is sent", entry.alias);
        building.wrong(message, "write a template: `body: { prompt: \"{{ last_user_message }}\" }`");
        return None;
    };
    let Some(response) = building.option("response") else {
        let message = format!("the model `{}` does not say where the answer's text is", entry.alias);
        building.wrong(message, "write the path to it: `response: { text: $.output }`");
        return None;
    };
    let headers_node = building.option("headers");
    let key_header = key_header(building)?;
    let mut decoder = building.decoder();
    let body = template(&mut decoder, body)?;
    let headers = headers(&mut decoder, headers_node)?;
    let mut known = PATHS.to_vec();
    known.push("finish-reasons");
    let fields = decoder.fields(response, "response", &known)?;
    let mut paths = BTreeMap::new();
    for name in PATHS {
        let Some(node) = fields.get(name) else { continue };
        let text = decoder.text(node, name)?;
        match JsonPath::parse(&text) {
            Ok(path) => {
                paths.insert(name, path);
            }
            Err(error) => decoder.error(node.span.clone(), format!("`{text}` is no JSON path: {error}")),
        }
    }
    if !["text", "tool-calls", "embedding"].iter().any(|name| paths.contains_key(name)) {
        decoder.error(fields.span.clone(), "response needs the path to the answer's `text`, or to an `embedding`");
        return None;
    }
    let mut reasons = BTreeMap::new();
    if let Some(node) = fields.get("finish-reasons") {
        for (key, node) in decoder.map(node, "finish-reasons")?.iter() {
            let reason = decoder.choice(node, "a finish reason", &FinishReason::ALL)?;
            reasons.insert(key.text.clone(), reason);
        }
    }
    let alias = entry.alias.to_string();
    let mut mentioned = BTreeSet::new();
    body.mentions(&mut mentioned);
    mentioned.extend(headers.iter().flat_map(|(_, inline): &(String, Inline)| inline.variables().to_vec()));
    Some(Box::new(HttpApi { url, alias, headers, body, paths, reasons, key_header, mentioned }))
}

/// The headers of an entry, whose values are templates.
pub(super) fn headers(decoder: &mut Decoder<'_>, node: Option<&Node>) -> Option<Vec<(String, Inline)>> {
    let mut headers = Vec::new();
    if let Some(node) = node {
        for (name, value) in decoder.map(node, "headers")?.iter() {
            let Some((name, _)) = read_header(decoder, name, value) else { continue };
            headers.push((name, inline(decoder, value)?));
        }
    }
    Some(headers)
}

/// The headers of a request.
pub(super) fn rendered_headers(
    headers: &[(String, Inline)],
    variables: &Jinja,
) -> Result<Vec<(String, String)>, String> {
    let render = |(name, template): &(String, Inline)| {
        let value = template.render(variables)?;
        match reqwest::header::HeaderValue::from_str(&value) {
            Ok(_) => Ok((name.clone(), value)),
            Err(_) => Err(format!("the header `{name}` renders to what no header can hold")),
        }
    };
    headers.iter().map(render).collect()
}

/// The header that carries the key.
pub(super) fn key_header(building: &mut Building<'_, '_>) -> Option<KeyHeader> {
    let Some(node) = building.option("key-header") else { return Some(KeyHeader::Bearer) };
    let mut decoder = building.decoder();
    let name = decoder.text(node, "key-header")?;
    if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
        decoder.error(node.span.clone(), format!("`{name}` is no valid HTTP header"));
        return None;
    }
    Some(KeyHeader::Named(name))
}

fn inline(decoder: &mut Decoder<'_>, node: &Node) -> Option<Inline> {
    let text = decoder.text(node, "a template")?;
    match Inline::new(&text) {
        Ok(inline) => Some(inline),
        Err(why) => {
            decoder.error(node.span.clone(), format!("this template is wrong: {why}"));
            None
        }
    }
}

pub(super) fn template(decoder: &mut Decoder<'_>, node: &Node) -> Option<Template> {
    Some(match &node.data {
        Data::Text(text) => {
            let trimmed = text.trim();
            let alone = trimmed.starts_with("{{")
                && trimmed.ends_with("}}")
                && trimmed.matches("{{").count() == 1
                && !trimmed.contains("{%")
                && trimmed.matches("}}").count() == 1;
            Template::Text { inline: inline(decoder, node)?, alone }
        }
        Data::List(items) => {
            Template::List(items.iter().map(|item| template(decoder, item)).collect::<Option<Vec<_>>>()?)
        }
        Data::Map(entries) => {
            let entry =
                |(key, node): &(crate::core::yaml::Key, Node)| Some((key.text.clone(), template(decoder, node)?));
            Template::Map(entries.iter().map(entry).collect::<Option<Vec<_>>>()?)
        }
        _ => Template::Value(node.to_json()),
    })
}

impl Template {
    fn mentions(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::Value(_) => {}
            Self::Text { inline, .. } => names.extend(inline.variables().iter().cloned()),
            Self::List(items) => items.iter().for_each(|item| item.mentions(names)),
            Self::Map(entries) => entries.iter().for_each(|(_, item)| item.mentions(names)),
        }
    }

    fn render(&self, variables: &Jinja) -> Result<Value, String> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Text { inline, alone: true } => inline.evaluate(variables),
            Self::Text { inline, alone: false } => inline.render(variables).map(Value::String),
            Self::List(items) => items.iter().map(|item| item.render(variables)).collect(),
            Self::Map(entries) => {
                let entry = |(name, item): &(String, Self)| Ok((name.clone(), item.render(variables)?));
                entries.iter().map(entry).collect::<Result<Map<_, _>, String>>().map(Value::Object)
            }
        }
    }

    /// The bytes of a body. A body that is one text is the document itself.
    pub(super) fn document(&self, variables: &Jinja) -> Result<Vec<u8>, String> {
        let rendered = self.render(variables)?;
        match (self, rendered) {
            (Self::Text { alone: false, .. }, Value::String(text)) => {
                let valid = serde_json::from_str::<serde::de::IgnoredAny>(&text);
                valid.map_err(|error| format!("`body` renders to what is no JSON ({error})"))?;
                Ok(text.into_bytes())
            }
            (_, value) => Ok(value.to_string().into_bytes()),
        }
    }
}

/// What the templates of an entry see of a request.
fn variables(request: &Request, sample: u32) -> Jinja {
    let message = |message: &crate::core::record::Message| {
        let images: Vec<Jinja> = message
            .images
            .iter()
            .map(|image| context! { media_type => image.media_type.as_str(), data => base64_of(image) })
            .collect();
        let tool_calls = Jinja::from(Serde(&message.tool_calls));
        let (role, tool_call_id) = (message.role.name(), message.tool_call_id.as_deref());
        context! { role, content => message.content.as_str(), images, tool_calls, tool_call_id }
    };
    let of = |wanted: fn(Role) -> bool| request.messages.iter().filter(move |m| wanted(m.role));
    let instructions: Vec<&str> = of(Role::instructs).map(|m| m.content.as_str()).collect();
    let last = of(|role| role == Role::User).next_back().map_or("", |m| m.content.as_str());
    // What a request does not ask for is none, not undefined: a body may mention it all the same.
    let schema = request.response_format.as_ref().map(|format| Jinja::from(Serde(&format.schema)));
    context! {
        model => request.model.as_str(),
        messages => request.messages.iter().map(message).collect::<Vec<_>>(),
        system => instructions.join("\n\n"),
        last_user_message => last,
        tools => Jinja::from(Serde(&request.tools)),
        schema => schema,
        params => Jinja::from(Serde(&request.params)),
        sample,
    }
}

impl Provider for HttpApi {
    fn exchange(&self, request: &Request, sample: u32, _attempt: u32) -> Exchange {
        let variables = variables(request, sample);
        let rendered = || -> Result<HttpCall, String> {
            let headers = rendered_headers(&self.headers, &variables)?;
            Ok(HttpCall {
                url: self.url.clone(),
                headers: with_content_type(&headers),
                body: self.body.document(&variables)?,
            })
        };
        match rendered() {
            Ok(call) => Exchange::Http(call),
            Err(why) => Exchange::Local {
                delay: std::time::Duration::ZERO,
                answer: Err(Fault::new(
                    super::fault::FaultKind::BadRequest,
                    format!("the request of the model `{}` cannot be made: {why}", self.alias),
                )),
            },
        }
    }

    fn host(&self) -> Option<String> {
        reqwest::Url::parse(&self.url).ok()?.host_str().map(str::to_owned)
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        self.paths.contains_key("embedding").then_some(self)
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        let answers = ["text", "tool-calls"].iter().any(|name| self.paths.contains_key(name));
        if !answers && !request.messages.is_empty() {
            return Some("anything but a text to embed: its `response` has no path to a `text`".to_owned());
        }
        self.lacks(request)
    }

    fn key_header(&self) -> KeyHeader {
        self.key_header.clone()
    }

    fn parse(&self, reply: &Reply) -> Result<Response, Fault> {
        let document = self.document(reply)?;
        let text = self.text(&document, "text");
        let tool_calls = self.tool_calls(&document);
        if text.is_none() && tool_calls.is_empty() {
            let help = "check the paths of `response:` against what came";
            return Err(unexpected("nothing is where `text` points to", &reply.body, help));
        }
        let said = self.text(&document, "finish-reason");
        let finish_reason = match &said {
            Some(said) => {
                let by_name = FinishReason::ALL.iter().find(|(name, _)| name == said).map(|(_, reason)| *reason);
                self.reasons.get(said).copied().or(by_name).unwrap_or_default()
            }
            // An API that gives no reasons has none to be unknown.
            None if self.paths.contains_key("finish-reason") => FinishReason::Unknown,
            None if tool_calls.is_empty() => FinishReason::Stop,
            None => FinishReason::ToolCalls,
        };
        let count = |name: &str| self.find(&document, name).and_then(Value::as_u64);
        Ok(Response {
            text: text.unwrap_or_default(),
            tool_calls,
            finish_detail: said.filter(|_| finish_reason == FinishReason::Unknown),
            finish_reason,
            usage: Usage {
                input: count("input-tokens"),
                cached_input: count("cached-input-tokens"),
                cache_write: None,
                output: count("output-tokens"),
                reasoning: count("reasoning-tokens"),
            },
            model: self.text(&document, "model"),
            reasoning: self.text(&document, "reasoning").filter(|text| !text.is_empty()),
            ..Response::default()
        })
    }
}

impl Embeds for HttpApi {
    fn exchange(&self, request: &Request, attempt: u32) -> Exchange {
        Provider::exchange(self, request, 0, attempt)
    }

    fn cannot(&self, request: &Request) -> Option<String> {
        self.lacks(request)
    }

    fn parse(&self, request: &Request, reply: &Reply) -> Result<Response, Fault> {
        let document = self.document(reply)?;
        let Some(found) = self.find(&document, "embedding") else {
            let help = "check the paths of `response:` against what came";
            return Err(unexpected("nothing is where `embedding` points to", &reply.body, help));
        };
        let tokens = self.find(&document, "input-tokens").and_then(Value::as_u64);
        embedding::response(request, reply, API, Ok(found), tokens, self.text(&document, "model"))
    }
}

impl HttpApi {
    /// The document in a reply, or the fault that it tells of.
    fn document(&self, reply: &Reply) -> Result<Value, Fault> {
        let document: Result<Value, _> = serde_json::from_slice(&reply.body);
        if !(200..300).contains(&reply.status) {
            let said = document.as_ref().ok().and_then(|document| self.text(document, "error"));
            let said = said.map_or_else(|| Told::read(&reply.body).message, |text| start_of(text.as_bytes()));
            return Err(status_fault(reply.status, &said, &self.alias));
        }
        let document = document.map_err(|error| promised(&error.to_string(), &reply.body, API))?;
        let says = |error: &Value| {
            !matches!(error, Value::Bool(false)) && *error != "" && *error != json!([]) && *error != json!({})
        };
        if let Some(error) =
            self.find(&document, "error").filter(|error| says(error)).and_then(|_| self.text(&document, "error"))
        {
            let message = format!("the server answered with an error: {}", start_of(error.as_bytes()));
            return Err(Fault::new(super::fault::FaultKind::Server, message));
        }
        Ok(document)
    }

    /// What of a request the body has no place for.
    fn lacks(&self, request: &Request) -> Option<String> {
        let says = |names: &[&str]| names.iter().any(|name| self.mentioned.contains(*name));
        let has = |wanted: fn(&crate::core::record::Message) -> bool| request.messages.iter().any(wanted);
        let lacks = [
            (!request.tools.is_empty(), &["tools"][..]),
            (request.response_format.is_some(), &["schema"]),
            (!request.params.is_empty(), &["params"]),
            (has(|m| m.role.instructs()), &["messages", "system"]),
            (has(|m| m.role == Role::User), &["messages", "last_user_message"]),
            (has(|m| matches!(m.role, Role::Assistant | Role::Tool) || !m.images.is_empty()), &["messages"]),
        ];
        let (_, names) = lacks.into_iter().find(|(asked, names)| *asked && !says(names))?;
        let what = match names {
            ["tools"] => "tools",
            ["schema"] => "the form of `output:`",
            ["params"] => "parameters",
            [_, "system"] => "instructions",
            [_, "last_user_message"] => "a message of the user",
            _ => "earlier turns or pictures",
        };
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        Some(format!("{what}: its `body` mentions no {}", names.join(" or ")))
    }

    fn find<'d>(&self, document: &'d Value, name: &str) -> Option<&'d Value> {
        self.paths.get(name)?.query(document).first().filter(|value| !value.is_null())
    }

    fn text(&self, document: &Value, name: &str) -> Option<String> {
        self.find(document, name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// Calls of tools, as OpenAI writes them or flat.
    fn tool_calls(&self, document: &Value) -> Vec<ToolCall> {
        let list = self.find(document, "tool-calls").and_then(Value::as_array);
        let call = |value: &Value| {
            let function = value.get("function").unwrap_or(value);
            Some(ToolCall {
                id: value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
                name: function.get("name")?.as_str()?.to_owned(),
                arguments: arguments(function.get("arguments").cloned().unwrap_or_default()),
            })
        };
        list.into_iter().flatten().filter_map(call).collect()
    }
}
