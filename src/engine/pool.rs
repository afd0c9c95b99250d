//! Where handlers run, and on which isolate of their generation.
//!
//! ```text
//! every handler of the phase is known to be quick, the bodies are small,
//! an isolate waits that has run them all ─────────────▶ on the worker
//! otherwise ──────────────────────────────────────────▶ aside, on a thread of their own
//! one got stuck before, and too many threads are ─────▶ 503
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::crash;
use crate::generation::{GenerationId, Program, Ran, Step};
use crate::handler::host::Host;
use crate::handler::{Call, Cause, Content, Fault, Message, Rejection, Verdict};
use crate::message::Body;

use super::Code;
use super::aside::{Errand, Rank};
use super::clock::{Clock, Place};
use super::habit::{Pace, Standing};
use super::isolate::{BuildError, End, Isolate};
use super::seat::Seat;
use super::thrown;

/// How many isolates of one generation may be in use at once. Each belongs to a thread
/// that runs a handler or waits for a host call.
const AT_ONCE: usize = 512;

/// How many isolates of one generation are kept while nobody uses them: a burst of host
/// calls builds many, each of which holds some 520 KiB.
const IDLE: usize = 64;

/// The largest body, in bytes, that is opened or written on a worker.
const SMALL: usize = 64 * 1024;

/// A compiled script set and its isolates.
pub(super) struct Pool {
    isolates: Arc<Isolates>,
}

impl Pool {
    pub(super) fn new(code: Arc<Code>) -> Self {
        Self {
            isolates: Arc::new(Isolates {
                code,
                idle: Mutex::new(Vec::new()),
                in_use: Arc::default(),
            }),
        }
    }

    /// Builds an isolate before the first transaction needs one.
    pub(super) fn warmed(self) -> Self {
        if let Ok(isolate) = self.isolates.check_out(&[], Rank::Usual) {
            self.isolates.check_in(isolate, true);
        }
        self
    }

    /// An isolate for steps that may run on the worker.
    fn for_the_worker(&self, call: &Call, steps: &[Step]) -> Option<CheckedOut> {
        let scripts = &self.isolates.code.scripts;
        let are_quick = steps.iter().all(|step| scripts[step.handler].is_quick());
        if !are_quick || !is_small(&call.request.body) || !is_small(&call.response.body) {
            return None;
        }
        self.isolates.warm(steps)
    }

    /// Whether a step is of a handler that nobody can afford any more.
    fn is_given_up(&self, steps: &[Step]) -> bool {
        let code = &self.isolates.code;
        code.aside.stuck().is_full()
            && steps
                .iter()
                .any(|step| code.scripts[step.handler].habit.has_stuck())
    }

    async fn run_aside(&self, call: Box<Call>, steps: Vec<Step>, host: &Arc<dyn Host>) -> Ran {
        let scripts = &self.isolates.code.scripts;
        let standing = |step: &Step| scripts[step.handler].habit.standing();
        let standing = steps.iter().map(standing).max();
        let aside = &self.isolates.code.aside;
        let (place, rank) = match standing.unwrap_or(Standing::Usual) {
            Standing::Usual => (Place::Aside, Rank::Usual),
            Standing::Suspect => (Place::OnProbation, Rank::Usual),
            Standing::Last => (Place::Aside, Rank::Last),
        };
        let seat = match rank {
            Rank::Last => Seat::default(),
            Rank::Usual => match aside.seats().take(call.deadline).await {
                Some(seat) => seat,
                None => return rejected(call, no_room(), 0),
            },
        };
        let (reply, answer) = oneshot::channel();
        let phase = Arc::new(RunAside {
            isolates: Arc::clone(&self.isolates),
            steps,
            place,
            rank,
            seat,
            host: Arc::clone(host),
            runtime: Handle::current(),
            at: Mutex::default(),
            answer: Mutex::new(Some((call.clone(), reply))),
            call: Mutex::new(Some(call)),
        });
        if let Err(error) = aside.start(Arc::clone(&phase) as Arc<dyn Errand>, rank) {
            tracing::error!(%error, "no thread for handlers could be had");
            let call = lock(&phase.call).take();
            return rejected(call.expect("nobody has run it"), no_room(), 0);
        }
        // The thread or the watch answers, whatever happens: neither goes without.
        answer.await.expect("there is an answer")
    }
}

impl Program for Pool {
    fn run<'a>(
        &'a self,
        call: Box<Call>,
        steps: Vec<Step>,
        host: &'a Arc<dyn Host>,
    ) -> BoxFuture<'a, Ran> {
        Box::pin(async move {
            if let Some(isolate) = self.for_the_worker(&call, &steps) {
                let told = |_: &Clock, _| ();
                let first = Some(isolate);
                return self.isolates.run_steps(
                    first,
                    (Place::Worker, Rank::Usual),
                    call,
                    &steps,
                    host,
                    told,
                );
            }
            if self.is_given_up(&steps) {
                return rejected(call, no_room(), 0);
            }
            self.run_aside(call, steps, host).await
        })
    }

    fn belongs_to(&self, generation: GenerationId) {
        let generation = generation.to_string();
        for script in &self.isolates.code.scripts {
            script.recorded.belongs_to(&generation);
        }
    }
}

/// The isolates of one generation: checked out for a phase, checked in when they are well.
struct Isolates {
    code: Arc<Code>,
    idle: Mutex<Vec<Isolate>>,
    in_use: Arc<AtomicUsize>,
}

/// An isolate that somebody has, and that counts as in use until it is checked in or dropped.
struct CheckedOut {
    isolate: Isolate,
    permit: Permit,
}

/// The right to one of [`AT_ONCE`] isolates, given back when it is dropped, however that comes.
struct Permit(Arc<AtomicUsize>);

impl Permit {
    /// One more, however many there are.
    fn one_more(in_use: &Arc<AtomicUsize>) -> Self {
        in_use.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(in_use))
    }

    /// One more; `None` where there are as many as there may be.
    fn take(in_use: &Arc<AtomicUsize>) -> Option<Self> {
        let permit = Self::one_more(in_use);
        (in_use.load(Ordering::Relaxed) <= AT_ONCE).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Isolates {
    /// Runs steps until one decides, on `first` and, where that is spoiled, on others. `told`
    /// hears the clock of each, and how many steps had begun before.
    fn run_steps(
        &self,
        first: Option<CheckedOut>,
        (place, rank): (Place, Rank),
        mut call: Box<Call>,
        steps: &[Step],
        host: &Arc<dyn Host>,
        told: impl Fn(&Clock, usize),
    ) -> Ran {
        let mut begun = 0;
        let mut next = first;
        while begun < steps.len() {
            let rest = &steps[begun..];
            // What is on probation spoils an isolate more often than others do.
            let rank = match place {
                Place::OnProbation => Rank::Last,
                Place::Worker | Place::Aside => rank,
            };
            let checked_out = next.take().map_or_else(|| self.check_out(rest, rank), Ok);
            let mut out = match checked_out {
                Ok(out) => out,
                Err(rejection) => return rejected(call, rejection, begun),
            };
            told(out.isolate.clock(), begun);
            // Until the isolate is checked in: freeing it is the last handler's doing too.
            let recorded = crash::Phase::begin(&call.id.0);
            let (run, is_well) = out.isolate.run(place, call, rest, host, &recorded);
            self.check_in(out, is_well);
            drop(recorded);
            call = run.call;
            begun += run.begun;
            let verdict = match run.end {
                End::Decided(verdict) => verdict,
                End::Unreadable(reason) => Verdict::Unreadable(reason),
                End::Skipped => continue,
            };
            return Ran {
                call,
                verdict,
                begun,
            };
        }
        Ran {
            call,
            verdict: Verdict::Continue,
            begun,
        }
    }

    /// An idle isolate that has run all these handlers before.
    fn warm(&self, steps: &[Step]) -> Option<CheckedOut> {
        let isolate = take_warm(&mut self.idle(), steps)?;
        // There are fewer workers than there may be isolates.
        let permit = Permit::one_more(&self.in_use);
        Some(CheckedOut { isolate, permit })
    }

    /// An idle isolate or a new one.
    ///
    /// # Errors
    ///
    /// What the client gets where too many are in use or none can be built.
    fn check_out(&self, steps: &[Step], rank: Rank) -> Result<CheckedOut, Rejection> {
        let permit = Permit::take(&self.in_use).ok_or_else(no_room)?;
        let mut idle = self.idle();
        let found = take_warm(&mut idle, steps).or_else(|| match rank {
            // The one that was unused for longest: others have their handlers on the rest.
            Rank::Usual if !idle.is_empty() => Some(idle.remove(0)),
            // It may be spoiled, which is to cost nobody else a warm one.
            Rank::Usual | Rank::Last => None,
        });
        drop(idle);
        if let Some(isolate) = found {
            return Ok(CheckedOut { isolate, permit });
        }
        match Isolate::new(Arc::clone(&self.code)) {
            Ok(isolate) => Ok(CheckedOut { isolate, permit }),
            Err(BuildError::Panicked) => Err(failed()),
            Err(BuildError::Engine(error)) => {
                tracing::error!(%error, "no isolate could be built");
                Err(no_room())
            }
        }
    }

    fn check_in(&self, CheckedOut { isolate, permit }: CheckedOut, is_well: bool) {
        drop(permit);
        if !is_well || self.code.memory.is_scarce() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(isolate);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Isolate>> {
        lock(&self.idle)
    }
}

/// One phase of one transaction on its way to a thread aside.
struct RunAside {
    isolates: Arc<Isolates>,
    steps: Vec<Step>,
    place: Place,
    rank: Rank,
    seat: Seat,
    host: Arc<dyn Host>,
    runtime: Handle,
    /// The clock of the isolate it runs on, and how many steps had begun before.
    at: Mutex<Option<(Clock, usize)>>,
    call: Mutex<Option<Box<Call>>>,
    /// Where the answer goes, and the call as it was, for who answers without the thread.
    answer: Mutex<Option<(Box<Call>, oneshot::Sender<Ran>)>>,
}

impl RunAside {
    /// Sends what `ran` makes of the call as it was, unless somebody has answered.
    fn answer(&self, ran: impl FnOnce(Box<Call>) -> Ran) {
        let answer = lock(&self.answer).take();
        if let Some((call, reply)) = answer {
            // Where nobody waits any more the client has gone.
            let _ = reply.send(ran(call));
        }
    }

    /// The clock that counts now, and how many steps have begun; `None` before the first.
    fn reached(&self) -> Option<(Clock, usize)> {
        let (clock, before) = lock(&self.at).clone()?;
        let begun = (before + clock.begun()).clamp(1, self.steps.len());
        Some((clock, begun))
    }
}

impl Errand for RunAside {
    fn run(&self) {
        let call = lock(&self.call)
            .take()
            .expect("an errand is run once, and has its call until then");
        let _entered = self.runtime.enter();
        let told = |clock: &Clock, begun| {
            clock.sit(self.seat.clone());
            *lock(&self.at) = Some((clock.clone(), begun));
        };
        let ran = catch_unwind(AssertUnwindSafe(|| {
            self.isolates.run_steps(
                None,
                (self.place, self.rank),
                call,
                &self.steps,
                &self.host,
                told,
            )
        }));
        self.seat.leave();
        let begun = self.steps.len();
        self.answer(|call| {
            ran.unwrap_or_else(|_| {
                tracing::error!(
                    transaction = %call.id,
                    "a fault of interpose: it panicked around a handler; please report it"
                );
                rejected(call, failed(), begun)
            })
        });
    }

    fn has_overrun(&self, by: Duration) -> bool {
        let at = lock(&self.at);
        at.as_ref().is_some_and(|(clock, _)| clock.has_overrun(by))
    }

    fn answer_without(&self) {
        let Some((clock, begun)) = self.reached() else {
            return;
        };
        let handler = self.steps[begun - 1].handler;
        self.seat.leave();
        self.answer(|call| {
            let overrun = clock.overrun();
            clock.give_up();
            let code = &self.isolates.code;
            code.scripts[handler].habit.note(overrun.into());
            let message =
                format!("it ran longer than its limit, and didn't stop when told to: {overrun}");
            let thrown = thrown::spoiled(code.name(handler), Cause::Time, &message, String::new());
            thrown::report(&thrown, &code.scripts[handler].script.file, &call.id);
            rejected(call, thrown.rejection, begun)
        });
    }

    fn is_stuck(&self, stuck: usize) {
        let Some((_, begun)) = self.reached() else {
            return;
        };
        let code = &self.isolates.code;
        let handler = self.steps[begun - 1].handler;
        code.scripts[handler].habit.note(Pace::Stuck);
        tracing::error!(
            handler = %code.name(handler), stuck,
            "a thread is in a handler that can't be stopped; it goes on at the lowest priority"
        );
    }
}

/// The last used of those that have run all these handlers.
fn take_warm(idle: &mut Vec<Isolate>, steps: &[Step]) -> Option<Isolate> {
    let at = idle.iter().rposition(|isolate| isolate.has_run(steps))?;
    Some(idle.remove(at))
}

fn is_small(body: &Body) -> bool {
    body.pieces().is_none_or(|pieces| pieces.len() <= SMALL)
}

fn rejected(call: Box<Call>, rejection: Rejection, begun: usize) -> Ran {
    Ran {
        call,
        verdict: Verdict::Reject(rejection),
        begun,
    }
}

/// No isolate, no thread, or none that may be wasted.
fn no_room() -> Rejection {
    Rejection {
        status: StatusCode::SERVICE_UNAVAILABLE,
        content: Content::Message(Message::default()),
        fault: Fault::Sidecar,
    }
}

/// A mistake of ours.
fn failed() -> Rejection {
    Rejection {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        content: Content::Message(Message::default()),
        fault: Fault::Sidecar,
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
