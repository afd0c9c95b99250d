//! Generations: the immutable sets of handlers that transactions run on.
//!
//! A reload never edits a generation; it publishes the next one in a single atomic
//! store. A transaction takes [`Generations::current`] once, when it begins, and keeps
//! that `Arc` for both phases, so it never sees half of a reload. The last
//! transaction to finish drops the old generation, and with it its program and every
//! isolate that program had built.

mod id;
mod plan;
mod program;
mod quarantine;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;

pub use id::{GenerationId, ParseGenerationIdError};
pub use plan::{Path, Plan, Planned};
pub use program::{Compile, Compiled, Facts, Module, Program, Ran, Step};
pub use quarantine::{Quarantine, Quarantined};

use crate::handler::{Chains, Declared, Diagnostic};

/// One script set, compiled.
pub struct Generation {
    /// Its name: the digest of its files.
    pub id: GenerationId,
    /// When it went live.
    pub since: SystemTime,
    /// The files of the set, relative, in bytewise order.
    pub files: Vec<String>,
    /// The handlers, in the order of their files; a handler's place here is its number.
    pub handlers: Vec<Handler>,
    /// What runs when.
    pub chains: Chains<Handler>,
    /// What `check` would warn about.
    pub warnings: Vec<Diagnostic>,
    /// What runs them.
    pub program: Box<dyn Program>,
}

/// One handler of a generation.
#[derive(Debug, Clone)]
pub struct Handler {
    /// Its place among the generation's handlers.
    pub number: usize,
    /// What its file declares.
    pub declared: Arc<Declared>,
    /// What its code needs.
    pub facts: Facts,
    /// The header fields with a dash in their names that its code may name, in lower case.
    pub fields: Arc<BTreeSet<String>>,
}

impl AsRef<Declared> for Handler {
    fn as_ref(&self) -> &Declared {
        &self.declared
    }
}

/// The generation that new transactions run on: the one atomic pointer.
#[derive(Default)]
pub struct Generations {
    live: ArcSwapOption<Generation>,
    /// Each that somebody may hold. One that nobody does is forgotten with the next.
    published: Mutex<Vec<Weak<Generation>>>,
}

impl Generations {
    /// The live generation, `None` before the first one.
    pub fn current(&self) -> Option<Arc<Generation>> {
        self.live.load_full()
    }

    /// Makes a generation live.
    pub fn publish(&self, generation: Generation) -> Arc<Generation> {
        let generation = Arc::new(generation);
        let mut published = self.published();
        published.retain(is_held);
        published.push(Arc::downgrade(&generation));
        drop(published);
        self.live.store(Some(Arc::clone(&generation)));
        generation
    }

    /// How many generations are in memory: the live one, and those that transactions which
    /// began before it run on.
    pub fn held(&self) -> usize {
        self.published().iter().filter(|it| is_held(it)).count()
    }

    fn published(&self) -> MutexGuard<'_, Vec<Weak<Generation>>> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_held(generation: &Weak<Generation>) -> bool {
    generation.strong_count() > 0
}
