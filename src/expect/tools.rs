//! `tool-call` and `valid-tool-arguments`: which tools the model wants to be called, and with what.

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value};

use super::argument::Arguments;
use super::fixed::fixed;
use super::schema::{mismatch, validator};
use super::wanted::{How, Template, Wanted, shown};
use super::{Check, Finding, Subject, Written};
use crate::core::decode::Fields;
use crate::core::record::ToolCall;
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// One call that is expected.
struct Call {
    name: Option<Inline>,
    arguments: Option<Template>,
    exact: bool,
    schema: Option<Arc<Validator>>,
}

struct BoundCall {
    name: Option<String>,
    arguments: Option<Wanted>,
    exact: bool,
    schema: Option<Arc<Validator>>,
}

#[derive(Clone, Copy)]
enum Order {
    AsListed,
    Any,
    Exact,
}

#[derive(Clone, Copy)]
enum Amount {
    AtLeastOne,
    Within(u64, u64),
}

struct ToolCalls {
    calls: Vec<Call>,
    order: Order,
    amount: Amount,
}

struct BoundToolCalls {
    calls: Vec<BoundCall>,
    order: Order,
    amount: Amount,
}

const ORDERS: [(&str, Order); 3] = [("in-order", Order::AsListed), ("any", Order::Any), ("exact", Order::Exact)];
const MATCHES: [(&str, bool); 2] = [("subset", false), ("exact", true)];

pub(super) fn tool_call(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("the name of a tool")?;
    let mut expected = ToolCalls { calls: Vec::new(), order: Order::AsListed, amount: Amount::AtLeastOne };
    match &node.data {
        Data::List(items) => expected.calls = read_calls(arguments, node, items)?,
        Data::Map(entries) if entries.iter().any(|(key, _)| matches!(key.text.as_str(), "calls" | "order")) => {
            let fields = arguments.decoder.fields(node, "tool-call", &["calls", "order"])?;
            let Some(calls) = fields.get("calls") else {
                arguments.error("`order` is the order of `calls`, which are not there");
                return None;
            };
            let items = arguments.decoder.list(calls, "calls")?;
            expected.calls = read_calls(arguments, calls, items)?;
            if let Some(node) = fields.get("order") {
                expected.order = arguments.decoder.choice(node, "order", &ORDERS)?;
            }
        }
        Data::Map(_) => {
            let fields =
                arguments.decoder.fields(node, "tool-call", &["name", "arguments", "match", "schema", "count"])?;
            let counted = fields.get("count");
            if fields.get("name").is_none() && counted.is_none() {
                arguments.error("`tool-call` needs the `name` of a tool, or a `count`");
                return None;
            }
            expected.calls = vec![read_call(arguments, &fields)?];
            if let Some(node) = counted {
                expected.amount = read_count(arguments, node)?;
            }
        }
        _ => expected.calls = vec![Call { name: Some(arguments.text()?), arguments: None, exact: false, schema: None }],
    }
    Some(Box::new(expected))
}

fn read_calls(arguments: &mut Arguments<'_, '_, '_>, node: &Node, items: &[Node]) -> Option<Vec<Call>> {
    if items.is_empty() {
        arguments
            .decoder
            .error(node.span.clone(), "no call is named, so every answer would do; write which are expected");
        return None;
    }
    let mut calls = Vec::with_capacity(items.len());
    for item in items {
        calls.push(if let Data::Map(_) = item.data {
            let fields = arguments.decoder.fields(item, "a call", &["name", "arguments", "match", "schema"])?;
            if fields.get("name").is_none() {
                arguments.decoder.error(item.span.clone(), "a call needs the `name` of its tool");
                return None;
            }
            read_call(arguments, &fields)?
        } else {
            let name = arguments.decoder.text(item, "a call")?;
            let name = Some(read_name(arguments, item, &name)?);
            Call { name, arguments: None, exact: false, schema: None }
        });
    }
    Some(calls)
}

fn read_name(arguments: &mut Arguments<'_, '_, '_>, node: &Node, name: &str) -> Option<Inline> {
    if name.trim().is_empty() {
        arguments.decoder.error(node.span.clone(), "the name of a tool is empty");
        return None;
    }
    arguments.inline(node, name)
}

fn read_call(arguments: &mut Arguments<'_, '_, '_>, fields: &Fields<'_>) -> Option<Call> {
    let mut call = Call { name: None, arguments: None, exact: false, schema: None };
    if let Some(node) = fields.get("name") {
        let name = arguments.decoder.text(node, "name")?;
        call.name = Some(read_name(arguments, node, &name)?);
    } else if let Some(node) = fields.get("arguments").or(fields.get("schema")) {
        arguments.decoder.error(node.span.clone(), "these are the arguments of which tool? write its `name`");
        return None;
    }
    if let Some(node) = fields.get("match") {
        call.exact = arguments.decoder.choice(node, "match", &MATCHES)?;
        if fields.get("arguments").is_none() {
            arguments
                .decoder
                .error(node.span.clone(), "`match` says how `arguments` are compared, which are not there");
            return None;
        }
    }
    if let Some(node) = fields.get("arguments") {
        match &node.data {
            Data::Map(entries) if entries.is_empty() && !call.exact => {
                let message = "empty `arguments` hold for every call; for a call without any write `match: exact`";
                arguments.decoder.error(node.span.clone(), message);
                return None;
            }
            Data::Map(_) => call.arguments = Some(Template::read(arguments, node)?),
            _ => {
                arguments.decoder.wrong_kind(node, "arguments", "a mapping");
                return None;
            }
        }
    }
    if let Some(node) = fields.get("schema") {
        call.schema = Some(Arc::new(validator(arguments, node)?));
    }
    Some(call)
}

fn read_count(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<Amount> {
    if !matches!(node.data, Data::Map(_)) {
        let count = arguments.decoder.count(node, "count", 0)?;
        return Some(Amount::Within(count, count));
    }
    let fields = arguments.decoder.fields(node, "count", &["min", "max"])?;
    let min = fields.get("min").map_or(Some(0), |node| arguments.decoder.count(node, "min", 0))?;
    let max = fields.get("max").map_or(Some(u64::MAX), |node| arguments.decoder.count(node, "max", 0))?;
    if min > max {
        arguments.error(format!("min is {min} and max is {max}, so no answer can fit"));
        return None;
    }
    if min == 0 && max == u64::MAX {
        arguments.error("every answer has so many calls; write `min` above 0, or `max`");
        return None;
    }
    Some(Amount::Within(min, max))
}

impl Written for ToolCalls {
    fn variables(&self) -> Vec<String> {
        let names = self.calls.iter().filter_map(|call| call.name.as_ref());
        let names = names.flat_map(|name| name.variables().iter().cloned());
        names
            .chain(self.calls.iter().filter_map(|call| call.arguments.as_ref()).flat_map(Template::variables))
            .collect()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let mut calls = Vec::with_capacity(self.calls.len());
        for call in &self.calls {
            let name = call.name.as_ref().map(|name| name.render(variables)).transpose()?;
            if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
                return Err("the name of the tool is empty for this case".into());
            }
            let arguments = call.arguments.as_ref().map(|template| template.render(variables)).transpose()?;
            calls.push(BoundCall { name, arguments, exact: call.exact, schema: call.schema.clone() });
        }
        Ok(Arc::new(BoundToolCalls { calls, order: self.order, amount: self.amount }))
    }
}

/// Whether a call is the expected one.
enum Fit {
    Yes,
    /// Its arguments are no JSON object: nobody can tell.
    Malformed(String),
    No(Option<String>),
}

/// The arguments of a call, where they are an object. A tool without arguments may get nothing at all.
fn parsed(call: &ToolCall) -> Option<Value> {
    match &call.arguments {
        Value::Object(map) => Some(Value::Object(map.clone())),
        Value::Null => Some(Value::Object(Map::new())),
        Value::String(raw) if raw.trim().is_empty() => Some(Value::Object(Map::new())),
        _ => None,
    }
}

fn malformed(call: &ToolCall) -> String {
    format!("the arguments of the call of `{}` are no JSON object: {}", call.name, shown(&call.arguments))
}

impl BoundCall {
    fn fit(&self, call: &ToolCall) -> Fit {
        if self.name.as_ref().is_some_and(|name| *name != call.name) {
            return Fit::No(None);
        }
        let Some(value) = parsed(call) else { return Fit::Malformed(malformed(call)) };
        let how = How { exact: self.exact, ..How::default() };
        if let Some(why) = self.arguments.as_ref().and_then(|wanted| wanted.mismatch(&value, how)) {
            return Fit::No(Some(format!("the arguments of `{}` differ {why}", call.name)));
        }
        match self.schema.as_ref().and_then(|schema| mismatch(schema, &value)) {
            Some(why) => Fit::No(Some(format!("the arguments of `{}` do not fit the schema{why}", call.name))),
            None => Fit::Yes,
        }
    }

    fn fits(&self, call: &ToolCall) -> bool {
        matches!(self.fit(call), Fit::Yes)
    }

    fn shown(&self) -> String {
        let name = self.name.as_ref().map_or_else(|| "any tool".to_owned(), |name| format!("`{name}`"));
        match &self.arguments {
            Some(wanted) => format!("{name} with {}", bare(&wanted.to_json())),
            None => name,
        }
    }
}

/// JSON as a reason shows it where nothing else tells it from text: without quotes around it.
fn bare(value: &Value) -> String {
    let text = shown(value);
    match value {
        Value::Object(_) | Value::Array(_) => text[1..text.len() - 1].to_owned(),
        _ => text,
    }
}

/// The calls of an answer as a reason shows them.
fn listed(calls: &[ToolCall]) -> String {
    if calls.is_empty() {
        return "the answer calls no tool".into();
    }
    let one = |call: &ToolCall| format!("{}({})", call.name, bare(&call.arguments));
    let more = if calls.len() > 5 { format!(" and {} more", calls.len() - 5) } else { String::new() };
    format!("the answer calls {}{more}", calls.iter().take(5).map(one).collect::<Vec<_>>().join(", "))
}

impl Check for BoundToolCalls {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let calls = &subject.response.tool_calls;
        if let (Amount::Within(min, max), [wanted]) = (self.amount, self.calls.as_slice()) {
            return counted(wanted, calls, min, max);
        }
        let holds = match self.order {
            Order::Exact => calls.len() == self.calls.len() && self.calls.iter().zip(calls).all(|(w, c)| w.fits(c)),
            Order::AsListed => {
                let mut rest = calls.iter();
                self.calls.iter().all(|wanted| rest.any(|call| wanted.fits(call)))
            }
            Order::Any => each_has_its_own(&self.calls, calls),
        };
        if holds {
            return Finding::new(true, listed(calls));
        }
        let all = self.calls.iter().flat_map(|wanted| calls.iter().map(move |call| wanted.fit(call)));
        let mut why = None;
        for fit in all {
            match fit {
                Fit::Malformed(why) => return Finding::unknown(why),
                Fit::No(Some(mismatch)) => why = why.or(Some(mismatch)),
                Fit::No(None) | Fit::Yes => {}
            }
        }
        let wanted: Vec<String> = self.calls.iter().map(BoundCall::shown).collect();
        let how = match self.order {
            _ if wanted.len() == 1 => "",
            Order::AsListed => " in this order",
            Order::Any => " in any order",
            Order::Exact => " and no other, in this order",
        };
        let why = why.map(|why| format!("; {why}")).unwrap_or_default();
        Finding::new(false, format!("expected a call of {}{how}; {}{why}", wanted.join(", "), listed(calls)))
    }
}

fn counted(wanted: &BoundCall, calls: &[ToolCall], min: u64, max: u64) -> Finding {
    let mut count = 0;
    for call in calls {
        match wanted.fit(call) {
            Fit::Yes => count += 1,
            // Whatever its arguments: it is a call of that tool.
            Fit::Malformed(_) if wanted.arguments.is_none() && wanted.schema.is_none() => count += 1,
            Fit::Malformed(why) => return Finding::unknown(why),
            Fit::No(_) => {}
        }
    }
    let expected = match (min, max) {
        (min, max) if min == max => format!("{min}"),
        (min, u64::MAX) => format!("at least {min}"),
        (0, max) => format!("at most {max}"),
        (min, max) => format!("{min} to {max}"),
    };
    let why = format!("expected {expected} calls of {}, there are {count}; {}", wanted.shown(), listed(calls));
    Finding::new((min..=max).contains(&count), why)
}

/// Whether every expected call can be given a call of its own.
fn each_has_its_own(wanted: &[BoundCall], calls: &[ToolCall]) -> bool {
    fn place(
        index: usize,
        wanted: &[BoundCall],
        calls: &[ToolCall],
        taken: &mut [Option<usize>],
        seen: &mut [bool],
    ) -> bool {
        for at in 0..calls.len() {
            if seen[at] || !wanted[index].fits(&calls[at]) {
                continue;
            }
            seen[at] = true;
            if taken[at].is_none_or(|other| place(other, wanted, calls, taken, seen)) {
                taken[at] = Some(index);
                return true;
            }
        }
        false
    }
    let mut taken = vec![None; calls.len()];
    (0..wanted.len()).all(|index| place(index, wanted, calls, &mut taken, &mut vec![false; calls.len()]))
}

/// Every call names a tool of the prompt, and its arguments fit what that tool takes.
struct ValidArguments {
    optional: bool,
}

pub(super) fn valid_tool_arguments(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let mut optional = false;
    if let Some(node) = arguments.value {
        let fields = arguments.decoder.fields(node, "valid-tool-arguments", &["optional"])?;
        if let Some(node) = fields.get("optional") {
            optional = arguments.decoder.bool(node, "optional")?;
        }
    }
    Some(fixed(ValidArguments { optional }))
}

impl Check for ValidArguments {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let calls = &subject.response.tool_calls;
        if subject.tools.is_empty() {
            return Finding::unknown("the prompt offers no tools, so no call can be checked; name them under `tools:`");
        }
        if calls.is_empty() {
            return Finding::new(self.optional, "the answer calls no tool");
        }
        for call in calls {
            let Some(tool) = subject.tools.iter().find(|tool| tool.name == call.name) else {
                let known: Vec<&str> = subject.tools.iter().map(|tool| tool.name.as_str()).collect();
                let why = format!("the prompt offers no tool `{}`; it offers {}", call.name, known.join(", "));
                return Finding::new(false, why);
            };
            let Some(value) = parsed(call) else { return Finding::new(false, malformed(call)) };
            let schema = match jsonschema::options().should_validate_formats(true).build(&tool.parameters) {
                Ok(schema) => schema,
                Err(error) => {
                    return Finding::unknown(format!("the parameters of `{}` are no schema: {error}", tool.name));
                }
            };
            if let Some(why) = mismatch(&schema, &value) {
                let why = format!("the arguments of `{}` do not fit its parameters{why}", call.name);
                return Finding::new(false, format!("{why}; {}", listed(std::slice::from_ref(call))));
            }
        }
        Finding::new(true, format!("every call fits its tool; {}", listed(calls)))
    }
}
