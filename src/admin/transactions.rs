//! Why a handler ran, or didn't: the last transactions, as operators read them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::generation::{Generation, Path};
use crate::handler::{Audience, Kind, Requested, Token};
use crate::queue::Dropped;
use crate::telemetry::{Entry, Ring};
use crate::transaction::unseen::Reason;
use crate::transaction::{Fate, Story, Told, Unseen};

use super::{View, generations::rfc3339_millis};

/// The most transactions that can be kept.
const MOST: usize = 10_000;

/// The query of `POST /transactions`.
#[derive(Deserialize)]
pub(super) struct Wanted {
    keep: usize,
}

/// `GET /transactions`
pub(super) async fn show(State(view): State<View>) -> Response {
    let live = view.generations.current();
    let entries: Vec<Value> = view
        .transactions
        .entries()
        .iter()
        .map(|entry| shown(entry, &view, live.as_ref()))
        .collect();
    Json(json!({
        "keep": view.transactions.size(),
        "unseen_bodies": unseen_counts(&view.transactions),
        "queued": queued(&view),
        "emitted": emitted_so_far(&view.transactions),
        "transactions": entries,
    }))
    .into_response()
}

/// `POST /transactions?keep=N`
pub(super) async fn keep(State(view): State<View>, Query(wanted): Query<Wanted>) -> Response {
    view.transactions.keep(wanted.keep.min(MOST));
    Json(json!({ "keep": view.transactions.size() })).into_response()
}

fn unseen_counts(ring: &Ring) -> Value {
    let mut requests = Map::new();
    let mut responses = Map::new();
    for reason in Reason::ALL {
        let (request, response) = ring.unseen(reason);
        for (counts, count) in [(&mut requests, request), (&mut responses, response)] {
            if count > 0 {
                counts.insert(reason.label().to_owned(), count.into());
            }
        }
    }
    json!({ "requests": requests, "responses": responses })
}

fn emitted_so_far(ring: &Ring) -> Value {
    let counts = ring.emitted_so_far();
    json!({
        "listeners": counts.listeners,
        "feed": counts.feed,
        "dropped": counts.dropped,
    })
}

fn queued(view: &View) -> Value {
    let counts = view.queue.counts();
    let dropped: Map<String, Value> = Dropped::ALL
        .into_iter()
        .map(|why| (why.label().to_owned(), counts.dropped_for(why).into()))
        .collect();
    json!({
        "waiting": counts.waiting,
        "running": counts.running,
        "done": counts.done,
        "retried": counts.retried,
        "dropped": dropped,
    })
}

fn shown(entry: &Entry, view: &View, live: Option<&Arc<Generation>>) -> Value {
    let requested = Requested {
        method: entry.method.parse().unwrap_or_default(),
        other_methods: Vec::new(),
        path: entry.path.as_str().into(),
        services: view.services.clone(),
        case: view.case,
    };
    let story = entry.story.as_ref();
    let mut shown = json!({
        "id": entry.id.as_deref(),
        "at": rfc3339_millis(entry.at),
        "method": entry.method,
        "path": entry.path,
        "generation": entry.generation.map(|id| id.to_string()),
        "way": story.map_or("stream", |story| way(story.way)),
        "why": why(story),
        "events": events(&requested),
        "unseen_bodies": unseen(entry.unseen),
        "token": story.and_then(|story| story.token).map(Token::label),
        "handlers": story.map_or_else(Vec::new, |story| story.handlers.iter().map(told).collect()),
        "others": others(entry, &requested, live),
        "emitted": story.map_or_else(Vec::new, |story| story.emitted.events.iter().map(emitted).collect()),
        "emitted_and_dropped": story.map_or(0, |story| story.emitted.dropped),
        "called_by_a_handler": story.is_some_and(|story| story.depth > 0),
    });
    if let Some(end) = entry.end {
        shown["status"] = end.status.into();
        shown["outcome"] = end.outcome.label().into();
        shown["error"] = entry.error.as_deref().into();
        shown["duration_ms"] = millis(end.duration).into();
    }
    shown
}

/// A duration in milliseconds, to a microsecond: three decimals at most.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// The way a transaction took.
fn way(path: Path) -> &'static str {
    match path {
        Path::Stream => "stream",
        Path::Heads => "heads",
        Path::Buffered => "buffered",
    }
}

/// Why it took that way.
fn why(story: Option<&Story>) -> String {
    let Some(story) = story else {
        return "no handler applies, or nobody listened when it began".to_owned();
    };
    let readers: Vec<&str> = story
        .handlers
        .iter()
        .filter(|told| told.sees_body)
        .map(|told| told.name.as_str())
        .collect();
    match story.way {
        Path::Stream => "no handler applies".to_owned(),
        Path::Heads => "no handler sees a body".to_owned(),
        Path::Buffered if readers.is_empty() => "a handler sees the request's body".to_owned(),
        Path::Buffered => format!("a body is seen by {}", readers.join(", ")),
    }
}

/// The names of the events that a request fires; none outside every service.
fn events(requested: &Requested) -> Vec<String> {
    if !requested.is_of_a_service() {
        return Vec::new();
    }
    [Kind::Request, Kind::PostProcess, Kind::Queued]
        .map(|kind| requested.event_name(None, kind))
        .into()
}

fn unseen(unseen: Unseen) -> Value {
    json!({
        "request": unseen.request.map(Reason::label),
        "response": unseen.response.map(Reason::label),
    })
}

fn told(told: &Told) -> Value {
    let mut shown = json!({
        "name": told.name.as_str(),
        "kind": told.kind.first_name(),
        "fate": told.fate.label(),
    });
    if let Fate::Ran(Some(took)) = told.fate {
        shown["ms"] = millis(took).into();
    }
    if told.tries > 0 {
        shown["tries"] = told.tries.into();
    }
    shown
}

fn emitted((audience, name, bytes): &(Audience, String, usize)) -> Value {
    let audience = match audience {
        Audience::Listeners => "listeners",
        Audience::Feed => "feed",
    };
    json!({ "for": audience, "name": name, "bytes": bytes })
}

/// The handlers that did not apply, and why; null where that can't be told, since the
/// handlers are others than they were.
fn others(entry: &Entry, requested: &Requested, live: Option<&Arc<Generation>>) -> Value {
    let is_same = |live: &&Arc<Generation>| match entry.generation {
        Some(id) => live.id == id,
        None => live.since <= entry.at,
    };
    let Some(live) = live.filter(is_same) else {
        return Value::Null;
    };
    let applied = |name: &str, kind: Kind| {
        let story = entry.story.iter();
        story
            .flat_map(|story| &story.handlers)
            .any(|told| told.kind == kind && told.name.as_str() == name)
    };
    live.handlers
        .iter()
        .map(|handler| &handler.declared)
        .filter(|declared| !applied(declared.name.as_str(), declared.kind))
        .map(|declared| {
            json!({
                "name": declared.name.as_str(),
                "kind": declared.kind.first_name(),
                "why": requested.why_not(declared),
            })
        })
        .collect()
}
