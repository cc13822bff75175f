//! The file format of `insta`: `---`, YAML, `---`, body.
//!
//! The body is kept byte for byte, with one line feed behind it. What stands in the YAML is read only when it is
//! needed: comparing ten thousand answers does not parse ten thousand headers.

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::core::escape::is_hidden;
use crate::core::yaml::conflict_marker;

/// Why a file is no snapshot.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    /// The header does not begin or end.
    #[error("the header is broken: {0}")]
    Header(String),
    /// The header's YAML cannot be read.
    #[error("the header cannot be read: {0}")]
    Yaml(String),
    /// A merge was left unfinished.
    #[error("a conflict marker of a merge; take either side and run `promptctl test --offline`")]
    Conflict,
}

/// What stands in a snapshot's header.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The file with the case.
    #[serde(default)]
    pub source: String,
    /// Prompt, case and model, for people.
    #[serde(default)]
    pub description: String,
    /// What promptctl knows about the answer.
    #[serde(default)]
    pub info: Info,
    /// The prompt's file.
    #[serde(default)]
    pub input_file: String,
    /// Keys of insta that mean nothing here, but that its tools may write.
    #[serde(default)]
    pub expression: Option<String>,
    /// As above.
    #[serde(default)]
    pub assertion_line: Option<u32>,
    /// As above.
    #[serde(default)]
    pub snapshot_kind: Option<String>,
}

/// What promptctl knows about the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Info {
    /// The prompt.
    pub prompt: String,
    /// The case.
    pub case: String,
    /// The alias of the model.
    pub model: String,
    /// What the prompt's author calls its version.
    pub version: String,
    /// What the prompt was.
    pub digest: String,
    /// The key of the request.
    pub key: String,
    /// How the answer is compared: `text` or `json`.
    pub compare: String,
    /// SHA-256 of the answer as it was compared, before insta's tools may have trimmed the body.
    pub sha256: String,
    /// Why the answer ended.
    pub finish: String,
    /// Whether it reads as a refusal.
    pub refusal: bool,
    /// Whether expectations fail; such an answer is never accepted with others.
    pub failing: bool,
    /// What of it fails; only while the answer waits.
    pub fails: Vec<String>,
    /// Why it was accepted, where somebody said so.
    pub reason: String,
}

/// A snapshot file.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    header: String,
    body: String,
}

impl Snapshot {
    /// A new snapshot.
    #[must_use]
    pub fn new(source: &str, input_file: &str, info: &Info, body: String) -> Self {
        let mut header = String::new();
        let mut field = |name: &str, value: &str| {
            if !value.is_empty() {
                header.push_str(&format!("{name}: {}\n", scalar(value)));
            }
        };
        field("source", source);
        field("description", &format!("{} · {} · {}", info.prompt, info.case, info.model));
        field("input_file", input_file);
        let fields: [(&str, &str); 10] = [
            ("prompt", &info.prompt),
            ("case", &info.case),
            ("model", &info.model),
            ("version", &info.version),
            ("digest", &info.digest),
            ("key", &info.key),
            ("compare", &info.compare),
            ("sha256", &info.sha256),
            ("finish", &info.finish),
            ("reason", &info.reason),
        ];
        let mut header = format!("{header}info:\n");
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            header.push_str(&format!("  {name}: {}\n", scalar(value)));
        }
        for (name, _) in [("refusal", info.refusal), ("failing", info.failing)].into_iter().filter(|(_, set)| *set) {
            header.push_str(&format!("  {name}: true\n"));
        }
        if !info.fails.is_empty() {
            header.push_str("  fails:\n");
        }
        for what in &info.fails {
            header.push_str(&format!("    - {}\n", scalar(what)));
        }
        Self { header, body }
    }

    /// The same answer as it is kept once it was accepted, with the reason that was given. What fails is a matter of the
    /// run that saw it.
    pub fn accepted(&self, reason: Option<&Reason>) -> Result<Self, SnapshotError> {
        let Header { source, input_file, mut info, .. } = self.header()?;
        if reason.is_none() && info.fails.is_empty() {
            return Ok(self.clone());
        }
        if let Some(reason) = reason {
            reason.as_str().clone_into(&mut info.reason);
        }
        info.fails.clear();
        Ok(Self::new(&source, &input_file, &info, self.body.clone()))
    }

    /// Reads a file's text. The header must be whole; what it says is read by [`Snapshot::header`].
    pub fn parse(text: &str) -> Result<Self, SnapshotError> {
        let first = text.split_inclusive('\n').next().unwrap_or_default();
        if first.trim_end() != "---" {
            let message = if conflict_marker(text).is_some() {
                return Err(SnapshotError::Conflict);
            } else {
                "the first line must be `---`"
            };
            return Err(SnapshotError::Header(message.into()));
        }
        let mut offset = first.len();
        for line in text[offset..].split_inclusive('\n') {
            if line.trim_end() == "---" {
                let header = text[first.len()..offset].to_owned();
                if conflict_marker(&header).is_some() {
                    return Err(SnapshotError::Conflict);
                }
                let body = &text[offset + line.len()..];
                let body = body.strip_suffix('\n').unwrap_or(body);
                return Ok(Self { header, body: body.to_owned() });
            }
            offset += line.len();
        }
        Err(SnapshotError::Header("the line `---` behind the YAML is missing".into()))
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("---\n{}---\n{}\n", self.header, self.body)
    }

    /// What the header says.
    pub fn header(&self) -> Result<Header, SnapshotError> {
        serde_yaml::from_str(&self.header).map_err(|error| SnapshotError::Yaml(error.to_string()))
    }

    /// The answer.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The line of the whole file (from 1) that an error of [`Snapshot::header`] is nearest to, and 1 otherwise.
    #[must_use]
    pub fn error_line(&self) -> usize {
        match serde_yaml::from_str::<Header>(&self.header) {
            Err(error) => error.location().map_or(1, |location| location.line() + 1),
            Ok(_) => 1,
        }
    }
}

/// A text as YAML reads it back, whatever version of YAML reads it.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | ' ' | '·' | '@' | '~');
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        return text.to_owned();
    }
    // A JSON string is a double-quoted YAML text, but for characters that YAML takes as escapes only.
    let escaped = |c: char| match u32::from(c) {
        code @ 0x7f..=0xffff if is_hidden(c) => format!("\\u{code:04x}"),
        _ => c.to_string(),
    };
    serde_json::Value::String(text.to_owned()).to_string().chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn info(case: &str) -> Info {
        Info { prompt: "support/refund".into(), case: case.into(), model: "fast".into(), ..Info::default() }
    }

    proptest! {
        #[test]
        fn a_body_comes_back_byte_for_byte(body in "(?s)(---\n|\r\n|\n| |\t|[a-z]|\\PC|.){0,40}") {
            let snapshot = Snapshot::new("fixtures/a/cases.yaml", "prompts/a.j2", &info("a"), body.clone());
            let read = Snapshot::parse(&snapshot.to_text()).expect("readable");
            prop_assert_eq!(read.body(), body.as_str());
            prop_assert!(read.header().is_ok());
        }

        #[test]
        fn any_case_name_comes_back(case in "[^\\p{C}]{1,30}") {
            let snapshot = Snapshot::new("a", "b", &info(&case), "x".into());
            let header = Snapshot::parse(&snapshot.to_text()).expect("readable").header().expect("a header");
            prop_assert_eq!(header.info.case, case);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = Snapshot::parse(&text).map(|snapshot| snapshot.header());
        }
    }

    #[test]
    fn words_that_yaml_reads_otherwise_are_quoted() {
        for case in ["no", "1.0", "null", "~", "a: b", "- x", "#tag", "'q'", "yes", "😀", "2026-01-01"] {
            let snapshot = Snapshot::new("a", "b", &info(case), "x".into());
            assert_eq!(snapshot.header().expect("a header").info.case, case);
        }
    }

    #[test]
    fn an_accepted_answer_says_why_and_not_what_failed() {
        let hidden = "a\u{7f}\u{9b}\u{2028}\u{feff}\u{fffe}\u{ffff}\u{1fffe}\u{e0041}\u{202e}".to_owned();
        let fails = vec!["contains: \"x\": no".to_owned(), "- true".to_owned(), hidden];
        let waiting = Snapshot::new("a", "b", &Info { failing: true, fails: fails.clone(), ..info("c") }, "x".into());
        assert_eq!(waiting.header().expect("a header").info.fails, fails);
        let reason = Reason::new("no: the \"policy\" # changed").expect("a reason");
        let accepted = waiting.accepted(Some(&reason)).expect("a header");
        let info = accepted.header().expect("a header").info;
        assert_eq!((info.reason.as_str(), info.fails.len(), info.failing), (reason.as_str(), 0, true));
        assert_eq!(accepted.body(), "x");
        let plain = Snapshot::new("a", "b", &self::info("c"), "x".into());
        assert_eq!(plain.accepted(None).expect("a header"), plain);
    }

    #[test]
    fn broken_headers_are_named() {
        assert!(matches!(Snapshot::parse("source: x\n---\nbody\n"), Err(SnapshotError::Header(_))));
        assert!(matches!(Snapshot::parse("---\nsource: x\nbody\n"), Err(SnapshotError::Header(_))));
        let conflict = "---\n<<<<<<< HEAD\nsource: x\n=======\nsource: y\n>>>>>>> z\n---\nbody\n";
        assert_eq!(Snapshot::parse(conflict), Err(SnapshotError::Conflict));
        let bad = Snapshot::parse("---\nsource: [\n---\nbody\n").expect("a whole header");
        assert!(bad.header().is_err() && bad.error_line() > 1);
    }
}
