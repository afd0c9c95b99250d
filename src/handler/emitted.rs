//! What handlers tell the world beside their transaction's response.

use std::sync::Arc;

/// How many events the handlers of one transaction may emit.
const MOST: usize = 64;

/// The longest data of one event, in bytes of JSON.
const LONGEST: usize = 64 * 1024;

/// For whom an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Listeners within the system: `g.sys.system.emitEvent`.
    Listeners,
    /// Subscribers of the feed: `g.sys.system.emitEventWS`.
    Feed,
}

/// One event that a handler emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// For whom it is.
    pub audience: Audience,
    /// Its name.
    pub name: Arc<str>,
    /// Its data, as JSON text.
    pub data: Arc<str>,
}

/// The events of one transaction, or of one try of a queued handler, in order: 64 of them
/// at most, each of at most 64 KiB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emitted {
    events: Vec<Event>,
    dropped: usize,
}

impl Emitted {
    /// Adds an event; tells whether there was room for it. One that isn't kept is counted.
    pub fn push(&mut self, event: Event) -> bool {
        let fits = self.events.len() < MOST && event.name.len() + event.data.len() <= LONGEST;
        if fits {
            self.events.push(event);
        } else {
            self.dropped += 1;
        }
        fits
    }

    /// Whether nothing was emitted.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.dropped == 0
    }

    /// Those that were kept.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many were not.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> Event {
        Event {
            audience: Audience::Feed,
            name: "stock".into(),
            data: data.into(),
        }
    }

    #[test]
    fn events_beyond_the_bounds_are_counted_and_not_kept() {
        let mut emitted = Emitted::default();

        for _ in 0..MOST {
            assert!(emitted.push(event("1")));
        }

        assert!(!emitted.push(event("1")));
        assert!(!Emitted::default().push(event(&"1".repeat(LONGEST))));
        assert_eq!((emitted.events().len(), emitted.dropped()), (MOST, 1));
    }
}
