//! How much two texts have in common by their n-grams: ROUGE, BLEU, GLEU and chrF, as pure functions over tokens.
//!
//! Each equals its reference implementation to 1e-6 on `tests/vectors/text_metrics.json`, which `scripts/text-metrics` makes.

use std::collections::HashMap;
use std::hash::Hash;

/// The longest n-grams of BLEU and GLEU.
const ORDER: usize = 4;
/// What BLEU takes for an order without any match, so that one of them does not make the whole nothing.
const SMALL: f64 = 1e-7;
/// chrF: the longest n-grams of characters, and how much more recall counts than precision.
const CHARACTERS: usize = 6;
const BETA: f64 = 2.0;

#[expect(clippy::cast_precision_loss, reason = "lengths of texts are far below 2^53")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn counts<T: Hash + Eq>(tokens: &[T], n: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for gram in tokens.windows(n) {
        *counts.entry(gram).or_insert(0) += 1;
    }
    counts
}

/// How many n-grams two texts share, each counted as often as both have it; and how many each has.
fn overlap<T: Hash + Eq>(a: &[T], b: &[T], n: usize) -> (usize, usize, usize) {
    let (ours, theirs) = (counts(a, n), counts(b, n));
    let common = ours.iter().map(|(gram, count)| theirs.get(gram).map_or(0, |other| *count.min(other))).sum();
    (common, a.len().saturating_sub(n - 1), b.len().saturating_sub(n - 1))
}

fn f1(precision: f64, recall: f64) -> f64 {
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

/// Words as `rouge-score` takes them: lower case, runs of letters and digits. It knows `a` to `z` alone; here letters of every
/// script count, and a Chinese or Japanese character is a word of its own.
pub(super) fn rouge_words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut words = Vec::new();
    let mut word = String::new();
    for c in lower.chars() {
        let alone = matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x2fa1f);
        let counts = c.is_alphanumeric();
        if (alone || !counts) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone && counts {
            words.push(c.to_string());
        } else if counts {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Words with white space between, in lower case.
pub(super) fn plain_words(text: &str) -> Vec<String> {
    text.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

/// As [`plain_words`], without the full stops at their ends.
pub(super) fn undotted_words(text: &str) -> Vec<String> {
    plain_words(text).iter().map(|word| word.trim_end_matches('.').to_owned()).collect()
}

/// ROUGE-N (Lin 2004): the F1 of n-grams. As `rouge-score`'s `rouge1` to `rouge9`.
pub(super) fn rouge_n(answer: &[String], reference: &[String], n: usize) -> f64 {
    let (common, ours, theirs) = overlap(answer, reference, n);
    f1(share(common, ours), share(common, theirs))
}

/// ROUGE-L (Lin 2004): the F1 of the longest common subsequence. As `rouge-score`'s `rougeL`.
pub(super) fn rouge_l(answer: &[String], reference: &[String]) -> f64 {
    // Each word gets a number, which is what the subsequence is made of.
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    for (word, number) in answer.iter().chain(reference).zip(0..) {
        numbers.entry(word).or_insert(number);
    }
    let numbered = |words: &[String]| words.iter().map(|word| numbers[word.as_str()]).collect::<Vec<u32>>();
    let common = rapidfuzz::distance::lcs_seq::similarity(numbered(answer), numbered(reference));
    f1(share(common, answer.len()), share(common, reference.len()))
}

/// BLEU (Papineni et al. 2002) of one answer, up to 4-grams: the orders that the answer is long enough for weigh the same, one
/// without a match counts as 1e-7; the brevity penalty is that of the nearest length. As NLTK's `sentence_bleu` with these weights
/// and that smoothing.
pub(super) fn bleu(answer: &[String], references: &[Vec<String>]) -> f64 {
    let distance = |reference: &&Vec<String>| (reference.len().abs_diff(answer.len()), reference.len());
    let Some(nearest) = references.iter().min_by_key(distance).filter(|_| !answer.is_empty()) else { return 0.0 };
    let orders = answer.len().min(ORDER);
    let mut sum = 0.0;
    for n in 1..=orders {
        let ours = counts(answer, n);
        let theirs: Vec<_> = references.iter().map(|reference| counts(reference, n)).collect();
        let most = |gram: &[String]| theirs.iter().filter_map(|counts| counts.get(gram)).max().copied().unwrap_or(0);
        let common: usize = ours.iter().map(|(gram, count)| *count.min(&most(gram))).sum();
        sum += share(common, answer.len() + 1 - n).max(SMALL).ln();
    }
    let brevity = if answer.len() > nearest.len() { 1.0 } else { (1.0 - share(nearest.len(), answer.len())).exp() };
    brevity * (sum * share(1, orders)).exp()
}

/// GLEU (Wu et al. 2016): the smaller of precision and recall over all n-grams up to 4. As NLTK's `sentence_gleu`.
pub(super) fn gleu(answer: &[String], reference: &[String]) -> f64 {
    let (mut common, mut ours, mut theirs) = (0, 0, 0);
    for n in 1..=ORDER {
        let (c, a, b) = overlap(answer, reference, n);
        common += c;
        ours += a;
        theirs += b;
    }
    share(common, ours.max(theirs))
}

/// chrF2 (Popović 2015) without white space; with `words` of 2: chrF++ (Popović 2017). As sacreBLEU's `CHRF`, from 0 to 1.
pub(super) fn chrf(answer: &str, reference: &str, words: usize) -> f64 {
    let characters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<Vec<char>>();
    let (ours, theirs) = (characters(answer), characters(reference));
    let mut statistics: Vec<_> = (1..=CHARACTERS).map(|n| overlap(&ours, &theirs, n)).collect();
    if words > 0 {
        let (ours, theirs) = (chrf_words(answer), chrf_words(reference));
        statistics.extend((1..=words).map(|n| overlap(&ours, &theirs, n)));
    }
    let usable: Vec<_> = statistics.into_iter().filter(|(_, ours, theirs)| *ours > 0 && *theirs > 0).collect();
    let mean = |sum: f64| if usable.is_empty() { 0.0 } else { sum * share(1, usable.len()) };
    let precision = mean(usable.iter().map(|(common, ours, _)| share(*common, *ours)).sum());
    let recall = mean(usable.iter().map(|(common, _, theirs)| share(*common, *theirs)).sum());
    if precision + recall == 0.0 {
        return 0.0;
    }
    (1.0 + BETA * BETA) * precision * recall / (BETA * BETA * precision + recall)
}

/// Words of chrF++: a mark of punctuation at the end of a word, else one at its beginning, is a word of its own.
fn chrf_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let mut chars = word.chars();
        let (first, last) = (chars.next(), chars.next_back());
        match (first, last) {
            (Some(_), Some(last)) if last.is_ascii_punctuation() => {
                words.push(word[..word.len() - 1].to_owned());
                words.push(last.to_string());
            }
            (Some(first), Some(_)) if first.is_ascii_punctuation() => {
                words.push(first.to_string());
                words.push(word[1..].to_owned());
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}
