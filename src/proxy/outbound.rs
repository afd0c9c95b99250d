//! What goes to the client where pingora doesn't stream it.

use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, StatusCode};
use pingora_core::protocols::http::HttpTask;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use crate::message::framing::{self, Length};
use crate::message::{Body, Response};
use crate::transaction::Reply;
use crate::transaction::ports::Exchange;

use super::connection::Connection;
use super::head::{self, Framing};
use super::inbound;

/// How much of a request's body is read for nothing, to keep a connection.
const DRAIN_LIMIT: u64 = 1024 * 1024;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Sends what a transaction came to.
pub(super) async fn send(
    session: &mut Session,
    connection: &Connection,
    reply: Reply,
) -> Result<()> {
    match reply {
        Reply::Whole(response) => whole(session, connection, &response).await,
        Reply::Streamed(exchange) => streamed(session, connection, exchange).await,
        Reply::Nobody => client_gone(),
    }
}

/// Sends a response whose body is in memory, head and body in one.
pub(super) async fn whole(
    session: &mut Session,
    connection: &Connection,
    response: &Response,
) -> Result<()> {
    let method = session.req_header().method.clone();
    let body = response.body.bytes().filter(|body| !body.is_empty());
    let body = body.filter(|_| framing::has_body(&method, response.status));
    let head = head::whole_response(response, framing(&method, response))?;
    before_head(session, connection, &head);
    let mut tasks = vec![HttpTask::Header(Box::new(head), body.is_none())];
    if let Some(body) = body {
        tasks.push(HttpTask::Body(Some(body.clone()), true));
    }
    session.write_response_tasks(tasks).await?;
    Ok(())
}

/// Sends a response whose body is passed on as it comes.
async fn streamed(
    session: &mut Session,
    connection: &Connection,
    mut exchange: Exchange,
) -> Result<()> {
    let framing = match framing::length(&exchange.head.fields) {
        Ok(Length::Known(_)) => Framing::Kept,
        Ok(Length::Chunked | Length::Unsaid) | Err(_)
            if head::reads_chunks(session.req_header().version) =>
        {
            Framing::Chunked
        }
        Ok(Length::Chunked | Length::Unsaid) | Err(_) => Framing::Unsaid,
    };
    let head = head::whole_response(&exchange.head, framing)?;
    before_head(session, connection, &head);
    if framing == Framing::Unsaid {
        session.set_keepalive(None);
    }
    session
        .write_response_header(Box::new(head), false)
        .await
        .map_err(Error::into_down)?;
    loop {
        let piece = tokio::select! {
            biased;
            piece = exchange.body.next() => piece.map_err(|error| {
                Error::because(ErrorType::ReadError, "passing on a body", error).into_up()
            })?,
            () = inbound::gone(session) => return client_gone(),
        };
        let is_end = piece.is_none();
        session
            .write_response_body(piece, is_end)
            .await
            .map_err(Error::into_down)?;
        if is_end {
            return Ok(());
        }
    }
}

fn client_gone() -> Result<()> {
    Err(Error::new_down(ErrorType::ConnectionClosed))
}

/// Decides what becomes of the connection and of the upstream's `Date`.
fn before_head(session: &mut Session, connection: &Connection, head: &ResponseHeader) {
    if let Some(date) = head::date(head) {
        connection.keep_date(date);
    }
    session.set_total_drain_timeout(Some(DRAIN_TIME));
    if connection.is_sent_away() || connection.is_lost() || !can_drain(session) {
        session.set_keepalive(None);
    }
}

/// Whether the rest of the request's body is worth reading for nothing. A client that
/// was never told to go on may or may not send it: nobody knows what comes next.
fn can_drain(session: &mut Session) -> bool {
    if session.is_body_done() {
        return true;
    }
    let read = session.body_bytes_read() as u64;
    let rest = match framing::length(&session.req_header().headers) {
        Ok(Length::Known(length)) => length.saturating_sub(read),
        Ok(Length::Chunked | Length::Unsaid) | Err(_) => 0,
    };
    rest <= DRAIN_LIMIT && !inbound::expects_continue(session)
}

/// How a response with its body in memory is framed.
fn framing(method: &Method, response: &Response) -> Framing {
    match &response.body {
        Body::Whole(bytes) | Body::Edited(bytes) if has_length(response.status) => {
            Framing::Exact(bytes.len())
        }
        Body::Empty if framing::has_body(method, response.status) => Framing::Exact(0),
        // The answer to HEAD and 304 tell the length of a body that isn't sent.
        Body::Empty | Body::Streamed if has_length(response.status) => Framing::Kept,
        Body::Empty | Body::Streamed | Body::Whole(_) | Body::Edited(_) => Framing::Unsaid,
    }
}

/// Whether a response with this status may say a length ([RFC 9110 §8.6]).
fn has_length(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT
}

/// A response of ours as it goes over the wire, on a connection that ends with it.
pub(super) fn last_words(response: &Response) -> Bytes {
    let body = response.body.bytes().cloned().unwrap_or_default();
    let mut out = BytesMut::with_capacity(512 + body.len());
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(response.status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(response.reason());
    out.put_slice(b"\r\n");
    for field in response.fields.iter() {
        field.put_name(&mut out);
        out.put_slice(b": ");
        out.put_slice(field.value().as_bytes());
        out.put_slice(b"\r\n");
    }
    let date = httpdate::fmt_http_date(SystemTime::now());
    let length = body.len();
    out.put_slice(
        format!("Content-Length: {length}\r\nDate: {date}\r\nConnection: close\r\n\r\n").as_bytes(),
    );
    out.put_slice(&body);
    out.freeze()
}
