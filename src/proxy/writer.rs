//! What goes to a client: heads, and the bodies that follow them.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::BufMut;
use http::{StatusCode, header};
use tokio::net::TcpStream;

use crate::message::{Body, Response};
use crate::transaction::Reply;
use crate::transaction::ports::{BodyError, BodySource, Exchange, Interim};
use crate::wire::{self, Frame, Framing, Outbox, Patience, Recipient};

use super::Settings;

/// The bytes for one client, in the order they go.
pub(super) struct Writer<'s> {
    socket: &'s TcpStream,
    outbox: Outbox,
    patience: Patience,
    asker: Asker,
    clock: Clock,
}

/// What time it is, for `Date`: a client gets one that a gateway's upstream sent none to
/// ([RFC 9110 §6.6.1]). Written anew each second only.
#[derive(Debug, Default)]
struct Clock {
    /// In seconds after 1970.
    second: u64,
    text: String,
}

impl Clock {
    fn now(&mut self) -> &[u8] {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        if self.text.is_empty() || second != self.second {
            self.second = second;
            self.text = httpdate::fmt_http_date(now);
        }
        self.text.as_bytes()
    }
}

/// What has to be known of a request to answer it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asker {
    /// It asked for the head only.
    pub(super) wants_no_body: bool,
    /// It reads no chunks and no interim responses.
    pub(super) is_http10: bool,
    /// It doesn't send its body before it is told to.
    pub(super) awaits_continue: bool,
}

/// What becomes of a connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It is used again.
    Keep,
    /// It ends.
    Close,
}

/// Why a response didn't get to its end.
#[derive(Debug)]
pub(super) enum Cut {
    /// The client takes no more of it.
    Client,
    /// Its body didn't come.
    Body(BodyError),
}

/// A response that was sent, as far as that went.
pub(super) struct Written {
    pub(super) after: After,
    /// Whether the client takes the end of the connection for that of the body.
    pub(super) is_open_ended: bool,
    pub(super) result: Result<(), Cut>,
}

impl<'s> Writer<'s> {
    pub(super) fn new(socket: &'s TcpStream, settings: &Settings) -> Self {
        Self {
            socket,
            outbox: Outbox::default(),
            patience: Patience::new(settings.body_time),
            asker: Asker::default(),
            clock: Clock::default(),
        }
    }

    /// Whom the next response is for.
    pub(super) fn answer(&mut self, asker: Asker) {
        self.asker = asker;
    }

    /// Whether the client still waits to be told to send its body.
    pub(super) fn is_awaited(&self) -> bool {
        self.asker.awaits_continue
    }

    /// Waits until the client takes nothing more. One that has only closed its side still
    /// reads, for all that anybody knows.
    async fn gone(socket: &TcpStream) {
        use tokio::io::Interest;
        // It is an error of the connection, which nothing but a reset makes.
        let _ = socket.ready(Interest::ERROR).await;
    }

    /// Sends what a request came to.
    pub(super) async fn send(&mut self, reply: Reply<'_>, may_keep: bool) -> Written {
        let keep = if may_keep { After::Keep } else { After::Close };
        match reply {
            Reply::Whole(response) => Written {
                after: keep,
                is_open_ended: false,
                result: self.whole(response, keep).await,
            },
            Reply::Streamed(exchange) => {
                let frame = self.frame(&exchange.head);
                let is_open_ended = frame.ends_with_connection();
                let after = if is_open_ended { After::Close } else { keep };
                Written {
                    after,
                    is_open_ended,
                    result: self.streamed(exchange, frame, after).await,
                }
            }
        }
    }

    /// Sends a response whose body is in memory.
    pub(super) async fn whole(&mut self, mut response: Response, after: After) -> Result<(), Cut> {
        if response.body == Body::Streamed {
            // It was left where it came from.
            response.body = Body::Empty;
        }
        let frame = self.frame(&response);
        self.put_head(&response, frame.framing, after);
        match response.body {
            Body::Whole(pieces) | Body::Edited(pieces) if frame.has_body => {
                // Each piece is freed once it is written.
                self.outbox.put_whole(pieces);
            }
            Body::Whole(_) | Body::Edited(_) | Body::Empty | Body::Streamed => {}
        }
        self.flush().await
    }

    /// How a response is framed for whom it is for.
    fn frame(&self, response: &Response) -> Frame {
        let recipient = Recipient {
            wants_no_body: self.asker.wants_no_body,
            is_http10: self.asker.is_http10,
        };
        Frame::of(response, recipient)
    }

    /// Sends a response whose body is passed on as it comes.
    async fn streamed(
        &mut self,
        mut exchange: Exchange<'_>,
        frame: Frame,
        after: After,
    ) -> Result<(), Cut> {
        let is_tunnel = exchange.head.status == StatusCode::SWITCHING_PROTOCOLS;
        self.put_head(&exchange.head, frame.framing, after);
        if !frame.has_body && !is_tunnel {
            // What the upstream sends behind such a head all the same goes nowhere.
            drop(exchange);
            return self.flush().await;
        }
        self.outbox.frame(frame.framing == Framing::Chunked);
        let socket = self.socket;
        let sent = tokio::select! {
            biased;
            sent = poll_fn(|cx| self.poll_pump(cx, &mut *exchange.body)) => sent,
            // Who leaves a tunnel is told to the other end by its last byte.
            () = Self::gone(socket), if !is_tunnel => Err(Cut::Client),
        };
        self.outbox.frame(false);
        if let Err(Cut::Body(_)) = sent {
            // What has come of it is the client's; that it isn't all is seen by its end.
            self.flush().await?;
        }
        sent
    }

    /// Passes a body on, in as few writes as its pieces allow.
    fn poll_pump(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut dyn BodySource,
    ) -> Poll<Result<(), Cut>> {
        loop {
            if !self.outbox.has_room() {
                ready!(self.poll_flush(cx))?;
            }
            match body.poll_next(cx) {
                Poll::Ready(Ok(Some(piece))) => self.outbox.push(piece),
                Poll::Ready(Ok(None)) => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Cut::Body(error))),
                Poll::Pending => {
                    // Where the client is slow, its patience ends the wait.
                    if let Poll::Ready(flushed) = self.poll_flush(cx) {
                        flushed?;
                    }
                    return Poll::Pending;
                }
            }
        }
        self.outbox.end();
        // Only the client is waited for from here on; the body says again that it has ended.
        self.outbox.frame(false);
        self.poll_flush(cx)
    }

    /// Writes the head of a final response.
    fn put_head(&mut self, response: &Response, framing: Framing, after: After) {
        let out = self.outbox.buffer();
        wire::put_response(out, response, framing);
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            out.put_slice(b"\r\n");
            return;
        }
        if !response.fields.has(&header::DATE) {
            out.put_slice(b"Date: ");
            out.put_slice(self.clock.now());
            out.put_slice(b"\r\n");
        }
        out.put_slice(match after {
            After::Keep => b"Connection: keep-alive\r\n\r\n" as &[u8],
            After::Close => b"Connection: close\r\n\r\n",
        });
    }

    async fn flush(&mut self) -> Result<(), Cut> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        while !self.outbox.is_empty() {
            match self.socket.try_write_vectored(&self.outbox.slices()) {
                Ok(0) => return Poll::Ready(Err(Cut::Client)),
                Ok(written) => {
                    self.outbox.advance(written);
                    self.patience.renew();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.socket.poll_write_ready(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => return Poll::Ready(Err(Cut::Client)),
                        Poll::Pending => {
                            ready!(self.patience.poll_end(cx));
                            return Poll::Ready(Err(Cut::Client));
                        }
                    }
                }
                Err(_) => return Poll::Ready(Err(Cut::Client)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[async_trait::async_trait]
impl Interim for Writer<'_> {
    async fn pass(&mut self, response: Response) {
        if response.status == StatusCode::CONTINUE {
            self.asker.awaits_continue = false;
        }
        if self.asker.is_http10 {
            return;
        }
        let out = self.outbox.buffer();
        wire::put_response(out, &response, Framing::Unsaid);
        out.put_slice(b"\r\n");
        // A client that is gone is found out by whoever sends the final response.
        let _ = self.flush().await;
    }
}
