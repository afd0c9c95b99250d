//! The API behind us, spoken to in HTTP/1.1 over TCP or TLS.
//!
//! Knows no handlers and no client. Connections and TLS are pingora's, the exchange on a
//! connection is ours, and so is where connections wait for the next.
//!
//! ```text
//! Client ──▶ Peer (addresses) ──▶ Connection (one exchange) ──▶ ResponseBody ──▶ Idle
//! ```

mod body;
mod client;
mod connection;
mod idle;
mod peer;
mod reach;

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use client::Client;
pub use peer::{BadPeer, Peer};
pub use reach::Reach;

/// How the upstream is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its address, `http` or `https`; only scheme, host and port count.
    pub url: Url,
    /// The name its certificate has to carry; by default the address's host.
    pub server_name: Option<String>,
    /// Certificates of those who may have signed it, PEM; by default the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether its certificate is checked at all.
    pub verify: bool,
    /// How long it may take to open a connection, TLS included.
    pub connect: Duration,
    /// How long nothing may come while we wait to read.
    pub read: Duration,
    /// How long nothing may go while we have something to write.
    pub write: Duration,
    /// How long nothing may pass through a tunnel, in either direction.
    pub tunnel_idle: Duration,
    /// How long a connection that isn't used is kept.
    pub idle: Duration,
    /// The most connections that are kept while they aren't used.
    pub pool: usize,
    /// What the names of other hosts may stand for.
    pub reach: Reach,
}

impl Settings {
    /// The settings for an address, with the defaults of CONTRACT §12.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            server_name: None,
            ca_file: None,
            verify: true,
            connect: Duration::from_secs(2),
            read: Duration::from_secs(60),
            write: Duration::from_secs(30),
            tunnel_idle: Duration::from_hours(1),
            idle: Duration::from_secs(60),
            pool: 1024,
            reach: Reach::default(),
        }
    }
}

/// Why the upstream can't be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Its address is none that can be reached.
    #[error(transparent)]
    Peer(#[from] BadPeer),
    /// The certificates can't be used.
    #[error("certificates of {}: {reason}", path.display())]
    Certificates {
        /// Their file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
