//! What is looked at before an address is bound, besides the configuration itself.

use crate::config::{Config, Serving};
use crate::transaction::SessionSources;

use super::{AppError, memory, session};

/// What the configuration asks for and the machine has.
pub(super) struct Checked {
    /// What all heaps may have together, in bytes.
    pub(super) memory: usize,
    /// Where `platform.session` comes from.
    pub(super) session: SessionSources,
}

impl Checked {
    pub(super) fn new(serving: &Serving, config: &Config) -> Result<Self, AppError> {
        Ok(Self {
            memory: memory::for_handlers(&config.limits, memory::there_is())?,
            session: session::sources(serving, config)?,
        })
    }
}
