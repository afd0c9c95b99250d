//! Whether the sidecar lives, is ready, has started.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::watch;

use super::View;

/// How far a process is between its start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It takes requests.
    Serving,
    /// It was asked to end: no longer ready, still finishing.
    Draining,
}

/// Tells the stage to whoever asks.
pub type Lifecycle = watch::Receiver<Stage>;

type Answer = (StatusCode, String);

/// Tells whoever asks why the process isn't sound, where it isn't.
pub type Unsound = Arc<dyn Fn() -> Option<String> + Send + Sync>;

pub(super) async fn live(State(view): State<View>) -> Answer {
    match (view.unsound)() {
        Some(reason) => not_yet(&reason),
        None => (StatusCode::OK, "ok\n".to_owned()),
    }
}

pub(super) async fn ready(State(view): State<View>) -> Answer {
    if *view.lifecycle.borrow() == Stage::Draining {
        return not_yet("draining");
    }
    started(State(view)).await
}

/// A set that is rejected later doesn't count: the last good one serves on.
pub(super) async fn started(State(view): State<View>) -> Answer {
    if view.generations.current().is_some() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let status = view.reloads.status();
    let rejected = status.borrow().rejected.clone();
    match rejected {
        Some(rejected) => {
            let lines: Vec<String> = rejected.errors.iter().map(ToString::to_string).collect();
            not_yet(&format!("no usable set of handlers:\n{}", lines.join("\n")))
        }
        None => not_yet("the first set of handlers is being read"),
    }
}

pub(super) async fn version() -> String {
    format!("interpose {}\n", env!("CARGO_PKG_VERSION"))
}

fn not_yet(reason: &str) -> Answer {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
}
