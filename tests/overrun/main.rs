//! Handlers that overrun and a world that asks for too much, through the real binary: nobody but who
//! is at fault is harmed, and nothing stays behind. A binary of its own, since tests that measure
//! want the processors for themselves.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in a test's support fails the test"
)]

mod api;
mod beside;
mod calls;
mod descriptors;
mod hostile;
mod idle;
mod kills;
mod memory;
mod replaced;
mod soak;
#[path = "../integration/support/mod.rs"]
#[expect(dead_code, reason = "other tests' support, of which these need a part")]
mod support;
