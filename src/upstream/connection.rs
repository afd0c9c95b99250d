//! One exchange on one connection.
//!
//! It reads while it writes: an upstream that answers before it has read a large body is
//! no deadlock.
//!
//! ```text
//! sending ──────────────▶ sent ─┐
//!    └─ fails: is there an answer all the same?
//! receiving ─▶ head ────────────┴─▶ body
//!    └─ before all is sent: a success goes on with it, anything else ends it
//! ```

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use http::{Method, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWrite};

use crate::message::framing::{self, Length};
use crate::message::{Pieces, Request};
use crate::transaction::ports::{BodyError, BodySource, Interim, Sending};
use crate::wire::{self, Buffers, Framing, Head, Held, Outbox, Patience};

use super::binding;
use super::connections::Times;
use super::idle::{Kept, Place};
use super::peer::Address;
use super::stream::Stream;

/// The most interim responses before a final one.
const INTERIM_LIMIT: usize = 16;

/// How much is read at once of heads and small bodies, in bytes.
pub(super) const READ_SIZE: usize = 8 * 1024;

/// A connection to the upstream that is used for one exchange.
pub(super) struct Connection {
    stream: Stream,
    place: Option<Place>,
    /// What was read and isn't used yet.
    incoming: BytesMut,
    /// What is counted for the part of a message that has come, while the rest is waited for.
    held: Option<Held>,
    /// Where it leads to.
    pub(super) address: Arc<Address>,
    /// Whether it is logged in, or about to be.
    pub(super) is_bound: bool,
    /// Whether it has served an exchange before, so that the upstream may just have
    /// closed it.
    pub(super) is_reused: bool,
}

/// A request on its way: a head and its body.
pub(super) struct Outgoing<'a> {
    outbox: Outbox,
    state: State<'a>,
    /// How many bytes have been written.
    written: u64,
    /// Whether it can't be sent again, since a part of the client's body is gone.
    is_spent: bool,
}

enum State<'a> {
    /// These pieces follow what is in the outbox.
    Streaming(Box<dyn BodySource + 'a>),
    /// The same, without end: the connection has left HTTP.
    Tunnel(Box<dyn BodySource + 'a>),
    /// Once the upstream has switched protocols these bytes follow.
    Held(Box<dyn BodySource + 'a>),
    /// The outbox has the rest.
    Last,
    /// The connection's end for writing is to be closed.
    Closing,
    Sent,
    /// The upstream doesn't take any more.
    Failed,
}

/// Why an exchange came to nothing.
#[derive(Debug)]
pub(super) enum Lost {
    /// The connection ended before the head of a response.
    Closed(String),
    /// What came was no usable response.
    Broken(&'static str),
    /// Nothing came or went for this long.
    TimedOut(Duration),
    /// The client's body did not arrive.
    Client(BodyError),
    /// There is no memory for a head that is slow to arrive.
    NoMemory,
}

/// Why a request could not be sent as a whole.
#[derive(Debug)]
pub(super) enum Unsent {
    Closed(io::Error),
    Client(BodyError),
}

impl<'a> Outgoing<'a> {
    /// A request that is about to be sent.
    ///
    /// # Errors
    ///
    /// Its head can't be written.
    pub(super) fn new(
        request: &Request,
        body: Sending<'a>,
        authority: &str,
    ) -> Result<Self, &'static str> {
        let mut outbox = Outbox::default();
        let framing = framing(request, &body);
        wire::put_request(outbox.buffer(), request, framing, authority)?;
        outbox.frame(framing == Framing::Chunked);
        let state = match body {
            Sending::Whole(pieces) => {
                outbox.put_whole(pieces);
                State::Last
            }
            Sending::Stream(source) => State::Streaming(source),
            Sending::Upgrade(source) => State::Held(source),
        };
        Ok(Self {
            outbox,
            state,
            written: 0,
            is_spent: false,
        })
    }

    /// The same once more, none of which has been written.
    ///
    /// Only where [`may_be_repeated`](Self::may_be_repeated).
    pub(super) fn again(
        self,
        request: &Request,
        body: Pieces,
        authority: &str,
    ) -> Result<Self, &'static str> {
        let sending = match self.state {
            State::Streaming(source) | State::Tunnel(source) => Sending::Stream(source),
            State::Held(source) => Sending::Upgrade(source),
            State::Last | State::Closing | State::Sent | State::Failed => Sending::Whole(body),
        };
        Self::new(request, sending, authority)
    }

    /// Whether it may be sent once more on a new connection: no part of the client's
    /// body is gone, and either the upstream got nothing of it or getting it twice does
    /// no harm ([RFC 9110 §9.2.2]).
    pub(super) fn may_be_repeated(&self, method: &Method) -> bool {
        !self.is_spent && (method.is_idempotent() || self.written == 0)
    }

    /// How many bytes have been written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether the upstream has all of it.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self.state, State::Sent)
    }

    /// Goes on with what the client sends after a switch of protocols.
    pub(super) fn release(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Last) {
            State::Held(source) => State::Tunnel(source),
            other => other,
        };
    }

    /// Takes more from the client while there is room.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Result<(), Unsent> {
        while self.outbox.has_room() {
            let (source, end) = match &mut self.state {
                State::Streaming(source) => (source, State::Last),
                State::Tunnel(source) => (source, State::Closing),
                State::Held(_) | State::Last | State::Closing | State::Sent | State::Failed => {
                    break;
                }
            };
            match source.poll_next(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Err(Unsent::Client(error)),
                Poll::Ready(Ok(Some(piece))) => {
                    self.is_spent = true;
                    self.outbox.push(piece);
                }
                Poll::Ready(Ok(None)) => {
                    self.outbox.end();
                    self.state = end;
                }
            }
        }
        Ok(())
    }
}

/// How a request's body is framed: one in memory by its length, one that streams as it
/// came.
fn framing(request: &Request, body: &Sending<'_>) -> Framing {
    match body {
        Sending::Whole(pieces) if pieces.is_empty() && !expects_length(request) => Framing::Unsaid,
        Sending::Whole(pieces) => Framing::Exact(pieces.len() as u64),
        Sending::Stream(_) => match framing::length(&request.fields) {
            Ok(Length::Known(length)) => Framing::Exact(length),
            Ok(Length::Chunked | Length::Unsaid) | Err(_) => Framing::Chunked,
        },
        Sending::Upgrade(_) => Framing::Unsaid,
    }
}

/// Whether a request without a body says so ([RFC 9110 §8.6]).
fn expects_length(request: &Request) -> bool {
    request.fields.has(&header::CONTENT_LENGTH)
        || matches!(request.method, Method::POST | Method::PUT | Method::PATCH)
}

impl Connection {
    pub(super) fn new(kept: Kept, address: Arc<Address>, is_reused: bool) -> Self {
        let Kept {
            stream,
            place,
            is_bound,
        } = kept;
        Self {
            stream,
            place,
            incoming: BytesMut::new(),
            held: None,
            address,
            is_bound,
            is_reused,
        }
    }

    /// The same, logged in where the request that it is for does that.
    pub(super) fn bound_by(mut self, request: &Request) -> Self {
        self.is_bound |= binding::is_asked_for(&request.fields);
        self
    }

    /// Sends a request and reads the head of the response, both at once. What is left of
    /// the request afterwards is for whoever reads the body.
    pub(super) async fn exchange(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        method: &Method,
        times: &Times,
        buffers: &Arc<Buffers>,
        interim: &mut dyn Interim,
    ) -> Result<Head, Lost> {
        if !self.is_reused && poll_fn(|cx| Poll::Ready(self.speaks_first(cx, buffers))).await {
            return Err(Lost::Broken("it sent something before it was asked"));
        }
        let mut waits = Waits::new(times);
        for _ in 0..INTERIM_LIMIT {
            let head =
                poll_fn(|cx| self.poll_exchange(cx, outgoing, method, &mut waits, buffers)).await?;
            let status = head.response.status;
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return match outgoing.state {
                    State::Held(_) => Ok(head),
                    _ => Err(Lost::Broken("it switches to a protocol nobody asked for")),
                };
            }
            if !status.is_informational() {
                return Ok(head);
            }
            waits.read.renew();
            interim.pass(head.response).await;
        }
        Err(Lost::Broken("too many interim responses"))
    }

    fn poll_exchange(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut Outgoing<'_>,
        method: &Method,
        waits: &mut Waits,
        buffers: &Arc<Buffers>,
    ) -> Poll<Result<Head, Lost>> {
        let before = outgoing.written;
        let mut closed = None;
        match self.poll_send(cx, outgoing) {
            Poll::Ready(Err(Unsent::Client(error))) => {
                return Poll::Ready(Err(Lost::Client(error)));
            }
            // It may have answered before it closed.
            Poll::Ready(Err(Unsent::Closed(error))) => closed = Some(error),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if let Poll::Ready(head) = self.poll_head(cx, method, buffers) {
            return Poll::Ready(match (head, closed) {
                (Err(Lost::Closed(_)), Some(error)) => Err(Lost::Closed(error.to_string())),
                (head, _) => head,
            });
        }
        if outgoing.written > before {
            waits.write.renew();
        }
        let wait = match outgoing.state {
            State::Sent | State::Failed | State::Held(_) => &mut waits.read,
            _ if !outgoing.outbox.is_empty() => &mut waits.write,
            // It is the client we wait for.
            _ => return Poll::Pending,
        };
        ready!(wait.poll_end(cx));
        Poll::Ready(Err(Lost::TimedOut(wait.limit())))
    }

    /// Sends what there is of a request; ready once that is all of it, or once the
    /// upstream takes no more.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut Outgoing<'_>,
    ) -> Poll<Result<(), Unsent>> {
        match self.poll_send_all(cx, outgoing) {
            Poll::Ready(Err(Unsent::Closed(error))) => {
                outgoing.state = State::Failed;
                Poll::Ready(Err(Unsent::Closed(error)))
            }
            other => other,
        }
    }

    fn poll_send_all(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut Outgoing<'_>,
    ) -> Poll<Result<(), Unsent>> {
        loop {
            outgoing.poll_fill(cx)?;
            let mut stream = Pin::new(&mut self.stream);
            if !outgoing.outbox.is_empty() {
                let slices = outgoing.outbox.slices();
                let written = ready!(stream.as_mut().poll_write_vectored(cx, &slices))
                    .map_err(Unsent::Closed)?;
                if written == 0 {
                    return Poll::Ready(Err(Unsent::Closed(io::ErrorKind::WriteZero.into())));
                }
                outgoing.outbox.advance(written);
                outgoing.written += written as u64;
                continue;
            }
            match outgoing.state {
                State::Sent | State::Failed => return Poll::Ready(Ok(())),
                State::Streaming(_) | State::Tunnel(_) | State::Held(_) => {
                    ready!(stream.as_mut().poll_flush(cx)).map_err(Unsent::Closed)?;
                    return Poll::Pending;
                }
                State::Last => {
                    ready!(stream.as_mut().poll_flush(cx)).map_err(Unsent::Closed)?;
                    outgoing.state = State::Sent;
                }
                State::Closing => {
                    ready!(stream.as_mut().poll_shutdown(cx)).map_err(Unsent::Closed)?;
                    outgoing.state = State::Sent;
                }
            }
        }
    }

    /// Reads the head of a response.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        buffers: &Arc<Buffers>,
    ) -> Poll<Result<Head, Lost>> {
        loop {
            if !self.incoming.is_empty()
                && let Some(head) =
                    wire::read_response(&mut self.incoming, method).map_err(Lost::Broken)?
            {
                return Poll::Ready(if self.ends_behind(&head, cx, buffers) {
                    Err(Lost::Broken("the connection ended with the head"))
                } else {
                    Ok(head)
                });
            }
            let read = match self.poll_read(cx, READ_SIZE, buffers) {
                Poll::Ready(read) => read.map_err(|error| Lost::Closed(error.to_string()))?,
                Poll::Pending if self.held.as_ref().is_some_and(Held::is_too_much) => {
                    return Poll::Ready(Err(Lost::NoMemory));
                }
                Poll::Pending => return Poll::Pending,
            };
            if read == 0 {
                return Poll::Ready(Err(if self.incoming.is_empty() {
                    Lost::Closed("it closed the connection".to_owned())
                } else {
                    Lost::Broken("the head was cut")
                }));
            }
        }
    }

    /// Whether something came before anything was asked: it is no answer. One that has been
    /// used before was looked at when it was taken from those that wait.
    fn speaks_first(&mut self, cx: &mut Context<'_>, buffers: &Arc<Buffers>) -> bool {
        match &self.stream {
            Stream::Plain(_) => self.stream.has_bytes(),
            // Some of its bytes are of TLS itself.
            Stream::Tls(_) => {
                matches!(self.poll_read(cx, READ_SIZE, buffers), Poll::Ready(Ok(1..)))
            }
        }
    }

    /// Whether the connection is known to have ended before the body that `head` promises:
    /// while nothing is sent to the client, that can still be told by a status. Looks at
    /// what has arrived and waits for nothing.
    fn ends_behind(&mut self, head: &Head, cx: &mut Context<'_>, buffers: &Arc<Buffers>) -> bool {
        let is_owed = match head.length {
            Length::Known(length) => length > 0,
            Length::Chunked => true,
            // The end of the connection is that of the body.
            Length::Unsaid => false,
        };
        is_owed
            && self.incoming.is_empty()
            && matches!(
                self.poll_read(cx, READ_SIZE, buffers),
                Poll::Ready(Ok(0) | Err(_))
            )
    }

    /// Whether nothing is left over of what was read.
    pub(super) fn is_drained(&self) -> bool {
        self.incoming.is_empty()
    }

    /// What was read and isn't used yet.
    pub(super) fn incoming(&mut self) -> &mut BytesMut {
        &mut self.incoming
    }

    /// Reads more, into room for `size` bytes; gives how much, 0 at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        size: usize,
        buffers: &Arc<Buffers>,
    ) -> Poll<io::Result<usize>> {
        self.incoming.reserve(size);
        let read = pin!(self.stream.read_buf(&mut self.incoming)).poll(cx);
        if read.is_pending() {
            self.hold_little(buffers);
        } else if self.held.is_some() {
            self.held = None;
        }
        read
    }

    /// Keeps no more memory for what has come than that needs, and counts it: the rest may be
    /// long in coming.
    fn hold_little(&mut self, buffers: &Arc<Buffers>) {
        if self.incoming.is_empty() {
            self.incoming = BytesMut::new();
            return;
        }
        if self.incoming.capacity() > 2 * (self.incoming.len() + READ_SIZE) {
            self.incoming = BytesMut::from(&self.incoming[..]);
        }
        let bytes = self.incoming.capacity();
        if self.held.as_ref().is_none_or(|held| held.bytes() != bytes) {
            self.held = Some(buffers.hold(bytes));
        }
    }

    /// The bare connection, to be used again.
    pub(super) fn into_kept(self) -> Kept {
        Kept {
            stream: self.stream,
            place: self.place,
            is_bound: self.is_bound,
        }
    }
}

/// How long nothing may happen in either direction.
struct Waits {
    read: Patience,
    write: Patience,
}

impl Waits {
    fn new(times: &Times) -> Self {
        Self {
            read: Patience::new(times.read),
            write: Patience::new(times.write),
        }
    }
}

#[cfg(test)]
mod tests;
