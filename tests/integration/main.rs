//! Tests through the real binary and real sockets. One binary, so the engine is linked once.

#![expect(
    clippy::unwrap_used,
    reason = "what fails in a test's support fails the test"
)]

mod admin;
mod cases;
mod check;
mod clients;
mod coded_calls;
mod crash;
mod deadline;
mod demo;
mod differences;
mod faults;
mod field_bytes;
mod guards;
mod host_calls;
mod json_texts;
mod large_bodies;
mod life;
mod limits;
mod load;
mod log;
mod lost_events;
mod nested;
mod product;
mod queued;
mod readme;
mod reload;
mod reload_triggers;
mod reload_under_load;
mod services;
mod session;
mod shipped_scripts;
mod start;
mod stream;
mod supervisor;
mod support;
mod system;
mod to_other_hosts;
mod token;
mod transactions;
mod vocabularies;
