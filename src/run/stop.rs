//! Ending a run early: nothing more is asked, what is in flight is waited for.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Says to a run that it should end.
#[derive(Debug, Default)]
pub struct Stop {
    interrupted: AtomicBool,
    failed: AtomicBool,
    notify: Notify,
}

impl Stop {
    /// A person wants it to end.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    /// Whether a person wanted it to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// A case failed, and one is enough.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Waits until a person wants the run to end.
    pub(super) async fn interrupted(&self) {
        let notified = self.notify.notified();
        if !self.is_interrupted() {
            notified.await;
        }
    }
}
