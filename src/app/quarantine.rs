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
    known: Mutex<crash::Quarantine>,
    deaths: Mutex<Deaths>,
    quarantine: Arc<Quarantine>,
}

impl Wards {
    /// Nobody is in quarantine; `parent` hears of changes.
    pub(super) fn new(parent: Parent) -> Arc<Self> {
        Arc::new(Self {
            parent,
            known: Mutex::default(),
            deaths: Mutex::default(),
            quarantine: Arc::default(),
        })
    }

    /// The handlers that don't run.
    pub(super) fn quarantine(&self) -> &Arc<Quarantine> {
        &self.quarantine
    }

    /// Takes over a value of the state.
    pub(super) fn adopt(&self, name: &str, value: &serde_json::Value) {
        match name {
            QUARANTINE => {
                let mut known = lock(&self.known);
                *known = read(value);
                self.quarantine.set(shown(&known));
            }
            DEATHS => *lock(&self.deaths) = read(value),
            _ => {}
        }
    }

    /// This generation is live.
    pub(super) fn is_live(&self, generation: GenerationId) {
        let mut known = lock(&self.known);
        let before = known.clone();
        if known.is_live(&generation.to_string()) {
            tracing::info!(%generation, "the set has changed, so the quarantine ends");
        }
        if *known != before {
            self.tell(&known);
        }
    }

    /// Lets the handlers of this name run again.
    pub(super) fn release(&self, name: &str) -> Vec<Released> {
        let mut known = lock(&self.known);
        let before = known.clone();
        let released = known.release(name);
        if *known != before {
            self.tell(&known);
        }
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

    fn tell(&self, known: &crash::Quarantine) {
        self.quarantine.set(shown(known));
        self.parent.state(QUARANTINE, json(known));
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
