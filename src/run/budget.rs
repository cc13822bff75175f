//! Money: a run asks only what it can pay for, counting what is on its way at the most that it may cost.

use std::sync::Mutex;

use tokio::sync::Notify;

use crate::core::record::{Price, Usage};
use crate::plan::Estimate;

/// What an answer is taken for that nothing limits, in tokens, until a longer one was seen.
const UNLIMITED: u64 = 1024;

/// What may be spent, and what is.
#[derive(Debug)]
pub(super) struct Budget {
    limit: f64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    spent: f64,
    reserved: f64,
    longest: u64,
}

/// Money that is set aside for one request.
#[derive(Debug)]
pub(super) struct Reserved<'b> {
    budget: &'b Budget,
    most: f64,
}

impl Budget {
    pub(super) fn new(limit: f64) -> Self {
        Self { limit, state: Mutex::default(), changed: Notify::new() }
    }

    pub(super) fn limit(&self) -> f64 {
        self.limit
    }

    /// Sets money aside for a request; `None` where it might cost more than is left. Waits while only what is on its
    /// way stands against it.
    pub(super) async fn reserve(&self, price: &Price, estimate: &Estimate) -> Option<Reserved<'_>> {
        loop {
            let notified = self.changed.notified();
            {
                let mut state = self.state.lock().ok()?;
                let most = most(price, estimate, state.longest);
                // A millionth of a dollar is nobody's limit.
                let fits = |sum: f64| sum <= self.limit + 1e-9;
                if !fits(state.spent + most) {
                    return None;
                }
                if fits(state.spent + state.reserved + most) {
                    state.reserved += most;
                    return Some(Reserved { budget: self, most });
                }
            }
            notified.await;
        }
    }
}

impl Reserved<'_> {
    /// What the answer really cost. An answer whose tokens nobody counted is taken at the most it may have cost.
    pub(super) fn spend(&self, price: &Price, usage: &Usage) {
        if let Ok(mut state) = self.budget.state.lock() {
            state.spent += price.cost(usage).unwrap_or(self.most);
            state.longest = state.longest.max(usage.output.unwrap_or(0));
        }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.budget.state.lock() {
            state.reserved -= self.most;
        }
        self.budget.changed.notify_waiters();
        self.budget.changed.notify_one();
    }
}

/// The most that a request may cost.
fn most(price: &Price, estimate: &Estimate, longest: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let input = (estimate.input as f64 * (1.0 + estimate.margin())).ceil() as u64;
    let output = estimate.output.unwrap_or_else(|| UNLIMITED.max(longest));
    let dearest = Price { input: price.input.max(price.cache_write.unwrap_or(0.0)), ..*price };
    dearest.cost(&Usage { input: Some(input), output: Some(output), ..Usage::default() }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price { input: 0.0, cached_input: None, cache_write: None, output: 1_000_000.0 };

    fn answer(output: u64) -> (Estimate, Usage) {
        let usage = Usage { input: Some(0), output: Some(output), ..Usage::default() };
        (Estimate { input: 0, output: Some(output), counted: true }, usage)
    }

    #[test]
    fn nothing_is_asked_that_cannot_be_paid() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let budget = Budget::new(5.0);
            let (estimate, usage) = answer(3);
            let first = budget.reserve(&PRICE, &estimate).await.expect("affordable");
            assert!(budget.reserve(&PRICE, &answer(6).0).await.is_none(), "dearer than the whole");
            // The second would fit without the first, so it waits for what the first really costs.
            let second = budget.reserve(&PRICE, &estimate);
            let finish = async {
                first.spend(&PRICE, &answer(1).1);
                drop(first);
            };
            let (second, ()) = tokio::join!(second, finish);
            let second = second.expect("affordable after all");
            second.spend(&PRICE, &usage);
            drop(second);
            assert!(budget.reserve(&PRICE, &estimate).await.is_none(), "4 of 5 are spent");
            assert!(budget.reserve(&PRICE, &answer(1).0).await.is_some());
        });
    }
}
