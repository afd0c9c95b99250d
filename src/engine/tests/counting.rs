//! An allocator that knows what Rust's memory each thread has, and all of them together.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

/// The system's allocator, and what each thread has of it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What all threads have, and have had at most since [`begin_peak`].
static ALL: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);
static BEFORE: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(by: isize) {
    let all = ALL.fetch_add(by, Ordering::Relaxed) + by;
    MOST.fetch_max(all, Ordering::Relaxed);
    // A thread that ends has given up its counters.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + by);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

#[allow(clippy::cast_possible_wrap)] // no layout is that large
fn size(layout: Layout) -> isize {
    layout.size() as isize
}

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: as demanded of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: as demanded of the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: as demanded of the caller.
        unsafe { System.dealloc(piece, layout) }
    }
}

/// The most that this thread has of Rust's memory at a time while it does something, beyond what it
/// had, in bytes.
pub(in crate::engine) fn peak(act: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    act();
    usize::try_from(PEAK.get() - before).expect("the peak is no less than the beginning")
}

/// What the process has of Rust's memory, in bytes; for processes that run one test.
pub(in crate::engine) fn live() -> isize {
    ALL.load(Ordering::Relaxed)
}

/// Begins to look for the most that the process has at a time.
pub(in crate::engine) fn begin_peak() {
    let before = live();
    BEFORE.store(before, Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
}

/// The most that it had since then, beyond what it had then, in bytes.
pub(in crate::engine) fn peak_since() -> usize {
    let most = MOST.load(Ordering::Relaxed) - BEFORE.load(Ordering::Relaxed);
    usize::try_from(most).expect("a peak is no less than the beginning")
}
