//! Handlers that overrun, through the real binary: their own answers and everybody else's are in
//! time. A binary of its own, since tests that measure want the processors for themselves.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in a test's support fails the test"
)]

mod beside;
mod hostile;
#[path = "../integration/support/mod.rs"]
#[expect(dead_code, reason = "other tests' support, of which these need a part")]
mod support;
