//! What everyone may know of the script directory.

use std::fmt;
use std::time::SystemTime;

use crate::generation::GenerationId;
use crate::handler::Diagnostic;

/// How disk and live differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The set that was last taken; none until the first good one.
    pub live: Option<GenerationId>,
    /// The set that was last refused, until a good one is found.
    pub rejected: Option<Rejected>,
    /// Something changed, or is being loaded.
    pub settling: bool,
    /// What the reload loop waits for, where that takes too long.
    pub stalled: Option<Stalled>,
}

/// A wait of the reload loop that takes too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stalled {
    /// What takes so long.
    pub activity: Activity,
    /// When that was first found.
    pub since: SystemTime,
    /// How many threads hang in the file system.
    pub hung: usize,
}

/// What the reload loop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It lists the directory.
    Listing,
    /// It reads the files.
    Reading,
    /// It compiles them.
    Compiling,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listing => "listing",
            Self::Reading => "reading",
            Self::Compiling => "compiling",
        })
    }
}

/// A set that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("script set rejected: {} errors", errors.len())]
pub struct Rejected {
    /// None where not all files could be read.
    pub id: Option<GenerationId>,
    /// When it was first found so.
    pub since: SystemTime,
    /// At least one.
    pub errors: Vec<Diagnostic>,
}

impl Rejected {
    pub(super) fn now(id: Option<GenerationId>, errors: Vec<Diagnostic>) -> Self {
        Self {
            id,
            since: SystemTime::now(),
            errors,
        }
    }
}

impl Status {
    /// Whether the first load has ended, well or not.
    pub fn is_decided(&self) -> bool {
        self.live.is_some() || self.rejected.is_some()
    }
}
