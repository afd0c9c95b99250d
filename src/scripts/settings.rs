//! What the script directory's reader is told.

use std::path::PathBuf;
use std::time::Duration;

/// The `[scripts]` table, as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The set's root; a symlink is followed anew at each look.
    pub directory: PathBuf,
    /// Quiet time after the last change before a reload.
    pub settle: Duration,
    /// How often the directory is looked at when no file event comes; above zero.
    pub rescan: Duration,
    /// Whether a start with an empty or missing directory is a start with no
    /// handlers. Later such a directory never replaces a set that has some.
    pub allow_empty: bool,
    /// A file in the directory; where given, only its change means that the set is whole.
    pub commit: Option<String>,
    /// How long the file system may take to answer, for each look and for the reading of a set.
    pub read_timeout: Duration,
    /// How long a load may take before that is said; more than `read_timeout`.
    pub load_patience: Duration,
}

impl Settings {
    /// The defaults for a directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            settle: Duration::from_millis(250),
            rescan: Duration::from_secs(2),
            allow_empty: false,
            commit: None,
            read_timeout: Duration::from_secs(10),
            load_patience: Duration::from_secs(30),
        }
    }
}
