//! What is configured of the core, and no more of it.

#[path = "../../src/transaction/configured.rs"]
mod configured;

pub use configured::{AllowedHost, SessionSource};
