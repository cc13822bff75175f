//! Expectations on what can be counted: words, tokens, milliseconds, money; and on how the answer ended.

use std::sync::Arc;

use super::argument::Arguments;
use super::fixed::fixed;
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::record::FinishReason;
use crate::core::time::parse_duration_ms;
use crate::core::yaml::Data;
use crate::prompt::Inline;

/// How many words, separated by white space.
struct WordCount {
    min: u64,
    max: u64,
}

pub(super) fn word_count(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a number, or `min` and `max`")?;
    match &node.data {
        Data::Map(_) => {
            let fields = arguments.decoder.fields(node, "word-count", &["min", "max"])?;
            let (min, max) = (fields.get("min"), fields.get("max"));
            if min.is_none() && max.is_none() {
                arguments.error("`word-count` needs `min`, `max` or both");
                return None;
            }
            let min = min.map_or(Some(0), |node| arguments.decoder.count(node, "min", 0))?;
            let max = max.map_or(Some(u64::MAX), |node| arguments.decoder.count(node, "max", 1))?;
            if min > max {
                arguments.error(format!("min is {min} and max is {max}, so no answer can fit"));
                return None;
            }
            Some(fixed(WordCount { min, max }))
        }
        Data::Text(text) => match text.trim().parse() {
            Ok(count) => Some(fixed(WordCount { min: count, max: count })),
            Err(_) => {
                arguments.error("the value of `word-count` must be a number, or `min` and `max`");
                None
            }
        },
        _ => {
            let count = arguments.decoder.count(node, "the value of `word-count`", 1)?;
            Some(fixed(WordCount { min: count, max: count }))
        }
    }
}

impl Check for WordCount {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let count = subject.response.text.split_whitespace().count() as u64;
        let wanted = match (self.min, self.max) {
            (min, max) if min == max => format!("{min}"),
            (min, u64::MAX) => format!("at least {min}"),
            (0, max) => format!("at most {max}"),
            (min, max) => format!("{min} to {max}"),
        };
        Finding::new((self.min..=self.max).contains(&count), format!("expected {wanted} words, there are {count}"))
    }
}

/// A figure of the answer that must not pass a limit.
struct AtMost {
    limit: f64,
    unit: &'static str,
    what: &'static str,
    figure: fn(&Subject<'_>) -> Option<f64>,
}

impl Check for AtMost {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let (limit, unit, what) = (self.limit, self.unit, self.what);
        match (self.figure)(subject) {
            Some(value) => {
                Finding::new(value <= limit, format!("{what} is {value}{unit}; at most {limit}{unit} is expected"))
            }
            None => Finding::unknown(format!("{what} is not known, so it cannot be checked")),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "tokens and milliseconds are far below 2^53")]
fn as_float(value: u64) -> f64 {
    value as f64
}

pub(super) fn max_tokens(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let limit = arguments.limit("a number of tokens")?;
    if limit < 1.0 {
        arguments.error("`max-tokens` needs a number of at least 1: every answer has a token");
        return None;
    }
    let figure = |subject: &Subject<'_>| subject.response.usage.output.map(as_float);
    Some(fixed(AtMost { limit, unit: " tokens", what: "the length of the answer", figure }))
}

pub(super) fn cost(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let limit = arguments.limit("an amount in USD")?;
    Some(fixed(AtMost { limit, unit: " USD", what: "the cost", figure: |subject| subject.cost_usd }))
}

pub(super) fn latency(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("milliseconds, or a duration such as 2s")?;
    let limit = match &node.data {
        Data::Text(text) => match parse_duration_ms(text) {
            Some(ms) => as_float(ms),
            None => {
                arguments.error(format!("`{text}` is no duration; write milliseconds, or 250ms, 2s, 1m"));
                return None;
            }
        },
        _ => arguments.limit("milliseconds")?,
    };
    if limit <= 0.0 {
        arguments.error("`latency` needs a time above 0: every answer takes some");
        return None;
    }
    let figure = |subject: &Subject<'_>| subject.response.latency_ms.map(as_float);
    Some(fixed(AtMost { limit, unit: " ms", what: "the latency", figure }))
}

/// Why the answer ended.
struct Finish(FinishReason);

pub(super) fn finish_reason(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a finish reason")?;
    let text = arguments.decoder.text(node, "the value of `finish-reason`")?;
    let name = text.to_ascii_lowercase().replace('_', "-");
    let reason = FinishReason::ALL.iter().find(|(known, _)| *known == name);
    match reason {
        Some((_, reason)) => Some(fixed(Finish(*reason))),
        None => {
            let names: Vec<&str> = FinishReason::ALL.iter().map(|(name, _)| *name).collect();
            let hint = crate::core::suggest::did_you_mean(&name, names.iter().copied());
            arguments.error(format!("`{text}` is no finish reason; there are {}{hint}", names.join(", ")));
            None
        }
    }
}

impl Check for Finish {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let reason = subject.response.finish_reason;
        let why = format!("the finish reason is {}; {} is expected", reason.name(), self.0.name());
        Finding::new(reason == self.0, why)
    }
}

/// No answer at all.
struct Empty;

pub(super) fn is_empty(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    if arguments.value.is_some() {
        arguments.error("`is-empty` takes no value");
        return None;
    }
    Some(fixed(Empty))
}

impl Check for Empty {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let empty = subject.response.is_empty();
        let what = if empty {
            "the answer is empty".into()
        } else {
            format!("the answer is {}", quoted(&subject.response.text))
        };
        Finding::new(empty, what)
    }
}

/// The model id that the server reported.
struct Served(Inline);
struct BoundServed(String);

pub(super) fn served_model(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    Some(Box::new(Served(arguments.text()?)))
}

impl Written for Served {
    fn variables(&self) -> Vec<String> {
        self.0.variables().to_vec()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        Ok(Arc::new(BoundServed(self.0.render(variables)?)))
    }
}

impl Check for BoundServed {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let served = subject.response.model.as_deref();
        let why = format!("the server reported the model {}; `{}` is expected", served.unwrap_or("(none)"), self.0);
        Finding::new(served == Some(self.0.as_str()), why)
    }
}
