//! What the transaction line asks of the world.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::handler::TokenRefusal;
use crate::message::{Body, Pieces, Request, Response, framing};

use super::Record;

/// A body that arrives piece by piece.
///
/// Polled, not awaited: whoever forwards one waits for two things at once.
pub trait BodySource: Send {
    /// The next piece, `None` at the end and ever after. A piece is never empty.
    ///
    /// # Errors
    ///
    /// The body ended before its end, or not in time.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>>;
}

impl<S: BodySource + ?Sized> BodySource for &mut S {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        (**self).poll_next(cx)
    }
}

impl<S: BodySource + ?Sized> BodySource for Box<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        (**self).poll_next(cx)
    }
}

/// Waits for the next piece of a body.
///
/// # Errors
///
/// As [`BodySource::poll_next`].
pub async fn next(source: &mut (impl BodySource + ?Sized)) -> Result<Option<Bytes>, BodyError> {
    poll_fn(|cx| source.poll_next(cx)).await
}

/// Why a body did not arrive whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection ended within it, or its framing is broken.
    #[error("the body ended before its end")]
    Cut,
    /// Nothing came for too long.
    #[error("the body did not arrive in time")]
    TimedOut,
}

/// The body of a request on its way to the upstream.
pub enum Sending<'a> {
    /// All of it, maybe none.
    Whole(Pieces),
    /// As it comes from the client, framed as the request's fields say.
    Stream(Box<dyn BodySource + 'a>),
    /// None, but what the client sends once the upstream has agreed to leave HTTP.
    Upgrade(Box<dyn BodySource + 'a>),
}

impl<'a> Sending<'a> {
    /// The body of `request`; where it isn't in memory it is what `client` sends.
    pub(super) fn of(request: &Request, client: Box<dyn BodySource + 'a>) -> Self {
        match &request.body {
            Body::Whole(pieces) | Body::Edited(pieces) => Self::Whole(pieces.clone()),
            Body::Empty if framing::is_websocket_upgrade(&request.fields) => Self::Upgrade(client),
            Body::Empty => Self::Whole(Pieces::default()),
            Body::Streamed => Self::Stream(client),
        }
    }
}

impl<'a> Sending<'a> {
    /// The same body; `waits` is true while the client is being waited for.
    pub(super) fn watched(self, waits: &Arc<AtomicBool>) -> Self {
        match self {
            Self::Stream(source) => Self::Stream(Box::new(Watched {
                source,
                waits: Arc::clone(waits),
            })),
            Self::Whole(_) | Self::Upgrade(_) => self,
        }
    }
}

/// A body that shows whether it is being waited for.
struct Watched<S> {
    source: S,
    waits: Arc<AtomicBool>,
}

impl<S: BodySource> BodySource for Watched<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let polled = self.source.poll_next(cx);
        self.waits.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }
}

/// A response whose body is still on its way, and with it perhaps the rest of its
/// request's.
pub struct Exchange<'a> {
    /// Its head; the body is [`Streamed`](crate::message::Body::Streamed) or empty.
    pub head: Response,
    /// Its body. After a switch of protocols, what the upstream sends until it closes.
    pub body: Box<dyn BodySource + 'a>,
}

/// Whom interim responses (1xx) are for.
#[async_trait::async_trait]
pub trait Interim: Send {
    /// Passes one on. Whether it arrives is nobody's concern here.
    async fn pass(&mut self, response: Response);
}

/// Nobody waits for interim responses.
pub struct Nobody;

#[async_trait::async_trait]
impl Interim for Nobody {
    async fn pass(&mut self, _: Response) {}
}

/// A client's connection, as upstreams know it: what they keep for it ends with it.
///
/// Whoever serves the connection holds it, and so does every transaction of it that is
/// still under way.
pub struct ClientConnection {
    id: u64,
    /// What is to be done at its end.
    endings: Mutex<Vec<Ending>>,
}

type Ending = Box<dyn FnOnce() + Send>;

impl ClientConnection {
    /// A connection with a number that no other one of the process has had.
    pub fn new(id: u64) -> Arc<Self> {
        Arc::new(Self {
            id,
            endings: Mutex::default(),
        })
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Has something done once the connection has ended.
    pub fn at_end(&self, ending: impl FnOnce() + Send + 'static) {
        let mut endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
        endings.push(Box::new(ending));
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        let endings = self.endings.get_mut();
        let endings = endings.unwrap_or_else(PoisonError::into_inner);
        for ending in endings.drain(..) {
            ending();
        }
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConnection")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// On whose behalf a request goes to an upstream.
#[derive(Debug, Clone, Copy)]
pub enum OnBehalfOf<'c> {
    /// The client at the other end of this connection: the request is its own.
    Client(&'c Arc<ClientConnection>),
    /// A handler that serves a request of this connection.
    Handler(&'c Arc<ClientConnection>),
    /// A handler for which no client waits.
    Nobody,
}

impl<'c> OnBehalfOf<'c> {
    /// A handler, for the client at the other end of this connection, where there is one.
    pub fn handler(connection: Option<&'c Arc<ClientConnection>>) -> Self {
        connection.map_or(Self::Nobody, Self::Handler)
    }
}

/// The REST API behind us.
#[async_trait::async_trait]
pub trait Upstream: Send + Sync {
    /// Sends a request and waits for the head of its response; what comes before it is
    /// told to `interim`. Sent again on a new connection only where the request is
    /// idempotent, or none of it had been written.
    ///
    /// # Errors
    ///
    /// No head of a usable response came.
    async fn exchange<'a>(
        &self,
        behalf: OnBehalfOf<'_>,
        request: &Request,
        body: Sending<'a>,
        interim: &mut dyn Interim,
    ) -> Result<Exchange<'a>, UpstreamError>;
}

/// The other hosts that handlers may call.
#[async_trait::async_trait]
pub trait Hosts: Send + Sync {
    /// Sends a request to a host, named by an `http` or `https` address, and waits for the
    /// head of its response.
    ///
    /// # Errors
    ///
    /// No head of a usable response came.
    async fn exchange(
        &self,
        host: &url::Url,
        request: &Request,
        body: Bytes,
    ) -> Result<Exchange<'static>, UpstreamError>;
}

/// Why the upstream gave no usable response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be opened.
    #[error("upstream {peer}: could not connect: {reason}")]
    Connect {
        /// The address.
        peer: String,
        /// What the system said.
        reason: String,
    },
    /// The system has no descriptor or memory left for a connection of ours, or as many
    /// requests as may wait for one already do.
    #[error("upstream {peer}: no connection can be had: {reason}")]
    NoRoom {
        /// The address.
        peer: String,
        /// What the system said.
        reason: String,
    },
    /// Connected, but no head of a response within the limit.
    #[error("upstream {peer}: no response within {limit:?}")]
    TimedOut {
        /// The address.
        peer: String,
        /// The limit that was reached.
        limit: Duration,
    },
    /// The transaction's deadline passed while it waited.
    #[error("no response within limits.transaction_time ({limit:?})")]
    Deadline {
        /// The limit that was reached.
        limit: Duration,
    },
    /// The connection ended, or what came was no HTTP response.
    #[error("upstream {peer}: no usable response: {reason}")]
    Broken {
        /// The address.
        peer: String,
        /// What was wrong.
        reason: String,
    },
    /// The client's body ended before its end while it was being forwarded.
    #[error("the client's body did not arrive: {0}")]
    Client(BodyError),
}

/// Sees finished transactions; must not block.
pub trait Observer: Send + Sync {
    /// A transaction has ended.
    fn finished(&self, record: &Record<'_>);
}

/// Verifies the tokens that requests bring.
pub trait Tokens: fmt::Debug + Send + Sync {
    /// What a token claims. Computes and never waits.
    ///
    /// # Errors
    ///
    /// It is worth nothing: nothing it says is to be believed.
    fn verify(&self, token: &str) -> Result<Map<String, Value>, TokenRefusal>;
}
