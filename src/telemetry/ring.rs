//! The last transactions, for whoever asks why a handler ran or didn't.
//!
//! Bounded in number and bytes; keeps nothing until it is asked to, and then costs a lock
//! and a copy a transaction. Bodies that passed unseen are always counted: that is a
//! number a reason. No body, query or field's value is in it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::generation::GenerationId;
use crate::transaction::ports::Observer;
use crate::transaction::story::Chronicler;
use crate::transaction::unseen::Reason;
use crate::transaction::{Outcome, Record, Story, Unseen};

/// The most memory that kept transactions hold, in bytes.
const MEMORY: usize = 16 * 1024 * 1024;

/// The longest path that is kept, in bytes; what is longer is cut.
const PATH: usize = 1024;

/// The last transactions.
#[derive(Default)]
pub struct Ring {
    /// How many are kept; 0 for none.
    keep: AtomicUsize,
    kept: Mutex<Kept>,
    unseen_requests: [AtomicUsize; Reason::ALL.len()],
    unseen_responses: [AtomicUsize; Reason::ALL.len()],
}

#[derive(Default)]
struct Kept {
    /// The oldest first.
    entries: VecDeque<Arc<Entry>>,
    memory: usize,
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it ended.
    pub at: SystemTime,
    /// Its name, where it got far enough to have one.
    pub id: Option<Arc<str>>,
    /// The method.
    pub method: String,
    /// The path as sent, without the query.
    pub path: String,
    /// How it ended; none for a request that a handler made.
    pub end: Option<End>,
    /// The bodies that passed without the handlers that would have seen them.
    pub unseen: Unseen,
    /// The generation it ran on, where any handler applied.
    pub generation: Option<GenerationId>,
    /// What became of its handlers, where any applied.
    pub story: Option<Story>,
}

/// How a client's request ended.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The status sent; 0 where the client went away before one was.
    pub status: u16,
    /// From the head's arrival to the last byte sent.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

impl Ring {
    /// A ring of this many transactions.
    pub fn new(keep: usize) -> Self {
        let ring = Self::default();
        ring.keep(keep);
        ring
    }

    /// Keeps this many from now on; 0 for none.
    pub fn keep(&self, keep: usize) {
        self.keep.store(keep, Ordering::Relaxed);
        let mut kept = self.kept();
        kept.shrink_to(keep);
        if keep == 0 {
            kept.entries = VecDeque::new();
        }
    }

    /// How many are kept at most.
    pub fn size(&self) -> usize {
        self.keep.load(Ordering::Relaxed)
    }

    /// Those that are kept, the newest first.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.kept().entries.iter().rev().cloned().collect()
    }

    /// How many bodies of requests and of responses passed unseen for this reason.
    pub fn unseen(&self, reason: Reason) -> (usize, usize) {
        let of = |counts: &[AtomicUsize]| counts[reason as usize].load(Ordering::Relaxed);
        (of(&self.unseen_requests), of(&self.unseen_responses))
    }

    fn count(&self, unseen: Unseen) {
        if let Some(reason) = unseen.request {
            self.unseen_requests[reason as usize].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(reason) = unseen.response {
            self.unseen_responses[reason as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Ring {
    fn finished(&self, record: &Record<'_>) {
        let Record {
            id,
            method,
            path,
            status,
            duration,
            outcome,
            unseen,
            generation,
        } = record;
        self.count(*unseen);
        let keep = self.size();
        if keep == 0 {
            return;
        }
        let entry = Entry {
            at: SystemTime::now(),
            id: id.map(|id| Arc::clone(&id.0)),
            method: (*method).to_owned(),
            path: cut(path),
            end: Some(End {
                status: *status,
                duration: *duration,
                outcome: *outcome,
            }),
            unseen: *unseen,
            generation: *generation,
            story: None,
        };
        self.kept().push(entry, keep);
    }
}

impl Chronicler for Ring {
    fn listens(&self) -> bool {
        self.size() > 0
    }

    fn told(&self, mut story: Story) {
        story.path = cut(&story.path);
        if story.depth > 0 {
            self.count(story.unseen);
        }
        let mut kept = self.kept();
        // A client's request has its record just before; one that a handler made has none.
        let position = kept.entries.iter().rposition(|entry| {
            entry.story.is_none() && entry.id.as_ref() == Some(&story.transaction.0)
        });
        let entry = match position.and_then(|position| kept.entries.remove(position)) {
            Some(entry) => {
                kept.memory -= size(&entry);
                let entry = Arc::unwrap_or_clone(entry);
                Entry {
                    story: Some(story),
                    ..entry
                }
            }
            None => Entry {
                at: SystemTime::now(),
                id: Some(Arc::clone(&story.transaction.0)),
                method: story.method.clone(),
                path: story.path.clone(),
                end: None,
                unseen: story.unseen,
                generation: Some(story.generation),
                story: Some(story),
            },
        };
        let keep = self.size();
        kept.push(entry, keep);
    }
}

impl Kept {
    fn push(&mut self, entry: Entry, keep: usize) {
        let length = size(&entry);
        if length > MEMORY || keep == 0 {
            return;
        }
        self.shrink_to(keep - 1);
        while self.memory + length > MEMORY {
            self.drop_oldest();
        }
        self.memory += length;
        self.entries.push_back(Arc::new(entry));
    }

    fn shrink_to(&mut self, keep: usize) {
        while self.entries.len() > keep {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.memory -= size(&oldest);
        }
    }
}

/// What an entry holds, in bytes.
fn size(entry: &Entry) -> usize {
    let story = entry.story.as_ref().map_or(0, |story| {
        let emitted: usize = story
            .emitted
            .iter()
            .map(|(_, name, _)| 64 + name.len())
            .sum();
        story.method.len()
            + story.path.len()
            + emitted
            + story.handlers.len() * size_of::<crate::transaction::Told>()
    });
    size_of::<Entry>() + entry.method.len() + entry.path.len() + story
}

fn cut(path: &str) -> String {
    let mut end = path.len().min(PATH);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    path[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::TransactionId;

    fn record<'a>(id: &'a TransactionId, path: &'a str) -> Record<'a> {
        Record {
            id: Some(id),
            method: "GET",
            path,
            status: 200,
            duration: Duration::ZERO,
            outcome: Outcome::Forwarded,
            unseen: Unseen {
                request: None,
                response: Some(Reason::OtherType),
            },
            generation: None,
        }
    }

    fn paths(ring: &Ring) -> Vec<String> {
        let entries = ring.entries();
        entries.iter().map(|entry| entry.path.clone()).collect()
    }

    #[test]
    fn a_ring_that_keeps_nothing_counts_all_the_same() {
        let (ring, id) = (Ring::new(0), TransactionId("a".into()));

        ring.finished(&record(&id, "/a"));

        assert!(!ring.listens() && ring.entries().is_empty());
        assert_eq!(ring.unseen(Reason::OtherType), (0, 1));
    }

    #[test]
    fn the_last_ones_are_kept_and_the_newest_comes_first() {
        let (ring, id) = (Ring::new(2), TransactionId("a".into()));
        for path in ["/a", "/b", "/c"] {
            ring.finished(&record(&id, path));
        }
        assert_eq!(paths(&ring), ["/c", "/b"]);

        ring.keep(1);
        assert_eq!(paths(&ring), ["/c"]);
        ring.keep(0);
        assert_eq!((paths(&ring).len(), ring.kept().memory), (0, 0));
    }

    #[test]
    fn memory_is_bounded_and_a_long_path_is_cut() {
        let (ring, id) = (Ring::new(usize::MAX), TransactionId("a".into()));
        let long = format!("/{}", "ü".repeat(PATH));
        let most = MEMORY / (size_of::<Entry>() + PATH);

        for _ in 0..most + 100 {
            ring.finished(&record(&id, &long));
        }

        assert!(ring.kept().memory <= MEMORY);
        assert!(ring.entries().len() <= most + 8);
        assert_eq!(ring.entries()[0].path.len(), PATH - 1);
    }
}
