//! What every format shares: the folder that is read, the draft that grows, and what is told.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::draft::Draft;
use super::finding::{Findings, shown};
use super::nunjucks;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Source};
use crate::core::yaml::{self, Node};
use crate::tree::Tree;

/// The largest file of the source that is read, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// A file that the source names.
pub(super) enum Loaded {
    Text(String),
    /// What a JSON or YAML file holds.
    Value(Value),
}

/// An import on its way.
pub(super) struct Intake<'t> {
    pub(super) tree: &'t dyn Tree,
    pub(super) draft: Draft,
    pub(super) findings: Findings,
}

impl<'t> Intake<'t> {
    pub(super) fn new(tree: &'t dyn Tree) -> Self {
        Self { tree, draft: Draft::default(), findings: Findings::default() }
    }

    /// The path of a file that a text of the source names, from a folder; one that leaves the folder of the import is
    /// reported at `place`.
    pub(super) fn path(&mut self, folder: &TreePath, name: &str, place: &Place) -> Option<TreePath> {
        let plain = name.strip_prefix("file://").unwrap_or(name);
        match folder.join(plain) {
            Ok(path) => Some(path),
            Err(_) => {
                let message = format!("`{}` lies outside the folder of the import, and is not read", shown(plain));
                self.findings.lost(place.clone(), message, "name a folder above both with `--root`, or copy the file");
                None
            }
        }
    }

    /// The text of a file. What keeps it from being read is reported at `place`.
    pub(super) fn source(&mut self, path: &TreePath, place: &Place) -> Option<Arc<Source>> {
        match self.tree.text_up_to(path, MOST_BYTES) {
            Ok(text) => Some(Source::new(path.as_str(), text)),
            Err(error) => {
                self.findings.lost(place.clone(), error.to_string(), "");
                None
            }
        }
    }

    /// The YAML (or JSON) of a file. What is wrong with it is reported where it stands.
    pub(super) fn yaml(&mut self, source: &Arc<Source>) -> Option<Node> {
        match yaml::parse(source) {
            Ok(node) => Some(node),
            Err(problems) => {
                self.findings.unreadable(problems);
                None
            }
        }
    }

    /// What a file holds: the value of a JSON or YAML file, else its text.
    pub(super) fn load(&mut self, folder: &TreePath, name: &str, place: &Place) -> Option<Loaded> {
        let path = self.path(folder, name, place)?;
        let ending = ending(path.file_name());
        if let Some(why) = not_text(&ending) {
            let message = format!("`{path}` is not carried over: {why}");
            self.findings.lost(place.clone(), message, "write its text into a file, and name that");
            return None;
        }
        let source = self.source(&path, place)?;
        if matches!(ending.as_str(), "json" | "yaml" | "yml") {
            return self.yaml(&source).map(|node| Loaded::Value(node.to_json()));
        }
        Some(Loaded::Text(source.text.trim().to_owned()))
    }

    /// A text of Nunjucks that stands at `place` as Jinja.
    pub(super) fn jinja(&mut self, text: &str, place: &Place) -> String {
        nunjucks::translate(text, &|_: Range<usize>| place.clone(), &mut self.findings)
    }

    /// Every text in a value as Jinja.
    pub(super) fn jinja_value(&mut self, value: Value, place: &Place) -> Value {
        match value {
            Value::String(text) => Value::String(self.jinja(&text, place)),
            Value::Array(items) => items.into_iter().map(|item| self.jinja_value(item, place)).collect(),
            other => other,
        }
    }
}

/// The ending of a file's name, in lower case.
pub(super) fn ending(name: &str) -> String {
    name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase()
}

/// Why a file cannot be carried over as a text.
fn not_text(ending: &str) -> Option<&'static str> {
    match ending {
        "js" | "ts" | "mjs" | "cjs" | "mts" | "cts" | "py" | "rb" | "sh" => Some("it is a program"),
        "pdf" | "docx" | "xlsx" => Some("it is no text"),
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "bmp" | "svg" => {
            Some("a picture goes into a case as `{ image: FILE }` and into the template as `{{ image(NAME) }}`")
        }
        "mp3" | "wav" | "mp4" | "mov" | "webm" => Some("sound and film cannot be sent"),
        _ => None,
    }
}
