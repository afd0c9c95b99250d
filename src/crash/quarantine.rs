//! Which handlers run no more, since workers died of them: a pure state machine.
//!
//! ```text
//! (none) ──death──▶ Suspect ──another death within ten minutes──▶ Quarantined
//!    ▲                 │                                              │
//!    └──too long ago───┴──────────── set changed, released ───────────┘
//! ```
//!
//! It knows neither clocks nor processes: someone else says what died when. Times are in
//! milliseconds since any one moment, so that they mean the same in each process.

use serde::{Deserialize, Serialize};

/// Two deaths within this are too many, in milliseconds.
const WITHIN: u64 = 10 * 60 * 1000;

/// How many handlers are remembered; the oldest is forgotten for one more.
const MAX_SUSPECTS: usize = 1024;

/// Which handler it is: names are unique among those of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its kind.
    pub kind: String,
    /// Its name, cut as it is recorded.
    pub name: String,
    /// Its file.
    pub file: String,
}

/// A handler that workers died of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Suspect {
    handler: Identity,
    /// How many there were since it was first suspected.
    deaths: u32,
    last: u64,
    /// Since when it doesn't run.
    quarantined: Option<u64>,
}

/// A handler that doesn't run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Which it is.
    pub handler: Identity,
    /// Since when.
    pub since: u64,
    /// How many workers died of it.
    pub deaths: u32,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quarantine {
    /// The set that this is about.
    generation: Option<String>,
    suspects: Vec<Suspect>,
}

impl Quarantine {
    /// A worker died of a handler of this generation. Gives whether the handler is quarantined
    /// by that.
    pub fn died(&mut self, handler: Identity, generation: &str, now: u64) -> bool {
        // Of a set that is live no more: who runs on it is on the way out.
        if self
            .generation
            .as_deref()
            .is_some_and(|live| live != generation)
        {
            return false;
        }
        let Some(known) = self.suspects.iter_mut().find(|it| it.handler == handler) else {
            if self.suspects.len() >= MAX_SUSPECTS {
                self.suspects.remove(0);
            }
            self.suspects.push(Suspect {
                handler,
                deaths: 1,
                last: now,
                quarantined: None,
            });
            return false;
        };
        let is_again = now.saturating_sub(known.last) <= WITHIN;
        known.last = now;
        if !is_again && known.quarantined.is_none() {
            known.deaths = 1;
            return false;
        }
        known.deaths += 1;
        let is_news = known.quarantined.is_none();
        known.quarantined.get_or_insert(now);
        is_news
    }

    /// This set is live. Another one than before begins without suspects; gives whether any
    /// handler was quarantined.
    pub fn is_live(&mut self, generation: &str) -> bool {
        if self.generation.as_deref() == Some(generation) {
            return false;
        }
        let is_first = self.generation.is_none();
        self.generation = Some(generation.to_owned());
        if is_first {
            return false;
        }
        let had_any = self.quarantined().next().is_some();
        self.suspects.clear();
        had_any
    }

    /// Lets the handlers of this name run again. Gives those that didn't.
    pub fn release(&mut self, name: &str) -> Vec<Identity> {
        let named = |it: &mut Suspect| it.handler.name == name;
        let released = self.suspects.extract_if(.., named);
        released
            .filter(|it| it.quarantined.is_some())
            .map(|it| it.handler)
            .collect()
    }

    /// The handlers that don't run.
    pub fn quarantined(&self) -> impl Iterator<Item = Quarantined> {
        self.suspects.iter().filter_map(|suspect| {
            Some(Quarantined {
                handler: suspect.handler.clone(),
                since: suspect.quarantined?,
                deaths: suspect.deaths,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60 * 1000;

    fn handler(name: &str) -> Identity {
        Identity {
            kind: "request".to_owned(),
            name: name.to_owned(),
            file: format!("request/{name}.js"),
        }
    }

    fn live() -> Quarantine {
        let mut quarantine = Quarantine::default();
        quarantine.is_live("one");
        quarantine
    }

    fn names(quarantine: &Quarantine) -> Vec<(String, u64, u32)> {
        let all = quarantine.quarantined();
        all.map(|it| (it.handler.name, it.since, it.deaths))
            .collect()
    }

    #[test]
    fn two_deaths_within_ten_minutes_quarantine_the_handler_and_no_other() {
        for (apart, is_quarantined) in [
            (0, true),
            (1, true),
            (10 * MINUTE, true),
            (10 * MINUTE + 1, false),
            (20 * MINUTE, false),
        ] {
            let mut quarantine = live();

            assert!(!quarantine.died(handler("a"), "one", 5));
            assert!(!quarantine.died(handler("b"), "one", 5));
            assert_eq!(
                quarantine.died(handler("a"), "one", 5 + apart),
                is_quarantined
            );

            let expected = is_quarantined.then(|| ("a".to_owned(), 5 + apart, 2));
            assert_eq!(names(&quarantine), expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_two_deaths_are_looked_at() {
        let mut quarantine = live();

        assert!(!quarantine.died(handler("a"), "one", 0));
        assert!(!quarantine.died(handler("a"), "one", 11 * MINUTE));
        assert!(quarantine.died(handler("a"), "one", 21 * MINUTE));
        assert!(
            !quarantine.died(handler("a"), "one", 99 * MINUTE),
            "it is already"
        );

        assert_eq!(names(&quarantine), [("a".to_owned(), 21 * MINUTE, 3)]);
    }

    #[test]
    fn handlers_of_one_name_and_other_kinds_are_others() {
        let mut quarantine = live();
        let response = Identity {
            kind: "response".to_owned(),
            ..handler("a")
        };

        quarantine.died(handler("a"), "one", 0);

        assert!(!quarantine.died(response, "one", 0));
    }

    #[test]
    fn another_set_begins_anew_and_the_same_one_does_not() {
        let mut quarantine = live();
        quarantine.died(handler("a"), "one", 0);
        quarantine.died(handler("a"), "one", 1);

        assert!(!quarantine.is_live("one"));
        assert_eq!(names(&quarantine).len(), 1, "the same bytes");

        assert!(quarantine.is_live("two"));
        assert_eq!(names(&quarantine), []);
        assert!(!quarantine.died(handler("a"), "two", 2), "the first one");
        assert!(
            !quarantine.died(handler("a"), "one", 3),
            "of the set before"
        );
        assert!(quarantine.died(handler("a"), "two", 4));
    }

    #[test]
    fn a_handler_that_is_released_begins_anew() {
        let mut quarantine = live();
        assert_eq!(quarantine.release("a"), []);
        quarantine.died(handler("a"), "one", 0);
        quarantine.died(handler("a"), "one", 1);
        quarantine.died(handler("b"), "one", 1);
        quarantine.died(handler("b"), "one", 1);

        assert_eq!(quarantine.release("a"), [handler("a")]);

        assert_eq!(names(&quarantine), [("b".to_owned(), 1, 2)]);
        assert!(!quarantine.died(handler("a"), "one", 2));
        assert!(quarantine.died(handler("a"), "one", 3));
    }

    #[test]
    fn a_clock_that_goes_back_makes_deaths_no_further_apart() {
        let mut quarantine = live();

        quarantine.died(handler("a"), "one", 50 * MINUTE);

        assert!(quarantine.died(handler("a"), "one", 0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut quarantine = live();

        for number in 0..2 * MAX_SUSPECTS {
            quarantine.died(handler(&number.to_string()), "one", 0);
        }

        assert_eq!(quarantine.suspects.len(), MAX_SUSPECTS);
    }

    #[test]
    fn it_is_handed_on_as_json() {
        let mut quarantine = live();
        quarantine.died(handler("a"), "one", 0);
        quarantine.died(handler("a"), "one", 1);

        let text = serde_json::to_string(&quarantine).unwrap();

        assert_eq!(
            serde_json::from_str::<Quarantine>(&text).unwrap(),
            quarantine
        );
    }
}
