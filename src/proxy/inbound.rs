//! What comes from the client: a transaction's beginning and its body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{StatusCode, header};
use pingora_core::ErrorType;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::time::timeout;

use crate::generation::Generation;
use crate::handler::{Call, Emitted, Kept, TransactionId};
use crate::message::Response;
use crate::transaction::ports::{BodyError, BodySource, Gone, Requester};
use crate::transaction::{Names, Planned, Transaction};

use super::connection::Connection;
use super::head::{self, Framing};

/// Begins the transaction of a request that handlers apply to.
pub(super) fn begin(
    session: &mut Session,
    connection: &Connection,
    names: &Names,
    arrival: Arrival,
) -> Transaction {
    let has_body = !session.is_body_empty();
    let received = session.req_header();
    let host = received
        .headers
        .get(header::HOST)
        .map(|host| String::from_utf8_lossy(host.as_bytes()))
        .unwrap_or_default();
    let client = names.client(connection.peer, connection.tls, &received.headers);
    let Arrival { planned, .. } = &arrival;
    let origin = names.origin(client, &received.headers, &host, connection.local, planned);
    let call = Call {
        id: arrival.id,
        request: head::request(received, has_body),
        received: None,
        response: Response::new(StatusCode::OK),
        origin: Arc::new(origin),
        fallback: None,
        kept: Kept::default(),
        emitted: Emitted::default(),
        deadline: arrival.began + arrival.time,
    };
    Transaction::new(
        arrival.generation,
        arrival.planned.plan,
        call,
        arrival.began,
    )
}

/// What is known of a transaction before its request is looked at closely.
pub(super) struct Arrival {
    pub(super) id: TransactionId,
    pub(super) generation: Arc<Generation>,
    pub(super) planned: Planned,
    pub(super) began: Instant,
    /// How long it may take.
    pub(super) time: Duration,
}

/// The body of the request that a session has read the head of.
pub(super) struct ClientBody<'a> {
    session: &'a mut Session,
    /// The client waits to be told that its body is wanted.
    is_awaited: bool,
    /// How long it may take to take what it is told.
    limit: Duration,
}

impl<'a> ClientBody<'a> {
    /// The body on a session, whose client has to take what it is told within `limit`.
    pub(super) fn new(session: &'a mut Session, limit: Duration) -> Self {
        let is_awaited = expects_continue(session);
        Self {
            session,
            is_awaited,
            limit,
        }
    }

    async fn tell(&mut self, head: ResponseHeader) -> Result<(), Gone> {
        let told = self.session.write_response_header(Box::new(head), false);
        match timeout(self.limit, told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// Tells the client that its body is wanted, where it waits for that.
    async fn ask_for_body(&mut self) -> Result<(), Gone> {
        if !std::mem::take(&mut self.is_awaited) {
            return Ok(());
        }
        let go_on = ResponseHeader::build(StatusCode::CONTINUE, Some(0))
            .expect("a status is all that it has");
        self.tell(go_on).await
    }
}

#[async_trait::async_trait]
impl BodySource for ClientBody<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.ask_for_body().await.map_err(|Gone| BodyError::Cut)?;
        loop {
            match self.session.read_request_body().await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(piece) => return Ok(piece),
                Err(error) if *error.etype() == ErrorType::ReadTimedout => {
                    return Err(BodyError::TimedOut);
                }
                Err(_) => return Err(BodyError::Cut),
            }
        }
    }
}

#[async_trait::async_trait]
impl Requester for ClientBody<'_> {
    async fn interim(&mut self, head: &Response) -> Result<(), Gone> {
        if !head::reads_chunks(self.session.req_header().version) {
            return Ok(());
        }
        // Told something else first, it could not be told from one that was told to go on.
        self.ask_for_body().await?;
        let head = head::whole_response(head, Framing::Kept).map_err(|_| Gone)?;
        self.tell(head).await
    }

    async fn gone(&mut self) {
        gone(self.session).await;
    }
}

/// Returns once the client has closed its connection, or its half of it: whoever does that
/// waits for nothing. Never while some of the request's body is unread.
pub(super) async fn gone(session: &mut Session) {
    if !session.is_body_done() {
        return std::future::pending().await;
    }
    // The guard keeps what is sent on for its turn: all that can be read is the end.
    let _ = session.read_body_or_idle(true).await;
}

/// Whether the client sends its body only once it is told to go on ([RFC 9110 §10.1.1]).
pub(super) fn expects_continue(session: &Session) -> bool {
    let head = session.req_header();
    let expects = head
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    expects && head::reads_chunks(head.version) && session.response_written().is_none()
}
