//! Whoever is slow slows the other side down; nothing piles up in between.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use interpose::handler::Verdict;
use interpose::wire::Buffers;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Handlers, Setup, Upstream, eventually, ok, soon};

const MUCH: usize = 100 * 1024 * 1024;

/// What the buffers of two sockets and ours may hold together.
const LITTLE: usize = 24 * 1024 * 1024;

/// Writes as much as is taken before nothing has been for a while.
async fn flood(stream: &mut TcpStream) -> usize {
    let piece = vec![b'a'; 64 * 1024];
    let mut taken = 0;
    while taken < MUCH {
        match timeout(Duration::from_millis(300), stream.write(&piece)).await {
            Ok(Ok(size)) => taken += size,
            Ok(Err(_)) | Err(_) => break,
        }
    }
    taken
}

/// Handlers that see the body on the other way: both ways stream this body.
fn ways(other: Handlers) -> [Handlers; 2] {
    [Handlers::default(), other]
}

#[tokio::test]
async fn an_upload_waits_for_an_upstream_that_does_not_read() {
    for handlers in ways(Handlers::default().on_response(|_| Verdict::Continue)) {
        let upstream = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let setup = Setup::at(upstream.local_addr().expect("an address"));
        let sidecar = setup.handlers(handlers).start();
        let mut client = TcpStream::connect(sidecar.address())
            .await
            .expect("a listener");

        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n");
        client
            .write_all(head.as_bytes())
            .await
            .expect("it is taken");
        let _idle = soon(upstream.accept()).await.expect("a connection");

        assert!(flood(&mut client).await < LITTLE);
    }
}

#[tokio::test]
async fn a_download_waits_for_a_client_that_does_not_read() {
    for handlers in ways(Handlers::default().on_request(|_| Verdict::Continue)) {
        let taken = Arc::new(AtomicUsize::new(0));
        let (address, flooded) = flooding_upstream(Arc::clone(&taken)).await;
        let sidecar = Setup::at(address).handlers(handlers).start();
        let mut client = TcpStream::connect(sidecar.address())
            .await
            .expect("a listener");

        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .expect("it is taken");
        soon(flooded).await.expect("no panic");

        assert!(taken.load(Ordering::SeqCst) < LITTLE);
    }
}

async fn flooding_upstream(taken: Arc<AtomicUsize>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let flooded = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.read_u8().await.expect("a request");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\nContent-Type: text/plain\r\n\r\n"
        );
        stream
            .write_all(head.as_bytes())
            .await
            .expect("it is taken");
        taken.store(flood(&mut stream).await, Ordering::SeqCst);
    });
    (address, flooded)
}

#[tokio::test]
async fn responses_for_slow_clients_stay_within_the_memory_for_buffers() {
    for handlers in ways(Handlers::default().on_request(|_| Verdict::Continue)) {
        let body = "b".repeat(4 * 1024 * 1024);
        let upstream = Upstream::answering(ok("", &body)).await;
        let buffers = Arc::new(Buffers::new(512 * 1024));
        let mut setup = Setup::before(&upstream).handlers(handlers);
        setup.upstream.buffers = Arc::clone(&buffers);
        let sidecar = setup.start();

        let mut clients = Vec::new();
        for _ in 0..30 {
            let mut client = sidecar.client().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            clients.push(client);
        }
        eventually(|| buffers.used() > 128 * 1024).await;
        let mut most = 0;
        for client in &mut clients[..20] {
            let response = client.response().await;
            assert_eq!(response.body.len(), body.len());
            most = most.max(buffers.used());
        }
        assert!(most <= 512 * 1024, "{most}");
        drop(clients);
        eventually(|| buffers.used() == 0).await;
    }
}
