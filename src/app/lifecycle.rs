//! From the first signal to the end.
//!
//! ```text
//! Serving ──SIGTERM──▶ Draining ──idle, time over or another signal──▶ ended
//!    └────SIGINT──────────────────────────────────────────────────────▶ ended
//! ```

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::admin::Stage;
use crate::proxy::Server;
use crate::queue::Queue;
use crate::scripts::Reloads;

/// How long the process goes on after SIGTERM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    /// How long it goes on accepting.
    pub delay: Duration,
    /// How long it waits for what is in flight and queued after that.
    pub timeout: Duration,
}

/// The signals this process listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from their defaults.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the process is asked to end, reloading whenever it is asked to.
    ///
    /// Gives back whether it may take its time.
    pub(super) async fn wait(&mut self, reloads: &Reloads) -> bool {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return true,
                _ = self.interrupt.recv() => return false,
                _ = self.hangup.recv() => {
                    let reloads = reloads.clone();
                    // What came of it is logged where it happens.
                    tokio::spawn(async move { reloads.request_in_turn().await.ok() });
                }
            }
        }
    }

    /// Another wish to end: the first one was not quick enough.
    async fn again(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ends the proxy: no longer ready at once, accepting for a while, then finishing what is
/// in flight and what waits in the queue. At once where nobody is connected, or where another signal comes.
pub(super) async fn drain(
    server: Server,
    queue: &Queue,
    stage: &watch::Sender<Stage>,
    signals: &mut Signals,
    drain: Drain,
) {
    stage.send_replace(Stage::Draining);
    server.send_away();
    tracing::info!(connections = server.connections(), "draining");
    let finished = async {
        // Where nobody is left, nobody can be sent away.
        if server.connections() > 0 {
            tokio::time::timeout(drain.delay, server.deserted())
                .await
                .ok();
        }
        let until = Instant::now() + drain.timeout;
        match server.drain(drain.timeout).await {
            0 => tracing::info!("drained"),
            left => tracing::warn!(connections = left, "connections were cut"),
        }
        let left = until.saturating_duration_since(Instant::now());
        queue.drain(left).await;
    };
    tokio::select! {
        () = finished => {}
        () = signals.again() => tracing::warn!("asked to end at once"),
    }
}
