//! Pairs of escapes for one character, as JSON writes what lies beyond the first 65,536 (`\ud83d\ude00`): YAML has no such
//! pairs. Each half gets a stand-in of the same length before a text is parsed, so that every place stays where it is.

use std::borrow::Cow;

/// Where the stand-ins begin: areas of Unicode for private use, of which one is taken that a text does not use.
const AREAS: [u16; 3] = [0xE000, 0xE800, 0xF000];
const FIRST: u16 = 0xD800;
const HALVES: u16 = 0x800;

/// What a text was given for its pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct StandIns(u16);

/// The code of an escape `\uXXXX` that begins at `at`.
fn code(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
    if digits.bytes().all(|b| b.is_ascii_hexdigit()) { u16::from_str_radix(digits, 16).ok() } else { None }
}

/// Where pairs begin.
fn pairs(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find('\\').map(|i| at + i) {
        let is_pair = code(text, next).is_some_and(|high| (0xD800..0xDC00).contains(&high))
            && code(text, next + 6).is_some_and(|low| (0xDC00..0xE000).contains(&low));
        if is_pair {
            found.push(next);
            at = next + 12;
        } else {
            // What stands behind a backslash begins no escape.
            at = next + 1 + text[next + 1..].chars().next().map_or(0, char::len_utf8);
        }
    }
    found
}

/// The text with stand-ins for its pairs; `None` where it has none, or no area is left for them.
pub(super) fn replaced(text: &str) -> Option<(String, StandIns)> {
    let pairs = pairs(text);
    if pairs.is_empty() {
        return None;
    }
    let uses = |area: u16| {
        let inside = |code: u32| (u32::from(area)..u32::from(area + HALVES)).contains(&code);
        text.chars().any(|c| inside(u32::from(c)))
            || text.match_indices("\\u").any(|(at, _)| code(text, at).is_some_and(|code| inside(u32::from(code))))
    };
    let area = AREAS.into_iter().find(|area| !uses(*area))?;
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for at in pairs {
        out.push_str(&text[from..at]);
        for half in [at, at + 6] {
            let code = code(text, half)?;
            out.push_str(&format!("\\u{:04x}", code - FIRST + area));
        }
        from = at + 12;
    }
    out.push_str(&text[from..]);
    Some((out, StandIns(area)))
}

impl StandIns {
    fn half(self, code: u32) -> Option<u16> {
        let code = u16::try_from(code).ok()?;
        (self.0..self.0 + HALVES).contains(&code).then(|| code - self.0 + FIRST)
    }

    /// A text that was read, with the characters that were meant; where an escape was no escape, it is itself again.
    pub(super) fn restored(self, text: &str) -> Cow<'_, str> {
        let mut units: Vec<u16> = Vec::new();
        let mut changed = false;
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            if let Some(half) = self.half(u32::from(c)) {
                changed = true;
                units.push(half);
            } else if let Some(half) = code(text, at).and_then(|code| self.half(u32::from(code))) {
                changed = true;
                units.extend(format!("\\u{half:04x}").encode_utf16());
                at += 6;
                continue;
            } else {
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            }
            at += c.len_utf8();
        }
        if changed { Cow::Owned(String::from_utf16_lossy(&units)) } else { Cow::Borrowed(text) }
    }
}

/// The text with one escape of YAML for each pair; its length is another one.
#[must_use]
pub fn joined(text: &str) -> Cow<'_, str> {
    let pairs = pairs(text);
    if pairs.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for at in pairs {
        let (Some(high), Some(low)) = (code(text, at), code(text, at + 6)) else { continue };
        out.push_str(&text[from..at]);
        let whole = 0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
        out.push_str(&format!("\\U{whole:08x}"));
        from = at + 12;
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(text: &str) -> String {
        let (replaced, stand_ins) = replaced(text).expect("it has a pair");
        assert_eq!(replaced.len(), text.len());
        stand_ins.restored(&replaced).into_owned()
    }

    #[test]
    fn a_pair_is_one_character_and_what_is_no_escape_stays() {
        let (text, stand_ins) = replaced("\"a \\ud83d\\ude00\"").expect("it has a pair");
        let read: String = serde_json::from_str(&text).expect("JSON");
        assert_eq!(stand_ins.restored(&read), "a 😀");
        // In a text without escapes the letters themselves were read.
        assert_eq!(around("'\\ud83d\\ude00'"), "'\\ud83d\\ude00'");
        for none in ["\\\\ud83d\\\\ude00", "\\ud83d", "\\ude00\\ud83d", "\\ud83dx\\ude00", "\\", "\\u12"] {
            assert!(replaced(none).is_none(), "{none}");
        }
        // An area that the text uses itself is not taken.
        let (_, other) = replaced("\u{e000} \\ud83d\\ude00 \\ue801").expect("it has a pair");
        assert_eq!(other.0, 0xF000);
        assert_eq!(joined("\"\\ud83d\\ude00!\""), "\"\\U0001f600!\"");
    }
}
