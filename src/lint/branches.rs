//! Which texts of a prompt are never sent together: those of branches that exclude each other.

use std::ops::Range;

use super::pattern;
use super::text::{Tag, Template, normalised};

/// How deep partials are followed.
const DEPTH: usize = 5;
/// How many ways to a partial are looked at.
const WAYS: usize = 32;

/// One side of a condition, or the body of a loop.
#[derive(Debug)]
struct Arm {
    /// What it holds.
    region: Range<usize>,
    /// The template, and the condition in it.
    chain: (usize, usize),
    /// Which side.
    number: usize,
    /// The names that the condition reads.
    names: Vec<String>,
    /// The condition, as it is written.
    text: String,
    /// Whether a condition decides, and no loop.
    is_if: bool,
}

/// What is taken to a place: the arms around it.
type Way<'a> = Vec<&'a Arm>;

/// The branches of a prompt and its partials.
pub(super) struct Branches<'a> {
    parts: &'a [&'a Template],
    arms: Vec<Vec<Arm>>,
}

pattern!(NAMED, r#"["']([^"']+)["']"#);

impl<'a> Branches<'a> {
    /// The branches of these templates, the first of which includes the others.
    pub(super) fn new(parts: &'a [&'a Template]) -> Self {
        Self { parts, arms: parts.iter().enumerate().map(|(number, part)| arms(number, part)).collect() }
    }

    /// Whether nothing that is sent holds both places; each is a part's number and an offset in it.
    pub(super) fn exclude(&self, first: (usize, usize), second: (usize, usize)) -> bool {
        if self.arms.iter().all(Vec::is_empty) {
            return false;
        }
        let (first, second) = (self.ways(first, 0), self.ways(second, 0));
        first.iter().all(|one| second.iter().all(|other| are_apart(one, other)))
    }

    /// The most of these places, of the first template, that are sent together.
    pub(super) fn together(&self, places: &[usize]) -> Vec<usize> {
        const SEEDS: usize = 64;
        let ways: Vec<Way<'_>> = places.iter().map(|at| self.around(0, *at)).collect();
        if ways.iter().all(Vec::is_empty) {
            return places.to_vec();
        }
        let mut best: Vec<usize> = Vec::new();
        for seed in ways.iter().take(SEEDS) {
            let mut taken: Vec<usize> = Vec::new();
            let mut known: Vec<&Way<'_>> = vec![seed];
            for (at, way) in places.iter().zip(&ways) {
                if known.iter().all(|other| !are_apart(other, way)) {
                    taken.push(*at);
                    // The same way again excludes nothing more.
                    if !known.iter().any(|other| same(other, way)) {
                        known.push(way);
                    }
                }
            }
            if taken.len() > best.len() {
                best = taken;
            }
        }
        best
    }

    fn around(&self, part: usize, at: usize) -> Way<'_> {
        self.arms.get(part).into_iter().flatten().filter(|arm| arm.region.contains(&at)).collect()
    }

    /// The ways to a place, through every `include` that leads to it.
    fn ways(&self, (part, at): (usize, usize), depth: usize) -> Vec<Way<'_>> {
        let own = self.around(part, at);
        if part == 0 || depth > DEPTH {
            return vec![own];
        }
        let mut all: Vec<Way<'_>> = Vec::new();
        for (number, other) in self.parts.iter().enumerate().filter(|(number, _)| *number != part) {
            for tag in other.tags.iter().filter(|tag| includes(other, tag, &self.parts[part].key)) {
                for mut way in self.ways((number, tag.span.start), depth + 1) {
                    way.extend(&own);
                    all.push(way);
                }
                if all.len() > WAYS {
                    return all;
                }
            }
        }
        if all.is_empty() { vec![own] } else { all }
    }
}

/// Whether a tag brings a template of this name in.
pub(super) fn includes(template: &Template, tag: &Tag, key: &str) -> bool {
    matches!(tag.keyword.as_str(), "include" | "import" | "from" | "extends")
        && NAMED.captures_iter(template.written(tag.span.clone())).any(|found| &found[1] == key)
}

fn same(one: &Way<'_>, other: &Way<'_>) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.chain == b.chain && a.number == b.number)
}

/// Whether two ways cannot be taken at once: they part at a condition, or at two that read the same variable and are not
/// the same. The latter may hold together for all that is known here; it is not told then, rather than told wrongly.
fn are_apart(one: &Way<'_>, other: &Way<'_>) -> bool {
    one.iter().any(|a| {
        other.iter().any(|b| {
            if a.chain == b.chain {
                return a.number != b.number;
            }
            let is_shared = a.names.iter().any(|name| b.names.contains(name));
            a.is_if && b.is_if && is_shared && a.text != b.text
        })
    })
}

fn arms(part: usize, template: &Template) -> Vec<Arm> {
    let mut open: Vec<Arm> = Vec::new();
    let mut done: Vec<Arm> = Vec::new();
    for (number, tag) in template.tags.iter().enumerate() {
        let text = || normalised(template.written(tag.span.clone()).trim_matches(['{', '}', '%', '-', '+', ' ']));
        let begin = |chain, number, names, text, is_if| {
            let region = tag.span.end..template.masked.len();
            Arm { region, chain, number, names, text, is_if }
        };
        match tag.keyword.as_str() {
            keyword @ ("if" | "for") => {
                let text = text().trim_start_matches("if ").to_owned();
                open.push(begin((part, number), 0, tag.names.clone(), text, keyword == "if"));
            }
            keyword @ ("elif" | "else") => {
                let Some(mut arm) = open.pop() else { continue };
                arm.region.end = tag.span.start;
                let names = if keyword == "elif" { tag.names.clone() } else { arm.names.clone() };
                let text = match keyword {
                    "elif" => text().trim_start_matches("elif ").to_owned(),
                    _ => format!("else {}", arm.text),
                };
                open.push(begin(arm.chain, arm.number + 1, names, text, arm.is_if));
                done.push(arm);
            }
            "endif" | "endfor" => {
                let Some(mut arm) = open.pop() else { continue };
                arm.region.end = tag.span.start;
                done.push(arm);
            }
            _ => {}
        }
    }
    done.extend(open);
    done
}
