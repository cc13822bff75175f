//! Money: a run asks only what it can pay for, counting what is on its way at the most that it may cost.

use std::sync::Mutex;

use tokio::sync::Notify;

use crate::core::price::Price;
use crate::core::record::Usage;
use crate::plan::Estimate;

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
    /// way stands against it. An answer that nothing limits is given all that is left, so that it is alone on its way.
    pub(super) async fn reserve(&self, price: &Price, estimate: &Estimate) -> Option<Reserved<'_>> {
        loop {
            let notified = self.changed.notified();
            {
                let mut state = self.state.lock().ok()?;
                let least = estimate.cost_with(price, 0);
                let most = estimate.most_cost(price).unwrap_or_else(|| least.max(self.limit - state.spent));
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
        self.add(price.cost(usage).unwrap_or(self.most));
    }

    /// Attempts that brought no answer, and that the vendor may have counted all the same.
    pub(super) fn lose(&self, attempts: u32) {
        self.add(self.most * f64::from(attempts));
    }

    fn add(&self, amount: f64) {
        if let Ok(mut state) = self.budget.state.lock() {
            state.spent += amount;
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

#[cfg(test)]
mod tests {
    use super::*;

    static PRICE: Price = Price {
        input: 0.0,
        cached_input: None,
        cache_write: None,
        output: 1_000_000.0,
        reasoning: None,
        tiers: Vec::new(),
    };

    fn answer(output: u64) -> (Estimate, Usage) {
        let usage = Usage { input: Some(0), output: Some(output), ..Usage::default() };
        (Estimate { input: 0, output: Some(output), most: Some(output), counted: true }, usage)
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
            // What nothing limits is alone on its way, and a lost attempt may have cost as much.
            let open = Estimate { input: 0, output: None, most: None, counted: true };
            let alone = budget.reserve(&PRICE, &open).await.expect("something is left");
            let another = std::pin::pin!(budget.reserve(&PRICE, &open));
            assert!(tokio::time::timeout(std::time::Duration::from_millis(20), another).await.is_err());
            alone.lose(1);
            drop(alone);
            assert!(budget.reserve(&PRICE, &answer(1).0).await.is_none());
        });
    }
}
