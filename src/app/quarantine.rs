//! What workers died of, handed from one to the next: who is in quarantine, and how often they died.
//!
//! The supervisor notes each death in the state that it hands on ([`note`]). A worker takes that
//! over when it begins, and says what changes: another set, or a release.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::admin::Released;
use crate::crash::{self, Death, Identity, Running};
use crate::generation::{GenerationId, Quarantine, Quarantined};
use crate::handler::Kind;
use crate::supervisor::State;

use super::parent::Parent;

/// The names of the two values in the state.
const QUARANTINE: &str = "quarantine";
const DEATHS: &str = "deaths";

/// So many deaths in so much time are too many.
const MAX_DEATHS: usize = 5;
const DEATHS_WITHIN: Duration = Duration::from_secs(10);

/// When the last workers died, in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Deaths(VecDeque<u64>);

impl Deaths {
    fn note(&mut self, now: u64) {
        self.0.push_back(now);
        if self.0.len() > MAX_DEATHS {
            self.0.pop_front();
        }
    }

    fn are_too_many(&self, now: u64) -> bool {
        let within = u64::try_from(DEATHS_WITHIN.as_millis()).unwrap_or(u64::MAX);
        let oldest = self.0.front();
        self.0.len() >= MAX_DEATHS && oldest.is_some_and(|at| now.saturating_sub(*at) < within)
    }
}

/// Notes in the state what a worker died of. For the supervisor.
pub(super) fn note(death: &Death, state: &mut State) {
    let now = millis(SystemTime::now());
    let mut deaths: Deaths = value(state, DEATHS);
    deaths.note(now);
    put(state, DEATHS, &deaths);

    let mut quarantine: crash::Quarantine = value(state, QUARANTINE);
    for handler in &death.handlers {
        let Running {
            name,
            kind,
            file,
            generation,
            request: _,
        } = handler;
        let identity = Identity {
            kind: kind.clone(),
            name: name.clone(),
            file: file.clone(),
        };
        if quarantine.died(identity, generation, now) {
            tracing::error!(
                handler = name,
                kind,
                file,
                generation,
                "handler quarantined: two workers died of it within ten minutes; its requests get \
                 500 until the set changes or POST /handlers/NAME/release"
            );
        }
    }
    put(state, QUARANTINE, &quarantine);
}

/// What a worker knows of it.
pub(super) struct Wards {
    parent: Parent,
    known: Mutex<Known>,
    deaths: Mutex<Deaths>,
    /// What operators are shown.
    shown: Arc<Quarantine>,
}

#[derive(Default)]
struct Known {
    suspects: crash::Quarantine,
    /// That of the live generation. Each has its own, so that the new set isn't refused what the old
    /// one must not run, whichever of the two hears first that the set has changed.
    of_live: Arc<Quarantine>,
    /// The supervisor may not know of the last change: this worker did not serve then.
    is_untold: bool,
}

impl Wards {
    /// Nobody is in quarantine; `parent` hears of changes.
    pub(super) fn new(parent: Parent) -> Arc<Self> {
        Arc::new(Self {
            parent,
            known: Mutex::default(),
            deaths: Mutex::default(),
            shown: Arc::default(),
        })
    }

    /// The handlers that don't run, for operators.
    pub(super) fn shown(&self) -> &Arc<Quarantine> {
        &self.shown
    }

    /// Takes over a value of the state.
    pub(super) fn adopt(&self, name: &str, value: &serde_json::Value) {
        match name {
            QUARANTINE => {
                let mut known = lock(&self.known);
                known.suspects = read(value);
                known.is_untold = false;
                self.show(&known);
            }
            DEATHS => *lock(&self.deaths) = read(value),
            _ => {}
        }
    }

    /// This generation is about to be live: gives the quarantine that is its own; those before it keep
    /// theirs. Blocks until the supervisor knows, so that whatever dies of the new set counts.
    pub(super) fn goes_live(&self, generation: GenerationId) -> Arc<Quarantine> {
        let mut known = lock(&self.known);
        let before = known.suspects.clone();
        if known.suspects.is_live(&generation.to_string()) {
            tracing::info!(%generation, "the set has changed, so the quarantine ends");
        }
        if known.suspects != before {
            self.tell(&known);
        }
        known.of_live = Arc::default();
        self.show(&known);
        Arc::clone(&known.of_live)
    }

    /// The same for a set that went live in another worker, which has reported it.
    pub(super) fn follows(&self, generation: GenerationId) -> Arc<Quarantine> {
        let mut known = lock(&self.known);
        let before = known.suspects.clone();
        known.suspects.is_live(&generation.to_string());
        known.is_untold |= known.suspects != before;
        known.of_live = Arc::default();
        self.show(&known);
        Arc::clone(&known.of_live)
    }

    /// This worker serves from now on, and what it knows counts. Blocks.
    pub(super) fn serves(&self) {
        let mut known = lock(&self.known);
        if std::mem::take(&mut known.is_untold) {
            self.tell(&known);
        }
    }

    /// Lets the handlers of this name run again. Blocks until the supervisor knows, so that a worker
    /// after this one lets them run too.
    pub(super) fn release(&self, name: &str) -> Vec<Released> {
        let mut known = lock(&self.known);
        let before = known.suspects.clone();
        let released = known.suspects.release(name);
        if known.suspects != before {
            self.tell(&known);
        }
        self.show(&known);
        let released = released.into_iter().map(|it| {
            tracing::info!(handler = it.name, kind = it.kind, "handler released");
            Released {
                name: it.name,
                kind: it.kind,
            }
        });
        released.collect()
    }

    /// Why the process counts as one that dies too often.
    pub(super) fn dies_often(&self) -> Option<String> {
        let now = millis(SystemTime::now());
        lock(&self.deaths).are_too_many(now).then(|| {
            let seconds = DEATHS_WITHIN.as_secs();
            format!("{MAX_DEATHS} workers died within {seconds} s")
        })
    }

    fn show(&self, known: &Known) {
        known.of_live.set(shown(&known.suspects));
        self.shown.set(shown(&known.suspects));
    }

    fn tell(&self, known: &Known) {
        self.parent.state(QUARANTINE, json(&known.suspects));
    }
}

fn shown(known: &crash::Quarantine) -> Vec<Quarantined> {
    let handlers = known.quarantined().filter_map(|it| {
        Some(Quarantined {
            kind: Kind::parse(&it.handler.kind)?,
            name: it.handler.name,
            file: it.handler.file,
            since: SystemTime::UNIX_EPOCH + Duration::from_millis(it.since),
            deaths: it.deaths,
        })
    });
    handlers.collect()
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

fn value<T: Default + for<'de> Deserialize<'de>>(state: &State, name: &str) -> T {
    state.get(name).map(read).unwrap_or_default()
}

/// A worker is the same build as its supervisor, so what can't be read was never written.
fn read<T: Default + for<'de> Deserialize<'de>>(value: &serde_json::Value) -> T {
    T::deserialize(value).unwrap_or_default()
}

fn put(state: &mut State, name: &str, value: &impl Serialize) {
    state.insert(name.to_owned(), json(value));
}

fn json(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("texts and numbers are JSON")
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::Systemd;

    fn names(quarantine: &Quarantine) -> Vec<String> {
        let handlers = quarantine.handlers();
        handlers.iter().map(|it| it.name.clone()).collect()
    }

    /// Wards with `10-kills` in quarantine, and the quarantine of the generation that is live.
    fn with_one_in_quarantine(live: GenerationId) -> (Arc<Wards>, Arc<Quarantine>) {
        let wards = Wards::new(Parent::System(Systemd::new()));
        let of_live = wards.goes_live(live);
        let mut suspects = lock(&wards.known).suspects.clone();
        let identity = Identity {
            kind: "request".to_owned(),
            name: "10-kills".to_owned(),
            file: "request/10-kills.js".to_owned(),
        };
        for _ in 0..2 {
            suspects.died(identity.clone(), &live.to_string(), 1);
        }
        wards.adopt(QUARANTINE, &json(&suspects));
        (wards, of_live)
    }

    #[test]
    fn a_new_set_begins_without_the_quarantine_and_the_old_one_keeps_it() {
        let (old, new) = (GenerationId([1; 6]), GenerationId([2; 6]));
        let (wards, of_old) = with_one_in_quarantine(old);
        assert_eq!(names(&of_old), ["10-kills"]);

        let of_new = wards.goes_live(new);

        assert_eq!(names(&of_old), ["10-kills"], "what is left of the old set");
        assert_eq!(names(&of_new), [""; 0], "not refused by the old quarantine");
        assert_eq!(names(wards.shown()), [""; 0]);
    }

    #[test]
    fn the_same_set_compiled_again_keeps_its_quarantine_until_it_is_released() {
        let live = GenerationId([1; 6]);
        let (wards, _) = with_one_in_quarantine(live);

        let again = wards.follows(live);
        assert_eq!(names(&again), ["10-kills"]);

        assert_eq!(wards.release("10-kills").len(), 1);
        assert_eq!((names(&again), names(wards.shown())), (vec![], vec![]));
    }

    #[test]
    fn five_deaths_within_ten_seconds_are_too_many_until_the_first_is_that_long_ago() {
        let mut deaths = Deaths::default();
        for at in [0, 2_000, 4_000, 6_000] {
            deaths.note(at);
            assert!(!deaths.are_too_many(at));
        }

        deaths.note(8_000);

        assert!(deaths.are_too_many(8_000) && deaths.are_too_many(9_999));
        assert!(!deaths.are_too_many(10_000));
        deaths.note(10_000);
        assert!(deaths.are_too_many(10_000), "the last five");
        assert_eq!(deaths.0.len(), MAX_DEATHS);
    }
}
