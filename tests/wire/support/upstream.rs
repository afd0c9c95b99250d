//! An upstream that records what arrives and does what it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::net::sockopt::set_tcp_cork;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::client::field;

/// What it does when a request has arrived.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits until it is told.
    Wait(Arc<Notify>),
    /// Tells that it has come so far.
    Tell(Arc<Notify>),
    /// Sends bytes and closes the connection, both in one packet.
    LastWords(&'static str),
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
    /// Waits until the other side has closed the connection, and tells.
    UntilClosed(Arc<Notify>),
    /// Sends back what comes, for ever.
    Echo,
}

impl Act {
    pub(crate) fn send(bytes: impl AsRef<[u8]>) -> Self {
        Self::Send(bytes.as_ref().to_vec())
    }
}

/// A listening upstream.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

type Script = dyn Fn(usize, &str) -> Vec<Act> + Send + Sync;

struct Shared {
    received: Mutex<Vec<Vec<u8>>>,
    connections: AtomicUsize,
    /// Whether it reads a body before it acts.
    reads_bodies: bool,
    script: Box<Script>,
}

impl Upstream {
    /// Answers every request with the same bytes.
    pub(crate) async fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer = Act::send(answer);
        Self::acting(move |_, _| vec![answer.clone()]).await
    }

    /// Answers every request with 200 and this JSON.
    pub(crate) async fn json(body: &str) -> Self {
        Self::answering(ok("Content-Type: application/json\r\n", body)).await
    }

    /// Acts by a script: the number of a request, from 0, and its text.
    pub(crate) async fn acting(
        script: impl Fn(usize, &str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::start(true, Box::new(script)).await
    }

    /// Acts on the first bytes of a connection, whatever they are.
    pub(crate) async fn greeting(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            received: Mutex::new(Vec::new()),
            connections: AtomicUsize::new(0),
            reads_bodies: false,
            script: Box::new(|_, _| Vec::new()),
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut read = Vec::new();
                let _ = stream.read_buf(&mut read).await;
                for act in &acts {
                    if let Act::Send(bytes) = act {
                        let _ = stream.write_all(bytes).await;
                    }
                }
                let _ = stream.shutdown().await;
            }
        });
        Self { address, shared }
    }

    /// Acts as soon as the head of a request is there, and never reads its body.
    pub(crate) async fn acting_early(
        script: impl Fn(usize, &str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::start(false, Box::new(script)).await
    }

    async fn start(reads_bodies: bool, script: Box<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            received: Mutex::new(Vec::new()),
            connections: AtomicUsize::new(0),
            reads_bodies,
            script,
        });
        let site = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                site.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&site)));
            }
        });
        Self { address, shared }
    }

    /// The requests so far, as they arrived.
    pub(crate) fn received(&self) -> Vec<String> {
        let received = self.shared.received.lock().expect("no panic");
        received.iter().map(|request| text(request)).collect()
    }

    /// The only request so far.
    pub(crate) fn only_request(&self) -> String {
        let mut received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }

    /// The body of the last request, byte for byte.
    pub(crate) fn last_body(&self) -> Vec<u8> {
        let received = self.shared.received.lock().expect("no panic");
        let request = received.last().expect("a request");
        let head = request.windows(4).position(|at| at == b"\r\n\r\n");
        request[head.expect("a head") + 4..].to_vec()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

/// A 200 with a length.
pub(crate) fn ok(fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

async fn serve(mut stream: TcpStream, site: Arc<Shared>) {
    let mut read = Vec::new();
    while let Some(request) = request(&mut stream, &mut read, site.reads_bodies).await {
        let number = {
            let mut received = site.received.lock().expect("no panic");
            received.push(request.clone());
            received.len() - 1
        };
        for act in (site.script)(number, &text(&request)) {
            match act {
                Act::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Act::Wait(gate) => gate.notified().await,
                Act::Tell(told) => told.notify_one(),
                Act::LastWords(text) => {
                    set_tcp_cork(&stream, true).expect("a socket");
                    let _ = stream.write_all(text.as_bytes()).await;
                    return;
                }
                Act::Close => return,
                Act::Reset => {
                    stream.set_zero_linger().expect("a socket");
                    return;
                }
                Act::UntilClosed(told) => {
                    while stream.read_buf(&mut read).await.is_ok_and(|size| size > 0) {}
                    told.notify_one();
                    return;
                }
                Act::Echo => {
                    let (mut reader, mut writer) = stream.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                    return;
                }
            }
        }
        if !site.reads_bodies {
            // Keeps the connection, and reads no more.
            std::future::pending::<()>().await;
        }
    }
}

fn text(request: &[u8]) -> String {
    String::from_utf8_lossy(request).into_owned()
}

/// Reads one request, every byte of it.
async fn request(stream: &mut TcpStream, read: &mut Vec<u8>, reads_body: bool) -> Option<Vec<u8>> {
    let head = loop {
        if let Some(at) = read.windows(4).position(|at| at == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    };
    let text = text(&read[..head]);
    if reads_body && field(&text, "expect").is_some() {
        let leave = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        leave.await.ok()?;
    }
    let end = if !reads_body {
        head
    } else if field(&text, "transfer-encoding").is_some() {
        loop {
            let last = read[head..].windows(5).position(|at| at == b"0\r\n\r\n");
            if let Some(at) = last {
                break head + at + 5;
            }
            if stream.read_buf(read).await.ok()? == 0 {
                return None;
            }
        }
    } else {
        let length: usize =
            field(&text, "content-length").map_or(0, |text| text.parse().expect("a number"));
        while read.len() < head + length {
            if stream.read_buf(read).await.ok()? == 0 {
                return None;
            }
        }
        head + length
    };
    Some(read.drain(..end).collect())
}
