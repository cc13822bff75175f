//! `number`: a number in the answer equals another one, nearly, or lies within limits.

use std::sync::Arc;

use super::argument::Arguments;
use super::exact::Exact;
use super::numerals::{Decimal, Numeral, numerals};
use super::shown::quoted;
use super::{Check, Finding, Subject, Written};
use crate::core::yaml::{Data, Node};
use crate::prompt::Inline;

/// Which of several numbers is meant.
#[derive(Clone, Copy, PartialEq)]
enum Which {
    Any,
    All,
    First,
    Last,
}

#[derive(Clone, Copy)]
enum Tolerance {
    By(f64),
    /// A share of the expected value.
    Share(f64),
}

struct Number {
    value: Option<Inline>,
    min: Option<Inline>,
    max: Option<Inline>,
    tolerance: Tolerance,
    which: Which,
    decimal: Decimal,
}

struct BoundNumber {
    value: Option<Numeral>,
    min: Option<Exact>,
    max: Option<Exact>,
    tolerance: Tolerance,
    which: Which,
    decimal: Decimal,
}

const KEYS: [&str; 6] = ["value", "min", "max", "tolerance", "which", "decimal"];
const WHICH: [(&str, Which); 4] =
    [("any", Which::Any), ("all", Which::All), ("first", Which::First), ("last", Which::Last)];
const DECIMALS: [(&str, Decimal); 2] = [("point", Decimal::Point), ("comma", Decimal::Comma)];

pub(super) fn number(arguments: &mut Arguments<'_, '_, '_>) -> Option<Box<dyn Written>> {
    let node = arguments.required("a number, or `value`, `min` or `max`")?;
    let mut number = Number {
        value: None,
        min: None,
        max: None,
        tolerance: Tolerance::By(0.0),
        which: Which::Any,
        decimal: Decimal::Point,
    };
    if !matches!(node.data, Data::Map(_)) {
        number.value = Some(figure(arguments, node, "the value of `number`")?);
        return Some(Box::new(number));
    }
    let fields = arguments.decoder.fields(node, "number", &KEYS)?;
    if let Some(node) = fields.get("value") {
        number.value = Some(figure(arguments, node, "value")?);
    }
    if let Some(node) = fields.get("min") {
        number.min = Some(figure(arguments, node, "min")?);
    }
    if let Some(node) = fields.get("max") {
        number.max = Some(figure(arguments, node, "max")?);
    }
    if let Some(node) = fields.get("which") {
        number.which = arguments.decoder.choice(node, "which", &WHICH)?;
    }
    if let Some(node) = fields.get("decimal") {
        number.decimal = arguments.decoder.choice(node, "decimal", &DECIMALS)?;
    }
    let limits = number.min.is_some() || number.max.is_some();
    let wrong = match (number.value.is_some(), limits, fields.get("tolerance")) {
        (false, false, _) => Some("`number` needs `value`, or `min`, `max` or both"),
        (true, true, _) => Some("`number` takes either `value`, or `min` and `max`"),
        (false, true, Some(_)) => Some("`tolerance` belongs to `value`; write the limits themselves"),
        _ => None,
    };
    if let Some(wrong) = wrong {
        arguments.error(wrong);
        return None;
    }
    if let Some(node) = fields.get("tolerance") {
        number.tolerance = tolerance(arguments, node)?;
    }
    Some(Box::new(number))
}

/// A number, or a text with one in it, which may be a template.
fn figure(arguments: &mut Arguments<'_, '_, '_>, node: &Node, what: &str) -> Option<Inline> {
    match &node.data {
        Data::Number(_, raw) => arguments.inline(node, raw),
        Data::Text(text) => arguments.inline(node, text),
        _ => {
            arguments.decoder.wrong_kind(node, what, "a number");
            None
        }
    }
}

fn tolerance(arguments: &mut Arguments<'_, '_, '_>, node: &Node) -> Option<Tolerance> {
    let share = match &node.data {
        Data::Text(text) => text.trim().strip_suffix('%').and_then(|share| share.trim().parse::<f64>().ok()),
        _ => {
            return arguments
                .decoder
                .number(node, "tolerance")
                .and_then(|by| not_negative(arguments, node, by))
                .map(Tolerance::By);
        }
    };
    match share.filter(|share| share.is_finite()) {
        Some(share) => not_negative(arguments, node, share / 100.0).map(Tolerance::Share),
        None => {
            arguments.decoder.error(node.span.clone(), "tolerance is a number, or a share of the value such as 5%");
            None
        }
    }
}

fn not_negative(arguments: &mut Arguments<'_, '_, '_>, node: &Node, by: f64) -> Option<f64> {
    if by < 0.0 {
        arguments.decoder.error(node.span.clone(), "tolerance must be at least 0");
        return None;
    }
    Some(by)
}

impl Number {
    fn read(&self, inline: &Inline, what: &str, variables: &minijinja::Value) -> Result<Numeral, String> {
        let text = inline.render(variables)?;
        // As Rust reads it, as it stands in YAML and JSON; else as people write it.
        if let Some(exact) = Exact::read(text.trim()) {
            return Ok(Numeral { exact, percent: false });
        }
        match numerals(&text, self.decimal).as_slice() {
            [one] => Ok(one.clone()),
            _ => Err(format!("{what} must be a number; it is {}", quoted(&text))),
        }
    }
}

impl Written for Number {
    fn variables(&self) -> Vec<String> {
        let all = [&self.value, &self.min, &self.max];
        all.into_iter().flatten().flat_map(|inline| inline.variables().iter().cloned()).collect()
    }

    fn bind(&self, variables: &minijinja::Value) -> Result<Arc<dyn Check>, String> {
        let read = |inline: &Option<Inline>, what| {
            inline.as_ref().map(|inline| self.read(inline, what, variables)).transpose()
        };
        let (value, min, max) = (read(&self.value, "value")?, read(&self.min, "min")?, read(&self.max, "max")?);
        let (min, max) = (min.map(|n| n.exact), max.map(|n| n.exact));
        if let (Some(min), Some(max)) = (&min, &max)
            && min > max
        {
            return Err(format!("min is {min} and max is {max}, so no number can fit"));
        }
        let Self { tolerance, which, decimal, .. } = *self;
        Ok(Arc::new(BoundNumber { value, min, max, tolerance, which, decimal }))
    }
}

impl BoundNumber {
    fn fits(&self, found: &Numeral) -> bool {
        let Some(wanted) = &self.value else {
            let is_above = self.min.as_ref().is_none_or(|min| found.exact >= *min);
            return is_above && self.max.as_ref().is_none_or(|max| found.exact <= *max);
        };
        if wanted.percent && !found.percent {
            return false;
        }
        let by = match self.tolerance {
            Tolerance::By(by) => by,
            Tolerance::Share(share) => share * wanted.exact.value().abs(),
        };
        by > 0.0 && distance(&found.exact, &wanted.exact) <= by * (1.0 + 4.0 * f64::EPSILON)
            || found.exact == wanted.exact
    }

    fn wanted(&self) -> String {
        let Some(value) = &self.value else {
            return match (&self.min, &self.max) {
                (Some(min), Some(max)) => format!("a number from {min} to {max}"),
                (Some(min), None) => format!("a number of at least {min}"),
                (None, Some(max)) => format!("a number of at most {max}"),
                (None, None) => "a number".to_owned(),
            };
        };
        let value = shown(value);
        match self.tolerance {
            Tolerance::By(0.0) | Tolerance::Share(0.0) => format!("the number {value}"),
            Tolerance::By(by) => format!("the number {value} within {by}"),
            Tolerance::Share(share) => format!("the number {value} within {}%", share * 100.0),
        }
    }
}

/// How far two numbers are apart: exact for whole ones.
fn distance(one: &Exact, other: &Exact) -> f64 {
    let whole = one.whole().zip(other.whole()).and_then(|(one, other)| one.checked_sub(other));
    if let Some(far) = whole.and_then(|far| far.unsigned_abs().to_string().parse().ok()) {
        return far;
    }
    let (one, other) = (one.value(), other.value());
    // 0.4 is within 0.1 of 0.3, though its distance is 0.10000000000000003.
    ((one - other).abs() - 4.0 * f64::EPSILON * one.abs().max(other.abs())).max(0.0)
}

fn shown(found: &Numeral) -> String {
    format!("{}{}", found.exact, if found.percent { "%" } else { "" })
}

impl Check for BoundNumber {
    fn check(&self, subject: &Subject<'_>) -> Finding {
        let text = &subject.response.text;
        let found = numerals(text, self.decimal);
        let (Some(first), Some(last)) = (found.first(), found.last()) else {
            return Finding::new(false, format!("expected {}; there is no number in {}", self.wanted(), quoted(text)));
        };
        let (holds, which) = match self.which {
            Which::Any => (found.iter().any(|number| self.fits(number)), ""),
            Which::All => (found.iter().all(|number| self.fits(number)), "every one to be "),
            Which::First => (self.fits(first), "the first to be "),
            Which::Last => (self.fits(last), "the last to be "),
        };
        let listed: Vec<String> = found.iter().take(10).map(shown).collect();
        let more = if found.len() > 10 { format!(" and {} more", found.len() - 10) } else { String::new() };
        let why = format!("expected {which}{}; the answer has {}{more}", self.wanted(), listed.join(", "));
        Finding::new(holds, why)
    }
}
