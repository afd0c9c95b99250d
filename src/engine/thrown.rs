//! What a handler's end by exception means: a rejection for the client, and where it is a
//! failure, a line for the log (CONTRACT §6).

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use rquickjs::{Ctx, Function, Object, Value};

use crate::document::Document;
use crate::handler::{
    Cause, Content, Failure, Fault, HandlerName, Message, Place, Rejection, TransactionId,
};

use super::clock::Clock;
use super::scope::{Scope, header_value, written};
use super::script::Places;

/// What came of an exception.
pub(super) struct Thrown {
    pub rejection: Rejection,
    /// Set where the log has to know.
    pub failure: Option<Failure>,
    /// Whether the isolate can't be trusted any more.
    pub spoils_isolate: bool,
}

/// Finds out what the pending exception of `ctx` means.
pub(super) fn explain<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    clock: &Clock,
    describe: &Function<'js>,
    places: &Places,
) -> Thrown {
    let thrown = ctx.catch();
    let handler = scope.with(|state| state.name.clone());
    let stack = thrown.as_exception().and_then(rquickjs::Exception::stack);
    let stack = places.correct(&stack.unwrap_or_default());
    if clock.has_stopped() {
        return spoiled(handler, Cause::Time, "it ran longer than its limit", stack);
    }
    if thrown.is_null() {
        // What a script may throw, and what QuickJS throws where no memory is left for an
        // error: the heap isn't used again, just in case.
        return spoiled(
            handler,
            Cause::Thrown,
            "threw null, or ran out of memory",
            stack,
        );
    }
    if is_out_of_memory(&thrown) {
        return spoiled(
            handler,
            Cause::Memory,
            "it needed more memory than its limit",
            stack,
        );
    }
    match describe
        .call::<_, Object<'js>>((thrown,))
        .and_then(|told| read(ctx, scope, &told, handler.clone(), places))
    {
        Ok(thrown) => thrown,
        Err(_) => {
            // What it threw threw in turn, or never ended: a getter, a Proxy, or no memory is
            // left to look at it.
            drop(ctx.catch());
            let (cause, message) = if clock.has_stopped() {
                (Cause::Time, "what it threw ran longer than its limit")
            } else {
                (Cause::Thrown, "what it threw can't be read")
            };
            spoiled(handler, cause, message, stack)
        }
    }
}

/// Tells the log of a failure, with everything its author needs.
pub(super) fn report(thrown: &Thrown, file: &str, transaction: &TransactionId) {
    let Some(failure) = &thrown.failure else {
        return;
    };
    // Where no frame of the script is left, its file at least.
    let place = failure.place.as_ref();
    let (file, line, column) = place.map_or((file, 1, 1), |place| {
        (place.file.as_str(), place.line, place.column)
    });
    tracing::error!(
        %transaction, handler = %failure.handler, cause = %failure.cause, file, line, column,
        error = %failure.message, stack = %failure.stack, "handler failed"
    );
}

/// Out of memory QuickJS throws an `InternalError` if it can build one, else an
/// uninitialised value or `null`.
fn is_out_of_memory(thrown: &Value<'_>) -> bool {
    if thrown.type_of() == rquickjs::Type::Uninitialized {
        return true;
    }
    thrown
        .as_exception()
        .and_then(rquickjs::Exception::message)
        .is_some_and(|message| message == "out of memory")
}

fn read<'js>(
    ctx: &Ctx<'js>,
    scope: &Scope,
    told: &Object<'js>,
    handler: HandlerName,
    places: &Places,
) -> rquickjs::Result<Thrown> {
    let fault: String = told.get("fault")?;
    let status: u16 = told.get("status")?;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text: String = told.get("message")?;
    let stack: Option<String> = told.get("stack")?;
    let stack = places.correct(&stack.unwrap_or_default());
    match fault.as_str() {
        "handler" => Ok(Thrown {
            rejection: deliberate(ctx, told, status, text)?,
            failure: None,
            spoils_isolate: false,
        }),
        "host" => {
            let mut thrown = failed(handler, Cause::Host, &text, Places::first(&stack), stack);
            thrown.rejection.status = status;
            thrown.rejection.fault = Fault::Host;
            Ok(thrown)
        }
        _ => {
            let name: Option<String> = told.get("name")?;
            let cause: Option<String> = told.get("cause")?;
            if name.as_deref() == Some("SyntaxError") && client_text_is_broken(scope) {
                let mut thrown = failed(
                    handler,
                    Cause::ClientText,
                    &text,
                    Places::first(&stack),
                    stack,
                );
                thrown.rejection.status = StatusCode::BAD_REQUEST;
                thrown.rejection.fault = Fault::Client;
                return Ok(thrown);
            }
            let cause = if cause.as_deref() == Some("thrown") {
                Cause::Thrown
            } else {
                Cause::Error
            };
            let text = hint(text);
            Ok(failed(handler, cause, &text, Places::first(&stack), stack))
        }
    }
}

/// A rejection on purpose: a message, or a body of the handler's own.
fn deliberate<'js>(
    ctx: &Ctx<'js>,
    told: &Object<'js>,
    status: StatusCode,
    text: String,
) -> rquickjs::Result<Rejection> {
    let has_body: Option<bool> = told.get("hasBody")?;
    let content = if has_body == Some(true) {
        own_content(ctx, told)?
    } else {
        Content::Message(Message {
            text,
            code: told.get("code")?,
            errors: told.get("errors")?,
        })
    };
    Ok(Rejection {
        status,
        content,
        fault: Fault::Handler,
    })
}

fn own_content<'js>(ctx: &Ctx<'js>, told: &Object<'js>) -> rquickjs::Result<Content> {
    let headers: Object<'js> = told.get("headers")?;
    let mut fields: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for item in headers.props::<String, rquickjs::Coerced<String>>() {
        let (name, value) = item?;
        let refuse = |message: String| rquickjs::Exception::throw_type(ctx, &message);
        let value = header_value(&name, &value.0).map_err(refuse)?;
        if !crate::message::framing::is_ours(&name) {
            let refuse = |_| {
                rquickjs::Exception::throw_type(
                    ctx,
                    &format!("{name:?} is no name of a header field"),
                )
            };
            fields.push((name.parse().map_err(refuse)?, value));
        }
    }
    let declared = fields
        .iter()
        .find(|(name, _)| *name == header::CONTENT_TYPE)
        .map(|(_, value)| value);
    let is_json =
        declared.is_some_and(|value| String::from_utf8_lossy(value.as_bytes()).contains("json"));
    let body: Value<'js> = told.get("body")?;
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
        body: written.map_or_else(Bytes::new, |written| written.bytes),
    })
}

/// Whether the client's own body, which request handlers parse, isn't JSON, or deeper than is taken.
fn client_text_is_broken(scope: &Scope) -> bool {
    scope.with(|state| {
        state.phase == crate::handler::Phase::Request
            && state
                .call
                .received
                .as_ref()
                .is_some_and(|text| Document::parse(text.clone()).is_err())
    })
}

/// Rhino let `list(i)` stand for `list[i]` (CONTRACT §8).
fn hint(text: String) -> String {
    if text.ends_with("not a function") {
        format!("{text} (an element of a list is `list[i]`; `list(i)` is an old spelling)")
    } else {
        text
    }
}

/// A failure after which nothing of the isolate can be trusted.
pub(super) fn spoiled(handler: HandlerName, cause: Cause, message: &str, stack: String) -> Thrown {
    let mut thrown = failed(handler, cause, message, Places::first(&stack), stack);
    thrown.spoils_isolate = true;
    thrown
}

/// What the log has of an error's message, in bytes: a name that a script looked up may have
/// been anything.
const MESSAGE: usize = 1024;

fn cut(message: &str) -> String {
    if message.len() <= MESSAGE {
        return message.to_owned();
    }
    let mut cut = message[..message.floor_char_boundary(MESSAGE)].to_owned();
    cut.push('…');
    cut
}

fn failed(
    handler: HandlerName,
    cause: Cause,
    message: &str,
    place: Option<Place>,
    stack: String,
) -> Thrown {
    Thrown {
        rejection: Rejection {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            content: Content::Message(Message::default()),
            fault: Fault::Script,
        },
        failure: Some(Failure {
            handler,
            cause,
            message: cut(message),
            place,
            stack,
        }),
        spoils_isolate: false,
    }
}
