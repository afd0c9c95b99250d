//! What is live, what was rejected, and the command to read again.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

use crate::generation::Generation;
use crate::handler::{Diagnostic, Order};
use crate::scripts::{Rejected, ReloadError, Stalled};

use super::View;

/// `GET /generations`.
#[derive(Serialize)]
struct Shown {
    live: Option<Live>,
    rejected: Option<Refused>,
    settling: bool,
    watchdog: Watchdog,
    quarantined: Vec<InQuarantine>,
    /// How many generations are in memory.
    held: usize,
}

#[derive(Serialize)]
struct Live {
    id: String,
    since: String,
    files: Vec<String>,
    order: Order,
    warnings: Vec<Diagnostic>,
}

/// Whether the reload loop runs and what it waits for too long.
#[derive(Serialize)]
struct Watchdog {
    /// `ok`, `stalled`, or `ended` once the directory is not read any more.
    status: &'static str,
    /// What takes too long: `listing`, `reading` or `compiling`.
    activity: Option<String>,
    since: Option<String>,
    /// How many threads hang in the file system.
    hung_threads: usize,
}

/// A handler that doesn't run.
#[derive(Serialize)]
struct InQuarantine {
    name: String,
    kind: &'static str,
    file: String,
    since: String,
    deaths: u32,
}

/// A handler that runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Released {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
}

/// Ends the quarantine of the handlers of this name, and gives those that were in it.
pub type Release = Arc<dyn Fn(&str) -> Vec<Released> + Send + Sync>;

/// What became of a release.
#[derive(Serialize)]
#[serde(untagged)]
enum ReleaseAnswer {
    Done {
        success: bool,
        released: Vec<Released>,
    },
    Unknown {
        success: bool,
        message: String,
    },
}

#[derive(Serialize)]
struct Refused {
    id: Option<String>,
    since: String,
    errors: Vec<Diagnostic>,
}

/// What became of a reload.
#[derive(Serialize)]
#[serde(untagged)]
enum Reloaded {
    Done {
        success: bool,
        generation: String,
    },
    Failed {
        success: bool,
        errors: Vec<Diagnostic>,
    },
}

pub(super) async fn show(State(view): State<View>) -> Response {
    let status = view.reloads.status().borrow().clone();
    let shown = Shown {
        live: view
            .generations
            .current()
            .map(|generation| live(&generation)),
        rejected: status.rejected.map(refused),
        settling: status.settling,
        quarantined: quarantined(&view),
        watchdog: watchdog(status.stalled.as_ref(), view.reloads.is_running()),
        held: view.generations.held(),
    };
    Json(shown).into_response()
}

pub(super) async fn reload(State(view): State<View>) -> Response {
    match view.reloads.request().await {
        Ok(id) => Json(Reloaded::Done {
            success: true,
            generation: id.to_string(),
        })
        .into_response(),
        Err(ReloadError::Rejected(rejected)) => {
            let failed = Reloaded::Failed {
                success: false,
                errors: rejected.errors,
            };
            (StatusCode::UNPROCESSABLE_ENTITY, Json(failed)).into_response()
        }
        Err(busy @ ReloadError::Busy) => {
            let later = [(header::RETRY_AFTER, "1")];
            (StatusCode::SERVICE_UNAVAILABLE, later, format!("{busy}\n")).into_response()
        }
    }
}

fn live(generation: &Generation) -> Live {
    Live {
        id: generation.id.to_string(),
        since: rfc3339(generation.since),
        files: generation.files.clone(),
        order: generation.chains.order(),
        warnings: generation.warnings.clone(),
    }
}

pub(super) async fn release(State(view): State<View>, Path(name): Path<String>) -> Response {
    // It waits until the supervisor knows.
    let (release, released_name) = (Arc::clone(&view.release), name.clone());
    let released = tokio::task::spawn_blocking(move || release(&released_name)).await;
    let Ok(released) = released else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let generation = view.generations.current();
    let is_known = generation.is_some_and(|generation| {
        let mut handlers = generation.handlers.iter();
        handlers.any(|handler| handler.declared.name.as_str() == name)
    });
    if released.is_empty() && !is_known {
        let message = format!("no handler is called {name}");
        let unknown = ReleaseAnswer::Unknown {
            success: false,
            message,
        };
        return (StatusCode::NOT_FOUND, Json(unknown)).into_response();
    }
    Json(ReleaseAnswer::Done {
        success: true,
        released,
    })
    .into_response()
}

fn quarantined(view: &View) -> Vec<InQuarantine> {
    let handlers = view.quarantine.handlers();
    let shown = handlers.iter().map(|handler| InQuarantine {
        name: handler.name.clone(),
        kind: handler.kind.first_name(),
        file: handler.file.clone(),
        since: rfc3339(handler.since),
        deaths: handler.deaths,
    });
    shown.collect()
}

fn watchdog(stalled: Option<&Stalled>, is_running: bool) -> Watchdog {
    Watchdog {
        status: match stalled {
            _ if !is_running => "ended",
            Some(_) => "stalled",
            None => "ok",
        },
        activity: stalled.map(|stalled| stalled.activity.to_string()),
        since: stalled.map(|stalled| rfc3339(stalled.since)),
        hung_threads: stalled.map_or(0, |stalled| stalled.hung),
    }
}

fn refused(rejected: Rejected) -> Refused {
    Refused {
        id: rejected.id.map(|id| id.to_string()),
        since: rfc3339(rejected.since),
        errors: rejected.errors,
    }
}

/// A time to the millisecond.
pub(super) fn rfc3339_millis(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
