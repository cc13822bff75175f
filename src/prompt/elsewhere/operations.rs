//! What operators, members, filters and tests of the other tool make of values; `None` where that is not known for sure.

use serde_json::{Number, Value, json};

use super::{Js, text};
use crate::prompt::Inline;

/// A number as JavaScript has it: whole ones are whole.
pub(super) fn number_of(value: f64) -> Option<Value> {
    if !value.is_finite() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(json!(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

/// Equal in the loose and the strict sense alike; `None` where the two differ: the template no longer says which is meant.
pub(super) fn equal(a: Option<&Value>, b: Option<&Value>) -> Option<bool> {
    match (a, b) {
        (None, None) | (Some(Value::Null), Some(Value::Null)) => Some(true),
        // Loosely equal, strictly not; and a list is equal to itself alone.
        (None, Some(Value::Null))
        | (Some(Value::Null), None)
        | (Some(Value::Array(_) | Value::Object(_)), Some(Value::Array(_) | Value::Object(_))) => None,
        (None | Some(Value::Null), Some(_)) | (Some(_), None | Some(Value::Null)) => Some(false),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => Some(a == b),
        (Some(Value::Number(a)), Some(Value::Number(b))) => Some(a.as_f64() == b.as_f64()),
        (Some(Value::String(a)), Some(Value::String(b))) => Some(a == b),
        (Some(a), Some(b)) => {
            let number = |value: &Value| match value {
                Value::Bool(value) => Some(f64::from(u8::from(*value))),
                Value::String(text) if text.trim().is_empty() => Some(0.0),
                Value::String(text) => text.trim().parse().ok(),
                other => other.as_f64(),
            };
            let loose = match (number(a), number(b)) {
                (Some(a), Some(b)) => a.total_cmp(&b).is_eq() || a.abs() + b.abs() <= 0.0,
                _ => text(a) == text(b) && (a.is_array() || b.is_array()),
            };
            if loose { None } else { Some(false) }
        }
    }
}

pub(super) fn order(a: &Js, b: &Js) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Some(Value::String(a)), Some(Value::String(b))) => Some(a.encode_utf16().cmp(b.encode_utf16())),
        _ => None,
    }
}

pub(super) fn contains(item: Option<&Value>, of: Option<&Value>) -> Option<bool> {
    match (item, of?) {
        (Some(Value::String(part)), Value::String(whole)) => Some(whole.contains(part.as_str())),
        (Some(item), Value::Array(all)) => {
            let found: Option<Vec<bool>> = all.iter().map(|other| equal(Some(item), Some(other))).collect();
            Some(found?.contains(&true))
        }
        (Some(Value::String(key)), Value::Object(map)) => Some(map.contains_key(key)),
        _ => None,
    }
}

pub(super) fn member(of: Option<&Value>, key: &Value) -> Js {
    match (of?, key) {
        (Value::Object(map), Value::String(key)) => map.get(key).cloned(),
        (Value::Array(items), Value::Number(at)) => items.get(usize::try_from(at.as_u64()?).ok()?).cloned(),
        _ => None,
    }
}

/// `slice` of a text or a list; `None` where nothing is known.
pub(super) fn cut(of: Js, from: Option<&Value>, to: Option<&Value>) -> Option<Js> {
    let bounds = |length: usize| {
        let whole = i64::try_from(length).ok()?;
        let at = |value: Option<&Value>, usual: i64| match value {
            None => Some(usual),
            Some(value) => value.as_i64().map(|at| if at < 0 { (whole + at).max(0) } else { at.min(whole) }),
        };
        let (from, to) = (at(from, 0)?, at(to, whole)?);
        Some((usize::try_from(from).ok()?, usize::try_from(to.max(from)).ok()?))
    };
    match of? {
        Value::String(text) => {
            let units: Vec<u16> = text.encode_utf16().collect();
            let (from, to) = bounds(units.len())?;
            Some(Some(json!(String::from_utf16(&units[from..to]).ok()?)))
        }
        Value::Array(items) => {
            let (from, to) = bounds(items.len())?;
            Some(Some(Value::Array(items[from..to].to_vec())))
        }
        _ => None,
    }
}

pub(super) fn apply(name: &str, of: Js, given: &[Value]) -> Option<Js> {
    if let ("default" | "d", [other, more @ ..]) = (name, given) {
        let empty = more.first() == Some(&json!(true))
            && matches!(&of, Some(value) if text(value).is_empty() && !value.is_array() || *value == json!(false));
        return Some(if of.is_none() || empty { Some(other.clone()) } else { of });
    }
    let Some(of) = of else {
        return match name {
            "length" => Some(Some(json!(0))),
            "upper" | "lower" | "trim" | "string" => Some(Some(json!(""))),
            _ => None,
        };
    };
    let printed = text(&of);
    let is_plain = of.is_string() || of.is_i64();
    Some(Some(match (name, given, &of) {
        ("length", [], Value::String(text)) => json!(text.encode_utf16().count()),
        ("length", [], Value::Array(items)) => json!(items.len()),
        ("length", [], Value::Object(map)) => json!(map.len()),
        ("items", [], Value::Object(map)) => map.iter().map(|(key, value)| json!([key, value])).collect(),
        ("join", [], Value::Array(items)) => json!(items.iter().map(text).collect::<String>()),
        ("join", [between], Value::Array(items)) => {
            json!(items.iter().map(text).collect::<Vec<_>>().join(between.as_str()?))
        }
        ("first", [], Value::Array(items)) => return Some(items.first().cloned()),
        ("last", [], Value::Array(items)) => return Some(items.last().cloned()),
        ("upper", [], _) if is_plain => json!(printed.to_uppercase()),
        ("lower", [], _) if is_plain => json!(printed.to_lowercase()),
        ("trim", [], Value::String(text)) => json!(text.trim()),
        ("string", [], _) if is_plain => json!(printed),
        ("safe", [], _) | ("float", [], Value::Number(_)) => of,
        ("escape" | "e", [], Value::String(text)) if !text.contains(['&', '"', '\'', '<', '>', '`', '\\', '/']) => of,
        ("replace", [old, new], Value::String(text)) if old.as_str().is_some_and(|old| !old.is_empty()) => {
            json!(text.replace(old.as_str()?, new.as_str()?))
        }
        ("indent", [], Value::String(text)) => json!(text.replace('\n', "\n    ")),
        ("indent", [Value::Number(width)], Value::String(text)) => {
            json!(text.replace('\n', &format!("\n{}", " ".repeat(usize::try_from(width.as_u64()?).ok()?.min(1000)))))
        }
        ("abs", [], Value::Number(number)) => number_of(number.as_f64()?.abs())?,
        ("round", [], Value::Number(number)) => number_of((number.as_f64()? + 0.5).floor())?,
        ("round", [Value::Number(places)], Value::Number(number)) => {
            let factor = 10_f64.powi(i32::try_from(places.as_i64()?).ok()?);
            number_of((number.as_f64()? * factor + 0.5).floor() / factor)?
        }
        ("int", [], Value::Number(number)) => number_of(number.as_f64()?.trunc())?,
        ("int", [], Value::String(text)) => json!(text.trim().parse::<i32>().ok()?),
        // What is the same in both for texts.
        ("capitalize" | "title", [], Value::String(text)) if text.is_ascii() => {
            engine(&format!("value | {name}"), &[of])?
        }
        // Said where it is translated.
        ("tojson", _, _) => engine("value | tojson", &[of])?,
        ("sum", [], Value::Array(items)) => number_of(items.iter().map(Value::as_f64).sum::<Option<f64>>()?)?,
        ("reverse", [], Value::Array(items)) => items.iter().rev().cloned().collect(),
        ("sort", [], Value::Array(items)) if items.iter().all(is_lower) => engine("value | sort", &[of])?,
        ("split", [Value::String(at)], Value::String(text)) if !at.is_empty() => {
            text.split(at.as_str()).map(Value::from).collect()
        }
        _ => return None,
    }))
}

/// Whether the order of a text does not depend on how letters are compared.
fn is_lower(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
}

pub(super) fn tested(name: &str, of: Option<&Value>, given: &[Value]) -> Option<bool> {
    Some(match (name, given) {
        ("defined", []) => of.is_some(),
        ("undefined", []) => of.is_none(),
        ("none", []) => of == Some(&Value::Null),
        ("mapping", []) => of.is_some_and(Value::is_object),
        ("string", []) => of.is_some_and(Value::is_string),
        ("number", []) => of.is_some_and(Value::is_number),
        ("odd", []) => of?.as_i64()? % 2 != 0,
        ("even", []) => of?.as_i64()? % 2 == 0,
        ("divisibleby", [by]) => of?.as_i64()?.checked_rem(by.as_i64()?)? == 0,
        _ => return None,
    })
}

pub(super) fn method(name: &str, of: &str, given: &[Value]) -> Option<Value> {
    Some(match (name, given) {
        ("startswith", [Value::String(part)]) => json!(of.starts_with(part.as_str())),
        ("endswith", [Value::String(part)]) => json!(of.ends_with(part.as_str())),
        ("split", [Value::String(at)]) if !at.is_empty() => of.split(at.as_str()).map(Value::from).collect(),
        ("replace", [Value::String(old), Value::String(new), Value::Number(_)])
            if !old.is_empty() && !new.contains('$') =>
        {
            json!(of.replacen(old.as_str(), new, 1))
        }
        _ => return None,
    })
}

/// What our own engine makes of it, where that is known to be the same.
pub(super) fn engine(what: &str, given: &[Value]) -> Option<Value> {
    let (expression, context) = match (what, given) {
        ("range", _) => {
            let all: Vec<String> = given.iter().map(Value::to_string).collect();
            (format!("{{{{ range({}) | list }}}}", all.join(", ")), Value::Null)
        }
        (_, [value]) => (format!("{{{{ {what} }}}}"), json!({ "value": value })),
        _ => return None,
    };
    Inline::new(&expression).ok()?.evaluate(&minijinja::Value::from(minijinja::value::Serde(&context))).ok()
}
