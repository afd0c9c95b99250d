//! What the present thread does, in its slot.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::Write;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::layout::{Layout, MAX_SLOTS, Slot, Text};
use super::region;
use super::signal::Stack;
use super::table::Registered;

thread_local! {
    /// The thread's slot; null before it needed one. Without a destructor, so that a signal
    /// handler may read it.
    static SLOT: Cell<*const Slot> = const { Cell::new(ptr::null()) };
    /// Gives the slot back when the thread ends.
    static HELD: Held = const { Held(Cell::new(None)) };
}

/// The slot of all threads that have none: it is written to and never read.
static UNRECORDED: Slot = Slot {
    thread: std::sync::atomic::AtomicU32::new(0),
    handler: std::sync::atomic::AtomicU32::new(0),
    abandoned: std::sync::atomic::AtomicU32::new(0),
    compiles: std::sync::atomic::AtomicU32::new(0),
    connection: AtomicUsize::new(0),
    text: Text::new(),
};

/// No slot before this one is free, or one has just become so.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A thread's hold on its slot and on its signal stack.
struct Held(Cell<Option<(&'static Slot, Stack)>>);

impl Drop for Held {
    fn drop(&mut self) {
        SLOT.set(&raw const UNRECORDED);
        if let Some((slot, _stack)) = self.0.take() {
            slot.handler.store(0, Ordering::Relaxed);
            slot.abandoned.store(0, Ordering::Relaxed);
            slot.compiles.store(0, Ordering::Relaxed);
            slot.connection.store(0, Ordering::Relaxed);
            slot.thread.store(0, Ordering::Release);
            NEXT.store(0, Ordering::Relaxed);
        }
    }
}

/// The present thread's slot; `None` in a process that is not recorded.
fn slot() -> Option<&'static Slot> {
    let slot = SLOT.get();
    if slot.is_null() {
        return take();
    }
    // SAFETY: it is null, `UNRECORDED`, or a slot of the region, which is never unmapped where it
    // is recorded into.
    Some(unsafe { &*slot })
}

/// What the present thread has of a region. For the signal handler: allocates nothing.
pub(super) fn raised_by() -> Option<&'static Slot> {
    let slot = SLOT.get();
    if slot.is_null() || ptr::eq(slot, &raw const UNRECORDED) {
        return None;
    }
    // SAFETY: as in `slot`.
    Some(unsafe { &*slot })
}

#[cold]
fn take() -> Option<&'static Slot> {
    let layout = region::recorded()?;
    let slot = free_slot(layout).unwrap_or(&UNRECORDED);
    if !ptr::eq(slot, &raw const UNRECORDED) {
        let held = HELD.try_with(|held| held.0.set(Some((slot, Stack::for_this_thread()))));
        if held.is_err() {
            // The thread is ending, and nothing would give the slot back.
            slot.thread.store(0, Ordering::Release);
            return None;
        }
    }
    SLOT.set(slot);
    Some(slot)
}

fn free_slot(layout: &'static Layout) -> Option<&'static Slot> {
    let thread = this_thread();
    let first = NEXT.load(Ordering::Relaxed);
    (first..MAX_SLOTS)
        .chain(0..first.min(MAX_SLOTS))
        .find_map(|at| {
            let slot = &layout.slots[at];
            let taken =
                slot.thread
                    .compare_exchange(0, thread, Ordering::AcqRel, Ordering::Relaxed);
            taken.ok().map(|_| {
                NEXT.store(at + 1, Ordering::Relaxed);
                slot
            })
        })
}

pub(super) fn this_thread() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
}

/// The handlers of one phase that run on this thread, until this is dropped.
#[derive(Debug)]
pub struct Phase {
    slot: Option<&'static Slot>,
    /// The handler that ran here before, whose host call this is.
    before: u32,
    text_before: Option<Text<16>>,
    /// A slot belongs to one thread.
    _thread: PhantomData<*const ()>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl<const WORDS: usize> std::fmt::Debug for Text<WORDS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.get())
    }
}

impl Phase {
    /// The phase of the transaction with this id.
    pub fn begin(transaction: &str) -> Self {
        let slot = slot();
        let before = slot.map_or(0, |slot| slot.handler.load(Ordering::Relaxed));
        let mut text_before = None;
        if let Some(slot) = slot {
            if before != 0 {
                let text = Text::new();
                text.copy(&slot.text);
                text_before = Some(text);
            }
            slot.text.set(transaction.as_bytes());
        }
        Self {
            slot,
            before,
            text_before,
            _thread: PhantomData,
        }
    }

    /// This handler runs from now on.
    pub fn runs(&self, handler: &Registered) {
        if let Some(slot) = self.slot {
            slot.handler.store(handler.place(), Ordering::Relaxed);
        }
        #[cfg(debug_assertions)]
        handler.fail_where_wanted();
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        let Some(slot) = self.slot else {
            return;
        };
        slot.handler.store(self.before, Ordering::Relaxed);
        if let Some(text) = &self.text_before {
            slot.text.copy(text);
        }
    }
}

/// A file that is compiled on this thread, until this is dropped.
#[derive(Debug)]
pub struct Compiling {
    slot: Option<&'static Slot>,
    _thread: PhantomData<*const ()>,
}

impl Compiling {
    /// The file at this path of the set.
    pub fn file(path: &str) -> Self {
        let slot = slot();
        if let Some(slot) = slot {
            slot.text.set(path.as_bytes());
            slot.compiles.store(1, Ordering::Relaxed);
        }
        #[cfg(debug_assertions)]
        if let Some(failure) = super::fail_point::of_file(path) {
            failure.happen();
        }
        Self {
            slot,
            _thread: PhantomData,
        }
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.compiles.store(0, Ordering::Relaxed);
        }
    }
}

/// The handler that this thread runs was given up: should the process end over it, it counts.
pub fn abandon(thread: i32) {
    let Some(layout) = region::recorded() else {
        return;
    };
    let thread = thread.unsigned_abs();
    let slot = layout
        .slots
        .iter()
        .find(|slot| slot.thread.load(Ordering::Acquire) == thread);
    if let Some(slot) = slot {
        let handler = slot.handler.load(Ordering::Relaxed);
        slot.abandoned.store(handler, Ordering::Relaxed);
    }
}

/// What is known of a client's connection while it is served.
#[derive(Debug)]
pub struct Connection {
    pub(super) peer: SocketAddr,
    /// Method and path of the present request, with a blank between them.
    pub(super) request: Text<16>,
}

impl Connection {
    /// A connection without a request.
    pub fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            request: Text::new(),
        }
    }

    /// A request has begun.
    pub fn begin(&self, method: &str, path: &str) {
        let mut text = [0_u8; 128];
        let mut room = &mut text[..];
        // What finds no room is cut.
        let _ = room.write_all(method.as_bytes().get(..16).unwrap_or(method.as_bytes()));
        let _ = room.write_all(b" ");
        let _ = room.write_all(path.as_bytes());
        let left = room.len();
        self.request.set(&text[..128 - left]);
    }

    /// The request has ended.
    pub fn end(&self) {
        self.request.clear();
    }
}

/// Drives what serves a connection, and has the thread's slot point to the connection while it does.
pub async fn serving<F: Future>(connection: &Connection, mut serve: Pin<&mut F>) -> F::Output {
    poll_fn(|context| {
        let Some(slot) = slot() else {
            return serve.as_mut().poll(context);
        };
        let _polled = Polled::of(connection, slot);
        serve.as_mut().poll(context)
    })
    .await
}

/// A connection that is polled on this thread, until this is dropped.
struct Polled {
    slot: &'static Slot,
    before: usize,
}

impl Polled {
    fn of(connection: &Connection, slot: &'static Slot) -> Self {
        let before = slot.connection.load(Ordering::Relaxed);
        let address = ptr::from_ref(connection).expose_provenance();
        slot.connection.store(address, Ordering::Relaxed);
        Self { slot, before }
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        self.slot.connection.store(self.before, Ordering::Relaxed);
    }
}

/// The connection that the thread of this slot polls. For the signal handler.
///
/// # Safety
///
/// Only on that thread, and only as long as it does nothing else.
pub(super) unsafe fn polled<'a>(slot: &Slot) -> Option<&'a Connection> {
    let address = slot.connection.load(Ordering::Relaxed);
    // SAFETY: `Polled` has put it there from a reference that outlives it, and takes it away
    // when it is dropped, which this thread hasn't done.
    unsafe { ptr::with_exposed_provenance::<Connection>(address).as_ref() }
}
