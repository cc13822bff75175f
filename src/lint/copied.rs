//! What stands in several templates: blocks of lines, and instructions, in the same words or nearly so.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use rayon::prelude::*;

use super::look::{Look, Sink};
use super::text::{Template, normalised};
use crate::core::words::counted;

/// How many words a line has at least that is no mark, no heading and no end of something.
const OF_PROSE: usize = 4;
/// How many texts with the same rare word each text is held against.
const HELD: usize = 30;

/// A line of a template that has a text.
struct Line {
    text: String,
    span: Range<usize>,
    /// Whether it says something by itself.
    is_prose: bool,
}

fn text_lines(template: &Template) -> Vec<Line> {
    let line = |line: &super::text::TextLine| {
        let written = &template.masked[line.span.clone()];
        let text = normalised(written);
        let words = text.split(' ').filter(|word| word.chars().any(char::is_alphabetic)).count();
        let is_prose = line.is_prose() && words >= OF_PROSE && !written.trim_start().starts_with('#');
        Line { text, span: line.span.clone(), is_prose }
    };
    template.lines.iter().map(line).filter(|line| !line.text.is_empty()).collect()
}

/// Lines of a template that stand in others, too.
struct Block {
    /// The number of the template.
    template: usize,
    span: Range<usize>,
    lines: usize,
    text: String,
    /// The numbers of the others.
    others: BTreeSet<usize>,
}

/// Lines that follow each other in several templates: so many that say something, or so many letters.
fn shared_blocks(templates: &[Template], least: usize, characters: usize) -> Vec<Block> {
    let all: Vec<Vec<Line>> = templates.iter().map(text_lines).collect();
    let mut places: HashMap<Vec<&str>, BTreeSet<usize>> = HashMap::new();
    for (number, lines) in all.iter().enumerate() {
        for window in lines.windows(least) {
            places.entry(window.iter().map(|line| line.text.as_str()).collect()).or_default().insert(number);
        }
    }
    let mut found = Vec::new();
    for (number, lines) in all.iter().enumerate() {
        let others = |at: usize| -> BTreeSet<usize> {
            let window: Vec<&str> = lines[at..at + least].iter().map(|line| line.text.as_str()).collect();
            places.get(&window).into_iter().flatten().copied().filter(|other| *other != number).collect()
        };
        let mut at = 0;
        while at + least <= lines.len() {
            let first = others(at);
            if first.is_empty() {
                at += 1;
                continue;
            }
            let mut end = at + least;
            while end < lines.len() && others(end + 1 - least).is_superset(&first) {
                end += 1;
            }
            let own = &lines[at..end];
            let text = own.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
            if text.len() >= characters || own.iter().filter(|line| line.is_prose).count() >= least {
                let span = own[0].span.start..own[own.len() - 1].span.end;
                found.push(Block { template: number, span, lines: own.len(), text, others: first });
            }
            at = end;
        }
    }
    found
}

/// The files of templates, of many the first.
fn named(templates: &[Template], numbers: &BTreeSet<usize>) -> String {
    let shown: Vec<String> =
        numbers.iter().take(3).map(|number| format!("`{}`", templates[*number].source.path)).collect();
    let more = numbers.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Lines that follow each other in several templates.
pub(super) fn blocks(look: &Look<'_>, sink: &mut Sink) {
    let templates = &look.material.templates;
    for block in shared_blocks(templates, look.count("lines").max(2), look.count("characters")) {
        let lines = counted(block.lines as u64, "line", "lines");
        let message = format!("these {lines} also stand in {}", named(templates, &block.others));
        sink.of(&templates[block.template], block.span, message).about(block.text);
    }
}

/// An instruction: its place, what it says, and whether others say it in other words.
type Said = (Range<usize>, String, bool);

/// Instructions that stand in several templates, and in no block of lines that does: of a template those that stand in the
/// same others are told together.
pub(super) fn instructions(look: &Look<'_>, sink: &mut Sink) {
    const LINES: usize = 3;
    const CHARACTERS: usize = 80;
    let templates = &look.material.templates;
    let least = look.count("words").max(1);
    let said = templates.par_iter().map(|template| {
        let texts = template.sentences.iter().map(|span| (normalised(&template.masked[span.clone()]), span.clone()));
        let is_long = |text: &str| text.split(' ').filter(|word| *word != "{}").count() >= least;
        texts.filter(|(text, _)| is_long(text)).collect::<Vec<_>>()
    });
    let mut places: BTreeMap<String, BTreeMap<usize, Range<usize>>> = BTreeMap::new();
    for (number, said) in said.collect::<Vec<_>>().into_iter().enumerate() {
        for (text, span) in said {
            places.entry(text).or_default().entry(number).or_insert(span);
        }
    }
    let texts: Vec<(String, BTreeMap<usize, Range<usize>>)> = places.into_iter().collect();
    let words: Vec<Vec<&str>> = texts.iter().map(|(text, _)| text.split(' ').collect()).collect();
    let mut of_blocks: Option<Vec<Block>> = None;
    let mut told: BTreeMap<(usize, BTreeSet<usize>), Vec<Said>> = BTreeMap::new();
    for group in alike(&words, look.limit("share")) {
        let own: BTreeSet<usize> = group.iter().flat_map(|text| texts[*text].1.keys().copied()).collect();
        if own.len() < look.count("prompts").max(2) {
            continue;
        }
        let blocks = of_blocks.get_or_insert_with(|| shared_blocks(templates, LINES, CHARACTERS));
        for number in &own {
            let at = group.iter().find_map(|text| Some((*text, texts[*text].1.get(number)?)));
            let Some((text, span)) = at else { continue };
            let is_told = |block: &Block| block.template == *number && block.span.contains(&span.start);
            if !blocks.iter().any(is_told) {
                let others = own.iter().copied().filter(|other| other != number).collect();
                let said = (span.clone(), texts[text].0.clone(), group.len() > 1);
                told.entry((*number, others)).or_default().push(said);
            }
        }
    }
    for ((number, others), mut said) in told {
        said.sort_by_key(|(span, ..)| span.start);
        let template = &templates[number];
        let names = named(templates, &others);
        let nearly = if said.iter().any(|(.., is_near)| *is_near) { " (nearly so)" } else { "" };
        let message = match said.as_slice() {
            [_] => format!("this instruction also stands{nearly} in {names}"),
            several => {
                let lines: BTreeSet<usize> =
                    several.iter().map(|(span, ..)| template.source.line_column(span.start).0).collect();
                let more = if lines.len() > 5 { ", …" } else { "" };
                let lines: Vec<String> = lines.iter().take(5).map(usize::to_string).collect();
                let count = several.len();
                format!("{count} instructions (lines {}{more}) also stand{nearly} in {names}", lines.join(", "))
            }
        };
        let about: Vec<&str> = others.iter().map(|other| templates[*other].key.as_str()).collect();
        let finding = sink.of(template, said[0].0.clone(), message);
        finding.about(about.join(" ")).parts(said.into_iter().map(|(_, text, _)| text));
    }
}

/// Texts that have this share of their words in common, in the same order, in groups: each by its number. Only texts with a
/// rare word in common are held against each other: of two that are alike, one of the rarest of each is in the other.
fn alike(texts: &[Vec<&str>], share: f64) -> Vec<Vec<usize>> {
    let mut frequency: HashMap<&str, usize> = HashMap::new();
    for word in texts.iter().flatten() {
        *frequency.entry(word).or_default() += 1;
    }
    let mut words: Vec<(usize, &str)> = frequency.into_iter().map(|(word, count)| (count, word)).collect();
    words.sort_unstable();
    let numbers: HashMap<&str, usize> = words.iter().enumerate().map(|(number, (_, word))| (*word, number)).collect();
    // Each as the numbers of its words, the rarest word having the lowest: in their order, and sorted.
    let numbered =
        |text: &Vec<&str>| -> Vec<usize> { text.iter().filter_map(|word| numbers.get(word)).copied().collect() };
    let texts: Vec<Vec<usize>> = texts.iter().map(numbered).collect();
    let sorted = |text: &Vec<usize>| {
        let mut text = text.clone();
        text.sort_unstable();
        text
    };
    let bags: Vec<Vec<usize>> = texts.iter().map(sorted).collect();
    let mut with: Vec<Vec<usize>> = vec![Vec::new(); words.len()];
    let mut parent: Vec<usize> = (0..texts.len()).collect();
    for (number, bag) in bags.iter().enumerate() {
        let mut rare = bag.clone();
        rare.truncate((bag.len() + 1).saturating_sub(needed(bag.len(), share)));
        rare.dedup();
        for word in rare {
            for other in with[word].iter().rev().take(HELD).copied() {
                let (one, another) = (root(&mut parent, number), root(&mut parent, other));
                if one != another
                    && have_enough(bag, &bags[other], share)
                    && are_alike(&texts[number], &texts[other], share)
                {
                    parent[one.max(another)] = one.min(another);
                }
            }
            with[word].push(number);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in 0..texts.len() {
        groups.entry(root(&mut parent, number)).or_default().push(number);
    }
    groups.into_values().collect()
}

/// Whether two texts have enough words in common in any order, each of them sorted.
fn have_enough(one: &[usize], other: &[usize], share: f64) -> bool {
    let most = one.len().max(other.len());
    let needed = needed(most, share);
    let (mut at, mut against, mut missed) = (0, 0, 0);
    while at < one.len() && against < other.len() && missed <= 2 * (most - needed) {
        match one[at].cmp(&other[against]) {
            std::cmp::Ordering::Equal => (at, against) = (at + 1, against + 1),
            std::cmp::Ordering::Less => (at, missed) = (at + 1, missed + 1),
            std::cmp::Ordering::Greater => (against, missed) = (against + 1, missed + 1),
        }
    }
    missed <= 2 * (most - needed)
}

/// How many of so many words must stand in the other text, too.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few words")]
fn needed(words: usize, share: f64) -> usize {
    ((words as f64 * share).ceil() as usize).clamp(1, words.max(1))
}

fn root(parent: &mut [usize], mut number: usize) -> usize {
    while parent[number] != number {
        parent[number] = parent[parent[number]];
        number = parent[number];
    }
    number
}

/// Whether two texts have enough words in common, in the same order.
fn are_alike<T: PartialEq>(one: &[T], other: &[T], share: f64) -> bool {
    const LONGEST: usize = 300;
    let most = one.len().max(other.len());
    let needed = needed(most, share);
    if one.len().min(other.len()) < needed || most > LONGEST {
        return false;
    }
    // The longest common subsequence, a row at a time.
    let mut row = vec![0_usize; other.len() + 1];
    for word in one {
        let mut before = 0;
        for (at, against) in other.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if word == against { before + 1 } else { above.max(row[at]) };
            before = above;
        }
    }
    row[other.len()] >= needed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As [`alike`] finds them, by holding each text against each.
    fn slowly(texts: &[Vec<&str>], share: f64) -> Vec<Vec<usize>> {
        let mut parent: Vec<usize> = (0..texts.len()).collect();
        for one in 0..texts.len() {
            for other in 0..one {
                if are_alike(&texts[one], &texts[other], share) {
                    let (a, b) = (root(&mut parent, one), root(&mut parent, other));
                    parent[a.max(b)] = a.min(b);
                }
            }
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in 0..texts.len() {
            groups.entry(root(&mut parent, number)).or_default().push(number);
        }
        groups.into_values().collect()
    }

    #[test]
    fn the_index_misses_no_pair() {
        let words = ["a", "b", "c", "d", "e", "f"];
        let mut seed = 7_u32;
        let mut next = |most: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(seed >> 16).unwrap_or_default() % most
        };
        for _ in 0..200 {
            let texts: Vec<Vec<&str>> =
                (0..30).map(|_| (0..4 + next(12)).map(|_| words[next(words.len())]).collect()).collect();
            for share in [0.5, 0.75, 0.9, 1.0] {
                assert_eq!(alike(&texts, share), slowly(&texts, share), "{texts:?}");
            }
        }
    }

    #[test]
    fn nine_of_ten_words_in_their_order_are_alike() {
        let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
        let one = words("never promise a refund that the policy of the shop excludes");
        assert!(are_alike(&one, &words("never promise a refund which the policy of the shop excludes"), 0.9));
        assert!(!are_alike(&one, &words("always promise a refund which the policy of the shop excludes"), 0.9));
        assert!(!are_alike(&one, &words("excludes shop the of policy the that refund a promise never"), 0.9));
        assert!(!are_alike(&[], &one, 0.9) && !are_alike(&one, &[], 0.9));
    }
}
