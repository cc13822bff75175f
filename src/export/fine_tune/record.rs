//! `split.json`: which case is on which side, what was wanted, and digests of all of it, for whoever looks at the folder later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Division, Example, Lines, Side, Wanted};
use crate::core::digest::{canonical_json, sha256_hex};
use crate::core::escape;
use crate::core::record::{Message, Tool};

/// The file with the split.
pub const SPLIT: &str = "split.json";
/// The file that says what the data are.
pub const CARD: &str = "card.md";
/// Who makes such a folder.
pub const MADE_BY: &str = "promptctl export fine-tune";

/// SHA-256 over all that was said and the tools on offer.
#[must_use]
pub fn digest_of(messages: &[Message], tools: &[Tool]) -> String {
    let messages: Vec<Value> = messages.iter().map(Message::canonical).collect();
    sha256_hex(canonical_json(&json!({"messages": messages, "tools": tools})).as_bytes())
}

/// A model whose answers are learnt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedModel {
    /// Its alias.
    pub alias: String,
    /// The ids that the server reported.
    pub served: String,
}

/// What an export was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Prompts, as on the command line; empty for all.
    pub prompts: Vec<String>,
    /// Globs over the names of cases.
    pub cases: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Aliases of models.
    pub models: Vec<String>,
    /// The rest.
    pub options: Wanted,
}

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its lines.
    pub lines: usize,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

impl FileRecord {
    /// Of a file with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { lines: bytes.iter().filter(|byte| **byte == b'\n').count(), sha256: sha256_hex(bytes) }
    }
}

/// One example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The prompt.
    pub prompt: String,
    /// The case.
    pub case: String,
    /// The model that answered.
    pub model: String,
    /// Where it is.
    pub side: Side,
    /// Its line there, from 1.
    pub line: usize,
    /// What belongs together has the same.
    pub group: String,
    /// SHA-256 over all that was said.
    pub sha256: String,
}

/// What the folder was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maker {
    /// The command.
    pub made_by: String,
    /// The commit; none outside a repository.
    pub commit: Option<String>,
    /// Whether the project was edited since.
    pub edited: Option<bool>,
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRecord {
    /// The version of this format.
    pub version: u32,
    /// Who made it, from what.
    pub maker: Maker,
    /// What was asked for.
    pub asked: Asked,
    /// Each prompt with its digest.
    pub prompts: BTreeMap<String, String>,
    /// The models that answered.
    pub models: Vec<TunedModel>,
    /// The files with lines.
    pub files: BTreeMap<String, FileRecord>,
    /// Every example, by prompt, case and model.
    pub examples: Vec<Line>,
}

impl SplitRecord {
    /// The record of a division.
    #[must_use]
    pub fn new(maker: Maker, asked: Asked, examples: &[Example], division: &Division, lines: &Lines) -> Self {
        let mut models: Vec<TunedModel> = examples
            .iter()
            .map(|example| TunedModel { alias: example.model.to_string(), served: example.served.clone() })
            .collect();
        models.sort();
        models.dedup();
        let mut written: Vec<Line> = examples
            .iter()
            .enumerate()
            .map(|(index, example)| Line {
                prompt: example.prompt.to_string(),
                case: example.case.to_string(),
                model: example.model.to_string(),
                side: division.sides[index],
                line: lines.numbers[index],
                group: division.groups[index].clone(),
                sha256: example.sha256.clone(),
            })
            .collect();
        written.sort_by(|a, b| (&a.prompt, &a.case, &a.model).cmp(&(&b.prompt, &b.case, &b.model)));
        let files = [(Side::Train, &lines.train), (Side::Validation, &lines.validation)]
            .into_iter()
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(side, bytes)| (format!("{}.jsonl", side.name()), FileRecord::of(bytes)))
            .collect();
        let prompts =
            examples.iter().map(|example| (example.prompt.to_string(), example.prompt_digest.clone())).collect();
        Self { version: 1, maker, asked, prompts, models, files, examples: written }
    }

    /// Reads the file. An error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let record: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if record.maker.made_by != MADE_BY {
            return Err(format!("it was made by `{}`, not by `{MADE_BY}`", record.maker.made_by));
        }
        if record.version != 1 {
            return Err(format!("its version is {}, and 1 is what is known", record.version));
        }
        Ok(record)
    }

    /// As it is written.
    #[must_use]
    pub fn to_text(&self) -> String {
        // A record of texts and numbers always has a JSON form.
        format!("{}\n", escape::json(&serde_json::to_string_pretty(self).unwrap_or_default()))
    }

    /// Prompt and case of every example of a side.
    pub fn cases_of(&self, side: Side) -> impl Iterator<Item = (&str, &str)> {
        self.examples
            .iter()
            .filter(move |line| line.side == side)
            .map(|line| (line.prompt.as_str(), line.case.as_str()))
    }
}
