//! A worker: this program as the supervisor starts it.
//!
//! ```text
//! initialised ──▶ follows each live set ──Activate──▶ serves ──Terminate──▶ ended
//!                                                       └─supervisor gone─▶ drained ─▶ ended
//! ```

use std::ffi::CStr;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{Config, Serving};
use crate::crash;
use crate::supervisor::{Begin, Link, Order, Orders, Signal, Sockets};

use super::checked::Checked;
use super::lifecycle::{Request, Requests};
use super::parent::Parent;
use super::sidecar::Sidecar;
use super::{AppError, runtime, start_log};

/// What `ps` and `top` call a worker that waits, and one that serves.
const SPARE: &CStr = c"interpose-spare";
const SERVING: &CStr = c"interpose-serve";

/// Runs until the supervisor asks for the end, or is gone.
///
/// # Errors
///
/// It could not start.
pub fn work(serving: Serving, config: Config, begin: Begin, link: Link) -> Result<(), AppError> {
    let _log = start_log(&config)?;
    let mut begin = begin;
    if let Some(region) = begin.region.take()
        && let Err(error) = crash::record(region)
    {
        tracing::warn!(%error, "should this process die, nobody will know what it did");
    }
    let runtime = runtime(&config)?;
    {
        // Before all that takes long: until then a signal to the group would end this process.
        let _context = runtime.enter();
        obey_the_supervisor_alone()?;
    }
    let checked = Checked::new(&serving, &config)?;
    name(SPARE);
    runtime.block_on(serve(serving, config, checked, begin, link))
}

async fn serve(
    serving: Serving,
    mut config: Config,
    checked: Checked,
    begin: Begin,
    link: Link,
) -> Result<(), AppError> {
    // Once handlers were there, a worker that finds none serves what it was given.
    config.require_handlers &= begin.is_first;
    let (reports, mut orders) = link.start()?;
    let parent = Parent::Supervisor(reports.clone());
    let mut sidecar = Sidecar::new(serving, config, checked, parent)?;
    for (name, value) in &begin.state {
        sidecar.adopt(name, value);
    }
    if let Some(live) = begin.live {
        sidecar.follow(live).await;
    }
    reports.ready();
    let Some(sockets) = activation(&mut orders, &mut sidecar).await else {
        return Ok(());
    };
    name(SERVING);
    sidecar.serve(sockets, requests(orders), |_| ()).await
}

/// Follows the live set until it is to serve; `None` where it is to end before that.
async fn activation(orders: &mut Orders, sidecar: &mut Sidecar) -> Option<Sockets> {
    loop {
        match orders.next().await {
            Order::Set(set) => sidecar.follow(set).await,
            Order::Activate(sockets) => return Some(sockets),
            Order::Signal(Signal::Terminate | Signal::Interrupt) | Order::Gone => return None,
            Order::State(name, value) => sidecar.adopt(&name, &value),
            Order::Signal(Signal::Hangup | Signal::User1 | Signal::User2) => {}
        }
    }
}

/// What the supervisor asks of a worker that serves.
fn requests(mut orders: Orders) -> Requests {
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let request = match orders.next().await {
                Order::Signal(Signal::Terminate) => Request::Drain,
                Order::Signal(Signal::Interrupt) => Request::End,
                Order::Signal(Signal::Hangup) => Request::Reload,
                Order::Gone => {
                    tracing::error!("the supervisor is gone");
                    sender.send(Request::Leave).ok();
                    return;
                }
                // The two signals mean nothing yet, which the supervisor has logged.
                Order::Signal(Signal::User1 | Signal::User2)
                | Order::Set(_)
                | Order::State(..)
                | Order::Activate(_) => continue,
            };
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    Requests::from(requests)
}

/// A signal to the whole group reaches the supervisor as well, which passes it on: obeyed twice
/// it would mean more.
fn obey_the_supervisor_alone() -> std::io::Result<()> {
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
    ] {
        // Whoever asks for it once has it taken over from its default for good.
        drop(signal(kind)?);
    }
    Ok(())
}

fn name(name: &CStr) {
    // For people only.
    rustix::thread::set_name(name).ok();
}
