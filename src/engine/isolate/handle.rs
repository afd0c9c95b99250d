//! One handler on its isolate: its function is called with what its text names, promises are driven
//! to their end, and what it left is taken over.

use rquickjs::context::EvalOptions;
use rquickjs::function::Args;
use rquickjs::{Ctx, Function, Persistent, Value};

use crate::generation::Step;
use crate::handler::{Kind, Verdict};

use super::super::limits::{PARSER_STACK, STACK};
use super::super::object;
use super::super::script::Script;
use super::super::value;
use super::Isolate;

impl Isolate {
    /// Runs a handler to its end. Gives what it decides; `None` where the next one goes on.
    pub(super) fn handle<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        step: &Step,
    ) -> rquickjs::Result<Option<Verdict>> {
        let function = self.function(ctx, step.handler)?;
        let script = &self.code.scripts[step.handler].script;
        let json = if script.names_json {
            Some(self.scope.json(ctx)?)
        } else {
            None
        };
        let status_before = self.error_status(ctx, step, json.as_ref())?;
        let returned = function.call_arg(self.arguments(ctx, script, json.as_ref())?)?;
        self.fence.reach("settle");
        let returned = self.settle_promises(ctx, returned)?;
        let returned = self.run_main(ctx, returned)?;
        let returned = self.take_over_event(ctx, returned)?;

        let after = match self.scope.with(|state| state.read_json.take()) {
            Some(read) => Some(read.restore(ctx)?.call::<_, Value<'js>>(())?),
            None => None,
        };
        self.scope.leave_lists(ctx)?;
        self.scope.settle(ctx, json.zip(after))?;
        self.take_over_status(ctx, step, status_before.as_ref())?;
        self.fence.reach("verdict");
        self.verdict(ctx, &returned)
    }

    /// What a handler's function is called with: as much of it as its text names.
    fn arguments<'js>(
        &self,
        ctx: &Ctx<'js>,
        script: &Script,
        json: Option<&Value<'js>>,
    ) -> rquickjs::Result<Args<'js>> {
        let mut args = Args::new(ctx.clone(), 3);
        // Elsewhere QuickJS itself puts the global object there.
        if script.is_strict {
            args.this(ctx.globals())?;
        }
        if !(script.names_json || script.writes_json || script.names_module) {
            return Ok(args);
        }
        args.push_arg(json)?;
        if script.writes_json {
            args.push_arg(self.realm.capture.clone().restore(ctx)?)?;
        }
        if script.names_module {
            args.push_arg(self.realm.capture_exports.clone().restore(ctx)?)?;
        }
        Ok(args)
    }

    /// Drives promises to their end and gives the value of an async body.
    pub(super) fn settle_promises<'js>(
        &self,
        ctx: &Ctx<'js>,
        returned: Value<'js>,
    ) -> rquickjs::Result<Value<'js>> {
        while ctx.execute_pending_job() {
            // The interrupt handler sees the time within a job; a loop of short jobs it never sees.
            if self.clock.is_over() || self.heap.refused().is_some() {
                return Err(rquickjs::Exception::throw_internal(ctx, "interrupted"));
            }
        }
        if self.clock.has_stopped() {
            return Err(rquickjs::Exception::throw_internal(ctx, "interrupted"));
        }
        if let Some(reason) = self.scope.with(|state| state.rejected.pop()) {
            return Err(ctx.throw(reason.restore(ctx)?));
        }
        let Some(promise) = returned.as_promise() else {
            return Ok(returned);
        };
        match promise.result::<Value<'js>>() {
            Some(result) => result,
            None => Err(rquickjs::Exception::throw_type(
                ctx,
                "it waits for a promise that nothing will settle",
            )),
        }
    }

    /// The compiled function of a handler, compiled at its first use in this isolate.
    fn function<'js>(&mut self, ctx: &Ctx<'js>, handler: usize) -> rquickjs::Result<Function<'js>> {
        if let Some(known) = &self.handlers[handler] {
            return known.clone().restore(ctx);
        }
        let script = &self.code.scripts[handler].script;
        // A long text takes long, and the handler isn't to blame.
        self.clock.suspend();
        self.fence.reach("compile");
        let compiled = self.compiled(ctx, script);
        self.clock.resume();
        let compiled = compiled?;
        self.handlers[handler] = Some(Persistent::save(ctx, compiled.clone()));
        Ok(compiled)
    }

    /// A handler's function, which nothing it does can change.
    fn compiled<'js>(&self, ctx: &Ctx<'js>, script: &Script) -> rquickjs::Result<Function<'js>> {
        value::need(ctx, COMPILED * script.text.len())?;
        let compiled = compile(ctx, &script.file, &script.text)?;
        let seal = self.realm.seal.clone().restore(ctx)?;
        seal.call::<_, Value<'js>>((compiled.clone(),))?;
        Ok(compiled)
    }

    /// An error handler that writes `json.statusCode` sets the status.
    fn error_status<'js>(
        &self,
        ctx: &Ctx<'js>,
        step: &Step,
        json: Option<&Value<'js>>,
    ) -> rquickjs::Result<Option<Value<'js>>> {
        let Some(json) = json.filter(|json| step.kind == Kind::Error && json.is_object()) else {
            return Ok(None);
        };
        self.realm
            .status_code
            .clone()
            .restore(ctx)?
            .call((json.clone(),))
            .map(Some)
    }

    fn take_over_status<'js>(
        &self,
        ctx: &Ctx<'js>,
        step: &Step,
        before: Option<&Value<'js>>,
    ) -> rquickjs::Result<()> {
        if step.kind != Kind::Error || !self.code.scripts[step.handler].script.names_json {
            return Ok(());
        }
        let body = self.scope.value(ctx)?;
        let after: Value<'js> = self.realm.status_code.clone().restore(ctx)?.call((body,))?;
        let status = after.as_number().filter(|_| before != Some(&after));
        if let Some(status) = status.filter(|it| it.fract() == 0.0 && (200.0..600.0).contains(it)) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number from 200 to 599"
            )]
            let status =
                http::StatusCode::from_u16(status as u16).expect("200 to 599 are statuses");
            self.scope.with(|state| state.call.response.status = status);
        }
        Ok(())
    }
}

/// What compiling takes of a heap, in bytes for each of a text. QuickJS does not survive everywhere
/// in its parser that there is less.
pub(in crate::engine) const COMPILED: usize = 16;

/// Compiles a wrapped text to its function, without running any of it.
pub(in crate::engine) fn compile<'js>(
    ctx: &Ctx<'js>,
    file: &str,
    text: &str,
) -> rquickjs::Result<Function<'js>> {
    compile_within(ctx, STACK, file, text)
}

/// The same, where scripts have used no more than `used` bytes of the stack: a module may be
/// compiled wherever a script has come to require it.
pub(in crate::engine) fn compile_within<'js>(
    ctx: &Ctx<'js>,
    used: usize,
    file: &str,
    text: &str,
) -> rquickjs::Result<Function<'js>> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(file.to_owned());
    object::with_stack(ctx, used + PARSER_STACK, || {
        ctx.eval_with_options(text, options)
    })
}
