//! One JavaScript heap: its realm, the functions of its handlers, and one phase at a time.

mod handle;
mod returned;
mod undo;

use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rquickjs::{Context, Ctx, Function, Persistent, Runtime, qjs};

use crate::crash;
use crate::document::Budget;
use crate::generation::Step;
use crate::handler::host::Host;
use crate::handler::{Call, Phase, Verdict};

use super::abandon::{abandon, forget_all};
use super::clock::{Clock, Place, Reading};
use super::fence::Fence;
use super::habit::Pace;
use super::heap::{Heap, Memory};
use super::limits::STACK;
use super::realm::{self, Realm};
use super::scope::{Answer, Body, Failed, Lists, Rejected, Scope, State};
use super::thrown::{self, Thrown};
use super::value::{self, OpenError};
use super::{Code, Entry, guard};
#[cfg(test)]
pub(super) use handle::compile_within;
pub(super) use handle::{COMPILED, compile};
use undo::apply;

/// One heap with everything that runs on it.
///
/// Only ever used by whoever has checked it out.
pub(super) struct Isolate {
    handlers: Vec<Option<Persistent<Function<'static>>>>,
    realm: ManuallyDrop<Realm>,
    scope: Rc<Scope>,
    code: Arc<Code>,
    clock: Clock,
    heap: Heap,
    fence: Fence,
    context: ManuallyDrop<Context>,
    runtime: ManuallyDrop<Runtime>,
    /// Whether QuickJS may free it: not in the middle of a run, nor after one that ended badly.
    is_sound: bool,
}

// SAFETY: everything in here that isn't `Send` — the persistent values, the `Rc` that the
// runtime's own closures share — is reached only through this isolate, which has one owner at a
// time and moves as a whole. rquickjs' `parallel` feature tells QuickJS about the new thread's
// stack each time `context.with` takes the runtime's lock.
unsafe impl Send for Isolate {}

/// The scope, where QuickJS calls us with nothing but a context.
struct Shared(Rc<Scope>);

// SAFETY: it holds nothing with the lifetime of a context.
unsafe impl<'js> rquickjs::JsLifetime<'js> for Shared {
    type Changed<'to> = Shared;
}

/// What a heap's values may take, in memory and time.
#[derive(Debug)]
struct Limited {
    heap: Heap,
    clock: Clock,
}

impl Budget for Limited {
    fn take(&self, bytes: usize) -> bool {
        self.heap.take(bytes)
    }

    fn give_back(&self, bytes: usize) {
        self.heap.give_back(bytes);
    }

    fn hand_over(&self, bytes: usize) -> Box<dyn Send + Sync> {
        self.heap.hand_over(bytes)
    }

    fn is_over(&self) -> bool {
        self.clock.is_over()
    }
}

/// Why there is no isolate.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    /// QuickJS has no memory, or refuses.
    #[error(transparent)]
    Engine(#[from] rquickjs::Error),
    /// A fault of ours.
    #[error("a fault of interpose")]
    Panicked,
}

/// How the steps of a phase went on one isolate.
pub(super) struct Run {
    pub call: Box<Call>,
    /// How many steps were begun.
    pub begun: usize,
    pub end: End,
}

/// Why a run ended.
pub(super) enum End {
    /// It is decided.
    Decided(Verdict),
    /// The response's body is no JSON; nothing was run.
    Unreadable(String),
    /// A handler that may fail did; the steps behind it are to go on, on this isolate or,
    /// where it is spoiled, on another.
    Skipped,
}

impl Isolate {
    /// Builds an isolate for a program.
    ///
    /// # Errors
    ///
    /// There is no memory for it, or building it panicked, which the log has.
    pub(super) fn new(code: Arc<Code>) -> Result<Self, BuildError> {
        let clock = Clock::new();
        let memory = Memory::new(code.limits.memory, &code.memory);
        let memory = memory.ok_or(rquickjs::Error::Allocation)?;
        let heap = memory.heap().clone();
        let runtime = Runtime::new_with_alloc(memory)?;
        runtime.set_max_stack_size(STACK);
        let fence = code.fence();
        let (asked, limited, behind) = (clock.clone(), heap.clone(), fence.clone());
        runtime.set_interrupt_handler(Some(Box::new(move || {
            limited.refused().is_some() || behind.run("interrupt", true, || asked.is_over())
        })));
        let context = Context::full(&runtime)?;
        let budget: Rc<dyn Budget> = Rc::new(Limited {
            heap: heap.clone(),
            clock: clock.clone(),
        });
        let scope = Scope::new(
            code.host_calls(clock.clone()),
            code.library.clone(),
            Arc::clone(&code.store),
            Some(Rc::clone(&budget)),
        );
        let built = context.with(|ctx| {
            // SAFETY: the heap's blocks are freed after the runtime, or with it.
            #[allow(unsafe_code)]
            unsafe {
                heap.belongs_to(qjs::JS_GetRuntime(ctx.as_raw().as_ptr()));
            }
            fence.install(&ctx);
            fence.run("build", Err(rquickjs::Error::Unknown), || {
                value::install(&ctx, code.limits.text, Some(budget))?;
                // Nothing borrows the userdata yet, so it takes one more.
                let _ = ctx.store_userdata(Shared(Rc::clone(&scope)));
                let natives = scope.natives(&ctx)?;
                guard::install(&ctx, code.limits.memory)?;
                realm::build(&ctx, natives, &scope, code.limits.code_from_text)
            })
        });
        let realm = match built {
            Ok(realm) if heap.refused().is_none() && !fence.has_caught() => realm,
            built => {
                mem::forget(built);
                give_up(runtime, context, &scope, &heap);
                if fence.has_caught() {
                    tracing::error!(
                        "a fault of interpose: building an isolate panicked; please report it"
                    );
                    return Err(BuildError::Panicked);
                }
                return Err(rquickjs::Error::Allocation.into());
            }
        };
        let behind = fence.clone();
        runtime.set_host_promise_rejection_tracker(Some(Box::new(
            move |ctx, promise, reason, is_handled| {
                behind.run("track", (), || {
                    if let Some(scope) = ctx.userdata::<Shared>() {
                        scope.0.track(&ctx, promise, reason, is_handled);
                    }
                });
            },
        )));
        let handlers = code.scripts.iter().map(|_| None).collect();
        Ok(Self {
            handlers,
            realm: ManuallyDrop::new(realm),
            scope,
            code,
            clock,
            heap,
            fence,
            context: ManuallyDrop::new(context),
            runtime: ManuallyDrop::new(runtime),
            is_sound: true,
        })
    }

    /// The time of what runs on it.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether those of these steps' handlers that need it were compiled here, for a run.
    pub(super) fn has_run(&self, steps: &[Step]) -> bool {
        let is_ready = |handler: usize| {
            self.handlers[handler].is_some() || self.code.scripts[handler].moves.is_some()
        };
        steps.iter().all(|step| is_ready(step.handler))
    }

    /// Runs steps until one decides. Tells whether the isolate may be used again.
    pub(super) fn run(
        &mut self,
        place: Place,
        call: Box<Call>,
        steps: &[Step],
        host: &Arc<dyn Host>,
        recorded: &crash::Phase,
    ) -> (Run, bool) {
        let began = self.clock.enter(place, call.deadline);
        self.heap.enter();
        self.is_sound = false;
        let first = steps.first().expect("a run has steps");
        let phase = first.kind.phase();
        let body = match phase {
            Phase::Request => Body::of(&call.request.body),
            Phase::Response => Body::of(&call.response.body),
        };
        self.scope.enter(State {
            call,
            phase,
            code: Arc::clone(&self.code),
            handler: first.handler,
            kind: first.kind,
            body,
            host: Arc::clone(host),
            allowance: self.scope.allowance(),
            answer: Answer::default(),
            sent: None,
            lists: Lists::default(),
            verb: None,
            stops: false,
            remembers: false,
            read_json: None,
            read_exports: None,
            rejected: Rejected::default(),
        });
        let context = Context::clone(&self.context);
        let ((mut end, begun), mut call, edit) = context.with(|ctx| {
            // A panic must not come by the lock of the runtime, which would never open again.
            let ran = catch_unwind(AssertUnwindSafe(|| {
                let (end, begun, is_spoiled) = self.run_steps(&ctx, steps, began, recorded);
                let is_spoiled = is_spoiled || self.scope.with(|state| state.remembers);
                (end, begun, is_spoiled)
            }));
            let (end, begun, is_spoiled) = ran.unwrap_or_else(|_| {
                self.fence.note();
                // The one that panicked was begun.
                let begun = self.clock.begun().clamp(1, steps.len());
                (End::Decided(Verdict::Continue), begun, true)
            });
            self.is_sound = !is_spoiled && self.is_well();
            // Values are freed while their runtime is locked.
            let state = self.scope.leave();
            let (call, edit) = if self.is_sound {
                self.fence.run("forget", (), || value::forget(&ctx));
                let State { call, body, .. } = state;
                (call, body.edit())
            } else {
                state.abandon()
            };
            ((end, begun), call, edit)
        });
        self.fence
            .run("apply", (), || apply(&mut call, phase, edit));
        self.is_sound = self.is_sound && self.is_well() && !self.runtime.is_job_pending();
        if self.fence.has_caught() {
            // Whatever its handlers say of failures: this is none of theirs.
            let handler = self.code.name(steps[begun.saturating_sub(1)].handler);
            let rejection = thrown::fault_of_ours(&handler, &call.id);
            end = End::Decided(Verdict::Reject(rejection));
        }
        self.heap.leave();
        self.clock.leave();
        (Run { call, begun, end }, self.is_sound)
    }

    /// How the steps ended, how many were begun, and whether the isolate is spoiled.
    fn run_steps<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        steps: &[Step],
        began: Reading,
        recorded: &crash::Phase,
    ) -> (End, usize, bool) {
        self.fence.reach("open");
        match self.open_body(ctx, steps) {
            Ok(()) => {}
            Err(error @ OpenError::Parse(_)) => {
                return (End::Unreadable(error.to_string()), 0, false);
            }
            Err(OpenError::Engine(_)) => {
                let thrown = self.explain(ctx);
                self.report(&thrown);
                return (End::Decided(reject(thrown)), 0, true);
            }
        }
        let mut now = began;
        for (at, step) in steps.iter().enumerate() {
            // What can't be written is no failure of this handler, and undoing that would lose it.
            let Ok(checkpoint) = self.checkpoint(ctx, step) else {
                let mut thrown = self.explain(ctx);
                thrown.spoils_isolate = true;
                self.report(&thrown);
                return (End::Decided(reject(thrown)), at, true);
            };
            if checkpoint.is_some() {
                now = self.clock.read();
            }
            let timer = self.timer();
            self.begin(step, now);
            recorded.runs(&self.code.scripts[step.handler].recorded);
            self.fence.reach("begin");
            let ran = match checkpoint {
                Some(ref before) if !self.allows_edits(step) => self
                    .run_step(ctx, step)
                    .map(|verdict| self.withdraw(ctx, before, verdict.as_ref()))
                    .map(|()| None),
                Some(_) | None => self.run_step(ctx, step),
            };
            self.note_time(step, timer);
            if self.code.scripts[step.handler].moves.is_none() {
                // Where one ends, the next one begins.
                now = self.clock.read();
                self.note_pace(step, now);
            }
            let thrown = match self.within_memory(ran) {
                Ok(None) if !self.scope.with(|state| state.stops) => continue,
                Ok(verdict) => {
                    let verdict = verdict.unwrap_or(Verdict::Continue);
                    return match self.finish(ctx) {
                        Ok(()) => (End::Decided(verdict), at + 1, false),
                        Err(thrown) => (End::Decided(reject(*thrown)), at + 1, true),
                    };
                }
                Err(thrown) => thrown,
            };
            self.report(&thrown);
            let is_spoiled = thrown.spoils_isolate;
            let Some(before) = checkpoint.filter(|_| self.may_fail(step)) else {
                return (
                    End::Decided(Verdict::Reject(thrown.rejection)),
                    at + 1,
                    is_spoiled || self.leave(ctx).is_err(),
                );
            };
            self.restore(ctx, before);
            self.note_time(step, timer);
            return (End::Skipped, at + 1, is_spoiled);
        }
        match self.finish(ctx) {
            Ok(()) => (End::Decided(Verdict::Continue), steps.len(), false),
            Err(thrown) => (End::Decided(reject(*thrown)), steps.len(), true),
        }
    }

    /// What became of a step, unless it was refused memory: whatever it made of that, it ends there.
    fn within_memory<T>(&self, ran: Result<T, Box<Thrown>>) -> Result<T, Box<Thrown>> {
        let Some(refused) = self.heap.refused() else {
            return ran;
        };
        match ran {
            Err(thrown) if thrown.spoils_isolate => Err(thrown),
            Ok(_) | Err(_) => {
                let handler = self.scope.with(|state| state.name().clone());
                Err(Box::new(thrown::out_of_memory(
                    handler,
                    refused,
                    String::new(),
                )))
            }
        }
    }

    /// When a step begins, where somebody wants to know how long it takes.
    fn timer(&self) -> Option<Instant> {
        let wanted = self.scope.with(|state| state.call.kept.times.are_wanted());
        wanted.then(Instant::now)
    }

    fn note_time(&self, step: &Step, timer: Option<Instant>) {
        if let Some(began) = timer {
            self.scope
                .with(|state| state.call.kept.times.note(step.handler, began.elapsed()));
        }
    }

    /// Opens the body of a response that a handler will see, so that none runs where it
    /// can't be read.
    fn open_body(&self, ctx: &Ctx<'_>, steps: &[Step]) -> Result<(), OpenError> {
        let is_seen = steps
            .iter()
            .any(|step| self.code.scripts[step.handler].sees_body);
        if !is_seen || self.scope.with(|state| state.phase) == Phase::Request {
            return Ok(());
        }
        self.scope.open(ctx)
    }

    /// Runs one handler to its end, promises included.
    fn run_step<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        step: &Step,
    ) -> Result<Option<Verdict>, Box<Thrown>> {
        if let Some(moves) = &self.code.scripts[step.handler].moves {
            return match moves.run(&self.scope) {
                Ok(()) => Ok(None),
                Err(failed) => Err(Box::new(self.explain_move(step, &failed))),
            };
        }
        let ran = self.handle(ctx, step).and_then(|verdict| {
            // What can't be written is the failure of a handler that may fail, and nobody else's.
            if self.may_fail(step) && self.scope.with(|state| state.phase) == Phase::Response {
                self.scope.flush(ctx)?;
            }
            Ok(verdict)
        });
        ran.map_err(|_| Box::new(self.explain(ctx)))
    }

    /// What a script would have thrown.
    fn explain_move(&self, step: &Step, failed: &Failed) -> Thrown {
        let Entry { name, script, .. } = &self.code.scripts[step.handler];
        thrown::type_error(name.clone(), &failed.message, script.place(failed.offset))
    }

    /// Finds out what the pending exception means.
    fn explain(&self, ctx: &Ctx<'_>) -> Thrown {
        self.fence.reach("explain");
        let places = &self.code.places;
        thrown::explain(
            ctx,
            &self.scope,
            (&self.clock, &self.heap),
            &self.realm,
            places,
        )
    }

    /// Takes note of how long a handler took: the next one may run elsewhere.
    fn note_pace(&self, step: &Step, now: Reading) {
        if self.clock.is_given_up() {
            // That was noted when it was.
            return;
        }
        let pace = match self.clock.stopped_by() {
            Some(overrun) => overrun.into(),
            None => Pace::Took(self.clock.used(now)),
        };
        self.code.scripts[step.handler].habit.note(pace);
    }

    /// Tells the log of a failure, unless that was done when the handler was given up.
    fn report(&self, thrown: &Thrown) {
        if self.clock.is_given_up() {
            return;
        }
        self.scope.with(|state| {
            let file = &self.code.scripts[state.handler].script.file;
            thrown::report(thrown, file, &state.call.id);
        });
    }

    /// Makes a handler the running one, and gives it its time.
    fn begin(&self, step: &Step, now: Reading) {
        self.scope.with(|state| {
            state.handler = step.handler;
            state.kind = step.kind;
        });
        let limit = self.code.scripts[step.handler].timeout;
        self.clock
            .arm(now, limit.unwrap_or(self.code.limits.handler_time));
    }

    /// Gives what handlers kept to the transaction, and to nobody that comes after it. Where
    /// that fails, the isolate still has it.
    fn leave(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        self.clock.arm_end(self.code.limits.handler_time);
        self.keep(ctx)
    }

    /// Ends the phase: what handlers kept, and the body where it was changed.
    fn finish(&self, ctx: &Ctx<'_>) -> Result<(), Box<Thrown>> {
        let leave = || -> rquickjs::Result<()> {
            self.fence.reach("finish");
            self.leave(ctx)?;
            match self.scope.with(|state| state.phase) {
                Phase::Request => Ok(()),
                Phase::Response => self.scope.flush(ctx),
            }
        };
        leave().map_err(|_| {
            let mut thrown = self.explain(ctx);
            thrown.spoils_isolate = true;
            self.report(&thrown);
            Box::new(thrown)
        })
    }

    /// Whether nothing was stopped or refused, after which QuickJS may be in any state.
    fn is_well(&self) -> bool {
        !self.clock.has_stopped()
            && !self.clock.is_given_up()
            && self.heap.refused().is_none()
            && !self.fence.has_caught()
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        let handlers = mem::take(&mut self.handlers);
        // SAFETY: nobody uses the three after this.
        #[allow(unsafe_code)]
        let (realm, context, runtime) = unsafe {
            (
                ManuallyDrop::take(&mut self.realm),
                ManuallyDrop::take(&mut self.context),
                ManuallyDrop::take(&mut self.runtime),
            )
        };
        if self.is_sound {
            // Values go before their context, and that before its runtime.
            drop((handlers, realm, self.scope.show_list.take()));
            self.scope.functions.release();
            drop(context);
            drop(runtime);
        } else {
            forget_all(handlers.into_iter().flatten());
            mem::forget(realm);
            give_up(runtime, context, &self.scope, &self.heap);
        }
    }
}

/// Ends an isolate without QuickJS.
fn give_up(runtime: Runtime, context: Context, scope: &Scope, heap: &Heap) {
    // SAFETY: an isolate's values, context and runtime are its own, and those that are not in its
    // scope or behind its objects were forgotten or never were.
    #[allow(unsafe_code)]
    unsafe {
        abandon(runtime, context, scope, heap);
    }
}

fn reject(thrown: Thrown) -> Verdict {
    Verdict::Reject(thrown.rejection)
}
