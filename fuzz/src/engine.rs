//! The values that scripts see, and what they are compared with; how a text is read before it is a
//! script; no more of the engine.

use std::cell::RefCell;

use rquickjs::{Context, Runtime};

#[path = "../../src/engine/fence.rs"]
#[expect(dead_code, reason = "the values need no more than hooks")]
mod fence;

#[path = "../../src/engine/value/mod.rs"]
#[expect(dead_code, reason = "a comparison does not use all of it")]
mod value;

#[path = "../../src/engine/text.rs"]
#[expect(dead_code, reason = "a comparison does not use all of it")]
mod text;

#[path = "../../src/engine/value/tests/comparison/mod.rs"]
#[expect(dead_code, reason = "cases of a number are for tests")]
mod comparison;

#[path = "../../src/engine/value/tests/plain.rs"]
mod plain;

#[path = "../../src/engine/analysis/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "only the compiler of a set uses all of it"
)]
mod analysis;

#[path = "../../src/engine/imports.rs"]
mod imports;

#[path = "../../src/engine/limits.rs"]
#[expect(dead_code, reason = "texts are loaded and not run")]
mod limits;

#[path = "../../src/engine/old_spellings.rs"]
mod old_spellings;

#[path = "../../src/engine/script.rs"]
#[expect(dead_code, reason = "texts are loaded and not run")]
mod script;

#[path = "../../src/engine/tests/script_text.rs"]
mod script_text;

/// How many cases are compared in one context, so that what one of them leaves is seen.
const CASES: u32 = 1000;

/// The most bytes that are one case.
const LONGEST: usize = 512;

/// A handler does the same to lazy values as to plain ones, and leaves the bytes of the rest.
pub fn lazy(data: &[u8]) {
    thread_local! {
        static CONTEXT: RefCell<(u32, Context)> = RefCell::new((0, context()));
    }
    let case = comparison::Case::of_bytes(&data[..data.len().min(LONGEST)]);
    CONTEXT.with_borrow_mut(|(count, current)| {
        if *count == CASES {
            (*count, *current) = (0, context());
        }
        *count += 1;
        current.with(|ctx| comparison::compare(&ctx, &case));
    });
}

fn context() -> Context {
    let runtime = Runtime::new().expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    context.with(|ctx| comparison::prepare(&ctx).expect("memory for the functions"));
    context
}

/// A text is loaded as a script, or refused at a place of it, and nests no deeper than it may.
pub fn script(data: &[u8]) {
    thread_local! {
        static LOADER: script_text::Loader = script_text::Loader::start();
    }
    LOADER.with(|loader| assert!(loader.holds(data), "the loader panicked"));
}
