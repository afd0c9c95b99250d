//! How long and how large a handler may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What handlers may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time one handler may run, waiting for host calls left out.
    pub handler_time: Duration,
    /// The memory of one isolate, in bytes.
    pub memory: usize,
    /// The longest text a value may be written as, in bytes.
    pub text: usize,
}

/// The stack one isolate may use, in bytes. The threads that run handlers have several times that.
pub(super) const STACK: usize = 512 * 1024;

/// The longest line a handler may write to the log, in bytes.
pub(super) const LOG_LINE: usize = 8 * 1024;

/// Tells an isolate when its handler's time is over.
///
/// QuickJS asks every few thousand steps; between promise jobs we ask ourselves.
#[derive(Clone)]
pub(super) struct Clock {
    shared: Arc<Shared>,
}

struct Shared {
    began: Instant,
    /// In nanoseconds after `began`.
    until: AtomicU64,
    /// What was left of the time when it was suspended, and what bounds the wait.
    left: AtomicU64,
    deadline: AtomicU64,
    suspended: AtomicU32,
    is_over: AtomicBool,
}

impl Clock {
    pub(super) fn new() -> Self {
        let shared = Shared {
            began: Instant::now(),
            until: AtomicU64::new(u64::MAX),
            left: AtomicU64::new(0),
            deadline: AtomicU64::new(u64::MAX),
            suspended: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Gives the next handler its time, never beyond `deadline`.
    pub(super) fn arm(&self, limit: Duration, deadline: Instant) {
        let until = (Instant::now() + limit).min(deadline);
        self.shared
            .until
            .store(self.nanos(until), Ordering::Relaxed);
        self.shared.is_over.store(false, Ordering::Relaxed);
        self.shared.suspended.store(0, Ordering::Relaxed);
    }

    /// Stops counting: until [`resume`](Self::resume) only `deadline` bounds the handler.
    /// Nests: a module that is loaded may load another, or wait for a host call.
    pub(super) fn suspend(&self, deadline: Instant) {
        if self.shared.suspended.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let now = self.nanos(Instant::now());
        let deadline = self.nanos(deadline);
        let until = self.shared.until.swap(deadline, Ordering::Relaxed);
        self.shared
            .left
            .store(until.saturating_sub(now), Ordering::Relaxed);
        self.shared.deadline.store(deadline, Ordering::Relaxed);
    }

    /// Goes on counting where the outermost [`suspend`](Self::suspend) stopped.
    pub(super) fn resume(&self) {
        if self.shared.suspended.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        let now = self.nanos(Instant::now());
        let until = now.saturating_add(self.shared.left.load(Ordering::Relaxed));
        let deadline = self.shared.deadline.load(Ordering::Relaxed);
        self.shared
            .until
            .store(until.min(deadline), Ordering::Relaxed);
    }

    /// Whether the time is over. Once it is, it stays so until armed anew.
    pub(super) fn is_over(&self) -> bool {
        let over = self.nanos(Instant::now()) >= self.shared.until.load(Ordering::Relaxed);
        if over {
            self.shared.is_over.store(true, Ordering::Relaxed);
        }
        over
    }

    /// Whether a handler was stopped for its time.
    pub(super) fn has_stopped(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.shared.began).as_nanos())
            .unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn waiting_costs_a_handler_nothing_of_its_time() {
        let clock = Clock::new();
        let deadline = Instant::now() + MINUTE;

        clock.arm(MINUTE / 2, deadline);
        clock.suspend(deadline);
        clock.suspend(deadline);
        clock.resume();
        clock.resume();

        assert!(!clock.is_over() && !clock.has_stopped());
    }

    #[test]
    fn the_deadline_bounds_running_and_waiting() {
        let clock = Clock::new();
        let past = Instant::now();

        clock.arm(MINUTE, past);
        assert!(clock.is_over() && clock.has_stopped());

        clock.arm(MINUTE, past + MINUTE);
        clock.suspend(past);
        assert!(clock.is_over());
    }
}
