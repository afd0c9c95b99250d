//! The program's allocator: mimalloc, but for large blocks.
//!
//! Those are bodies and what is made of them, which live for milliseconds. Mimalloc has each thread
//! look for them in another place and keeps for a second what was freed, several times what is ever
//! used at once. Here the block that was freed last is the next one of its size, whoever wants it,
//! and few are kept: memory that is there needs no clearing by the system either.

#![allow(unsafe_code)] // What an allocator is asked for has no safe form.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use mimalloc::MiMalloc;

/// What is a large block, in bytes.
const LARGE: usize = 256 * 1024;

/// The most bytes that are kept, in all.
pub(super) const KEPT: usize = 12 * 1024 * 1024;

/// The most blocks that are kept.
const MOST: usize = 16;

/// What the system gives is aligned to at least this.
const PAGE: usize = 4096;

/// The blocks that nobody has. Not a field that is handed over: whoever frees anything is in here,
/// and knows nobody.
static SPARES: Mutex<Spares> = Mutex::new(Spares::NONE);

/// Mimalloc and, for large blocks, the system's pages.
#[derive(Debug, Clone, Copy)]
pub struct Allocator;

/// Gives the system what is kept for later.
pub(super) fn let_go() {
    with_spares(|spares| while spares.drop_oldest() {});
}

/// A block that nobody has.
#[derive(Debug, Clone, Copy)]
struct Spare {
    address: *mut u8,
    size: usize,
}

// SAFETY: nobody has the block but who has this.
unsafe impl Send for Spare {}

/// Blocks to be used again, the oldest first.
struct Spares {
    blocks: [Spare; MOST],
    count: usize,
    /// What they take, in bytes.
    bytes: usize,
}

impl Spares {
    const NONE: Self = Self {
        blocks: [Spare {
            address: ptr::null_mut(),
            size: 0,
        }; MOST],
        count: 0,
        bytes: 0,
    };

    /// The last block of this size that was freed.
    fn take(&mut self, size: usize) -> Option<*mut u8> {
        let at = self.blocks[..self.count]
            .iter()
            .rposition(|spare| spare.size == size)?;
        Some(self.remove(at).address)
    }

    /// Keeps a block, as many of the others as there is room for beside it.
    fn put(&mut self, spare: Spare) {
        if spare.size > KEPT {
            unmap(spare);
            return;
        }
        while self.count == MOST || self.bytes + spare.size > KEPT {
            self.drop_oldest();
        }
        self.blocks[self.count] = spare;
        self.count += 1;
        self.bytes += spare.size;
    }

    /// False where there is none.
    fn drop_oldest(&mut self) -> bool {
        if self.count == 0 {
            return false;
        }
        unmap(self.remove(0));
        true
    }

    fn remove(&mut self, at: usize) -> Spare {
        let spare = self.blocks[at];
        self.blocks.copy_within(at + 1..self.count, at);
        self.count -= 1;
        self.bytes -= spare.size;
        spare
    }
}

/// What is mapped for a block of this layout, in bytes; `None` where it isn't large. Up to a quarter
/// more than is asked for, so that much the same sizes are one.
#[inline]
fn mapped(layout: Layout) -> Option<usize> {
    if layout.size() < LARGE {
        return None;
    }
    rounded(layout)
}

#[cold]
fn rounded(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if layout.align() > PAGE {
        return None;
    }
    let below = 1_usize << (size - 1).ilog2();
    Some(size.next_multiple_of(below / 4))
}

fn with_spares<R>(look: impl FnOnce(&mut Spares) -> R) -> R {
    look(&mut SPARES.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cold]
fn had_or_mapped(size: usize) -> *mut u8 {
    with_spares(|spares| spares.take(size)).unwrap_or_else(|| map(size))
}

#[cold]
fn kept_or_unmapped(spare: Spare) {
    with_spares(|spares| spares.put(spare));
}

/// Fresh pages, all zero; null where there are none.
fn map(size: usize) -> *mut u8 {
    // SAFETY: the system finds a place where nothing is.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    usable(address)
}

/// The pages of a block as one of another size, with what is in them; null where there is no place.
fn remap(address: *mut u8, size: usize, wanted: usize) -> *mut u8 {
    // SAFETY: the block was mapped with that size, and its owner gives it up for the one returned;
    // where that is null it is as it was.
    let address = unsafe { libc::mremap(address.cast(), size, wanted, libc::MREMAP_MAYMOVE) };
    usable(address)
}

fn usable(address: *mut libc::c_void) -> *mut u8 {
    if address == libc::MAP_FAILED {
        ptr::null_mut()
    } else {
        address.cast()
    }
}

fn unmap(Spare { address, size }: Spare) {
    // SAFETY: a spare block was mapped with its size, and nobody has it.
    unsafe { libc::munmap(address.cast(), size) };
}

impl Allocator {
    /// Has `length` bytes of a block in another one, and gives the first one up.
    ///
    /// # Safety
    ///
    /// Both are as long, and the first is of that layout and nobody's any more.
    unsafe fn moved(self, from: *mut u8, layout: Layout, to: *mut u8, length: usize) -> *mut u8 {
        // SAFETY: as the caller promises. Two blocks don't overlap.
        unsafe {
            ptr::copy_nonoverlapping(from, to, length);
            self.dealloc(from, layout);
        }
        to
    }
}

// SAFETY: a block is large by its layout alone, so it goes back where it came from. Large ones are
// mapped for one owner, page-aligned, and no shorter than they are asked to be. Nothing panics.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match mapped(layout) {
            Some(size) => had_or_mapped(size),
            // SAFETY: as the caller promises.
            None => unsafe { MiMalloc.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match mapped(layout) {
            // Zero by the system's hand, and only where somebody looks.
            Some(size) => map(size),
            // SAFETY: as the caller promises.
            None => unsafe { MiMalloc.alloc_zeroed(layout) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        match mapped(layout) {
            Some(size) => kept_or_unmapped(Spare { address, size }),
            // SAFETY: as the caller promises.
            None => unsafe { MiMalloc.dealloc(address, layout) },
        }
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size, rounded up to the alignment, is no overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (mapped(layout), mapped(wanted)) {
            // SAFETY: as the caller promises.
            (None, None) => unsafe { MiMalloc.realloc(address, layout, size) },
            (Some(had), Some(wanted)) if had == wanted => address,
            (Some(had), Some(wanted)) => {
                // Pages that are there are better than others, though something has to be copied.
                let spare = (had < wanted)
                    .then(|| with_spares(|spares| spares.take(wanted)))
                    .flatten();
                match spare {
                    // SAFETY: as the caller promises; the spare one is longer.
                    Some(new) => unsafe { self.moved(address, layout, new, layout.size()) },
                    None => remap(address, had, wanted),
                }
            }
            (Some(_), None) | (None, Some(_)) => {
                // SAFETY: as the caller promises; what is copied has a place in both.
                unsafe {
                    let new = self.alloc(wanted);
                    if new.is_null() {
                        return new;
                    }
                    self.moved(address, layout, new, layout.size().min(size))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(size: usize) -> Layout {
        Layout::from_size_align(size, 1).expect("it is a layout")
    }

    /// Marks both ends of a block.
    ///
    /// # Safety
    ///
    /// It has so many bytes.
    unsafe fn mark(address: *mut u8, size: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            *address = 1;
            *address.add(size - 1) = 2;
        }
    }

    #[test]
    fn sizes_are_rounded_up_by_no_more_than_a_quarter() {
        assert_eq!(mapped(bytes(LARGE - 1)), None);
        assert_eq!(
            mapped(Layout::from_size_align(LARGE, 2 * PAGE).expect("it is one")),
            None
        );
        for size in [
            LARGE,
            LARGE + 1,
            1_052_411,
            1 << 20,
            (1 << 20) + 1,
            77_777_777,
        ] {
            let mapped = mapped(bytes(size)).expect("it is large");

            assert!(
                mapped >= size && mapped <= size + size / 4,
                "{size}: {mapped}"
            );
            assert_eq!(mapped % PAGE, 0);
        }
    }

    #[test]
    fn blocks_keep_what_is_in_them_whatever_they_become() {
        let mut size = 1000;
        // SAFETY: the block is as long as it was asked to be, and is given back once.
        unsafe {
            let mut address = Allocator.alloc(bytes(size));
            *address.add(999) = 7;
            for wanted in [LARGE, 3 * LARGE, 3 * LARGE + 1, 40 * LARGE, LARGE, 1000] {
                address = Allocator.realloc(address, bytes(size), wanted);
                size = wanted;
                assert_eq!(*address.add(999), 7, "{wanted}");
                mark(address, size);
            }
            Allocator.dealloc(address, bytes(size));
        }
    }

    #[test]
    fn zeros_are_zeros_though_blocks_are_used_again() {
        let size = 3 * LARGE;
        // SAFETY: as above.
        unsafe {
            let address = Allocator.alloc(bytes(size));
            mark(address, size);
            Allocator.dealloc(address, bytes(size));

            let address = Allocator.alloc_zeroed(bytes(size));

            assert_eq!((*address, *address.add(size - 1)), (0, 0));
            Allocator.dealloc(address, bytes(size));
        }
    }

    fn spare(size: usize) -> Spare {
        Spare {
            address: map(size),
            size,
        }
    }

    #[test]
    fn what_was_freed_last_is_used_first_and_only_by_its_size() {
        let mut spares = Spares::NONE;
        let (first, second) = (spare(LARGE), spare(LARGE));

        spares.put(first);
        spares.put(second);

        assert_eq!(spares.take(2 * LARGE), None);
        assert_eq!(spares.take(LARGE), Some(second.address));
        assert_eq!(spares.take(LARGE), Some(first.address));
        assert_eq!(spares.take(LARGE), None);
        unmap(first);
        unmap(second);
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let mut spares = Spares::NONE;

        spares.put(spare(2 * KEPT));
        assert_eq!((spares.count, spares.bytes), (0, 0));
        for _ in 0..2 * MOST {
            spares.put(spare(LARGE));
        }
        assert_eq!((spares.count, spares.bytes), (MOST, MOST * LARGE));
        spares.put(spare(KEPT));
        assert_eq!((spares.count, spares.bytes), (1, KEPT));

        while spares.drop_oldest() {}
        assert_eq!((spares.count, spares.bytes), (0, 0));
    }

    #[test]
    fn many_threads_have_blocks_of_their_own() {
        let work = |id: u8| {
            for round in 0..200 {
                let size = LARGE * (1 + round % 5);
                let block = bytes(size);
                // SAFETY: as above.
                unsafe {
                    let address = Allocator.alloc(block);
                    ptr::write_bytes(address, id, size);
                    let block_is_ours = std::slice::from_raw_parts(address, size)
                        .iter()
                        .step_by(PAGE)
                        .all(|&byte| byte == id);
                    assert!(block_is_ours);
                    Allocator.dealloc(address, block);
                }
            }
        };
        std::thread::scope(|scope| {
            for id in 1..=4 {
                scope.spawn(move || work(id));
            }
        });
    }
}
