//! `platform.store` in memory: survives reloads, not restarts.
//!
//! Bounded by keys and bytes; what was set longest ago goes first. A value whose time is over is
//! never given, and makes room when its turn comes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::handler::Store;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most keys.
    pub keys: usize,
    /// The most bytes of keys and values together.
    pub bytes: usize,
    /// How long a value is kept that came without a time.
    pub lasts: Duration,
}

/// What a time beyond what the clock can tell counts as.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl Default for Bounds {
    fn default() -> Self {
        Self {
            keys: 100_000,
            bytes: 64 << 20,
            lasts: Duration::from_mins(15),
        }
    }
}

/// The store of one process.
#[derive(Debug)]
pub struct MemoryStore {
    bounds: Bounds,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    values: HashMap<Arc<str>, Value>,
    /// Keys by the turn in which they were set.
    turns: BTreeMap<u64, Arc<str>>,
    next_turn: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Value {
    text: Arc<str>,
    until: Instant,
    turn: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            kept: Mutex::default(),
        }
    }

    fn get_at(&self, key: &str, now: Instant) -> Option<Arc<str>> {
        let kept = self.lock();
        let value = kept.values.get(key).filter(|value| value.until > now)?;
        Some(Arc::clone(&value.text))
    }

    fn set_at(&self, key: &str, text: Arc<str>, until: Instant) {
        let mut kept = self.lock();
        kept.remove(key);
        let size = key.len() + text.len();
        if size > self.bounds.bytes {
            drop(kept);
            tracing::warn!(
                key,
                size,
                "a value longer than the whole store was not kept"
            );
            return;
        }
        while kept.values.len() >= self.bounds.keys || kept.bytes + size > self.bounds.bytes {
            let Some((_, oldest)) = kept.turns.pop_first() else {
                return;
            };
            kept.remove(&oldest);
        }
        let turn = kept.next_turn;
        let key: Arc<str> = key.into();
        kept.next_turn += 1;
        kept.bytes += size;
        kept.turns.insert(turn, Arc::clone(&key));
        kept.values.insert(key, Value { text, until, turn });
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, key: &str) {
        if let Some((key, value)) = self.values.remove_entry(key) {
            self.turns.remove(&value.turn);
            self.bytes -= key.len() + value.text.len();
        }
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &str) -> Option<Arc<str>> {
        self.get_at(key, Instant::now())
    }

    fn set(&self, key: &str, value: Arc<str>, lasts: Option<Duration>) {
        let now = Instant::now();
        let lasts = lasts.unwrap_or(self.bounds.lasts);
        let until = now.checked_add(lasts).unwrap_or(now + FOREVER);
        self.set_at(key, value, until);
    }

    fn del(&self, key: &str) {
        self.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn get(store: &MemoryStore, key: &str) -> Option<String> {
        store.get(key).map(|text| text.to_string())
    }

    #[test]
    fn a_value_lasts_until_its_time_is_over_or_it_is_taken_away() {
        let store = MemoryStore::new(Bounds::default());
        let now = Instant::now();

        store.set_at("a", "1".into(), now + MINUTE);
        store.set("b", "2".into(), Some(MINUTE));
        store.set("b", "3".into(), Some(MINUTE));
        store.set("c", "4".into(), Some(MINUTE));
        store.del("c");

        assert!(store.get_at("a", now).is_some());
        assert!(store.get_at("a", now + MINUTE).is_none());
        assert_eq!(get(&store, "b").as_deref(), Some("3"));
        assert_eq!(get(&store, "c"), None);
    }

    #[test]
    fn a_value_without_a_time_lasts_as_long_as_is_configured() {
        let store = MemoryStore::new(Bounds {
            lasts: MINUTE,
            ..Bounds::default()
        });

        store.set("a", "1".into(), None);

        let now = Instant::now();
        assert!(store.get_at("a", now).is_some());
        assert!(store.get_at("a", now + MINUTE).is_none());
    }

    #[test]
    fn what_was_set_longest_ago_makes_room() {
        let store = MemoryStore::new(Bounds {
            keys: 2,
            bytes: 8,
            ..Bounds::default()
        });

        for key in ["a", "b"] {
            store.set(key, "1".into(), Some(MINUTE));
        }
        store.set("a", "2".into(), Some(MINUTE));
        store.set("c", "3".into(), Some(MINUTE));
        assert_eq!(get(&store, "b"), None, "there are two keys at most");
        assert_eq!(get(&store, "a").as_deref(), Some("2"));

        store.set("d", "123456".into(), Some(MINUTE));
        assert_eq!(get(&store, "c"), None, "there are eight bytes at most");
        assert_eq!(get(&store, "d").as_deref(), Some("123456"));

        store.set("d", "12345678".into(), Some(MINUTE));
        assert_eq!(get(&store, "d"), None, "it alone is too long");
    }
}
