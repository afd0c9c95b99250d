//! Handlers on threads of their own, and the watch that answers for those that can't be stopped.
//!
//! ```text
//! Program ──start──▶ a thread that waits, or a new one ──▶ the handlers run ──▶ answer
//!                        │                                                        ▲
//!                      watch: a handler's time has been over for a while ─────────┘
//! ```
//!
//! A thread in a native that QuickJS never interrupts can't be ended. It is answered for and comes
//! behind the others. One that is late for want of a processor isn't: it computes next to nothing
//! before it stops. Where it goes on for long it counts as stuck, has the lowest priority, and ends
//! with its work. It doesn't count so at once: QuickJS asks for the time every ten thousand steps,
//! and steps may be slow.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::crash;

use super::allocator;
use super::limits::THREAD_STACK;
use super::seat::Seats;
use super::thread_time::{self, computed_by, this_thread};

/// How often the watch looks, and when it is so late that nobody else may have got a processor
/// either: then those that computed too little have one more period.
const PERIOD: Duration = Duration::from_millis(15);
const LATE: Duration = Duration::from_millis(60);

/// What a thread may compute beyond the handler's time: QuickJS asks several times in this.
const ASKS_WITHIN: Duration = Duration::from_millis(10);

/// What it may compute, and how long it may take, before it counts as stuck: ten thousand steps
/// may take so long where each looks for a key among thousands that are hashed alike.
const STUCK_AFTER: Duration = Duration::from_secs(1);
const STUCK_AT_LAST: Duration = Duration::from_secs(10);

/// How long a handler that comes last may overrun before it is answered without it: it was
/// stopped before, and may have to wait for a processor.
const GRACE: Duration = Duration::from_millis(40);

/// The same for one that was never stopped: if it computes nothing, the machine is too busy.
const LONG_GRACE: Duration = Duration::from_secs(1);

/// How long a thread waits for work, and the watch for something to look at.
const KEPT: Duration = Duration::from_secs(10);

/// What runs on a thread aside.
pub(super) trait Errand: Send + Sync {
    /// Runs to the end and answers, unless that was done.
    fn run(&self);
    /// Whether its time has been over for longer than this.
    fn has_overrun(&self, by: Duration) -> bool;
    /// Answers in its place, unless it has answered.
    fn answer_without(&self);
    /// It is one of so many that can't be stopped.
    fn is_stuck(&self, stuck: usize);
}

/// How much an errand matters to the processors. No thread can be given more than it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// As much as anything else.
    Usual,
    /// Less than anything else that is to be done.
    Last,
}

/// The threads of one engine.
pub(super) struct Aside {
    waiting: Mutex<Vec<Waiting>>,
    watch: Mutex<Watch>,
    stuck: Stuck,
    seats: Seats,
}

/// A thread that waits for work.
struct Waiting {
    id: thread::ThreadId,
    rank: Rank,
    door: mpsc::Sender<Arc<Run>>,
}

/// What the watch looks at.
#[derive(Default)]
struct Watch {
    runs: Vec<Arc<Run>>,
    is_on: bool,
}

/// An errand on its thread.
struct Run {
    errand: Arc<dyn Errand>,
    rank: Rank,
    progress: Mutex<Progress>,
}

/// How far an errand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// No thread has begun.
    OnItsWay,
    /// This thread is at it.
    Running { thread: libc::pid_t },
    /// Its time was over when the thread had computed for so long.
    Late {
        thread: libc::pid_t,
        computed: Duration,
    },
    /// It hasn't noticed, though it has computed since, and was given up.
    GivenUp {
        thread: libc::pid_t,
        computed: Duration,
        at: Instant,
    },
    /// Nor has it noticed long after that.
    Stuck,
    /// The thread has left it.
    Over,
}

/// How many threads are in handlers that were given up. Clones are the same count.
#[derive(Debug, Clone)]
pub struct Stuck {
    now: Arc<AtomicUsize>,
    most: usize,
}

impl Stuck {
    fn new(most: usize) -> Self {
        Self {
            now: Arc::default(),
            most,
        }
    }

    /// How many there are now.
    pub fn count(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// Whether there are as many as there may be: only a new process gets rid of them.
    pub fn is_full(&self) -> bool {
        self.count() >= self.most
    }
}

impl Aside {
    /// No threads yet, of which so `many` may be stuck.
    pub(super) fn new(many: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            watch: Mutex::default(),
            stuck: Stuck::new(many),
            seats: Seats::new(),
        })
    }

    pub(super) fn stuck(&self) -> &Stuck {
        &self.stuck
    }

    /// Where errands of usual rank compute. Those that come last take what is left over and
    /// need none.
    pub(super) fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Runs an errand on a thread that has nothing else to do.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub(super) fn start(
        self: &Arc<Self>,
        errand: Arc<dyn Errand>,
        rank: Rank,
    ) -> std::io::Result<()> {
        let mut run = Arc::new(Run {
            errand,
            rank,
            progress: Mutex::new(Progress::OnItsWay),
        });
        self.watch(&run)?;
        while let Some(waiting) = self.waiting(rank) {
            // It ends only after it has left the list: the door is open.
            match waiting.door.send(run) {
                Ok(()) => return Ok(()),
                Err(refused) => run = refused.0,
            }
        }
        let aside = Arc::clone(self);
        let first = Arc::clone(&run);
        spawn("interpose-aside", move || aside.work(first, rank)).inspect_err(|_| self.forget(&run))
    }

    /// Takes a thread of this rank from those that wait, the last one that came.
    fn waiting(&self, rank: Rank) -> Option<Waiting> {
        let mut waiting = lock(&self.waiting);
        let at = waiting.iter().rposition(|it| it.rank == rank)?;
        Some(waiting.remove(at))
    }

    /// One errand after the other, until there is none for a while, one got stuck, or one had the
    /// thread come last that was not to.
    fn work(&self, first: Arc<Run>, rank: Rank) {
        if rank == Rank::Last {
            thread_time::come_last();
        }
        let (door, work) = mpsc::channel();
        let id = thread::current().id();
        let mut run = first;
        loop {
            if !self.work_at(&run, rank) || (rank == Rank::Usual && thread_time::comes_last()) {
                return;
            }
            drop(run);
            let door = door.clone();
            lock(&self.waiting).push(Waiting { id, rank, door });
            run = match work.recv_timeout(KEPT) {
                Ok(next) => next,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let mut waiting = lock(&self.waiting);
                    let Some(at) = waiting.iter().position(|waiting| waiting.id == id) else {
                        drop(waiting);
                        // Somebody has just taken it from the list: the errand is on its way.
                        let Ok(next) = work.recv() else { return };
                        run = next;
                        continue;
                    };
                    waiting.swap_remove(at);
                    return;
                }
            };
        }
    }

    /// Whether the thread may go on with something else.
    fn work_at(&self, run: &Arc<Run>, rank: Rank) -> bool {
        let thread = this_thread();
        *lock(&run.progress) = Progress::Running { thread };
        run.errand.run();
        let last = std::mem::replace(&mut *lock(&run.progress), Progress::Over);
        self.forget(run);
        match last {
            Progress::Stuck => {}
            // The watch has had it come last.
            Progress::GivenUp { .. } => return rank == Rank::Last,
            Progress::OnItsWay
            | Progress::Running { .. }
            | Progress::Late { .. }
            | Progress::Over => return true,
        }
        let left = self.stuck.now.fetch_sub(1, Ordering::Relaxed) - 1;
        tracing::warn!(
            stuck = left,
            "a thread that couldn't be stopped has come to its end"
        );
        false
    }

    fn forget(&self, run: &Arc<Run>) {
        let mut watch = lock(&self.watch);
        if let Some(at) = watch.runs.iter().position(|known| Arc::ptr_eq(known, run)) {
            watch.runs.swap_remove(at);
        }
    }

    /// Has the watch look at a run.
    fn watch(self: &Arc<Self>, run: &Arc<Run>) -> std::io::Result<()> {
        let mut watch = lock(&self.watch);
        if !watch.is_on {
            let aside = Arc::clone(self);
            spawn("interpose-watch", move || aside.look())?;
            watch.is_on = true;
        }
        watch.runs.push(Arc::clone(run));
        Ok(())
    }

    /// Gives up whatever overruns, until there has been nothing to look at for a while.
    fn look(&self) {
        let mut quiet = Duration::ZERO;
        let mut was_late = false;
        loop {
            let slept = Instant::now();
            thread::sleep(PERIOD);
            was_late = slept.elapsed() > LATE && !was_late;
            let mut watch = lock(&self.watch);
            quiet = if watch.runs.is_empty() {
                quiet + PERIOD
            } else {
                Duration::ZERO
            };
            if quiet >= KEPT {
                watch.is_on = false;
                drop(watch);
                // What handlers make of large bodies nobody has needed for a while.
                allocator::let_go();
                return;
            }
            let is_overdue = |run: &&Arc<Run>| {
                let is_overdue = run.errand.has_overrun(Duration::ZERO);
                if !is_overdue {
                    run.is_on_time();
                }
                is_overdue
            };
            let overdue: Vec<Arc<Run>> = watch.runs.iter().filter(is_overdue).cloned().collect();
            drop(watch);
            for run in overdue {
                self.look_at(&run, was_late);
            }
        }
    }

    /// Looks at a run whose time is over.
    fn look_at(&self, run: &Arc<Run>, is_late: bool) {
        let grace = match run.rank {
            Rank::Usual => LONG_GRACE,
            Rank::Last => GRACE,
        };
        match run.look() {
            Found::OnItsWay => {
                if !is_late && run.errand.has_overrun(grace) {
                    run.errand.answer_without();
                }
            }
            Found::GivenUp => run.errand.answer_without(),
            Found::Stuck => {
                let stuck = self.stuck.now.fetch_add(1, Ordering::Relaxed) + 1;
                run.errand.is_stuck(stuck);
                self.forget(run);
            }
        }
    }
}

/// What the watch finds of a run whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It may notice yet, or was given up before.
    OnItsWay,
    /// It goes on without looking at the time. Found once.
    GivenUp,
    /// It still does. Found once.
    Stuck,
}

impl Run {
    /// Its time isn't over, or no longer: the next handler's has begun.
    fn is_on_time(&self) {
        let mut progress = lock(&self.progress);
        if let Progress::Late { thread, .. } = *progress {
            *progress = Progress::Running { thread };
        }
    }

    /// Looks how far it is, though its time is over.
    fn look(&self) -> Found {
        // While this is held the thread stays at it, so its number is its own.
        let mut progress = lock(&self.progress);
        match *progress {
            Progress::Running { thread } => {
                let computed = computed_by(thread).unwrap_or_default();
                *progress = Progress::Late { thread, computed };
                Found::OnItsWay
            }
            Progress::Late {
                thread,
                computed: before,
            } => {
                let computed = computed_by(thread).unwrap_or_default();
                if computed < before + ASKS_WITHIN {
                    return Found::OnItsWay;
                }
                let at = Instant::now();
                *progress = Progress::GivenUp {
                    thread,
                    computed,
                    at,
                };
                thread_time::have_come_last(thread);
                crash::abandon(thread);
                Found::GivenUp
            }
            Progress::GivenUp {
                thread,
                computed,
                at,
            } => {
                let now = computed_by(thread).unwrap_or_default();
                if now < computed + STUCK_AFTER && at.elapsed() < STUCK_AT_LAST {
                    return Found::OnItsWay;
                }
                *progress = Progress::Stuck;
                let_others_go_first(thread);
                Found::Stuck
            }
            Progress::OnItsWay | Progress::Stuck | Progress::Over => Found::OnItsWay,
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(THREAD_STACK)
        .spawn(work)
        .map(drop)
}

/// Gives a thread only what nobody else wants of the processors, for the rest of its life.
fn let_others_go_first(thread: libc::pid_t) {
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter is read before the call returns.
    let failed =
        unsafe { libc::sched_setscheduler(thread, libc::SCHED_IDLE, &raw const parameter) };
    if failed != 0 {
        let error = std::io::Error::last_os_error();
        tracing::warn!(%error, "a stuck thread keeps its priority");
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
