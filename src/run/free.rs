//! What the expectations of a case make of any text, as far as that takes nobody's judgement. Nothing is asked.

use super::prepared::Prepared;
use crate::core::problem::Problem;
use crate::core::record::{FinishReason, Response};
use crate::core::verdict::Checked;
use crate::expect::{Bound, Nobody, Subject};

/// The expectations of the first answer of a case; none in the place of one that asks somebody.
pub struct Free(Vec<Option<Bound>>);

impl Prepared {
    /// The expectations of a case, to be held against texts.
    pub fn free(&self, case: usize) -> Result<Free, Problem> {
        let bound = self.bind(&self.workspace.cases.list[case])?.first.bound;
        Ok(Free(bound.into_iter().map(|one| (!one.asks()).then_some(one)).collect()))
    }
}

impl Free {
    /// What they make of a text, in the order in which they are checked of an answer.
    #[must_use]
    pub fn check(&self, text: &str) -> Vec<Option<Checked>> {
        let response = Response { text: text.to_owned(), finish_reason: FinishReason::Stop, ..Response::default() };
        let subject = Subject { response: &response, cost_usd: None, oracle: &Nobody, tools: &[], turn: 1, sent: &[] };
        self.0.iter().map(|bound| bound.as_ref().map(|bound| bound.check(&subject))).collect()
    }
}
