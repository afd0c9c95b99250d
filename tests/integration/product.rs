//! What the shipped program is made of.

use std::fs;

/// A line of the script that keeps plain JSON, the reference of the tests.
const REFERENCE: &str = "globalThis.native = { // the reference, plain JSON";

/// The first line of the script that the program builds its scope with.
const PRELUDE: &str = "// Builds the names that handlers see";

#[test]
fn the_product_has_no_plain_json() {
    let source = include_str!("../../src/engine/value/tests/plain.rs");
    let program = fs::read(env!("CARGO_BIN_EXE_interpose")).expect("the program can be read");
    let has = |text: &str| memchr::memmem::find(&program, text.as_bytes()).is_some();

    assert!(source.contains(REFERENCE), "the reference has that line");
    assert!(has(PRELUDE), "a script in the program is found");
    assert!(!has(REFERENCE), "tests' code is in the program");
}
