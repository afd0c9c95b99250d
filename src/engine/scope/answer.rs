//! The answer that a request handler writes instead of asking the upstream, and the output it
//! leaves for the case that the upstream has none.

use http::{HeaderValue, header};
use rquickjs::{Ctx, Persistent, Value};

use crate::engine::abandon::forget_all;
use crate::engine::value::{self, OpenError};
use crate::handler::{Fallback, Phase};
use crate::message;

use super::Scope;
use super::body::{Body, Spelling, written};

/// What the handlers of a request phase have written of a response.
#[derive(Default)]
pub(in crate::engine) struct Answer {
    /// Whether they have answered at all: a status is enough.
    is_given: bool,
    /// Whether they gave a status, be it for an answer or for an output.
    has_status: bool,
    body: Option<(Persistent<Value<'static>>, Spelling)>,
    /// `g.res.output`
    output: Option<Persistent<Value<'static>>>,
}

impl Answer {
    /// Forgets its values, of an isolate that nobody frees.
    pub(super) fn abandon(self) {
        forget_all(self.body.map(|(body, _)| body));
        forget_all(self.output);
    }

    pub(super) fn write(&mut self, body: Persistent<Value<'static>>, spelling: Spelling) {
        self.is_given = true;
        self.body = Some((body, spelling));
    }

    /// A status was set: it answers, or waits for an output to go with.
    pub(super) fn note_status(&mut self, answers: bool) {
        self.is_given |= answers;
        self.has_status = true;
    }

    pub(in crate::engine) fn is_given(&self) -> bool {
        self.is_given
    }

    pub(super) fn has_status(&self) -> bool {
        self.has_status
    }
}

impl Scope {
    /// What `res.body` and `event.response.content` show.
    pub(super) fn response_body<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        if self.with(|state| state.phase) == Phase::Response {
            return self.value(ctx);
        }
        match self.with(|state| state.answer.body.clone()) {
            Some((body, _)) => body.restore(ctx),
            None => Ok(Value::new_undefined(ctx.clone())),
        }
    }

    /// What `g.res.output` shows.
    pub(super) fn output<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        if self.with(|state| state.phase) == Phase::Response {
            return self.value(ctx);
        }
        let (known, left) = self.with(|state| {
            let left = state.call.fallback.as_ref().map(|it| it.body.clone());
            (state.answer.output.clone(), left)
        });
        match (known, left) {
            (Some(known), _) => known.restore(ctx),
            (None, Some(left)) => {
                let left = value::joined(ctx, left)?;
                match value::open(ctx, left.clone()) {
                    Ok(opened) => Ok(opened),
                    Err(OpenError::Parse(_)) => value::give_text(ctx, left),
                    Err(OpenError::Engine(error)) => Err(error),
                }
            }
            (None, None) => Ok(Value::new_undefined(ctx.clone())),
        }
    }

    pub(super) fn set_output<'js>(&self, ctx: &Ctx<'js>, output: Value<'js>) {
        if self.with(|state| state.phase) == Phase::Response {
            return self.replace(ctx, output, Spelling::ByType);
        }
        let kept = Persistent::save(ctx, output);
        self.with(|state| state.answer.output = Some(kept));
    }

    /// Ends a request handler: its output goes with the transaction.
    pub(super) fn settle_output(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let Some(output) = self.with(|state| state.answer.output.clone()) else {
            return Ok(());
        };
        let written = written(ctx, &output.restore(ctx)?, self.says_json())?;
        let fallback = written.map(|written| Fallback {
            usual_type: written.usual_type(),
            body: written.pieces,
        });
        self.with(|state| state.call.fallback = fallback);
        Ok(())
    }

    /// Makes the response the answer that was written.
    pub(in crate::engine) fn finish_answer(&self, ctx: &Ctx<'_>) -> rquickjs::Result<()> {
        let body = self.with(|state| {
            let output = state.answer.output.take();
            let output = output.map(|output| (output, Spelling::ByType));
            state.answer.body.take().or(output)
        });
        match body {
            Some((body, spelling)) => self.answer_with(ctx, &body.restore(ctx)?, spelling),
            None => Ok(()),
        }
    }

    /// Makes `body` the response's. An answer without a content type gets the usual one.
    pub(in crate::engine) fn answer_with<'js>(
        &self,
        ctx: &Ctx<'js>,
        body: &Value<'js>,
        spelling: Spelling,
    ) -> rquickjs::Result<()> {
        let written = written(ctx, body, spelling == Spelling::ByType && self.says_json())?;
        self.with(|state| {
            // What stands in the response phase's body slot is overtaken by the answer.
            if state.phase == Phase::Response {
                state.body = Body::of(&message::Body::Empty);
            }
            let response = &mut state.call.response;
            let Some(written) = written else {
                response.body = message::Body::Empty;
                return;
            };
            if !response.fields.contains(header::CONTENT_TYPE) {
                let usual = HeaderValue::from_static(written.usual_type());
                response.fields.insert(header::CONTENT_TYPE, usual);
            }
            response.body = message::Body::Edited(written.pieces);
        });
        Ok(())
    }
}
