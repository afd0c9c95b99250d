//! How connections are taken, limited and ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::support::{Act, Client, Setup, Sidecar, Upstream, eventually, every_path, ok, soon};

#[tokio::test]
async fn a_server_without_requests_ends_at_once() {
    let upstream = Upstream::json("{}").await;
    let sidecar = Sidecar::plain(&upstream);
    let mut fresh = sidecar.client().await;
    let mut used = sidecar.client().await;
    used.get("/").await;
    eventually(|| sidecar.server.connections() == 2).await;

    let began = Instant::now();
    let left = soon(sidecar.server.drain(Duration::from_secs(10))).await;

    assert_eq!(left, 0);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(fresh.rest().await, "");
    assert_eq!(used.rest().await, "");
}

#[tokio::test]
async fn a_request_under_way_is_finished_and_its_connection_closed() {
    let gate = Arc::new(Notify::new());
    let answer = Act::Wait(Arc::clone(&gate));
    let upstream =
        Upstream::acting(move |_, _| vec![answer.clone(), Act::send(ok("", "done"))]).await;
    let sidecar = Sidecar::plain(&upstream);
    let address = sidecar.address();
    let mut client = sidecar.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually(|| upstream.received().len() == 1).await;

    let draining = tokio::spawn(sidecar.server.drain(Duration::from_secs(10)));
    eventually(|| std::net::TcpStream::connect(address).is_err()).await;
    gate.notify_one();
    let response = client.response().await;

    assert_eq!(response.text(), "done");
    assert_eq!(response.field("connection"), Some("close"));
    assert_eq!(soon(draining).await.expect("no panic"), 0);
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_in_the_end() {
    let upstream = Upstream::acting(|_, _| vec![Act::Wait(Arc::new(Notify::new()))]).await;
    let sidecar = Sidecar::plain(&upstream);
    let mut client = sidecar.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually(|| upstream.received().len() == 1).await;

    let left = soon(sidecar.server.drain(Duration::from_millis(50))).await;

    assert_eq!(left, 1);
    assert_eq!(client.try_rest().await.unwrap_or_default(), "");
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let upstream = Upstream::json("{}").await;
    let mut setup = Setup::before(&upstream);
    setup.proxy.connections = 1;
    let sidecar = setup.start();
    let mut first = sidecar.client().await;
    first.get("/first").await;

    let mut second = sidecar.client().await;
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    first.get("/first").await;
    assert_eq!(upstream.received().len(), 2);
    drop(first);

    assert_eq!(second.response().await.status(), 200);
}

#[tokio::test]
async fn a_connection_serves_so_many_requests_and_no_more() {
    let upstream = Upstream::json("{}").await;
    let mut setup = Setup::before(&upstream);
    setup.proxy.requests = 2;
    let sidecar = setup.start();
    let mut client = sidecar.client().await;

    let first = client.get("/1").await;
    let second = client.get("/2").await;

    assert_eq!(first.field("connection"), Some("keep-alive"));
    assert_eq!(second.field("connection"), Some("close"));
    assert_eq!(client.rest().await, "");
}

/// How many clients are slow at a time; each takes two of this process's descriptors.
const MANY: usize = 2000;

/// Allows this process as many descriptors as the system does.
fn allow_many_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).expect("up to the maximum it is allowed");
    let enough = limit.maximum.is_none_or(|most| most > 3 * MANY as u64);
    assert!(enough, "{limit:?} is too little for this test");
}

/// Clients that stop after these bytes.
async fn slow_clients(sidecar: &Sidecar, bytes: &str) -> Vec<Client> {
    let mut slow = Vec::with_capacity(MANY);
    for _ in 0..MANY {
        let mut client = sidecar.client().await;
        client.send(bytes).await;
        slow.push(client);
    }
    eventually(|| sidecar.server.connections() == MANY).await;
    slow
}

#[tokio::test]
async fn two_thousand_slow_clients_delay_nobody() {
    allow_many_descriptors();
    for slowly in [
        "",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na",
    ] {
        let upstream = Upstream::json("{}").await;
        let [.., (_, sees_bodies)] = every_path();
        let sidecar = Sidecar::with(&upstream, sees_bodies);
        let _slow = slow_clients(&sidecar, slowly).await;

        let began = Instant::now();
        let mut client = sidecar.client().await;
        for _ in 0..50 {
            assert_eq!(client.get("/").await.status(), 200);
        }

        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{slowly:?}: {:?}",
            began.elapsed()
        );
        assert_eq!(sidecar.server.connections(), MANY + 1);
    }
}
