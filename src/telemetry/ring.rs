//! The last transactions, for whoever asks why a handler ran or didn't.
//!
//! Bounded in number and bytes; keeps nothing until it is asked to, and then costs a lock
//! and a copy a transaction. Bodies that passed unseen and events that were emitted are
//! always counted. No body, query or field's value is in it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::generation::GenerationId;
use crate::handler::{Audience, Emitted, Kind, TransactionId};
use crate::transaction::ports::Observer;
use crate::transaction::story::Chronicler;
use crate::transaction::unseen::Reason;
use crate::transaction::{Outcome, QueuedStory, Record, Story, Told, Unseen};

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
    /// Events for listeners, for the feed, and those that were dropped.
    emitted: [AtomicUsize; 3],
}

/// How many events handlers have emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmittedCounts {
    /// For listeners within the system.
    pub listeners: usize,
    /// For subscribers of the feed.
    pub feed: usize,
    /// Too long, or too many for one transaction.
    pub dropped: usize,
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
    /// Why the upstream gave no usable response, where that is how it ended.
    pub error: Option<Box<str>>,
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

impl Entry {
    /// Whether it is of this transaction, and not of another one that its client has given the same
    /// name: all reports of a transaction share the one text that was made when it began.
    fn is_of(&self, transaction: &TransactionId) -> bool {
        let id = self.id.as_ref();
        id.is_some_and(|id| Arc::ptr_eq(id, &transaction.0))
    }
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

    /// How many events handlers have emitted so far.
    pub fn emitted_so_far(&self) -> EmittedCounts {
        let [listeners, feed, dropped] = &self.emitted;
        EmittedCounts {
            listeners: listeners.load(Ordering::Relaxed),
            feed: feed.load(Ordering::Relaxed),
            dropped: dropped.load(Ordering::Relaxed),
        }
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
            error,
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
            error: error.map(Into::into),
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
        let position = kept
            .entries
            .iter()
            .rposition(|entry| entry.story.is_none() && entry.is_of(&story.transaction));
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
                error: None,
                unseen: story.unseen,
                generation: Some(story.generation),
                story: Some(story),
            },
        };
        let keep = self.size();
        kept.push(entry, keep);
    }

    fn told_of_queued(&self, told: QueuedStory) {
        self.kept().add(told);
    }

    fn emitted(&self, emitted: &Emitted) {
        let [listeners, feed, dropped] = &self.emitted;
        for event in emitted.events() {
            let count = match event.audience {
                Audience::Listeners => listeners,
                Audience::Feed => feed,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        dropped.fetch_add(emitted.dropped(), Ordering::Relaxed);
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

    /// Adds a try of a queued handler to its transaction, if that is still kept and the
    /// memory allows it.
    fn add(&mut self, told: QueuedStory) {
        let QueuedStory {
            transaction,
            name,
            fate,
            mut emitted,
        } = told;
        let is_waiting = |told: &&mut Told| told.kind == Kind::Queued && told.name == name;
        let entries = self.entries.iter_mut().rev();
        let found = entries
            .filter(|entry| entry.is_of(&transaction))
            .find_map(|entry| {
                let entry = Arc::make_mut(entry);
                let story = entry.story.as_mut()?;
                let handler = story.handlers.iter_mut().find(is_waiting)?;
                Some((handler, &mut story.emitted))
            });
        let Some((handler, of_all)) = found else {
            return;
        };
        handler.fate = fate;
        handler.tries += 1;
        let grown: usize = emitted.events.iter().map(emission_size).sum();
        if self.memory + grown > MEMORY {
            of_all.dropped += emitted.events.len() + emitted.dropped;
            return;
        }
        of_all.events.append(&mut emitted.events);
        of_all.dropped += emitted.dropped;
        self.memory += grown;
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
        let emitted: usize = story.emitted.events.iter().map(emission_size).sum();
        story.method.len() + story.path.len() + emitted + story.handlers.len() * size_of::<Told>()
    });
    let error = entry.error.as_deref().map_or(0, str::len);
    size_of::<Entry>() + entry.method.len() + entry.path.len() + error + story
}

/// What one event holds, in bytes.
fn emission_size(event: &(Audience, String, usize)) -> usize {
    let (_, name, _) = event;
    size_of::<(Audience, String, usize)>() + name.len()
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
    use crate::handler::{HandlerName, TransactionId};
    use crate::transaction::{Emissions, Fate};

    fn record<'a>(id: &'a TransactionId, path: &'a str) -> Record<'a> {
        Record {
            id: Some(id),
            method: "GET",
            path,
            status: 200,
            duration: Duration::ZERO,
            outcome: Outcome::Forwarded,
            error: None,
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

    fn story(id: &TransactionId, queued: &str) -> Story {
        Story {
            transaction: id.clone(),
            generation: GenerationId([0; 6]),
            method: "GET".to_owned(),
            path: "/a".to_owned(),
            depth: 0,
            way: crate::generation::Path::Heads,
            unseen: Unseen::default(),
            token: None,
            handlers: vec![Told {
                name: HandlerName::parse(queued).expect("a name"),
                kind: Kind::Queued,
                sees_body: false,
                fate: Fate::Queued,
                tries: 0,
            }],
            emitted: Emissions::default(),
        }
    }

    fn tried(id: &TransactionId, name: &str, event: &str, fate: Fate) -> QueuedStory {
        QueuedStory {
            transaction: id.clone(),
            name: HandlerName::parse(name).expect("a name"),
            fate,
            emitted: Emissions {
                events: vec![(Audience::Feed, event.to_owned(), 2)],
                dropped: 1,
            },
        }
    }

    #[test]
    fn two_transactions_of_one_name_keep_what_is_their_own_in_whatever_order_it_is_told() {
        let named = || TransactionId("a".into());
        for swapped in [false, true] {
            let (ring, first, second) = (Ring::new(9), named(), named());
            ring.finished(&record(&first, "/first"));
            ring.finished(&record(&second, "/second"));

            let mut stories = [story(&first, "of-first"), story(&second, "of-second")];
            let mut tries = [
                tried(&first, "of-first", "first", Fate::Ran(None)),
                tried(&second, "of-second", "second", Fate::Failed),
            ];
            if swapped {
                stories.reverse();
                tries.reverse();
            }
            for story in stories {
                ring.told(story);
            }
            for told in tries {
                ring.told_of_queued(told);
            }

            let entries = ring.entries();
            assert_eq!(entries.len(), 2);
            for (path, handler, event) in [
                ("/first", "of-first", "first"),
                ("/second", "of-second", "second"),
            ] {
                let entry = entries.iter().find(|entry| entry.path == path).unwrap();
                let story = entry.story.as_ref().unwrap();
                assert_eq!(story.handlers[0].name.as_str(), handler);
                assert_eq!(story.emitted.events[0].1, event);
            }
        }
    }

    #[test]
    fn tries_of_queued_handlers_are_added_to_the_newest_of_their_name() {
        let (ring, id) = (Ring::new(9), TransactionId("a".into()));
        ring.told(story(&id, "mail"));
        ring.told(story(&id, "mail"));

        ring.told_of_queued(tried(&id, "mail", "first", Fate::Failed));
        ring.told_of_queued(tried(&id, "mail", "second", Fate::Ran(None)));
        ring.told_of_queued(tried(&id, "other", "nobody's", Fate::Ran(None)));
        ring.told_of_queued(tried(
            &TransactionId("b".into()),
            "mail",
            "gone",
            Fate::Failed,
        ));

        let stories: Vec<_> = ring
            .entries()
            .iter()
            .filter_map(|it| it.story.clone())
            .collect();
        let told = &stories[0].handlers[0];
        assert_eq!((told.fate, told.tries), (Fate::Ran(None), 2));
        let names: Vec<_> = stories[0]
            .emitted
            .events
            .iter()
            .map(|it| it.1.as_str())
            .collect();
        assert_eq!(
            (names, stories[0].emitted.dropped),
            (vec!["first", "second"], 2)
        );
        assert_eq!(stories[1].handlers[0].fate, Fate::Queued);
    }

    #[test]
    fn events_of_queued_handlers_take_no_more_memory_than_there_is() {
        let (ring, id) = (Ring::new(9), TransactionId("a".into()));
        ring.told(story(&id, "mail"));
        let long = "x".repeat(MEMORY / 3);

        for _ in 0..9 {
            ring.told_of_queued(tried(&id, "mail", &long, Fate::Failed));
        }

        let kept = ring.kept().memory;
        assert!(kept <= MEMORY, "{kept}");
        assert_eq!(
            ring.entries()
                .iter()
                .map(|entry| size(entry))
                .sum::<usize>(),
            kept
        );
        ring.keep(0);
        assert_eq!(ring.kept().memory, 0);
    }
}
