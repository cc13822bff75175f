//! A review with its files: every decision is carried out at once, and can be taken back.

use std::path::PathBuf;
use std::sync::Arc;

use super::session::{Decision, Session};
use crate::core::problem::Problem;
use crate::core::words::counted;
use crate::snapshot::{Act, ActError, Pending, Reason, Undo, act, pending_at, take_back};
use crate::tree::Tree;

/// A session, and the project that it is about.
pub struct Desk {
    /// What is decided, and what is left.
    pub session: Session,
    root: PathBuf,
    tree: Arc<dyn Tree>,
    require_reason: bool,
    /// What takes the steps of the session back, step by step.
    undo: Vec<Vec<Undo>>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Somebody else wrote these meanwhile. They were read anew.
    #[error("{} changed on the disk since, and {} been read anew: look again", counted(.0.len() as u64, "answer", "answers"), if .0.len() == 1 { "has" } else { "have" })]
    Changed(Vec<usize>),
    /// Accepting it needs a reason.
    #[error("{0}: say why it is accepted")]
    NeedsReason(&'static str),
    /// Several were to be accepted together, and expectations of some fail.
    #[error("an answer whose expectations fail is accepted alone only")]
    FailingTogether,
    /// It was decided already.
    #[error("this was decided already; undo that first")]
    Decided,
    /// There is no step to undo.
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// Files that a step wrote are other ones now.
    #[error("this cannot be undone: {0}")]
    CannotUndo(String),
    /// A file cannot be read.
    #[error("{}", .0.in_a_line())]
    Unreadable(Problem),
    /// A file cannot be written.
    #[error("nothing was written: {0}")]
    Unwritten(String),
}

impl Desk {
    /// A review of what waits in a project below `root`; `tree` is how it lies on the disk.
    #[must_use]
    pub fn new(pending: Vec<Pending>, root: PathBuf, tree: Arc<dyn Tree>, require_reason: bool) -> Self {
        Self { session: Session::new(pending), root, tree, require_reason, undo: Vec::new() }
    }

    /// Why accepting these needs a reason, where it does.
    #[must_use]
    pub fn needs_reason(&self, covered: &[usize]) -> Option<&'static str> {
        needs_reason(self.require_reason, covered.iter().map(|i| &self.session.pending[*i]))
    }

    /// Decides on these, and carries it out: all, or none.
    pub fn decide(&mut self, covered: &[usize], decision: Decision, reason: Option<&Reason>) -> Result<(), Refusal> {
        let is_closed = |i: &usize| !matches!(self.session.decision(*i), None | Some(Decision::Skip));
        if covered.iter().any(is_closed) {
            return Err(Refusal::Decided);
        }
        if covered.iter().any(|i| self.session.is_gone(*i)) {
            return Err(Refusal::Changed(covered.to_vec()));
        }
        let kind = match decision {
            Decision::Accept => Act::Accept,
            Decision::Reject => Act::Reject,
            Decision::Skip => {
                self.session.decide(covered, decision);
                self.undo.push(Vec::new());
                return Ok(());
            }
        };
        if kind == Act::Accept {
            if covered.len() > 1 && covered.iter().any(|i| self.session.is_failing(*i)) {
                return Err(Refusal::FailingTogether);
            }
            if let Some(why) = self.needs_reason(covered).filter(|_| reason.is_none()) {
                return Err(Refusal::NeedsReason(why));
            }
        }
        let waiting: Vec<&Pending> = covered.iter().map(|i| &self.session.pending[*i]).collect();
        match act(&self.root, &waiting, kind, reason) {
            Ok(undo) => {
                self.session.decide(covered, decision);
                self.undo.push(undo);
                Ok(())
            }
            Err(ActError::Changed(paths)) => {
                let changed: Vec<usize> =
                    covered.iter().copied().filter(|i| paths.contains(&self.session.pending[*i].path)).collect();
                changed.iter().try_for_each(|i| self.reload(*i))?;
                Err(Refusal::Changed(changed))
            }
            Err(error) => Err(Refusal::Unwritten(error.to_string())),
        }
    }

    /// Undoes the last decision. Gives those that it covered. One that cannot be undone is not tried again.
    pub fn undo(&mut self) -> Result<Vec<usize>, Refusal> {
        let Some(undo) = self.undo.last() else { return Err(Refusal::NothingToUndo) };
        match take_back(&self.root, undo) {
            Ok(()) => {
                self.undo.pop();
                self.session.undo().ok_or(Refusal::NothingToUndo)
            }
            Err(ActError::Changed(paths)) => {
                self.undo.pop();
                self.session.forget();
                let paths: Vec<&str> = paths.iter().map(crate::core::path::TreePath::as_str).collect();
                Err(Refusal::CannotUndo(format!("{} changed since", paths.join(", "))))
            }
            Err(error) => Err(Refusal::CannotUndo(error.to_string())),
        }
    }

    /// How the review ends, in a line.
    #[must_use]
    pub fn closing_line(&self) -> String {
        let count = |decision| self.session.count(Some(decision));
        let (accepted, rejected) = (count(Decision::Accept), count(Decision::Reject));
        format!("{accepted} accepted, {rejected} rejected, {} still waiting", self.session.waiting())
    }

    /// Reads one anew.
    pub fn reload(&mut self, index: usize) -> Result<(), Refusal> {
        let path = &self.session.pending[index].path;
        let now = pending_at(&*self.tree, path).map_err(Refusal::Unreadable)?;
        self.session.replace(index, now);
        Ok(())
    }
}

/// Why accepting these answers needs a reason, where it does.
#[must_use]
pub fn needs_reason<'a>(required: bool, waiting: impl IntoIterator<Item = &'a Pending>) -> Option<&'static str> {
    let mut waiting = waiting.into_iter().filter(|pending| pending.info.reason.is_empty()).peekable();
    waiting.peek()?;
    if waiting.any(|pending| pending.info.failing) {
        Some("its expectations fail")
    } else {
        required.then_some("this project wants a reason (`review: { require-reason: true }`)")
    }
}
