//! The upstream as transactions see it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::tls::{RootCertStore, load_ca_file_into_store};
use pingora_core::{Error, ErrorType};
use rustix::io::Errno;
use url::Url;

use crate::message::{Pieces, Request};
use crate::transaction::ports::{Exchange, Interim, Nobody, Sending, Upstream, UpstreamError};

use super::body::ResponseBody;
use super::connection::{Connection, Lost, Outgoing};
use super::idle::Idle;
use super::{Peer, Settings, SetupError};

/// A client of one upstream, and of the hosts that handlers may call.
pub struct Client {
    peer: Arc<Peer>,
    pool: Arc<Pool>,
}

/// The connections.
pub(super) struct Pool {
    connector: TransportConnector,
    idle: Arc<Idle>,
    /// What all connections obey.
    pub(super) settings: Settings,
}

/// Whether a connection may be one that was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Allowed,
    Never,
}

impl Client {
    /// A client that opens its first connection when it needs one.
    ///
    /// # Errors
    ///
    /// The address is none, or the certificates can't be used.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let peer = Arc::new(Peer::new(&settings.url, &settings)?);
        // Pingora opens connections; those that wait are in `Idle`.
        let mut options = ConnectorOptions::new(0);
        if let Some(path) = &settings.ca_file {
            check_certificates(path)?;
            options.ca_file = Some(path.to_string_lossy().into_owned());
        }
        let pool = Arc::new(Pool {
            connector: TransportConnector::new(Some(options)),
            idle: Idle::new(settings.pool, settings.idle),
            settings,
        });
        Ok(Self { peer, pool })
    }

    /// The upstream itself.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    async fn exchange_at<'a>(
        &self,
        peer: &Peer,
        request: &Request,
        body: Sending<'a>,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'a>, UpstreamError> {
        let unsendable = |reason| broken(peer, reason);
        // One in memory can be sent again.
        let whole = match &body {
            Sending::Whole(pieces) => pieces.clone(),
            Sending::Stream(_) | Sending::Upgrade(_) => Pieces::default(),
        };
        let mut outgoing = Outgoing::new(request, body, peer.authority()).map_err(unsendable)?;
        let mut connection = self.pool.connect(peer, Reuse::Allowed).await?;
        loop {
            let answer = connection
                .exchange(&mut outgoing, &request.method, &self.pool.settings, interim)
                .await;
            match answer {
                Ok(head) => {
                    let pool = Arc::clone(&self.pool);
                    let body = ResponseBody::new(connection, &head, outgoing, pool);
                    return Ok(Exchange {
                        head: head.response,
                        body: Box::new(body),
                    });
                }
                Err(Lost::Closed(_))
                    if connection.is_reused && outgoing.may_be_repeated(&request.method) =>
                {
                    outgoing = outgoing
                        .again(request, whole.clone(), peer.authority())
                        .map_err(unsendable)?;
                    connection = self.pool.connect(peer, Reuse::Never).await?;
                }
                Err(lost) => return Err(lost.told_of(peer)),
            }
        }
    }
}

#[async_trait::async_trait]
impl Upstream for Client {
    async fn exchange<'a>(
        &self,
        request: &Request,
        body: Sending<'a>,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'a>, UpstreamError> {
        self.exchange_at(&self.peer, request, body, interim).await
    }

    async fn exchange_with(
        &self,
        host: &Url,
        request: &Request,
        body: Bytes,
    ) -> Result<Exchange<'static>, UpstreamError> {
        let settings = Settings {
            server_name: None,
            ..self.pool.settings.clone()
        };
        let peer = Peer::foreign(host, &settings).map_err(|error| UpstreamError::Connect {
            peer: host.to_string(),
            reason: error.to_string(),
        })?;
        self.exchange_at(&peer, request, Sending::Whole(body.into()), &mut Nobody)
            .await
    }
}

impl Pool {
    /// A connection to `peer`; every address of its name is tried once.
    async fn connect(&self, peer: &Peer, reuse: Reuse) -> Result<Connection, UpstreamError> {
        let no_address = |error: std::io::Error| UpstreamError::Connect {
            peer: peer.authority().to_owned(),
            reason: error.to_string(),
        };
        let addresses = peer.addresses().await.map_err(no_address)?;
        let mut tries = addresses.len();
        loop {
            let address = peer.preferred(&addresses);
            if reuse == Reuse::Allowed
                && let Some(stream) = self.idle.take(address.key)
            {
                return Ok(Connection::new(stream, Arc::clone(address), true));
            }
            // In a box, since it is large and rare: whoever holds it would be copied with it.
            match Box::pin(self.connector.new_stream(&address.peer)).await {
                Ok(stream) => return Ok(Connection::new(stream, Arc::clone(address), false)),
                Err(error) => {
                    peer.pass_over();
                    tries -= 1;
                    if tries == 0 {
                        return Err(self.not_connected(peer, &error));
                    }
                }
            }
        }
    }

    fn not_connected(&self, peer: &Peer, error: &Error) -> UpstreamError {
        let peer = peer.authority().to_owned();
        match error.etype() {
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => {
                UpstreamError::TimedOut {
                    peer,
                    limit: self.settings.connect,
                }
            }
            _ if is_want_of_room(error) => UpstreamError::NoRoom {
                peer,
                reason: error.root_cause().to_string(),
            },
            _ => UpstreamError::Connect {
                peer,
                reason: error.root_cause().to_string(),
            },
        }
    }

    /// Keeps a connection that has nothing left on it.
    pub(super) fn release(&self, connection: Connection) {
        let key = connection.address.key;
        self.idle.put(key, connection.into_stream());
    }
}

impl Lost {
    fn told_of(self, peer: &Peer) -> UpstreamError {
        match self {
            Self::Closed(reason) => UpstreamError::Broken {
                peer: peer.authority().to_owned(),
                reason,
            },
            Self::Broken(reason) => broken(peer, reason),
            Self::TimedOut(limit) => UpstreamError::TimedOut {
                peer: peer.authority().to_owned(),
                limit,
            },
            Self::Client(error) => UpstreamError::Client(error),
        }
    }
}

fn broken(peer: &Peer, reason: &str) -> UpstreamError {
    UpstreamError::Broken {
        peer: peer.authority().to_owned(),
        reason: reason.to_owned(),
    }
}

/// Whether it was the system that had no connection for us: `connect(2)` and `socket(2)`.
fn is_want_of_room(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    let cause = cause.and_then(Errno::from_io_error);
    cause.is_some_and(|cause| {
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&cause)
    })
}

/// Pingora panics over certificates that it can't read: they are read here first.
fn check_certificates(path: &Path) -> Result<(), SetupError> {
    let unusable = |reason: String| SetupError::Certificates {
        path: path.to_owned(),
        reason,
    };
    let mut store = RootCertStore::empty();
    load_ca_file_into_store(path, &mut store)
        .map_err(|error| unusable(error.root_cause().to_string()))?;
    if store.is_empty() {
        return Err(unusable("there is none in it".to_owned()));
    }
    Ok(())
}
