//! The places that connections have, and who gives up theirs when there are none left.
//!
//! A connection that waits for a request gives up its place to a new one, the one that has
//! waited longest first; where none does, one whose head is slowest to arrive. The same
//! goes for heads when their memory runs out.
//!
//! ```text
//! Busy ──nothing has come yet──▶ Idle ──▶ GivenUp
//!   ▲  └─a part of a head has──▶ Head ──▶ GivenUp
//!   └──── it goes on ─────────────┘
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Instant;

use futures_util::task::AtomicWaker;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::wire::Buffers;

/// Of the budget for heads so much is freed at once when it runs out: an eighth.
const FREED_AT_ONCE: usize = 8;

/// All places of one listener.
pub(super) struct Places {
    most: u32,
    free: Arc<Semaphore>,
    /// Whether a new connection waits for a place that nobody has given up yet.
    is_wanted: AtomicBool,
    /// Whether connections that wait for a request close.
    closes_idle: AtomicBool,
    seats: Mutex<Seats>,
    began: Instant,
    buffers: Arc<Buffers>,
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Seat>>,
}

/// The place of one connection; free again once it is dropped.
pub(super) struct Place {
    number: u64,
    seat: Arc<Seat>,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

/// What others know of a connection.
#[derive(Default)]
struct Seat {
    /// See [`Waits`].
    state: AtomicU64,
    /// How much of the budget its head has.
    head: AtomicUsize,
    waker: AtomicWaker,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// A request, nothing of which has come.
    Request,
    /// The rest of a head.
    Head,
}

const BUSY: u64 = 0;
const GIVEN_UP: u64 = 1;

impl Waits {
    /// As a state: since when, so that the lowest has waited longest, and in the last bits
    /// for what.
    fn since(self, microseconds: u64) -> u64 {
        let kind = match self {
            Self::Request => 2,
            Self::Head => 3,
        };
        microseconds << 2 | kind
    }

    fn of(state: u64) -> Option<Self> {
        match state & 3 {
            2 => Some(Self::Request),
            3 => Some(Self::Head),
            _ => None,
        }
    }
}

impl Places {
    /// So many places, none of which is taken. Heads are read within `buffers`.
    pub(super) fn new(most: u32, buffers: Arc<Buffers>) -> Arc<Self> {
        Arc::new(Self {
            most,
            free: Arc::new(Semaphore::new(most as usize)),
            is_wanted: AtomicBool::new(false),
            closes_idle: AtomicBool::new(false),
            seats: Mutex::default(),
            began: Instant::now(),
            buffers,
        })
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.most as usize - self.free.available_permits()
    }

    /// A place, where one is free.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.seated(permit))
    }

    /// A place; where none is free, somebody has to give up theirs. One at a time asks.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        if let Some(place) = self.try_take() {
            return place;
        }
        if !self.give_up_one() {
            self.is_wanted.store(true, Ordering::SeqCst);
            // One may have begun to wait before it could see that.
            self.give_up_one();
        }
        let permit = Arc::clone(&self.free).acquire_owned().await;
        self.is_wanted.store(false, Ordering::SeqCst);
        self.seated(permit.expect("nobody closes the semaphore"))
    }

    /// Waits until every place is free.
    pub(super) async fn all_free(&self) -> Result<(), AcquireError> {
        self.free.acquire_many(self.most).await.map(drop)
    }

    /// From now on connections that wait for a request close.
    pub(super) fn close_idle(&self) {
        self.closes_idle.store(true, Ordering::SeqCst);
        for seat in self.lock().taken.values() {
            seat.waker.wake();
        }
    }

    fn seated(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        let seat = Arc::<Seat>::default();
        let mut seats = self.lock();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, Arc::clone(&seat));
        drop(seats);
        Place {
            number,
            seat,
            places: Arc::clone(self),
            _permit: permit,
        }
    }

    /// Has the connection end that has waited longest: for a request, or else for the rest
    /// of a head. Whether there was one.
    fn give_up_one(&self) -> bool {
        let seats = self.lock();
        [Waits::Request, Waits::Head].into_iter().any(|wanted| {
            let waiting = waiting(&seats, wanted);
            waiting.into_iter().any(|(_, seat)| self.give_up(seat))
        })
    }

    /// Has connections end whose heads are slowest to arrive, until `excess` bytes and some
    /// more are free.
    fn free_heads(&self, excess: usize) {
        let seats = self.lock();
        let mut left = excess + self.buffers.budget() / FREED_AT_ONCE;
        for (_, seat) in waiting(&seats, Waits::Head) {
            let size = seat.head.load(Ordering::Relaxed);
            if self.give_up(seat) {
                left = left.saturating_sub(size);
            }
            if left == 0 {
                return;
            }
        }
    }

    /// Whether the connection waited and has to end now.
    fn give_up(&self, seat: &Seat) -> bool {
        let state = seat.state.load(Ordering::Relaxed);
        if Waits::of(state).is_none() {
            return false;
        }
        let given_up =
            seat.state
                .compare_exchange(state, GIVEN_UP, Ordering::SeqCst, Ordering::Relaxed);
        if given_up.is_ok() {
            // Its memory is as good as free: nobody else has to go for it.
            self.buffers.give_back(seat.head.swap(0, Ordering::Relaxed));
            seat.waker.wake();
        }
        given_up.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that wait for this, the one that has waited longest first.
fn waiting(seats: &Seats, wanted: Waits) -> Vec<(u64, &Seat)> {
    let states = seats
        .taken
        .values()
        .map(|seat| (seat.state.load(Ordering::Relaxed), &**seat));
    let mut waiting: Vec<_> = states
        .filter(|(state, _)| Waits::of(*state) == Some(wanted))
        .collect();
    waiting.sort_unstable_by_key(|(state, _)| *state);
    waiting
}

impl Place {
    /// The connection waits. Gives whether it has to end instead; `cx` is woken when it has
    /// to later.
    pub(super) fn wait(&self, waits: Waits, cx: &Context<'_>) -> bool {
        self.seat.waker.register(cx.waker());
        if self.seat.state.load(Ordering::Relaxed) == BUSY {
            let now = u64::try_from(self.places.began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.seat.state.store(waits.since(now), Ordering::SeqCst);
        }
        self.is_given_up()
            || waits == Waits::Request
                && (self.places.closes_idle.load(Ordering::SeqCst) || self.is_wanted())
    }

    /// What it waited for has come, or has ended.
    pub(super) fn go_on(&self) {
        let state = self.seat.state.load(Ordering::Relaxed);
        if Waits::of(state).is_some() {
            // It stays given up where it has been.
            let _ =
                self.seat
                    .state
                    .compare_exchange(state, BUSY, Ordering::SeqCst, Ordering::Relaxed);
        }
    }

    /// Whether somebody else is to have it.
    pub(super) fn is_given_up(&self) -> bool {
        self.seat.state.load(Ordering::SeqCst) == GIVEN_UP
    }

    /// Whether somebody waits for a place.
    pub(super) fn is_wanted(&self) -> bool {
        self.places.is_wanted.load(Ordering::SeqCst)
    }

    /// Counts `bytes` for the head of the present request, in place of what was counted for
    /// it. Where that is more than there is, those whose heads are slowest have to end.
    /// Gives whether there is room now.
    pub(super) fn hold_head(&self, bytes: usize) -> bool {
        let before = self.seat.head.swap(bytes, Ordering::Relaxed);
        let buffers = &self.places.buffers;
        let excess = buffers.take(bytes).saturating_sub(before);
        buffers.give_back(before);
        if excess == 0 || bytes == 0 {
            return true;
        }
        self.places.free_heads(excess);
        buffers.take(0) == 0
    }

    /// Whether something is counted for the present head.
    pub(super) fn holds_head(&self) -> bool {
        self.seat.head.load(Ordering::Relaxed) > 0
    }

    /// The memory that heads and pieces of bodies share.
    pub(super) fn buffers(&self) -> &Buffers {
        &self.places.buffers
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().taken.remove(&self.number);
        let held = self.seat.head.swap(0, Ordering::Relaxed);
        self.places.buffers.give_back(held);
    }
}
