//! Canonical JSON and SHA-256: what a request's key and a prompt's digest are made of.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A digest over several parts, each with its length, so that moving a byte from one part to the next shows.
#[derive(Default)]
pub struct DigestBuilder(Sha256);

impl DigestBuilder {
    /// Adds a part under a label.
    pub fn part(&mut self, label: &str, bytes: &[u8]) {
        for field in [label.as_bytes(), bytes] {
            self.0.update((field.len() as u64).to_le_bytes());
            self.0.update(field);
        }
    }

    /// The digest as 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// `value` as JSON with the keys of every object sorted by their bytes and no white space.
///
/// Numbers are written as `serde_json` reads and writes them, with one exception: a float without a fraction is
/// written as the integer it equals (`1.0` is `1`), because YAML, JSON and wire formats differ in nothing else there.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
            text.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                write_string(key, text);
                text.push(':');
                write_canonical(item, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::String(s) => write_string(s, text),
        Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked, the fraction is zero")]
            Some(f) if f.fract() == 0.0 && f.abs() < 9e15 => text.push_str(&(f as i64).to_string()),
            _ => text.push_str(&n.to_string()),
        },
        Value::Bool(b) => text.push_str(if *b { "true" } else { "false" }),
        Value::Null => text.push_str("null"),
    }
}

fn write_string(s: &str, text: &mut String) {
    // A string always serialises: there is no float and no map key in it.
    text.push_str(&serde_json::to_string(s).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_does_not_matter_and_every_value_does() {
        let a = canonical_json(&json!({"b": [1, 2], "a": {"y": null, "x": "é\n"}}));
        let b = canonical_json(&json!({"a": {"x": "é\n", "y": null}, "b": [1, 2]}));
        assert_eq!(a, b);
        assert_eq!(a, r#"{"a":{"x":"é\n","y":null},"b":[1,2]}"#);
        assert_ne!(a, canonical_json(&json!({"a": {"x": "é\n", "y": null}, "b": [2, 1]})));
    }

    #[test]
    fn a_whole_float_is_the_integer() {
        assert_eq!(canonical_json(&json!({"t": 1.0, "u": 0.5})), r#"{"t":1,"u":0.5}"#);
    }

    #[test]
    fn parts_do_not_run_together() {
        let digest = |parts: &[(&str, &str)]| {
            let mut builder = DigestBuilder::default();
            for (label, text) in parts {
                builder.part(label, text.as_bytes());
            }
            builder.finish()
        };
        assert_ne!(digest(&[("a", "bc")]), digest(&[("ab", "c")]));
        assert_ne!(digest(&[("a", "b"), ("c", "d")]), digest(&[("a", "bcd")]));
    }
}
