//! One exchange on one connection.
//!
//! ```text
//! sending ──────────────▶ sent ─┐
//!    └─ fails: is there an answer all the same?
//! receiving ─▶ head ────────────┴─▶ body
//!    └─ before all is sent: an error ends the sending, a success waits for it
//! ```

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, StatusCode};
use pingora_core::protocols::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::message::framing::Length;
use crate::transaction::ports::{BodyError, Sending};

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
}

enum SendError {
    Closed(io::Error),
    TimedOut(Duration),
    Client(BodyError),
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

    /// Sends a request and reads the head of the response, both at once.
    pub(super) async fn exchange(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        method: &Method,
        settings: &Settings,
    ) -> Result<Head, Lost> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let sending = send(&mut writer, outgoing, settings.write);
        let receiving = receive(&mut reader, &mut self.incoming, method);
        tokio::pin!(sending, receiving);
        let sent = tokio::select! {
            head = &mut receiving => {
                let mut head = head?;
                let sent = finish_sending(head.response.status, sending).await?;
                head.keeps_alive &= matches!(sent, Sent::Whole);
                return Ok(head);
            }
            sent = &mut sending => sent,
        };
        let waiting = timeout(settings.read, receiving);
        match sent {
            Ok(()) => waiting.await.map_err(|_| Lost::TimedOut(settings.read))?,
            // It may have answered before it closed.
            Err(SendError::Closed(error)) => match waiting.await {
                Ok(Ok(mut head)) => {
                    head.keeps_alive = false;
                    Ok(head)
                }
                Ok(Err(_)) | Err(_) => Err(Lost::Closed(error.to_string())),
            },
            Err(SendError::TimedOut(limit)) => Err(Lost::TimedOut(limit)),
            Err(SendError::Client(error)) => Err(Lost::Client(error)),
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
    }
}

async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    outgoing: &mut Outgoing<'_>,
    limit: Duration,
) -> Result<(), SendError> {
    let mut head = outgoing.head.clone();
    let is_written = &mut outgoing.is_written;
    match &mut outgoing.body {
        Sending::Whole(body) => {
            let mut message = head.chain(body.clone());
            write(writer, &mut message, limit, is_written).await?;
        }
        Sending::Stream(source) => {
            write(writer, &mut head, limit, is_written).await?;
            flush(writer, limit).await?;
            outgoing.is_spent = true;
            while let Some(piece) = source.next().await.map_err(SendError::Client)? {
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

/// Reads the head of the final response.
async fn receive(
    reader: &mut (impl AsyncRead + Unpin),
    incoming: &mut BytesMut,
    method: &Method,
) -> Result<Head, Lost> {
    for _ in 0..INTERIM_LIMIT {
        let head = receive_one(reader, incoming, method).await?;
        if head.response.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Lost::Broken("it switches to a protocol nobody asked for"));
        }
        if !head.response.status.is_informational() {
            return Ok(head);
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
