//! How similar two texts are, by what must be changed: as pure functions, each as `rapidfuzz` defines it, from 0 to 1.
//!
//! Each equals its reference to 1e-6 on `tests/vectors/text_metrics.json`, which `scripts/text-metrics` makes.

use std::collections::{BTreeSet, HashSet};

use rapidfuzz::distance::{indel, jaro_winkler};

#[expect(clippy::cast_precision_loss, reason = "lengths of texts are far below 2^53")]
fn normalized(distance: usize, length: usize) -> f64 {
    if length == 0 { 1.0 } else { 1.0 - distance as f64 / length as f64 }
}

/// `fuzz.ratio`: 1 minus the characters that must be taken out and put in, in relation to all.
pub(super) fn ratio(a: &str, b: &str) -> f64 {
    indel::normalized_similarity(a.chars(), b.chars())
}

/// `fuzz.partial_ratio`: the ratio of the shorter text and the stretch of the longer one that is most like it.
pub(super) fn partial_ratio(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    let best = best_stretch(short, long);
    if short.len() == long.len() { best.max(best_stretch(long, short)) } else { best }
}

/// A stretch is as long as the text, or shorter at the ends; it begins or ends with a character of the text.
fn best_stretch(short: &[char], long: &[char]) -> f64 {
    let known: HashSet<char> = short.iter().copied().collect();
    let comparator = indel::BatchComparator::new(short.iter().copied());
    let of = |stretch: &[char]| comparator.normalized_similarity(stretch.iter().copied());
    let (n, m) = (short.len(), long.len());
    if n == 0 {
        return 0.0;
    }
    let heads = (1..n).filter(|end| known.contains(&long[end - 1])).map(|end| &long[..end]);
    let middles = (0..m - n).filter(|at| known.contains(&long[at + n - 1])).map(|at| &long[at..at + n]);
    let tails = (m - n..m).filter(|at| known.contains(&long[*at])).map(|at| &long[at..]);
    heads.chain(middles).chain(tails).map(of).fold(0.0, f64::max)
}

/// `fuzz.token_sort_ratio`: the ratio of the words in alphabetical order.
pub(super) fn token_sort_ratio(a: &str, b: &str) -> f64 {
    let sorted = |text: &str| {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        words.sort_unstable();
        words.join(" ")
    };
    ratio(&sorted(a), &sorted(b))
}

/// `fuzz.token_set_ratio`: the words that both have do not count against either; 1 where one has all words of the other.
pub(super) fn token_set_ratio(a: &str, b: &str) -> f64 {
    let (a, b): (BTreeSet<&str>, BTreeSet<&str>) = (a.split_whitespace().collect(), b.split_whitespace().collect());
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let join = |words: Vec<&&str>| words.into_iter().copied().collect::<Vec<&str>>().join(" ");
    let (common, only_a, only_b) = (
        a.intersection(&b).collect::<Vec<_>>(),
        a.difference(&b).collect::<Vec<_>>(),
        b.difference(&a).collect::<Vec<_>>(),
    );
    if !common.is_empty() && (only_a.is_empty() || only_b.is_empty()) {
        return 1.0;
    }
    let length = |text: &str| text.chars().count();
    let (common, only_a, only_b) = (join(common), join(only_a), join(only_b));
    let shared = length(&common);
    let gap = usize::from(shared > 0);
    let (with_a, with_b) = (shared + gap + length(&only_a), shared + gap + length(&only_b));
    let whole = normalized(indel::distance(only_a.chars(), only_b.chars()), with_a + with_b);
    if shared == 0 {
        return whole;
    }
    let beside_a = normalized(gap + length(&only_a), shared + with_a);
    let beside_b = normalized(gap + length(&only_b), shared + with_b);
    whole.max(beside_a).max(beside_b)
}

/// `JaroWinkler.normalized_similarity` with a prefix weight of 0.1.
pub(super) fn jaro_winkler(a: &str, b: &str) -> f64 {
    jaro_winkler::normalized_similarity(a.chars(), b.chars())
}
