//! What a handler's end by exception means: a rejection for the client, and where it is a
//! failure, a line for the log.

mod meaning;

use http::StatusCode;
use rquickjs::Ctx;

use crate::handler::{
    Cause, Content, Failure, Fault, HandlerName, Message, Place, Rejection, TransactionId,
};

use super::clock::Clock;
use super::heap::{Heap, Refused};
use super::realm::Realm;
use super::scope::Scope;
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
    (clock, heap): (&Clock, &Heap),
    realm: &Realm,
    places: &Places,
) -> Thrown {
    let thrown = ctx.catch();
    let handler = scope.with(|state| state.name().clone());
    let stack = thrown.as_exception().and_then(rquickjs::Exception::stack);
    let stack = places.correct(&stack.unwrap_or_default());
    if let Some(limit) = clock.stopped_by() {
        let message = format!("it ran longer than its limit: {limit}");
        return spoiled(handler, Cause::Time, &message, stack);
    }
    // Whatever it is: nothing after that can be called, to find out more.
    if let Some(refused) = heap.refused() {
        return out_of_memory(handler, refused, stack);
    }
    if thrown.type_of() == rquickjs::Type::Uninitialized {
        return spoiled(handler, Cause::Thrown, "what it threw can't be read", stack);
    }
    match meaning::of(ctx, scope, realm, &thrown, places) {
        Ok(thrown) => thrown,
        Err(_) => {
            // What it threw threw in turn, or never ended: a getter, a Proxy, or no memory is
            // left to look at it.
            drop(ctx.catch());
            match (clock.stopped_by(), heap.refused()) {
                (None, Some(refused)) => out_of_memory(handler, refused, stack),
                (Some(limit), _) => {
                    let message = format!("what it threw ran longer than its limit: {limit}");
                    spoiled(handler, Cause::Time, &message, stack)
                }
                (None, None) => {
                    spoiled(handler, Cause::Thrown, "what it threw can't be read", stack)
                }
            }
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

/// Its own limit is the handler's fault, all else isn't.
pub(super) fn out_of_memory(handler: HandlerName, refused: Refused, stack: String) -> Thrown {
    let message = match refused {
        Refused::Heap => "it needed more memory than limits.handler_memory",
        Refused::Handlers => "all handlers together needed more memory than limits.total_memory",
        Refused::System => "the system had no memory left for it",
    };
    let mut thrown = spoiled(handler, Cause::Memory, message, stack);
    match refused {
        Refused::Heap => {}
        Refused::Handlers | Refused::System => {
            thrown.rejection.status = StatusCode::SERVICE_UNAVAILABLE;
            thrown.rejection.fault = Fault::Sidecar;
        }
    }
    thrown
}

/// What becomes of a request in whose run something of ours has panicked.
pub(super) fn fault_of_ours(handler: &HandlerName, transaction: &TransactionId) -> Rejection {
    tracing::error!(
        %transaction, %handler,
        "a fault of interpose, not of the handler: it panicked while the handler ran; please report it"
    );
    Rejection {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        content: Content::Message(Message::default()),
        fault: Fault::Sidecar,
    }
}

/// A `TypeError` that no script has thrown, at this place of one.
pub(super) fn type_error(handler: HandlerName, message: &str, place: Place) -> Thrown {
    let Place { file, line, column } = &place;
    let stack = format!("    at ({file}:{line}:{column})");
    let message = format!("TypeError: {message}");
    failed(handler, Cause::Thrown, &message, Some(place), stack)
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
