//! How long nothing may happen.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Ends a wait in which nothing happens for too long. Costs nothing where nobody waits.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    clock: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Patience {
    /// A wait of at most `limit` at a time.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            clock: None,
            is_waiting: false,
        }
    }

    /// How long it lasts.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Something has happened.
    pub fn renew(&mut self) {
        self.is_waiting = false;
    }

    /// Ready once nothing has happened for as long as the limit since this was first
    /// asked.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self
            .clock
            .get_or_insert_with(|| Box::pin(sleep(self.limit)));
        if !self.is_waiting {
            clock.as_mut().reset(Instant::now() + self.limit);
            self.is_waiting = true;
        }
        clock.as_mut().poll(cx)
    }
}
