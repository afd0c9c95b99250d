//! One exchange on one connection.
//!
//! ```text
//! sending ──────────────▶ sent ─┐
//!    └─ fails: is there an answer all the same?
//! receiving ─▶ head ────────────┴─▶ body
//!    │  └─ before all is sent: an error ends the sending, a success waits for it
//!    └─ interim responses: whoever sends the body or waits passes them on
//! ```

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, StatusCode};
use pingora_core::protocols::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::message::Response;
use crate::message::framing::Length;
use crate::transaction::ports::{BodyError, Gone, Requester, Sending};

use super::Settings;
use super::wire::{self, Head};

/// The most interim responses before a final one.
const INTERIM_LIMIT: usize = 16;

/// How much is read at once, in bytes.
const READ_SIZE: usize = 32 * 1024;

/// A connection to the upstream that is used for one exchange.
pub(super) struct Connection {
    stream: Stream,
    /// What was read and isn't used yet.
    incoming: BytesMut,
    /// Where it leads to.
    pub(super) address: HttpPeer,
    /// Whether it has served an exchange before, so that the upstream may just have
    /// closed it.
    pub(super) is_reused: bool,
}

/// What is sent: a head and its body.
pub(super) struct Outgoing<'a> {
    /// The head as it goes over the wire.
    pub(super) head: Bytes,
    /// How the head says that the body ends.
    pub(super) length: Length,
    /// The body.
    pub(super) body: Sending<'a>,
    /// Whether any of it has been given to a connection.
    pub(super) is_written: bool,
    /// Whether it can't be sent again, since a part of the client's body is gone.
    pub(super) is_spent: bool,
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
    /// Nobody waits for the response any more.
    Gone(Gone),
}

enum SendError {
    Closed(io::Error),
    TimedOut(Duration),
    Client(BodyError),
    Gone(Gone),
}

/// Interim responses that have arrived and are to be passed on.
#[derive(Default)]
struct Interims {
    waiting: Mutex<VecDeque<Response>>,
    came: Notify,
}

impl Interims {
    fn push(&self, head: Response) {
        self.waiting().push_back(head);
        self.came.notify_one();
    }

    fn pop(&self) -> Option<Response> {
        self.waiting().pop_front()
    }

    /// The next one, once there is one.
    async fn next(&self) -> Response {
        loop {
            if let Some(head) = self.pop() {
                return head;
            }
            self.came.notified().await;
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Response>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Sent {
    Whole,
    /// The upstream did not want the rest.
    Part,
}

impl Connection {
    pub(super) fn new(stream: Stream, address: HttpPeer, is_reused: bool) -> Self {
        Self {
            stream,
            incoming: BytesMut::new(),
            address,
            is_reused,
        }
    }

    /// Sends a request and reads the head of the response. What comes before it has been
    /// passed on when it is there.
    pub(super) async fn exchange(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        method: &Method,
        settings: &Settings,
    ) -> Result<Head, Lost> {
        let interims = Interims::default();
        let head = self
            .send_and_receive(outgoing, method, &interims, settings)
            .await?;
        while let Some(interim) = interims.pop() {
            let passed = outgoing.body.interim(&interim).await;
            passed.map_err(Lost::Gone)?;
        }
        Ok(head)
    }

    /// Sends a request and reads the head of the response, both at once.
    async fn send_and_receive(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        method: &Method,
        interims: &Interims,
        settings: &Settings,
    ) -> Result<Head, Lost> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let receiving = receive(&mut reader, &mut self.incoming, method, interims);
        tokio::pin!(receiving);
        let sent = {
            let sending = send(&mut writer, outgoing, interims, settings.write);
            tokio::pin!(sending);
            tokio::select! {
                head = &mut receiving => {
                    let mut head = head?;
                    let sent = finish_sending(head.response.status, sending).await?;
                    head.keeps_alive &= matches!(sent, Sent::Whole);
                    return Ok(head);
                }
                sent = &mut sending => sent,
            }
        };
        match sent {
            Ok(()) => wait(&mut outgoing.body, receiving, interims, settings.read).await,
            // It may have answered before it closed.
            Err(SendError::Closed(error)) => match timeout(settings.read, receiving).await {
                Ok(Ok(mut head)) => {
                    head.keeps_alive = false;
                    Ok(head)
                }
                Ok(Err(_)) | Err(_) => Err(Lost::Closed(error.to_string())),
            },
            Err(SendError::TimedOut(limit)) => Err(Lost::TimedOut(limit)),
            Err(SendError::Client(error)) => Err(Lost::Client(error)),
            Err(SendError::Gone(gone)) => Err(Lost::Gone(gone)),
        }
    }

    /// Whether nothing is left over of what was read.
    pub(super) fn is_drained(&self) -> bool {
        self.incoming.is_empty()
    }

    /// What was read and isn't used yet.
    pub(super) fn incoming(&mut self) -> &mut BytesMut {
        &mut self.incoming
    }

    /// Reads more; gives how much, 0 at the end.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        self.incoming.reserve(READ_SIZE);
        self.stream.read_buf(&mut self.incoming).await
    }

    /// The bare connection, for the pool.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }
}

/// Waits for the head of a response, no longer than `limit` without a word, together with
/// whoever waits for it.
async fn wait(
    sent: &mut Sending<'_>,
    mut receiving: Pin<&mut impl Future<Output = Result<Head, Lost>>>,
    interims: &Interims,
    limit: Duration,
) -> Result<Head, Lost> {
    let silence = sleep(limit);
    tokio::pin!(silence);
    loop {
        tokio::select! {
            biased;
            head = &mut receiving => return head,
            interim = interims.next() => {
                sent.interim(&interim).await.map_err(Lost::Gone)?;
                silence.as_mut().reset(Instant::now() + limit);
            }
            () = sent.gone() => return Err(Lost::Gone(Gone)),
            () = &mut silence => return Err(Lost::TimedOut(limit)),
        }
    }
}

/// What becomes of the rest of a request whose answer is there already: an upstream that
/// succeeds may still be reading, one that refuses is not.
async fn finish_sending(
    status: StatusCode,
    sending: impl Future<Output = Result<(), SendError>>,
) -> Result<Sent, Lost> {
    if !status.is_success() {
        return Ok(Sent::Part);
    }
    match sending.await {
        Ok(()) => Ok(Sent::Whole),
        Err(SendError::Closed(_)) => Ok(Sent::Part),
        Err(SendError::TimedOut(limit)) => Err(Lost::TimedOut(limit)),
        Err(SendError::Client(error)) => Err(Lost::Client(error)),
        Err(SendError::Gone(gone)) => Err(Lost::Gone(gone)),
    }
}

async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    outgoing: &mut Outgoing<'_>,
    interims: &Interims,
    limit: Duration,
) -> Result<(), SendError> {
    let mut head = outgoing.head.clone();
    let is_written = &mut outgoing.is_written;
    match &mut outgoing.body {
        Sending::Whole(body) | Sending::WholeFor(body, _) => {
            let mut message = head.chain(body.clone());
            write(writer, &mut message, limit, is_written).await?;
        }
        Sending::Stream(source) => {
            write(writer, &mut head, limit, is_written).await?;
            flush(writer, limit).await?;
            outgoing.is_spent = true;
            while let Some(piece) = next_piece(*source, interims).await? {
                let mut framed = frame(piece, outgoing.length);
                write(writer, &mut framed, limit, is_written).await?;
                flush(writer, limit).await?;
            }
            if outgoing.length == Length::Chunked {
                let mut end = Bytes::from_static(b"0\r\n\r\n");
                write(writer, &mut end, limit, is_written).await?;
            }
        }
    }
    flush(writer, limit).await
}

/// The next piece of a body. Whoever it is awaited from is told meanwhile what comes
/// before the response.
async fn next_piece(
    source: &mut dyn Requester,
    interims: &Interims,
) -> Result<Option<Bytes>, SendError> {
    loop {
        tokio::select! {
            biased;
            interim = interims.next() => {
                source.interim(&interim).await.map_err(SendError::Gone)?;
            }
            piece = source.next() => return piece.map_err(SendError::Client),
        }
    }
}

/// A piece of a body as it goes over the wire.
fn frame(piece: Bytes, length: Length) -> impl Buf {
    let (line, end) = match length {
        Length::Chunked => (wire::chunk_line(piece.len()), Bytes::from_static(b"\r\n")),
        Length::Known(_) | Length::Unsaid => (Bytes::new(), Bytes::new()),
    };
    line.chain(piece).chain(end)
}

async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    message: &mut impl Buf,
    limit: Duration,
    is_written: &mut bool,
) -> Result<(), SendError> {
    while message.has_remaining() {
        let written = timeout(limit, writer.write_buf(message))
            .await
            .map_err(|_| SendError::TimedOut(limit))?
            .map_err(SendError::Closed)?;
        if written == 0 {
            return Err(SendError::Closed(io::ErrorKind::WriteZero.into()));
        }
        *is_written = true;
    }
    Ok(())
}

async fn flush(writer: &mut (impl AsyncWrite + Unpin), limit: Duration) -> Result<(), SendError> {
    timeout(limit, writer.flush())
        .await
        .map_err(|_| SendError::TimedOut(limit))?
        .map_err(SendError::Closed)
}

/// Reads the head of the final response; those of interim ones go to `interims`.
async fn receive(
    reader: &mut (impl AsyncRead + Unpin),
    incoming: &mut BytesMut,
    method: &Method,
    interims: &Interims,
) -> Result<Head, Lost> {
    for _ in 0..INTERIM_LIMIT {
        let head = receive_one(reader, incoming, method).await?;
        match head.response.status {
            StatusCode::SWITCHING_PROTOCOLS => {
                return Err(Lost::Broken("it switches to a protocol nobody asked for"));
            }
            // What we send expects nothing.
            StatusCode::CONTINUE => {}
            status if status.is_informational() => interims.push(head.response),
            _ => return Ok(head),
        }
    }
    Err(Lost::Broken("too many interim responses"))
}

async fn receive_one(
    reader: &mut (impl AsyncRead + Unpin),
    incoming: &mut BytesMut,
    method: &Method,
) -> Result<Head, Lost> {
    loop {
        if !incoming.is_empty()
            && let Some(head) = wire::response_head(incoming, method).map_err(Lost::Broken)?
        {
            return Ok(head);
        }
        incoming.reserve(READ_SIZE);
        let read = reader
            .read_buf(incoming)
            .await
            .map_err(|error| Lost::Closed(error.to_string()))?;
        if read == 0 {
            return Err(if incoming.is_empty() {
                Lost::Closed("it closed the connection".to_owned())
            } else {
                Lost::Broken("the head was cut")
            });
        }
    }
}
