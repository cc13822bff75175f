//! The pace of a model: requests and tokens a minute, what the server says is left, and standing still, then going
//! slowly, when it has had enough.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::quota::Quota;

const MINUTE: Duration = Duration::from_mins(1);
/// The first wait after a refusal that names no time; it doubles with each refusal in a row.
const FIRST_HOLD: Duration = Duration::from_secs(1);
const LONGEST_HOLD: Duration = Duration::from_secs(20);
/// The share of a quota below which the rest is spread over the time until it is filled up again.
const SCARCE: f64 = 0.1;

/// When the next request may begin.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    /// Seconds that a token takes.
    token: f64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// When the next request may begin, as the limits of the entry say.
    next: Instant,
    /// When the tokens of the requests so far are used up.
    tokens: Instant,
    /// Until when the server wants to be left alone.
    held: Instant,
    /// What the server says is left: how long one request must wait for another, and until when.
    scarce: Option<(Duration, Instant)>,
    in_flight: usize,
    /// The most requests in flight that the server seems to stand.
    window: usize,
    /// Refusals since the last answer, those of requests that were in flight together counted once.
    refusals: u32,
}

/// A request that is on its way.
pub(super) struct Turn<'p> {
    pace: &'p Pace,
    tokens: u64,
}

impl Pace {
    pub(super) fn new(requests_per_minute: Option<u64>, tokens_per_minute: Option<u64>) -> Self {
        let now = Instant::now();
        #[expect(clippy::cast_precision_loss, reason = "a limit is far below 2^53")]
        let token = tokens_per_minute.map_or(0.0, |n| MINUTE.as_secs_f64() / n.max(1) as f64);
        Self {
            between: requests_per_minute
                .map_or(Duration::ZERO, |n| MINUTE / u32::try_from(n.max(1)).unwrap_or(u32::MAX)),
            token,
            state: Mutex::new(State {
                next: now,
                tokens: now,
                held: now,
                scarce: None,
                in_flight: 0,
                window: usize::MAX,
                refusals: 0,
            }),
            changed: Notify::new(),
        }
    }

    /// Waits for the turn of a request of about so many tokens, and for one of the run's slots. Whoever waits for its
    /// turn holds no slot: another model may have it.
    pub(super) async fn turn<'s>(&self, tokens: u64, slots: &'s Semaphore) -> (Turn<'_>, Option<SemaphorePermit<'s>>) {
        loop {
            let slot = slots.acquire().await.ok();
            let notified = self.changed.notified();
            match self.begin(tokens) {
                Ok(turn) => return (turn, slot),
                Err(wait) => {
                    drop(slot);
                    match wait {
                        Some(at) => sleep_until(at).await,
                        None => notified.await,
                    }
                }
            }
        }
    }

    /// Begins a request, or says when to ask again; `None`: when one that is in flight is done.
    fn begin(&self, tokens: u64) -> Result<Turn<'_>, Option<Instant>> {
        let Ok(mut state) = self.state.lock() else { return Err(None) };
        let now = Instant::now();
        let at = state.next.max(state.tokens).max(state.held);
        if at > now {
            return Err(Some(at));
        }
        if state.in_flight >= state.window {
            return Err(None);
        }
        let scarce = state.scarce.filter(|(_, until)| *until > now).map_or(Duration::ZERO, |(between, _)| between);
        state.next = now + self.between.max(scarce);
        state.tokens = state.tokens.max(now) + self.time_of(tokens);
        state.in_flight += 1;
        Ok(Turn { pace: self, tokens })
    }

    fn time_of(&self, tokens: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "tokens of a request are far below 2^53")]
        Duration::try_from_secs_f64(tokens as f64 * self.token).unwrap_or(MINUTE)
    }

    /// The server refused: every request of the model waits. Gives how long.
    pub(super) fn refused(&self, asked: Option<Duration>, chance: f64) -> Duration {
        let Ok(mut state) = self.state.lock() else { return FIRST_HOLD };
        let now = Instant::now();
        // Those that were in flight together are refused together, and mean one thing.
        if state.held <= now {
            state.refusals += 1;
            state.window = (state.in_flight.min(state.window) / 2).max(1);
        }
        let doubled = FIRST_HOLD.saturating_mul(2u32.saturating_pow(state.refusals.saturating_sub(1)));
        let own = doubled.min(LONGEST_HOLD).mul_f64(0.5 + chance / 2.0);
        state.held = state.held.max(now + asked.unwrap_or(own));
        state.held.saturating_duration_since(now)
    }

    /// What a server says is left of its quotas.
    pub(super) fn learn(&self, quota: &Quota) {
        let Ok(mut state) = self.state.lock() else { return };
        let now = Instant::now();
        state.scarce = None;
        for part in [quota.requests, quota.tokens].into_iter().flatten() {
            let Some(reset) = part.reset.filter(|reset| !reset.is_zero() && *reset <= 2 * MINUTE) else { continue };
            if part.remaining == 0 {
                state.held = state.held.max(now + reset);
            }
        }
        if let Some(part) = quota.requests
            && let Some(reset) = part.reset.filter(|reset| *reset <= 2 * MINUTE)
        {
            #[expect(clippy::cast_precision_loss, reason = "requests a minute are far below 2^53")]
            let scarce = part.limit.is_some_and(|limit| (part.remaining as f64) < limit as f64 * SCARCE);
            if part.remaining > 0 && scarce {
                let each = reset / u32::try_from(part.remaining + 1).unwrap_or(u32::MAX);
                state.scarce = Some((each, now + reset));
            }
        }
    }
}

impl Turn<'_> {
    /// The server answered, having used so many tokens.
    pub(super) fn answered(self, used: Option<u64>) {
        let Ok(mut state) = self.pace.state.lock() else { return };
        state.refusals = 0;
        state.window = state.window.saturating_add(1);
        if let Some(used) = used.filter(|_| self.pace.token > 0.0) {
            let planned = self.pace.time_of(self.tokens);
            let real = self.pace.time_of(used);
            state.tokens += real;
            state.tokens = state.tokens.checked_sub(planned).unwrap_or(state.tokens);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.pace.state.lock() {
            state.in_flight -= 1;
        }
        // All of them, because one that is woken may give up before it gets anywhere.
        self.pace.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::quota::Part;

    fn runtime(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(test);
    }

    async fn turn(pace: &Pace, tokens: u64) -> Turn<'_> {
        static SLOTS: Semaphore = Semaphore::const_new(1000);
        pace.turn(tokens, &SLOTS).await.0
    }

    async fn waited(pace: &Pace, tokens: u64) -> u128 {
        let begun = Instant::now();
        let turn = turn(pace, tokens).await;
        turn.answered(None);
        begun.elapsed().as_millis()
    }

    #[test]
    fn requests_and_tokens_are_spread() {
        runtime(async {
            let pace = Pace::new(Some(60), None);
            let waits = [waited(&pace, 0).await, waited(&pace, 0).await, waited(&pace, 0).await];
            assert!(waits[0] < 5 && (995..1010).contains(&waits[1]) && (995..1010).contains(&waits[2]), "{waits:?}");
            let pace = Pace::new(None, Some(6000));
            let waits = [waited(&pace, 200).await, waited(&pace, 0).await];
            assert!(waits[0] < 5 && (1990..2010).contains(&waits[1]), "{waits:?}");
        });
    }

    #[test]
    fn fewer_tokens_than_planned_give_time_back() {
        runtime(async {
            let pace = Pace::new(None, Some(6000));
            turn(&pace, 600).await.answered(Some(100));
            let wait = waited(&pace, 0).await;
            assert!((990..1010).contains(&wait), "{wait}");
        });
    }

    #[test]
    fn a_refusal_holds_everybody_and_the_window_grows_again() {
        runtime(async {
            let pace = Pace::new(None, None);
            let turns = [turn(&pace, 0).await, turn(&pace, 0).await, turn(&pace, 0).await, turn(&pace, 0).await];
            assert_eq!(pace.refused(Some(Duration::from_secs(3)), 0.0).as_secs(), 3);
            pace.refused(Some(Duration::from_secs(3)), 0.0);
            drop(turns);
            assert_eq!(pace.state.lock().expect("whole").refusals, 1, "one refusal of several requests");
            let wait = waited(&pace, 0).await;
            assert!((2990..3010).contains(&wait), "{wait}");
            // Half of four, and one more for the answer.
            let (a, b, c) = (turn(&pace, 0).await, turn(&pace, 0).await, turn(&pace, 0).await);
            assert!(tokio::time::timeout(Duration::from_secs(9), turn(&pace, 0)).await.is_err());
            a.answered(None);
            let (_d, _e) = (turn(&pace, 0).await, turn(&pace, 0).await);
            drop((b, c));
        });
    }

    #[test]
    fn what_is_left_is_spread() {
        runtime(async {
            let pace = Pace::new(None, None);
            let part = |remaining, reset| Part { limit: Some(100), remaining, reset: Some(Duration::from_secs(reset)) };
            pace.learn(&Quota { requests: Some(part(50, 10)), tokens: None });
            assert!(waited(&pace, 0).await < 5);
            pace.learn(&Quota { requests: Some(part(4, 10)), tokens: None });
            let waits = [waited(&pace, 0).await, waited(&pace, 0).await];
            assert!((1990..2010).contains(&waits[1]), "{waits:?}");
            pace.learn(&Quota { requests: None, tokens: Some(part(0, 7)) });
            let wait = waited(&pace, 0).await;
            assert!((6990..7010).contains(&wait), "{wait}");
        });
    }
}
