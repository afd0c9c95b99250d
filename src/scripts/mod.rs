//! The script directory: from files to declared handlers, and again when they change.
//!
//! ```text
//! directory ─▶ watch ("look") ─▶ settle (quiet?) ─▶ snapshot ─▶ the loader it was given
//! ```
//!
//! Knows files and nothing of JavaScript: what a set is compiled to, and where it
//! is published, is the loader's business. A set is taken only whole: all files
//! as they were at one moment, or none.

mod attempt;
mod disk;
mod layout;
mod listing;
mod reload;
mod set;
mod settings;
mod settle;
mod snapshot;
mod status;
mod watch;

pub use attempt::Live;
pub use reload::{ReloadError, ReloadLoop, Reloads};
pub use set::{Module, ScriptSet};
pub use settings::Settings;
pub use snapshot::{Snapshot, SnapshotError, SnapshotFile};
pub use status::{Activity, Rejected, Stalled, Status};
