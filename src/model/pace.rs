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
/// The longest time that the tokens of one request are paid back over.
const LONGEST_DEBT: Duration = Duration::from_mins(10);
/// How long a server is left alone that says to come back at once.
const SHORTEST_HOLD: Duration = Duration::from_millis(50);
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
    /// Until when its last refusal holds.
    refused: Instant,
    /// About how many tokens a request has, as answers showed.
    typical: f64,
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
                refused: now,
                typical: 0.0,
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
        // Whoever wakes up late does not slow all the others down, but a pause is no credit for a burst.
        let between = self.between.max(scarce);
        state.next = state.next.max(now.checked_sub(between).unwrap_or(now)) + between;
        state.tokens = state.tokens.max(now) + self.time_of(tokens);
        state.in_flight += 1;
        Ok(Turn { pace: self, tokens })
    }

    fn time_of(&self, tokens: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "tokens of a request are far below 2^53")]
        // A server may claim any number.
        Duration::try_from_secs_f64(tokens as f64 * self.token).unwrap_or(LONGEST_DEBT).min(LONGEST_DEBT)
    }

    /// The server refused: every request of the model waits. Gives how long.
    pub(super) fn refused(&self, asked: Option<Duration>, chance: f64) -> Duration {
        let Ok(mut state) = self.state.lock() else { return FIRST_HOLD };
        let now = Instant::now();
        // Those that were in flight together are refused together, and mean one thing. Then one goes first.
        if state.refused <= now {
            state.refusals += 1;
            state.window = 1;
        }
        let doubled = FIRST_HOLD.saturating_mul(2u32.saturating_pow(state.refusals.saturating_sub(1)));
        let own = doubled.min(LONGEST_HOLD).mul_f64(0.5 + chance / 2.0);
        let wait = match asked {
            // Who was obeyed, and refuses again, is given more time than was asked for.
            Some(asked) if state.refusals > 1 => asked.max(own),
            Some(asked) => asked.max(SHORTEST_HOLD),
            None => own,
        };
        state.refused = state.refused.max(now + wait);
        state.held = state.held.max(state.refused);
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
        // A request takes one of the requests, and as many tokens as others did.
        let parts = [(quota.requests, 1.0), (quota.tokens, state.typical.max(1.0))];
        for (part, takes) in parts.into_iter().filter_map(|(part, takes)| Some((part?, takes))) {
            let Some(reset) = part.reset.filter(|reset| *reset <= 2 * MINUTE) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "a quota is far below 2^53")]
            let (remaining, limit) = (part.remaining as f64, part.limit.map(|limit| limit as f64));
            if part.remaining > 0 && limit.is_some_and(|limit| remaining < limit * SCARCE) {
                let each = reset.div_f64(remaining / takes + 1.0);
                if state.scarce.is_none_or(|(known, _)| known < each) {
                    state.scarce = Some((each, now + reset));
                }
            }
        }
    }
}

impl Turn<'_> {
    /// The server answered, having used so many tokens.
    pub(super) fn answered(self, used: Option<u64>) {
        let Ok(mut state) = self.pace.state.lock() else { return };
        state.refusals = 0;
        state.window = state.window.saturating_mul(2);
        if let Some(used) = used {
            #[expect(clippy::cast_precision_loss, reason = "tokens of a request are far below 2^53")]
            let used = used as f64;
            state.typical = if state.typical > 0.0 { state.typical.mul_add(0.9, used * 0.1) } else { used };
        }
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
            // One went first, and was answered: two go now, then four.
            let (a, b) = (turn(&pace, 0).await, turn(&pace, 0).await);
            assert!(tokio::time::timeout(Duration::from_secs(9), turn(&pace, 0)).await.is_err());
            a.answered(None);
            let (_c, _d, _e) = (turn(&pace, 0).await, turn(&pace, 0).await, turn(&pace, 0).await);
            assert!(tokio::time::timeout(Duration::from_secs(9), turn(&pace, 0)).await.is_err());
            drop(b);
            // Who says to come back at once, and refuses again, is not asked at once.
            pace.refused(Some(Duration::ZERO), 0.0);
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert!(pace.refused(Some(Duration::ZERO), 0.0) >= Duration::from_secs(1));
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
