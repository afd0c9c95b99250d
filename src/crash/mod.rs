//! What each thread runs, written where another process reads it once this one has died.
//!
//! ```text
//! worker:      thread ──one store──▶ its slot ─┐            signal handler ──▶ who raised it
//!              compiler ──names──▶ the table  ─┤ memory file ◀──┘
//! supervisor:  the worker has died ◀──reads────┘ ──▶ log, quarantine
//! ```
//!
//! A [`Region`] is a memory file that one process creates and another one [`record`]s into. A
//! thread gets a slot of it when it first runs something; a handler that begins is one store into
//! that slot, its end another one. Names are written before: when a set is compiled, each handler
//! gets a place in the region's table. Where no handler runs, the slot has the address of what is
//! known of the connection that is served, and the signal handler copies that.
//!
//! In a process that nobody looks at nothing is recorded, and nothing fails.

#[cfg(debug_assertions)]
mod fail_point;
mod layout;
mod quarantine;
mod region;
mod signal;
mod table;
#[cfg(test)]
#[cfg(debug_assertions)]
mod tests;
mod thread;

pub use quarantine::{Identity, Quarantine, Quarantined};
pub use region::{Death, End, Hung, Region, Running, Served, record};
pub use table::{Description, Registered};
pub use thread::{Compiling, Connection, Phase, abandon, serving};
