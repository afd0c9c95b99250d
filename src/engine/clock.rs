//! The time of the handler that runs on one isolate.
//!
//! QuickJS asks every few thousand steps; between promise jobs we ask ourselves. A native that
//! never asks can't be ended: the watch of its thread (`aside.rs`) reads the same clock.
//!
//! A handler's limit is of what its thread computes. It can't compute more than time passes, so
//! the kernel is asked how much it was only once the limit has passed on the clock; where it is
//! less, that is asked again as soon as the rest may be used up. Whatever it computes, a handler
//! ends when [`WALL`] times its limit has passed.

use std::fmt;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::habit::QUICK;
use super::seat::Seat;
use super::thread_time;

/// How long a run may have a worker for itself. The sockets and transactions in the worker's
/// care wait that long.
const HAND_OVER: Duration = Duration::from_millis(1);

/// How long a handler on probation computes before its thread comes last.
const PROBATION: Duration = Duration::from_millis(2);

/// What a thread of the runtime's needs to wake and take a worker's place.
const TAKING_OVER: Duration = Duration::from_micros(100);

/// How long the largest body may take to be written beyond the time of what writes it.
const WRITING: Duration = Duration::from_secs(1);

/// How many times its limit a handler may take on the clock, where it gets no processor.
const WALL: u32 = 10;

/// How old the kernel's answer may be by which a handler's computing is counted, at most; and of
/// short limits such a part.
const SAMPLE_ERROR: Duration = Duration::from_millis(1);
const SAMPLE_PART: u64 = 16;

/// Where handlers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the worker that has their transaction; nothing else is done there meanwhile.
    Worker,
    /// On a thread of their own.
    Aside,
    /// The same, where the thread is to come last once they take longer than quick ones do.
    OnProbation,
}

/// Tells an isolate when its handler's time is over. Clones are the same clock.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    shared: Arc<Shared>,
}

/// A time that was read, in nanoseconds after the clock began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading(u64);

/// What ended a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overrun {
    /// It computed longer than this, its limit.
    Computing { limit: Duration },
    /// [`WALL`] times its limit passed, in which it computed for so long.
    Wall { limit: Duration, computed: Duration },
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Computing { limit } => write!(f, "{limit:?} of computing time"),
            Self::Wall { limit, computed } => {
                let wall = *limit * WALL;
                write!(
                    f,
                    "{wall:?} on the clock, {WALL} times its {limit:?} of computing time, of which it \
                     had {computed:.1?}; the machine is too busy"
                )
            }
        }
    }
}

/// Which of its bounds a handler met first, as it is kept in [`Shared`].
const NONE: u8 = 0;
const COMPUTING: u8 = 1;
const ON_THE_CLOCK: u8 = 2;

/// Times are in nanoseconds after `began`; `u64::MAX` is never.
#[derive(Debug)]
struct Shared {
    began: Instant,
    /// When the handler's time may be over, and by how much what follows may exceed it unseen.
    until: AtomicU64,
    slack: AtomicU64,
    /// How long it may compute, and when it ends however little it has computed.
    limit: AtomicU64,
    wall_until: AtomicU64,
    /// The thread it runs on, and what that had computed before.
    thread: AtomicI32,
    computed_before: AtomicU64,
    /// When the handler began, and how long it has waited since.
    armed: AtomicU64,
    waited: AtomicU64,
    /// When it was suspended, what was left of its time then, and what its thread had computed.
    paused: AtomicU64,
    left: AtomicU64,
    wall_left: AtomicU64,
    paused_computed: AtomicU64,
    suspended: AtomicU32,
    /// Which bound it has met, and what it had computed then.
    met: AtomicU8,
    computed: AtomicU64,
    /// What bounds everything in the run.
    deadline: AtomicU64,
    /// When the run began, and when it has had its worker for long enough.
    entered: AtomicU64,
    hand_over: AtomicU64,
    /// When its thread may have computed for long enough to come last.
    comes_last: AtomicU64,
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
            limit: AtomicU64::new(u64::MAX),
            wall_until: AtomicU64::new(u64::MAX),
            thread: AtomicI32::new(0),
            computed_before: AtomicU64::new(0),
            armed: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            paused: AtomicU64::new(0),
            left: AtomicU64::new(0),
            wall_left: AtomicU64::new(0),
            paused_computed: AtomicU64::new(0),
            suspended: AtomicU32::new(0),
            met: AtomicU8::new(NONE),
            computed: AtomicU64::new(0),
            deadline: AtomicU64::new(u64::MAX),
            entered: AtomicU64::new(0),
            hand_over: AtomicU64::new(u64::MAX),
            comes_last: AtomicU64::new(u64::MAX),
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
        let (hand_over, comes_last) = match place {
            Place::Worker => (now + nanos(HAND_OVER), u64::MAX),
            Place::Aside => (u64::MAX, u64::MAX),
            Place::OnProbation => (u64::MAX, now + nanos(PROBATION)),
        };
        let deadline = self.at(deadline);
        let thread = thread_time::this_thread();
        self.shared.thread.store(thread, Ordering::Relaxed);
        self.shared.deadline.store(deadline, Ordering::Relaxed);
        self.shared.entered.store(now, Ordering::Relaxed);
        self.shared.hand_over.store(hand_over, Ordering::Relaxed);
        self.shared.comes_last.store(comes_last, Ordering::Relaxed);
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
        self.shared.comes_last.store(u64::MAX, Ordering::Relaxed);
    }

    /// Gives the next handler its time, all of it though the run's deadline may have passed: that
    /// ends waiting only.
    pub(super) fn arm(&self, Reading(now): Reading, limit: Duration) {
        let shared = &self.shared;
        let limit = nanos(limit);
        let until = now.saturating_add(limit);
        let wall_until = now.saturating_add(limit.saturating_mul(WALL.into()));
        let error = Duration::from_nanos(limit / SAMPLE_PART).min(SAMPLE_ERROR);
        let at = shared.began + Duration::from_nanos(now);
        let before = thread_time::computed_at(at, error).map_or(0, nanos);
        shared.armed.store(now, Ordering::Relaxed);
        shared.waited.store(0, Ordering::Relaxed);
        shared.met.store(NONE, Ordering::Relaxed);
        shared.suspended.store(0, Ordering::Relaxed);
        // Only whoever runs the handlers writes it.
        let begun = shared.begun.load(Ordering::Relaxed);
        shared.begun.store(begun + 1, Ordering::Relaxed);
        shared.slack.store(0, Ordering::Relaxed);
        shared.limit.store(limit, Ordering::Relaxed);
        shared.wall_until.store(wall_until, Ordering::Relaxed);
        shared.computed_before.store(before, Ordering::Relaxed);
        // What the watch reads after it belongs to it.
        shared.until.store(until, Ordering::Release);
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
        let wall_left = shared
            .wall_until
            .load(Ordering::Relaxed)
            .saturating_sub(now);
        let computed = thread_time::computed_here().map_or(0, nanos);
        // What does not wait but computes here, such as a module that is loaded, has at least what
        // the handler has left.
        let wall_until = now.max(deadline).saturating_add(wall_left);
        shared.wall_until.store(wall_until, Ordering::Relaxed);
        shared.until.store(until.max(deadline), Ordering::Release);
        shared.paused.store(now, Ordering::Relaxed);
        shared.paused_computed.store(computed, Ordering::Relaxed);
        let left = until.saturating_sub(now);
        shared.left.store(left, Ordering::Relaxed);
        shared.wall_left.store(wall_left, Ordering::Relaxed);
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
        let computed = thread_time::computed_here().map_or(0, nanos);
        let paused_computed = shared.paused_computed.load(Ordering::Relaxed);
        let meanwhile = computed.saturating_sub(paused_computed);
        shared
            .computed_before
            .fetch_add(meanwhile, Ordering::Relaxed);
        let wall_until = now.saturating_add(shared.wall_left.load(Ordering::Relaxed));
        shared.wall_until.store(wall_until, Ordering::Relaxed);
        let until = now.saturating_add(shared.left.load(Ordering::Relaxed));
        shared.until.store(until, Ordering::Release);
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
        if now >= self.shared.comes_last.load(Ordering::Relaxed) {
            self.end_probation(now);
        }
        now >= self.shared.until.load(Ordering::Relaxed) && !self.has_time_left(now)
    }

    /// Has the thread come last, and makes room for others, once the handler has computed for long
    /// enough.
    fn end_probation(&self, now: u64) {
        let computed = thread_time::computed_here().map_or(u64::MAX, |all| self.since_armed(all));
        let rest = nanos(PROBATION).saturating_sub(computed);
        let comes_last = if rest > 0 {
            now.saturating_add(rest)
        } else {
            self.stand_up();
            thread_time::come_last();
            u64::MAX
        };
        self.shared.comes_last.store(comes_last, Ordering::Relaxed);
    }

    /// Looks what the handler has computed, and when to look again.
    fn has_time_left(&self, now: u64) -> bool {
        let shared = &self.shared;
        let limit = shared.limit.load(Ordering::Relaxed);
        let wall_until = shared.wall_until.load(Ordering::Relaxed);
        // Where the kernel does not say, time on the clock counts.
        let computed = thread_time::computed_here().map_or(limit, |all| self.since_armed(all));
        let met = if computed >= limit {
            COMPUTING
        } else if now >= wall_until {
            ON_THE_CLOCK
        } else {
            let rest = now.saturating_add(limit - computed);
            shared.until.store(rest.min(wall_until), Ordering::Release);
            return true;
        };
        shared.computed.store(computed, Ordering::Relaxed);
        shared.met.store(met, Ordering::Relaxed);
        false
    }

    /// What the handler has computed, where its thread has computed so much.
    fn since_armed(&self, all: Duration) -> u64 {
        nanos(all).saturating_sub(self.shared.computed_before.load(Ordering::Relaxed))
    }

    /// Whether a handler was stopped for its time.
    pub(super) fn has_stopped(&self) -> bool {
        self.shared.met.load(Ordering::Relaxed) != NONE
    }

    /// What stopped the handler.
    pub(super) fn stopped_by(&self) -> Option<Overrun> {
        let shared = &self.shared;
        let limit = Duration::from_nanos(shared.limit.load(Ordering::Relaxed));
        let computed = Duration::from_nanos(shared.computed.load(Ordering::Relaxed));
        match shared.met.load(Ordering::Relaxed) {
            NONE => None,
            ON_THE_CLOCK => Some(Overrun::Wall { limit, computed }),
            _ => Some(Overrun::Computing { limit }),
        }
    }

    /// What stopped the handler, or will once it notices. Asked by another thread.
    pub(super) fn overrun(&self) -> Overrun {
        self.stopped_by().unwrap_or_else(|| {
            let shared = &self.shared;
            let limit = Duration::from_nanos(shared.limit.load(Ordering::Relaxed));
            let thread = shared.thread.load(Ordering::Relaxed);
            let all = thread_time::computed_by(thread);
            let computed = all.map_or(limit, |all| Duration::from_nanos(self.since_armed(all)));
            if computed < limit {
                Overrun::Wall { limit, computed }
            } else {
                Overrun::Computing { limit }
            }
        })
    }

    /// How long the handler has computed since it was armed.
    pub(super) fn used(&self, Reading(now): Reading) -> Duration {
        let armed = self.shared.armed.load(Ordering::Relaxed);
        let waited = self.shared.waited.load(Ordering::Relaxed);
        let used = now.saturating_sub(armed).saturating_sub(waited);
        let used = Duration::from_nanos(used);
        if used <= QUICK {
            return used;
        }
        let computed = thread_time::computed_here();
        computed.map_or(used, |all| {
            used.min(Duration::from_nanos(self.since_armed(all)))
        })
    }

    /// How many handlers of the run have begun.
    pub(super) fn begun(&self) -> usize {
        self.shared.begun.load(Ordering::Relaxed)
    }

    /// Whether the handler has exceeded one of its bounds by more than `grace`: has computed so
    /// much longer, or gone on so long after its time on the clock. Asked by another thread.
    pub(super) fn has_overrun(&self, grace: Duration) -> bool {
        let shared = &self.shared;
        let (now, grace) = (self.now(), nanos(grace));
        let until = shared.until.load(Ordering::Acquire);
        let slack = shared.slack.load(Ordering::Relaxed);
        if now < until.saturating_add(slack).saturating_add(grace) {
            return false;
        }
        let limit = shared.limit.load(Ordering::Relaxed);
        let wall_until = shared.wall_until.load(Ordering::Relaxed);
        let wall_slack = slack.saturating_mul(WALL.into());
        let thread = shared.thread.load(Ordering::Relaxed);
        let computed = thread_time::computed_by(thread).map(|all| self.since_armed(all));
        // The next handler may have begun since, or this one been suspended.
        if shared.until.load(Ordering::Acquire) != until {
            return false;
        }
        let allowed = limit.saturating_add(slack).saturating_add(grace);
        now >= wall_until.saturating_add(wall_slack).saturating_add(grace)
            || computed.is_none_or(|computed| computed >= allowed)
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

    /// Computes for so long, as the kernel counts.
    fn compute(time: Duration) {
        let computed = || thread_time::computed_here().expect("the kernel counts");
        let until = computed() + time;
        while computed() < until {}
    }

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

    /// What a handler does that gets no processor.
    fn wait(time: Duration) {
        thread::sleep(time);
    }

    #[test]
    fn a_handler_without_a_processor_keeps_its_time_until_ten_times_as_much_has_passed() {
        let clock = Clock::new();
        let limit = Duration::from_millis(30);

        let now = clock.enter(Place::Aside, Instant::now() + MINUTE);
        clock.arm(now, limit);
        wait(limit * 2);
        assert!(!clock.is_over() && !clock.has_stopped());
        // Nor do waiting for a call, and what is computed then.
        clock.suspend();
        wait(limit * 10);
        compute(limit);
        clock.resume();
        assert!(!clock.is_over() && !clock.has_stopped());

        wait(limit * 9);
        assert!(clock.is_over());
        assert!(
            matches!(clock.stopped_by(), Some(Overrun::Wall { limit: it, computed }) if it == limit && computed < limit)
        );
    }

    #[test]
    fn a_handler_is_stopped_once_it_has_computed_for_its_limit_and_not_before() {
        let clock = Clock::new();
        let limit = Duration::from_millis(20);
        let computed = || thread_time::computed_here().expect("the kernel counts");

        let now = clock.enter(Place::Aside, Instant::now() + MINUTE);
        clock.arm(now, limit);
        let before = computed();
        wait(limit);
        compute(limit / 2);
        assert!(!clock.is_over());
        while !clock.is_over() {}
        let took = computed().saturating_sub(before);

        assert_eq!(clock.stopped_by(), Some(Overrun::Computing { limit }));
        let error = Duration::from_millis(1);
        assert!(limit <= took + error && took < limit * 2, "{took:?}");
    }

    #[test]
    fn the_watch_counts_what_the_other_thread_computes() {
        let limit = Duration::from_millis(30);
        let clock = Clock::new();
        let (step, steps) = std::sync::mpsc::channel();
        let (done, dones) = std::sync::mpsc::channel();
        let its = clock.clone();
        let handler = thread::spawn(move || {
            let now = its.enter(Place::Aside, Instant::now() + MINUTE);
            its.arm(now, limit);
            for time in steps {
                compute(time);
                done.send(()).expect("the test waits");
            }
        });
        let after = |time| {
            step.send(time).expect("it computes");
            dones.recv().expect("it computes");
            clock.has_overrun(Duration::ZERO)
        };

        let at_first = after(Duration::ZERO);
        wait(limit * 2);
        let without_a_processor = after(Duration::ZERO);
        let after_its_limit = after(limit);

        assert_eq!(
            [at_first, without_a_processor, after_its_limit],
            [false, false, true]
        );
        assert_eq!(clock.overrun(), Overrun::Computing { limit });
        assert!(!clock.has_overrun(MINUTE));
        drop(step);
        handler.join().expect("it ends");
    }

    #[test]
    fn the_watch_gives_up_who_has_no_processor_for_ten_times_the_limit() {
        let limit = Duration::from_millis(10);
        let clock = Clock::new();

        let now = clock.enter(Place::Aside, Instant::now() + MINUTE);
        clock.arm(now, limit);
        wait(limit * WALL);

        assert!(clock.has_overrun(Duration::ZERO) && !clock.has_overrun(MINUTE));
        assert!(matches!(clock.overrun(), Overrun::Wall { .. }));
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
