//! How many handlers compute aside at once.
//!
//! More of them than there are processors get nothing done sooner, and each holds an isolate and
//! what it makes of a body. The others wait, as requests, until a seat is free. Who waits for the
//! world gives the seat up and computes on without: that is little as a rule, and may depend on
//! handlers that need a seat themselves.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

/// The least there are: one that takes its whole time is not to hold up everybody else.
const LEAST: usize = 4;

/// The seats of one engine.
#[derive(Debug, Clone)]
pub(super) struct Seats(Arc<Semaphore>);

/// Where one handler computes. Clones are the same seat, free once it is left or nobody has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seat(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Seats {
    /// As many as there are processors.
    pub(super) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::of(processors.max(LEAST))
    }

    fn of(many: usize) -> Self {
        Self(Arc::new(Semaphore::new(many)))
    }

    /// A seat as soon as one is free, in the order of asking; `None` if that is not before
    /// `deadline`.
    pub(super) async fn take(&self, deadline: Instant) -> Option<Seat> {
        let permit = Arc::clone(&self.0).acquire_owned();
        let permit = timeout_at(deadline.into(), permit).await.ok()?.ok()?;
        Some(Seat(Arc::new(Mutex::new(Some(permit)))))
    }
}

impl Seat {
    /// Makes room for another.
    pub(super) fn leave(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_seat_that_is_left_is_free_for_the_next() {
        let seats = Seats::of(2);
        let later = Instant::now() + Duration::from_secs(60);
        let first = seats.take(later).await.expect("it is free");
        let second = seats.take(later).await.expect("it is free");
        assert!(seats.take(Instant::now()).await.is_none());

        first.clone().leave();
        first.leave();
        let third = seats.take(later).await.expect("it is free");
        assert!(seats.take(Instant::now()).await.is_none());

        drop(second);
        assert!(seats.take(later).await.is_some());
        drop(third);
    }
}
