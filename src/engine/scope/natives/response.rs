//! The response: its status and its body.

use std::rc::Rc;

use rquickjs::{Ctx, Exception, Object, Value};

use crate::engine::fence::native;
use crate::engine::scope::{Scope, Spelling};
use crate::handler::Phase;

pub(super) fn offer<'js>(natives: &Object<'js>, scope: &Rc<Scope>) -> rquickjs::Result<()> {
    let of = Rc::clone(scope);
    natives.set("status", native(move || of.status()))?;
    let of = Rc::clone(scope);
    natives.set(
        "setStatus",
        native(move |ctx: Ctx<'js>, status: f64, answers: bool| {
            set_status(&ctx, &of, status, answers)
        }),
    )?;
    let of = Rc::clone(scope);
    natives.set("hasResponse", native(move || has_response(&of)))?;
    let of = Rc::clone(scope);
    natives.set(
        "responseBody",
        native(move |ctx: Ctx<'js>| of.response_body(&ctx)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "setResponseBody",
        native(move |ctx: Ctx<'js>, body: Value<'js>, as_it_stands: bool| {
            let spelling = if as_it_stands {
                Spelling::AsItStands
            } else {
                Spelling::ByType
            };
            of.replace(&ctx, body, spelling);
        }),
    )?;
    let of = Rc::clone(scope);
    natives.set("output", native(move |ctx: Ctx<'js>| of.output(&ctx)))?;
    let of = Rc::clone(scope);
    natives.set(
        "setOutput",
        native(move |ctx: Ctx<'js>, output: Value<'js>| of.set_output(&ctx, output)),
    )
}

/// Whether there is a response to be seen: in the request phase only an answer.
fn has_response(scope: &Scope) -> bool {
    scope.with(|state| state.phase == Phase::Response || state.answer.is_given())
}

fn set_status(ctx: &Ctx<'_>, scope: &Scope, status: f64, answers: bool) -> rquickjs::Result<()> {
    let is_whole = status.fract() == 0.0 && (0.0..=999.0).contains(&status);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 999"
    )]
    let whole = if is_whole { status as u16 } else { 0 };
    scope
        .set_status(whole, answers)
        .map_err(|message| Exception::throw_range(ctx, &message))
}
