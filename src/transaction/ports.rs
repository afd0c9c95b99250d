//! What the transaction line asks of the world.

use std::time::Duration;

use bytes::Bytes;

use crate::message::{Request, Response};

use super::Record;

/// A body that arrives piece by piece.
#[async_trait::async_trait]
pub trait BodySource: Send {
    /// The next piece, `None` at the end. A piece is never empty. Dropped before it is
    /// there, it is not lost.
    ///
    /// # Errors
    ///
    /// The body ended before its end, or not in time.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError>;
}

#[async_trait::async_trait]
impl<S: BodySource + ?Sized> BodySource for &mut S {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        (**self).next().await
    }
}

#[async_trait::async_trait]
impl<S: BodySource + ?Sized> BodySource for Box<S> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        (**self).next().await
    }
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
    /// It is longer than its limit.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// Reads a body to its end.
///
/// # Errors
///
/// [`BodyError::TooLarge`] as soon as it is longer than `limit` bytes; nothing of it is kept.
pub async fn read_whole(source: &mut dyn BodySource, limit: usize) -> Result<Bytes, BodyError> {
    let Some(first) = source.next().await? else {
        return Ok(Bytes::new());
    };
    if first.len() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    let Some(second) = source.next().await? else {
        return Ok(first);
    };
    let mut whole = Vec::with_capacity((first.len() + second.len()) * 2);
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        whole.extend_from_slice(&bytes);
        piece = source.next().await?;
    }
    Ok(whole.into())
}

/// Whoever a request comes from and waits for its response.
#[async_trait::async_trait]
pub trait Requester: BodySource {
    /// Is told a response before the response (1xx); drops it where it can't read one.
    ///
    /// # Errors
    ///
    /// It is gone.
    async fn interim(&mut self, head: &Response) -> Result<(), Gone>;

    /// Returns once it is gone: never while some of its body is unread, nor where nobody
    /// would notice.
    async fn gone(&mut self);
}

#[async_trait::async_trait]
impl<R: Requester + ?Sized> Requester for &mut R {
    async fn interim(&mut self, head: &Response) -> Result<(), Gone> {
        (**self).interim(head).await
    }

    async fn gone(&mut self) {
        (**self).gone().await;
    }
}

/// Nobody waits for the response any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone")]
pub struct Gone;

/// The body of a request on its way to the upstream, and who waits for the response.
pub enum Sending<'a> {
    /// All of it, maybe none, for somebody who needs to know nothing before the response.
    Whole(Bytes),
    /// All of it, maybe none.
    WholeFor(Bytes, &'a mut dyn Requester),
    /// As it comes, framed as the request's fields say.
    Stream(&'a mut dyn Requester),
}

impl Sending<'_> {
    /// Passes an interim response on.
    ///
    /// # Errors
    ///
    /// Whoever waited is gone.
    pub async fn interim(&mut self, head: &Response) -> Result<(), Gone> {
        match self {
            Self::Whole(_) => Ok(()),
            Self::WholeFor(_, requester) | Self::Stream(requester) => requester.interim(head).await,
        }
    }

    /// Returns once whoever waits is gone.
    pub async fn gone(&mut self) {
        match self {
            Self::Whole(_) => std::future::pending().await,
            Self::WholeFor(_, requester) | Self::Stream(requester) => requester.gone().await,
        }
    }
}

/// A response whose body is still on its way.
pub struct Exchange {
    /// Its head; the body is [`Streamed`](crate::message::Body::Streamed) or empty.
    pub head: Response,
    /// Its body.
    pub body: Box<dyn BodySource>,
}

/// The REST API behind us.
#[async_trait::async_trait]
pub trait Upstream: Send + Sync {
    /// Sends a request and waits for the head of its response. Interim responses
    /// (1xx) are passed on but for 100, which answers nobody's question: what is sent
    /// expects nothing. Ends as soon as nobody waits any more. Sent again on a new connection only where the request is
    /// idempotent, or none of it had been written.
    ///
    /// # Errors
    ///
    /// No head of a usable response came.
    async fn exchange(
        &self,
        request: &Request,
        body: Sending<'_>,
    ) -> Result<Exchange, UpstreamError>;

    /// The same to another host, named by an `http` or `https` address.
    ///
    /// # Errors
    ///
    /// As [`exchange`](Self::exchange).
    async fn exchange_with(
        &self,
        host: &url::Url,
        request: &Request,
        body: Bytes,
    ) -> Result<Exchange, UpstreamError>;
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
    /// Connected, but no head of a response within the limit.
    #[error("upstream {peer}: no response within {limit:?}")]
    TimedOut {
        /// The address.
        peer: String,
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
    /// Nobody waits for the response any more.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Sees finished transactions; must not block.
pub trait Observer: Send + Sync {
    /// A transaction has ended.
    fn finished(&self, record: &Record<'_>);
}
