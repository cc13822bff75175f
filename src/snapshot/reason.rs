//! Why an answer was accepted, in a person's words.

use crate::core::escape::written_out;

/// The most characters of a reason.
const LONGEST: usize = 1_000;

/// A reason, on one line and with nothing hidden in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// Reads a reason: white space counts as one blank; `Err` says why it is none.
    pub fn new(text: &str) -> Result<Self, String> {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            return Err("the reason is empty; say why the answer is accepted".to_owned());
        }
        let count = line.chars().count();
        if count > LONGEST {
            return Err(format!("the reason has {count} characters; {LONGEST} are the most"));
        }
        match line.chars().find_map(written_out) {
            Some(hidden) => Err(format!("the reason holds `{hidden}`, which cannot be seen")),
            None => Ok(Self(line)),
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_can_be_seen() {
        assert_eq!(Reason::new("  the new\n policy ").expect("a reason").as_str(), "the new policy");
        for bad in ["", " \n\t", "a\u{202e}b", "a\u{1b}[2J", "a\0", &"x".repeat(1_001)] {
            assert!(Reason::new(bad).is_err(), "{bad:?}");
        }
    }
}
