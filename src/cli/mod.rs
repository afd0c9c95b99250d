//! The command line: its grammar, and one file a verb.

pub mod args;
mod check;
mod demo;
mod run;

use std::process::ExitCode;

use crate::app;

pub use check::check;
pub use demo::demo;
pub use run::{run, worker};

/// Exit status of usage and configuration errors, `EX_USAGE` of `sysexits.h`, in every verb.
pub const USAGE: u8 = 64;

/// The exit status for a command line that `clap` did not turn into a verb: 0 where help
/// or the version was asked for, else [`USAGE`].
pub fn exit_status(error: &clap::Error) -> u8 {
    if error.use_stderr() { USAGE } else { 0 }
}

/// `interpose compiler`, which a process that loads a set starts: what it is for is whether it lives.
pub fn compiler() -> ExitCode {
    app::compile_only().into()
}

/// `interpose version`.
pub fn version() -> ExitCode {
    println!("interpose {}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}
