//! Handlers that don't run, since the process died of them before.
//!
//! A transaction that comes to one of them is refused with 500: whoever put a guard there must
//! not find it passed, so this fails closed, whatever `@onError` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use http::StatusCode;

use super::{Generation, GenerationId, Handler, Program, Ran, Step};
use crate::handler::host::Host;
use crate::handler::{Call, Content, Fault, Kind, Message, Rejection, Verdict};

/// Which handlers of one generation don't run. A former generation keeps its own: what is left of
/// its transactions does not get past it because the set has changed.
#[derive(Debug, Default)]
pub struct Quarantine {
    /// So that nothing else is looked at as long as there are none.
    is_occupied: AtomicBool,
    handlers: ArcSwap<Vec<Quarantined>>,
}

/// A handler that doesn't run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its file, which may be cut.
    pub file: String,
    /// Since when.
    pub since: SystemTime,
    /// How often the process died of it.
    pub deaths: u32,
}

impl Quarantine {
    /// Has exactly these not run from now on. What runs already goes on.
    pub fn set(&self, handlers: Vec<Quarantined>) {
        let is_occupied = !handlers.is_empty();
        self.handlers.store(Arc::new(handlers));
        self.is_occupied.store(is_occupied, Ordering::Release);
    }

    /// The handlers that don't run.
    pub fn handlers(&self) -> Arc<Vec<Quarantined>> {
        self.handlers.load_full()
    }

    fn has(&self, handler: &Handler) -> bool {
        let declared = &handler.declared;
        let handlers = self.handlers.load();
        let mut of_its_kind = handlers.iter().filter(|it| it.kind == declared.kind);
        of_its_kind.any(|it| declared.name.as_str() == it.name)
    }
}

impl Generation {
    /// The same, but for the handlers that are in `quarantine` whenever they would run.
    #[must_use]
    pub fn without_quarantined(mut self, quarantine: &Arc<Quarantine>) -> Self {
        self.program = Box::new(Guarded {
            program: self.program,
            handlers: self.handlers.clone(),
            quarantine: Arc::clone(quarantine),
        });
        self
    }
}

/// A program some of whose handlers may be in quarantine.
struct Guarded {
    program: Box<dyn Program>,
    handlers: Vec<Handler>,
    quarantine: Arc<Quarantine>,
}

impl Program for Guarded {
    fn run<'a>(
        &'a self,
        call: Box<Call>,
        steps: Vec<Step>,
        host: &'a Arc<dyn Host>,
    ) -> BoxFuture<'a, Ran> {
        if !self.quarantine.is_occupied.load(Ordering::Acquire) {
            return self.program.run(call, steps, host);
        }
        let is_quarantined = |step: &Step| self.quarantine.has(&self.handlers[step.handler]);
        match steps.iter().position(is_quarantined) {
            None => self.program.run(call, steps, host),
            Some(at) => Box::pin(self.run_until(at, call, steps, host)),
        }
    }

    fn belongs_to(&self, generation: GenerationId) {
        self.program.belongs_to(generation);
    }
}

impl Guarded {
    /// Runs the steps before the one in quarantine; a call that comes that far is refused.
    async fn run_until(
        &self,
        at: usize,
        call: Box<Call>,
        mut steps: Vec<Step>,
        host: &Arc<dyn Host>,
    ) -> Ran {
        let quarantined = &self.handlers[steps[at].handler].declared;
        steps.truncate(at);
        let ran = if steps.is_empty() {
            Ran {
                call,
                verdict: Verdict::Continue,
                begun: 0,
            }
        } else {
            self.program.run(call, steps, host).await
        };
        if !matches!(ran.verdict, Verdict::Continue) {
            return ran;
        }
        let (transaction, handler) = (&ran.call.id, &quarantined.name);
        tracing::warn!(%transaction, %handler, "handler is quarantined and did not run");
        Ran {
            verdict: Verdict::Reject(Rejection {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                content: Content::Message(Message::default()),
                fault: Fault::Script,
            }),
            ..ran
        }
    }
}
