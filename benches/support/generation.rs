//! A generation, loaded as the sidecar loads it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use interpose::app;
use interpose::engine::{Engine, HostSettings, Limits};
use interpose::generation::Generation;
use interpose::handler::Services;
use interpose::scripts::Snapshot;
use interpose::store::{Bounds, MemoryStore};

/// The defaults, but for the time: a smoke run in the dev profile is slow.
const LIMITS: Limits = Limits {
    handler_time: Duration::from_secs(60),
    memory: 64 << 20,
    total_memory: 4 << 30,
    text: 64 << 20,
    max_hung_threads: 4,
    code_from_text: false,
};

/// Reads, declares and compiles the script set in `directory`.
pub(crate) fn load(directory: &Path) -> Generation {
    let snapshot = Snapshot::take(directory).expect("nobody else writes to the directory");
    let engine = Engine::new(
        LIMITS,
        HostSettings::default(),
        Arc::new(MemoryStore::new(Bounds::default())),
    );
    let loaded = app::load(&snapshot, &Services::default(), &engine);
    loaded
        .generation
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics.errors))
}
