//! `retrievers:` of `promptctl.yaml`: what finds the documents that a prompt is given, over files of the project, an API or
//! a program of one's own.

use std::ops::Range;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::{Value, json};

use super::model::{ModelEntry, decode_entry};
use crate::core::decode::{Decoder, Fields};
use crate::core::digest::{canonical_json, sha256_hex};
use crate::core::names::ModelAlias;
use crate::core::path::TreePath;
use crate::core::problem::Source;
use crate::core::suggest::did_you_mean;
use crate::core::yaml::{Data, Key, Node};
use crate::tree::{Tree, TreeError};

/// How many documents are asked for where nobody says.
const TOP: usize = 5;
/// The most documents that may be asked for.
pub const MOST_DOCUMENTS: usize = 1000;
/// How long a part of a file may be where nobody says, in characters.
const LONGEST: usize = 2000;
/// How many sentences a window has where nobody says.
const WINDOW: usize = 5;
/// The shortest that parts may be made, in characters.
const SHORTEST: usize = 20;

/// How files are cut into the parts that are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// A part for each heading with what stands below it; longer ones are cut between paragraphs.
    Heading {
        /// The most characters.
        max: usize,
    },
    /// As many whole paragraphs as fit.
    Paragraph {
        /// The most characters.
        max: usize,
    },
    /// Windows over sentences.
    Sentences {
        /// How many sentences a window has.
        window: usize,
        /// How many sentences later the next one begins.
        step: usize,
    },
    /// So many characters, wherever that cuts.
    Fixed {
        /// How many characters.
        size: usize,
        /// How many of them the next part has, too.
        overlap: usize,
    },
    /// Each file is one part.
    Whole,
}

impl Chunking {
    /// Its name, as the project writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Heading { .. } => "heading",
            Self::Paragraph { .. } => "paragraph",
            Self::Sentences { .. } => "sentences",
            Self::Fixed { .. } => "fixed",
            Self::Whole => "whole",
        }
    }

    /// Every way to cut, as it is where nothing else is said.
    pub const USUAL: [Self; 5] = [
        Self::Heading { max: LONGEST },
        Self::Paragraph { max: LONGEST },
        Self::Sentences { window: WINDOW, step: WINDOW },
        Self::Fixed { size: LONGEST / 2, overlap: LONGEST / 20 },
        Self::Whole,
    ];

    fn to_json(self) -> Value {
        match self {
            Self::Heading { max } | Self::Paragraph { max } => json!({"by": self.name(), "max": max}),
            Self::Sentences { window, step } => json!({"by": self.name(), "window": window, "step": step}),
            Self::Fixed { size, overlap } => json!({"by": self.name(), "size": size, "overlap": overlap}),
            Self::Whole => json!({"by": self.name()}),
        }
    }
}

/// What ranks by the words of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The one that is built in.
    #[default]
    Bm25,
    /// Tantivy, in builds that have it.
    Tantivy,
}

/// An index over files of the project.
#[derive(Clone, Debug)]
pub struct Local {
    /// The files, as globs; one that begins with `!` leaves files out.
    pub files: Vec<String>,
    /// How they are cut.
    pub chunk: Chunking,
    /// Who embeds them, where meaning counts beside words.
    pub embeddings: Option<ModelAlias>,
    /// SHA-256 of what else decides what that one makes of a text.
    embedder: Option<String>,
    /// What ranks by words.
    pub engine: Engine,
    wanted: GlobSet,
    left_out: GlobSet,
}

/// What a retriever is.
#[derive(Clone, Debug)]
pub enum RetrieverKind {
    /// An index over files of the project.
    Local(Local),
    /// An API (`http`) or a program (`exec`).
    Asked(Box<ModelEntry>),
}

/// What finds documents.
#[derive(Clone, Debug)]
pub struct Retriever {
    /// Its name.
    pub name: ModelAlias,
    /// What it is.
    pub kind: RetrieverKind,
    /// How many documents are asked for.
    pub top: usize,
    /// After how many days a file that nobody touched is stale.
    pub max_age_days: Option<u32>,
    /// The file that it stands in.
    pub source: Arc<Source>,
    /// Where its name stands.
    pub span: Range<usize>,
}

impl Local {
    /// The files of a tree, sorted.
    pub fn paths(&self, tree: &dyn Tree) -> Result<Vec<TreePath>, TreeError> {
        let mut folders: Vec<TreePath> =
            self.files.iter().filter(|glob| !glob.starts_with('!')).map(|glob| fixed_folder(glob)).collect();
        folders.sort();
        folders.dedup();
        let mut found = Vec::new();
        for folder in folders {
            found.extend(tree.list(&folder)?);
        }
        found.retain(|path| self.wanted.is_match(path.as_str()) && !self.left_out.is_match(path.as_str()));
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The same index, cut otherwise.
    #[must_use]
    pub fn cut(&self, chunk: Chunking) -> Self {
        Self { chunk, ..self.clone() }
    }
}

/// The folder before the first part of a glob that is not plain.
fn fixed_folder(glob: &str) -> TreePath {
    let parts: Vec<&str> = glob.split('/').collect();
    let plain = parts[..parts.len() - 1].iter().take_while(|part| !part.contains(['*', '?', '[', '{', '\\']));
    let folder = plain.copied().collect::<Vec<_>>().join("/");
    TreePath::new(&folder).unwrap_or_else(|_| TreePath::root())
}

impl Retriever {
    /// The kind, as the project writes it.
    #[must_use]
    pub fn kind_name(&self) -> &str {
        match &self.kind {
            RetrieverKind::Local(_) => "local",
            RetrieverKind::Asked(entry) => &entry.provider,
        }
    }

    /// SHA-256 of everything but the query that decides what is found: of a local one also the files, as they are in a tree.
    pub fn definition(&self, tree: &dyn Tree) -> Result<String, TreeError> {
        let whole = match &self.kind {
            RetrieverKind::Local(local) => {
                let mut files = Vec::new();
                for path in local.paths(tree)? {
                    files.push(json!([path.as_str(), sha256_hex(tree.text(&path)?.as_bytes())]));
                }
                let engine = match local.engine {
                    Engine::Bm25 => "bm25",
                    Engine::Tantivy => "tantivy",
                };
                let embeddings = local.embeddings.as_ref().map(|alias| json!([alias.as_str(), local.embedder]));
                json!({"files": files, "chunk": local.chunk.to_json(), "embeddings": embeddings, "engine": engine})
            }
            RetrieverKind::Asked(entry) => {
                let options: Vec<Value> =
                    entry.options.iter().map(|(key, node)| json!([key.text, node.to_json()])).collect();
                json!({"base-url": entry.base_url, "options": options})
            }
        };
        Ok(sha256_hex(canonical_json(&whole).as_bytes()))
    }
}

/// Reads `retrievers:`.
pub(super) fn decode_retrievers(decoder: &mut Decoder<'_>, node: &Node, models: &[ModelEntry]) -> Vec<Arc<Retriever>> {
    let Some(fields) = decoder.map(node, "retrievers") else { return Vec::new() };
    fields.iter().filter_map(|(key, node)| decode_retriever(decoder, key, node, models)).map(Arc::new).collect()
}

/// What a retriever says, whatever it is.
const COMMON: [&str; 3] = ["type", "top", "max-age"];
const LOCAL: [&str; 7] = ["type", "top", "max-age", "files", "chunk", "embeddings", "engine"];
const HTTP: [&str; 10] =
    ["type", "top", "max-age", "base-url", "api-key-env", "key-header", "headers", "body", "response", "limits"];
const EXEC: [&str; 6] = ["type", "top", "max-age", "command", "api-key-env", "limits"];

/// Reads one retriever.
pub(crate) fn decode_retriever(
    decoder: &mut Decoder<'_>,
    key: &Key,
    node: &Node,
    models: &[ModelEntry],
) -> Option<Retriever> {
    let name = match ModelAlias::new(&key.text) {
        Ok(name) => name,
        Err(why) => {
            decoder.error(key.span.clone(), why.replace("model alias", "name of a retriever"));
            return None;
        }
    };
    let what = format!("the retriever `{name}`");
    let fields = decoder.map(node, &what)?;
    let Some(type_node) = fields.get("type") else {
        let help = "write `type: local` (files of the project), `http` (an API) or `exec` (a program)";
        decoder.error_help(key.span.clone(), format!("{what} has no `type`"), help);
        return None;
    };
    let kind = decoder.choice(type_node, "type", &[("local", "local"), ("http", "http"), ("exec", "exec")])?;
    let known: &[&str] = match kind {
        "local" => &LOCAL,
        "http" => &HTTP,
        _ => &EXEC,
    };
    decoder.fields(node, &what, known)?;
    let top = match fields.get("top") {
        Some(node) => decode_top(decoder, node)?,
        None => TOP,
    };
    let max_age_days = fields.get("max-age").and_then(|node| decode_days(decoder, node));
    let kind = match kind {
        "local" => RetrieverKind::Local(decode_local(decoder, key, &fields, models)?),
        kind => {
            let provider = (kind.to_owned(), type_node.span.clone());
            RetrieverKind::Asked(Box::new(decode_entry(
                decoder,
                (key, name.clone()),
                &fields,
                provider,
                Some(&COMMON),
            )?))
        }
    };
    Some(Retriever { name, kind, top, max_age_days, source: Arc::clone(decoder.source), span: key.span.clone() })
}

/// Reads `top:`.
pub(crate) fn decode_top(decoder: &mut Decoder<'_>, node: &Node) -> Option<usize> {
    let top = decoder.count(node, "top", 1).and_then(|top| usize::try_from(top).ok())?;
    if top > MOST_DOCUMENTS {
        decoder.error(node.span.clone(), format!("top must be at most {MOST_DOCUMENTS}"));
        return None;
    }
    Some(top)
}

/// Reads `max-age: 180d`.
fn decode_days(decoder: &mut Decoder<'_>, node: &Node) -> Option<u32> {
    let text = decoder.text(node, "max-age")?;
    let days = text.strip_suffix('d').and_then(|digits| digits.parse().ok());
    let days = days.filter(|days| (1..=36_500).contains(days));
    if days.is_none() {
        decoder.error(node.span.clone(), format!("max-age is `{text}`; write days, such as 180d"));
    }
    days
}

fn decode_local(decoder: &mut Decoder<'_>, key: &Key, fields: &Fields<'_>, models: &[ModelEntry]) -> Option<Local> {
    let Some(node) = fields.get("files") else {
        let help = "name the files, from the project's folder: `files: [\"handbook/**/*.md\"]`";
        decoder.error_help(key.span.clone(), format!("the retriever `{}` names no `files`", key.text), help);
        return None;
    };
    let files = match &node.data {
        Data::Text(one) => vec![one.clone()],
        _ => decoder.texts(node, "files")?,
    };
    let (wanted, left_out) = (globs(decoder, node, &files, false)?, globs(decoder, node, &files, true)?);
    if wanted.is_empty() {
        decoder.error(node.span.clone(), "files must name at least one file that is not left out");
        return None;
    }
    let chunk = match fields.get("chunk") {
        Some(node) => decode_chunk(decoder, node)?,
        None => Chunking::Heading { max: LONGEST },
    };
    let mut embedder = None;
    let embeddings = match fields.get("embeddings") {
        Some(node) => {
            let text = decoder.text(node, "embeddings")?;
            let Some(entry) = models.iter().find(|entry| entry.alias.as_str() == text) else {
                let hint = did_you_mean(&text, models.iter().map(|entry| entry.alias.as_str()));
                decoder.error(node.span.clone(), format!("there is no model `{text}` to embed with{hint}"));
                return None;
            };
            let whole = json!([entry.provider, entry.model, entry.base_url, entry.params, entry.extras]);
            embedder = Some(sha256_hex(canonical_json(&whole).as_bytes()));
            Some(entry.alias.clone())
        }
        None => None,
    };
    let engines = [("bm25", Engine::Bm25), ("tantivy", Engine::Tantivy)];
    let engine = match fields.get("engine") {
        Some(node) => decoder.choice(node, "engine", &engines)?,
        None => Engine::Bm25,
    };
    Some(Local { files, chunk, embeddings, embedder, engine, wanted, left_out })
}

fn globs(decoder: &mut Decoder<'_>, node: &Node, files: &[String], left_out: bool) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for text in files {
        let glob = match (text.strip_prefix('!'), left_out) {
            (Some(glob), true) => glob,
            (None, false) => text,
            _ => continue,
        };
        let leaves = TreePath::new(glob).err();
        match GlobBuilder::new(glob).literal_separator(true).build() {
            Ok(glob) if leaves.is_none() => {
                set.add(glob);
            }
            Ok(_) => {
                decoder.error(node.span.clone(), leaves.unwrap_or_default());
                return None;
            }
            Err(error) => {
                decoder.error(node.span.clone(), format!("`{glob}` is no glob: {}", error.kind()));
                return None;
            }
        }
    }
    set.build().ok()
}

/// Reads `chunk: { by: heading, max: 1200 }`, or its name alone.
fn decode_chunk(decoder: &mut Decoder<'_>, node: &Node) -> Option<Chunking> {
    let usual = Chunking::USUAL.map(|chunking| (chunking.name(), chunking));
    if let Data::Text(_) = node.data {
        return decoder.choice(node, "chunk", &usual);
    }
    let fields = decoder.map(node, "chunk")?;
    let Some(by) = fields.get("by") else {
        decoder.error(fields.span, "chunk needs a `by`: heading, paragraph, sentences, fixed or whole");
        return None;
    };
    let by = decoder.choice(by, "by", &usual)?;
    let known: &[&str] = match by {
        Chunking::Heading { .. } | Chunking::Paragraph { .. } => &["by", "max"],
        Chunking::Sentences { .. } => &["by", "window", "step"],
        Chunking::Fixed { .. } => &["by", "size", "overlap"],
        Chunking::Whole => &["by"],
    };
    decoder.fields(node, &format!("chunk (by {})", by.name()), known)?;
    let mut count = |name: &str, least: u64, usual: usize| match fields.get(name) {
        Some(node) => decoder.count(node, name, least).and_then(|n| usize::try_from(n).ok()),
        None => Some(usual),
    };
    Some(match by {
        Chunking::Heading { max } => Chunking::Heading { max: count("max", SHORTEST as u64, max)? },
        Chunking::Paragraph { max } => Chunking::Paragraph { max: count("max", SHORTEST as u64, max)? },
        Chunking::Sentences { window, .. } => {
            let window = count("window", 1, window)?;
            let step = count("step", 1, window)?;
            if step > window {
                decoder.error(fields.span, "step is more than window: the sentences between would never be found");
                return None;
            }
            Chunking::Sentences { window, step }
        }
        Chunking::Fixed { size, overlap } => {
            let (size, overlap) = (count("size", SHORTEST as u64, size)?, count("overlap", 0, overlap)?);
            if overlap >= size {
                decoder.error(fields.span, "overlap must be less than size");
                return None;
            }
            Chunking::Fixed { size, overlap }
        }
        Chunking::Whole => Chunking::Whole,
    })
}
