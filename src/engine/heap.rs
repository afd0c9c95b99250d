//! The memory of JavaScript heaps: a limit for each, and one for all of them together.
//!
//! QuickJS asks here for arenas of 4 KiB and for what is larger than half a KiB, so that counting
//! costs next to nothing; and so does whatever of ours a script can make grow ([`Budget`]), of
//! which QuickJS knows nothing. Requests are refused here and not by a limit of QuickJS's own, so
//! that it is known who refused: without memory for an error QuickJS throws `null`, as a script may.
//!
//! A heap is used by one thread at a time, so its counters are read and written in two steps. What
//! goes elsewhere while it still takes memory is counted for all heaps together ([`Elsewhere`]).
//!
//! ```text
//! within its limit ──a request beyond it──▶ stopped: no script can call a function any more, the
//!                                            next poll ends it; small requests are still granted
//! ```
//!
//! QuickJS does not survive everywhere that it gets no memory: `new Array` and `bind` read what was
//! never written, `Promise.allSettled` keeps what it should free (`patches/quickjs/`). So what is
//! small is granted from a reserve until the script has been stopped, and a heap that was refused
//! anything is not freed by QuickJS but block by block ([`Heap::free_blocks`]).

use std::mem::size_of;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize, Ordering};

use rquickjs::allocator::Allocator;
use rquickjs::qjs;

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

/// What is small enough to come from the reserve, in bytes: an arena of QuickJS's, and the lists
/// and objects that are larger than what it puts into arenas.
const SMALL: usize = 4 * 1024 + 256;

/// A heap's reserve, as a part of its limit, and what it is at least, in bytes: what a native that
/// is under way may still ask for in small pieces. `split` has a third of all that was there.
const RESERVE: usize = 2;
const MIN_RESERVE: usize = 1024 * 1024;

/// The reserve of the common memory, as a part of it.
const COMMON_RESERVE: usize = 16;

/// The stack that a script has left once it is stopped, in bytes: none, for 0 would be no limit.
const NO_STACK: qjs::size_t = 1;

/// The memory that all heaps share. Clones are the same memory.
#[derive(Debug, Clone)]
pub(super) struct Common {
    /// With the reserve.
    left: Arc<AtomicUsize>,
    all: usize,
    reserve: usize,
    release: Release,
}

impl Common {
    /// So many bytes.
    pub(super) fn new(all: usize) -> Self {
        let reserve = all / COMMON_RESERVE;
        Self {
            left: Arc::new(AtomicUsize::new(all.saturating_add(reserve))),
            all,
            reserve,
            release: Release::each(all / KEPT),
        }
    }

    /// Whether heaps that nobody uses had better be given up: less than a quarter is left.
    pub(super) fn is_scarce(&self) -> bool {
        self.left.load(Ordering::Relaxed) < self.all / 4 + self.reserve
    }

    /// Takes so many bytes, and leaves at least as many as `kept`.
    fn take(&self, bytes: usize, kept: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes).filter(|left| *left >= kept);
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
    /// The runtime whose heap it is, once there is one.
    runtime: AtomicPtr<qjs::JSRuntime>,
    /// The block that QuickJS was given last of those that it has.
    blocks: AtomicPtr<Block>,
}

/// What stands before each piece that QuickJS is given: its neighbours among all of the heap's.
///
/// As large as any type wants to be aligned, so that the piece behind it is aligned as well.
#[derive(Debug)]
#[repr(C, align(16))]
struct Block {
    newer: *mut Block,
    older: *mut Block,
}

const HEADER: usize = size_of::<Block>();

impl Heap {
    /// A heap of at most `limit` bytes; `None` where there is no room for another one.
    fn new(limit: usize, common: &Common) -> Option<Self> {
        common.take(LEAST, common.reserve).then(|| {
            Self(Arc::new(Counters {
                common: common.clone(),
                limit,
                used: AtomicUsize::new(0),
                part: AtomicUsize::new(LEAST),
                refused: AtomicU8::new(0),
                runtime: AtomicPtr::new(ptr::null_mut()),
                blocks: AtomicPtr::new(ptr::null_mut()),
            }))
        })
    }

    /// Says whose heap it is, so that scripts in it can be stopped.
    ///
    /// # Safety
    ///
    /// The runtime lives as long as anything asks this heap for memory.
    pub(super) unsafe fn belongs_to(&self, runtime: *mut qjs::JSRuntime) {
        self.0.runtime.store(runtime, Ordering::Relaxed);
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

    /// Notes that memory was refused, and stops the script that wanted it: from now on each call of
    /// a function fails, and the next poll ends the run.
    #[cold]
    fn note(&self, refused: Refused) {
        let code = match refused {
            Refused::Heap => 1,
            Refused::Handlers => 2,
            Refused::System => 3,
        };
        // The first one is the reason.
        if self.0.refused.load(Ordering::Relaxed) == 0 {
            self.0.refused.store(code, Ordering::Relaxed);
        }
        let runtime = self.0.runtime.load(Ordering::Relaxed);
        if !runtime.is_null() {
            // SAFETY: the runtime is alive, by `belongs_to`; it takes the number and does nothing.
            unsafe { qjs::JS_SetMaxStackSize(runtime, NO_STACK) };
        }
    }

    fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    fn part(&self) -> usize {
        self.0.part.load(Ordering::Relaxed)
    }

    /// Whether there is so much more; takes it of the common memory.
    fn may_grow(&self, by: usize) -> bool {
        if self.used().saturating_add(by) > self.0.limit {
            self.note(Refused::Heap);
            return false;
        }
        let is_there = self.claim(by, self.0.common.reserve);
        if !is_there {
            self.note(Refused::Handlers);
        }
        is_there
    }

    /// Whether the reserve has so much more, for a script that is being stopped.
    #[cold]
    fn may_borrow(&self, by: usize) -> bool {
        let limit = self.0.limit;
        let reserve = (limit / RESERVE).max(MIN_RESERVE);
        by <= SMALL
            && self.used().saturating_add(by) <= limit.saturating_add(reserve)
            && self.claim(by, 0)
    }

    /// Makes the heap's part large enough for so much more, of the common memory but for what is
    /// to be `kept` of it.
    fn claim(&self, by: usize, kept: usize) -> bool {
        let part = self.part();
        let missing = self.used().saturating_add(by).saturating_sub(part);
        if missing == 0 {
            return true;
        }
        let missing = missing.max(STEP);
        let is_there = self.0.common.take(missing, kept);
        if is_there {
            self.0.part.store(part + missing, Ordering::Relaxed);
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

    /// Frees all blocks that QuickJS has.
    ///
    /// # Safety
    ///
    /// Nobody reads or frees anything in them any more.
    pub(super) unsafe fn free_blocks(&self) {
        let mut next = self.0.blocks.swap(ptr::null_mut(), Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: a block in the list is libc's and whole, and is left by its neighbour only.
            unsafe {
                let older = (*next).older;
                self.shrunk(usable(next));
                libc::free(next.cast());
                next = older;
            }
        }
    }

    /// Puts a block that libc gave into the list; gives the piece behind its header.
    ///
    /// # Safety
    ///
    /// It is new, and has room for a header.
    unsafe fn link(&self, block: *mut Block) -> *mut u8 {
        let older = self.0.blocks.load(Ordering::Relaxed);
        // SAFETY: the new block is ours; the one before it is in the list, so it is whole.
        unsafe {
            block.write(Block {
                newer: ptr::null_mut(),
                older,
            });
            if let Some(older) = older.as_mut() {
                older.newer = block;
            }
        }
        self.0.blocks.store(block, Ordering::Relaxed);
        // SAFETY: the header is the block's beginning.
        unsafe { block.cast::<u8>().add(HEADER) }
    }

    /// Tells a block's neighbours where it is, or that it is none any longer.
    ///
    /// # Safety
    ///
    /// It has the header of a block in the list.
    unsafe fn relink(&self, block: *const Block, newer: *mut Block, older: *mut Block) {
        // SAFETY: neighbours of a block in the list are in it themselves.
        unsafe {
            if let Some(before) = (*block).newer.as_mut() {
                before.older = older;
            } else {
                self.0.blocks.store(older, Ordering::Relaxed);
            }
            if let Some(behind) = (*block).older.as_mut() {
                behind.newer = newer;
            }
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

    /// Whether a request of QuickJS's is granted.
    fn may_have(&self, bytes: usize) -> bool {
        #[cfg(test)]
        if refusal::is_due() {
            self.0.note(Refused::Heap);
            return self.0.may_borrow(bytes);
        }
        self.0.may_grow(bytes) || self.0.may_borrow(bytes)
    }

    /// Counts what the system gave, or notes that it gave nothing.
    ///
    /// # Safety
    ///
    /// It is null or new, and has room for a header.
    unsafe fn given(&self, block: *mut Block) -> *mut u8 {
        if block.is_null() {
            self.0.note(Refused::System);
            return ptr::null_mut();
        }
        self.0.grown(usable(block));
        // SAFETY: as the caller promises.
        unsafe { self.0.link(block) }
    }
}

// SAFETY: what is given is libc's, which aligns for any type and knows the size of each block; the
// header before each piece keeps that alignment.
unsafe impl Allocator for Memory {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        let size = size.saturating_add(HEADER);
        if !self.may_have(size) {
            return ptr::null_mut();
        }
        // SAFETY: any size may be asked for; what comes is new and large enough for a header.
        unsafe { self.given(libc::malloc(size).cast()) }
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        let size = count.saturating_mul(size).saturating_add(HEADER);
        if !self.may_have(size) {
            return ptr::null_mut();
        }
        // SAFETY: as above.
        unsafe { self.given(libc::calloc(1, size).cast()) }
    }

    unsafe fn dealloc(&mut self, piece: *mut u8) {
        let block = block_of(piece);
        self.0.shrunk(usable(block));
        // SAFETY: the caller gives back what came from here, once, so it is in the list.
        unsafe {
            let Block { newer, older } = *block;
            self.0.relink(block, newer, older);
            libc::free(block.cast());
        }
    }

    unsafe fn realloc(&mut self, piece: *mut u8, size: usize) -> *mut u8 {
        if piece.is_null() {
            return self.alloc(size);
        }
        let size = size.saturating_add(HEADER);
        let block = block_of(piece);
        let had = usable(block);
        if !self.may_have(size.saturating_sub(had)) {
            return ptr::null_mut();
        }
        // SAFETY: the block came from here and is whole; where nothing is given it stays so. What
        // is given begins as the block did, with its header, and takes its place in the list.
        unsafe {
            let given: *mut Block = libc::realloc(block.cast(), size).cast();
            if given.is_null() {
                self.0.note(Refused::System);
                return ptr::null_mut();
            }
            self.0.shrunk(had);
            self.0.grown(usable(given));
            if given != block {
                self.0.relink(given, given, given);
            }
            given.cast::<u8>().add(HEADER)
        }
    }

    unsafe fn usable_size(piece: *mut u8) -> usize {
        if piece.is_null() {
            return 0;
        }
        usable(block_of(piece)) - HEADER
    }
}

/// The block that a piece stands in.
fn block_of(piece: *mut u8) -> *mut Block {
    // The header is as aligned as the piece.
    piece.wrapping_sub(HEADER).cast()
}

/// What a block of libc's has room for; none where there is no block.
fn usable(block: *mut Block) -> usize {
    // SAFETY: all blocks that are seen here are libc's, or null, of which it says nothing.
    unsafe { libc::malloc_usable_size(block.cast()) }
}

/// Limits that tests let heaps meet at a given request.
#[cfg(test)]
pub(super) mod refusal {
    use std::sync::atomic::{AtomicUsize, Ordering};

    const NEVER: usize = usize::MAX;

    static LEFT: AtomicUsize = AtomicUsize::new(NEVER);

    /// Has each heap of the process at its limit after so many more requests of QuickJS's; for
    /// processes that run one test.
    pub(in crate::engine) fn after(requests: usize) {
        LEFT.store(requests, Ordering::Relaxed);
    }

    pub(in crate::engine) fn never() {
        after(NEVER);
    }

    pub(super) fn is_due() -> bool {
        let less = |left: usize| (left != NEVER).then(|| left.saturating_sub(1));
        LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) == Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// What is left without the reserve.
    fn left(common: &Common) -> usize {
        common.left.load(Ordering::Relaxed) - common.reserve
    }

    #[test]
    fn small_requests_have_a_reserve_that_ends() {
        let common = Common::new(64 * MIB);
        let mut memory = Memory::new(2 * MIB, &common).expect("there is room");
        let all = memory.alloc(2 * MIB - SMALL);
        assert!(!all.is_null() && memory.heap().refused().is_none());

        assert!(memory.alloc(2 * SMALL).is_null());
        let small = (0..).take_while(|_| !memory.alloc(SMALL / 2).is_null());
        let small = small.count();

        assert_eq!(memory.heap().refused(), Some(Refused::Heap));
        let most = (SMALL + MIN_RESERVE) / (SMALL / 2);
        assert!((most * 9 / 10..=most).contains(&small), "{small} of {most}");
        // SAFETY: nobody has the pieces.
        unsafe { memory.heap().free_blocks() };
        assert_eq!(memory.heap().used(), 0);
        drop(memory);
        assert_eq!(left(&common), common.all);
    }

    #[test]
    fn blocks_are_freed_as_one_whatever_became_of_each() {
        let common = Common::new(64 * MIB);
        let mut memory = Memory::new(64 * MIB, &common).expect("there is room");
        let mut pieces: Vec<_> = (1..100).map(|size| memory.alloc(size * 100)).collect();
        // SAFETY: each came from there, and is given back or grown once.
        unsafe {
            for at in [98, 50, 0, 49] {
                memory.dealloc(pieces.remove(at));
            }
            for at in [0, 40, 94] {
                *pieces[at] = 7;
                pieces[at] = memory.realloc(pieces[at], MIB);
                assert_eq!((*pieces[at], pieces[at] as usize % 16), (7, 0));
            }
            memory.heap().free_blocks();
        }
        assert_eq!(memory.heap().used(), 0);
    }

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
        assert_eq!(left(&common), common.all);
    }

    #[test]
    fn a_piece_that_grows_is_counted_once() {
        let common = Common::new(8 * MIB);
        let mut memory = Memory::new(8 * MIB, &common).expect("there is room");
        let piece = memory.alloc(MIB);

        // SAFETY: it came from there.
        let piece = unsafe { memory.realloc(piece, 2 * MIB) };

        assert_eq!(memory.heap().used(), usable(block_of(piece)));
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

        assert_eq!(left(&common), common.all - 3 * MIB);
        drop(elsewhere);
        assert_eq!(left(&common), common.all);
    }
}
