//! The upstream as transactions see it.

use std::sync::Arc;

use url::Url;

use crate::message::Request;
use crate::transaction::ports::{Exchange, Interim, OnBehalfOf, Sending, Upstream, UpstreamError};

use super::connections::{Connections, Times};
use super::{Peer, Settings, SetupError};

/// A client of one upstream.
pub struct Client {
    peer: Arc<Peer>,
    connections: Arc<Connections>,
}

impl Client {
    /// A client that opens its first connection when it needs one.
    ///
    /// # Errors
    ///
    /// The address is none, or the certificates can't be used.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let times = Times {
            connect: settings.connect,
            read: settings.read,
            write: settings.write,
            tunnel_idle: settings.tunnel_idle,
        };
        let ca_file = settings.ca_file.as_deref();
        Ok(Self {
            peer: Arc::new(Peer::new(&settings.url, settings.server_name.as_deref())?),
            connections: Arc::new(Connections::new(
                ca_file,
                settings.verify,
                times,
                settings.pool,
                Arc::clone(&settings.buffers),
            )?),
        })
    }

    /// A client of another upstream that obeys the same settings. Where both are at one
    /// address, they have the connections to it together.
    ///
    /// # Errors
    ///
    /// The address is none.
    pub fn beside(&self, url: &Url) -> Result<Self, SetupError> {
        Ok(Self {
            peer: Arc::new(Peer::new(url, None)?),
            connections: Arc::clone(&self.connections),
        })
    }

    /// The upstream itself.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }
}

#[async_trait::async_trait]
impl Upstream for Client {
    async fn exchange<'a>(
        &self,
        behalf: OnBehalfOf<'_>,
        request: &Request,
        body: Sending<'a>,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'a>, UpstreamError> {
        self.connections
            .exchange(&self.peer, behalf, request, body, interim)
            .await
    }
}
