//! A gate: holds a thread until the test opens it. Takes the place of a delay.

use std::sync::{Arc, Condvar, Mutex};

use super::eventually::PATIENCE;

/// Closed when new; once open it stays open. Clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets everybody through, now and later.
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until the gate is open. Panics when nobody opens it.
    #[track_caller]
    pub(crate) fn pass(&self) {
        let closed = |open: &mut bool| !*open;
        let (_open, waited) =
            (self
                .0
                .1
                .wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, closed))
            .unwrap();
        assert!(!waited.timed_out(), "nobody opened the gate");
    }
}
