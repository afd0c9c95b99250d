//! The words of HTTP and nothing else of `interpose`, under its name, and what has to hold
//! for them whatever the bytes are.
//!
//! The module is compiled in here instead of being imported: built with coverage, the
//! engine and the proxy around it would take minutes and not be reached.

extern crate self as interpose;

#[path = "../../src/message/mod.rs"]
pub mod message;

pub mod targets;
