//! An index over files of a tree: what each chunk says by its words, and by its meaning where vectors are handed in.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::chunk::{Chunk, chunks};
use super::engine::Words;
use super::evaluate::Lack;
use super::fuse::fuse;
use super::metrics::by_score_then_id;
use crate::core::embedding::Embedding;
use crate::core::path::TreePath;
use crate::core::problem::{Place, Problem, Problems};
use crate::core::record::Document;
use crate::project::{Local, Retriever};
use crate::tree::{Tree, TreeError};

/// The largest file that is cut, in bytes.
pub(super) const MAX_FILE: u64 = 16 << 20;
/// The most chunks of one index.
const MOST_CHUNKS: usize = 500_000;

/// A file, its text, and its chunks.
type Cut = (TreePath, String, Vec<Chunk>);

/// An index.
pub struct Index {
    chunks: Vec<Chunk>,
    /// What each chunk is found by: the headings that it stands under, and its text.
    indexed: Vec<String>,
    /// How many bytes of that are the headings.
    headings: Vec<usize>,
    places: HashMap<String, usize>,
    files: Vec<(TreePath, String)>,
    words: Words,
    vectors: Vec<Vec<f64>>,
    /// The vectors of what is looked for, or why there are none; empty before anybody asked.
    queries: Result<HashMap<String, Embedding>, Lack>,
    is_embedded: bool,
}

/// Why vectors are no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// A chunk has none.
    #[error("there is no vector of the chunk `{0}`")]
    Missing(String),
    /// It has another length than the first.
    #[error("the vector of `{id}` has {length} numbers, and others have {wanted}; they are of several models")]
    Length {
        /// The chunk, or `the query`.
        id: String,
        /// How many numbers it has.
        length: usize,
        /// How many the others have.
        wanted: usize,
    },
}

impl Index {
    /// Cuts the files of a local retriever and indexes their words. Every file that cannot be read is a problem.
    pub fn build(tree: &dyn Tree, retriever: &Retriever, local: &Local) -> Result<Self, Problems> {
        let wrong = |message: String| Problem::error(Place::span(&retriever.source, retriever.span.clone()), message);
        let paths = local.paths(tree).map_err(TreeError::into_problem)?;
        if paths.is_empty() {
            let message =
                format!("the files of the retriever `{}` match nothing: {}", retriever.name, local.files.join(", "));
            return Err(wrong(message).help("globs go from the project's folder, such as `handbook/**/*.md`").into());
        }
        let read: Vec<Result<Cut, TreeError>> = paths
            .into_par_iter()
            .map(|path| {
                let text = tree.text_up_to(&path, MAX_FILE)?;
                let found = chunks(&path, &text, local.chunk);
                Ok((path, text, found))
            })
            .collect();
        let mut problems = Problems::default();
        let (mut files, mut all) = (Vec::new(), Vec::new());
        for one in read {
            match one {
                Ok((path, text, found)) => {
                    files.push((path, text));
                    all.push(found);
                }
                Err(error) => problems.push(error.into_problem()),
            }
        }
        let count: usize = all.iter().map(Vec::len).sum();
        if count > MOST_CHUNKS {
            let message = format!("the retriever `{}` has {count} chunks; {MOST_CHUNKS} are the most", retriever.name);
            problems.push(wrong(message).help("name fewer files, or cut them into larger chunks"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let texts: Vec<(String, usize)> = files
            .par_iter()
            .zip(&all)
            .flat_map_iter(|((_, text), found)| found.iter().map(move |chunk| indexed(text, chunk)))
            .collect();
        let (indexed, headings): (Vec<String>, Vec<usize>) = texts.into_iter().unzip();
        let words = Words::new(local.engine, &indexed).map_err(|why| Problems::from(wrong(why)))?;
        let chunks: Vec<Chunk> = all.into_iter().flatten().collect();
        let places = chunks.iter().enumerate().map(|(place, chunk)| (chunk.id.clone(), place)).collect();
        Ok(Self {
            chunks,
            indexed,
            headings,
            places,
            files,
            words,
            vectors: Vec::new(),
            queries: Ok(HashMap::new()),
            is_embedded: false,
        })
    }

    /// What each chunk is found by, in the order of the chunks: what is to be embedded.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.indexed
    }

    /// Takes the vector of each chunk's text; a query with a vector is then found by its meaning, too.
    pub fn embed(&mut self, vector: &dyn Fn(&str) -> Option<Embedding>) -> Result<(), VectorError> {
        let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(self.chunks.len());
        for (chunk, text) in self.chunks.iter().zip(&self.indexed) {
            let embedding = vector(text).ok_or_else(|| VectorError::Missing(chunk.id.clone()))?;
            vectors.push(direction(&embedding, &chunk.id, vectors.first().map(Vec::len))?);
        }
        self.vectors = vectors;
        Ok(())
    }

    /// Whether somebody tried to embed it.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.is_embedded
    }

    /// Keeps the vectors of what is looked for, or why there are none.
    pub fn remember(&mut self, queries: Result<HashMap<String, Embedding>, Lack>) {
        self.queries = queries;
        self.is_embedded = true;
    }

    /// The vectors of what is looked for, or why there are none.
    pub fn queries(&self) -> &Result<HashMap<String, Embedding>, Lack> {
        &self.queries
    }

    /// Its chunks, by file.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Its files with their texts.
    #[must_use]
    pub fn files(&self) -> &[(TreePath, String)] {
        &self.files
    }

    /// The text of a chunk, by its place among them.
    #[must_use]
    pub fn text(&self, place: usize) -> &str {
        self.indexed[place].get(self.headings[place]..).unwrap_or_default()
    }

    /// Where a chunk stands: its file, and the bytes of that.
    #[must_use]
    pub fn place_of(&self, id: &str) -> Option<(&TreePath, Range<usize>)> {
        let chunk = &self.chunks[*self.places.get(id)?];
        Some((&chunk.path, chunk.range.clone()))
    }

    /// The first documents for a query: by its words, and where vectors are there and the query has one by both, fused by their
    /// ranks. A score is BM25's, or that of the fusion.
    pub fn search(&self, query: &str, vector: Option<&Embedding>, top: usize) -> Result<Vec<Document>, VectorError> {
        let mut scores = vec![0.0; self.chunks.len()];
        for (place, score) in self.words.scores(query) {
            scores[place] = score;
        }
        if let (Some(vector), Some(first)) = (vector, self.vectors.first()) {
            let query = direction(vector, "the query", Some(first.len()))?;
            let likeness: Vec<f64> = self.vectors.par_iter().map(|vector| dot(vector, &query)).collect();
            let by_meaning = self.ranked(&likeness, |_| true);
            scores = fuse(self.chunks.len(), &[self.ranked(&scores, |score| score > 0.0), by_meaning]);
        }
        let ranked = self.ranked(&scores, |score| score > 0.0);
        Ok(ranked.into_iter().take(top).map(|place| self.document(place, scores[place])).collect())
    }

    /// A chunk as a document that was found.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Document> {
        self.places.get(id).map(|place| self.unscored(*place))
    }

    /// Every chunk as a document that was found.
    pub fn documents(&self) -> impl Iterator<Item = Document> {
        (0..self.chunks.len()).map(|place| self.unscored(place))
    }

    fn unscored(&self, place: usize) -> Document {
        Document { score: None, ..self.document(place, 0.0) }
    }

    fn document(&self, place: usize, score: f64) -> Document {
        let chunk = &self.chunks[place];
        let (text, source) = (self.text(place).to_owned(), Some(chunk.path.to_string()));
        Document { id: chunk.id.clone(), text, score: Some(score), source }
    }

    fn ranked(&self, scores: &[f64], is_found: impl Fn(f64) -> bool) -> Vec<usize> {
        let mut places: Vec<usize> = (0..scores.len()).filter(|place| is_found(scores[*place])).collect();
        let key = |place: &usize| (scores[*place], self.chunks[*place].id.as_str());
        places.par_sort_unstable_by(|a, b| by_score_then_id(key(a), key(b)));
        places
    }
}

/// What a chunk is found by, and how many bytes of it are headings.
fn indexed(text: &str, chunk: &Chunk) -> (String, usize) {
    let mut indexed: String = chunk.under.iter().map(|title| format!("{title}\n")).collect();
    let headings = indexed.len();
    indexed.push_str(&text[chunk.range.clone()]);
    (indexed, headings)
}

/// The vector with a length of 1, so that a product of two is their cosine.
fn direction(embedding: &Embedding, id: &str, wanted: Option<usize>) -> Result<Vec<f64>, VectorError> {
    let values: Vec<f64> = embedding.values().iter().map(|value| f64::from(*value)).collect();
    if let Some(wanted) = wanted.filter(|wanted| *wanted != values.len()) {
        return Err(VectorError::Length { id: id.to_owned(), length: values.len(), wanted });
    }
    let length = dot(&values, &values).sqrt();
    Ok(values.into_iter().map(|value| value / length).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::project::Config;
    use crate::tree::WorkingTree;

    /// A project with these files and an index over `h/`.
    fn index(files: &[(&str, &str)]) -> (tempfile::TempDir, Index) {
        let root = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let full = root.path().join(path);
            std::fs::create_dir_all(full.parent().expect("a folder")).expect("made");
            std::fs::write(full, text).expect("written");
        };
        write(
            "promptctl.yaml",
            "models: { m: { provider: mock } }\nretrievers: { h: { type: local, files: 'h/**' } }\n",
        );
        for (path, text) in files {
            write(path, text);
        }
        let tree = WorkingTree::open(root.path()).expect("open");
        let mut problems = Problems::default();
        let config = Config::load(&tree, &mut problems).expect("a project");
        let retriever: Arc<Retriever> = Arc::clone(&config.retrievers[0]);
        let crate::project::RetrieverKind::Local(local) = &retriever.kind else { panic!("it is local") };
        let index = Index::build(&tree, &retriever, local).unwrap_or_else(|_| panic!("an index"));
        (root, index)
    }

    fn ids(found: &[Document]) -> Vec<&str> {
        found.iter().map(|document| document.id.as_str()).collect()
    }

    /// As many directions as there are words that matter: cats and dogs are alike.
    fn vector(text: &str) -> Option<Embedding> {
        let has = |words: &[&str]| if words.iter().any(|word| text.contains(word)) { 1.0 } else { 0.0 };
        Embedding::new(vec![has(&["cat", "dog", "pet"]), has(&["car", "train"]), 0.01]).ok()
    }

    #[test]
    fn words_and_meaning_are_fused() {
        let files = [("h/a.md", "a cat sleeps"), ("h/b.md", "the dog barks"), ("h/c.md", "a train leaves, no pet")];
        let (_root, mut index) = index(&files);
        assert_eq!(ids(&index.search("pet", None, 5).expect("found")), ["h/c.md#top"]);
        index.embed(&vector).expect("vectors");
        let found = index.search("pet", vector("pet").as_ref(), 5).expect("found");
        // By words c alone, by meaning a and b before it: 1/61 + 1/63 is more than 1/61.
        assert_eq!(ids(&found), ["h/c.md#top", "h/a.md#top", "h/b.md#top"]);
        let score = found[0].score.expect("a score");
        assert!((score - (1.0 / 61.0 + 1.0 / 63.0)).abs() < 1e-12, "{score}");
        assert_eq!(found[1].text, "a cat sleeps");
    }

    #[test]
    fn vectors_of_several_models_are_refused() {
        let (_root, mut index) = index(&[("h/a.md", "one"), ("h/b.md", "two")]);
        let uneven =
            |text: &str| Embedding::new(vec![1.0; text.len() - text.len() / 3 + usize::from(text == "two")]).ok();
        assert_eq!(
            index.embed(&uneven).expect_err("uneven").to_string(),
            "the vector of `h/b.md#top` has 3 numbers, and others have 2; they are of several models"
        );
        let missing = |_: &str| None;
        assert_eq!(index.embed(&missing), Err(VectorError::Missing("h/a.md#top".into())));
        index.embed(&|_: &str| Embedding::new(vec![1.0, 2.0]).ok()).expect("vectors");
        let query = Embedding::new(vec![1.0]).expect("a vector");
        assert!(index.search("one", Some(&query), 1).is_err());
    }

    #[test]
    fn ties_go_by_id() {
        let (_root, index) = index(&[("h/b.md", "same words"), ("h/a.md", "same words"), ("h/c.md", "others")]);
        assert_eq!(ids(&index.search("words", None, 5).expect("found")), ["h/a.md#top", "h/b.md#top"]);
        assert!(index.search("nothing here", None, 5).expect("none").is_empty());
        assert_eq!(index.search("same", None, 1).expect("one").len(), 1);
    }

    #[test]
    fn what_a_chunk_stands_under_is_found_and_not_shown() {
        let (_root, index) = index(&[("h/a.md", "# Leave\nx\n## Rest\nFive days.\n")]);
        let found = index.search("leave rest", None, 5).expect("found");
        assert_eq!((found[0].id.as_str(), found[0].text.as_str()), ("h/a.md#rest", "## Rest\nFive days."));
    }
}
