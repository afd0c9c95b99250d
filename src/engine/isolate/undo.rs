//! Handlers whose doings may have to be undone: those that may fail, and those that are not
//! allowed to edit.

use rquickjs::{Ctx, Function, Persistent};

use crate::generation::Step;
use crate::handler::{Call, OnError, Phase, Verdict};
use crate::message;

use super::super::scope::{Answer, Body, BodyEdit, State};
use super::Isolate;

impl Isolate {
    /// What a handler that may fail must leave behind as it found it.
    ///
    /// # Errors
    ///
    /// What the handlers before it have edited can't be written.
    pub(super) fn checkpoint(
        &self,
        ctx: &Ctx<'_>,
        step: &Step,
    ) -> rquickjs::Result<Option<Box<Call>>> {
        if !self.may_fail(step) && self.allows_edits(step) {
            return Ok(None);
        }
        self.flush_phase(ctx)?;
        Ok(Some(self.scope.with(snapshot)))
    }

    /// Whether its failure does no harm.
    pub(super) fn may_fail(&self, step: &Step) -> bool {
        self.code.scripts[step.handler].on_error == OnError::Skip
    }

    /// Whether what it makes of request and response counts.
    pub(super) fn allows_edits(&self, step: &Step) -> bool {
        self.code.scripts[step.handler].allows_edits
    }

    /// Takes back what a handler made of request and response that is not allowed to, and says so.
    pub(super) fn withdraw(&self, ctx: &Ctx<'_>, before: &Call, verdict: Option<&Verdict>) {
        // What can't be written is left out as all else.
        if self.flush_phase(ctx).is_err() {
            drop(ctx.catch());
        }
        let after = self.scope.with(snapshot);
        self.scope.with(|state| {
            if verdict.is_some() || state.stops || after.is_edited_since(before) {
                let (transaction, handler) = (&state.call.id, state.name());
                tracing::warn!(%transaction, %handler, "what the handler made of the event was left out: its NAME.json says `allow_event_modification: false`");
            }
            let mut kept = Box::new(before.clone());
            kept.kept = after.kept;
            kept.emitted = after.emitted;
            put_back(state, kept);
        });
    }

    /// Turns what handlers have edited so far into bytes and texts.
    fn flush_phase(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        self.keep(ctx)?;
        match self.scope.with(|state| state.phase) {
            Phase::Request => Ok(()),
            Phase::Response => self.scope.flush(ctx),
        }
    }

    /// Gives the transaction what handlers put aside for later ones, and forgets it here.
    pub(super) fn keep(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        self.tell(ctx, &self.realm.leave)
    }

    /// Drops what handlers put aside since that was last given to the transaction.
    pub(super) fn forget(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        self.tell(ctx, &self.realm.forget)
    }

    /// Calls a function of the prelude's that empties its memory, where there is anything in it.
    fn tell(&self, ctx: &Ctx<'_>, what: &Persistent<Function<'static>>) -> rquickjs::Result<()> {
        if !self.scope.with(|state| state.remembers) {
            return Ok(());
        }
        what.clone().restore(ctx)?.call::<_, ()>(())?;
        self.scope.with(|state| state.remembers = false);
        Ok(())
    }

    pub(super) fn restore(&self, ctx: &Ctx<'_>, before: Box<Call>) {
        if self.forget(ctx).is_err() {
            drop(ctx.catch());
        }
        self.scope.with(|state| put_back(state, before));
    }
}

/// The call as handlers have left it so far; flushed first.
fn snapshot(state: &mut State) -> Box<Call> {
    let mut call = state.call.clone();
    apply(&mut call, state.phase, state.body.edit());
    call
}

/// Goes on with the call as it was.
fn put_back(state: &mut State, before: Box<Call>) {
    let body = match state.phase {
        Phase::Request => &before.request.body,
        Phase::Response => &before.response.body,
    };
    state.body = Body::of(body);
    state.answer = Answer::default();
    state.stops = false;
    state.call = before;
}

/// Puts the body a phase left into its message.
pub(super) fn apply(call: &mut Call, phase: Phase, edit: BodyEdit) {
    let body = match phase {
        Phase::Request => &mut call.request.body,
        Phase::Response => &mut call.response.body,
    };
    match edit {
        BodyEdit::None => {}
        BodyEdit::Removed => *body = message::Body::Edited(message::Pieces::default()),
        BodyEdit::Written(pieces) => *body = message::Body::Edited(pieces),
    }
}
