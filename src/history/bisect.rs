//! Halving: which of the versions to look at next, and which one is the first bad one. Pure; knows of versions only how
//! they descend from one another.

use std::collections::{BTreeMap, BTreeSet};

/// What a version turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// It cannot be told.
    Skip,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look at this version.
    Probe(usize),
    /// This one is the first bad one.
    Found(usize),
    /// One of these is, and none of them can be told from the others.
    Among(Vec<usize>),
    /// No version is known to be bad.
    NothingBad,
}

/// The versions, each with those that it came from, and what is known of them. What came before all of them is good.
#[derive(Clone, Debug, Default)]
pub struct Bisect {
    parents: Vec<Vec<usize>>,
    marks: BTreeMap<usize, Mark>,
}

impl Bisect {
    /// Versions with those that they came from.
    #[must_use]
    pub fn new(parents: Vec<Vec<usize>>) -> Self {
        Self { parents, marks: BTreeMap::new() }
    }

    /// Says what a version is.
    pub fn mark(&mut self, version: usize, mark: Mark) {
        self.marks.insert(version, mark);
    }

    /// A version with all that it descends from.
    fn ancestry(&self, version: usize) -> BTreeSet<usize> {
        let (mut found, mut queue) = (BTreeSet::from([version]), vec![version]);
        while let Some(at) = queue.pop() {
            queue.extend(self.parents[at].iter().copied().filter(|parent| found.insert(*parent)));
        }
        found
    }

    fn marked(&self, mark: Mark) -> impl Iterator<Item = usize> {
        self.marks.iter().filter(move |(_, known)| **known == mark).map(|(version, _)| *version)
    }

    /// The versions of which one is the first bad one.
    #[must_use]
    pub fn suspects(&self) -> BTreeSet<usize> {
        let good: BTreeSet<usize> = self.marked(Mark::Good).flat_map(|version| self.ancestry(version)).collect();
        let bad = self.marked(Mark::Bad).map(|version| self.ancestry(version));
        let all = bad.reduce(|all, more| all.intersection(&more).copied().collect()).unwrap_or_default();
        all.difference(&good).copied().collect()
    }

    /// What to do next.
    #[must_use]
    pub fn step(&self) -> Step {
        let suspects = self.suspects();
        let Some(last) = suspects.iter().find(|version| self.marks.get(version) == Some(&Mark::Bad)) else {
            return Step::NothingBad;
        };
        if suspects.len() == 1 {
            return Step::Found(*last);
        }
        let half = suspects.len() / 2;
        let weight = |version: usize| self.ancestry(version).intersection(&suspects).count();
        let untold = suspects.iter().copied().filter(|version| !self.marks.contains_key(version));
        // The one that leaves as many on either side.
        match untold.min_by_key(|version| (weight(*version).abs_diff(half), *version)) {
            Some(version) => Step::Probe(version),
            None => Step::Among(suspects.into_iter().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Halves until there is an answer; gives it with the number of versions that were looked at.
    fn solve(parents: Vec<Vec<usize>>, tell: impl Fn(usize) -> Mark) -> (Step, usize) {
        let mut bisect = Bisect::new(parents);
        bisect.mark(0, Mark::Bad);
        let mut probes = 0;
        loop {
            match bisect.step() {
                Step::Probe(version) => {
                    probes += 1;
                    bisect.mark(version, tell(version));
                }
                step => return (step, probes),
            }
        }
    }

    /// A line of versions, the newest first.
    fn line(count: usize) -> Vec<Vec<usize>> {
        (0..count).map(|version| (version + 1 < count).then_some(version + 1).into_iter().collect()).collect()
    }

    proptest! {
        #[test]
        fn the_first_bad_one_is_found_in_few_steps(count in 1_usize..300, at in 0_usize..300) {
            let first = at % count;
            let (step, probes) = solve(line(count), |version| if version <= first { Mark::Bad } else { Mark::Good });
            prop_assert_eq!(step, Step::Found(first));
            prop_assert!(probes <= count.next_power_of_two().ilog2() as usize, "{} of {}", probes, count);
        }

        #[test]
        fn what_cannot_be_told_is_never_blamed_alone(count in 2_usize..60, at in 0_usize..60, skip in 0_usize..60) {
            let (first, skipped) = (at % count, 1 + skip % (count - 1));
            let tell = |version| match version {
                _ if version == skipped => Mark::Skip,
                _ if version <= first => Mark::Bad,
                _ => Mark::Good,
            };
            let (step, _) = solve(line(count), tell);
            let expected = if first == skipped || first + 1 == skipped {
                vec![Step::Among(vec![skipped - 1, skipped])]
            } else {
                vec![Step::Found(first)]
            };
            prop_assert!(expected.contains(&step), "{:?}, first {}, skipped {}", step, first, skipped);
        }
    }

    #[test]
    fn branches_are_followed_to_the_one_that_broke_it() {
        // 0 merges 1 and 3; 1 ← 2 ← 5, 3 ← 4 ← 5.
        let graph = vec![vec![1, 3], vec![2], vec![5], vec![4], vec![5], vec![]];
        let (step, _) = solve(graph.clone(), |version| if matches!(version, 0 | 3) { Mark::Bad } else { Mark::Good });
        assert_eq!(step, Step::Found(3));
        let (step, _) = solve(graph, |version| if version == 0 { Mark::Bad } else { Mark::Good });
        assert_eq!(step, Step::Found(0), "a merge may break what neither side broke");
    }

    #[test]
    fn without_a_bad_one_there_is_nothing_to_find() {
        assert_eq!(Bisect::new(line(3)).step(), Step::NothingBad);
    }
}
