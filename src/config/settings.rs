//! The configuration as meant: plain typed values, one struct a table.
//!
//! What only a listening process needs is in [`Serving`](super::Serving).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tracing::Level;

use crate::message::JsonType;
use crate::transaction::{AllowedHost, SessionSource};

use super::upstream;

/// Everything that has a default, and the scripts' directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Threads that serve requests; `None` for one a CPU.
    pub workers: Option<NonZeroUsize>,
    /// Who may tell the client's address and scheme.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether the upstream is told `Via`.
    pub via: bool,
    /// Whether a start without a usable set ends the process.
    pub require_handlers: bool,
    /// The `[scripts]` table.
    pub scripts: Scripts,
    /// The `[limits]` table.
    pub limits: Limits,
    /// The `[upstream_pool]` table.
    pub upstream_pool: UpstreamPool,
    /// The `[[service]]` tables, in the file's order.
    pub services: Vec<Service>,
    /// The `[bodies]` table.
    pub bodies: Bodies,
    /// The `[headers]` table: what happens to fields with `_` in their names.
    pub underscores: Underscores,
    /// The `[log]` table.
    pub log: Log,
    /// The `[resources]` table.
    pub resources: Resources,
    /// The `[hosts]` table.
    pub hosts: Hosts,
    /// The `[session]` table: the dotted name of a value in `platform.session`,
    /// such as `user.id`, and where it comes from.
    pub session: BTreeMap<String, SessionSource>,
    /// The `[platform]` table: the dotted name of a value in `platform.config`, and its text.
    pub platform: BTreeMap<String, String>,
    /// The `[store]` table.
    pub store: Store,
    /// The `[queue]` table.
    pub queue: Queue,
    /// How many finished transactions are kept, from the `[transactions]` table; 0 for none.
    pub transactions_kept: usize,
    /// The `[match]` table.
    pub matching: Matching,
    /// The `[drain]` table.
    pub drain: Drain,
    /// The `[supervisor]` table.
    pub supervisor: Supervisor,
}

/// The `[scripts]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    /// Directory of handler files. It need not exist yet.
    pub directory: PathBuf,
    /// Quiet time after the last change before a reload.
    pub settle: Duration,
    /// Time between two looks at the directory where no file event comes.
    pub rescan: Duration,
    /// Whether a directory without handlers is a usable set.
    pub allow_empty: bool,
    /// Whether handlers may make code from text.
    pub allow_eval: bool,
    /// The file in the directory whose change alone triggers a reload.
    pub commit: Option<String>,
}

/// What `limits.max_connections` is where nobody has set it. A machine that allows fewer is no
/// surprise to anybody then.
pub const DEFAULT_MAX_CONNECTIONS: NonZeroUsize =
    NonZeroUsize::new(16_384).expect("it is not zero");

/// The `[limits]` table. Times are above nought, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Computing time of one handler run; never above `transaction_time`.
    pub handler_time: Duration,
    /// Heap of one isolate.
    pub handler_memory: usize,
    /// All heaps together, never less than one; `None` for half of what there is.
    pub total_memory: Option<usize>,
    /// With how many threads in handlers that can't be stopped the process is still sound.
    pub max_hung_threads: NonZeroUsize,
    /// From a request's head to its response's last byte, for transactions with handlers.
    pub transaction_time: Duration,
    /// Decoded request body that handlers see.
    pub request_body: usize,
    /// Decoded response body that handlers see.
    pub response_body: usize,
    /// All bodies that handlers see at a time; `None` for an eighth of what there is.
    pub body_memory: Option<usize>,
    /// From a connection's first byte to the end of the head.
    pub head_time: Duration,
    /// Request line and fields together.
    pub head_size: usize,
    /// Fields of one head.
    pub max_headers: NonZeroUsize,
    /// Parameters of one query.
    pub max_parameters: NonZeroUsize,
    /// Between two pieces that come of a request's body or are taken of a response's.
    pub body_timeout: Duration,
    /// Between two requests on one connection.
    pub idle_timeout: Duration,
    /// From a request's first byte to its response's last; `None` for no limit.
    pub request_timeout: Option<Duration>,
    /// How long nothing may pass through a websocket, in either direction.
    pub tunnel_idle_timeout: Duration,
    /// Connections of clients at a time.
    pub max_connections: NonZeroUsize,
    /// Heads and pieces of bodies that wait, of all connections; `None` for a sixteenth of
    /// what there is.
    pub buffer_memory: Option<usize>,
    /// Requests on one connection.
    pub max_requests_per_connection: NonZeroUsize,
    /// Until the upstream takes a connection.
    pub upstream_connect: Duration,
    /// Between two reads from the upstream.
    pub upstream_read: Duration,
    /// Between two writes to the upstream.
    pub upstream_write: Duration,
}

/// The `[upstream_pool]` table: connections to upstreams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamPool {
    /// Who uses a connection again.
    pub reuse: Reuse,
    /// The most connections to one address; `None` for any number.
    pub max_connections: Option<NonZeroUsize>,
    /// How long one that isn't used is kept.
    pub idle: Duration,
}

/// Who uses a connection to an upstream again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The client's connection that it was opened for.
    Client,
    /// Whoever comes next.
    Shared,
    /// Nobody.
    Off,
}

/// A `[[service]]` table: what events call the paths below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Letters, digits, `_` and `-`; no two services share one.
    pub name: String,
    /// Begins with `/`; the longest that fits wins.
    pub prefix: String,
    /// Where its requests go; `None` for where all others go.
    pub upstream: Option<upstream::Url>,
    /// Its version, where the prefix names none or another one.
    pub api_version: Option<String>,
}

/// The `[bodies]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bodies {
    /// What happens when a handler wants a body that can't be had.
    pub unavailable: Unavailable,
    /// What happens to a request's body in a content coding that a handler sees.
    pub coded_requests: CodedRequests,
    /// Which responses are JSON.
    pub json_types: Vec<JsonType>,
    /// The member of each row that holds its metadata (`req.metadata_name`).
    pub metadata_name: String,
}

/// What happens when a handler wants a body that can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The transaction is refused: 400, 413, 415 or 502.
    Refuse,
    /// The body passes and the handlers that want it don't run.
    Pass,
}

/// What happens to a request's body in a content coding that a handler sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodedRequests {
    /// It is forwarded decoded.
    Decode,
    /// It is forwarded in its coding.
    Keep,
    /// It is refused: 415.
    Refuse,
}

/// What happens to fields with `_` in their names that nobody here knows with `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underscores {
    /// They are forwarded.
    Pass,
    /// They are left out.
    Drop,
}

/// The `[log]` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// How a line is written.
    pub format: LogFormat,
    /// The least level that is written.
    pub level: Level,
    /// Whether each transaction gets a line.
    pub access: bool,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// The `[resources]` table: what `getResource` asks the upstream for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// The path of each named resource; others are `/NAME`.
    pub paths: BTreeMap<String, String>,
    /// The `[resources.settings]` table: the query parameter of each setting.
    pub settings: BTreeMap<&'static str, String>,
}

/// The `[hosts]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    /// Hosts that handlers may call by a full address.
    pub allow: Vec<AllowedHost>,
    /// Networks besides the Internet that the names among them may stand for addresses of.
    pub networks: Vec<IpNet>,
}

/// The `[store]` table: `platform.store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// The most keys.
    pub capacity: NonZeroUsize,
    /// The most bytes of keys and values together.
    pub memory: usize,
    /// How long a value is kept whose handler didn't say.
    pub ttl: Duration,
}

/// The `[queue]` table: handlers that run once the response is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The most transactions whose handlers wait.
    pub capacity: NonZeroUsize,
    /// The most memory that they hold, in bytes.
    pub memory: usize,
    /// How many transactions' handlers run at once.
    pub concurrency: NonZeroUsize,
    /// How long they wait at first.
    pub delay: Duration,
    /// How often a handler is tried, the first time included.
    pub max_attempts: NonZeroUsize,
    /// The pause after the first try that failed; it doubles with each one after that.
    pub backoff: Duration,
    /// How long one handler may take, its calls included.
    pub timeout: Duration,
}

/// The `[match]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// Whether `@match` and event names disregard the case of paths.
    pub ignore_case: bool,
    /// Parameters of a query whose value is another method that a POST counts as.
    pub method_parameters: Vec<String>,
}

/// The `[supervisor]` table: who replaces a process that dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supervisor {
    /// Whether a supervisor runs the process that serves; else there is only that one.
    pub enabled: bool,
    /// Whether a second one waits that can take over at once.
    pub spare: bool,
    /// How long it may give no sign of life; `None` for ever.
    pub watchdog: Option<Duration>,
}

/// The `[drain]` table: what happens between SIGTERM and the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Time to go on accepting while `/readyz` says 503.
    pub delay: Duration,
    /// Time for transactions in flight after that.
    pub timeout: Duration,
}
