//! Whether the sidecar lives, is ready, has started.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
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

/// Tells whoever asks why the process isn't sound, where it isn't.
pub type Unsound = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// How well something is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// It works, and somebody should look.
    Degraded,
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Level,
    message: String,
}

/// What `?verbose` shows.
#[derive(Debug, Serialize)]
struct Health {
    /// The worst of all.
    status: Level,
    checks: Vec<Check>,
}

/// What was asked for behind the path.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    verbose: Option<String>,
}

pub(super) async fn live(State(view): State<View>, Query(wanted): Query<Wanted>) -> Response {
    answer(vec![threads(&view)], &wanted)
}

pub(super) async fn ready(State(view): State<View>, Query(wanted): Query<Wanted>) -> Response {
    let checks = vec![
        process(&view),
        generation(&view),
        deaths(&view),
        set(&view),
        watchdog(&view),
        quarantine(&view),
    ];
    answer(checks, &wanted)
}

/// A set that is rejected later doesn't count: the last good one serves on.
pub(super) async fn started(State(view): State<View>, Query(wanted): Query<Wanted>) -> Response {
    answer(vec![generation(&view)], &wanted)
}

/// `ok`, or why not; each check where it is wanted.
fn answer(checks: Vec<Check>, wanted: &Wanted) -> Response {
    let status = checks.iter().map(|check| check.status).max();
    let status = status.unwrap_or(Level::Ok);
    let code = match status {
        Level::Ok | Level::Degraded => StatusCode::OK,
        Level::Failed => StatusCode::SERVICE_UNAVAILABLE,
    };
    if wanted.verbose.is_some() {
        return (code, Json(Health { status, checks })).into_response();
    }
    let failed = checks.iter().find(|check| check.status == Level::Failed);
    let text = failed.map_or("ok", |check| &check.message);
    (code, format!("{text}\n")).into_response()
}

impl Check {
    /// Failed or degraded for this reason, well where there is none.
    fn new(name: &'static str, otherwise: Level, reason: Option<String>) -> Self {
        Self {
            name,
            status: if reason.is_some() {
                otherwise
            } else {
                Level::Ok
            },
            message: reason.unwrap_or_else(|| "ok".to_owned()),
        }
    }
}

fn threads(view: &View) -> Check {
    Check::new("threads", Level::Failed, (view.unsound)())
}

fn process(view: &View) -> Check {
    let drains = *view.lifecycle.borrow() == Stage::Draining;
    Check::new(
        "process",
        Level::Failed,
        drains.then(|| "draining".to_owned()),
    )
}

fn generation(view: &View) -> Check {
    let missing = view.generations.current().is_none().then(|| {
        let status = view.reloads.status();
        let rejected = status.borrow().rejected.clone();
        match rejected {
            Some(rejected) => {
                let lines: Vec<String> = rejected.errors.iter().map(ToString::to_string).collect();
                format!("no usable set of handlers:\n{}", lines.join("\n"))
            }
            None => "the first set of handlers is being read".to_owned(),
        }
    });
    Check::new("generation", Level::Failed, missing)
}

fn deaths(view: &View) -> Check {
    Check::new("workers", Level::Failed, (view.dies_often)())
}

fn set(view: &View) -> Check {
    let status = view.reloads.status();
    let rejected = status.borrow().rejected.clone();
    let reason = rejected.map(|rejected| {
        let lines: Vec<String> = rejected.errors.iter().map(ToString::to_string).collect();
        format!("the set on disk was rejected:\n{}", lines.join("\n"))
    });
    Check::new("scripts", Level::Degraded, reason)
}

fn watchdog(view: &View) -> Check {
    let stalled = view.reloads.status().borrow().stalled.clone();
    let reason = if view.reloads.is_running() {
        stalled.map(|stalled| format!("the reload is stalled: {}", stalled.activity))
    } else {
        Some("the script directory is not read any more".to_owned())
    };
    Check::new("watchdog", Level::Degraded, reason)
}

fn quarantine(view: &View) -> Check {
    let handlers = view.quarantine.handlers();
    let names: Vec<&str> = handlers.iter().map(|it| &*it.name).collect();
    let reason = (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("in quarantine, since workers died of them: {names}")
    });
    Check::new("quarantine", Level::Degraded, reason)
}

pub(super) async fn version() -> String {
    format!("interpose {}\n", env!("CARGO_PKG_VERSION"))
}
