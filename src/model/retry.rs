//! When to send a request again: exponentially later, at random within the time, and as the server asks.

use std::time::Duration;

use super::fault::{Fault, FaultKind};

/// The longest time that a server may ask to be left alone.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How often, and after how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// How often a request is sent again.
    pub(super) retries: u32,
    /// The longest first wait; it doubles from then on.
    pub(super) first: Duration,
    /// The longest wait.
    pub(super) longest: Duration,
}

impl Policy {
    pub(super) fn new(retries: u32) -> Self {
        Self { retries, first: Duration::from_millis(500), longest: Duration::from_secs(8) }
    }

    /// How long to wait after this fault until the next attempt; `Err` gives the fault back where there is no next
    /// one. `failures` were there before; being told to wait is none, and is bounded by the deadline alone. `chance`
    /// is from 0 to 1.
    pub(super) fn next(&self, mut fault: Fault, failures: u32, chance: f64) -> Result<(Duration, Fault), Fault> {
        let patient = fault.kind == FaultKind::RateLimited && self.retries > 0;
        if !fault.again || failures >= self.retries && !patient {
            return Err(fault);
        }
        match fault.wait {
            Some(wait) if wait > LONGEST_WAIT => {
                fault.message = format!("{}; the server asks to wait {} s", fault.message, wait.as_secs());
                fault.kind = FaultKind::RateLimited;
                Err(fault.fatal())
            }
            // A little more than asked, so that not all come back at the same moment.
            Some(wait) => Ok((wait + self.first.mul_f64(chance / 2.0), fault)),
            None => {
                let most = self.first.saturating_mul(2u32.saturating_pow(failures)).min(self.longest);
                Ok((most.mul_f64(chance), fault))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(again: bool, wait: Option<u64>) -> Fault {
        let mut fault = Fault::new(FaultKind::Server, "x").again(again);
        fault.wait = wait.map(Duration::from_secs);
        fault
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let policy = Policy::new(10);
        let waits: Vec<u128> = (0..7)
            .map(|attempt| policy.next(fault(true, None), attempt, 1.0).map_or(0, |(wait, _)| wait.as_millis()))
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(policy.next(fault(true, None), 0, 0.0).map_or(9, |(wait, _)| wait.as_millis()), 0);
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        let policy = Policy::new(2);
        assert!(policy.next(fault(false, None), 0, 1.0).is_err());
        assert!(policy.next(fault(true, None), 2, 1.0).is_err());
        let mut limited = fault(true, None);
        limited.kind = FaultKind::RateLimited;
        assert!(policy.next(limited.clone(), 9, 1.0).is_ok(), "waiting for a turn is no failure");
        assert!(Policy::new(0).next(limited, 0, 1.0).is_err());
    }

    #[test]
    fn the_server_is_obeyed_within_reason() {
        let policy = Policy::new(2);
        assert_eq!(policy.next(fault(true, Some(7)), 0, 0.0).map_or(0, |(wait, _)| wait.as_secs()), 7);
        assert!(policy.next(fault(true, Some(3600)), 0, 0.0).is_err());
    }
}
