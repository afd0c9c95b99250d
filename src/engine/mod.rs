//! JavaScript: the only user of QuickJS, and the only place with `unsafe`.
//!
//! ```text
//! Engine ──compile──▶ Code (texts, checked)      one a generation
//!                       │
//!                     Pool ── check out ──▶ Isolate ── enter ──▶ Scope (the call)
//!                       ▲                      │  handlers run, one after the other,
//!                       │                      │  on the worker or aside
//!                       └──── check in ────────┘  or dropped, where it can't be trusted
//! ```
//!
//! Nothing of a script is executed when it is loaded; library modules run at their first
//! `require` in each isolate. An isolate is frozen once and reused for any number of
//! transactions, one phase at a time.

mod abandon;
mod allocator;
mod analysis;
mod argument;
mod aside;
mod clock;
mod compile;
mod fence;
mod functions;
mod guard;
mod habit;
mod heap;
mod host;
mod imports;
mod isolate;
mod library;
mod limits;
mod object;
mod old_spellings;
mod pool;
mod realm;
mod release;
mod remarks;
mod scope;
mod script;
mod seat;
#[cfg(test)]
mod tests;
mod text;
mod thread_time;
mod thrown;
mod value;
mod web;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::crash::Registered;
use crate::handler::{EventName, HandlerName, Match, OnError, Store};

pub use allocator::Allocator;
pub use aside::Stuck;
pub use host::HostSettings;
pub use limits::{Limits, THREAD_STACK};
pub use release::Release;

use aside::Aside;
use clock::Clock;
use fence::Fence;
use habit::Habit;
use heap::Common;
use host::HostCalls;
use library::Library;
use remarks::Remarks;
use scope::Moves;
use script::{Places, Script};

/// Compiles script sets.
pub struct Engine {
    limits: Limits,
    host: Arc<HostSettings>,
    permits: Arc<Semaphore>,
    store: Arc<dyn Store>,
    aside: Arc<Aside>,
    memory: Common,
    /// Where a test has its handlers' runs panic.
    #[cfg(test)]
    fail_at: fence::FailPoint,
}

impl Engine {
    /// An engine whose handlers obey `limits`, address their calls by `host` and share `store`.
    pub fn new(limits: Limits, host: HostSettings, store: Arc<dyn Store>) -> Self {
        Self {
            limits,
            host: Arc::new(host),
            permits: HostCalls::permits(),
            store,
            aside: Aside::new(limits.max_hung_threads),
            memory: Common::new(limits.total_memory),
            #[cfg(test)]
            fail_at: fence::FailPoint::default(),
        }
    }

    /// The threads that are in handlers which can't be stopped, of any generation.
    pub fn stuck(&self) -> Stuck {
        self.aside.stuck().clone()
    }
}

/// A script set, checked and ready to be compiled in any number of isolates.
struct Code {
    scripts: Vec<Entry>,
    library: Library,
    places: Places,
    limits: Limits,
    host: Arc<HostSettings>,
    permits: Arc<Semaphore>,
    store: Arc<dyn Store>,
    aside: Arc<Aside>,
    memory: Common,
    #[cfg(test)]
    fail_at: fence::FailPoint,
}

/// One handler of a script set.
struct Entry {
    name: HandlerName,
    event: Option<EventName>,
    matches: Vec<Match>,
    allows_edits: bool,
    script: Script,
    /// What it does, where that needs no JavaScript.
    moves: Option<Moves>,
    timeout: Option<Duration>,
    on_error: OnError,
    sees_body: bool,
    habit: Habit,
    /// What it is called when the process dies of it.
    recorded: Registered,
    remarks: Remarks,
}

impl Entry {
    /// Whether it may run on a worker.
    fn is_quick(&self) -> bool {
        self.moves.is_some() || self.habit.is_quick()
    }
}

impl Code {
    /// A fence for an isolate.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only a test looks"))]
    fn fence(&self) -> Fence {
        #[cfg(test)]
        return Fence::failing_at(Arc::clone(&self.fail_at));
        #[cfg(not(test))]
        Fence::default()
    }

    fn name(&self, handler: usize) -> HandlerName {
        self.scripts[handler].name.clone()
    }

    fn host_calls(&self, clock: Clock) -> HostCalls {
        HostCalls::new(
            Arc::clone(&self.host),
            self.limits.text,
            Arc::clone(&self.permits),
            clock,
        )
    }
}
