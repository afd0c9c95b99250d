//! The root: the only place that builds everything and connects it.
//!
//! ```text
//! config ─▶ engine ─▶ reload loop ─▶ generations ◀─ line ◀─ proxy listener
//!                                         ▲           │
//!                     status, admin ──────┘           └─▶ upstream
//! ```

mod clients;
mod descriptors;
mod engine;
mod lifecycle;
mod line;
mod load;
mod memory;
mod operators;
mod reloads;
mod session;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, Stage, View};
use crate::config::{self, Config, LogFormat, Serving};
use crate::demo;
use crate::engine::THREAD_STACK;
use crate::generation::Generations;
use crate::handler::Diagnostic;
use crate::message::head;
use crate::proxy::{self, Listener};
use crate::queue::{self, Queue};
use crate::telemetry::{Format, Log, LogSettings, Ring};
use crate::token;
use crate::transaction::story::Chronicler;
use crate::upstream;
use crate::wire::Buffers;

use clients::{clients, egress};
use descriptors::Descriptors;
use engine::secrets;
use lifecycle::{Drain, Signals, drain};
use line::{case, line, observer};
use operators::{operators, unsound};
use reloads::{reload_loop, wait_for_handlers};

pub(crate) use engine::engine;
pub(crate) use line::services;
pub use load::{Loaded, load};
pub use memory::TooMuch;

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
    #[error("could not listen at {address}: {source}")]
    Listen {
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

/// Runs the proxy until the process is asked to end.
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

async fn serve(
    serving: Serving,
    config: Config,
    tell: impl FnOnce(&Bound),
) -> Result<(), AppError> {
    let memory = memory::for_handlers(&config.limits, memory::there_is())?;
    let descriptors = Descriptors::of(descriptors::raise());
    let mut signals = Signals::new()?;
    let session = session::sources(&serving, &config)?;
    // Most of what is kept leads to the API.
    let for_hosts = descriptors.idle / 4;
    let clients = clients(&serving, &config, descriptors.idle - for_hosts)?;
    let egress = egress(&serving, &config, for_hosts)?;
    let listener = Listener::bind(serving.listen).map_err(|error| AppError::Listen {
        address: serving.listen,
        source: error.into_source(),
    })?;
    let status = bind(serving.status).await?;
    let admin = bind(serving.admin.as_ref().map(|admin| admin.listen)).await?;

    let generations = Arc::new(Generations::default());
    let engine = engine(&config, secrets(&serving), memory);
    let stuck = engine.stuck();
    let (reload, reloads) = reload_loop(&config, engine, &generations);
    let reading = tokio::spawn(reload.run());
    if config.require_handlers {
        wait_for_handlers(&reloads).await?;
    }

    let queue = Queue::new(queue_settings(&config));
    let line = line(
        &serving,
        &config,
        session,
        &clients,
        egress,
        &generations,
        &queue,
    );
    let workers = queue.work(&line);
    let transactions = Arc::new(Ring::new(config.transactions_kept));
    line.pipeline
        .tell(Arc::clone(&transactions) as Arc<dyn Chronicler>);
    let observer = observer(&config, &transactions);
    let settings = client_side(&config.limits, &descriptors);
    let bound = Bound {
        proxy: listener.address(),
        status: status.as_ref().map(TcpListener::local_addr).transpose()?,
        admin: admin.as_ref().map(TcpListener::local_addr).transpose()?,
        upstream: format!("http://{}", clients.main().peer().authority()),
    };
    let server = listener.start(proxy::Service {
        line,
        observer: Some(observer),
        settings,
    });

    let (stage, lifecycle) = watch::channel(Stage::Serving);
    let (end, ended) = watch::channel(false);
    let view = View {
        generations,
        services: services(&config),
        case: case(&config),
        transactions,
        queue: Arc::clone(&queue),
        reloads: reloads.clone(),
        lifecycle,
        unsound: Arc::new(move || unsound(&stuck)),
    };
    let limits = admin::Limits {
        max_connections: descriptors.operators,
        head_time: config.limits.head_time,
        idle_time: config.limits.idle_time,
    };
    let operators = operators(&serving, view, status, admin, limits, &ended)?;
    announce(&bound);
    tell(&bound);

    let may_take_its_time = signals.wait(&reloads).await;
    if may_take_its_time {
        let limits = Drain {
            delay: config.drain.delay,
            timeout: config.drain.timeout,
        };
        drain(server, &queue, &stage, &mut signals, limits).await;
    }
    queue.abandon();
    for worker in workers {
        worker.abort();
    }
    reading.abort();
    end.send_replace(true);
    for operator in operators {
        // A client that keeps its connection to the status listener doesn't keep the process.
        tokio::time::timeout(LAST_WORDS, operator).await.ok();
    }
    Ok(())
}

fn start_log(config: &Config) -> Result<Log, AppError> {
    let format = match config.log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    Ok(Log::start(LogSettings {
        format,
        level: config.log.level,
    })?)
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

async fn bind(address: Option<SocketAddr>) -> Result<Option<TcpListener>, AppError> {
    let Some(address) = address else {
        return Ok(None);
    };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(source) => Err(AppError::Listen { address, source }),
    }
}

fn client_side(limits: &config::Limits, descriptors: &Descriptors) -> proxy::Settings {
    let few = |count: NonZeroUsize| u32::try_from(count.get()).expect("it is a million at most");
    let wanted = few(limits.max_connections);
    let allowed = descriptors.clients;
    if allowed < wanted {
        tracing::warn!(
            connections = allowed,
            wanted,
            "fewer clients than limits.max_connections can be connected; raise the limit of open files"
        );
    }
    proxy::Settings {
        head: head::Limits {
            bytes: limits.head_size,
            fields: limits.head_fields.get(),
        },
        head_time: limits.head_time,
        idle_time: limits.idle_time,
        body_time: limits.body_time,
        request_timeout: limits.request_timeout,
        max_connections: wanted.min(allowed),
        requests: few(limits.requests),
        buffers: Arc::new(Buffers::new(memory::for_buffers(
            limits,
            memory::there_is(),
        ))),
    }
}

fn queue_settings(config: &Config) -> queue::Settings {
    let config::Queued {
        capacity,
        memory,
        workers,
        delay,
        tries,
        backoff,
        timeout,
    } = &config.queued;
    queue::Settings {
        capacity: capacity.get(),
        memory: *memory,
        workers: workers.get(),
        delay: *delay,
        tries: tries.get(),
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

fn list(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
