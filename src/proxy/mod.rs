//! The client side: connections, the requests on them, and the three ways they take.
//!
//! ```text
//! Listener ──▶ Guard (bytes) ──▶ pingora ──▶ Service ─┬─ no handler ────▶ streamed, untouched
//!                 │ unsound head: 4xx                 ├─ heads only ────▶ streamed, edited
//!                 ▼                                   └─ a body is seen ▶ Pipeline::exchange
//! ```
//!
//! Knows no JavaScript and no files. A reader might expect the checks of a request's
//! head in `service`; they are made before pingora sees a byte of it, in `guard`.

mod connection;
mod error;
mod guard;
mod head;
mod inbound;
mod listener;
mod outbound;
mod service;

use std::time::Duration;

use crate::message::head::Limits;

pub use listener::{BindError, Listener, Server};
pub use service::{Parts, Service};

/// What the client side obeys.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How large a head may be; at most what pingora reads: 1 MiB and 256 fields.
    pub head: Limits,
    /// How long a head may take to arrive, from its first byte.
    pub head_time: Duration,
    /// How long a connection may wait for its next request.
    pub idle_time: Duration,
    /// How long nothing may come of a request's body, and nothing be taken of a
    /// response's.
    pub body_time: Duration,
    /// The most connections at a time; others wait to be accepted.
    pub connections: u32,
    /// The most requests on one connection.
    pub requests: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head: Limits {
                bytes: 64 * 1024,
                fields: 128,
            },
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_mins(1),
            body_time: Duration::from_mins(1),
            connections: 16 * 1024,
            requests: 10_000,
        }
    }
}
