//! `mock`: scripted replies, to try a project without a key and to test this one. The first rule whose regex matches
//! the last user message, or the results of tools that stand last, answers. The same request gets the same answer. Embeddings
//! are scripted, too, or else made of the words of a text.

use std::time::Duration;

use minijinja::context;
use regex::Regex;
use serde_json::Value;

use super::embedding::{self, DIMENSIONS, Embeds, text_of};
use super::fault::{Fault, FaultKind};
use super::http::status_fault;
use super::provider::{Building, Exchange, Provider, Reply};
use crate::core::decode::Decoder;
use crate::core::digest::sha256_hex;
use crate::core::record::{Embedding, FinishReason, Request, Response, Role, ToolCall, Usage};
use crate::core::yaml::Node;
use crate::project::decode_duration;
use crate::prompt::Inline;

/// The keys of a model entry that only this provider knows.
pub(super) const OPTIONS: [&str; 2] = ["replies", "latency"];

struct Mock {
    rules: Vec<Rule>,
    latency: Duration,
    alias: String,
    model: String,
}

struct Rule {
    when: Option<Regex>,
    say: Inline,
    finish: FinishReason,
    tool_calls: Vec<ToolCall>,
    latency: Option<Duration>,
    error: Option<Failure>,
    /// The vector of a text that matches; a rule that has one answers nothing else.
    embedding: Option<Embedding>,
}

/// A failure that is injected.
struct Failure {
    status: u16,
    message: String,
    retry_after: Option<Duration>,
    /// How many attempts of each request fail; `None`: all of them.
    times: Option<u32>,
}

pub(super) fn build(building: &mut Building<'_, '_>) -> Option<Box<dyn Provider>> {
    let entry = building.entry;
    let (latency, replies) = (building.option("latency"), building.option("replies"));
    let mut decoder = building.decoder();
    let latency = match latency {
        Some(node) => Duration::from_millis(decode_duration(&mut decoder, node, "latency")?),
        None => Duration::ZERO,
    };
    let mut rules = Vec::new();
    for node in replies.and_then(|node| decoder.list(node, "replies")).unwrap_or_default() {
        rules.push(decode_rule(&mut decoder, node)?);
    }
    Some(Box::new(Mock { rules, latency, alias: entry.alias.to_string(), model: entry.model.clone() }))
}

const RULE: [&str; 7] = ["when", "say", "finish-reason", "tool-calls", "latency", "error", "embedding"];

fn decode_rule(decoder: &mut Decoder<'_>, node: &Node) -> Option<Rule> {
    let fields = decoder.fields(node, "a reply", &RULE)?;
    let when = match fields.get("when") {
        Some(node) => {
            let text = decoder.text(node, "when")?;
            match Regex::new(&text) {
                Ok(regex) => Some(regex),
                Err(error) => {
                    let text = error.to_string();
                    let why = text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned();
                    decoder.error(node.span.clone(), format!("this regex does not compile: {why}"));
                    return None;
                }
            }
        }
        None => None,
    };
    let say = match fields.get("say") {
        Some(node) => {
            let text = decoder.text(node, "say")?;
            match Inline::new(&text) {
                Ok(inline) => inline,
                Err(why) => {
                    decoder.error(node.span.clone(), format!("this template is wrong: {why}"));
                    return None;
                }
            }
        }
        None => Inline::new("").ok()?,
    };
    let finish = match fields.get("finish-reason") {
        Some(node) => decoder.choice(node, "finish-reason", &FinishReason::ALL)?,
        None => FinishReason::Stop,
    };
    let latency = match fields.get("latency") {
        Some(node) => Some(Duration::from_millis(decode_duration(decoder, node, "latency")?)),
        None => None,
    };
    let mut tool_calls = Vec::new();
    for node in fields.get("tool-calls").and_then(|node| decoder.list(node, "tool-calls")).unwrap_or_default() {
        tool_calls.push(decode_tool_call(decoder, node)?);
    }
    let error = match fields.get("error") {
        Some(node) => Some(decode_failure(decoder, node)?),
        None => None,
    };
    let embedding = match fields.get("embedding") {
        Some(node) => Some(decode_embedding(decoder, node)?),
        None => None,
    };
    if let (Some(_), Some(node)) = (&embedding, fields.get("say").or_else(|| fields.get("tool-calls"))) {
        let help = "write two rules: one with `embedding`, one for answers";
        decoder.error_help(node.span.clone(), "a reply is an answer or an embedding, not both", help);
        return None;
    }
    Some(Rule { when, say, finish, tool_calls, latency, error, embedding })
}

fn decode_embedding(decoder: &mut Decoder<'_>, node: &Node) -> Option<Embedding> {
    let found = embedding::vector(&node.to_json());
    found.map_err(|why| decoder.error(node.span.clone(), why)).ok()
}

fn decode_tool_call(decoder: &mut Decoder<'_>, node: &Node) -> Option<ToolCall> {
    let fields = decoder.fields(node, "a tool call", &["name", "arguments"])?;
    let Some(name) = fields.get("name") else {
        decoder.error(fields.span, "a tool call needs a `name`");
        return None;
    };
    let name = decoder.text(name, "name")?;
    let arguments = fields.get("arguments").map_or_else(|| Value::Object(serde_json::Map::new()), Node::to_json);
    Some(ToolCall { id: String::new(), name, arguments })
}

fn decode_failure(decoder: &mut Decoder<'_>, node: &Node) -> Option<Failure> {
    let fields = decoder.fields(node, "error", &["status", "message", "retry-after", "times"])?;
    let status = match fields.get("status") {
        Some(node) => {
            let status = decoder.count(node, "status", 300)?;
            u16::try_from(status).ok().filter(|status| *status < 600)
        }
        None => Some(500),
    };
    let Some(status) = status else {
        decoder.error(fields.span, "status must be from 300 to 599");
        return None;
    };
    let message = match fields.get("message") {
        Some(node) => decoder.text(node, "message")?,
        None => "an injected failure".to_owned(),
    };
    let retry_after = match fields.get("retry-after") {
        Some(node) => Some(Duration::from_millis(decode_duration(decoder, node, "retry-after")?)),
        None => None,
    };
    let times = match fields.get("times") {
        Some(node) => Some(u32::try_from(decoder.count(node, "times", 1)?).unwrap_or(u32::MAX)),
        None => None,
    };
    Some(Failure { status, message, retry_after, times })
}

/// The results of tools that a request ends with: then it is they that are answered, and no message of the user.
fn heard(request: &Request) -> Option<String> {
    let results: Vec<&str> =
        request.messages.iter().rev().take_while(|m| m.role == Role::Tool).map(|m| m.content.as_str()).collect();
    (!results.is_empty()).then(|| results.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

impl Provider for Mock {
    fn exchange(&self, request: &Request, sample: u32, attempt: u32) -> Exchange {
        let last = request.messages.iter().rev().find(|m| m.role == Role::User).map_or("", |m| m.content.as_str());
        let system = request.messages.iter().find(|m| m.role == Role::System).map_or("", |m| m.content.as_str());
        let heard = heard(request).unwrap_or_else(|| last.to_owned());
        let Some(rule) = self.rules.iter().find(|rule| rule.embedding.is_none() && rule.matches(&heard)) else {
            let message = format!("no reply of the model `{}` matches the last user message", self.alias);
            let help = "add a last reply without `when`, which answers everything else";
            return Exchange::Local {
                delay: self.latency,
                answer: Err(Fault::new(FaultKind::BadRequest, message).help(help)),
            };
        };
        let delay = rule.latency.unwrap_or(self.latency);
        if let Some(fault) = rule.fault(attempt, &self.alias) {
            return Exchange::Local { delay, answer: Err(fault) };
        }
        let groups: Vec<String> = rule
            .when
            .as_ref()
            .and_then(|regex| regex.captures(&heard))
            .map(|found| found.iter().map(|group| group.map_or_else(String::new, |m| m.as_str().to_owned())).collect())
            .unwrap_or_default();
        let messages: Vec<minijinja::Value> = request
            .messages
            .iter()
            .map(|m| context! { role => m.role.name(), content => m.content.as_str() })
            .collect();
        let variables = context! { last_user_message => last, system, messages, sample, groups };
        let answer = match rule.say.render(&variables) {
            Ok(text) => Ok(Box::new(self.response(request, rule, text))),
            Err(why) => Err(Fault::new(
                FaultKind::BadRequest,
                format!("the reply of the model `{}` cannot be rendered: {why}", self.alias),
            )),
        };
        Exchange::Local { delay, answer }
    }

    fn parse(&self, _reply: &Reply) -> Result<Response, Fault> {
        Err(sends_nothing())
    }

    fn cannot(&self, _request: &Request) -> Option<String> {
        self.rules.is_empty().then(|| "anything but a text to embed: it has no `replies`".to_owned())
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        Some(self)
    }
}

impl Embeds for Mock {
    fn exchange(&self, request: &Request, attempt: u32) -> Exchange {
        let text = text_of(request);
        // A rule that answers has a say here only by its delay and its failures.
        let rule = self.rules.iter().find(|rule| rule.matches(text));
        let delay = rule.and_then(|rule| rule.latency).unwrap_or(self.latency);
        if let Some(fault) = rule.and_then(|rule| rule.fault(attempt, &self.alias)) {
            return Exchange::Local { delay, answer: Err(fault) };
        }
        let answer = match rule.and_then(|rule| rule.embedding.clone()) {
            Some(scripted) => Ok(scripted),
            None => bag_of_words(text, request.params.get(DIMENSIONS)),
        };
        let response = |embedding| {
            let usage = Usage { input: Some(words(text)), output: Some(0), ..Usage::default() };
            let (embedding, model) = (Some(embedding), Some(self.model.clone()));
            Box::new(Response { finish_reason: FinishReason::Stop, usage, model, embedding, ..Response::default() })
        };
        Exchange::Local { delay, answer: answer.map(response) }
    }

    fn parse(&self, _request: &Request, _reply: &Reply) -> Result<Response, Fault> {
        Err(sends_nothing())
    }
}

fn sends_nothing() -> Fault {
    Fault::new(FaultKind::Protocol, "a scripted model sends nothing")
}

/// The length of a vector, where nobody asks for another, and the most that may be asked for.
const LENGTH: u64 = 256;
const LONGEST: u64 = 4096;

/// How often each word stands in a text, each at the place that its SHA-256 gives it: texts with the same words point the
/// same way, texts without a common word stand at a right angle (but for words that fall on the same place). Case and
/// punctuation do not count. A text without any word is taken for one.
fn bag_of_words(text: &str, dimensions: Option<&Value>) -> Result<Embedding, Fault> {
    let length = dimensions.map_or(Some(LENGTH), |asked| asked.as_u64().filter(|n| (1..=LONGEST).contains(n)));
    let refused = |why: String| Fault::new(FaultKind::BadRequest, why);
    let Some(length) = length else {
        return Err(refused(format!("`{DIMENSIONS}` of a scripted model is a number from 1 to {LONGEST}")));
    };
    let lower = text.to_lowercase();
    let mut all: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if all.is_empty() {
        all.push(lower.trim());
    }
    let mut counts = vec![0_f32; usize::try_from(length).unwrap_or_default()];
    for word in all {
        let place = u64::from_str_radix(&sha256_hex(word.as_bytes())[..16], 16).unwrap_or_default() % length;
        if let Some(count) = usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) {
            *count += 1.0;
        }
    }
    Embedding::new(counts).map_err(|why| refused(why.to_string()))
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

impl Rule {
    fn matches(&self, text: &str) -> bool {
        self.when.as_ref().is_none_or(|regex| regex.is_match(text))
    }

    /// The failure of an attempt, where it fails.
    fn fault(&self, attempt: u32, alias: &str) -> Option<Fault> {
        let failure = self.error.as_ref().filter(|failure| failure.times.is_none_or(|times| attempt < times))?;
        let mut fault = status_fault(failure.status, &failure.message, alias);
        fault.wait = failure.retry_after;
        // A scripted failure is about its own case.
        fault.fatal = false;
        Some(fault)
    }
}

impl Mock {
    /// Tokens of a scripted answer are its words, so that figures can be shown.
    fn response(&self, request: &Request, rule: &Rule, text: String) -> Response {
        let input = request.messages.iter().map(|m| words(&m.content)).sum();
        let usage = Usage { input: Some(input), output: Some(words(&text)), ..Usage::default() };
        let tool_calls = rule.tool_calls.clone();
        let finish_reason = match rule.finish {
            FinishReason::Stop if !tool_calls.is_empty() => FinishReason::ToolCalls,
            finish => finish,
        };
        Response { text, tool_calls, finish_reason, usage, model: Some(self.model.clone()), ..Response::default() }
    }
}
