//! The names of the handlers that may run.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::layout::{Entry, Layout, MAX_HANDLERS};
use super::region;

/// What a handler is called when it is blamed.
#[derive(Debug, Clone, Copy)]
pub struct Description<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its file.
    pub file: &'a str,
}

/// A handler's place in the table, free again once this is dropped.
#[derive(Debug)]
pub struct Registered {
    /// Counted from 1; 0 where it is not recorded.
    place: u32,
    #[cfg(debug_assertions)]
    fail_point: Option<super::fail_point::Failure>,
}

/// No place before this one is free. The first ones are taken again, so that reloads without end
/// touch no more memory than handlers need.
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Registered {
    /// Writes a handler's names into the table, where there is one and it has room.
    pub fn new(handler: &Description<'_>) -> Self {
        Self {
            place: region::recorded().map_or(0, |layout| take(layout, handler)),
            #[cfg(debug_assertions)]
            fail_point: super::fail_point::of_handler(handler.name),
        }
    }

    /// Says which generation it belongs to, which is known once all of it was compiled.
    pub fn belongs_to(&self, generation: &str) {
        if let Some(entry) = self.entry() {
            entry.generation.set(generation.as_bytes());
        }
    }

    pub(super) fn place(&self) -> u32 {
        self.place
    }

    #[cfg(debug_assertions)]
    pub(super) fn fail_where_wanted(&self) {
        if let Some(failure) = self.fail_point {
            failure.happen();
        }
    }

    fn entry(&self) -> Option<&'static Entry> {
        let at = usize::try_from(self.place.checked_sub(1)?).ok()?;
        region::recorded()?.handlers.get(at)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(entry) = self.entry() {
            entry.is_taken.store(0, Ordering::Release);
            let at = usize::try_from(self.place - 1).unwrap_or(usize::MAX);
            NEXT.fetch_min(at, Ordering::Relaxed);
        }
    }
}

fn take(layout: &Layout, handler: &Description<'_>) -> u32 {
    let first = NEXT.load(Ordering::Relaxed);
    // Another thread may have given back one before it just now.
    for at in (first..MAX_HANDLERS).chain(0..first.min(MAX_HANDLERS)) {
        let entry = &layout.handlers[at];
        let was_free = entry
            .is_taken
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
        if was_free.is_err() {
            continue;
        }
        NEXT.store(at + 1, Ordering::Relaxed);
        entry.kind.set(handler.kind.as_bytes());
        entry.name.set(handler.name.as_bytes());
        entry.file.set(handler.file.as_bytes());
        entry.generation.clear();
        return u32::try_from(at + 1).expect("there are some thousand places");
    }
    0
}
