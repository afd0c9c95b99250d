//! What the tests are written with.

mod client;
mod handlers;
mod sidecar;
mod upstream;

pub(crate) use client::{Client, Response, field};
pub(crate) use handlers::{Handlers, KINDS, every_path, reject};
pub(crate) use sidecar::{Finished, Setup, Sidecar};
pub(crate) use upstream::{Act, Upstream, ok};

use std::time::Duration;

use tokio::time::timeout;

/// How long anything may take before a test has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for what has to happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what)
        .await
        .expect("it happens before patience ends")
}

/// Waits until something is so that nobody tells us of.
pub(crate) async fn eventually(is_so: impl Fn() -> bool) {
    soon(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
