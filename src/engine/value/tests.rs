use bytes::Bytes;
use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt, Context, Ctx, Function, Runtime, Value};

use crate::message::Pieces;

use super::{install, open};

mod comparison;
mod differential;
mod functions;
mod lifecycle;
mod memory;
mod numbers;
mod plain;
mod semantics;
mod time;
mod writing;

/// The most that a test writes.
const LONGEST_TEXT: usize = 1 << 20;

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The text of a value, in one piece.
fn write(ctx: &Ctx<'_>, value: &Value<'_>) -> rquickjs::Result<Option<Bytes>> {
    Ok(super::write(ctx, value)?.map(Pieces::joined))
}

/// Runs a closure in a fresh context with lazy values.
fn lazily<R>(body: impl FnOnce(&Ctx<'_>) -> R) -> R {
    let runtime = Runtime::new().expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    context.with(|ctx| {
        plain::keep(&ctx).expect("JSON is there");
        install(&ctx, LONGEST_TEXT, None).expect("memory for a class");
        body(&ctx)
    })
}

/// Calls a function, given as its body, with `json`.
fn call<'js>(ctx: &Ctx<'js>, body: &str, json: Value<'js>) -> Value<'js> {
    let mut sloppy = EvalOptions::default();
    sloppy.strict = false;
    let source = format!("(function (json) {{ {body}\n}})");
    let function: Function<'js> = ctx
        .eval_with_options(source, sloppy)
        .catch(ctx)
        .unwrap_or_else(|error| panic!("{body}: {error}"));
    function
        .call((json,))
        .catch(ctx)
        .unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// The text of a body after a handler changed it.
fn edited(text: &str, body: &str) -> String {
    lazily(|ctx| {
        let json = open(ctx, Bytes::copy_from_slice(text.as_bytes()))
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        call(ctx, body, json.clone());
        let text = write(ctx, &json)
            .catch(ctx)
            .unwrap_or_else(|error| panic!("{body}: {error}"));
        String::from_utf8(text.expect("an object has a text").into()).expect("a text is UTF-8")
    })
}
