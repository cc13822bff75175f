//! What several protocols share: options of an entry, forms of tools and pictures, errors as servers tell them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::fault::{Fault, FaultKind, start_of};
use super::http::status_fault;
use super::provider::{Building, HttpCall, Reply};
use crate::core::decode::Decoder;
use crate::core::record::{Image, Message, Part, Request, Role};
use crate::core::yaml::{Key, Node};

/// The options that every protocol over HTTP knows.
pub(super) const HEADERS: &str = "headers";
pub(super) const BODY: &str = "body";

/// Where requests go, and what an entry adds to each of them.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) base: String,
    pub(super) alias: String,
    headers: Vec<(String, String)>,
    body: Map<String, Value>,
}

impl Endpoint {
    /// Reads what an entry says; `vendor` is where the vendor's own server is.
    pub(super) fn read(building: &mut Building<'_, '_>, vendor: &str) -> Option<Self> {
        let entry = building.entry;
        let mut endpoint = Self {
            base: entry.base_url.clone().unwrap_or_else(|| vendor.to_owned()),
            alias: entry.alias.to_string(),
            headers: Vec::new(),
            body: Map::new(),
        };
        if endpoint.base.contains(['?', '#']) {
            let message = format!("the base-url of the model `{}` has a query; paths are put behind it", entry.alias);
            building.wrong(message, "leave the query out; keys are named with `api-key-env`");
        }
        if let Some(node) = building.option(HEADERS) {
            let mut decoder = building.decoder();
            for (name, value) in decoder.map(node, HEADERS)?.iter() {
                endpoint.headers.extend(read_header(&mut decoder, name, value));
            }
        }
        if let Some(node) = building.option(BODY) {
            building.decoder().map(node, BODY)?;
            endpoint.body = node.to_json().as_object().cloned().unwrap_or_default();
        }
        Some(endpoint)
    }

    /// A call with a JSON body, the entry's additions over it.
    pub(super) fn call(&self, url: String, body: Map<String, Value>) -> HttpCall {
        HttpCall {
            url,
            headers: with_content_type(&self.headers),
            body: Value::Object(self.whole(body)).to_string().into_bytes(),
        }
    }

    /// A body with the entry's additions.
    pub(super) fn whole(&self, mut body: Map<String, Value>) -> Map<String, Value> {
        body.extend(self.body.clone());
        body
    }

    pub(super) fn host(&self) -> Option<String> {
        reqwest::Url::parse(&self.base).ok()?.host_str().map(str::to_owned)
    }

    /// The fault that a reply is whose status is no success. Some causes that no waiting mends come with the status of
    /// a rate limit or of a server that failed, and Google's and Amazon's with the one of a bad request.
    pub(super) fn fault(&self, reply: &Reply) -> Fault {
        let told = Told::read(&reply.body);
        let fault = status_fault(reply.status, &told.message, &self.alias);
        let body = String::from_utf8_lossy(&reply.body);
        let says = |text: &str| body.contains(text);
        match reply.status {
            429 if says("\"insufficient_quota\"") || says("\"enforced_spend_limit_reached\"") => {
                return fault.again(false).fatal().help("the account has no credit left");
            }
            429 if says("Request too large") => {
                let fault = Fault { kind: FaultKind::BadRequest, ..fault };
                return fault.again(false).help("this one request is over the limit");
            }
            429 if says("PerDay") && says("quotaId") => {
                return fault.again(false).fatal().help("the quota of the day is used up");
            }
            // llama.cpp's server, of a text to embed.
            500 if says("is too large to process") => {
                let fault = Fault { kind: FaultKind::BadRequest, ..fault };
                return fault.again(false).help("the text is longer than the server takes");
            }
            400 if says("\"API_KEY_INVALID\"") => return fault.like(status_fault(401, "", &self.alias)),
            400 if says("model identifier is invalid") => return fault.like(status_fault(404, "", &self.alias)),
            _ => {}
        }
        let mut fault = match told.param.filter(|_| reply.status == 400) {
            Some(name) => {
                fault.help(format!("see `{name}` in `params` of the prompt or of the model `{}`", self.alias))
            }
            None => fault,
        };
        fault.wait = told.wait;
        fault
    }

    /// The document in a reply with a status of success.
    pub(super) fn decode<T: DeserializeOwned>(&self, reply: &Reply, api: &str) -> Result<T, Fault> {
        if !(200..300).contains(&reply.status) {
            return Err(self.fault(reply));
        }
        serde_json::from_slice(&reply.body).map_err(|error| promised(&error.to_string(), &reply.body, api))
    }
}

/// Headers of an entry, which may say another type of content.
pub(super) fn with_content_type(own: &[(String, String)]) -> Vec<(String, String)> {
    let mut headers = own.to_vec();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.insert(0, ("content-type".to_owned(), "application/json".to_owned()));
    }
    headers
}

/// The fault of an answer that is not what the protocol promises.
pub(super) fn promised(why: &str, body: &[u8], api: &str) -> Fault {
    unexpected(why, body, format!("is base-url the address of {api}?"))
}

/// The same with other advice.
pub(super) fn unexpected(why: &str, body: &[u8], help: impl Into<String>) -> Fault {
    let message = format!("the answer is not what the protocol promises ({why}): {}", start_of(body));
    Fault::new(FaultKind::Protocol, message).billable().help(help)
}

/// A header of an entry. One that carries a key does not belong into a file.
pub(super) fn read_header(decoder: &mut Decoder<'_>, name: &Key, value: &Node) -> Option<(String, String)> {
    let lower = name.text.to_lowercase();
    if KEYS.contains(&lower.as_str()) {
        let help = "name the variable that holds the key with `api-key-env`";
        let message = format!("the header `{}` carries a key, which does not belong into a file", name.text);
        decoder.error_help(name.span.clone(), message, help);
        return None;
    }
    let text = decoder.text(value, "a header")?;
    let valid = reqwest::header::HeaderName::from_bytes(name.text.as_bytes()).is_ok()
        && reqwest::header::HeaderValue::from_str(&text).is_ok();
    if !valid {
        decoder.error(name.span.clone(), format!("`{}` is no valid HTTP header", name.text));
        return None;
    }
    Some((name.text.clone(), text))
}

/// Headers that carry keys.
const KEYS: [&str; 11] = [
    "authorization",
    "proxy-authorization",
    "api-key",
    "x-api-key",
    "x-api-token",
    "x-access-token",
    "x-auth-token",
    "x-goog-api-key",
    "x-token",
    "token",
    "cookie",
];

/// What a server says in an error, whichever of the vendors' forms it has.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) message: String,
    pub(super) code: String,
    pub(super) param: Option<String>,
    pub(super) wait: Option<Duration>,
}

impl Told {
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(whole) = serde_json::from_slice::<Value>(body) else {
            return Self { message: start_of(body), ..Self::default() };
        };
        // Google wraps an error in a list now and then.
        let whole = whole.as_array().and_then(|list| list.first()).unwrap_or(&whole);
        let error = whole.get("error").unwrap_or(whole);
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        let message = text("message").or(text("Message")).or(error.as_str()).or(text("detail"));
        let code = text("code").or(text("type")).or(text("status")).unwrap_or_default();
        Self {
            message: message.map_or_else(|| start_of(error.to_string().as_bytes()), |text| start_of(text.as_bytes())),
            code: code.to_owned(),
            param: text("param").map(str::to_owned),
            wait: retry_info(error),
        }
    }
}

/// How long Google asks to be left alone: `retryDelay` (`32s`) among the details of an error.
fn retry_info(error: &Value) -> Option<Duration> {
    let details = error.get("details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")).and_then(Value::as_str)?;
    Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
}

pub(super) fn base64_of(image: &Image) -> String {
    STANDARD.encode(image.bytes())
}

pub(super) fn data_url(image: &Image) -> String {
    format!("data:{};base64,{}", image.media_type, base64_of(image))
}

/// A message's parts in a protocol's own form.
pub(super) fn parts(message: &Message, text: impl Fn(&str) -> Value, image: impl Fn(&Image) -> Value) -> Vec<Value> {
    let part = |part: Part<'_>| match part {
        Part::Text(stretch) => text(stretch),
        Part::Image(shown) => image(shown),
    };
    message.parts().into_iter().map(part).collect()
}

/// Arguments as JSON; a string that holds the raw text where a model wrote something else.
pub(super) fn arguments(value: Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    }
}

/// Arguments as the text that some protocols want.
pub(super) fn arguments_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Which tool a model must call, free of any wire protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

impl ToolChoice {
    /// Reads a `tool_choice` in one of the forms that OpenAI documents; `None` where it is another protocol's own.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => match text.as_str() {
                "auto" => Some(Self::Auto),
                "none" => Some(Self::None),
                "required" | "any" => Some(Self::Required),
                _ => None,
            },
            Value::Object(map) if map.get("type").and_then(Value::as_str) == Some("function") => {
                let name = map.get("name").or_else(|| map.get("function")?.get("name"))?;
                Some(Self::Named(name.as_str()?.to_owned()))
            }
            _ => None,
        }
    }
}

/// Messages apart from the instructions, those of one speaker in a row together: some protocols want turns.
pub(super) struct Turns<'r> {
    pub(super) instructions: Vec<&'r str>,
    pub(super) turns: Vec<(Role, Vec<&'r Message>)>,
}

impl<'r> Turns<'r> {
    pub(super) fn of(request: &'r Request) -> Self {
        let mut turns: Vec<(Role, Vec<&Message>)> = Vec::new();
        let mut instructions = Vec::new();
        for message in &request.messages {
            // A tool's result is told by the user's side.
            let speaker = match message.role {
                Role::System | Role::Developer => {
                    instructions.push(message.content.as_str());
                    continue;
                }
                Role::Assistant => Role::Assistant,
                Role::User | Role::Tool => Role::User,
            };
            match turns.last_mut() {
                Some((last, messages)) if *last == speaker => messages.push(message),
                _ => turns.push((speaker, vec![message])),
            }
        }
        Self { instructions, turns }
    }
}

/// What a protocol of turns, whose instructions stand apart, cannot be sent.
pub(super) fn cannot_take_turns(request: &Request) -> Option<String> {
    let mut talked = false;
    for message in &request.messages {
        if message.role.instructs() && talked {
            return Some("instructions in the midst of a conversation: they stand apart, before it".to_owned());
        }
        talked |= !message.role.instructs();
    }
    if !talked {
        return Some("instructions alone: a conversation begins with a message of the user".to_owned());
    }
    if request.messages.iter().find(|m| !m.role.instructs()).is_some_and(|m| m.role == Role::Assistant) {
        return Some("a conversation that the assistant begins: it begins with a message of the user".to_owned());
    }
    cannot_pair(request)
}

/// What no protocol with tools can be sent: a result without its call, pictures of anybody but the user.
pub(super) fn cannot_pair(request: &Request) -> Option<String> {
    if request.messages.iter().any(|m| m.role == Role::Tool && m.tool_call_id.is_none()) {
        return Some("a tool's result without the call that it answers: write `tool_call(NAME, ARGUMENTS)` into the assistant's message before it".to_owned());
    }
    let answered =
        |id: &str| request.messages.iter().any(|m| m.role == Role::Tool && m.tool_call_id.as_deref() == Some(id));
    if let Some(call) = request.messages.iter().flat_map(|m| &m.tool_calls).find(|call| !answered(&call.id)) {
        return Some(format!(
            "the call of the tool `{}` without its result: write `role(\"tool\")` and the result behind it",
            call.name
        ));
    }
    let shown = request.messages.iter().find(|m| !m.images.is_empty() && m.role != Role::User)?;
    Some(format!("a picture in a message of `{}`: only the user shows pictures", shown.role.name()))
}

/// OpenAI's strict mode wants every object closed and every property required; other schemas are sent as a wish.
pub(super) fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            let closed = match map.get("properties").and_then(Value::as_object) {
                Some(properties) => {
                    let required: Vec<&str> = map
                        .get("required")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .collect();
                    map.get("additionalProperties") == Some(&Value::Bool(false))
                        && properties.keys().all(|key| required.contains(&key.as_str()))
                }
                None => map.get("type").and_then(Value::as_str) != Some("object"),
            };
            closed && map.values().all(is_strict)
        }
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    }
}

/// Puts a value below a key of a JSON object, into the object that may be there already.
pub(super) fn put(body: &mut Map<String, Value>, outer: &str, inner: &str, value: Value) {
    let slot = body.entry(outer.to_owned()).or_insert_with(|| json!({}));
    if let Some(map) = slot.as_object_mut() {
        map.insert(inner.to_owned(), value);
    }
}
