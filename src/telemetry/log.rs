//! Where log lines go and how they are written.

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::handler::OneLine;

use super::backlog::{self, Intake};

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
    /// For people.
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
            .with_target("pingora", LevelFilter::OFF)
            .with_target("pingora_core", LevelFilter::OFF)
            .with_target("pingora_proxy", LevelFilter::OFF)
    }
}

fn lines<S>(format: Format, to: Intake) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(to);
    match format {
        Format::Text => layer.with_ansi(false).fmt_fields(one_line()).boxed(),
        Format::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    }
}

/// Fields as the default has them, but that nothing in them begins another line or says
/// something to a terminal: what handlers throw stands in some.
fn one_line() -> impl for<'w> FormatFields<'w> {
    format::debug_fn(|writer, field, value| {
        let value = format!("{value:?}");
        let name = field.name();
        if name.starts_with("log.") {
            return Ok(());
        }
        if name != "message" {
            write!(writer, "{name}=")?;
        }
        write!(writer, "{}", OneLine(&value))
    })
    .delimited(" ")
}
