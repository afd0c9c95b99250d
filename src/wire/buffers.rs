//! Memory for what is read and waits: one budget for all connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much is read at once of what is known to be large, in bytes.
const LARGE_READ: usize = 64 * 1024;

/// The same where much of the budget is used.
const SMALL_READ: usize = 4 * 1024;

/// A budget for heads that are under way and pieces of bodies that wait to be taken.
///
/// What is complete after one read takes nothing of it, so that it costs nothing where nobody
/// is slow.
#[derive(Debug)]
pub struct Buffers {
    budget: usize,
    used: AtomicUsize,
}

impl Buffers {
    /// A budget of so many bytes.
    pub fn new(budget: usize) -> Self {
        Self {
            budget,
            used: AtomicUsize::new(0),
        }
    }

    /// Counts `bytes` as used. Gives by how many more than the budget are used then.
    pub fn take(&self, bytes: usize) -> usize {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        used.saturating_sub(self.budget)
    }

    /// Counts `bytes` as free again.
    pub fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts `bytes` as used for as long as what it gives is kept.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        self.take(bytes);
        Held {
            buffers: Arc::clone(self),
            bytes,
        }
    }

    /// How much is used.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The budget.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// How much to read at once of a large body: less once half of the budget is used, so that
    /// those who take their bodies slowly leave the other half to heads.
    pub fn read_size(&self) -> usize {
        if self.used() > self.budget / 2 {
            SMALL_READ
        } else {
            LARGE_READ
        }
    }
}

/// Bytes that are counted as used.
#[derive(Debug)]
pub struct Held {
    buffers: Arc<Buffers>,
    bytes: usize,
}

impl Held {
    /// How many.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether more than the budget is used by all.
    pub fn is_too_much(&self) -> bool {
        self.buffers.used() > self.buffers.budget
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.buffers.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_used_until_it_is_dropped() {
        let buffers = Arc::new(Buffers::new(100));
        let first = buffers.hold(60);
        let second = buffers.hold(60);

        assert_eq!((buffers.used(), second.bytes()), (120, 60));
        assert!(first.is_too_much());
        drop(second);
        assert!(!first.is_too_much());
        drop(first);
        assert_eq!(buffers.used(), 0);
    }

    #[test]
    fn what_is_used_beyond_the_budget_is_told_and_reads_get_smaller_before() {
        let buffers = Buffers::new(100);

        assert_eq!(buffers.take(50), 0);
        assert_eq!(buffers.read_size(), LARGE_READ);
        assert_eq!(buffers.take(10), 0);
        assert_eq!(buffers.read_size(), SMALL_READ);
        assert_eq!(buffers.take(70), 30);
        buffers.give_back(130);
        assert_eq!(buffers.take(0), 0);
        assert_eq!(buffers.read_size(), LARGE_READ);
    }
}
