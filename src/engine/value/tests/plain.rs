//! Plain JSON behind the seam of lazy values: the reference that they are measured by.
//!
//! It is the engine's own, kept as `native` before [`install`] replaces it. It is for tests only;
//! `the_product_has_no_plain_json` looks for the script below in the program.
//!
//! [`install`]: crate::engine::value::install

use bytes::Bytes;
use rquickjs::{Ctx, Function, Object, Result, Value};

const KEEP: &str = "globalThis.native = { // the reference, plain JSON
    parse: JSON.parse,
    stringify: JSON.stringify,
    JSON: Object.create(Object.getPrototypeOf(JSON), Object.getOwnPropertyDescriptors(JSON)),
}";

/// Keeps the engine's own JSON, in a context whose built-ins are as they came.
pub(super) fn keep(ctx: &Ctx<'_>) -> Result<()> {
    ctx.eval(KEEP)
}

/// The value of a JSON text.
pub(super) fn open<'js>(ctx: &Ctx<'js>, text: &Bytes) -> Result<Value<'js>> {
    let text = std::str::from_utf8(text)?;
    native(ctx, "parse")?.call((text,))
}

/// The text of a value; `None` for what JSON has no text for.
pub(super) fn write<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> Result<Option<String>> {
    native(ctx, "stringify")?.call((value.clone(),))
}

fn native<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Function<'js>> {
    let native: Object<'js> = ctx.globals().get("native")?;
    native.get(name)
}

#[test]
fn a_program_with_it_can_be_told() {
    // What `the_product_has_no_plain_json` looks for is found where it is.
    let program = std::env::current_exe().and_then(std::fs::read);
    let mark = KEEP.lines().next().expect("it has lines");

    assert!(
        memchr::memmem::find(&program.expect("it can be read"), mark.as_bytes()).is_some(),
        "the tests' own program has it"
    );
}
