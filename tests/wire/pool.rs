//! Whose the connections to the upstream are, when they end, and what a request does that
//! finds none.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use interpose::upstream::Reuse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::{
    Act, Client, Response, Setup, Sidecar, Upstream, eventually, every_path, ok, soon,
};

const MODES: [Reuse; 3] = [Reuse::Client, Reuse::Shared, Reuse::Off];

/// An upstream that logs connections in, as IIS does: it answers with the number of the
/// connection and the user that this one is logged in for.
struct Windows {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Windows {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let open = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&open);
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                number += 1;
                counted.fetch_add(1, Ordering::SeqCst);
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    log_in_and_answer(stream, number).await;
                    counted.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, open }
    }

    fn before(&self, reuse: Reuse) -> Setup {
        let mut setup = Setup::at(self.address);
        setup.upstream.pool.reuse = reuse;
        setup
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

async fn log_in_and_answer(mut stream: TcpStream, number: usize) {
    let mut user = "nobody".to_owned();
    let mut read = Vec::new();
    while let Some(head) = head(&mut stream, &mut read).await {
        let credentials = crate::support::field(&head, "authorization").unwrap_or("");
        let mut words = credentials.split(' ').skip(1);
        let answer = match (words.next(), words.next()) {
            (Some("negotiate-me"), _) => {
                let scheme = credentials.split(' ').next().expect("a scheme");
                let challenge = format!("WWW-Authenticate: {scheme} challenge");
                format!("HTTP/1.1 401 Unauthorized\r\n{challenge}\r\nContent-Length: 0\r\n\r\n")
            }
            (Some("response-of"), Some(name)) => {
                user = name.to_owned();
                ok("", &format!("{number} {user}"))
            }
            _ if head.starts_with("GET /private") && user == "nobody" => {
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\
                 WWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"
                    .to_owned()
            }
            _ => ok("", &format!("{number} {user}")),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn head(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = read.windows(4).position(|at| at == b"\r\n\r\n") {
            let head = read.drain(..end + 4).collect();
            return Some(String::from_utf8(head).expect("text"));
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

/// The number of the upstream's connection, and for whom that is logged in.
async fn whoami(client: &mut Client) -> (usize, String) {
    let response = client.get("/").await;
    let (number, user) = response.text().split_once(' ').expect("two words");
    (number.parse().expect("a number"), user.to_owned())
}

async fn log_in(client: &mut Client, scheme: &str, user: &str) {
    for (credentials, status) in [
        (format!("{scheme} negotiate-me"), 401),
        (format!("{scheme} response-of {user}"), 200),
    ] {
        let request =
            format!("GET /private HTTP/1.1\r\nHost: a\r\nAuthorization: {credentials}\r\n\r\n");
        assert_eq!(client.ask(request).await.status(), status);
    }
}

#[tokio::test]
async fn a_login_of_a_connection_is_of_one_client_and_ends_with_it() {
    for reuse in MODES {
        for scheme in ["NTLM", "Negotiate", "ntlm"] {
            for (path, handlers) in every_path() {
                let why = format!("{reuse:?} {scheme} {path}");
                let upstream = Windows::start().await;
                let sidecar = upstream.before(reuse).handlers(handlers).start();
                let mut alice = sidecar.client().await;
                let mut bob = sidecar.client().await;
                whoami(&mut bob).await;

                log_in(&mut alice, scheme, "alice").await;

                assert_eq!(whoami(&mut bob).await.1, "nobody", "{why}");
                let (hers, user) = whoami(&mut alice).await;
                assert_eq!(user, "alice", "{why}");
                log_in(&mut bob, scheme, "bob").await;
                assert_eq!(
                    whoami(&mut alice).await,
                    (hers, "alice".to_owned()),
                    "{why}"
                );
                assert_eq!(whoami(&mut bob).await.1, "bob", "{why}");

                drop((alice, bob));
                let mut carol = sidecar.client().await;
                assert_eq!(whoami(&mut carol).await.1, "nobody", "{why}");
                drop(carol);
                let most = usize::from(reuse == Reuse::Shared);
                eventually(|| upstream.open() <= most).await;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_asked_to_log_in_is_of_one_client() {
    for reuse in MODES {
        let upstream = Windows::start().await;
        let sidecar = upstream.before(reuse).start();
        let (mut alice, mut bob) = (sidecar.client().await, sidecar.client().await);

        assert_eq!(alice.get("/private").await.status(), 401);

        let (hers, _) = whoami(&mut alice).await;
        assert_ne!(whoami(&mut bob).await.0, hers, "{reuse:?}");
        assert_eq!(whoami(&mut alice).await.0, hers, "{reuse:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_one_client_or_whoever_comes_or_one_request() {
    for (reuse, numbers) in [
        (Reuse::Client, [1, 2, 1, 2]),
        (Reuse::Shared, [1, 1, 1, 1]),
        (Reuse::Off, [1, 2, 3, 4]),
    ] {
        let upstream = Windows::start().await;
        let sidecar = upstream.before(reuse).start();
        let (mut alice, mut bob) = (sidecar.client().await, sidecar.client().await);

        let mut seen = [0; 4];
        for (at, seen) in seen.iter_mut().enumerate() {
            let client = if at % 2 == 0 { &mut alice } else { &mut bob };
            *seen = whoami(client).await.0;
        }

        assert_eq!(seen, numbers, "{reuse:?}");
    }
}

#[tokio::test]
async fn what_was_opened_for_a_client_is_closed_when_it_leaves() {
    for (path, handlers) in every_path() {
        let upstream = Windows::start().await;
        let sidecar = upstream.before(Reuse::Client).handlers(handlers).start();
        let (mut stays, mut leaves) = (sidecar.client().await, sidecar.client().await);
        whoami(&mut stays).await;
        whoami(&mut leaves).await;
        assert_eq!(upstream.open(), 2, "{path}");

        drop(leaves);

        eventually(|| upstream.open() == 1).await;
        whoami(&mut stays).await;
    }
}

/// An upstream with one worker, which serves a connection until that ends before it looks at
/// the next.
async fn one_worker() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            log_in_and_answer(stream, 1).await;
        }
    });
    address
}

#[tokio::test]
async fn an_upstream_with_one_worker_serves_clients_that_leave_one_after_the_other() {
    let sidecar = Setup::at(one_worker().await).start();
    let clients = (0..4).map(|_| async {
        let mut client = sidecar.client().await;
        client.get("/").await.status()
    });

    let statuses = soon(futures_util::future::join_all(clients)).await;

    assert_eq!(statuses, [200; 4]);
}

#[tokio::test]
async fn an_upstream_with_one_worker_serves_clients_that_stay_where_one_connection_may_be_open() {
    for reuse in MODES {
        let mut setup = Setup::at(one_worker().await);
        setup.upstream.pool.reuse = reuse;
        setup.upstream.pool.max_connections = NonZeroUsize::new(1);
        let sidecar = setup.start();
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(sidecar.client().await);
        }

        for _ in 0..3 {
            let answers = clients.iter_mut().map(|client| client.get("/"));
            let answers = soon(futures_util::future::join_all(answers)).await;
            let statuses: Vec<u16> = answers.iter().map(Response::status).collect();
            assert_eq!(statuses, [200; 8], "{reuse:?}");
        }
    }
}

#[tokio::test]
async fn no_more_connections_are_open_than_may_be() {
    for reuse in MODES {
        let upstream = Windows::start().await;
        let mut setup = upstream.before(reuse);
        setup.upstream.pool.max_connections = NonZeroUsize::new(3);
        let sidecar = setup.start();
        let most = Mutex::new(0);
        let clients = (0..12).map(|_| async {
            let mut client = sidecar.client().await;
            for _ in 0..20 {
                assert_eq!(client.get("/").await.status(), 200);
                let mut most = most.lock().expect("no panic");
                *most = upstream.open().max(*most);
            }
        });

        soon(futures_util::future::join_all(clients)).await;

        // The upstream hears of the end of one a moment after it has ended.
        let most = most.into_inner().expect("no panic");
        assert!((1..=6).contains(&most), "{reuse:?}: {most}");
    }
}

#[tokio::test]
async fn a_post_is_not_sent_into_a_connection_that_has_just_been_closed() {
    let closed = Arc::new(Notify::new());
    let told = Arc::clone(&closed);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = Vec::new();
            while let Some(head) = head(&mut stream, &mut read).await {
                let answer = stream.write_all(ok("", "").as_bytes()).await;
                if answer.is_err() || head.starts_with("GET") {
                    break;
                }
            }
            drop(stream);
            told.notify_one();
        }
    });
    let sidecar = Setup::at(address).start();
    let mut client = sidecar.client().await;

    for round in 0..200 {
        assert_eq!(client.get("/").await.status(), 200);
        soon(closed.notified()).await;
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert_eq!(client.ask(post).await.status(), 200, "round {round}");
        client = sidecar.client().await;
        // The connection that the POST was sent on ends with its client.
        soon(closed.notified()).await;
    }
}

#[tokio::test]
async fn a_request_that_can_be_repeated_costs_no_client_a_closed_connection() {
    let upstream = Upstream::acting(|number, _| {
        let mut acts = vec![Act::send(ok("", ""))];
        if number % 2 == 0 {
            acts.push(Act::Close);
        }
        acts
    })
    .await;
    let sidecar = Sidecar::plain(&upstream);
    let mut client = sidecar.client().await;

    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "GET"].repeat(10) {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        client.send(request).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200"), "{method}");
    }
}
