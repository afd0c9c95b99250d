//! Who started this process and hears how far it is: the supervisor, or the system itself.

use crate::generation::Generation;
use crate::scripts::Snapshot;
use crate::supervisor::{Reports, SetName, Systemd};

/// Who hears how far this process is.
#[derive(Clone)]
pub(super) enum Parent {
    /// systemd, where it has started us.
    System(Systemd),
    /// The supervisor.
    Supervisor(Reports),
}

impl Parent {
    /// Connections are accepted.
    pub(super) fn serving(&self) {
        match self {
            Self::System(_) => {}
            Self::Supervisor(reports) => reports.serving(),
        }
    }

    /// The first reading of the script directory has ended.
    pub(super) fn decided(&self) {
        match self {
            Self::System(systemd) => systemd.ready(),
            Self::Supervisor(reports) => reports.decided(),
        }
    }

    /// A generation of these files is about to be live. Blocks.
    pub(super) fn goes_live(&self, generation: &Generation, files: &Snapshot) {
        let Self::Supervisor(reports) = self else {
            return;
        };
        let name = SetName {
            id: generation.id.to_string(),
            since: generation.since,
        };
        if let Err(error) = reports.live(name, &files.to_bytes()) {
            let id = generation.id;
            tracing::warn!(%error, generation = %id, "a worker after this one won't have the live set");
        }
    }

    /// A value that later workers are to have. Blocks until they will.
    pub(super) fn state(&self, name: &str, value: serde_json::Value) {
        match self {
            Self::System(_) => {}
            Self::Supervisor(reports) => {
                if let Err(error) = reports.state(name, value) {
                    tracing::warn!(%error, name, "a worker after this one won't know of a change");
                }
            }
        }
    }

    /// A reload that a signal asked for begins.
    pub(super) fn reloading(&self) {
        match self {
            Self::System(systemd) => systemd.reloading(),
            Self::Supervisor(_) => {}
        }
    }

    /// It has ended.
    pub(super) fn reloaded(&self) {
        match self {
            Self::System(systemd) => systemd.ready(),
            Self::Supervisor(reports) => reports.reloaded(),
        }
    }

    /// The end was asked for.
    pub(super) fn stopping(&self) {
        match self {
            Self::System(systemd) => systemd.stopping(),
            Self::Supervisor(_) => {}
        }
    }
}
