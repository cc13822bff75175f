//! A review as a state machine: what is shown next, and what a decision covers.

use crate::snapshot::{Change, ChangeKind, Pending};

/// What a person says of an answer that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It becomes the accepted answer.
    Accept,
    /// The accepted answer stays.
    Reject,
    /// It waits on.
    Skip,
}

/// The same change in several cases.
#[derive(Clone, Debug)]
pub struct Group {
    /// What changed.
    pub change: Change,
    /// Where its members stand in [`Session::pending`].
    pub members: Vec<usize>,
}

/// What is left to decide, riskiest first, the same change together.
#[derive(Debug)]
pub struct Session {
    /// Everything that waits.
    pub pending: Vec<Pending>,
    decided: Vec<Option<Decision>>,
}

impl Session {
    /// A review of answers that are sorted by risk, as [`crate::snapshot::pending`] gives them.
    #[must_use]
    pub fn new(pending: Vec<Pending>) -> Self {
        let decided = vec![None; pending.len()];
        Self { pending, decided }
    }

    /// The next one to decide, if any is left.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        self.decided.iter().position(Option::is_none)
    }

    /// Those that went through the same change and are not decided yet.
    #[must_use]
    pub fn alike(&self, index: usize) -> Vec<usize> {
        let change = &self.pending[index].change;
        (0..self.pending.len()).filter(|i| self.decided[*i].is_none() && self.pending[*i].change == *change).collect()
    }

    /// All groups of the same change, in their order.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (i, pending) in self.pending.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if group.change == pending.change => group.members.push(i),
                _ => groups.push(Group { change: pending.change.clone(), members: vec![i] }),
            }
        }
        groups
    }

    /// Decides one, or with `all` everything that went through the same change. Gives back what is to be done now.
    /// An answer whose expectations fail is accepted alone only: nobody accepts what fails by the dozen.
    pub fn decide(&mut self, index: usize, decision: Decision, all: bool) -> Vec<usize> {
        let failing = self.pending[index].change.kind == ChangeKind::Failing;
        let covered = if all && !(failing && decision == Decision::Accept) { self.alike(index) } else { vec![index] };
        for i in &covered {
            self.decided[*i] = Some(decision);
        }
        covered
    }

    /// How many were decided so, and how many are left.
    #[must_use]
    pub fn count(&self, decision: Option<Decision>) -> usize {
        self.decided.iter().filter(|decided| **decided == decision).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::path::TreePath;
    use crate::snapshot::{Info, Snapshot, classify};

    fn pending(case: &str, old: &str, new: &str, failing: bool) -> Pending {
        let info = Info { case: case.into(), failing, ..Info::default() };
        let change = classify(Some((old, &Info::default())), (new, &info), case);
        Pending {
            path: TreePath::new(&format!("snapshots/p/{case}@m.snap")).expect("a path"),
            accepted: Some(Snapshot::new("", "", &Info::default(), old.into())),
            new: Snapshot::new("", "", &info, new.into()),
            info,
            change,
        }
    }

    #[test]
    fn one_decision_covers_the_same_change() {
        let mut session = Session::new(vec![
            pending("a", "it takes 14 days", "it takes 30 days", false),
            pending("b", "wait 14 days please", "wait 30 days please", false),
            pending("c", "good answer here", "another answer here", false),
        ]);
        assert_eq!(session.groups().len(), 2);
        assert_eq!(session.next(), Some(0));
        assert_eq!(session.decide(0, Decision::Accept, true), [0, 1]);
        assert_eq!(session.next(), Some(2));
        session.decide(2, Decision::Skip, false);
        assert_eq!((session.next(), session.count(Some(Decision::Accept)), session.count(None)), (None, 2, 0));
    }

    #[test]
    fn failing_answers_are_not_accepted_together() {
        let mut session = Session::new(vec![pending("a", "x", "y", true), pending("a", "x", "y", true)]);
        assert_eq!(session.decide(0, Decision::Accept, true), [0]);
        assert_eq!(session.decide(1, Decision::Reject, true), [1]);
    }
}
