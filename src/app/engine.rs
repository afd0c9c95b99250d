//! The engine as the configuration wants it.

use std::sync::Arc;

use crate::config::{Config, Serving};
use crate::engine::{Engine, HostSettings, Limits};
use crate::handler::Secrets;
use crate::store::{Bounds, MemoryStore};
use crate::transaction::nested;

/// The engine that compiles script sets, whose handlers may ask for `secrets` and have so many
/// bytes of `memory` together.
pub(crate) fn engine(config: &Config, secrets: Secrets, memory: usize) -> Engine {
    let limits = Limits {
        handler_time: config.limits.handler_time,
        memory: config.limits.handler_memory,
        total_memory: memory,
        text: text_limit(config),
        max_hung_threads: config.limits.max_hung_threads.get(),
        code_from_text: config.scripts.allow_eval,
    };
    let settings = config
        .resources
        .settings
        .iter()
        .map(|(name, parameter)| ((*name).to_owned(), parameter.clone()));
    Engine::new(
        limits,
        HostSettings {
            resources: config.resources.paths.clone(),
            settings: settings.collect(),
            secrets,
            config: platform_config(config),
        },
        Arc::new(MemoryStore::new(Bounds {
            keys: config.store.capacity.get(),
            bytes: config.store.memory,
            lasts: config.store.ttl,
        })),
    )
}

/// The longest text a value may be written as.
pub(super) fn text_limit(config: &Config) -> usize {
    config.limits.response_body.max(config.limits.request_body) * 4
}

/// What `platform.config` shows, as JSON text.
fn platform_config(config: &Config) -> String {
    let parts = |name: &String| name.split('.').map(str::to_owned).collect();
    let named: Vec<(Vec<String>, String)> = config
        .platform
        .iter()
        .map(|(name, text)| (parts(name), text.clone()))
        .collect();
    let values = named.iter().map(|(name, text)| (name, text.clone().into()));
    serde_json::Value::Object(nested(values)).to_string()
}

pub(super) fn secrets(serving: &Serving) -> Secrets {
    let secrets = serving.secrets.iter();
    Secrets::new(secrets.map(|(name, secret)| (name.clone(), secret.expose().into())))
}
