//! A client of raw bytes.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A response, its chunks put together.
#[derive(Debug)]
pub(crate) struct Response {
    /// The head with its empty line.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a status")
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// The value of a field of a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(address)).await.expect("a listener");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref()))
            .await
            .expect("it is taken");
    }

    /// Says that it sends no more.
    pub(crate) async fn half_close(&mut self) {
        soon(self.stream.shutdown()).await.expect("it is open");
    }

    /// Leaves, and takes back what is on its way.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("a socket");
    }

    /// Sends a request and reads its response.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request).await;
        self.response().await
    }

    /// Sends a plain GET and reads its response.
    pub(crate) async fn get(&mut self, target: &str) -> Response {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: api.test\r\n\r\n"))
            .await
    }

    /// Sends a head and a body that doesn't end, until it is not taken any more; gives what
    /// comes until the connection ends, an error where it is reset.
    pub(crate) async fn send_without_end(mut self, head: &str) -> io::Result<String> {
        self.send(head).await;
        let (mut reader, mut writer) = self.stream.into_split();
        let sending = tokio::spawn(async move {
            let piece = vec![b'a'; 64 * 1024];
            while writer.write_all(&piece).await.is_ok() {}
        });
        let mut seen = Vec::new();
        let read = soon(reader.read_to_end(&mut seen)).await;
        sending.abort();
        read.map(|_| String::from_utf8_lossy(&seen).into_owned())
    }

    /// The next response, which has a body by its own framing.
    pub(crate) async fn response(&mut self) -> Response {
        let head = self.head().await;
        let body = if field(&head, "transfer-encoding").is_some() {
            self.chunks().await
        } else {
            let length =
                field(&head, "content-length").map_or(0, |text| text.parse().expect("a number"));
            self.bytes(length).await
        };
        Response { head, body }
    }

    /// The next response to HEAD.
    pub(crate) async fn head(&mut self) -> String {
        let head = self.until(b"\r\n\r\n").await;
        String::from_utf8(head).expect("text")
    }

    /// Bytes up to and with `end`.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self.read.windows(end.len()).position(|at| at == end);
            if let Some(at) = found {
                return self.read.drain(..at + end.len()).collect();
            }
            let read = self.fill().await.expect("the connection is whole");
            assert!(read > 0, "ended after {:?}", self.seen());
        }
    }

    async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            let read = self.fill().await.expect("the connection is whole");
            assert!(read > 0, "ended after {:?}", self.seen());
        }
        self.read.drain(..count).collect()
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.until(b"\r\n").await).expect("text");
            let size = usize::from_str_radix(line.trim(), 16).expect("a size");
            body.extend(self.bytes(size).await);
            assert_eq!(self.bytes(2).await, b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    /// Everything until the connection ends well.
    pub(crate) async fn rest(&mut self) -> String {
        self.try_rest().await.expect("the connection ends well")
    }

    /// Everything until the connection ends; an error where it is reset.
    pub(crate) async fn try_rest(&mut self) -> io::Result<String> {
        while self.fill().await? > 0 {}
        Ok(self.seen())
    }

    fn seen(&mut self) -> String {
        let seen = std::mem::take(&mut self.read);
        String::from_utf8_lossy(&seen).into_owned()
    }

    async fn fill(&mut self) -> io::Result<usize> {
        soon(self.stream.read_buf(&mut self.read)).await
    }
}
