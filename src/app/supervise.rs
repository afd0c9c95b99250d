//! The supervisor as the configuration wants it.

use std::ffi::OsString;
use std::io;

use crate::config::{Config, Serving};
use crate::supervisor::{Ended, Settings, Sockets, Supervisor};
use crate::telemetry::Log;

use super::checked::Checked;
use super::clients::{clients, egress};
use super::{AppError, Bound, announce, buffers, log_settings, quarantine, sockets};

/// Runs workers, each by these `words` as its command line, until the process is asked to end.
///
/// # Errors
///
/// It could not start.
pub fn supervise(
    serving: Serving,
    config: Config,
    words: Vec<OsString>,
    config_text: Option<String>,
) -> Result<Ended, AppError> {
    let _log = Log::start_with_few_lines(log_settings(&config))?;
    Checked::new(&serving, &config)?;
    let settings = Settings {
        spare: config.supervisor.spare,
        watchdog: config.supervisor.watchdog,
        words,
        config: config_text,
        on_death: quarantine::note,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // A worker makes its own; what is wrong with them is said before an address is bound.
        let buffers = buffers(&config.limits);
        clients(&serving, &config, 1, &buffers)?;
        egress(&serving, &config, 1, &buffers)?;
        let supervisor = Supervisor::new(settings)?;
        let sockets = sockets::bind(&serving)?;
        let bound = bound(&sockets)?;
        drop((serving, config));
        Ok(supervisor.run(sockets, || announce(&bound)).await?)
    })
}

fn bound(sockets: &Sockets) -> io::Result<Bound> {
    let address = |socket: &Option<std::net::TcpListener>| {
        let socket = socket.as_ref();
        socket.map(std::net::TcpListener::local_addr).transpose()
    };
    Ok(Bound {
        proxy: sockets.proxy.local_addr()?,
        status: address(&sockets.status)?,
        admin: address(&sockets.admin)?,
        upstream: String::new(),
    })
}
