//! `mock`: scripted replies, to try a project without a key and to test this one. The first rule whose regex matches
//! the last user message answers. The same request gets the same answer.

use std::time::Duration;

use minijinja::context;
use regex::Regex;
use serde_json::Value;

use super::fault::{Fault, FaultKind};
use super::http::status_fault;
use super::provider::{Building, Exchange, Provider, Reply};
use crate::core::decode::Decoder;
use crate::core::record::{FinishReason, Request, Response, Role, ToolCall, Usage};
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
    if rules.is_empty() {
        decoder.error(entry.alias_span.clone(), format!("the model `{}` needs at least one of `replies`", entry.alias));
        return None;
    }
    Some(Box::new(Mock { rules, latency, alias: entry.alias.to_string(), model: entry.model.clone() }))
}

const RULE: [&str; 6] = ["when", "say", "finish-reason", "tool-calls", "latency", "error"];

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
    Some(Rule { when, say, finish, tool_calls, latency, error })
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

impl Provider for Mock {
    fn exchange(&self, request: &Request, sample: u32, attempt: u32) -> Exchange {
        let last = request.messages.iter().rev().find(|m| m.role == Role::User).map_or("", |m| m.content.as_str());
        let system = request.messages.iter().find(|m| m.role == Role::System).map_or("", |m| m.content.as_str());
        let rule = self.rules.iter().find(|rule| rule.when.as_ref().is_none_or(|regex| regex.is_match(last)));
        let Some(rule) = rule else {
            let message = format!("no reply of the model `{}` matches the last user message", self.alias);
            let help = "add a last reply without `when`, which answers everything else";
            return Exchange::Local {
                delay: self.latency,
                answer: Err(Fault::new(FaultKind::BadRequest, message).help(help)),
            };
        };
        let delay = rule.latency.unwrap_or(self.latency);
        if let Some(failure) = rule.error.as_ref().filter(|failure| failure.times.is_none_or(|times| attempt < times)) {
            let mut fault = status_fault(failure.status, &failure.message, &self.alias);
            fault.wait = failure.retry_after;
            // A scripted failure is about its own case.
            fault.fatal = false;
            return Exchange::Local { delay, answer: Err(fault) };
        }
        let groups: Vec<String> = rule
            .when
            .as_ref()
            .and_then(|regex| regex.captures(last))
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
        Err(Fault::new(FaultKind::Protocol, "a scripted model sends nothing"))
    }
}

impl Mock {
    /// Tokens of a scripted answer are its words, so that figures can be shown.
    fn response(&self, request: &Request, rule: &Rule, text: String) -> Response {
        let words = |text: &str| text.split_whitespace().count() as u64;
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
