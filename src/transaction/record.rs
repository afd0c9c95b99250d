//! The facts of one finished transaction.

use std::time::Duration;

use crate::generation::GenerationId;
use crate::handler::TransactionId;

use super::{Outcome, Unseen};

/// The facts of one finished transaction, for those who observe.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// The transaction, where it got far enough to have a name.
    pub id: Option<&'a TransactionId>,
    /// The method.
    pub method: &'a str,
    /// The path as sent, without the query: queries carry secrets.
    pub path: &'a str,
    /// The status sent; 0 where the client went away before one was.
    pub status: u16,
    /// From the head's arrival to the last byte sent.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the upstream gave no usable response, where that is how it ended.
    pub error: Option<&'a str>,
    /// The bodies that passed without the handlers that would have seen them.
    pub unseen: Unseen,
    /// The generation it ran on, where any handler applied.
    pub generation: Option<GenerationId>,
}
