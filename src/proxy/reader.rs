//! What comes from a client: heads, and the bodies that follow them.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, timeout, timeout_at};

use crate::message::framing::Length;
use crate::message::head::{self, Beginning, Fault, Head};
use crate::transaction::ports::{BodyError, BodySource, next};
use crate::wire::{Inbox, Patience};

use super::Settings;
use super::places::{Place, Waits};

/// How much is read at once, in bytes. What takes no more than twice that is not counted
/// among the buffers.
const READ_SIZE: usize = 8 * 1024;

/// How much of a request's body is read for nothing, to keep a connection, and how long
/// that may take.
const DRAIN_LIMIT: u64 = 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The bytes of one client, in the order they come.
pub(super) struct Reader<'s> {
    socket: ReadHalf<'s>,
    settings: &'s Settings,
    /// What was read and isn't used yet.
    incoming: BytesMut,
    /// What is still to come of the present body.
    inbox: Inbox,
    /// How much is counted for the piece of a body that was given out last.
    given_out: usize,
    /// When the first byte of the present request came.
    began: Instant,
    /// How long nothing may come of a next request.
    idle: Patience,
    /// How long nothing may come of a body; none once the connection has left HTTP.
    patience: Option<Patience>,
    progress: &'s Progress,
    place: &'s Place,
}

/// How much of the present request's body is still to come, for those who can't ask the
/// reader because somebody reads from it.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU64);

/// What came.
pub(super) enum Arrival {
    /// A sound head. Its body, if any, is what the reader reads next.
    Head(Box<Head>),
    /// One that is refused; nothing behind it can be trusted.
    Unsound(Fault),
    /// Nothing more.
    End,
}

impl Progress {
    /// As far as is known: a body in chunks counts as short.
    pub(super) fn is_worth_draining(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= DRAIN_LIMIT
    }

    /// Whether all of it has come.
    pub(super) fn is_done(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn set(&self, inbox: &Inbox) {
        let left = match inbox {
            Inbox::Known(left) => *left,
            Inbox::Chunked(chunks) if chunks.has_ended() => 0,
            Inbox::Chunked(_) => 1,
            Inbox::UntilClosed => u64::MAX,
        };
        self.0.store(left, Ordering::Relaxed);
    }
}

impl<'s> Reader<'s> {
    pub(super) fn new(
        socket: ReadHalf<'s>,
        settings: &'s Settings,
        progress: &'s Progress,
        place: &'s Place,
    ) -> Self {
        Self {
            socket,
            settings,
            incoming: BytesMut::new(),
            inbox: Inbox::Known(0),
            given_out: 0,
            began: Instant::now(),
            idle: Patience::new(settings.idle_time),
            patience: None,
            progress,
            place,
        }
    }

    /// When the first byte of the present request came.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Whether nothing of a next request is there yet.
    pub(super) fn is_empty(&self) -> bool {
        self.incoming.is_empty()
    }

    /// Waits for the next head. One that comes too slowly, or not at all, is no head.
    pub(super) async fn head(&mut self) -> Arrival {
        self.give_back();
        if self.place.holds_head() {
            self.place.hold_head(0);
        }
        if self.incoming.is_empty() {
            self.idle.renew();
            if !matches!(poll_fn(|cx| self.poll_begin(cx)).await, Ok(1..)) {
                return Arrival::End;
            }
        }
        self.began = Instant::now();
        let arrival = self.rest_of_head().await;
        self.place.go_on();
        arrival
    }

    /// Waits for the rest of a head whose first bytes have come.
    async fn rest_of_head(&mut self) -> Arrival {
        let deadline = self.began + self.settings.head_time;
        let mut beginning = Beginning::default();
        let mut seen = 0;
        loop {
            // An empty line before a request is no request ([RFC 9112 §2.2]).
            while seen == 0 && self.incoming.starts_with(b"\r\n") {
                self.incoming.advance(2);
            }
            match head::end(&self.incoming, seen, &self.settings.head) {
                Ok(Some(size)) => return self.take_head(size),
                Ok(None) => {}
                Err(fault) => return Arrival::Unsound(fault),
            }
            if let Err(fault) = beginning.look(&self.incoming) {
                return Arrival::Unsound(fault);
            }
            if &self.incoming[..] != b"\r" {
                seen = self.incoming.len();
            }
            match timeout_at(deadline, poll_fn(|cx| self.poll_more_head(cx))).await {
                Ok(Ok(1..)) => {}
                Ok(Err(error)) if error.kind() == io::ErrorKind::OutOfMemory => {
                    return Arrival::Unsound(Fault::NoRoom);
                }
                Ok(_) => return Arrival::End,
                Err(_) if self.incoming.is_empty() => return Arrival::End,
                Err(_) => return Arrival::Unsound(Fault::TimedOut),
            }
        }
    }

    /// Takes the head of `size` bytes off what has come.
    fn take_head(&mut self, size: usize) -> Arrival {
        // As long as the head is needed, so is all that was read with it.
        let capacity = self.incoming.capacity();
        let held = if capacity > 2 * READ_SIZE {
            capacity
        } else {
            0
        };
        if (held > 0 || self.place.holds_head()) && !self.place.hold_head(held) {
            return Arrival::Unsound(Fault::NoRoom);
        }
        let bytes = self.incoming.split_to(size).freeze();
        let head = match head::read(&bytes, &self.settings.head) {
            Ok(head) => head,
            Err(fault) => return Arrival::Unsound(fault),
        };
        self.expect(match head.length {
            Length::Known(length) => Inbox::Known(length),
            Length::Chunked => Inbox::new(Length::Chunked),
            Length::Unsaid => Inbox::Known(0),
        });
        self.patience = Some(Patience::new(self.settings.body_time));
        Arrival::Head(Box::new(head))
    }

    /// From now on everything that comes is one body: for a request that asks to leave
    /// HTTP, read by nobody before it may.
    pub(super) fn leave_http(&mut self) {
        self.expect(Inbox::UntilClosed);
        self.patience = None;
    }

    /// What comes next is a head again.
    pub(super) fn stay(&mut self) {
        self.expect(Inbox::Known(0));
    }

    fn expect(&mut self, inbox: Inbox) {
        self.progress.set(&inbox);
        self.inbox = inbox;
    }

    /// The end of the body can't be found any more, and with it no next head.
    fn lost<T>(&mut self, error: BodyError) -> Poll<Result<T, BodyError>> {
        self.expect(Inbox::UntilClosed);
        Poll::Ready(Err(error))
    }

    /// Reads the rest of a body for nothing; gives whether a next request can follow.
    pub(super) async fn drain(&mut self) -> bool {
        let drain = async {
            let mut drained = 0;
            while let Ok(piece) = next(self).await {
                let Some(piece) = piece else { return true };
                drained += piece.len() as u64;
                if drained > DRAIN_LIMIT {
                    break;
                }
            }
            false
        };
        timeout(DRAIN_TIME, drain).await.unwrap_or(false)
    }

    /// Reads the first of a head; gives how much, 0 at the end, where nothing comes in time and
    /// where the connection has to end. One clock serves all requests of the connection.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.poll_fill_up_to(READ_SIZE, cx) {
            Poll::Pending => {
                // A connection that only waits holds no memory for it.
                self.incoming = BytesMut::new();
                if self.place.wait(Waits::Request, cx) {
                    return Poll::Ready(Ok(0));
                }
                self.idle.poll_end(cx).map(|()| Ok(0))
            }
            read @ Poll::Ready(_) => {
                self.place.go_on();
                read
            }
        }
    }

    /// Reads more of a head; gives how much, 0 at the end.
    fn poll_more_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.poll_fill_up_to(READ_SIZE, cx);
        if read.is_pending() {
            let must_end = self.place.wait(Waits::Head, cx)
                || !self.place.hold_head(self.incoming.capacity())
                || self.place.is_given_up();
            if must_end {
                return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
            }
        }
        read
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = self.place.buffers().read_size();
        let size = match &self.inbox {
            Inbox::Known(left) => usize::try_from(*left).map_or(most, |left| left.min(most)),
            Inbox::Chunked(_) | Inbox::UntilClosed => most,
        };
        let read = self.poll_fill_up_to(size, cx);
        if read.is_pending() && self.incoming.is_empty() {
            self.incoming = BytesMut::new();
        }
        read
    }

    /// Counts a piece of a body among the buffers until the next one is asked for.
    fn give_out(&mut self, piece: &Bytes) {
        if piece.len() > READ_SIZE {
            self.given_out = piece.len();
            self.place.buffers().take(piece.len());
        }
    }

    fn give_back(&mut self) {
        if self.given_out > 0 {
            let size = std::mem::take(&mut self.given_out);
            self.place.buffers().give_back(size);
        }
    }

    fn poll_fill_up_to(&mut self, size: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.socket.as_ref().poll_read_ready(cx))?;
        self.incoming.reserve(size);
        pin!(self.socket.read_buf(&mut self.incoming)).poll(cx)
    }
}

impl BodySource for Reader<'_> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        self.give_back();
        loop {
            let Ok(piece) = self.inbox.take(&mut self.incoming) else {
                return self.lost(BodyError::Cut);
            };
            self.progress.set(&self.inbox);
            if piece.is_some() || self.inbox.has_ended() {
                if let Some(piece) = &piece {
                    self.give_out(piece);
                }
                return Poll::Ready(Ok(piece));
            }
            match self.poll_fill(cx) {
                Poll::Pending => {
                    let Some(patience) = &mut self.patience else {
                        return Poll::Pending;
                    };
                    ready!(patience.poll_end(cx));
                    return self.lost(BodyError::TimedOut);
                }
                Poll::Ready(Ok(0) | Err(_)) => {
                    return match self.inbox {
                        Inbox::UntilClosed => Poll::Ready(Ok(None)),
                        Inbox::Known(_) | Inbox::Chunked(_) => self.lost(BodyError::Cut),
                    };
                }
                Poll::Ready(Ok(_)) => {
                    if let Some(patience) = &mut self.patience {
                        patience.renew();
                    }
                }
            }
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}
