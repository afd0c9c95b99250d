//! From the first request to end to the end itself.
//!
//! ```text
//! Serving ──SIGTERM──▶ Draining ──idle, time over or another request──▶ ended
//!    └────SIGINT───────────────────────────────────────────────────────▶ ended
//! ```
//!
//! Requests are signals, where this process is alone, or come from the supervisor.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::admin::Stage;
use crate::proxy::Server;
use crate::queue::Queue;
use crate::scripts::Reloads;

use super::parent::Parent;

/// How long the process goes on after SIGTERM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    /// How long it goes on accepting.
    pub delay: Duration,
    /// How long it waits for what is in flight and queued after that.
    pub timeout: Duration,
}

/// What this process is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// To finish what is under way, then to end.
    Drain,
    /// To end.
    End,
    /// To read the script directory.
    Reload,
    /// To end as one that nobody supervises any more.
    Leave,
}

/// How it is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With all that is under way finished.
    Drained,
    /// So too, but accepting nobody any more.
    Orphaned,
    /// At once.
    AtOnce,
}

/// The requests to this process, in their order.
pub(super) struct Requests(mpsc::UnboundedReceiver<Request>);

impl From<mpsc::UnboundedReceiver<Request>> for Requests {
    fn from(requests: mpsc::UnboundedReceiver<Request>) -> Self {
        Self(requests)
    }
}

impl Requests {
    /// Takes the signals over from their defaults. Must be called within a runtime.
    pub(super) fn of_signals() -> std::io::Result<Self> {
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(Signals::new()?.pass_on(sender));
        Ok(Self(requests))
    }

    /// Waits until the process is asked to end, reloading whenever it is asked to.
    pub(super) async fn wait(&mut self, reloads: &Reloads, parent: &Parent) -> End {
        loop {
            match self.next().await {
                Request::Drain => {
                    parent.stopping();
                    return End::Drained;
                }
                Request::Leave => return End::Orphaned,
                Request::End => {
                    parent.stopping();
                    tracing::info!("ending at once");
                    return End::AtOnce;
                }
                Request::Reload => {
                    parent.reloading();
                    let (reloads, parent) = (reloads.clone(), parent.clone());
                    tokio::spawn(async move {
                        // What came of it is logged where it happens.
                        reloads.request_in_turn().await.ok();
                        parent.reloaded();
                    });
                }
            }
        }
    }

    /// Another wish to end: the first one was not quick enough.
    async fn again(&mut self) {
        loop {
            match self.next().await {
                Request::Drain | Request::End => return,
                Request::Reload | Request::Leave => {}
            }
        }
    }

    async fn next(&mut self) -> Request {
        match self.0.recv().await {
            Some(request) => request,
            // Who passes them on is gone, and nothing more can be asked for.
            None => std::future::pending().await,
        }
    }
}

/// The signals this process listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Until nobody wants to know of them.
    async fn pass_on(mut self, requests: mpsc::UnboundedSender<Request>) {
        loop {
            let request = tokio::select! {
                _ = self.terminate.recv() => Request::Drain,
                _ = self.interrupt.recv() => Request::End,
                _ = self.hangup.recv() => Request::Reload,
                _ = self.user1.recv() => {
                    tracing::info!(signal = "SIGUSR1", "this signal means nothing yet");
                    continue;
                }
                _ = self.user2.recv() => {
                    tracing::info!(signal = "SIGUSR2", "this signal means nothing yet");
                    continue;
                }
            };
            if requests.send(request).is_err() {
                return;
            }
        }
    }
}

/// Ends the proxy: no longer ready at once, accepting for a while, then finishing what is
/// in flight and what waits in the queue. At once where nobody is connected, or where it is asked for again.
pub(super) async fn drain(
    server: Server,
    queue: &Queue,
    stage: &watch::Sender<Stage>,
    requests: &mut Requests,
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
        () = requests.again() => tracing::warn!("asked to end at once"),
    }
}
