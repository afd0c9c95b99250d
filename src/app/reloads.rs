//! The loop that reads the script directory, and what it publishes.

use std::sync::Arc;

use crate::config::Config;
use crate::engine::Engine;
use crate::generation::Generations;
use crate::handler::{Diagnostic, Services};
use crate::scripts::{self, Live, ReloadLoop, Reloads, Snapshot};
use crate::supervisor::KeptSet;

use super::AppError;
use super::load::{Loaded, load};
use super::parent::Parent;
use super::quarantine::Wards;
use super::trial::Trial;

/// Compiles a snapshot and publishes what came of it.
type Loader = Box<dyn FnMut(Snapshot) -> Result<(), Vec<Diagnostic>> + Send>;

/// From files to the live generation.
pub(super) struct Publisher {
    pub(super) services: Services,
    pub(super) engine: Engine,
    pub(super) generations: Arc<Generations>,
    pub(super) parent: Parent,
    pub(super) wards: Arc<Wards>,
    pub(super) trial: Trial,
}

impl Publisher {
    /// Compiles a snapshot of the directory and publishes what came of it.
    fn publish(&self, snapshot: &Snapshot) -> Result<(), Vec<Diagnostic>> {
        self.trial.run(snapshot).map_err(|problem| vec![problem])?;
        let Loaded {
            generation,
            diagnostics,
            ..
        } = load(snapshot, &self.services, &self.engine);
        for warning in &diagnostics.warnings {
            tracing::warn!(place = %warning, "script set");
        }
        let Some(generation) = generation else {
            return Err(diagnostics.errors);
        };
        // Before anybody can see it: who has must find it again after a crash.
        self.parent.goes_live(&generation, snapshot);
        let quarantine = self.wards.goes_live(generation.id);
        let generation = generation.without_quarantined(&quarantine);
        let live = self.generations.publish(generation);
        tracing::info!(generation = %live.id, handlers = live.handlers.len(), "generation is live");
        Ok(())
    }

    /// Compiles and publishes a set that is live elsewhere, or was. `None` where that fails,
    /// which is logged.
    pub(super) fn follow(&self, set: &KeptSet) -> Option<Live> {
        let generation = &*set.name.id;
        let snapshot = match set
            .files
            .read()
            .and_then(|bytes| Snapshot::from_bytes(&bytes))
        {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::error!(%error, generation, "the live set can't be read");
                return None;
            }
        };
        let loaded = load(&snapshot, &self.services, &self.engine);
        let Some(mut compiled) = loaded.generation else {
            let errors = loaded.diagnostics.errors.len();
            tracing::error!(errors, generation, "the live set can't be compiled again");
            return None;
        };
        compiled.since = set.name.since;
        let quarantine = self.wards.follows(compiled.id);
        let compiled = compiled.without_quarantined(&quarantine);
        self.generations.publish(compiled);
        Some(Live::of(&snapshot))
    }
}

/// The loop that reads the script directory and publishes what it finds, where it isn't what
/// is `live` already.
pub(super) fn reload_loop(
    config: &Config,
    publisher: Arc<Publisher>,
    live: Option<Live>,
) -> (ReloadLoop<Loader>, Reloads) {
    let settings = scripts::Settings {
        settle: config.scripts.settle,
        rescan: config.scripts.rescan,
        allow_empty: config.scripts.allow_empty,
        commit: config.scripts.commit.clone(),
        ..scripts::Settings::new(config.scripts.directory.clone())
    };
    let loader = move |snapshot: Snapshot| publisher.publish(&snapshot);
    ReloadLoop::after(live, settings, Box::new(loader))
}

pub(super) async fn wait_for_handlers(reloads: &Reloads) -> Result<(), AppError> {
    let mut status = reloads.status();
    // The loop outlives this wait: both ends of the channel are alive.
    let status = status
        .wait_for(scripts::Status::is_decided)
        .await
        .map(|status| status.clone())
        .unwrap_or_default();
    match (status.live, status.rejected) {
        (Some(_), _) => Ok(()),
        (None, rejected) => Err(AppError::NoHandlers(
            rejected.map(|rejected| rejected.errors).unwrap_or_default(),
        )),
    }
}
