//! The loop that reads the script directory, and what it publishes.

use std::sync::Arc;

use crate::config::Config;
use crate::engine::Engine;
use crate::generation::Generations;
use crate::handler::Diagnostic;
use crate::scripts::{self, ReloadLoop, Reloads, Snapshot};

use super::AppError;
use super::line::services;
use super::load::{Loaded, load};

/// Compiles a snapshot and publishes what came of it.
type Loader = Box<dyn FnMut(Snapshot) -> Result<(), Vec<Diagnostic>> + Send>;

/// The loop that reads the script directory and publishes what it finds.
pub(super) fn reload_loop(
    config: &Config,
    engine: Engine,
    generations: &Arc<Generations>,
) -> (ReloadLoop<Loader>, Reloads) {
    let settings = scripts::Settings {
        settle: config.scripts.settle,
        rescan: config.scripts.rescan,
        allow_empty: config.scripts.allow_empty,
        commit: config.scripts.commit.clone(),
        ..scripts::Settings::new(config.scripts.directory.clone())
    };
    let (services, generations) = (services(config), Arc::clone(generations));
    let loader = move |snapshot: Snapshot| {
        let Loaded {
            generation,
            diagnostics,
            ..
        } = load(&snapshot, &services, &engine);
        for warning in &diagnostics.warnings {
            tracing::warn!(place = %warning, "script set");
        }
        let Some(generation) = generation else {
            return Err(diagnostics.errors);
        };
        let live = generations.publish(generation);
        tracing::info!(generation = %live.id, handlers = live.handlers.len(), "generation is live");
        Ok(())
    };
    ReloadLoop::new(settings, Box::new(loader))
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
