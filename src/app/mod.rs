//! The root: the only place that builds everything and connects it.
//!
//! ```text
//! config ─▶ engine ─▶ reload loop ─▶ generations ◀─ line ◀─ proxy listener
//!                                         ▲           │
//!                     status, admin ──────┘           └─▶ upstream
//! ```
//!
//! That is a [`Sidecar`]: in one process alone ([`run`]), or in a worker ([`work`]) that the
//! supervisor has started ([`supervise`]).

mod checked;
mod clients;
mod descriptors;
mod engine;
mod lifecycle;
mod line;
mod load;
mod memory;
mod operators;
mod parent;
mod quarantine;
mod reloads;
mod session;
mod sidecar;
mod sockets;
mod supervise;
mod trial;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::config::{self, Config, LogFormat, Serving};
use crate::demo;
use crate::engine::THREAD_STACK;
use crate::handler::Diagnostic;
use crate::message::head;
use crate::proxy;
use crate::queue;
use crate::supervisor::Systemd;
use crate::telemetry::{Format, Log, LogSettings};
use crate::token;
use crate::upstream;
use crate::wire::Buffers;

use checked::Checked;
use descriptors::Descriptors;
use lifecycle::Requests;
use parent::Parent;
use sidecar::Sidecar;

pub(crate) use engine::engine;
pub(crate) use line::services;
pub use load::{Loaded, load};
pub use memory::TooMuch;
pub use supervise::supervise;
pub use trial::{Trial, compile_only};
pub use worker::work;

/// How long admin and status requests may take to finish at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the process could not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The log can't be written.
    #[error("could not start the log: {0}")]
    Log(#[from] tracing_subscriber::util::TryInitError),
    /// The system gave no threads or signals.
    #[error("could not start: {0}")]
    System(#[from] io::Error),
    /// An address can't be listened at.
    #[error(
        "could not listen at {address} ({listener}): {source}{}",
        way_out(listener, source)
    )]
    Listen {
        /// Which listener it is for.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Limits that can't be kept.
    #[error(transparent)]
    Memory(#[from] TooMuch),
    /// The upstream can't be set up.
    #[error(transparent)]
    Upstream(#[from] upstream::SetupError),
    /// Tokens can't be verified.
    #[error(transparent)]
    Token(#[from] token::KeyError),
    /// `--require-handlers`, and there are none.
    #[error("no usable set of handlers:\n{}", list(.0))]
    NoHandlers(Vec<Diagnostic>),
}

/// The addresses that were bound.
pub struct Bound {
    /// The proxy's.
    pub proxy: SocketAddr,
    /// The status listener's, where it is on.
    pub status: Option<SocketAddr>,
    /// The admin listener's, where it is on.
    pub admin: Option<SocketAddr>,
    /// The upstream.
    pub upstream: String,
}

/// Runs the proxy in this process alone, until it is asked to end.
///
/// # Errors
///
/// It could not start.
pub fn run(serving: Serving, config: Config) -> Result<(), AppError> {
    let _log = start_log(&config)?;
    runtime(&config)?.block_on(serve(serving, config, |_| ()))
}

/// Runs the demo: the legacy API on `legacy` as well, and tells where everything listens.
///
/// # Errors
///
/// It could not start.
pub fn run_demo(
    serving: Serving,
    config: Config,
    legacy: std::net::TcpListener,
    tell: impl FnOnce(&Bound),
) -> Result<(), AppError> {
    let _log = start_log(&config)?;
    runtime(&config)?.block_on(async {
        legacy.set_nonblocking(true)?;
        let api = tokio::spawn(demo::serve(
            TcpListener::from_std(legacy)?,
            std::future::pending(),
        ));
        let served = serve(serving, config, tell).await;
        api.abort();
        served
    })
}

/// Serves in this process alone.
async fn serve(
    serving: Serving,
    config: Config,
    tell: impl FnOnce(&Bound),
) -> Result<(), AppError> {
    let checked = Checked::new(&serving, &config)?;
    let requests = Requests::of_signals()?;
    let systemd = Systemd::new();
    tokio::spawn(systemd.clone().say_that_we_live());
    let addresses = serving.clone();
    let sidecar = Sidecar::new(serving, config, checked, Parent::System(systemd))?;
    let sockets = sockets::bind(&addresses)?;
    let announce = |bound: &Bound| {
        announce(bound);
        tell(bound);
    };
    sidecar.serve(sockets, requests, announce).await
}

fn start_log(config: &Config) -> Result<Log, AppError> {
    Ok(Log::start(log_settings(config))?)
}

fn log_settings(config: &Config) -> LogSettings {
    LogSettings {
        format: match config.log.format {
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        },
        level: config.log.level,
    }
}

fn runtime(config: &Config) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = config.workers {
        builder.worker_threads(workers.get());
    }
    builder
        .thread_name("interpose")
        .thread_stack_size(THREAD_STACK)
        .enable_all()
        .build()
}

/// The budget of what is read from clients and upstreams and waits.
fn buffers(limits: &config::Limits) -> Arc<Buffers> {
    Arc::new(Buffers::new(memory::for_buffers(
        limits,
        memory::there_is(),
    )))
}

fn client_side(
    limits: &config::Limits,
    descriptors: &Descriptors,
    buffers: Arc<Buffers>,
) -> proxy::Settings {
    let few = |count: NonZeroUsize| u32::try_from(count.get()).expect("it is a million at most");
    let wanted = few(limits.max_connections);
    let allowed = descriptors.clients;
    if allowed < wanted {
        let connections = allowed;
        if limits.max_connections == config::DEFAULT_MAX_CONNECTIONS {
            tracing::info!(
                connections,
                "so many clients can be connected; a higher limit of open files allows more"
            );
        } else {
            tracing::warn!(
                connections,
                wanted,
                "fewer clients than limits.max_connections can be connected; raise the limit of open files"
            );
        }
    }
    proxy::Settings {
        head: head::Limits {
            bytes: limits.head_size,
            fields: limits.max_headers.get(),
            parameters: limits.max_parameters.get(),
        },
        head_time: limits.head_time,
        idle_time: limits.idle_timeout,
        body_time: limits.body_timeout,
        request_timeout: limits.request_timeout,
        max_connections: wanted.min(allowed),
        requests: few(limits.max_requests_per_connection),
        buffers,
    }
}

fn queue_settings(config: &Config) -> queue::Settings {
    let config::Queue {
        capacity,
        memory,
        concurrency,
        delay,
        max_attempts,
        backoff,
        timeout,
    } = &config.queue;
    queue::Settings {
        capacity: capacity.get(),
        memory: *memory,
        workers: concurrency.get(),
        delay: *delay,
        tries: max_attempts.get(),
        backoff: *backoff,
        timeout: *timeout,
    }
}

/// One line for each bound address, at every log level: other programs wait for it.
fn announce(bound: &Bound) {
    let listeners = [
        ("proxy", Some(bound.proxy)),
        ("status", bound.status),
        ("admin", bound.admin),
    ];
    for (listener, address) in listeners {
        if let Some(address) = address {
            tracing::info!(target: "listening", %listener, %address, "listening");
        }
    }
}

/// What to do about an address that can't be listened at, where that is known.
fn way_out(listener: &str, error: &io::Error) -> String {
    let flag = match listener {
        "status" => "--status ADDR|off",
        "admin" => "--admin ADDR|off",
        _ => "--listen ADDR",
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "; another program listens there: end it, or choose another address with {flag}"
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("; this machine has no such address: choose another one with {flag}")
        }
        io::ErrorKind::PermissionDenied => format!(
            "; ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE): get it, or choose another one with {flag}"
        ),
        _ => String::new(),
    }
}

fn list(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
