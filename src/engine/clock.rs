//! The time of the handler that runs on one isolate.
//!
//! QuickJS asks every few thousand steps; between promise jobs we ask ourselves. A native that
//! never asks can't be ended: the watch of its thread (`aside.rs`) reads the same clock.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::seat::Seat;

/// How long a run may have a worker for itself. The sockets and transactions in the worker's
/// care wait that long.
const HAND_OVER: Duration = Duration::from_millis(1);

/// What a thread of the runtime's needs to wake and take a worker's place.
const TAKING_OVER: Duration = Duration::from_micros(100);

/// How long the largest body may take to be written beyond the time of what writes it.
const WRITING: Duration = Duration::from_secs(1);

/// Where handlers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the worker that has their transaction; nothing else is done there meanwhile.
    Worker,
    /// On a thread of their own.
    Aside,
}

/// Tells an isolate when its handler's time is over. Clones are the same clock.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    shared: Arc<Shared>,
}

/// A time that was read, in nanoseconds after the clock began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading(u64);

/// Times are in nanoseconds after `began`; `u64::MAX` is never.
#[derive(Debug)]
struct Shared {
    began: Instant,
    /// When the handler's time is over, and by how much what follows may exceed it unseen.
    until: AtomicU64,
    slack: AtomicU64,
    /// When the handler began, and how long it has waited since.
    armed: AtomicU64,
    waited: AtomicU64,
    /// When it was suspended, and what was left of its time then.
    paused: AtomicU64,
    left: AtomicU64,
    suspended: AtomicU32,
    is_over: AtomicBool,
    /// What bounds everything in the run.
    deadline: AtomicU64,
    /// When the run began, and when it has had its worker for long enough.
    entered: AtomicU64,
    hand_over: AtomicU64,
    /// How many handlers of the run have begun.
    begun: AtomicUsize,
    /// Where the run computes, aside; nowhere in particular on a worker.
    seat: Mutex<Seat>,
    /// Whether the transaction was answered without waiting for the handler any longer.
    is_given_up: AtomicBool,
}

impl Clock {
    pub(super) fn new() -> Self {
        let shared = Shared {
            began: Instant::now(),
            until: AtomicU64::new(u64::MAX),
            slack: AtomicU64::new(0),
            armed: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            paused: AtomicU64::new(0),
            left: AtomicU64::new(0),
            suspended: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
            deadline: AtomicU64::new(u64::MAX),
            entered: AtomicU64::new(0),
            hand_over: AtomicU64::new(u64::MAX),
            begun: AtomicUsize::new(0),
            seat: Mutex::default(),
            is_given_up: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What time it is. Costs more than the rest of a handler's bookkeeping: asked once a handler.
    pub(super) fn read(&self) -> Reading {
        Reading(self.now())
    }

    /// Begins a run of handlers at this place, none of which waits beyond `deadline`.
    pub(super) fn enter(&self, place: Place, deadline: Instant) -> Reading {
        let now = self.now();
        let hand_over = match place {
            Place::Worker => now + nanos(HAND_OVER),
            Place::Aside => u64::MAX,
        };
        let deadline = self.at(deadline);
        self.shared.deadline.store(deadline, Ordering::Relaxed);
        self.shared.entered.store(now, Ordering::Relaxed);
        self.shared.hand_over.store(hand_over, Ordering::Relaxed);
        self.shared.begun.store(0, Ordering::Relaxed);
        Reading(now)
    }

    /// Says where the run that begins computes.
    pub(super) fn sit(&self, seat: Seat) {
        *self.seat() = seat;
    }

    /// Makes room for others, for the rest of the run.
    pub(super) fn stand_up(&self) {
        self.seat().leave();
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.shared
            .seat
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a run: nobody's time can be over.
    pub(super) fn leave(&self) {
        self.shared.until.store(u64::MAX, Ordering::Relaxed);
        self.shared.hand_over.store(u64::MAX, Ordering::Relaxed);
    }

    /// Gives the next handler its time, all of it though the run's deadline may have passed: that
    /// ends waiting only.
    pub(super) fn arm(&self, Reading(now): Reading, limit: Duration) {
        let shared = &self.shared;
        let until = now.saturating_add(nanos(limit));
        shared.armed.store(now, Ordering::Relaxed);
        shared.waited.store(0, Ordering::Relaxed);
        shared.is_over.store(false, Ordering::Relaxed);
        shared.suspended.store(0, Ordering::Relaxed);
        // Only whoever runs the handlers writes it.
        let begun = shared.begun.load(Ordering::Relaxed);
        shared.begun.store(begun + 1, Ordering::Relaxed);
        shared.slack.store(0, Ordering::Relaxed);
        shared.until.store(until, Ordering::Relaxed);
    }

    /// Gives the end of a phase its time. What it writes may be large, and writing never asks.
    pub(super) fn arm_end(&self, limit: Duration) {
        self.arm(self.read(), limit);
        self.shared.slack.store(nanos(WRITING), Ordering::Relaxed);
    }

    /// Stops counting: until [`resume`](Self::resume) only the deadline bounds the handler.
    /// Nests: a module that is loaded may load another, or wait for a host call.
    pub(super) fn suspend(&self) {
        let shared = &self.shared;
        if shared.suspended.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let now = self.now();
        let deadline = shared.deadline.load(Ordering::Relaxed);
        let until = shared.until.load(Ordering::Relaxed);
        // What does not wait but computes here, such as a module that is loaded, has at least what
        // the handler has left.
        shared.until.store(until.max(deadline), Ordering::Relaxed);
        shared.paused.store(now, Ordering::Relaxed);
        let left = until.saturating_sub(now);
        shared.left.store(left, Ordering::Relaxed);
    }

    /// Goes on counting where the outermost [`suspend`](Self::suspend) stopped.
    pub(super) fn resume(&self) {
        let shared = &self.shared;
        if shared.suspended.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        let now = self.now();
        let waited = now.saturating_sub(shared.paused.load(Ordering::Relaxed));
        shared.waited.fetch_add(waited, Ordering::Relaxed);
        let until = now.saturating_add(shared.left.load(Ordering::Relaxed));
        shared.until.store(until, Ordering::Relaxed);
    }

    /// Whether the time is over. Once it is, it stays so until armed anew.
    ///
    /// Also gives the worker away that the handler has had for long enough: the handler goes on
    /// in this thread, everything else that the worker had to do in another one.
    pub(super) fn is_over(&self) -> bool {
        let now = self.now();
        if now >= self.shared.hand_over.load(Ordering::Relaxed) {
            // Where no thread came in this time, the worker has its place back; then again later.
            tokio::task::block_in_place(|| thread::sleep(TAKING_OVER));
            let had = now.saturating_sub(self.shared.entered.load(Ordering::Relaxed));
            let again = now.saturating_add(had);
            self.shared.hand_over.store(again, Ordering::Relaxed);
        }
        let over = now >= self.shared.until.load(Ordering::Relaxed);
        if over {
            self.shared.is_over.store(true, Ordering::Relaxed);
        }
        over
    }

    /// Whether a handler was stopped for its time.
    pub(super) fn has_stopped(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    /// How long the handler has computed since it was armed.
    pub(super) fn used(&self, Reading(now): Reading) -> Duration {
        let armed = self.shared.armed.load(Ordering::Relaxed);
        let waited = self.shared.waited.load(Ordering::Relaxed);
        let used = now.saturating_sub(armed).saturating_sub(waited);
        Duration::from_nanos(used)
    }

    /// How many handlers of the run have begun.
    pub(super) fn begun(&self) -> usize {
        self.shared.begun.load(Ordering::Relaxed)
    }

    /// Whether the handler's time has been over for longer than `grace`.
    pub(super) fn has_overrun(&self, grace: Duration) -> bool {
        let until = self.shared.until.load(Ordering::Relaxed);
        let slack = self.shared.slack.load(Ordering::Relaxed);
        self.now() >= until.saturating_add(slack).saturating_add(nanos(grace))
    }

    /// Nobody waits for this isolate any longer.
    pub(super) fn give_up(&self) {
        self.shared.is_given_up.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.shared.is_given_up.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    fn at(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.shared.began))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn waiting_costs_a_handler_nothing_of_its_time() {
        let clock = Clock::new();

        let now = clock.enter(Place::Aside, Instant::now() + MINUTE);
        clock.arm(now, MINUTE / 2);
        clock.suspend();
        clock.suspend();
        clock.resume();
        clock.resume();

        assert!(!clock.is_over() && !clock.has_stopped());
    }

    #[test]
    fn a_deadline_that_has_passed_leaves_a_handler_its_time() {
        let clock = Clock::new();
        let past = Instant::now();

        let now = clock.enter(Place::Aside, past);
        clock.arm(now, MINUTE);
        assert!(!clock.is_over());

        clock.suspend();
        assert!(!clock.is_over());
        clock.resume();
        assert!(!clock.is_over() && !clock.has_stopped());

        clock.arm(now, Duration::ZERO);
        assert!(clock.is_over() && clock.has_stopped());
    }

    #[test]
    fn nobody_overruns_between_two_runs() {
        let clock = Clock::new();
        let past = Instant::now();

        let now = clock.enter(Place::Aside, past);
        clock.arm(now, Duration::ZERO);
        assert!(clock.has_overrun(Duration::ZERO) && !clock.has_overrun(MINUTE));
        assert_eq!(clock.begun(), 1);

        clock.leave();
        assert!(!clock.has_overrun(Duration::ZERO));
    }
}
