//! The client side: connections, and the requests on them.
//!
//! ```text
//! Listener ──▶ connection ─┬─ Reader: a sound head, or 4xx and the end
//!                          │     ▼
//!                          │  Service ─┬─ no handler applies ──▶ Line::pass
//!                          │           └─ one does ────────────▶ Pipeline::exchange
//!                          │     ▼
//!                          └─ Writer: the reply, in as few writes as it allows
//! ```
//!
//! HTTP/1.1 is read and written here by ourselves: where each request ends, what passes
//! byte for byte and what a cut response looks like is what the program is for. Knows no
//! JavaScript and no files.

mod connection;
mod listener;
mod places;
mod reader;
mod service;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use crate::message::head::Limits;
use crate::wire::Buffers;

pub use listener::{Listener, Server, listen};
pub use service::Service;

/// What the client side obeys.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How large a head may be.
    pub head: Limits,
    /// How long a head may take to arrive, from its first byte.
    pub head_time: Duration,
    /// How long a connection may wait for its next request.
    pub idle_time: Duration,
    /// How long nothing may come of a request's body, and nothing be taken of a
    /// response's.
    pub body_time: Duration,
    /// How long a request may take from its first byte to the end of its response; `None` for
    /// as long as its parts may.
    pub request_timeout: Option<Duration>,
    /// The most connections at a time. One that waits for a request gives up its place to
    /// the next; where none does, the next waits.
    pub max_connections: u32,
    /// The most requests on one connection.
    pub requests: u32,
    /// Memory for heads and pieces of bodies that wait.
    pub buffers: Arc<Buffers>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head: Limits {
                bytes: 64 * 1024,
                fields: 128,
                parameters: 4096,
            },
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_mins(1),
            body_time: Duration::from_mins(1),
            request_timeout: None,
            max_connections: 16 * 1024,
            requests: 10_000,
            buffers: Arc::new(Buffers::new(64 * 1024 * 1024)),
        }
    }
}
