//! The request, its origin and the event it is: their texts, and what handlers write.

use std::rc::Rc;
use std::sync::Arc;

use http::Method;
use rquickjs::{Ctx, Exception, IntoJs, Object, Persistent, Value};
use serde_json::{Map, Value as Json};

use crate::document::Full;
use crate::engine::argument::TextArgument;
use crate::engine::fence::native;
use crate::engine::host::below;
use crate::engine::scope::allowance::HEAD;
use crate::engine::scope::{Scope, State};
use crate::engine::value;
use crate::handler::Phase;

pub(super) fn offer<'js>(natives: &Object<'js>, scope: &Rc<Scope>) -> rquickjs::Result<()> {
    let of = Rc::clone(scope);
    natives.set("received", native(move |ctx: Ctx<'js>| received(&ctx, &of)))?;
    let of = Rc::clone(scope);
    natives.set(
        "isVerb",
        native(move |ctx: Ctx<'js>, text: Value<'js>| is_verb(&ctx, &of, &text)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "setMethod",
        native(move |ctx: Ctx<'js>, method: TextArgument<'js>| set_method(&ctx, &of, &method)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "setPath",
        native(move |ctx: Ctx<'js>, path: TextArgument<'js>| set_path(&ctx, &of, &path)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "address",
        native(move |ctx: Ctx<'js>, path: TextArgument<'js>| {
            let _charge = value::charged(&ctx, 2 * path.len())?;
            address(&ctx, &of, path.to_owned())
        }),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "requestValue",
        native(move |ctx: Ctx<'js>| of.request_value(&ctx)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "setRequestValue",
        native(move |ctx: Ctx<'js>, new: Value<'js>| of.set_request_value(&ctx, new)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "requestText",
        native(move |ctx: Ctx<'js>| of.request_text(&ctx)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "setRequestText",
        native(move |ctx: Ctx<'js>, new: Value<'js>| of.set_request_text(&ctx, &new)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "stopsPropagation",
        native(move || of.with(|state| state.stops)),
    )?;
    let of = Rc::clone(scope);
    natives.set(
        "stopPropagation",
        native(move |stops: bool| of.with(|state| state.stops = stops)),
    )
}

/// A text of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::scope) enum Word {
    /// The method as the one string that has a `name`.
    Verb,
    Method,
    Path,
    Id,
    Resource,
    ClientAddress,
    Scheme,
    Host,
    Local,
    Prefix,
    ApiVersion,
    MetadataName,
    Service,
    ResourcePath,
    EventName,
    Captures,
    Session,
    Config,
    User,
}

/// The prelude's names for them.
pub(in crate::engine::scope) const WORDS: [(&str, Word); 19] = [
    ("verb", Word::Verb),
    ("method", Word::Method),
    ("path", Word::Path),
    ("id", Word::Id),
    ("resource", Word::Resource),
    ("clientAddress", Word::ClientAddress),
    ("scheme", Word::Scheme),
    ("host", Word::Host),
    ("local", Word::Local),
    ("prefix", Word::Prefix),
    ("apiVersion", Word::ApiVersion),
    ("metadataName", Word::MetadataName),
    ("service", Word::Service),
    ("resourcePath", Word::ResourcePath),
    ("eventName", Word::EventName),
    ("captures", Word::Captures),
    ("session", Word::Session),
    ("config", Word::Config),
    ("user", Word::User),
];

/// What a word stands for in this transaction.
pub(in crate::engine::scope) fn text<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    word: Word,
) -> rquickjs::Result<Value<'js>> {
    if word == Word::Session {
        scope.note_request();
    }
    if word == Word::Verb {
        return verb(ctx, scope);
    }
    scope.with(|state| {
        let call = &state.call;
        let origin = &call.origin;
        match word {
            Word::Verb | Word::Method => call.request.method.as_str().into_js(ctx),
            Word::Path => call.request.path.as_str().into_js(ctx),
            Word::Id => call.id.to_string().into_js(ctx),
            Word::Resource => origin.resource.as_str().into_js(ctx),
            Word::ClientAddress => origin.client.address.to_string().into_js(ctx),
            Word::Scheme => (if origin.client.https { "https" } else { "http" }).into_js(ctx),
            Word::Host => origin.host.as_str().into_js(ctx),
            Word::Local => origin.local.to_string().into_js(ctx),
            Word::Prefix => origin.service.prefix().into_js(ctx),
            Word::ApiVersion => origin.service.api_version().into_js(ctx),
            Word::MetadataName => origin.metadata_name.to_string().into_js(ctx),
            Word::Service => origin.service.name().into_js(ctx),
            Word::ResourcePath => origin.requested.resource().into_js(ctx),
            Word::EventName => {
                let event = state.entry().event.as_ref();
                origin.requested.event_name(event, state.kind).into_js(ctx)
            }
            Word::Captures => captures(state).to_string().into_js(ctx),
            Word::Session => serde_json::to_string(origin.session.values())
                .expect("an object of JSON has a text")
                .into_js(ctx),
            Word::Config => scope.host.config().into_js(ctx),
            Word::User => user(call.request.fields.get_str("authorization")).into_js(ctx),
        }
    })
}

/// The verb: one string for as long as the method is the same, so that it can be told from others of
/// its text.
fn verb<'js>(ctx: &Ctx<'js>, scope: &Scope) -> rquickjs::Result<Value<'js>> {
    let known = scope.with(|state| {
        let method = &state.call.request.method;
        let known = state.verb.as_ref().filter(|(of, _)| of == method);
        known.map(|(_, text)| text.clone())
    });
    if let Some(known) = known {
        return known.restore(ctx);
    }
    let method = scope.with(|state| state.call.request.method.clone());
    let text = method.as_str().into_js(ctx)?;
    let kept = Persistent::save(ctx, text.clone());
    scope.with(|state| state.verb = Some((method, kept)));
    Ok(text)
}

/// Whether a string is the one that [`verb`] gave.
fn is_verb<'js>(ctx: &Ctx<'js>, scope: &Scope, text: &Value<'js>) -> rquickjs::Result<bool> {
    let known = scope.with(|state| state.verb.as_ref().map(|(_, text)| text.clone()));
    // Values are equal where they are one string in memory.
    known.map_or(Ok(false), |known| Ok(known.restore(ctx)? == *text))
}

/// The text that the client sent, `null` where there is none.
fn received<'js>(ctx: &Ctx<'js>, scope: &Scope) -> rquickjs::Result<Value<'js>> {
    match scope.received(ctx)? {
        Some(bytes) => value::give_text(ctx, bytes),
        None => Ok(Value::new_null(ctx.clone())),
    }
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

/// The longest method that a handler may give a request, in bytes.
const MAX_METHOD: usize = 128;

fn set_method(ctx: &Ctx<'_>, scope: &Scope, method: &str) -> rquickjs::Result<()> {
    if method.len() > MAX_METHOD {
        let message = format!("a method has at most {MAX_METHOD} bytes");
        return Err(Exception::throw_range(ctx, &message));
    }
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
fn set_path(ctx: &Ctx<'_>, scope: &Scope, path: &str) -> rquickjs::Result<()> {
    if path.len() > HEAD {
        let message = format!("a path has at most {HEAD} bytes");
        return Err(Exception::throw_range(ctx, &message));
    }
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
    scope
        .charge_target(path.len())
        .map_err(|Full| value::out_of_memory(ctx))?;
    scope.with(|state| {
        if state.phase == Phase::Request {
            state.lists.writes += 1;
            if path.contains('?') {
                state.call.request.set_target(path);
            } else {
                path.clone_into(&mut state.call.request.path);
            }
        }
    });
    Ok(())
}

/// What the parts in braces of the handler's own event and patterns stand for, by part:
/// `{"{id}":"42"}`.
fn captures(state: &State) -> Json {
    let requested = &state.call.origin.requested;
    let entry = state.entry();
    requested
        .captures(entry.event.as_ref(), &entry.matches)
        .into_iter()
        .map(|capture| (capture.name, Json::String(capture.value)))
        .collect::<Map<_, _>>()
        .into()
}

/// The address of a path that begins with a service's name, as DF writes them; any other as it is.
fn address(ctx: &Ctx<'_>, scope: &Scope, path: String) -> rquickjs::Result<String> {
    let (first, rest) = path
        .find(['/', '?'])
        .map_or((path.as_str(), ""), |at| path.split_at(at));
    let service = scope.with(|state| {
        let services = &state.call.origin.requested.services;
        services.named(first).map(Arc::clone)
    });
    match service {
        Some(service) => {
            below(&service, rest).map_err(|message| Exception::throw_type(ctx, &message))
        }
        None => Ok(path),
    }
}
