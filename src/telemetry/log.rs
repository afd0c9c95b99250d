//! Where log lines go and how they are written.

use std::backtrace::{Backtrace, BacktraceStatus};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::backlog::{self, Intake};
use super::line::Lines;

/// The target of lines that are written at every level: bound addresses.
pub(crate) const ALWAYS: &str = "listening";

/// The target of the lines that [`AccessLog`](super::AccessLog) writes.
pub(super) const ACCESS: &str = "access";

/// The `[log]` table, as meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// How a line is written.
    pub format: Format,
    /// The least level that is written.
    pub level: Level,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// logfmt: `key=value`, for people and for tools.
    Text,
    /// One object a line.
    Json,
}

/// Writes what is still in the queues when it is dropped.
pub struct Log {
    _guards: Vec<WorkerGuard>,
}

impl Log {
    /// Makes this process write log lines.
    ///
    /// # Errors
    ///
    /// Something else in this process does so already.
    pub fn start(settings: LogSettings) -> Result<Self, TryInitError> {
        let (stderr, stderr_guard) = backlog::before(std::io::stderr(), backlog::ROOM);
        let (stdout, stdout_guard) = backlog::before(std::io::stdout(), backlog::ROOM);
        let access = Targets::new().with_target(ACCESS, Level::INFO);
        tracing_subscriber::registry()
            .with(lines(settings.format, stderr).with_filter(Self::rest(settings)))
            .with(lines(settings.format, stdout).with_filter(access))
            .try_init()?;
        log_panics();
        Ok(Self {
            _guards: vec![stderr_guard, stdout_guard],
        })
    }

    /// The same for a process that serves nobody: it has few lines to write.
    ///
    /// # Errors
    ///
    /// Something else in this process does so already.
    pub fn start_with_few_lines(settings: LogSettings) -> Result<Self, TryInitError> {
        let (stderr, guard) = backlog::before(std::io::stderr(), backlog::SMALL_ROOM);
        tracing_subscriber::registry()
            .with(lines(settings.format, stderr).with_filter(Self::rest(settings)))
            .try_init()?;
        log_panics();
        Ok(Self {
            _guards: vec![guard],
        })
    }

    /// What is written besides transactions.
    fn rest(settings: LogSettings) -> Targets {
        // Pingora has a line for every broken connection; ours say what became of the transaction.
        Targets::new()
            .with_default(settings.level)
            .with_target(ALWAYS, Level::INFO)
            .with_target(ACCESS, LevelFilter::OFF)
            // It has a line for every file event. Where the log is a file beside the scripts each
            // line of it would be an event again, without end.
            .with_target("notify", LevelFilter::OFF)
            .with_target("pingora", LevelFilter::OFF)
            .with_target("pingora_core", LevelFilter::OFF)
            .with_target("pingora_proxy", LevelFilter::OFF)
    }
}

/// Has a panic written as a line of the log, like all else: by default it is text of several
/// lines that no reader of the log expects. `RUST_BACKTRACE` adds the backtrace.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(tracing::field::display);
        let error = panic.payload_as_str().unwrap_or("a value that is no text");
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured)
            .then(|| tracing::field::display(backtrace));
        let thread = std::thread::current();
        tracing::error!(thread = thread.name(), place, error, backtrace, "panic");
    }));
}

fn lines<S>(format: Format, to: Intake) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .with_writer(to)
        .event_format(Lines(format))
        .boxed()
}
