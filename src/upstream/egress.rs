//! The other hosts that handlers may call.
//!
//! They have a trust and connections of their own: what is believed about the upstream says
//! nothing of them. Their connections are used again by whichever handler comes next, but for
//! those on which NTLM or Negotiate was seen, which end with their call.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use crate::message::Request;
use crate::transaction::ports::{Exchange, Hosts, Nobody, OnBehalfOf, Sending, UpstreamError};
use crate::wire::Buffers;

use super::connections::{Connections, Times};
use super::{Peer, Reach, Reuse, SetupError, UpstreamPool, usual_buffers};

/// A client of the hosts that handlers may call.
pub struct Egress {
    connections: Arc<Connections>,
    reach: Reach,
}

/// How other hosts are reached.
#[derive(Debug, Clone)]
pub struct EgressSettings {
    /// Certificates that are believed, PEM; by default the system's.
    pub ca_file: Option<PathBuf>,
    /// What the names of hosts may stand for.
    pub reach: Reach,
    /// How long it may take to open a connection, TLS included.
    pub connect: Duration,
    /// How long nothing may come while we wait to read.
    pub read: Duration,
    /// How long nothing may go while we have something to write.
    pub write: Duration,
    /// The most connections that are kept while nobody uses them.
    pub max_idle: usize,
    /// The budget of what is read and waits.
    pub buffers: Arc<Buffers>,
}

impl Default for EgressSettings {
    fn default() -> Self {
        let Times {
            connect,
            read,
            write,
            tunnel_idle: _,
        } = Times::default();
        Self {
            ca_file: None,
            reach: Reach::default(),
            connect,
            read,
            write,
            max_idle: UpstreamPool::default().max_idle,
            buffers: usual_buffers(),
        }
    }
}

impl Egress {
    /// A client that opens its first connection when it needs one.
    ///
    /// # Errors
    ///
    /// The certificates can't be used.
    pub fn new(settings: EgressSettings) -> Result<Self, SetupError> {
        let EgressSettings {
            ca_file,
            reach,
            connect,
            read,
            write,
            max_idle,
            buffers,
        } = settings;
        let times = Times {
            connect,
            read,
            write,
            ..Times::default()
        };
        let pool = UpstreamPool {
            reuse: Reuse::Shared,
            max_idle,
            ..UpstreamPool::default()
        };
        let connections = Connections::new(ca_file.as_deref(), true, times, pool, buffers)?;
        Ok(Self {
            connections: Arc::new(connections),
            reach,
        })
    }
}

#[async_trait::async_trait]
impl Hosts for Egress {
    async fn exchange(
        &self,
        host: &Url,
        request: &Request,
        body: Bytes,
    ) -> Result<Exchange<'static>, UpstreamError> {
        let peer =
            Peer::foreign(host, self.reach.clone()).map_err(|error| UpstreamError::Connect {
                peer: host.to_string(),
                reason: error.to_string(),
            })?;
        let body = Sending::Whole(body.into());
        self.connections
            .exchange(&peer, OnBehalfOf::Nobody, request, body, &mut Nobody)
            .await
    }
}
