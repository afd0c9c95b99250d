//! What a thrown value says.
//!
//! Looks at it as the script's own code would, within the handler's limits: a getter or a Proxy
//! may do anything.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use rquickjs::{Array, Coerced, Ctx, FromJs, Object, Value};

use crate::document::Full;
use crate::engine::argument::{CoercedText, TextArgument};
use crate::engine::realm::Realm;
use crate::engine::scope::allowance::check_size;
use crate::engine::scope::{Scope, written};
use crate::engine::script::Places;
use crate::engine::{object, value};
use crate::handler::{Cause, Content, Fault, Message, Phase, Rejection};
use crate::message::framing::is_ours;

use super::{Thrown, failed};

/// Errors that no script throws on purpose.
const MISTAKES: [&str; 8] = [
    "TypeError",
    "RangeError",
    "ReferenceError",
    "SyntaxError",
    "EvalError",
    "URIError",
    "AggregateError",
    "InternalError",
];

/// What `thrown` means: a text, an array or an object is a rejection on purpose, a mistake
/// of the language or a failed call isn't.
///
/// # Errors
///
/// What looking at it throws.
pub(super) fn of<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    realm: &Realm,
    thrown: &Value<'js>,
    places: &Places,
) -> rquickjs::Result<Thrown> {
    if thrown.is_string() {
        let text = text(ctx, scope, thrown)?;
        return Ok(on_purpose(StatusCode::BAD_REQUEST, message(text)));
    }
    let Some(object) = thrown.as_object().filter(|_| !thrown.is_function()) else {
        let text = text(ctx, scope, thrown)?;
        let text = format!("threw {text}, which is no string, Error or object");
        return Ok(failure(scope, Cause::Thrown, &text, String::new()));
    };
    if thrown.is_error()
        && let Some(status) = realm.failed_call(ctx, object)?
    {
        let stack = stack(ctx, scope, object, places)?;
        let text = text(ctx, scope, &object.get("message")?)?;
        let mut thrown = failure(scope, Cause::Host, &text, stack);
        thrown.rejection.status = status;
        thrown.rejection.fault = Fault::Host;
        return Ok(thrown);
    }
    if is_mistake(ctx, object)? {
        return mistake(ctx, scope, object, places);
    }
    match object.as_array() {
        Some(errors) => array(ctx, scope, errors),
        None => deliberate(ctx, scope, object),
    }
}

fn is_mistake<'js>(ctx: &Ctx<'js>, thrown: &Object<'js>) -> rquickjs::Result<bool> {
    let globals = ctx.globals();
    // One look spares most rejections, which are objects of the script's own, all others.
    if !object::is_instance(ctx, thrown, &globals.get("Error")?)? {
        return Ok(false);
    }
    for name in MISTAKES {
        if object::is_instance(ctx, thrown, &globals.get(name)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn mistake<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    error: &Object<'js>,
    places: &Places,
) -> rquickjs::Result<Thrown> {
    let name = beginning(ctx, scope, &error.get("name")?)?;
    let message = beginning(ctx, scope, &error.get("message")?)?;
    let stack = stack(ctx, scope, error, places)?;
    let said = format!("{name}: {message}");
    if name == "SyntaxError" && client_text_is_broken(ctx, scope) {
        let mut thrown = failure(scope, Cause::ClientText, &said, stack);
        thrown.rejection.status = StatusCode::BAD_REQUEST;
        thrown.rejection.fault = Fault::Client;
        return Ok(thrown);
    }
    Ok(failure(scope, Cause::Error, &hint(said), stack))
}

fn stack<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    error: &Object<'js>,
    places: &Places,
) -> rquickjs::Result<String> {
    let stack: Value<'js> = error.get("stack")?;
    if stack.is_null() || stack.is_undefined() {
        return Ok(String::new());
    }
    Ok(places.correct(&text(ctx, scope, &stack)?))
}

fn failure(scope: &Scope, cause: Cause, text: &str, stack: String) -> Thrown {
    let handler = scope.with(|state| state.name().clone());
    failed(handler, cause, text, Places::first(&stack), stack)
}

fn on_purpose(status: StatusCode, content: Content) -> Thrown {
    Thrown {
        rejection: Rejection {
            status,
            content,
            fault: Fault::Handler,
        },
        failure: None,
        spoils_isolate: false,
    }
}

fn message(text: String) -> Content {
    Content::Message(Message {
        text,
        code: None,
        errors: None,
    })
}

/// An array of errors: the first one counts, the client gets all.
fn array<'js>(ctx: &Ctx<'js>, scope: &Scope, errors: &Array<'js>) -> rquickjs::Result<Thrown> {
    let first: Value<'js> = errors.get(0)?;
    let (status, text) = match first.as_object() {
        Some(first) => (
            whole_status(ctx, first, "code")?,
            message_of(ctx, scope, first)?,
        ),
        None => (None, String::new()),
    };
    let content = Content::Message(Message {
        text,
        code: None,
        errors: json(ctx, scope, errors.as_value())?,
    });
    Ok(on_purpose(
        status.unwrap_or(StatusCode::BAD_REQUEST),
        content,
    ))
}

/// A rejection on purpose: a message, or a body of the handler's own.
fn deliberate<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    thrown: &Object<'js>,
) -> rquickjs::Result<Thrown> {
    let status = status_of(ctx, thrown)?;
    if object::has_own(ctx, thrown, "body")? {
        return Ok(on_purpose(status, own_content(ctx, scope, thrown)?));
    }
    let text = message_of(ctx, scope, thrown)?;
    let code = if object::has_own(ctx, thrown, "code")? {
        json(ctx, scope, &thrown.get("code")?)?
    } else {
        None
    };
    let content = Content::Message(Message {
        text,
        code,
        errors: None,
    });
    Ok(on_purpose(status, content))
}

/// The first of an object's words for a status that is one.
fn status_of<'js>(ctx: &Ctx<'js>, thrown: &Object<'js>) -> rquickjs::Result<StatusCode> {
    for name in ["status", "statusCode", "status_code", "code"] {
        if let Some(status) = whole_status(ctx, thrown, name)? {
            return Ok(status);
        }
    }
    Ok(StatusCode::BAD_REQUEST)
}

/// A whole number from 400 to 599, or its text.
fn whole_status<'js>(
    ctx: &Ctx<'js>,
    thrown: &Object<'js>,
    name: &str,
) -> rquickjs::Result<Option<StatusCode>> {
    let told: Value<'js> = thrown.get(name)?;
    let number = match told.as_string() {
        Some(text)
            if TextArgument::from_js(ctx, text.clone().into_value())?
                .trim()
                .is_empty() =>
        {
            None
        }
        Some(_) => Some(Coerced::<f64>::from_js(ctx, told)?.0),
        None => told.as_number(),
    };
    let number = number.filter(|it| it.fract() == 0.0 && (400.0..600.0).contains(it));
    Ok(number.map(|number| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 400 to 599"
        )]
        let status = number as u16;
        StatusCode::from_u16(status).expect("400 to 599 are statuses")
    }))
}

fn message_of<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    thrown: &Object<'js>,
) -> rquickjs::Result<String> {
    for name in ["message", "errorMessage"] {
        let told: Value<'js> = thrown.get(name)?;
        if !told.is_null() && !told.is_undefined() {
            return text(ctx, scope, &told);
        }
    }
    Ok(String::new())
}

/// `String(value)`, which is the heap's until the phase ends.
fn text<'js>(ctx: &Ctx<'js>, scope: &Scope, value: &Value<'js>) -> rquickjs::Result<String> {
    if let Some(symbol) = value.as_symbol() {
        let description = symbol.description()?;
        if description.is_undefined() {
            return Ok("Symbol()".to_owned());
        }
        let description = beginning(ctx, scope, &description)?;
        return Ok(format!("Symbol({description})"));
    }
    let text = CoercedText::from_js(ctx, value.clone())?;
    charge(ctx, scope, text.len())?;
    Ok(text.to_owned())
}

/// As much of `String(value)` as the log has.
fn beginning<'js>(ctx: &Ctx<'js>, scope: &Scope, value: &Value<'js>) -> rquickjs::Result<String> {
    if value.is_symbol() {
        return text(ctx, scope, value);
    }
    let text = CoercedText::from_js(ctx, value.clone())?;
    Ok(super::cut(&text))
}

/// Takes memory for what a handler throws, until the phase ends.
fn charge(ctx: &Ctx<'_>, scope: &Scope, bytes: usize) -> rquickjs::Result<()> {
    let charged = scope.with(|state| state.allowance.thrown.grow(bytes));
    charged.map_err(|Full| value::out_of_memory(ctx))
}

fn json<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    value: &Value<'js>,
) -> rquickjs::Result<Option<String>> {
    let Some(written) = value::write(ctx, value)? else {
        return Ok(None);
    };
    charge(ctx, scope, written.len())?;
    let mut text = Vec::with_capacity(written.len());
    written
        .iter()
        .for_each(|piece| text.extend_from_slice(piece));
    Ok(Some(
        String::from_utf8(text).expect("JSON is written as UTF-8"),
    ))
}

/// `body` and `headers` of a thrown object.
fn own_content<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    thrown: &Object<'js>,
) -> rquickjs::Result<Content> {
    let mut fields = own_fields(ctx, scope, &thrown.get("headers")?)?;
    let declared = fields
        .iter()
        .find(|(name, _)| *name == header::CONTENT_TYPE)
        .map(|(_, value)| value);
    let is_json =
        declared.is_some_and(|value| String::from_utf8_lossy(value.as_bytes()).contains("json"));
    let body: Value<'js> = thrown.get("body")?;
    let written = written(ctx, &body, is_json)?;
    if declared.is_none() {
        let is_text = written.as_ref().is_some_and(|written| written.is_text);
        let usual = if is_text {
            "text/plain; charset=utf-8"
        } else {
            "application/json"
        };
        fields.push((header::CONTENT_TYPE, HeaderValue::from_static(usual)));
    }
    Ok(Content::Own {
        fields,
        body: match written {
            Some(written) => value::joined(ctx, written.pieces)?,
            None => Bytes::new(),
        },
    })
}

/// The fields of `headers`, those that frame the message left out.
fn own_fields<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    headers: &Value<'js>,
) -> rquickjs::Result<Vec<(HeaderName, HeaderValue)>> {
    let mut fields = Vec::new();
    if headers.is_null() || headers.is_undefined() {
        return Ok(fields);
    }
    let refused = |message: String| rquickjs::Exception::throw_type(ctx, &message);
    let headers = Object::from_js(ctx, headers.clone())?;
    let mut bytes = 0;
    for item in headers.props::<Value<'js>, CoercedText<'js>>() {
        let (name, value) = item?;
        let name = TextArgument::from_js(ctx, name)?;
        bytes += name.len() + value.len();
        check_size(fields.len() + 1, bytes).map_err(refused)?;
        let (name, value) = scope.field(&name, value.to_owned()).map_err(refused)?;
        if !is_ours(&name) {
            fields.push((name, value));
        }
    }
    Ok(fields)
}

/// Whether the client's own body, which request handlers parse, isn't JSON, or deeper than is taken.
fn client_text_is_broken(ctx: &Ctx<'_>, scope: &Scope) -> bool {
    let received = scope.with(|state| match state.phase {
        Phase::Request => state.call.received.clone(),
        Phase::Response => None,
    });
    received.is_some_and(|text| !value::is_json(ctx, text))
}

/// Rhino let `list(i)` stand for `list[i]`.
fn hint(text: String) -> String {
    if text.ends_with("not a function") {
        format!("{text} (an element of a list is `list[i]`; `list(i)` is an old spelling)")
    } else {
        text
    }
}
