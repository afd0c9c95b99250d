//! What everyone may know of the script directory.

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
