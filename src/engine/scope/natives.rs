//! What the prelude is made of: small functions of the transaction, none of which a
//! handler can reach by itself.

use std::rc::Rc;

use http::Method;
use rquickjs::function::Func;
use rquickjs::{Ctx, Exception, Function, IntoJs, Object, Persistent, Value};
use tracing::Level;

use crate::handler::Phase;
use crate::message;

use super::{Scope, UNREAD};
use crate::engine::limits::LOG_LINE;

/// Builds the natives, save the views.
pub(super) fn build<'js>(ctx: &Ctx<'js>, scope: &Rc<Scope>) -> rquickjs::Result<Object<'js>> {
    let natives = Object::new(ctx.clone())?;

    let of = Rc::clone(scope);
    natives.set(
        "text",
        Func::from(move |ctx: Ctx<'js>, name: String| text(&ctx, &of, &name)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "setMethod",
        Func::from(move |ctx: Ctx<'js>, method: String| set_method(&ctx, &of, &method)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "setPath",
        Func::from(move |ctx: Ctx<'js>, path: String| set_path(&ctx, &of, path)),
    )?;

    let of = Rc::clone(scope);
    natives.set("status", Func::from(move || of.status()))?;
    let of = Rc::clone(scope);
    natives.set(
        "setStatus",
        Func::from(move |ctx: Ctx<'js>, status: f64| set_status(&ctx, &of, status)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "responseBody",
        Func::from(move |ctx: Ctx<'js>| of.response_body(&ctx)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "setResponseBody",
        Func::from(move |ctx: Ctx<'js>, body: Value<'js>| of.replace(&ctx, body)),
    )?;

    let of = Rc::clone(scope);
    natives.set(
        "capture",
        Func::from(move |ctx: Ctx<'js>, read: Function<'js>| {
            let kept = Persistent::save(&ctx, read);
            of.with(|state| state.read_json = Some(kept));
        }),
    )?;

    let of = Rc::clone(scope);
    natives.set(
        "log",
        Func::from(move |level: String, text: String| log(&of, &level, &text)),
    )?;
    natives.set("logs", Func::from(|level: String| logs(&level)))?;

    let of = Rc::clone(scope);
    natives.set("kept", Func::from(move || kept(&of)))?;
    let of = Rc::clone(scope);
    natives.set(
        "keep",
        Func::from(move |text: String| {
            of.with(|state| state.call.kept.user_properties = Some(text));
        }),
    )?;

    let of = Rc::clone(scope);
    natives.set(
        "getResource",
        Func::from(move |ctx: Ctx<'js>, name: String, settings: String| {
            of.host.get_resource(&ctx, &of, &name, &settings)
        }),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "call",
        Func::from(
            move |ctx: Ctx<'js>,
                  method: String,
                  url: String,
                  parameters: String,
                  headers: String,
                  body: String| {
                of.host
                    .call(&ctx, &of, &method, &url, &parameters, &headers, body)
            },
        ),
    )?;

    let of = Rc::clone(scope);
    natives.set(
        "suspendClock",
        Func::from(move || of.host.clock.suspend(of.with(|state| state.call.deadline))),
    )?;
    let of = Rc::clone(scope);
    natives.set("resumeClock", Func::from(move || of.host.clock.resume()))?;
    let of = Rc::clone(scope);
    natives.set(
        "library",
        Func::from(move |ctx: Ctx<'js>, name: String, from: Option<String>| {
            of.library.open(&ctx, &name, from.as_deref())
        }),
    )?;
    Ok(natives)
}

/// One text of the request. The names are the prelude's.
fn text<'js>(ctx: &Ctx<'js>, scope: &Scope, name: &str) -> rquickjs::Result<Value<'js>> {
    scope.with(|state| {
        let call = &state.call;
        let origin = &call.origin;
        match name {
            "method" => call.request.method.as_str().into_js(ctx),
            "path" => call.request.path.as_str().into_js(ctx),
            "id" => call.id.to_string().into_js(ctx),
            "received" => match &call.received {
                Some(bytes) => String::from_utf8_lossy(bytes).into_owned().into_js(ctx),
                None if call.request.body == message::Body::Streamed => {
                    Err(Exception::throw_type(ctx, UNREAD))
                }
                None => Ok(Value::new_null(ctx.clone())),
            },
            "resource" => origin.resource.as_str().into_js(ctx),
            "clientAddress" => origin.client.address.to_string().into_js(ctx),
            "scheme" => (if origin.client.https { "https" } else { "http" }).into_js(ctx),
            "host" => origin.host.as_str().into_js(ctx),
            "local" => origin.local.to_string().into_js(ctx),
            "prefix" => origin.service.prefix().into_js(ctx),
            "apiVersion" => origin.service.api_version().into_js(ctx),
            "metadataName" => origin.metadata_name.to_string().into_js(ctx),
            "user" => user(call.request.fields.get_str("authorization")).into_js(ctx),
            other => Err(Exception::throw_type(
                ctx,
                &format!("the request has no text {other:?}"),
            )),
        }
    })
}

/// The user's name of HTTP's basic authentication (RFC 7617), empty where there is none.
fn user(authorization: Option<&str>) -> String {
    use base64::Engine as _;
    let decoded = authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, token)| {
            base64::engine::general_purpose::STANDARD
                .decode(token.trim())
                .ok()
        });
    let text = decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    text.split(':').next().unwrap_or("").to_owned()
}

fn set_method(ctx: &Ctx<'_>, scope: &Scope, method: &str) -> rquickjs::Result<()> {
    let parsed = Method::from_bytes(method.as_bytes())
        .map_err(|_| Exception::throw_type(ctx, &format!("{method:?} is no method")))?;
    scope.with(|state| {
        if state.phase == Phase::Request {
            state.call.request.method = parsed;
        }
    });
    Ok(())
}

/// Takes a path, with a query or without. Without one the query stays.
fn set_path(ctx: &Ctx<'_>, scope: &Scope, path: String) -> rquickjs::Result<()> {
    let is_sendable = path.starts_with('/')
        && path
            .bytes()
            .all(|byte| byte > b' ' && byte != 0x7f && byte != b'#');
    if !is_sendable {
        return Err(Exception::throw_type(
            ctx,
            &format!(
                "{path:?} is no path: it begins with `/` and has no blanks, control characters or `#`"
            ),
        ));
    }
    scope.with(|state| {
        if state.phase == Phase::Request {
            if path.contains('?') {
                state.call.request.set_target(&path);
            } else {
                state.call.request.path = path;
            }
        }
    });
    Ok(())
}

fn set_status(ctx: &Ctx<'_>, scope: &Scope, status: f64) -> rquickjs::Result<()> {
    let is_whole = status.fract() == 0.0 && (0.0..=999.0).contains(&status);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 999"
    )]
    let whole = if is_whole { status as u16 } else { 0 };
    scope
        .set_status(whole)
        .map_err(|message| Exception::throw_range(ctx, &message))
}

fn kept(scope: &Scope) -> String {
    scope.with(|state| {
        state
            .call
            .kept
            .user_properties
            .clone()
            .unwrap_or_else(|| "{}".to_owned())
    })
}

/// Writes a text to the log, cut where it is too long.
fn log(scope: &Scope, level: &str, text: &str) {
    let cut = (0..=LOG_LINE.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let text = &text[..cut];
    scope.with(|state| {
        let (transaction, handler) = (&state.call.id, &state.name);
        match level {
            "error" => tracing::error!(target: "script", %transaction, %handler, "{text}"),
            "warn" => tracing::warn!(target: "script", %transaction, %handler, "{text}"),
            "info" => tracing::info!(target: "script", %transaction, %handler, "{text}"),
            "debug" => tracing::debug!(target: "script", %transaction, %handler, "{text}"),
            _ => tracing::trace!(target: "script", %transaction, %handler, "{text}"),
        }
    });
}

fn logs(level: &str) -> bool {
    match level {
        "error" => tracing::enabled!(target: "script", Level::ERROR),
        "warn" => tracing::enabled!(target: "script", Level::WARN),
        "info" => tracing::enabled!(target: "script", Level::INFO),
        "debug" => tracing::enabled!(target: "script", Level::DEBUG),
        _ => tracing::enabled!(target: "script", Level::TRACE),
    }
}
