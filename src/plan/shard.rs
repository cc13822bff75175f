//! Dividing a plan among machines: every part is found by each machine on its own, and all of them give the whole.

use std::str::FromStr;

use super::{Plan, Workspace};
use crate::core::digest::{DigestBuilder, sha256_hex};
use crate::core::event::Shard;

/// How much more than its share a part may get so that what was added elsewhere moves nothing, in percent.
const SLACK: u128 = 5;

/// Which part of a plan, of how many: `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write which part of how many, such as 2/4".to_owned();
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let (number, of) = (number.trim().parse().map_err(|_| wrong())?, of.trim().parse().map_err(|_| wrong())?);
        match (number, of) {
            (_, 0 | 1001..) => Err("there are 1 to 1000 parts".to_owned()),
            (0, _) => Err(format!("parts are counted from 1: write 1/{of}")),
            (number, of) if number > of => Err(format!("there is no part {number} of {of}")),
            (number, of) => Ok(Self { number, of }),
        }
    }
}

impl Plan {
    /// Keeps one part of what is planned. `milliseconds` says how long each item is thought to take, where that is known;
    /// `deciding` stands for what decides its verdict.
    ///
    /// Each item has its part by a hash of its names, so that a case that is added moves no other; an item goes elsewhere
    /// only where its part has more than its share of the time already.
    #[must_use]
    pub fn part(
        mut self,
        workspace: &Workspace,
        part: Part,
        milliseconds: &[Option<u64>],
        deciding: &[Option<String>],
    ) -> (Self, Shard) {
        let names: Vec<String> = self.items.iter().map(|item| name(workspace, item.case, item.model)).collect();
        let parts = divide(&names, milliseconds, part.of);
        let mut digest = DigestBuilder::default();
        for ((item, name), part) in self.items.iter().zip(&names).zip(&parts) {
            digest.part("name", name.as_bytes());
            digest.part("part", part.to_string().as_bytes());
            item.keys.iter().for_each(|key| digest.part("key", key.as_str().as_bytes()));
        }
        for decides in deciding.iter().flatten() {
            digest.part("decides", decides.as_bytes());
        }
        let shard = Shard { number: part.number, of: part.of, plan: digest.finish(), whole: self.items.len() as u64 };
        (0..).zip(&mut self.items).for_each(|(position, item)| item.position = Some(position));
        let mut parts = parts.into_iter();
        self.items.retain(|_| parts.next() == Some(part.number - 1));
        (self, shard)
    }
}

fn name(workspace: &Workspace, case: usize, model: usize) -> String {
    let case = &workspace.cases.list[case];
    // No name has a line feed.
    format!("{}\n{}\n{}", workspace.prompt_of(case).name, case.name, workspace.config.models[model].alias)
}

/// The part of each name, from 0.
fn divide(names: &[String], milliseconds: &[Option<u64>], parts: u32) -> Vec<u32> {
    let mut known: Vec<u64> = milliseconds.iter().copied().flatten().collect();
    known.sort_unstable();
    // What nobody knows takes as long as the one in the middle.
    let usual = known.get(known.len() / 2).copied().unwrap_or(1).max(1);
    let time = |index: usize| u128::from(milliseconds.get(index).copied().flatten().unwrap_or(usual).max(1));
    let total: u128 = (0..names.len()).map(time).sum();
    let share = total * (100 + SLACK) / 100 / u128::from(parts);
    let hashes: Vec<String> = names.iter().map(|name| sha256_hex(name.as_bytes())).collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    // What takes longest is placed first: the rest fills the gaps.
    order.sort_by(|a, b| time(*b).cmp(&time(*a)).then_with(|| hashes[*a].cmp(&hashes[*b])));
    let (mut loads, mut placed) = (vec![0_u128; parts as usize], vec![0_u32; names.len()]);
    for index in order {
        let own = preferred(&hashes[index], parts);
        let is_full = loads[own as usize] > 0 && loads[own as usize] + time(index) > share;
        let lightest = (0..parts).min_by_key(|part| loads[*part as usize]).unwrap_or(own);
        let chosen = if is_full { lightest } else { own };
        loads[chosen as usize] += time(index);
        placed[index] = chosen;
    }
    placed
}

/// The part that a name has whatever else is planned: the highest of as many scores as there are parts, so that another
/// number of parts moves as few as can be.
fn preferred(hash: &str, parts: u32) -> u32 {
    let seed = u64::from_str_radix(hash.get(..16).unwrap_or_default(), 16).unwrap_or(0);
    (0..parts)
        .max_by_key(|part| scrambled(seed ^ (u64::from(*part) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .unwrap_or(0)
}

/// The last step of splitmix64: every bit of what comes in moves every bit of what comes out.
fn scrambled(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_part_is_written_as_two_numbers() {
        assert_eq!("2/4".parse(), Ok(Part { number: 2, of: 4 }));
        for wrong in ["", "2", "0/4", "5/4", "1/0", "-1/2", "a/b", "1/2/3", "1/1001"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn parts_take_about_as_long() {
        let names: Vec<String> = (0..2000).map(|n| format!("p\ncase {n}\nm")).collect();
        // A few take very long, as answers do.
        let times: Vec<Option<u64>> =
            (0..2000_u64).map(|n| (n % 7 != 0).then_some(if n % 50 == 1 { 20_000 } else { 100 + n })).collect();
        let parts = divide(&names, &times, 4);
        let load = |part: u32| -> u64 {
            let own = parts.iter().zip(&times).filter(|(p, _)| **p == part);
            own.map(|(_, time)| time.unwrap_or(1000)).sum()
        };
        let loads: Vec<u64> = (0..4).map(load).collect();
        let (least, most) = (loads.iter().min().copied().unwrap_or(0), loads.iter().max().copied().unwrap_or(0));
        assert!(most * 100 <= least * 115, "{loads:?}");
    }

    #[test]
    fn a_case_that_is_added_moves_few_others() {
        let names: Vec<String> = (0..1000).map(|n| format!("p\ncase {n}\nm")).collect();
        let before = divide(&names[..990], &[], 4);
        let after = divide(&names, &[], 4);
        let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!(moved < 60, "{moved} of 990 moved");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_item_has_one_part_whoever_asks(
            count in 0_usize..60, parts in 1_u32..9, times in prop::collection::vec(prop::option::of(0_u64..100_000), 0..60),
        ) {
            let names: Vec<String> = (0..count).map(|n| format!("p\n{n}\nm")).collect();
            let placed = divide(&names, &times, parts);
            prop_assert_eq!(placed.len(), count);
            prop_assert!(placed.iter().all(|part| *part < parts));
            prop_assert_eq!(&placed, &divide(&names, &times, parts));
        }
    }
}
