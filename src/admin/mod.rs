//! The operator's side: a status listener that tells and an admin listener that acts.
//!
//! Status, read-only, no secrets:
//!
//! ```text
//! GET /livez      200 while the process is sound, 503 where only a new one helps
//! GET /readyz     200 while a generation is live and the process isn't draining, else 503
//!                 /livez?verbose and /readyz?verbose: each check as JSON
//! GET /startupz   200 once the first generation was loaded, else 503
//! GET /version    the program's version
//! ```
//!
//! Admin, loopback or a token:
//!
//! ```text
//! GET  /generations   what is live, what was rejected, whether something is settling
//! GET  /transactions  the last transactions: which events they fired, which handlers ran, and why others didn't
//! POST /transactions?keep=N
//!                     keeps so many from now on; 0 for none
//! POST /handlers/NAME/release
//!                     lets a handler in quarantine run again; 404 where no handler is called so
//! POST /reload        reads the script directory now; 200 with the generation, 422 with the errors, or
//!                     503 where too many wait for theirs
//! GET  /system/event?scriptable=true
//!                     what can be scripted, as DreamFactory lists it; service=NAME, as_list=true
//! DELETE /system/cache[/{service}|/_event/{event}]
//!                     as POST /reload; also as a POST that says it is a DELETE
//! ```
//!
//! What begins with `/system` is served below `/api/v2` too.

mod generations;
mod guard;
mod health;
mod listener;
mod system;
mod transactions;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{any, get, post};

use crate::generation::{Generations, Quarantine};
use crate::handler::{Case, Services};
use crate::queue::Queue;
use crate::scripts::Reloads;
use crate::telemetry::Ring;

pub use generations::{Release, Released};
pub use guard::Access;
pub use health::{Lifecycle, Stage, Unsound};
pub use listener::{Limits, serve};

/// What both listeners look at.
#[derive(Clone)]
pub struct View {
    /// The generations.
    pub generations: Arc<Generations>,
    /// The services that events are named by.
    pub services: Services,
    /// Whether case counts in paths.
    pub case: Case,
    /// The last transactions.
    pub transactions: Arc<Ring>,
    /// Where queued handlers wait.
    pub queue: Arc<Queue>,
    /// What is being read from disk.
    pub reloads: Reloads,
    /// How far the process is between its start and its end.
    pub lifecycle: Lifecycle,
    /// Why a supervisor should start the process anew; `None` while it is sound.
    pub unsound: Unsound,
    /// The handlers that don't run.
    pub quarantine: Arc<Quarantine>,
    /// Lets one run again.
    pub release: Release,
    /// Why the process counts as one that dies too often; `None` while it doesn't.
    pub dies_often: Unsound,
}

/// The status listener's routes.
pub fn status(view: View) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/startupz", get(health::started))
        .route("/version", get(health::version))
        .with_state(view)
}

/// The admin listener's routes, for those whom `access` lets in.
pub fn admin(view: View, access: Access) -> Router {
    let system = Router::new()
        .route("/event", get(system::events))
        .route("/event/", get(system::events))
        .route("/cache", any(system::clear_cache))
        .route("/cache/", any(system::clear_cache))
        .route("/cache/{*part}", any(system::clear_cache));
    Router::new()
        .route("/generations", get(generations::show))
        .route("/reload", post(generations::reload))
        .route("/handlers/{name}/release", post(generations::release))
        .route(
            "/transactions",
            get(transactions::show).post(transactions::keep),
        )
        .nest("/system", system.clone())
        .nest("/api/v2/system", system)
        .with_state(view)
        .layer(middleware::from_fn_with_state(
            Arc::new(access),
            guard::guard,
        ))
}
