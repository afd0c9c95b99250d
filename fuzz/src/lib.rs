//! The words of HTTP, documents, and the values that scripts see of them; what handlers and the
//! configuration say; and nothing else of `interpose`, under its name; and what has to hold for
//! them whatever the bytes are.
//!
//! The modules are compiled in here instead of being imported: built with coverage, the
//! rest of the engine and the proxy around it would take minutes and not be reached.

extern crate self as interpose;

#[path = "../../src/config/mod.rs"]
pub mod config;
#[path = "../../src/document/mod.rs"]
pub mod document;
pub mod engine;
#[path = "../../src/handler/mod.rs"]
pub mod handler;
#[path = "../../src/message/mod.rs"]
pub mod message;

pub mod targets;
pub mod transaction;
