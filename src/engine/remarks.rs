//! Remarks on one handler for the log, not more often than somebody reads them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long one remark lasts.
const PAUSE: Duration = Duration::from_mins(1);

/// When there was a remark last.
#[derive(Debug, Default)]
pub(super) struct Remarks(Mutex<Option<Instant>>);

impl Remarks {
    /// Whether there may be one now, which then is the last one.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut last = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_remark_a_minute() {
        let remarks = Remarks::default();
        let now = Instant::now();

        assert!(remarks.take(now));
        assert!(!remarks.take(now + PAUSE / 2));
        assert!(remarks.take(now + PAUSE));
    }
}
