//! The memory of JavaScript heaps: a limit for each, and one for all of them together.
//!
//! QuickJS asks here for arenas of 4 KiB and for what is larger than half a KiB, so that counting
//! costs next to nothing; and so does whatever of ours a script can make grow ([`Budget`]), of
//! which QuickJS knows nothing. Requests are refused here and not by a limit of QuickJS's own, so
//! that it is known who refused: without memory for an error QuickJS throws `null`, as a script may.
//!
//! A heap is used by one thread at a time, so its counters are read and written in two steps. What
//! goes elsewhere while it still takes memory is counted for all heaps together ([`Elsewhere`]).

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use rquickjs::allocator::Allocator;

use super::release::Release;
use crate::document::Budget;

/// What a heap has of the common memory as long as it lives, in bytes: a realm fits into it, so
/// that none is built halfway.
pub(super) const LEAST: usize = 768 * 1024;

/// By how much its part grows, and how much it keeps for later. All that it had at a time is its
/// own until it is [left](Heap::leave): what was freed is the system's no sooner.
const STEP: usize = 128 * 1024;

/// What part of the common memory allocators may keep that nobody has.
const KEPT: usize = 16;

/// The memory that all heaps share. Clones are the same memory.
#[derive(Debug, Clone)]
pub(super) struct Common {
    left: Arc<AtomicUsize>,
    all: usize,
    release: Release,
}

impl Common {
    /// So many bytes.
    pub(super) fn new(all: usize) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(all)),
            all,
            release: Release::each(all / KEPT),
        }
    }

    /// Whether heaps that nobody uses had better be given up: less than a quarter is left.
    pub(super) fn is_scarce(&self) -> bool {
        self.left.load(Ordering::Relaxed) < self.all / 4
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.release.freed(bytes);
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Who had no memory for a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its own heap's limit.
    Heap,
    /// What all handlers have together.
    Handlers,
    /// The system.
    System,
}

/// One heap's counters. Clones are the same heap's.
#[derive(Debug, Clone)]
pub(super) struct Heap(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    common: Common,
    limit: usize,
    /// What the heap has, and what was taken of the common memory for it.
    used: AtomicUsize,
    part: AtomicUsize,
    /// Who refused memory, as [`Heap::refused`] tells; 0 for nobody.
    refused: AtomicU8,
}

impl Heap {
    /// A heap of at most `limit` bytes; `None` where there is no room for another one.
    fn new(limit: usize, common: &Common) -> Option<Self> {
        common.take(LEAST).then(|| {
            Self(Arc::new(Counters {
                common: common.clone(),
                limit,
                used: AtomicUsize::new(0),
                part: AtomicUsize::new(LEAST),
                refused: AtomicU8::new(0),
            }))
        })
    }

    /// Who refused memory since the heap was [entered](Self::enter), where anybody did.
    pub(super) fn refused(&self) -> Option<Refused> {
        match self.0.refused.load(Ordering::Relaxed) {
            1 => Some(Refused::Heap),
            2 => Some(Refused::Handlers),
            3 => Some(Refused::System),
            _ => None,
        }
    }

    /// Forgets what was refused to others.
    pub(super) fn enter(&self) {
        self.0.refused.store(0, Ordering::Relaxed);
    }

    fn note(&self, refused: Refused) {
        let code = match refused {
            Refused::Heap => 1,
            Refused::Handlers => 2,
            Refused::System => 3,
        };
        self.0.refused.store(code, Ordering::Relaxed);
    }

    fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    fn part(&self) -> usize {
        self.0.part.load(Ordering::Relaxed)
    }

    /// Whether there is so much more; takes it of the common memory.
    fn may_grow(&self, by: usize) -> bool {
        let wanted = self.used().saturating_add(by);
        if wanted > self.0.limit {
            self.note(Refused::Heap);
            return false;
        }
        let part = self.part();
        let missing = wanted.saturating_sub(part);
        if missing == 0 {
            return true;
        }
        let missing = missing.max(STEP);
        let is_there = self.0.common.take(missing);
        if is_there {
            self.0.part.store(part + missing, Ordering::Relaxed);
        } else {
            self.note(Refused::Handlers);
        }
        is_there
    }

    fn grown(&self, by: usize) {
        self.0.used.store(self.used() + by, Ordering::Relaxed);
    }

    fn shrunk(&self, by: usize) {
        let used = self.used().saturating_sub(by);
        self.0.used.store(used, Ordering::Relaxed);
    }

    /// Gives back what the heap had for a while and has no use for now.
    pub(super) fn leave(&self) {
        let kept = self.used().saturating_add(STEP).max(LEAST);
        let part = self.part();
        if part > kept.saturating_add(STEP) {
            self.0.common.give_back(part - kept);
            self.0.part.store(kept, Ordering::Relaxed);
        }
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        let part = *self.part.get_mut();
        self.common.give_back(part);
    }
}

impl Budget for Heap {
    fn take(&self, bytes: usize) -> bool {
        let is_there = self.may_grow(bytes);
        if is_there {
            self.grown(bytes);
        }
        is_there
    }

    fn give_back(&self, bytes: usize) {
        self.shrunk(bytes);
    }

    fn hand_over(&self, bytes: usize) -> Box<dyn Send + Sync> {
        self.0
            .used
            .store(self.used().saturating_sub(bytes), Ordering::Relaxed);
        // What libc gave beyond what was asked for is in no part.
        let bytes = bytes.min(self.part());
        self.0.part.store(self.part() - bytes, Ordering::Relaxed);
        Box::new(Elsewhere {
            common: self.0.common.clone(),
            bytes,
        })
    }
}

/// Bytes of the common memory that are no heap's any longer.
struct Elsewhere {
    common: Common,
    bytes: usize,
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.common.give_back(self.bytes);
    }
}

/// Gives one runtime its memory.
pub(super) struct Memory(Heap);

impl Memory {
    /// At most `limit` bytes; `None` where there is no room for another heap.
    pub(super) fn new(limit: usize, common: &Common) -> Option<Self> {
        Heap::new(limit, common).map(Self)
    }

    pub(super) fn heap(&self) -> &Heap {
        &self.0
    }

    /// Counts what the system gave, or notes that it gave nothing.
    fn given(&self, piece: *mut u8) -> *mut u8 {
        if piece.is_null() {
            self.0.note(Refused::System);
        } else {
            self.0.grown(usable(piece));
        }
        piece
    }
}

// SAFETY: what is given is libc's, which aligns for any type and knows the size of each piece.
unsafe impl Allocator for Memory {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.0.may_grow(size) {
            return ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        let given = unsafe { libc::malloc(size) };
        self.given(given.cast())
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        if !self.0.may_grow(count.saturating_mul(size)) {
            return ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        let given = unsafe { libc::calloc(count, size) };
        self.given(given.cast())
    }

    unsafe fn dealloc(&mut self, piece: *mut u8) {
        self.0.shrunk(usable(piece));
        // SAFETY: the caller gives back what came from here, once.
        unsafe { libc::free(piece.cast()) };
    }

    unsafe fn realloc(&mut self, piece: *mut u8, size: usize) -> *mut u8 {
        let had = usable(piece);
        if !self.0.may_grow(size.saturating_sub(had)) {
            return ptr::null_mut();
        }
        // SAFETY: the piece came from here and is whole; where nothing is given it stays so.
        let given = unsafe { libc::realloc(piece.cast(), size) };
        if !given.is_null() {
            self.0.shrunk(had);
        }
        self.given(given.cast())
    }

    unsafe fn usable_size(piece: *mut u8) -> usize {
        usable(piece)
    }
}

/// What a piece of libc's has room for; none where there is no piece.
fn usable(piece: *mut u8) -> usize {
    // SAFETY: all pieces that are seen here are libc's, or null, of which it says nought.
    unsafe { libc::malloc_usable_size(piece.cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_heap_has_its_limit_and_says_that_it_was_met() {
        let common = Common::new(8 * MIB);
        let mut memory = Memory::new(2 * MIB, &common).expect("there is room");

        assert!(memory.alloc(3 * MIB).is_null());
        assert_eq!(memory.heap().refused(), Some(Refused::Heap));

        memory.heap().enter();
        let piece = memory.alloc(MIB);
        assert!(!piece.is_null());
        assert_eq!(memory.heap().refused(), None);
        // SAFETY: it came from there.
        unsafe { memory.dealloc(piece) };
    }

    #[test]
    fn heaps_share_what_there_is_and_give_it_back() {
        let common = Common::new(4 * MIB + LEAST / 2);
        let mut first = Memory::new(64 * MIB, &common).expect("there is room");
        let mut second = Memory::new(64 * MIB, &common).expect("there is room");

        let piece = first.alloc(3 * MIB);
        assert!(!piece.is_null() && common.is_scarce());
        assert!(second.alloc(2 * MIB).is_null());
        assert_eq!(second.heap().refused(), Some(Refused::Handlers));
        assert!(Memory::new(MIB, &common).is_none());

        // SAFETY: it came from there.
        unsafe { first.dealloc(piece) };
        first.heap().leave();
        let piece = second.alloc(2 * MIB);
        assert!(!piece.is_null());
        // SAFETY: as above.
        unsafe { second.dealloc(piece) };
        drop((first, second));
        assert_eq!(common.left.load(Ordering::Relaxed), common.all);
    }

    #[test]
    fn a_piece_that_grows_is_counted_once() {
        let common = Common::new(8 * MIB);
        let mut memory = Memory::new(8 * MIB, &common).expect("there is room");
        let piece = memory.alloc(MIB);

        // SAFETY: it came from there.
        let piece = unsafe { memory.realloc(piece, 2 * MIB) };

        assert_eq!(memory.heap().used(), usable(piece));
        // SAFETY: as above.
        unsafe { memory.dealloc(piece) };
        memory.heap().leave();
        assert_eq!((memory.heap().used(), memory.heap().part()), (0, LEAST));
    }

    #[test]
    fn what_is_no_arena_counts_with_the_rest() {
        let common = Common::new(8 * MIB);
        let memory = Memory::new(2 * MIB, &common).expect("there is room");
        let heap = memory.heap();

        assert!(heap.take(MIB) && !heap.take(MIB + 1));
        assert_eq!(heap.refused(), Some(Refused::Heap));

        heap.give_back(MIB);
        heap.leave();
        assert_eq!((heap.used(), heap.part()), (0, LEAST));
    }

    #[test]
    fn what_went_elsewhere_is_common_memory_until_it_ends() {
        let common = Common::new(8 * MIB);
        let memory = Memory::new(4 * MIB, &common).expect("there is room");
        assert!(memory.heap().take(3 * MIB));

        let elsewhere = memory.heap().hand_over(3 * MIB);
        assert_eq!(memory.heap().used(), 0);
        drop(memory);

        assert_eq!(common.left.load(Ordering::Relaxed), common.all - 3 * MIB);
        drop(elsewhere);
        assert_eq!(common.left.load(Ordering::Relaxed), common.all);
    }
}
