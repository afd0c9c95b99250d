//! Tests through the real binary and real sockets. One binary, so the engine is linked once.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in a test's support fails the test"
)]

mod cases;
mod demo;
mod reload;
mod start;
mod support;
