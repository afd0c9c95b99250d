//! Room in memory for the bodies that handlers see: one bound for all transactions together.
//!
//! Each body has a limit of its own, and many at once would still be more than there is. Who finds
//! no room is sent away before a handler ran. What handlers make of a body counts as their heap's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::message::coding;

/// All the room there is. Clones are the same room.
#[derive(Debug, Clone)]
pub struct Room {
    taken: Arc<AtomicUsize>,
    all: usize,
    freed: Freed,
}

/// Is told how many bytes were freed, before others can have them.
#[derive(Clone)]
struct Freed(Arc<dyn Fn(usize) + Send + Sync>);

impl fmt::Debug for Freed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Freed")
    }
}

/// What one transaction has of the room; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Room,
    bytes: usize,
}

/// Others have the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Room {
    /// Room for so many bytes. `freed` is told how many were freed before others can have them.
    pub fn new(bytes: usize, freed: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self {
            taken: Arc::default(),
            all: bytes,
            freed: Freed(Arc::new(freed)),
        }
    }

    /// None of it, to begin with.
    pub(super) fn share(&self) -> Share {
        Share {
            room: self.clone(),
            bytes: 0,
        }
    }
}

impl Share {
    /// Takes room for so many bytes more. As long as nobody else has any there always is some:
    /// what is within its own limit can be had.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Full> {
        let more = |taken: usize| {
            let wanted = taken.saturating_add(bytes);
            (wanted <= self.room.all || taken == self.bytes).then_some(wanted)
        };
        self.room
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .map_err(|_| Full)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives back room for so many bytes.
    pub(super) fn give_back(&mut self, bytes: usize) {
        (self.room.freed.0)(bytes);
        self.bytes -= bytes;
        self.room.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// All that was taken, for somebody who is to have it for a while.
    pub(super) fn lend(&mut self) -> Self {
        let none = self.room.share();
        std::mem::replace(self, none)
    }
}

impl coding::Room for Share {
    fn take(&mut self, bytes: usize) -> bool {
        Self::take(self, bytes).is_ok()
    }

    fn give_back(&mut self, bytes: usize) {
        Self::give_back(self, bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back() {
        let room = Room::new(30, |_| {});
        let mut one = room.share();
        let mut other = room.share();

        assert_eq!(one.take(10), Ok(()));
        assert_eq!(other.take(21), Err(Full));
        one.give_back(5);
        assert_eq!(other.take(21), Ok(()));
        drop(other);

        assert_eq!(one.lend().take(25), Ok(()));
        assert_eq!(room.share().take(30), Ok(()));
    }

    #[test]
    fn a_body_that_wants_more_than_all_is_let_in_alone() {
        let room = Room::new(10, |_| {});
        let mut alone = room.share();

        assert_eq!(alone.take(8), Ok(()));
        assert_eq!(alone.take(8), Ok(()));
        assert_eq!(room.share().take(1), Err(Full));
        drop(alone);

        assert_eq!(room.share().take(1), Ok(()));
    }
}
