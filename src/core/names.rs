//! Checked names: a prompt, a case, a model alias, and the key of a request.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest case name that is accepted, in characters.
pub const MAX_CASE_NAME: usize = 200;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(Arc<str>);

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                Self::new(&text)
            }
        }

        impl $name {
            /// The name as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type! {
    /// A prompt's name: its path below `prompts/` without the ending, `/` between the parts.
    PromptName
}
name_type! {
    /// A golden case's name, unique within its prompt.
    CaseName
}
name_type! {
    /// The alias of a model in `promptctl.yaml`.
    ModelAlias
}
name_type! {
    /// The SHA-256 of a request and its sample number, 64 lower-case hexadecimal digits.
    RequestKey
}

impl PromptName {
    /// A name whose parts are portable file names; `Err` says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Err("a prompt's name is empty".into());
        }
        for part in name.split('/') {
            portable_file_name(part).map_err(|why| format!("the prompt name `{name}` {why}"))?;
        }
        Ok(Self(name.into()))
    }

    /// The last part of the name.
    #[must_use]
    pub fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl CaseName {
    /// Any text of one line, up to [`MAX_CASE_NAME`] characters, that shows something; `Err` says what is wrong.
    pub fn new(name: &str) -> Result<Self, String> {
        if name.trim().is_empty() {
            return Err("a case's name is empty".into());
        }
        if name.trim() != name {
            return Err(format!("the case name `{name}` begins or ends with white space"));
        }
        let length = name.chars().count();
        if length > MAX_CASE_NAME {
            return Err(format!("the case name has {length} characters; {MAX_CASE_NAME} are the most"));
        }
        if let Some(c) = name.chars().find(|c| c.is_control() || super::escape::is_invisible(*c)) {
            return Err(format!("the case name holds the control character {}", c.escape_unicode()));
        }
        Ok(Self(name.into()))
    }
}

impl ModelAlias {
    /// Letters, digits, `-`, `_` and `.`, beginning with a letter or digit: it becomes part of file names.
    pub fn new(name: &str) -> Result<Self, String> {
        let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(ok) {
            return Err(format!(
                "the model alias `{name}` may hold letters, digits, `-`, `_` and `.` only, and begins with a letter or digit"
            ));
        }
        portable_file_name(name).map_err(|why| format!("the model alias `{name}` {why}"))?;
        if name.chars().count() > 64 {
            return Err("a model alias has at most 64 characters".into());
        }
        Ok(Self(name.into()))
    }
}

impl RequestKey {
    /// The key written as 64 lower-case hexadecimal digits; `Err` says that it is not.
    pub fn new(text: &str) -> Result<Self, String> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hex) {
            return Ok(Self(text.into()));
        }
        Err("the key is no SHA-256 of 64 hexadecimal digits".into())
    }

    /// The first twelve digits, enough for a person to tell keys apart.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

const RESERVED: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// Whether Windows keeps the name for a device (`con`, `nul.txt`, …).
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    RESERVED.contains(&stem.as_str())
}

/// Checks that one path part is a file name on Linux, macOS and Windows alike.
fn portable_file_name(part: &str) -> Result<(), String> {
    if part.is_empty() {
        return Err("has an empty part".into());
    }
    if part == "." || part == ".." {
        return Err(format!("has the part `{part}`"));
    }
    if let Some(c) = part.chars().find(|c| c.is_control() || r#"<>:"\|?*@"#.contains(*c)) {
        return Err(format!("holds {c:?}, which is not allowed in a file name everywhere"));
    }
    if part.ends_with('.') || part.ends_with(' ') || part.starts_with(' ') {
        return Err("begins or ends with a blank or a dot, which Windows does not keep".into());
    }
    if is_reserved(part) {
        return Err("is a name that Windows reserves for a device".into());
    }
    Ok(())
}

/// The longest stem that [`file_stem`] makes, in bytes.
const MAX_STEM: usize = 80;

/// A readable file name for a case, without an ending.
///
/// Lower-case ASCII letters, digits, `-`, `_` and `.` are kept, everything else becomes `-`. Where that loses
/// anything but blanks between words (so that another name could give the same text), eight digits of the name's
/// SHA-256 are added: two different names never share a file, also where the file system ignores case.
#[must_use]
pub fn file_stem(case: &CaseName) -> String {
    let name = case.as_str();
    let mut stem = String::with_capacity(name.len());
    for c in name.chars() {
        let kept = match c {
            'a'..='z' | '0'..='9' | '_' => c,
            'A'..='Z' => c.to_ascii_lowercase(),
            '.' if !stem.is_empty() => '.',
            _ => '-',
        };
        if kept == '-' && (stem.is_empty() || stem.ends_with('-')) {
            continue;
        }
        stem.push(kept);
    }
    stem.truncate(MAX_STEM);
    let stem = stem.trim_end_matches(['-', '.']);
    let plain = name.split(' ').all(|word| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.')
    });
    let spelled = name.replace(' ', "-");
    if plain && stem == spelled && !is_reserved(stem) {
        return stem.to_owned();
    }
    let digest = super::digest::sha256_hex(name.as_bytes());
    let prefix = if stem.is_empty() || is_reserved(stem) { "case-" } else { "" };
    format!("{prefix}{stem}~{}", &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem(name: &str) -> String {
        file_stem(&CaseName::new(name).expect("a valid name"))
    }

    #[test]
    fn a_plain_name_is_its_own_file_name() {
        assert_eq!(stem("within 14 days"), "within-14-days");
        assert_eq!(stem("row_12.5"), "row_12.5");
    }

    #[test]
    fn names_that_would_collide_get_a_hash() {
        let names =
            ["Refund", "refund", "refund!", "re/fund", "re-fund", "re fund", "..", "😀", "con", "a  b", "a b", ".a"];
        let stems: std::collections::HashSet<String> = names.iter().map(|n| stem(n).to_ascii_lowercase()).collect();
        assert_eq!(stems.len(), names.len(), "{stems:?}");
        assert_eq!(stem("re fund"), "re-fund");
        assert_ne!(stem("re-fund"), "re-fund");
    }

    #[test]
    fn every_stem_is_portable() {
        for name in ["../../etc/passwd", "con", "nul.txt", "a:b", "ends.", "💥💥", &"x".repeat(200), "A/B\\C"] {
            let stem = stem(name);
            portable_file_name(&stem).expect(&stem);
            assert!(!stem.contains('/') && stem.len() <= MAX_STEM + 9, "{stem}");
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        assert!(CaseName::new("a\u{1b}[31m").is_err());
        assert!(CaseName::new("a\u{202e}b").is_err());
        assert!(CaseName::new("").is_err());
        assert!(CaseName::new(&"x".repeat(300)).is_err());
        assert!(ModelAlias::new("../x").is_err());
        assert!(ModelAlias::new("nul").is_err());
        assert!(PromptName::new("a/../b").is_err());
        assert!(PromptName::new("a//b").is_err());
    }
}
