//! HTTP/1.1 as bytes: heads are read and written, bodies framed and taken out of their
//! frames. Both sides of a transaction are made of this, the client's and the upstream's.
//!
//! Pure but for [`Patience`] and [`Buffers`]: bytes in, bytes out. Knows no socket and no transaction.
//!
//! ```text
//! Inbox    bytes as they come  ──▶ pieces of a body
//! Outbox   heads and pieces    ──▶ bytes to be written, in as few writes as possible
//! Frame    a final response    ──▶ what its head says of its body, and whether one follows
//! ```

mod buffers;
mod frame;
mod inbox;
mod outbox;
mod patience;
mod put;
mod request;
mod response;

use http::{HeaderName, header};

use crate::message::framing;

pub use buffers::{Buffers, Held};
pub use frame::{Frame, Recipient};
pub use inbox::Inbox;
pub use outbox::{Outbox, Slices};
pub use patience::Patience;
pub use request::put_request;
pub use response::{Head, put_response, read_response};

/// How a message says where its body ends. What it said when it was received counts for
/// nothing: two equal lengths, or one with zeros before it, are never passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By this many bytes.
    Exact(u64),
    /// By its last chunk.
    Chunked,
    /// Not at all: it has none, or ends with its connection.
    Unsaid,
}

/// Which fields of a message pass on to the next connection, besides those that frame it.
struct Passage {
    /// The message leaves HTTP: what says so passes.
    is_upgrade: bool,
}

impl Passage {
    fn lets_pass(&self, name: &HeaderName) -> bool {
        if *name == header::CONNECTION || *name == header::UPGRADE {
            return self.is_upgrade;
        }
        !framing::is_of_the_connection(name)
    }
}
