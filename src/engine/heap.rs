//! The memory of JavaScript heaps: a limit for each, and one for all of them together.
//!
//! QuickJS asks here for arenas of 4 KiB and for what is larger than half a KiB, so that counting
//! costs next to nothing. Requests are refused here and not by a limit of QuickJS's own, so that
//! it is known who refused: without memory for an error QuickJS throws `null`, as a script may.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use rquickjs::allocator::Allocator;

/// What a heap has of the common memory as long as it lives, in bytes: a realm fits into it, so
/// that none is built halfway.
pub(super) const LEAST: usize = 768 * 1024;

/// By how much its part grows, and how much of that it keeps for later.
const STEP: usize = 128 * 1024;

/// The memory that all heaps share. Clones are the same memory.
#[derive(Debug, Clone)]
pub(super) struct Common {
    left: Arc<AtomicUsize>,
    all: usize,
}

impl Common {
    /// So many bytes.
    pub(super) fn new(all: usize) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(all)),
            all,
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

/// What became of a heap's requests. Clones are the same heap's.
#[derive(Debug, Clone, Default)]
pub(super) struct Heap(Arc<AtomicU8>);

impl Heap {
    /// Who refused memory since the heap was [entered](Self::enter), where anybody did.
    pub(super) fn refused(&self) -> Option<Refused> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Refused::Heap),
            2 => Some(Refused::Handlers),
            3 => Some(Refused::System),
            _ => None,
        }
    }

    /// Forgets what was refused to others.
    pub(super) fn enter(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn note(&self, refused: Refused) {
        let code = match refused {
            Refused::Heap => 1,
            Refused::Handlers => 2,
            Refused::System => 3,
        };
        self.0.store(code, Ordering::Relaxed);
    }
}

/// Gives one runtime its memory.
pub(super) struct Memory {
    heap: Heap,
    common: Common,
    limit: usize,
    /// What the runtime has, and what was taken of the common memory for it.
    used: usize,
    part: usize,
}

impl Memory {
    /// At most `limit` bytes; `None` where there is no room for another heap.
    pub(super) fn new(limit: usize, common: &Common) -> Option<Self> {
        common.take(LEAST).then(|| Self {
            heap: Heap::default(),
            common: common.clone(),
            limit,
            used: 0,
            part: LEAST,
        })
    }

    pub(super) fn heap(&self) -> &Heap {
        &self.heap
    }

    /// Whether there is so much more; takes it of the common memory.
    fn may_grow(&mut self, by: usize) -> bool {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            self.heap.note(Refused::Heap);
            return false;
        }
        let missing = wanted.saturating_sub(self.part);
        if missing == 0 {
            return true;
        }
        let missing = missing.max(STEP);
        let is_there = self.common.take(missing);
        if is_there {
            self.part += missing;
        } else {
            self.heap.note(Refused::Handlers);
        }
        is_there
    }

    /// Counts what the system gave, or notes that it gave nothing.
    fn grown(&mut self, given: *mut u8) -> *mut u8 {
        if given.is_null() {
            self.heap.note(Refused::System);
        } else {
            self.used += usable(given);
        }
        given
    }

    fn shrunk(&mut self, by: usize) {
        self.used = self.used.saturating_sub(by);
        let kept = self.used.saturating_add(STEP).max(LEAST);
        if self.part > kept.saturating_add(STEP) {
            self.common.give_back(self.part - kept);
            self.part = kept;
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.common.give_back(self.part);
    }
}

// SAFETY: what is given is libc's, which aligns for any type and knows the size of each piece.
unsafe impl Allocator for Memory {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.may_grow(size) {
            return ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        let given = unsafe { libc::malloc(size) };
        self.grown(given.cast())
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        if !self.may_grow(count.saturating_mul(size)) {
            return ptr::null_mut();
        }
        // SAFETY: any size may be asked for.
        let given = unsafe { libc::calloc(count, size) };
        self.grown(given.cast())
    }

    unsafe fn dealloc(&mut self, piece: *mut u8) {
        self.shrunk(usable(piece));
        // SAFETY: the caller gives back what came from here, once.
        unsafe { libc::free(piece.cast()) };
    }

    unsafe fn realloc(&mut self, piece: *mut u8, size: usize) -> *mut u8 {
        let had = usable(piece);
        if !self.may_grow(size.saturating_sub(had)) {
            return ptr::null_mut();
        }
        // SAFETY: the piece came from here and is whole; where nothing is given it stays so.
        let given = unsafe { libc::realloc(piece.cast(), size) };
        if !given.is_null() {
            self.shrunk(had);
        }
        self.grown(given.cast())
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

        assert_eq!(memory.used, usable(piece));
        // SAFETY: as above.
        unsafe { memory.dealloc(piece) };
        assert_eq!((memory.used, memory.part), (0, LEAST));
    }
}
