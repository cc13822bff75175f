//! The pace of a model: requests a minute, and standing still while the server asks for it.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

const MINUTE: Duration = Duration::from_mins(1);

/// When the next request may begin.
#[derive(Debug)]
pub(super) struct Pace {
    between: Option<Duration>,
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(requests_per_minute: Option<u64>) -> Self {
        let between = requests_per_minute.map(|n| MINUTE / u32::try_from(n.max(1)).unwrap_or(u32::MAX));
        Self { between, next: Mutex::new(Instant::now()) }
    }

    /// Waits for this request's turn.
    pub(super) async fn turn(&self) {
        let at = {
            let Ok(mut next) = self.next.lock() else { return };
            let at = (*next).max(Instant::now());
            *next = at + self.between.unwrap_or_default();
            at
        };
        if at > Instant::now() {
            sleep_until(at).await;
        }
    }

    /// Lets every request of the model wait: the server has had enough.
    pub(super) fn hold(&self, wait: Duration) {
        if let Ok(mut next) = self.next.lock() {
            *next = (*next).max(Instant::now() + wait);
        }
    }
}
