//! What operators see of a running sidecar: its log and its last transactions.
//!
//! Level info and above of everything but transactions goes to stderr, one line a
//! transaction to stdout. Neither ever blocks the proxy: a line that finds no room in the
//! queue is dropped.

mod access;
mod backlog;
mod line;
mod log;
mod observers;
mod ring;

pub use access::AccessLog;
pub use log::{Format, Log, LogSettings};
pub use observers::Observers;
pub use ring::{End, Entry, Ring};
