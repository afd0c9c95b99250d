//! HTTP/1.1 on a socket as it is: reads messages without correcting them, keeps every byte.
//!
//! Both ends of a test use it: the client reads responses, the upstream reads requests.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use serde_json::Value;

use super::eventually::PATIENCE;

/// A start line and fields, in the order and spelling in which they arrived.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) start_line: String,
    pub(crate) fields: Vec<(String, String)>,
    /// The bytes, with the empty line behind them.
    pub(crate) raw: Vec<u8>,
}

impl Head {
    fn parse(raw: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = text.lines();
        let start_line = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self {
            start_line,
            fields,
            raw,
        }
    }

    /// The values of a field, however its name is spelled.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    /// The `n`th word of the start line; empty when there is none.
    pub(crate) fn word(&self, n: usize) -> &str {
        self.start_line.split(' ').nth(n).unwrap_or_default()
    }

    fn framing(&self) -> Option<Framing> {
        if self.value("transfer-encoding").is_some() {
            return Some(Framing::Chunked);
        }
        let length = self.value("content-length")?.parse().ok()?;
        Some(Framing::Length(length))
    }
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// A request or a response.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) head: Head,
    /// Without chunk framing.
    pub(crate) body: Vec<u8>,
    /// The bytes of head and body, with chunk framing.
    pub(crate) raw: Vec<u8>,
}

impl Message {
    /// A response's status.
    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        let status = self.head.word(1).parse();
        status.unwrap_or_else(|_| panic!("no status line: {}", self.head.start_line))
    }

    /// A request's method.
    pub(crate) fn method(&self) -> &str {
        self.head.word(0)
    }

    /// A request's target, as it was sent.
    pub(crate) fn target(&self) -> &str {
        self.head.word(1)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }
}

/// A socket, what was read from it and is not consumed yet, and a copy of all that was read.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            unread: Vec::new(),
            seen: Arc::default(),
        })
    }

    /// Every byte that was read so far; stays valid when the wire is gone.
    pub(crate) fn seen(&self) -> Arc<Mutex<Vec<u8>>> {
        self.seen.clone()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a piece at a time, each in a packet of its own, with a pause before each.
    pub(crate) fn drip(&mut self, pieces: &[&[u8]], pause: Duration) -> io::Result<()> {
        pieces.iter().try_for_each(|piece| {
            std::thread::sleep(pause);
            self.send(piece)
        })
    }

    /// Says that nothing more will be sent; the other direction stays open.
    pub(crate) fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Makes the coming end of the connection a reset instead of an orderly one.
    pub(crate) fn end_with_reset(&self) -> io::Result<()> {
        Ok(set_socket_linger(&self.stream, Some(Duration::ZERO))?)
    }

    /// The next head; `None` when the peer ended the connection before it.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                return Ok(Some(Head::parse(self.take(end + 4))));
            }
            if !self.fill()? {
                return match self.unread.len() {
                    0 => Ok(None),
                    _ => Err(cut("in a head")),
                };
            }
        }
    }

    /// The next request; `None` when the peer ended the connection before it.
    pub(crate) fn request(&mut self) -> io::Result<Option<Message>> {
        let Some(head) = self.head()? else {
            return Ok(None);
        };
        let framing = head.framing().unwrap_or(Framing::Length(0));
        self.message(head, framing).map(Some)
    }

    /// The next response, an interim one (1xx) too, to a request with this method.
    pub(crate) fn response(&mut self, method: &str) -> io::Result<Message> {
        let head = self.head()?.ok_or_else(|| cut("before a response"))?;
        let status = head.word(1);
        let bare = method == "HEAD" || status.starts_with('1') || ["204", "304"].contains(&status);
        let framing = match head.framing() {
            _ if bare => Framing::Length(0),
            Some(framing) => framing,
            None => Framing::UntilClose,
        };
        self.message(head, framing)
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? {}
        Ok(self.take(self.unread.len()))
    }

    fn message(&mut self, head: Head, framing: Framing) -> io::Result<Message> {
        let (body, framed) = match framing {
            Framing::Length(length) => {
                let body = self.exactly(length)?;
                (body.clone(), body)
            }
            Framing::Chunked => self.chunks()?,
            Framing::UntilClose => {
                let body = self.rest()?;
                (body.clone(), body)
            }
        };
        let raw = [head.raw.as_slice(), &framed].concat();
        Ok(Message { head, body, raw })
    }

    /// A chunked body, without and with its framing. Trailers belong to the framing.
    fn chunks(&mut self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut body, mut framed) = (Vec::new(), Vec::new());
        loop {
            let line = self.line()?;
            let size = chunk_size(&line)?;
            framed.extend(line);
            if size == 0 {
                break;
            }
            let chunk = self.exactly(size + 2)?;
            body.extend(&chunk[..size]);
            framed.extend(chunk);
        }
        loop {
            let trailer = self.line()?;
            let last = trailer == b"\r\n";
            framed.extend(trailer);
            if last {
                return Ok((body, framed));
            }
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                return Ok(self.take(end + 2));
            }
            if !self.fill()? {
                return Err(cut("in a line"));
            }
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            if !self.fill()? {
                return Err(cut("in a body"));
            }
        }
        Ok(self.take(length))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.unread.drain(..length).collect()
    }

    /// Reads once; whether there was anything.
    fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let length = self.stream.read(&mut buffer)?;
        self.unread.extend(&buffer[..length]);
        self.seen.lock().unwrap().extend(&buffer[..length]);
        Ok(length > 0)
    }
}

fn chunk_size(line: &[u8]) -> io::Result<usize> {
    let text = String::from_utf8_lossy(line);
    let size = text.split(';').next().unwrap_or_default().trim();
    usize::from_str_radix(size, 16).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

fn cut(at: &str) -> io::Error {
    io::Error::new(
        ErrorKind::UnexpectedEof,
        format!("the connection ended {at}"),
    )
}
