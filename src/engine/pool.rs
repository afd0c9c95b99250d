//! The isolates of one generation: checked out for a phase, checked in when they are well.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use http::StatusCode;

use crate::generation::{Program, Ran, Step};
use crate::handler::host::Host;
use crate::handler::{Call, Content, Fault, Message, Rejection, Verdict};

use super::Code;
use super::isolate::{End, Isolate};

/// How many isolates of one generation may be in use at once. Each belongs to a thread
/// that runs a handler or waits for a host call.
const AT_ONCE: usize = 512;

/// How many isolates of one generation are kept while nobody uses them: a burst of host
/// calls builds many, each of which holds some 200 KiB.
const IDLE: usize = 64;

/// A compiled script set and its isolates.
pub(super) struct Pool {
    code: Arc<Code>,
    idle: Mutex<Vec<Isolate>>,
    in_use: AtomicUsize,
}

impl Pool {
    pub(super) fn new(code: Arc<Code>) -> Self {
        Self {
            code,
            idle: Mutex::new(Vec::new()),
            in_use: AtomicUsize::new(0),
        }
    }

    /// Builds an isolate before the first transaction needs one.
    pub(super) fn warmed(self) -> Self {
        if let Some(isolate) = self.check_out() {
            self.check_in(isolate, true);
        }
        self
    }

    fn run_steps(&self, mut call: Call, steps: &[Step], host: &Arc<dyn Host>) -> Ran {
        let mut begun = 0;
        while begun < steps.len() {
            let Some(mut isolate) = self.check_out() else {
                return Ran {
                    call,
                    verdict: Verdict::Reject(no_room()),
                    begun,
                };
            };
            let (run, is_well) = isolate.run(call, &steps[begun..], host);
            self.check_in(isolate, is_well);
            call = run.call;
            begun += run.begun;
            match run.end {
                End::Decided(verdict) => {
                    return Ran {
                        call,
                        verdict,
                        begun,
                    };
                }
                End::Unreadable(reason) => {
                    let verdict = Verdict::Unreadable(reason);
                    return Ran {
                        call,
                        verdict,
                        begun,
                    };
                }
                End::Skipped => {}
            }
        }
        Ran {
            call,
            verdict: Verdict::Continue,
            begun,
        }
    }

    /// An idle isolate or a new one; `None` where too many are in use or none can be built.
    fn check_out(&self) -> Option<Isolate> {
        if self.in_use.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
            self.in_use.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if idle.is_some() {
            return idle;
        }
        match Isolate::new(Arc::clone(&self.code)) {
            Ok(isolate) => Some(isolate),
            Err(error) => {
                self.in_use.fetch_sub(1, Ordering::Relaxed);
                tracing::error!(%error, "no isolate could be built");
                None
            }
        }
    }

    fn check_in(&self, isolate: Isolate, is_well: bool) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if is_well && idle.len() < IDLE {
            idle.push(isolate);
        }
    }
}

impl Program for Pool {
    fn run<'a>(
        &'a self,
        call: Call,
        steps: Vec<Step>,
        host: &'a Arc<dyn Host>,
    ) -> BoxFuture<'a, Ran> {
        // A worker that runs a handler polls no sockets, and the others may sleep while it was
        // the one that did: it gives its place to another thread first.
        Box::pin(async move { tokio::task::block_in_place(|| self.run_steps(call, &steps, host)) })
    }
}

fn no_room() -> Rejection {
    Rejection {
        status: StatusCode::SERVICE_UNAVAILABLE,
        content: Content::Message(Message::default()),
        fault: Fault::Sidecar,
    }
}
