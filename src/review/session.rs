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
    /// Those that somebody else decided meanwhile.
    gone: Vec<bool>,
    /// How often each was read anew.
    revisions: Vec<u32>,
    /// What was decided, step by step: each with what it was before.
    steps: Vec<Vec<(usize, Option<Decision>)>>,
}

impl Session {
    /// A review of answers that are sorted by risk, as [`crate::snapshot::pending`] gives them.
    #[must_use]
    pub fn new(pending: Vec<Pending>) -> Self {
        let count = pending.len();
        Self {
            pending,
            decided: vec![None; count],
            gone: vec![false; count],
            revisions: vec![0; count],
            steps: Vec::new(),
        }
    }

    /// The next one to decide, if any is left.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        (0..self.pending.len()).find(|i| self.is_open(*i))
    }

    fn is_open(&self, index: usize) -> bool {
        self.decided[index].is_none() && !self.gone[index]
    }

    /// What was decided on one.
    #[must_use]
    pub fn decision(&self, index: usize) -> Option<Decision> {
        self.decided[index]
    }

    /// Whether somebody else decided on it meanwhile.
    #[must_use]
    pub fn is_gone(&self, index: usize) -> bool {
        self.gone[index]
    }

    /// How often one was read anew: what was looked at before that may no longer be there.
    #[must_use]
    pub fn revision(&self, index: usize) -> u32 {
        self.revisions[index]
    }

    /// Those that went through the same change and are not decided yet.
    #[must_use]
    pub fn alike(&self, index: usize) -> Vec<usize> {
        let change = &self.pending[index].change;
        (0..self.pending.len()).filter(|i| self.is_open(*i) && self.pending[*i].change == *change).collect()
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

    /// Whether expectations fail of an answer.
    #[must_use]
    pub fn is_failing(&self, index: usize) -> bool {
        self.pending[index].change.kind == ChangeKind::Failing
    }

    /// What a decision covers: one, or with `all` everything that went through the same change. An answer whose
    /// expectations fail is accepted alone only: nobody accepts what fails by the dozen.
    #[must_use]
    pub fn covered(&self, index: usize, decision: Decision, all: bool) -> Vec<usize> {
        if all && !(self.is_failing(index) && decision == Decision::Accept) { self.alike(index) } else { vec![index] }
    }

    /// Decides on these, as one step.
    pub fn decide(&mut self, covered: &[usize], decision: Decision) {
        self.steps.push(covered.iter().map(|i| (*i, self.decided[*i])).collect());
        for i in covered {
            self.decided[*i] = Some(decision);
        }
    }

    /// How many steps can be undone.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// Undoes the last step. Gives those that it covered.
    pub fn undo(&mut self) -> Option<Vec<usize>> {
        let step = self.steps.pop()?;
        for (i, before) in &step {
            self.decided[*i] = *before;
        }
        Some(step.into_iter().map(|(i, _)| i).collect())
    }

    /// Forgets the last step, which then stays as it is.
    pub fn forget(&mut self) {
        self.steps.pop();
    }

    /// Puts what waits now in the place of what waited before; `None` where somebody decided on it.
    pub fn replace(&mut self, index: usize, now: Option<Pending>) {
        self.revisions[index] += 1;
        match now {
            Some(pending) => self.pending[index] = pending,
            None => self.gone[index] = true,
        }
    }

    /// How many were decided so, and how many are left.
    #[must_use]
    pub fn count(&self, decision: Option<Decision>) -> usize {
        let is_it = |i: &usize| self.decided[*i] == decision && !(decision.is_none() && self.gone[*i]);
        (0..self.pending.len()).filter(is_it).count()
    }

    /// How many wait on after the review.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waits = |i: &usize| matches!(self.decided[*i], None | Some(Decision::Skip)) && !self.gone[*i];
        (0..self.pending.len()).filter(waits).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::path::TreePath;
    use crate::snapshot::{Info, Seen, Snapshot, classify};

    fn pending(case: &str, old: &str, new: &str, failing: bool) -> Pending {
        let info = Info { case: case.into(), failing, ..Info::default() };
        let change = classify(Some((old, &Info::default())), (new, &info), case);
        Pending {
            path: TreePath::new(&format!("snapshots/p/{case}@m.snap")).expect("a path"),
            accepted: Some(Snapshot::new("", "", &Info::default(), old.into())),
            new: Snapshot::new("", "", &info, new.into()),
            info,
            change,
            seen: Seen::default(),
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
        let covered = session.covered(0, Decision::Accept, true);
        assert_eq!(covered, [0, 1]);
        session.decide(&covered, Decision::Accept);
        assert_eq!(session.next(), Some(2));
        session.decide(&[2], Decision::Skip);
        assert_eq!((session.next(), session.count(Some(Decision::Accept)), session.count(None)), (None, 2, 0));
        assert_eq!(session.waiting(), 1);
    }

    #[test]
    fn undo_goes_step_by_step_all_the_way_back() {
        let one = || pending("a", "it takes 14 days", "it takes 30 days", false);
        let mut session = Session::new(vec![one(), one(), one()]);
        session.decide(&[0], Decision::Skip);
        session.decide(&[0, 1], Decision::Accept);
        session.decide(&[2], Decision::Reject);
        assert_eq!(session.undo(), Some(vec![2]));
        assert_eq!((session.next(), session.undo()), (Some(2), Some(vec![0, 1])));
        assert_eq!((session.decision(0), session.decision(1)), (Some(Decision::Skip), None));
        assert_eq!((session.undo(), session.undo(), session.count(None)), (Some(vec![0]), None, 3));
    }

    #[test]
    fn what_somebody_else_decided_waits_no_more() {
        let one = || pending("a", "it takes 14 days", "it takes 30 days", false);
        let mut session = Session::new(vec![one(), one()]);
        session.replace(0, None);
        assert_eq!(
            (session.next(), session.alike(1), session.waiting(), session.count(None)),
            (Some(1), vec![1], 1, 1)
        );
        session.replace(1, Some(one()));
        assert_eq!((session.revision(1), session.next()), (1, Some(1)));
    }

    #[test]
    fn failing_answers_are_not_accepted_together() {
        let mut session = Session::new(vec![pending("a", "x", "y", true), pending("a", "x", "y", true)]);
        assert_eq!(session.covered(0, Decision::Accept, true), [0]);
        session.decide(&[0], Decision::Accept);
        assert_eq!(session.covered(1, Decision::Reject, true), [1]);
    }
}
