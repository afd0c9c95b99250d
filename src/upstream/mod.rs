//! The API behind us, spoken to in HTTP/1.1 over TCP or TLS.
//!
//! Knows no handlers, and clients by a number only. Connections are opened by pingora, TLS is
//! rustls, the exchange on a connection is ours, and so is where connections wait for the next.
//!
//! ```text
//! Client ─┬▶ Connections ──▶ Connection (one exchange) ──▶ ResponseBody ──▶ Idle
//! Egress ─┘   to a Peer (addresses)
//! ```

mod binding;
mod body;
mod client;
mod connection;
mod connections;
mod egress;
mod idle;
mod peer;
mod reach;
mod secure;
mod stream;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::wire::Buffers;

pub use client::Client;
pub use egress::{Egress, EgressSettings};
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
    /// Which connections are used again, and how many there may be.
    pub pool: UpstreamPool,
    /// The budget of what is read and waits.
    pub buffers: Arc<Buffers>,
}

/// Which connections to an upstream are used again, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamPool {
    /// Who uses a connection again.
    pub reuse: Reuse,
    /// The most connections to one address, those that wait included; without it, any number.
    pub max_connections: Option<NonZeroUsize>,
    /// The most that are kept while nobody uses them, at all addresses together.
    pub max_idle: usize,
    /// How long one that isn't used is kept, unless it is logged in.
    pub idle: Duration,
}

/// Who uses a connection again. One on which a client has logged in by NTLM or Negotiate is
/// used by the connection of that client and by nobody else, whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The client's connection that it was opened for; it ends with that.
    Client,
    /// Whoever comes next.
    Shared,
    /// Nobody.
    Off,
}

impl Default for UpstreamPool {
    fn default() -> Self {
        Self {
            reuse: Reuse::Client,
            max_connections: None,
            max_idle: 1024,
            idle: Duration::from_secs(4),
        }
    }
}

impl Settings {
    /// The settings for an address, with the defaults.
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
            pool: UpstreamPool::default(),
            buffers: usual_buffers(),
        }
    }
}

/// A budget for those who name none.
fn usual_buffers() -> Arc<Buffers> {
    Arc::new(Buffers::new(64 * 1024 * 1024))
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
