//! The root: the only place that builds everything and connects it.
//!
//! ```text
//! config ─▶ engine ─▶ reload loop ─▶ generations ◀─ line ◀─ proxy listener
//!                                         ▲           │
//!                     status, admin ──────┘           └─▶ upstream
//! ```

mod descriptors;
mod lifecycle;
mod load;
mod memory;
mod session;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, Access, Stage, View};
use crate::config::{self, Config, ErrorBody, LogFormat, Serving};
use crate::demo;
use crate::engine::{Engine, HostSettings, Limits, Release, Stuck, THREAD_STACK};
use crate::generation::Generations;
use crate::handler::{Case, Diagnostic, Secrets, Service, Services};
use crate::message::head;
use crate::proxy::{self, Listener};
use crate::queue::{self, Queue};
use crate::scripts::{self, ReloadLoop, Reloads, Snapshot};
use crate::store::{Bounds, MemoryStore};
use crate::telemetry::{AccessLog, Format, Log, LogSettings, Observers, Ring};
use crate::token;
use crate::transaction::pipeline::Unavailable;
use crate::transaction::ports::{Observer, Upstream};
use crate::transaction::respond::ErrorFormat;
use crate::transaction::story::Chronicler;
use crate::transaction::{
    self, Calls, Line, Names, Room, Routes, SessionSources, Settings, nested,
};
use crate::upstream;

use lifecycle::{Drain, Signals, drain};
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

/// The services that paths and events are named by.
pub(crate) fn services(config: &Config) -> Services {
    Services::new(config.services.iter().map(|configured| {
        let service = Service::new(&*configured.name, &configured.prefix);
        match &configured.api_version {
            Some(version) => service.with_api_version(version),
            None => service,
        }
    }))
}

fn case(config: &Config) -> Case {
    if config.matching.ignore_case {
        Case::Ignored
    } else {
        Case::Counts
    }
}

/// Who sees finished transactions: their ring, and the log where it is on.
fn observer(config: &Config, transactions: &Arc<Ring>) -> Arc<dyn Observer> {
    let mut observers = vec![Arc::clone(transactions) as Arc<dyn Observer>];
    if config.log.access {
        observers.push(Arc::new(AccessLog));
    }
    Arc::new(Observers(observers))
}

/// The engine that compiles script sets, whose handlers may ask for `secrets` and have so many
/// bytes of `memory` together.
pub(crate) fn engine(config: &Config, secrets: Secrets, memory: usize) -> Engine {
    let limits = Limits {
        handler_time: config.limits.handler_time,
        memory: config.limits.handler_memory,
        total_memory: memory,
        text: config.limits.response_body.max(config.limits.request_body) * 4,
        stuck: config.limits.stuck.get(),
        code_from_text: config.scripts.allow_eval,
    };
    let settings = config
        .resources
        .settings
        .iter()
        .map(|(name, parameter)| ((*name).to_owned(), parameter.clone()));
    Engine::new(
        limits,
        HostSettings {
            resources: config.resources.paths.clone(),
            settings: settings.collect(),
            secrets,
            config: platform_config(config),
        },
        Arc::new(MemoryStore::new(Bounds {
            keys: config.store.capacity.get(),
            bytes: config.store.memory,
            lasts: config.store.ttl,
        })),
    )
}

/// What `platform.config` shows, as JSON text.
fn platform_config(config: &Config) -> String {
    let parts = |name: &String| name.split('.').map(str::to_owned).collect();
    let named: Vec<(Vec<String>, String)> = config
        .platform
        .iter()
        .map(|(name, text)| (parts(name), text.clone()))
        .collect();
    let values = named.iter().map(|(name, text)| (name, text.clone().into()));
    serde_json::Value::Object(nested(values)).to_string()
}

async fn serve(
    serving: Serving,
    config: Config,
    tell: impl FnOnce(&Bound),
) -> Result<(), AppError> {
    let memory = memory::for_handlers(&config.limits, memory::there_is())?;
    let mut signals = Signals::new()?;
    let session = session::sources(&serving, &config)?;
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

    let clients = clients(&serving, &config)?;
    let queue = Queue::new(queue_settings(&config));
    let line = line(&serving, &config, session, &clients, &generations, &queue);
    let workers = queue.work(&line);
    let transactions = Arc::new(Ring::new(config.transactions_kept));
    line.pipeline
        .tell(Arc::clone(&transactions) as Arc<dyn Chronicler>);
    let observer = observer(&config, &transactions);
    let settings = client_side(&config.limits);
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
    let operators = operators(&serving, view, status, admin, &ended)?;
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

/// Compiles a snapshot and publishes what came of it.
type Loader = Box<dyn FnMut(Snapshot) -> Result<(), Vec<Diagnostic>> + Send>;

fn secrets(serving: &Serving) -> Secrets {
    let secrets = serving.secrets.iter();
    Secrets::new(secrets.map(|(name, secret)| (name.clone(), secret.expose().into())))
}

/// The loop that reads the script directory and publishes what it finds.
fn reload_loop(
    config: &Config,
    engine: Engine,
    generations: &Arc<Generations>,
) -> (ReloadLoop<Loader>, Reloads) {
    let settings = scripts::Settings {
        directory: config.scripts.directory.clone(),
        settle: config.scripts.settle,
        rescan: config.scripts.rescan,
        allow_empty: config.scripts.allow_empty,
        commit: config.scripts.commit.clone(),
    };
    let (services, generations) = (services(config), Arc::clone(generations));
    let loader = move |snapshot: Snapshot| {
        let Loaded {
            generation,
            diagnostics,
            ..
        } = load(&snapshot, &services, &engine);
        for warning in &diagnostics.warnings {
            tracing::warn!(place = %warning, "script set");
        }
        let Some(generation) = generation else {
            return Err(diagnostics.errors);
        };
        let live = generations.publish(generation);
        tracing::info!(generation = %live.id, handlers = live.handlers.len(), "generation is live");
        Ok(())
    };
    ReloadLoop::new(settings, Box::new(loader))
}

/// Why only a new process helps, where that is so.
fn unsound(stuck: &Stuck) -> Option<String> {
    stuck.is_full().then(|| {
        let count = stuck.count();
        format!("{count} threads are stuck in handlers that can't be stopped")
    })
}

async fn wait_for_handlers(reloads: &Reloads) -> Result<(), AppError> {
    let mut status = reloads.status();
    // The loop outlives this wait: both ends of the channel are alive.
    let status = status
        .wait_for(scripts::Status::is_decided)
        .await
        .map(|status| status.clone())
        .unwrap_or_default();
    match (status.live, status.rejected) {
        (Some(_), _) => Ok(()),
        (None, rejected) => Err(AppError::NoHandlers(
            rejected.map(|rejected| rejected.errors).unwrap_or_default(),
        )),
    }
}

/// Room for the bodies that handlers see, a quarter of which allocators may keep that nobody has.
fn room(config: &Config) -> Room {
    let bytes = memory::for_bodies(&config.limits, memory::there_is());
    let release = Release::each(bytes / 4);
    Room::new(bytes, move |freed| release.freed(freed))
}

fn line(
    serving: &Serving,
    config: &Config,
    session: SessionSources,
    clients: &Routes<Arc<upstream::Client>>,
    generations: &Arc<Generations>,
    queue: &Arc<Queue>,
) -> Arc<Line> {
    let names = Names::new(
        services(config),
        case(config),
        config.trusted_proxies.clone(),
        &config.bodies.metadata_name,
    )
    .with_session(session);
    let calls = Calls::new(
        Arc::clone(clients.main()) as Arc<dyn Upstream>,
        config.hosts.allow.clone(),
        config.limits.response_body,
    );
    let settings = Settings {
        transaction_time: config.limits.transaction_time,
        request_body: config.limits.request_body,
        response_body: config.limits.response_body,
        errors: error_format(&serving.error_body),
        unavailable: match config.bodies.unavailable {
            config::Unavailable::Refuse => Unavailable::Refuse,
            config::Unavailable::Pass => Unavailable::Pass,
        },
        json_types: config.bodies.json_types.clone(),
        via: config.via,
        room: room(config),
    };
    Line::new(
        Arc::clone(generations),
        names,
        clients.map(|client| Arc::clone(client) as Arc<dyn Upstream>),
        &Arc::new(calls),
        Arc::clone(queue) as Arc<dyn transaction::Queue>,
        settings,
    )
}

fn client_side(limits: &config::Limits) -> proxy::Settings {
    let few = |count: NonZeroUsize| u32::try_from(count.get()).expect("it is a million at most");
    let wanted = few(limits.connections);
    let allowed = descriptors::raise().map_or(wanted, descriptors::for_clients);
    if allowed < wanted {
        tracing::warn!(
            connections = allowed,
            wanted,
            "fewer clients than limits.connections can be connected; raise the limit of open files"
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
        connections: wanted.min(allowed),
        requests: few(limits.requests),
    }
}

fn error_format(body: &ErrorBody) -> ErrorFormat {
    match body {
        ErrorBody::Default => ErrorFormat::Default,
        ErrorBody::Problem => ErrorFormat::Problem,
        ErrorBody::Template(text) => {
            let is_json = text.trim_start().starts_with(['{', '[']);
            let content_type = if is_json {
                "application/json"
            } else {
                "text/plain; charset=utf-8"
            };
            ErrorFormat::Template {
                text: text.clone(),
                content_type: HeaderValue::from_static(content_type),
            }
        }
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

/// A client for each upstream.
fn clients(
    serving: &Serving,
    config: &Config,
) -> Result<Routes<Arc<upstream::Client>>, upstream::SetupError> {
    let config::Upstream { origin, tls } = &serving.upstream;
    let main = upstream::Settings {
        server_name: tls.as_ref().map(|tls| tls.server_name.as_str().to_owned()),
        ..upstream_settings(origin.url(tls.is_some()), serving, config)
    };
    let mut clients = Routes::to(Arc::new(upstream::Client::new(main)?));
    for service in &config.services {
        if let Some(config::Url { is_tls, origin }) = &service.upstream {
            let settings = upstream_settings(origin.url(*is_tls), serving, config);
            let client = Arc::new(upstream::Client::new(settings)?);
            clients = clients.with_own(&*service.name, client);
        }
    }
    Ok(clients)
}

fn upstream_settings(url: url::Url, serving: &Serving, config: &Config) -> upstream::Settings {
    upstream::Settings {
        ca_file: serving.ca_file.clone(),
        connect: config.limits.upstream_connect,
        read: config.limits.upstream_read,
        write: config.limits.upstream_write,
        reach: reach(config),
        ..upstream::Settings::new(url)
    }
}

/// What the names of hosts may stand for that handlers call.
fn reach(config: &Config) -> upstream::Reach {
    let addresses = config.hosts.allow.iter().filter_map(|it| match it.host {
        url::Host::Ipv4(address) => Some(IpAddr::V4(address)),
        url::Host::Ipv6(address) => Some(IpAddr::V6(address)),
        url::Host::Domain(_) => None,
    });
    upstream::Reach {
        addresses: addresses.collect(),
        networks: config.hosts.networks.clone(),
    }
}

/// Serves the operator's side; each task ends once `ended` is true.
fn operators(
    serving: &Serving,
    view: View,
    status: Option<TcpListener>,
    admin: Option<TcpListener>,
    ended: &watch::Receiver<bool>,
) -> io::Result<Vec<tokio::task::JoinHandle<io::Result<()>>>> {
    let mut tasks = Vec::new();
    let end = |mut ended: watch::Receiver<bool>| async move {
        ended.wait_for(|ended| *ended).await.ok();
    };
    if let Some(listener) = status {
        tasks.push(tokio::spawn(admin::serve(
            listener,
            admin::status(view.clone()),
            end(ended.clone()),
        )));
    }
    if let Some(listener) = admin {
        let token = serving
            .admin
            .as_ref()
            .and_then(|admin| admin.token.as_ref());
        let access = Access::new(listener.local_addr()?, token.map(config::Secret::expose));
        tasks.push(tokio::spawn(admin::serve(
            listener,
            admin::admin(view, access),
            end(ended.clone()),
        )));
    }
    Ok(tasks)
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
