//! What every test from outside needs: the sidecar, a client, an upstream, a script directory.
//!
//! Threads and blocking sockets: a test reads from top to bottom and awaits nothing. Every
//! wait has an end, [`eventually::PATIENCE`], so a broken sidecar fails a test and never hangs it.

pub(crate) mod client;
pub(crate) mod demo;
pub(crate) mod eventually;
pub(crate) mod gate;
pub(crate) mod launch;
pub(crate) mod legacy;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod logfmt;
pub(crate) mod namespace;
pub(crate) mod process;
pub(crate) mod script_dir;
pub(crate) mod sidecar;
pub(crate) mod upstream;
pub(crate) mod wire;
