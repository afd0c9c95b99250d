//! What handlers reach beside their transaction: calls, modules, the store, secrets, events, the
//! log, and what they keep for one another.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rquickjs::{Ctx, Exception, Function, Object, Persistent, String as Text, Value};
use tracing::Level;

use crate::engine::argument::TextArgument;
use crate::engine::fence::native;
use crate::engine::host::CallHead;
use crate::engine::scope::allowance::check_kept;
use crate::engine::scope::{Scope, State};
use crate::engine::value;
use crate::handler::{Audience, Event};

pub(super) fn offer<'js>(natives: &Object<'js>, scope: &Rc<Scope>) -> rquickjs::Result<()> {
    offer_calls(natives, scope)?;
    offer_shared(natives, scope)?;

    let of = Rc::clone(scope);
    natives.set(
        "log",
        native(move |level: TextArgument<'js>, text: TextArgument<'js>| log(&of, &level, &text)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "unknownWrite",
        native(move |what: TextArgument<'js>| of.warn_of_write(&what)),
    )?;
    natives.set("logs", native(|level: String| logs(&level)))?;
    let of = Rc::clone(scope);
    natives.set(
        "capture",
        native(move |ctx: Ctx<'js>, read: Function<'js>| {
            let kept = Persistent::save(&ctx, read);
            of.with(|state| state.read_json = Some(kept));
        }),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "captureExports",
        native(move |ctx: Ctx<'js>, read: Function<'js>| {
            let kept = Persistent::save(&ctx, read);
            of.with(|state| state.read_exports = Some(kept));
        }),
    )
}

/// What becomes of a name or an address while a call is addressed, for each of its bytes: escaped,
/// joined, and in parts.
const ADDRESS: usize = 16;

fn offer_calls<'js>(natives: &Object<'js>, scope: &Rc<Scope>) -> rquickjs::Result<()> {
    let of = Rc::clone(scope);
    natives.set(
        "getResource",
        native(
            move |ctx: Ctx<'js>, name: TextArgument<'js>, settings: TextArgument<'js>| {
                let _charge = value::charged(&ctx, ADDRESS * name.len())?;
                of.host.get_resource(&ctx, &of, &name, &settings)
            },
        ),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "call",
        native(
            move |ctx: Ctx<'js>,
                  method: TextArgument<'js>,
                  url: TextArgument<'js>,
                  parameters: TextArgument<'js>,
                  headers: TextArgument<'js>,
                  body: TextArgument<'js>,
                  timeout: f64| {
                let _charge = value::charged(&ctx, ADDRESS * (url.len() + parameters.len()))?;
                let call = CallHead::read(&ctx, &of, &method, &headers, timeout)?;
                of.host.call(&ctx, &of, call, &url, &parameters, &body)
            },
        ),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "fetch",
        native(
            move |ctx: Ctx<'js>,
                  method: TextArgument<'js>,
                  url: TextArgument<'js>,
                  headers: TextArgument<'js>,
                  body: Value<'js>,
                  timeout: f64| {
                let _charge = value::charged(&ctx, ADDRESS * url.len())?;
                let call = CallHead::read(&ctx, &of, &method, &headers, timeout)?;
                of.host.fetch(&ctx, &of, &call, &url, body)
            },
        ),
    )?;
    let of = Rc::clone(scope);
    natives.set("suspendClock", native(move || of.host.clock.suspend()))?;
    let of = Rc::clone(scope);
    natives.set("resumeClock", native(move || of.host.clock.resume()))?;
    let of = Rc::clone(scope);
    natives.set(
        "library",
        native(
            move |ctx: Ctx<'js>, name: TextArgument<'js>, from: Option<TextArgument<'js>>| {
                let _charge = value::charged(&ctx, ADDRESS * name.len())?;
                of.library.open(&ctx, &name, from.as_deref())
            },
        ),
    )
}

fn offer_shared<'js>(natives: &Object<'js>, scope: &Rc<Scope>) -> rquickjs::Result<()> {
    let of = Rc::clone(scope);
    natives.set("kept", native(move |name: String| kept(&of, &name)))?;
    let of = Rc::clone(scope);
    natives.set(
        "remembers",
        native(move || of.with(|state| state.remembers = true)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "keep",
        native(
            move |ctx: Ctx<'js>, name: TextArgument<'js>, text: TextArgument<'js>| {
                keep(&ctx, &of, &name, &text)
            },
        ),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "storeGet",
        native(move |ctx: Ctx<'js>, key: TextArgument<'js>| {
            let found = of.store.get(&key);
            found.map(|text| Text::from_str(ctx, &text)).transpose()
        }),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "storeSet",
        native(
            move |ctx: Ctx<'js>,
                  key: TextArgument<'js>,
                  text: TextArgument<'js>,
                  seconds: Option<f64>| {
                let _charge = value::charged(&ctx, key.len() + text.len())?;
                let lasts = seconds
                    .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(FOREVER))
                    .map(|lasts| lasts.min(FOREVER));
                of.store.set(&key, Arc::from(&*text), lasts);
                Ok::<_, rquickjs::Error>(())
            },
        ),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "storeDelete",
        native(move |key: TextArgument<'js>| of.store.del(&key)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "secret",
        native(move |ctx: Ctx<'js>, name: TextArgument<'js>| secret(&ctx, &of, &name)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "emit",
        native(
            move |ctx: Ctx<'js>,
                  audience: TextArgument<'js>,
                  name: TextArgument<'js>,
                  data: TextArgument<'js>| {
                let _charge = value::charged(&ctx, name.len() + data.len())?;
                emit(&of, &audience, &name, &data);
                Ok::<_, rquickjs::Error>(())
            },
        ),
    )
}

/// The longest that a value is asked to be kept: a deadline that far off is none.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What handlers kept under a name of the prelude's, one JSON object.
fn kept(scope: &Scope, name: &str) -> String {
    scope.with(|state| {
        let kept = &state.call.kept;
        let text = if name == SHARED {
            &kept.shared
        } else {
            &kept.user_properties
        };
        text.clone().unwrap_or_else(|| "{}".to_owned())
    })
}

fn keep(ctx: &Ctx<'_>, scope: &Scope, name: &str, text: &str) -> rquickjs::Result<()> {
    check_kept(ctx, name, text)?;
    let _charge = value::charged(ctx, text.len())?;
    let text = text.to_owned();
    scope.with(|state| {
        let kept = &mut state.call.kept;
        if name == SHARED {
            kept.shared = Some(text);
        } else {
            kept.user_properties = Some(text);
        }
    });
    Ok(())
}

/// The prelude's name for `g.shared`; the other one is `userProperties`.
const SHARED: &str = "shared";

fn secret(ctx: &Ctx<'_>, scope: &Scope, name: &str) -> rquickjs::Result<String> {
    let secret = scope.host.secrets().expose(name);
    secret.map(ToString::to_string).ok_or_else(|| {
        Exception::throw_type(
            ctx,
            &format!("there is no secret {name:?}; list it in [secrets]"),
        )
    })
}

fn emit(scope: &Scope, audience: &str, name: &str, data: &str) {
    let audience = if audience == "feed" {
        Audience::Feed
    } else {
        Audience::Listeners
    };
    let event = Event {
        audience,
        name: Arc::from(name),
        data: Arc::from(data),
    };
    if !scope.with(|state| state.call.emitted.push(event)) {
        scope.warn("an event was dropped: it is too long, or the transaction has emitted too many");
    }
}

/// Writes a text to the log, as much of it as is allowed.
fn log(scope: &Scope, level: &str, text: &str) {
    let write = |state: &State, text: &str| {
        let (transaction, handler) = (&state.call.id, state.name());
        match level {
            "error" => tracing::error!(target: "script", %transaction, %handler, "{text}"),
            "warn" => tracing::warn!(target: "script", %transaction, %handler, "{text}"),
            "info" => tracing::info!(target: "script", %transaction, %handler, "{text}"),
            "debug" => tracing::debug!(target: "script", %transaction, %handler, "{text}"),
            _ => tracing::trace!(target: "script", %transaction, %handler, "{text}"),
        }
    };
    scope.with(|state| state.tell(text, write));
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
