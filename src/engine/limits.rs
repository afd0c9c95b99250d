//! How long and how large a handler may be.

use std::time::Duration;

/// What handlers may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time one handler may run, waiting for host calls left out.
    pub handler_time: Duration,
    /// The memory of one isolate, in bytes.
    pub memory: usize,
    /// The memory of all isolates together, in bytes.
    pub total_memory: usize,
    /// The longest text a value may be written as, in bytes.
    pub text: usize,
    /// With how many threads in handlers that can't be stopped the process is still sound.
    pub max_hung_threads: usize,
    /// Whether `eval`, `Function` and their kin make code from text.
    pub code_from_text: bool,
}

/// The stack one isolate may use, in bytes. The threads that run handlers have several times that.
pub(super) const STACK: usize = 512 * 1024;

/// What QuickJS's parser may use of the stack besides [`STACK`], in bytes: the deepest text that
/// is let through takes a third of it.
pub(super) const PARSER_STACK: usize = 2 * 1024 * 1024;

/// The stack of the thread that loads a script set, in bytes: the deepest text that is let through
/// takes a quarter of it in a debug build. The system gives what is used.
pub(super) const LOAD_STACK: usize = 64 * 1024 * 1024;

/// The stack of a thread that runs handlers, in bytes.
pub const THREAD_STACK: usize = 4 * 1024 * 1024;
