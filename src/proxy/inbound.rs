//! What comes from the client: a transaction's beginning and its body.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{StatusCode, header};
use pingora_core::ErrorType;
use pingora_proxy::Session;

use crate::generation::Generation;
use crate::handler::{Call, Emitted, Kept, TransactionId};
use crate::message::Response;
use crate::transaction::ports::{BodyError, BodySource};
use crate::transaction::{Names, Planned, Transaction};

use super::connection::Connection;
use super::head;

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
    let origin = names.origin(client, &host, connection.local, planned);
    let call = Call {
        id: arrival.id,
        request: head::request(received, has_body),
        received: None,
        response: Response::new(StatusCode::OK),
        origin: Arc::new(origin),
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
}

impl<'a> ClientBody<'a> {
    pub(super) fn new(session: &'a mut Session) -> Self {
        let is_awaited = expects_continue(session);
        Self {
            session,
            is_awaited,
        }
    }
}

#[async_trait::async_trait]
impl BodySource for ClientBody<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if std::mem::take(&mut self.is_awaited) {
            self.session
                .write_continue_response()
                .await
                .map_err(|_| BodyError::Cut)?;
        }
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

/// Whether the client sends its body only once it is told to go on ([RFC 9110 §10.1.1]).
pub(super) fn expects_continue(session: &Session) -> bool {
    let head = session.req_header();
    let expects = head
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    expects && head::reads_chunks(head.version) && session.response_written().is_none()
}
