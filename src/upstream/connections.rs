//! Connections to one or more peers: found or opened for each exchange, and kept for the next.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::{Error, ErrorType};
use rustix::io::Errno;

use crate::message::{Pieces, Request};
use crate::transaction::ports::{Exchange, Interim, OnBehalfOf, Sending, UpstreamError};

use crate::wire::Buffers;

use super::body::ResponseBody;
use super::connection::{Connection, Lost, Outgoing};
use super::idle::{Acquired, Idle, Kept, NoPlace, Place, User};
use super::peer::Address;
use super::secure::Tls;
use super::stream::Stream;
use super::{Peer, SetupError, UpstreamPool, binding};

/// The connections, and how they are made.
pub(super) struct Connections {
    connector: TransportConnector,
    tls: Tls,
    pub(super) idle: Arc<Idle>,
    /// What all connections obey.
    pub(super) times: Times,
    /// The budget of what is read and waits.
    pub(super) buffers: Arc<Buffers>,
}

/// How long what may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// To open a connection, TLS included.
    pub(super) connect: Duration,
    /// Until something comes, while we wait to read.
    pub(super) read: Duration,
    /// Until something goes, while we have something to write.
    pub(super) write: Duration,
    /// Until something passes through a tunnel, in either direction.
    pub(super) tunnel_idle: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            read: Duration::from_secs(60),
            write: Duration::from_secs(30),
            tunnel_idle: Duration::from_hours(1),
        }
    }
}

/// Why there is no connection.
enum NoConnection {
    NoRoom(String),
    TimedOut(Duration),
    Failed(String),
}

impl Connections {
    /// Connections to those whom the certificates of `ca_file` speak for, the system's where
    /// there is none.
    ///
    /// # Errors
    ///
    /// The certificates can't be used.
    pub(super) fn new(
        ca_file: Option<&Path>,
        verify: bool,
        times: Times,
        pool: UpstreamPool,
        buffers: Arc<Buffers>,
    ) -> Result<Self, SetupError> {
        // Pingora opens connections; those that wait are in `Idle`. It would read the system's
        // certificates at once, and panic where it can't: TLS is not its business here.
        let mut options = ConnectorOptions::new(0);
        options.ca_file = Some("/dev/null".to_owned());
        Ok(Self {
            connector: TransportConnector::new(Some(options)),
            tls: Tls::new(ca_file, verify)?,
            idle: Idle::new(pool),
            times,
            buffers,
        })
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn exchange<'a>(
        self: &Arc<Self>,
        peer: &Peer,
        behalf: OnBehalfOf<'_>,
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
        let user = self.idle.user(behalf);
        let mut outgoing = Outgoing::new(request, body, peer.authority()).map_err(unsendable)?;
        let mut connection = self.connection(peer, user, request).await?;
        loop {
            let answer = connection
                .exchange(
                    &mut outgoing,
                    &request.method,
                    &self.times,
                    &self.buffers,
                    interim,
                )
                .await;
            match answer {
                Ok(head) => {
                    connection.is_bound |= binding::is_offered(&head.response.fields);
                    let connections = Arc::clone(self);
                    let body = ResponseBody::new(connection, &head, outgoing, user, connections);
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
                    let place = connection.into_kept().place;
                    connection = self.opened(peer, place, request).await?;
                }
                Err(lost) => return Err(lost.said_of(peer)),
            }
        }
    }

    /// A connection to `peer`: one that this user may use again, or a new one.
    async fn connection(
        &self,
        peer: &Peer,
        user: User,
        request: &Request,
    ) -> Result<Connection, UpstreamError> {
        let addresses = peer
            .addresses()
            .await
            .map_err(|error| not_connected(peer, NoConnection::Failed(error.to_string())))?;
        let address = peer.preferred(&addresses);
        let place = loop {
            let acquired = self.idle.acquire(address.key, user, self.times.read).await;
            match acquired.map_err(|why| not_connected(peer, why.into()))? {
                // Bytes that nobody asked for would be taken for the answer, and what can't be
                // repeated is not sent into a connection that has just been closed.
                Acquired::Kept(kept) if !kept.stream.is_silent() => {
                    if kept.place.is_some() {
                        break kept.into_place();
                    }
                }
                Acquired::Kept(kept) => {
                    let address = Arc::clone(address);
                    return Ok(Connection::new(kept, address, true).bound_by(request));
                }
                Acquired::Fresh(place) => break place,
            }
        };
        self.opened(peer, place, request).await
    }

    /// A new connection to `peer`; every address of its name is tried once.
    async fn opened(
        &self,
        peer: &Peer,
        mut place: Option<Place>,
        request: &Request,
    ) -> Result<Connection, UpstreamError> {
        let failed = |error| not_connected(peer, error);
        let addresses = peer.addresses().await;
        let addresses =
            addresses.map_err(|error| failed(NoConnection::Failed(error.to_string())))?;
        let mut tries = addresses.len();
        loop {
            let address = peer.preferred(&addresses);
            // In a box, since it is large and rare: whoever holds it would be copied with it.
            match Box::pin(self.open(peer, address)).await {
                Ok(stream) => {
                    let kept = Kept {
                        stream,
                        place,
                        is_bound: false,
                    };
                    return Ok(Connection::new(kept, Arc::clone(address), false).bound_by(request));
                }
                Err(error) => {
                    peer.pass_over();
                    tries -= 1;
                    if tries == 0 {
                        return Err(failed(error));
                    }
                }
            }
            // The place is one at the address before.
            if place.is_some() {
                let next = peer.preferred(&addresses);
                drop(place.take());
                match self.idle.place(next.key, self.times.read).await {
                    Ok(Acquired::Fresh(other)) => place = other,
                    Ok(Acquired::Kept(kept)) => {
                        return Ok(Connection::new(kept, Arc::clone(next), true).bound_by(request));
                    }
                    Err(why) => return Err(failed(why.into())),
                }
            }
        }
    }

    async fn open(&self, peer: &Peer, address: &Address) -> Result<Stream, NoConnection> {
        let open = async {
            let tcp = self.connector.new_stream(&address.peer).await;
            let tcp = tcp.map_err(|error| NoConnection::of(&error, self.times.connect))?;
            let Some(name) = peer.server_name() else {
                return Ok(Stream::Plain(tcp));
            };
            let tls = self.tls.open(tcp, name).await;
            tls.map(|tls| Stream::Tls(Box::new(tls)))
                .map_err(NoConnection::Failed)
        };
        let limit = self.times.connect;
        let opened = tokio::time::timeout(limit, open).await;
        opened.unwrap_or(Err(NoConnection::TimedOut(limit)))
    }
}

impl NoConnection {
    /// Why pingora gave none.
    fn of(error: &Error, limit: Duration) -> Self {
        match error.etype() {
            ErrorType::ConnectTimedout => Self::TimedOut(limit),
            _ => {
                let reason = error.root_cause().to_string();
                if is_want_of_room(error) {
                    Self::NoRoom(reason)
                } else {
                    Self::Failed(reason)
                }
            }
        }
    }
}

impl From<NoPlace> for NoConnection {
    fn from(why: NoPlace) -> Self {
        match why {
            NoPlace::QueueFull => Self::NoRoom(
                "all of upstream_pool.max_connections are in use, and too many requests wait"
                    .to_owned(),
            ),
            NoPlace::TimedOut(limit) => Self::TimedOut(limit),
        }
    }
}

impl Lost {
    fn said_of(self, peer: &Peer) -> UpstreamError {
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
            Self::NoMemory => UpstreamError::NoRoom {
                peer: peer.authority().to_owned(),
                reason: "limits.buffer_memory is used up, and the head of its response is slow"
                    .to_owned(),
            },
        }
    }
}

fn not_connected(peer: &Peer, why: NoConnection) -> UpstreamError {
    let peer = peer.authority().to_owned();
    match why {
        NoConnection::NoRoom(reason) => UpstreamError::NoRoom { peer, reason },
        NoConnection::TimedOut(limit) => UpstreamError::TimedOut { peer, limit },
        NoConnection::Failed(reason) => UpstreamError::Connect { peer, reason },
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
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.root_cause());
    while let Some(this) = cause {
        let errno = this.downcast_ref().and_then(Errno::from_io_error);
        if let Some(errno) = errno {
            return [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&errno);
        }
        cause = this.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use http::Method;
    use pingora_core::protocols::l4;
    use tokio::net::{TcpListener, TcpStream};

    use crate::message::Fields;
    use crate::upstream::Reuse;

    use super::*;

    /// What the runtime does not know yet is looked up: between the bytes and the request there
    /// is no await that waits.
    #[tokio::test]
    async fn no_request_is_sent_on_a_connection_on_which_bytes_have_just_come_or_its_end() {
        let pool = UpstreamPool {
            reuse: Reuse::Shared,
            ..UpstreamPool::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let url = format!("http://{address}").parse().expect("an address");
        let peer = Peer::new(&url, None).expect("an address");
        let key = peer.addresses().await.expect("an address")[0].key;
        let pairs = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let other = pairs.local_addr().expect("bound");
        for method in [
            Method::GET,
            Method::HEAD,
            Method::PUT,
            Method::DELETE,
            Method::POST,
        ] {
            for (bytes, is_usable) in [
                (Some(&b"HTTP/1.1 200"[..]), false),
                (None, false),
                (Some(b""), true),
            ] {
                let buffers = crate::upstream::usual_buffers();
                let connections = Connections::new(None, true, Times::default(), pool, buffers);
                let connections = connections.expect("nothing to read");
                let ours = TcpStream::connect(other).await.expect("it listens");
                let (theirs, _) = pairs.accept().await.expect("a connection");
                theirs.writable().await.expect("it is open");
                let kept = Kept {
                    stream: Stream::Plain(Box::new(l4::stream::Stream::from(ours))),
                    place: None,
                    is_bound: false,
                };
                let user = connections.idle.user(OnBehalfOf::Nobody);
                let request = Request::new(method.clone(), "/", Fields::default());

                connections.idle.put(key, kept, user, None);
                match bytes {
                    Some([]) => {}
                    Some(bytes) => drop(theirs.try_write(bytes)),
                    None => theirs
                        .into_std()
                        .expect("a socket")
                        .shutdown(std::net::Shutdown::Both)
                        .expect("it is open"),
                }
                let connection = connections.connection(&peer, user, &request).await;

                let connection = connection.unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(connection.is_reused, is_usable, "{method}, {bytes:?}");
            }
        }
    }
}
