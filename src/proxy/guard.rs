//! The byte stream of a client's connection, between the socket and pingora.
//!
//! Nothing gets past it that two recipients could read in two ways: a head is handed
//! over when it is there as a whole and sound, a chunked body is checked as it passes,
//! and no byte of the next request is shown before that request's turn. What is unsound
//! is answered here. Knows no transaction.
//!
//! ```text
//!        ┌──────────── the client's turn ◀────────────┐
//!        ▼                                            │
//! Idle, Head ──sound──▶ HandOver ──▶ Body ──end──▶ Between ──101──▶ Tunnel
//!        └─unsound, late──▶ Refused ──▶ Closed
//! ```

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::message::chunked::{BadChunk, Chunks, Step};
use crate::message::framing::Length;
use crate::message::head::{self, Fault};

use super::connection::{Connection, Date, Turn};
use super::listener::Rules;

/// How much is read at once, in bytes.
const READ_SIZE: usize = 4 * 1024;

/// How much is written at once, in bytes; less waits for a flush.
const WRITE_SIZE: usize = 8 * 1024;

/// How long a connection that we close is still read, so that the client gets our last
/// words before it hears that nobody listens ([RFC 9112 §9.6]).
const LINGER: Duration = Duration::from_secs(1);

/// The stream of one connection.
pub(super) struct Guard {
    socket: TcpStream,
    connection: Arc<Connection>,
    rules: Arc<Rules>,
    state: State,
    /// Read and not handed over.
    incoming: BytesMut,
    /// To be written.
    outgoing: BytesMut,
    /// When the present state has to be over.
    clock: Pin<Box<Sleep>>,
}

#[derive(Debug)]
enum State {
    /// Before the first byte of a request.
    Idle,
    /// Within a head, `seen` bytes of which hold no end.
    Head { seen: usize },
    /// A sound head is handed over, `left` bytes are to come.
    HandOver { left: usize, body: Body },
    /// Within a body.
    Body(Body),
    /// Behind a request, while it is under way.
    Between,
    /// The connection has left HTTP.
    Tunnel,
    /// Our last words are written and what still comes is dropped.
    Refused,
    /// Nothing is read any more.
    Closed,
}

#[derive(Debug)]
enum Body {
    Known(u64),
    Chunked(Chunks),
}

impl Guard {
    pub(super) fn new(socket: TcpStream, connection: Arc<Connection>, rules: Arc<Rules>) -> Self {
        let clock = Box::pin(tokio::time::sleep(rules.settings.idle_time));
        Self {
            socket,
            connection,
            rules,
            state: State::Idle,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            clock,
        }
    }

    /// Reads until a head is there as a whole; leaves the state behind it.
    fn poll_head(&mut self, cx: &mut Context<'_>, seen: usize) -> Poll<io::Result<()>> {
        // An empty line before a request is no request ([RFC 9112 §2.2]).
        while seen == 0 && self.incoming.starts_with(b"\r\n") {
            self.incoming.advance(2);
        }
        let is_idle = self.incoming.is_empty();
        match head::end(&self.incoming, seen, &self.rules.settings.head) {
            Ok(Some(size)) => {
                self.pass_judgement(size);
                return Poll::Ready(Ok(()));
            }
            Ok(None) if is_idle => {}
            Ok(None) => {
                if matches!(self.state, State::Idle) {
                    self.set_clock(self.rules.settings.head_time);
                }
                self.state = State::Head {
                    seen: self.incoming.len(),
                };
            }
            Err(fault) => {
                self.refuse(fault);
                return Poll::Ready(Ok(()));
            }
        }
        if self.clock.as_mut().poll(cx).is_ready() {
            match self.state {
                State::Head { .. } => self.refuse(Fault::TimedOut),
                _ => self.state = State::Closed,
            }
            return Poll::Ready(Ok(()));
        }
        if ready!(self.poll_fill(cx))? == 0 {
            self.state = State::Closed;
        }
        Poll::Ready(Ok(()))
    }

    /// Decides over the head of `size` bytes that has arrived.
    fn pass_judgement(&mut self, size: usize) {
        match head::check(&self.incoming[..size], &self.rules.settings.head) {
            Ok(head) => {
                let body = match head.body {
                    Length::Known(length) => Body::Known(length),
                    Length::Chunked => Body::Chunked(Chunks::default()),
                    Length::Unsaid => Body::Known(0),
                };
                self.state = State::HandOver { left: size, body };
                self.connection.set_turn(Turn::Ours);
            }
            Err(fault) => self.refuse(fault),
        }
    }

    /// Answers an unsound head and has the connection closed.
    fn refuse(&mut self, fault: Fault) {
        self.outgoing.extend_from_slice(&self.rules.refusal(fault));
        self.set_clock(LINGER);
        self.state = State::Refused;
    }

    /// Hands over what has been read, at most `limit` bytes of it.
    fn hand_over(&mut self, buf: &mut ReadBuf<'_>, limit: usize) -> usize {
        let size = limit.min(self.incoming.len()).min(buf.remaining());
        buf.put_slice(&self.incoming[..size]);
        self.incoming.advance(size);
        size
    }

    /// Reads at most `limit` bytes of a body, past our memory where nothing is left there.
    fn poll_pull(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        if !self.incoming.is_empty() {
            return Poll::Ready(Ok(self.hand_over(buf, limit)));
        }
        let limit = limit.min(buf.remaining());
        let mut piece = ReadBuf::new(buf.initialize_unfilled_to(limit));
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut piece))?;
        let size = piece.filled().len();
        buf.advance(size);
        Poll::Ready(Ok(size))
    }

    fn poll_known(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        left: u64,
    ) -> Poll<io::Result<()>> {
        let limit = usize::try_from(left).unwrap_or(usize::MAX);
        let size = ready!(self.poll_pull(cx, buf, limit))?;
        self.state = match left - size as u64 {
            0 => State::Between,
            _ if size == 0 => State::Closed,
            left => State::Body(Body::Known(left)),
        };
        Poll::Ready(Ok(()))
    }

    fn poll_chunked(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        mut chunks: Chunks,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let size = ready!(self.poll_pull(cx, buf, usize::MAX))?;
        let piece = &buf.filled()[before..];
        let used = match measure(&mut chunks, piece) {
            Ok(used) => used,
            Err(error) => {
                buf.set_filled(before);
                self.state = State::Closed;
                self.connection.set_lost();
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        };
        // What follows the body belongs to the next request.
        let mut rest = BytesMut::from(&piece[used..]);
        if !rest.is_empty() {
            rest.unsplit(self.incoming.split());
            self.incoming = rest;
        }
        buf.set_filled(before + used);
        self.state = if chunks.has_ended() {
            State::Between
        } else if size == 0 {
            State::Closed
        } else {
            State::Body(Body::Chunked(chunks))
        };
        Poll::Ready(Ok(()))
    }

    /// Waits for the end of a request that is under way. What the client sends on is
    /// kept for its turn; only that it has gone is told.
    fn poll_between(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.incoming.len() < self.rules.settings.head.bytes {
            if ready!(self.poll_fill(cx))? == 0 {
                self.state = State::Closed;
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Writes our last words and drops what still comes, for a while.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        while self.clock.as_mut().poll(cx).is_pending() {
            self.incoming.clear();
            if ready!(self.poll_fill(cx))? == 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more; gives how much, 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // A connection that only waits holds no memory for it.
        ready!(self.socket.poll_read_ready(cx))?;
        self.incoming.reserve(READ_SIZE);
        pin!(self.socket.read_buf(&mut self.incoming)).poll(cx)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.outgoing))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what waits and `buf` behind it; gives how much of `buf`.
    fn poll_write_through(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let waiting = self.outgoing.len();
            let both = [IoSlice::new(&self.outgoing), IoSlice::new(buf)];
            let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, &both))?;
            self.outgoing.advance(written.min(waiting));
            if written > waiting || written == 0 {
                return Poll::Ready(Ok(written.saturating_sub(waiting)));
            }
        }
    }

    fn set_clock(&mut self, time: Duration) {
        self.clock.as_mut().reset(Instant::now() + time);
    }

    /// Takes note of a turn that has passed to the client or of a tunnel.
    fn follow_turn(&mut self) {
        if !matches!(self.state, State::Between) {
            return;
        }
        match self.connection.turn() {
            Turn::Ours => {}
            Turn::Tunnel => self.state = State::Tunnel,
            Turn::Client => {
                self.set_clock(self.rules.settings.idle_time);
                self.state = State::Idle;
                if self.incoming.is_empty() {
                    self.incoming = BytesMut::new();
                }
            }
        }
    }
}

/// How many bytes of `piece` belong to the chunked body.
fn measure(chunks: &mut Chunks, piece: &[u8]) -> Result<usize, BadChunk> {
    let mut used = 0;
    while used < piece.len() && !chunks.has_ended() {
        let (Step::Overhead(size) | Step::Data(size) | Step::End(size)) =
            chunks.step(&piece[used..])?;
        used += size;
    }
    Ok(used)
}

/// Puts the upstream's `Date` where pingora wrote its own into the head that begins at
/// `start`.
fn restore_date(out: &mut BytesMut, start: usize, date: &Date) {
    const WRITTEN: &[u8] = b"\r\nDate: ";
    let head = &out[start..];
    let Some(line) = head.windows(WRITTEN.len()).position(|at| at == WRITTEN) else {
        return;
    };
    let value = line + WRITTEN.len();
    let Some(end) = head[value..].iter().position(|&byte| byte == b'\r') else {
        return;
    };
    let rest = out.split_off(start + value + end);
    out.truncate(start + line + 2);
    out.extend_from_slice(&date.name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(date.value.as_bytes());
    out.extend_from_slice(&rest);
}

impl AsyncRead for Guard {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.follow_turn();
            match &mut this.state {
                State::Idle => ready!(this.poll_head(cx, 0))?,
                State::Head { seen } => {
                    let seen = *seen;
                    ready!(this.poll_head(cx, seen))?;
                }
                State::HandOver { left, body } => {
                    let (left, body) = (*left, std::mem::replace(body, Body::Known(0)));
                    let left = left - this.hand_over(buf, left);
                    this.state = match (left, body) {
                        (0, Body::Known(0)) => State::Between,
                        (0, body) => State::Body(body),
                        (left, body) => State::HandOver { left, body },
                    };
                    return Poll::Ready(Ok(()));
                }
                State::Body(Body::Known(left)) => {
                    let left = *left;
                    return this.poll_known(cx, buf, left);
                }
                State::Body(Body::Chunked(chunks)) => {
                    let chunks = chunks.clone();
                    return this.poll_chunked(cx, buf, chunks);
                }
                State::Between => ready!(this.poll_between(cx))?,
                State::Tunnel => return this.poll_pull(cx, buf, usize::MAX).map_ok(|_| ()),
                State::Refused => {
                    ready!(this.poll_farewell(cx))?;
                    this.state = State::Closed;
                }
                State::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let waiting = this.outgoing.len();
        // A head comes in one piece.
        let date = buf
            .starts_with(b"HTTP/1.")
            .then(|| this.connection.take_date())
            .flatten();
        if date.is_none() && waiting + buf.len() > WRITE_SIZE {
            return this.poll_write_through(cx, buf);
        }
        this.outgoing.extend_from_slice(buf);
        if let Some(date) = date {
            restore_date(&mut this.outgoing, waiting, &date);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Guard {
    async fn shutdown(&mut self) {
        // Whoever closes has nothing to tell an error to.
        let _ = AsyncWriteExt::shutdown(self).await;
        let is_read = matches!(self.state, State::Between | State::Tunnel | State::Closed);
        if is_read && self.incoming.is_empty() {
            return;
        }
        self.set_clock(LINGER);
        let _ = std::future::poll_fn(|cx| self.poll_farewell(cx)).await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.connection.is_broken() {
            // Closed at once and unread: the client sees a reset instead of an end.
            let _ = self.socket.set_zero_linger();
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("peer", &self.connection.peer)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl UniqueID for Guard {
    fn id(&self) -> UniqueIDType {
        self.socket.as_raw_fd()
    }
}

impl Ssl for Guard {}

impl Peek for Guard {}

impl GetTimingDigest for Guard {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Guard {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Guard {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}
