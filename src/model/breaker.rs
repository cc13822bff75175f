//! When to stop asking a model at all: one fault that nothing can mend, or several of the same kind in a row.

use std::sync::{Mutex, OnceLock};

use super::fault::{Fault, FaultKind};

/// How many requests in a row must fail alike.
const IN_A_ROW: u32 = 5;

/// Whether a model is still worth asking.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    row: Mutex<Option<(FaultKind, String, u32)>>,
    open: OnceLock<String>,
}

impl Breaker {
    /// Why nothing more is asked.
    pub(super) fn open(&self) -> Option<&str> {
        self.open.get().map(String::as_str)
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        if let Ok(mut row) = self.row.lock() {
            *row = None;
        }
    }

    /// A request could not be answered, whatever was tried. Gives the reason when this is where the asking ends.
    pub(super) fn failed(&self, fault: &Fault) -> Option<&str> {
        let Ok(mut row) = self.row.lock() else { return None };
        // A request that is refused as it is says something of the others only if they are refused alike.
        let detail = if fault.kind == FaultKind::BadRequest { fault.message.clone() } else { String::new() };
        let count = match &*row {
            Some((kind, known, count)) if *kind == fault.kind && *known == detail => count + 1,
            _ => 1,
        };
        *row = Some((fault.kind, detail, count));
        if self.open.get().is_some() || !fault.fatal && count < IN_A_ROW {
            return None;
        }
        let why = if count > 1 {
            format!("{count} requests in a row failed alike: {}", fault.message)
        } else {
            fault.message.clone()
        };
        self.open.set(why).ok()?;
        self.open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_alike_are_enough() {
        let breaker = Breaker::default();
        let server = Fault::new(FaultKind::Server, "500");
        for _ in 0..4 {
            assert_eq!(breaker.failed(&server), None);
        }
        breaker.answered();
        for _ in 0..4 {
            assert_eq!(breaker.failed(&server), None);
        }
        assert_eq!(breaker.failed(&Fault::new(FaultKind::Timeout, "slow")), None);
        for _ in 0..4 {
            assert_eq!(breaker.failed(&server), None);
        }
        assert_eq!(breaker.failed(&server), Some("5 requests in a row failed alike: 500"));
        assert_eq!(breaker.failed(&server), None, "it is said once");
        assert!(breaker.open().is_some());
    }

    #[test]
    fn a_refused_key_is_enough() {
        let breaker = Breaker::default();
        assert_eq!(breaker.failed(&Fault::new(FaultKind::Credentials, "401").fatal()), Some("401"));
    }

    #[test]
    fn requests_refused_for_their_own_sake_do_not_count_together() {
        let breaker = Breaker::default();
        for n in 0..20 {
            assert_eq!(breaker.failed(&Fault::new(FaultKind::BadRequest, format!("case {n} is too long"))), None);
        }
    }
}
