//! BM25: how much of a query's words a text has, rare words counting more, and words in short texts.
//!
//! score(q, d) = Σ over the words w of q, each once: idf(w) · f · (k₁ + 1) / (f + k₁ · (1 − b + b · |d| / mean |d|)), where f is how often d has
//! w, and idf(w) = ln(1 + (N − n + ½) / (n + ½)) for the n of N texts that have w; k₁ = 1.2, b = 0.75. That is Robertson and Zaragoza,
//! "The Probabilistic Relevance Framework" (2009), with the idf of Lucene, which is never below 0.

use std::collections::{BTreeSet, HashMap};

use icu_normalizer::ComposingNormalizerBorrowed;
use rayon::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// The words of a text: as Unicode divides them (UAX 29), in lower case. There are no stop words, and no word is cut down to its
/// stem: that takes a language, and a text here may be of any.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    // However it is typed, é is one letter.
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(text);
    composed.unicode_words().map(str::to_lowercase).collect()
}

/// An index of texts by their words.
#[derive(Clone, Debug)]
pub struct Lexical {
    /// Of each word the texts that have it, and how often.
    postings: HashMap<String, Vec<(usize, f64)>>,
    /// How many words each text has.
    lengths: Vec<f64>,
    mean: f64,
}

impl Lexical {
    /// The index of these texts; each is known by its place among them.
    pub fn new<T: AsRef<str> + Sync>(texts: &[T]) -> Self {
        let counted: Vec<(HashMap<String, f64>, f64)> = texts
            .par_iter()
            .map(|text| {
                let (mut counts, mut length) = (HashMap::new(), 0.0);
                for word in words(text.as_ref()) {
                    *counts.entry(word).or_insert(0.0) += 1.0;
                    length += 1.0;
                }
                (counts, length)
            })
            .collect();
        let mut postings: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
        let mut lengths = Vec::with_capacity(counted.len());
        for (index, (counts, length)) in counted.into_iter().enumerate() {
            lengths.push(length);
            for (word, count) in counts {
                postings.entry(word).or_default().push((index, count));
            }
        }
        let mean = lengths.iter().sum::<f64>() / as_f64(lengths.len()).max(1.0);
        Self { postings, lengths, mean }
    }

    /// The score of each text that has a word of the query.
    #[must_use]
    pub fn scores(&self, query: &str) -> Vec<(usize, f64)> {
        let mut scores = vec![0.0; self.lengths.len()];
        // In a fixed order: a sum of floats depends on it.
        let wanted: BTreeSet<String> = words(query).into_iter().collect();
        for word in &wanted {
            let Some(postings) = self.postings.get(word) else { continue };
            let having = as_f64(postings.len());
            let idf = (1.0 + (as_f64(self.lengths.len()) - having + 0.5) / (having + 0.5)).ln();
            for (index, count) in postings {
                let length = 1.0 - B + B * self.lengths[*index] / self.mean;
                scores[*index] += idf * count * (K1 + 1.0) / (count + K1 * length);
            }
        }
        scores.into_iter().enumerate().filter(|(_, score)| *score > 0.0).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of texts are far below 2^53")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_those_of_every_script() {
        assert_eq!(
            words("Don't stop: 3.14 e-mails, naïve GRÖSSE"),
            ["don't", "stop", "3.14", "e", "mails", "naïve", "grösse"]
        );
        assert_eq!(words("cafe\u{301}"), words("café"));
        assert_eq!(words("返金 policy"), ["返", "金", "policy"]);
        assert_eq!(words("… !? \u{1b}[2J"), ["2j"]);
    }

    /// The formula, word by word.
    fn naively(texts: &[String], query: &str) -> Vec<f64> {
        let all: Vec<Vec<String>> = texts.iter().map(|text| words(text)).collect();
        let n = as_f64(all.len());
        let mean = all.iter().map(|words| as_f64(words.len())).sum::<f64>() / n;
        let wanted: BTreeSet<String> = words(query).into_iter().collect();
        let score = |text: &Vec<String>| {
            let of = |word: &String| {
                let f = as_f64(text.iter().filter(|other| *other == word).count());
                let having = as_f64(all.iter().filter(|text| text.contains(word)).count());
                let idf = (1.0 + (n - having + 0.5) / (having + 0.5)).ln();
                idf * f * 2.2 / (f + 1.2 * (0.25 + 0.75 * as_f64(text.len()) / mean))
            };
            wanted.iter().map(of).sum::<f64>()
        };
        all.iter().map(score).collect()
    }

    proptest! {
        #[test]
        fn scores_are_those_of_the_formula(
            texts in prop::collection::vec("([a-d]{1,2} ){0,8}[a-d]", 1..12),
            query in "([a-e]{1,2} ){0,5}",
        ) {
            let found: HashMap<usize, f64> = Lexical::new(&texts).scores(&query).into_iter().collect();
            for (index, expected) in naively(&texts, &query).into_iter().enumerate() {
                prop_assert!((found.get(&index).copied().unwrap_or(0.0) - expected).abs() < 1e-12);
                prop_assert_eq!(found.contains_key(&index), expected > 0.0);
            }
        }
    }

    #[test]
    fn nothing_is_found_of_nothing() {
        assert!(Lexical::new::<&str>(&[]).scores("a").is_empty());
        assert!(Lexical::new(&["", "?"]).scores("a ?").is_empty());
        assert!(Lexical::new(&["a"]).scores("").is_empty());
    }
}
