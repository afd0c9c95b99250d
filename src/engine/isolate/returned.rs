//! What a handler's end means where it threw nothing: what it exported is called, what it returned
//! answers, and so does what it wrote of a response.

use rquickjs::{Ctx, Value};

use crate::handler::{Answer, Phase, Verdict};

use super::super::scope::Spelling;
use super::Isolate;

impl Isolate {
    /// What a handler that came to its end decides.
    pub(super) fn verdict<'js>(
        &self,
        ctx: &Ctx<'js>,
        returned: &Value<'js>,
    ) -> rquickjs::Result<Option<Verdict>> {
        if !returned.is_null() && !returned.is_undefined() {
            self.scope.answer_with(ctx, returned, Spelling::ByType)?;
            return Ok(Some(Verdict::Answer(Answer::Final)));
        }
        let is_open_answer = self
            .scope
            .with(|state| state.phase == Phase::Request && state.answer.is_given());
        if !is_open_answer {
            return Ok(None);
        }
        self.scope.finish_answer(ctx)?;
        Ok(Some(Verdict::Answer(Answer::Open)))
    }

    /// Takes over the members of DF's event, where that is what a handler returned; anything
    /// else is the value it answers with.
    pub(super) fn take_over_event<'js>(
        &self,
        ctx: &Ctx<'js>,
        returned: Value<'js>,
    ) -> rquickjs::Result<Value<'js>> {
        if !returned.is_object() {
            return Ok(returned);
        }
        let is_event = self.realm.is_event.clone().restore(ctx)?;
        Ok(if is_event.call((returned.clone(),))? {
            Value::new_undefined(ctx.clone())
        } else {
            returned
        })
    }

    /// Calls the function that a handler exported, where it did and returned nothing by itself.
    /// Gives what either returned.
    pub(super) fn run_main<'js>(
        &self,
        ctx: &Ctx<'js>,
        returned: Value<'js>,
    ) -> rquickjs::Result<Value<'js>> {
        let Some(read) = self.scope.with(|state| state.read_exports.take()) else {
            return Ok(returned);
        };
        let exported: Value<'js> = read.restore(ctx)?.call(())?;
        if !exported.is_function() || !(returned.is_null() || returned.is_undefined()) {
            return Ok(returned);
        }
        let main = self.realm.main.clone().restore(ctx)?;
        let returned = main.call((exported,))?;
        self.settle_promises(ctx, returned)
    }
}
