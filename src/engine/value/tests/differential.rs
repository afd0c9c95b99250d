//! Random documents and random handlers, in a bounded number.
//!
//! `DIFFERENTIAL_ROUNDS` asks for more of them, `DIFFERENTIAL_FIRST` for others: a failure names the
//! round it is in.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rquickjs::{Context, Ctx, Runtime};

use super::comparison::{Case, compare, prepare};
use super::setting;

/// How many documents a plain run tries.
const ROUNDS: u64 = 3000;

fn compared(body: impl FnOnce(&Ctx<'_>)) {
    let runtime = Runtime::new().expect("memory for a runtime");
    let context = Context::full(&runtime).expect("memory for a context");
    context.with(|ctx| {
        prepare(&ctx).expect("memory for the functions");
        body(&ctx);
    });
}

fn check(ctx: &Ctx<'_>, name: &str, case: &Case) {
    let outcome = catch_unwind(AssertUnwindSafe(|| compare(ctx, case)));
    assert!(outcome.is_ok(), "{name}: {}", case.text);
}

#[test]
fn random_handlers_leave_lazy_values_as_they_leave_plain_ones() {
    let first = setting("DIFFERENTIAL_FIRST").unwrap_or(0);
    let rounds = setting("DIFFERENTIAL_ROUNDS").unwrap_or(ROUNDS);
    compared(|ctx| {
        for number in first..first + rounds {
            check(ctx, &format!("round {number}"), &Case::of_number(number));
        }
    });
}

#[test]
fn handlers_that_fuzzing_kept_do_so_too() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/lazy");
    let mut count = 0;
    compared(|ctx| {
        for seed in fs::read_dir(seeds).expect("there are seeds") {
            let path = seed.expect("a directory entry can be read").path();
            let bytes = fs::read(&path).expect("a seed can be read");
            check(ctx, &path.to_string_lossy(), &Case::of_bytes(&bytes));
            count += 1;
        }
    });
    assert!(count > 0, "there are seeds");
}
