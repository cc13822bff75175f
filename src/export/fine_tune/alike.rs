//! Which texts are the same, and which nearly: every pair whose shingles overlap by nine tenths, found without holding every
//! text against every other.

use std::collections::HashMap;

/// How many characters a shingle has.
const SHINGLE: usize = 5;
/// How far two sets of shingles overlap (Jaccard) that count as nearly the same.
pub(super) const NEARLY: f64 = 0.9;
/// The most shingles that are kept of all texts together; of more, the same share of each text is looked at.
const MOST: usize = 20_000_000;

/// A text in words of small letters; where it has no words, the text without white space around it.
#[must_use]
pub(super) fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !words.is_empty() {
            words.push(' ');
        }
        words.extend(word.chars().flat_map(char::to_lowercase));
    }
    if words.is_empty() { text.trim().to_owned() } else { words }
}

/// A text in small letters, with single spaces: what differs only in that is the same to a reader.
#[must_use]
pub(super) fn spaced(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// FNV-1a, which is the same everywhere and at all times.
fn hash(characters: &[char]) -> u64 {
    characters
        .iter()
        .flat_map(|c| u32::from(*c).to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The shingles of a text, sorted, each once; of many, those whose hash a number divides.
fn shingles(text: &str, one_of: u64) -> Vec<u64> {
    let characters: Vec<char> = text.chars().collect();
    let mut set: Vec<u64> =
        characters.windows(SHINGLE.min(characters.len()).max(1)).map(hash).filter(|hash| hash % one_of == 0).collect();
    set.sort_unstable();
    set.dedup();
    set
}

/// Whether two sets, sorted, overlap so far. Most pairs are found not to within a few of their shingles.
fn are_near(one: &[u64], other: &[u64]) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "counts of shingles are far below 2^53")]
    let most = (one.len() + other.len()) as f64 * (1.0 - NEARLY) / (1.0 + NEARLY) + 1e-9;
    let (mut i, mut j, mut apart) = (0, 0, 0.0);
    while i < one.len() && j < other.len() {
        let (a, b) = (one[i], other[j]);
        i += usize::from(a <= b);
        j += usize::from(b <= a);
        if a != b {
            apart += 1.0;
            if apart > most {
                return false;
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    let left = (one.len() - i + other.len() - j) as f64;
    !one.is_empty() && !other.is_empty() && apart + left <= most
}

/// How many shingles at the least two sets have in common of which the one has so many.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn least(length: usize) -> usize {
    // What rounding would take off may only make more candidates.
    (length as f64 * NEARLY - 1e-9).ceil() as usize
}

/// The pairs of different texts that are nearly the same. Two sets that overlap so far share one of their first shingles, once
/// those are sorted by how rare they are: only such pairs are compared.
#[must_use]
pub(super) fn near_pairs(texts: &[&str]) -> Vec<(usize, usize)> {
    let characters: usize = texts.iter().map(|text| text.len()).sum();
    let sets: Vec<Vec<u64>> = texts.iter().map(|text| shingles(text, (characters / MOST) as u64 + 1)).collect();
    let mut frequency: HashMap<u64, u32> = HashMap::new();
    for shingle in sets.iter().flatten() {
        *frequency.entry(*shingle).or_default() += 1;
    }
    let mut firsts: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut pairs = Vec::new();
    let mut seen: Vec<usize> = vec![usize::MAX; texts.len()];
    for (index, set) in sets.iter().enumerate() {
        let mut rare = set.clone();
        rare.sort_unstable_by_key(|shingle| (frequency.get(shingle).copied().unwrap_or(0), *shingle));
        rare.truncate(set.len() - least(set.len()).min(set.len()) + usize::from(!set.is_empty()));
        for shingle in rare {
            let known = firsts.entry(shingle).or_default();
            for other in known.iter().copied() {
                let of_length = sets[other].len() >= least(set.len()) && set.len() >= least(sets[other].len());
                if seen[other] != index && of_length {
                    seen[other] = index;
                    if are_near(set, &sets[other]) {
                        pairs.push((other, index));
                    }
                }
            }
            known.push(index);
        }
    }
    pairs.sort_unstable();
    pairs
}

/// Sets that are put together, step by step.
#[derive(Debug)]
pub(super) struct Together(Vec<usize>);

impl Together {
    /// So many sets of one.
    #[must_use]
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    /// The set of one, named by one of its own.
    pub(super) fn of(&mut self, index: usize) -> usize {
        let mut root = index;
        while self.0[root] != root {
            self.0[root] = self.0[self.0[root]];
            root = self.0[root];
        }
        root
    }

    /// Puts the sets of two together.
    pub(super) fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        self.0[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_words_count() {
        assert_eq!(words("  Can I get\tmy MONEY back?! "), "can i get my money back");
        assert_eq!(words(" ?! "), "?!");
        assert_eq!(words("Straße ÉTÉ 返金"), "straße été 返金");
        assert_eq!(spaced(" A  b\n"), "a b");
    }

    #[test]
    fn a_word_more_in_a_long_text_is_nearly_the_same() {
        let long = "my parcel has not arrived although the shop says that it was sent two weeks ago and I would like to have my money back please";
        let more = format!("{long} now");
        assert_eq!(near_pairs(&[long, &more, "where is the nearest shop"]), [(0, 1)]);
        assert_eq!(near_pairs(&["order 1234 refund", "order 9876 refund"]), []);
        assert_eq!(near_pairs(&["", "", "a"]), []);
    }

    /// Both counts from sets, with nothing left out.
    fn jaccard(one: &[u64], other: &[u64]) -> f64 {
        let both = one.iter().filter(|shingle| other.contains(shingle)).count();
        let all = one.len() + other.len() - both;
        #[expect(clippy::cast_precision_loss, reason = "counts of shingles")]
        let share = if all == 0 { 0.0 } else { both as f64 / all as f64 };
        share
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_pair_is_missed(texts in proptest::collection::vec("[ab ]{0,3}[a-d]{0,40}", 0..14)) {
            // Random texts are seldom alike: each stands beside itself with a letter more, and one changed.
            let texts: Vec<String> = texts
                .into_iter()
                .flat_map(|text| [format!("{text}x"), text.replacen('d', "c", 1), text])
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let sets: Vec<Vec<u64>> = texts.iter().map(|text| shingles(text, 1)).collect();
            let mut all = Vec::new();
            for one in 0..texts.len() {
                let near = |other: &usize| jaccard(&sets[one], &sets[*other]) >= NEARLY - 1e-9;
                all.extend((one + 1..texts.len()).filter(near).map(|other| (one, other)));
            }
            prop_assert_eq!(near_pairs(&texts), all);
        }
    }
}
