//! The process model: a supervisor, the worker that serves, and a spare one.
//!
//! ```text
//! supervisor ──spawn──▶ worker: Starting ──Ready──▶ spare ──Activate──▶ serving ──▶ ended
//!      ▲                                              │ follows each live set
//!      └──────────── control socket ──────────────────┘
//! ```
//!
//! The supervisor opens the listening sockets, keeps the live script set in sealed memory and
//! starts workers; it reads no byte of a client and runs no script. A worker is this program
//! again, with the verb `worker` and one end of a control socket as its standard input. It
//! gets the sockets when it is to serve: connections that arrive while none does wait in their
//! backlog.
//!
//! Knows nothing of configuration, HTTP and JavaScript. What a script set is made of, and what
//! state workers want to hand to their successors, is opaque here.

mod channel;
mod health;
mod link;
mod message;
mod process;
mod run;
mod sealed;
mod sockets;
mod systemd;

pub use link::{Link, LinkError, Order, Orders, Reports, begin};
pub use message::{Begin, KeptSet, SetName, Signal, State};
pub use run::{Ended, Settings, Supervisor};
pub use sealed::Sealed;
pub use sockets::Sockets;
pub use systemd::Systemd;

/// The verb of a worker on its command line.
pub const VERB: &str = "worker";
