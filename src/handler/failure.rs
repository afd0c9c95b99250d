//! Why a handler failed, as the log has it. A client never sees any of this.

use super::HandlerName;

/// A handler that did not come to its end on its own terms.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{handler}: {cause}: {message}")]
pub struct Failure {
    /// The handler.
    pub handler: HandlerName,
    /// What kind of failure.
    pub cause: Cause,
    /// The engine's message.
    pub message: String,
    /// Where, in the file.
    pub place: Option<Place>,
    /// The stack, one call a line.
    pub stack: String,
}

/// A place in a file of the script set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Relative to the set, with `/`.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An error of the language: a type, a range, a name, a syntax.
    Error,
    /// It threw what is no string, `Error` or object.
    Thrown,
    /// It ran longer than its limit.
    Time,
    /// There was no memory for it: beyond its limit, that of all handlers, or the system's.
    Memory,
    /// Something it called failed.
    Host,
    /// The client's text did not parse.
    ClientText,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Thrown => "threw",
            Self::Time => "time limit",
            Self::Memory => "memory limit",
            Self::Host => "host call failed",
            Self::ClientText => "client's text",
        })
    }
}
