//! What handlers share across transactions: `platform.store`.

use std::sync::Arc;
use std::time::Duration;

/// Values under names, each for a while.
///
/// Shared by all handlers of all generations; values are JSON texts. Bounded: an
/// implementation drops the oldest values before it grows beyond its limits. Never blocks
/// on anything but its own lock.
pub trait Store: Send + Sync {
    /// The value under `key`, unless it was never there, is gone, or its time is over.
    fn get(&self, key: &str) -> Option<Arc<str>>;

    /// Puts a value under `key` for as long as `lasts`, or as is usual, instead of any other.
    fn set(&self, key: &str, value: Arc<str>, lasts: Option<Duration>);

    /// Takes the value under `key` away.
    fn del(&self, key: &str);
}
