//! Which side an example is on: by a hash of what belongs together, so that nothing of one group is on both, and that a side
//! stays what it was when other cases come.

use std::collections::{BTreeMap, HashMap};

use super::alike::{Together, near_pairs};
use super::{Example, Side, Wanted};
use crate::core::digest::sha256_hex;

/// A side for each example, and why.
#[derive(Debug)]
pub struct Division {
    /// The side of each example, in their order.
    pub sides: Vec<Side>,
    /// What each example belongs to: the name of one of its own group.
    pub groups: Vec<String>,
    /// The order in which the lines are written: by hash, so that no prompt stands at the end.
    pub order: Vec<usize>,
    /// The pairs of examples that say nearly the same, by their indexes.
    pub near: Vec<(usize, usize)>,
    /// The examples beyond the first of those that say the same.
    pub again: Vec<(usize, usize)>,
}

impl Division {
    /// How many groups there are, and how many examples the largest has.
    #[must_use]
    pub fn largest(&self) -> (usize, usize) {
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for group in &self.groups {
            *sizes.entry(group).or_default() += 1;
        }
        (sizes.len(), sizes.values().max().copied().unwrap_or(0))
    }

    /// How many examples are on a side.
    #[must_use]
    pub fn count(&self, side: Side) -> usize {
        self.sides.iter().filter(|own| **own == side).count()
    }

    /// The examples of a side, in the order of their lines.
    pub fn of(&self, side: Side) -> impl Iterator<Item = usize> + '_ {
        self.order.iter().copied().filter(move |index| self.sides[*index] == side)
    }
}

/// A number from 0 to below 1 that seed and name decide.
fn place(seed: u64, what: &str, name: &str) -> f64 {
    let digest = sha256_hex(format!("{seed}\n{what}\n{name}").as_bytes());
    // 13 hexadecimal digits are what fits into a float without rounding.
    let number = digest.get(..13).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "52 bits")]
    let place = number as f64 / (1_u64 << 52) as f64;
    place
}

fn name_of(example: &Example) -> String {
    format!("{}\n{}", example.prompt, example.case)
}

/// Divides the examples.
#[must_use]
pub fn divide(examples: &[Example], wanted: &Wanted) -> Division {
    let mut together = Together::new(examples.len());
    let mut first: HashMap<(&str, &str), usize> = HashMap::new();
    let mut again = Vec::new();
    for (index, example) in examples.iter().enumerate() {
        if let Some(group) = &example.group {
            together.join(*first.entry(("group", group)).or_insert(index), index);
        }
        let known = *first.entry(("says", &example.particular)).or_insert(index);
        if known != index {
            together.join(known, index);
            again.push((known, index));
        }
    }
    // A case that several models answered is one case.
    let names: Vec<String> = examples.iter().map(name_of).collect();
    let mut cases: HashMap<&str, usize> = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        together.join(*cases.entry(name).or_insert(index), index);
    }
    let different: Vec<usize> =
        (0..examples.len()).filter(|index| first.get(&("says", &examples[*index].particular)) == Some(index)).collect();
    let texts: Vec<&str> = different.iter().map(|index| examples[*index].particular.as_str()).collect();
    let near: Vec<(usize, usize)> =
        near_pairs(&texts).into_iter().map(|(one, other)| (different[one], different[other])).collect();
    for (one, other) in &near {
        together.join(*one, *other);
    }
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in 0..examples.len() {
        members.entry(together.of(index)).or_default().push(index);
    }
    let (mut sides, mut groups) = (vec![Side::Train; examples.len()], vec![String::new(); examples.len()]);
    for indexes in members.values() {
        let written = indexes.iter().filter_map(|index| examples[*index].group.as_deref()).min();
        // Of a group without a name, one of its cases speaks: whichever has the least hash, so that a new one seldom does.
        let speaks = || {
            let by = |name: &&String| sha256_hex(name.as_bytes());
            indexes.iter().map(|index| &names[*index]).min_by_key(by).cloned().unwrap_or_default()
        };
        let (what, name) = written.map_or_else(|| ("case", speaks()), |name| ("group", name.to_owned()));
        // What the prompt shows proves nothing where it is held out.
        let is_shown = indexes.iter().any(|index| examples[*index].is_shown);
        let is_held = !is_shown && place(wanted.seed, what, &name) < wanted.holdout;
        for index in indexes {
            sides[*index] = if is_held { Side::Validation } else { Side::Train };
            groups[*index] = name.replace('\n', "/");
        }
    }
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_by_cached_key(|index| {
        sha256_hex(format!("{}\nline\n{}\n{}", wanted.seed, names[*index], examples[*index].model).as_bytes())
    });
    Division { sides, groups, order, near, again }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Source};
    use super::*;
    use crate::core::names::{CaseName, ModelAlias, PromptName};
    use proptest::prelude::*;

    const WANTED: Wanted = Wanted {
        format: Format::OpenAi,
        keeps_system: true,
        source: Source::Both,
        holdout: 0.3,
        seed: 7,
        max_tokens: 1000,
    };

    fn example(case: &str, group: Option<&str>, says: &str) -> Example {
        Example {
            prompt: PromptName::new("p").expect("a name"),
            version: None,
            prompt_digest: String::new(),
            case: CaseName::new(case).expect("a name"),
            model: ModelAlias::new("m").expect("a name"),
            served: String::new(),
            tags: [].into(),
            group: group.map(Into::into),
            messages: Vec::new(),
            asked: 0,
            tools: Vec::new(),
            particular: says.to_owned(),
            is_shown: false,
            by_person: false,
            tokens: 1,
            counted: false,
            sha256: String::new(),
        }
    }

    fn written(texts: &[(u8, String)]) -> Vec<Example> {
        let one = |(index, (group, says)): (usize, &(u8, String))| {
            let group = (*group < 6).then(|| format!("g{group}"));
            example(&format!("case {index}"), group.as_deref(), says)
        };
        texts.iter().enumerate().map(one).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_is_on_both_sides(texts in proptest::collection::vec((0_u8..12, "[ab]{0,2}[a-c ]{0,30}"), 0..40), seed in any::<u64>()) {
            let examples = written(&texts);
            let wanted = Wanted { seed, ..WANTED };
            let division = divide(&examples, &wanted);
            for (one, a) in examples.iter().enumerate() {
                for (other, b) in examples.iter().enumerate().skip(one + 1) {
                    let near = one != other && !near_pairs(&[&a.particular, &b.particular]).is_empty();
                    if near || a.particular == b.particular || a.group.is_some() && a.group == b.group {
                        prop_assert_eq!(division.sides[one], division.sides[other]);
                        prop_assert_eq!(&division.groups[one], &division.groups[other]);
                    }
                }
            }
            let mut order = division.order.clone();
            order.sort_unstable();
            prop_assert_eq!(order, (0..examples.len()).collect::<Vec<_>>());
        }

        #[test]
        fn order_does_not_matter_and_a_new_case_moves_no_other(texts in proptest::collection::vec((0_u8..12, "[a-z]{12}"), 1..30), seed in any::<u64>()) {
            let examples = written(&texts);
            let wanted = Wanted { seed, ..WANTED };
            let all = divide(&examples, &wanted);
            let fewer = divide(&examples[1..], &wanted);
            let lone = all.groups.iter().filter(|group| **group == all.groups[0]).count() == 1 || examples[0].group.is_some();
            if lone {
                prop_assert_eq!(&all.sides[1..], &fewer.sides[..]);
            }
            let reversed: Vec<Example> = examples.iter().rev().cloned().collect();
            let mut sides = divide(&reversed, &wanted).sides;
            sides.reverse();
            prop_assert_eq!(sides, all.sides);
        }
    }

    #[test]
    fn the_share_is_about_what_was_asked_for() {
        let texts: Vec<(u8, String)> = (0..1000).map(|index| (9, sha256_hex(format!("{index}").as_bytes()))).collect();
        let mut examples = written(&texts);
        let held = divide(&examples, &WANTED).count(Side::Validation);
        assert!((250..350).contains(&held), "{held}");
        assert_eq!(divide(&examples, &Wanted { holdout: 0.0, ..WANTED }).count(Side::Validation), 0);
        let other = divide(&examples, &Wanted { seed: 8, ..WANTED }).sides;
        assert_ne!(divide(&examples, &WANTED).sides, other);
        for example in &mut examples {
            example.is_shown = true;
        }
        assert_eq!(divide(&examples, &WANTED).count(Side::Validation), 0, "what the prompt shows is not held out");
    }
}
