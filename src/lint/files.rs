//! What is wrong with files whatever they are about: characters that nobody sees, merges that nobody ended.

use std::sync::Arc;

use rayon::prelude::*;

use super::look::{Look, Sink};
use super::text::Template;
use super::wording::invisible_in;
use crate::core::escape::{is_invisible, written_out};
use crate::core::path::TreePath;
use crate::core::problem::Source;
use crate::core::yaml::conflict_marker;
use crate::project::Level;
use crate::recording::{AUDITED, JUDGED, RECORDED, RETRIEVED};

/// Folders below the fixtures of a prompt that are written by programs: what answered stands there.
const WRITTEN: [&str; 4] = [RECORDED, JUDGED, AUDITED, RETRIEVED];

/// Files that people wrote beside templates: cases, data, documents.
fn by_people<'a>(look: &'a Look<'_>) -> Vec<&'a Arc<Source>> {
    let is_written = |path: &str| path.split('/').rev().nth(1).is_some_and(|folder| WRITTEN.contains(&folder));
    let texts = look.material.texts().iter();
    texts.filter(|source| source.path.starts_with("fixtures/") && !is_written(&source.path)).collect()
}

/// The endings of files that hold no text.
const BINARY: [&str; 63] = [
    "png",
    "jpg",
    "jpeg",
    "gif",
    "webp",
    "bmp",
    "ico",
    "tif",
    "tiff",
    "avif",
    "heic",
    "pdf",
    "zip",
    "gz",
    "tgz",
    "bz2",
    "xz",
    "zst",
    "7z",
    "tar",
    "rar",
    "parquet",
    "arrow",
    "feather",
    "orc",
    "npy",
    "npz",
    "pkl",
    "bin",
    "gguf",
    "safetensors",
    "onnx",
    "pt",
    "db",
    "sqlite",
    "sqlite3",
    "wasm",
    "so",
    "dll",
    "exe",
    "dylib",
    "class",
    "jar",
    "pyc",
    "mp3",
    "mp4",
    "wav",
    "ogg",
    "flac",
    "m4a",
    "mov",
    "avi",
    "webm",
    "mkv",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "docx",
    "xlsx",
    "pptx",
    "odt",
    "ods",
];

/// Whether a file may hold text, by its name.
pub(super) fn may_be_text(path: &TreePath) -> bool {
    let ending = path.as_str().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_none_or(|ending| !BINARY.contains(&ending.as_str()))
}

/// Whether a file is one of YAML, where a character can be written as an escape.
fn is_yaml(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| matches!(ending, "yaml" | "yml"))
}

/// Invisible characters, replacement characters and carriage returns alone, in templates; in what cases are made of those
/// that hide something.
pub(super) fn invisible(look: &Look<'_>, sink: &mut Sink) {
    let templates: Vec<&Template> = look.material.templates.iter().collect();
    let (rule, level) = (sink.rule, sink.level);
    let each = templates.par_iter().map(|template| {
        let mut sink = Sink { rule, level, found: Vec::new() };
        invisible_in(template, &mut sink);
        sink.found
    });
    sink.found.extend(each.flatten().collect::<Vec<_>>());
    let hidden: Vec<_> = by_people(look).into_par_iter().map(|source| (source, hidden_in(&source.text))).collect();
    for (source, found) in hidden {
        let Some((at, first)) = found.first().copied() else { continue };
        let name = written_out(first).unwrap_or_default();
        let message = match found.len() {
            1 => format!("an invisible character, {name}, in what a case is made of"),
            count => format!("{count} invisible characters, the first is {name}, in what a case is made of"),
        };
        let finding = sink.at(source, at..at + first.len_utf8(), message);
        finding.of_file("invisible").amount(found.len());
        if is_yaml(&source.path) {
            finding.help(format!("remove it, or write `{}` between double quotes where it is meant", escaped(first)));
        } else {
            // A document may have it from where it comes from.
            finding.level(level.min(Level::Warning));
        }
    }
}

/// A character as an escape of YAML.
fn escaped(c: char) -> String {
    if u32::from(c) > 0xFFFF { format!("\\U{:08X}", u32::from(c)) } else { format!("\\u{:04X}", u32::from(c)) }
}

/// Characters that hide or move something: a hyphen that only shows at the end of a line does not, nor marks of direction
/// beside letters that are written from right to left.
fn hidden_in(text: &str) -> Vec<(usize, char)> {
    if text.is_ascii() {
        return Vec::new();
    }
    let mut shown = 0;
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        if let Some(tags) = super::wording::flag(&text[at..]) {
            shown = at + c.len_utf8() + tags.len();
        }
        let is_one = at >= shown && is_invisible(c) && c != '\u{AD}' && !(at == 0 && c == '\u{FEFF}');
        if is_one && !super::wording::is_mark_of_direction(text, at, c) {
            found.push((at, c));
        }
    }
    found
}

/// Conflict markers of a merge in files that a case is made of; a text on them shows them as code.
pub(super) fn conflict(look: &Look<'_>, sink: &mut Sink) {
    for source in by_people(look) {
        if let Some(at) = conflict_marker(&source.text).filter(|at| !is_shown(&source.text, *at)) {
            let finding = sink.at(source, at..at + 7, "a conflict marker of a merge, in what a case is made of");
            finding.of_file("conflict");
        }
    }
}

/// Whether a place is within a block of code of Markdown.
fn is_shown(text: &str, at: usize) -> bool {
    text[..at].lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1
}
