//! How connections are taken, limited and ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interpose::transaction::Outcome;
use interpose::wire::Buffers;
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

/// An upstream that answers `/held` once it may, and everything else at once.
async fn holding(gate: &Arc<Notify>) -> Upstream {
    let held = Act::Wait(Arc::clone(gate));
    Upstream::acting(move |_, request| {
        let answer = Act::send(ok("", "done"));
        if request.starts_with("GET /held ") {
            vec![held.clone(), answer]
        } else {
            vec![answer]
        }
    })
    .await
}

const HELD: &str = "GET /held HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let gate = Arc::new(Notify::new());
    let upstream = holding(&gate).await;
    let mut setup = Setup::before(&upstream);
    setup.proxy.max_connections = 2;
    let sidecar = setup.start();
    let mut busy = [sidecar.client().await, sidecar.client().await];
    for client in &mut busy {
        client.send(HELD).await;
    }
    eventually(|| upstream.received().len() == 2).await;

    let mut next = sidecar.client().await;
    next.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let [mut first, mut second] = busy;
    gate.notify_one();
    let answered = tokio::select! {
        answered = first.response() => answered,
        answered = second.response() => answered,
    };

    // It makes way, since somebody waits.
    assert_eq!(answered.field("connection"), Some("close"));
    assert_eq!(next.response().await.status(), 200);
    assert_eq!(upstream.received().len(), 3);
    gate.notify_one();
}

#[tokio::test]
async fn whoever_has_waited_longest_for_a_request_makes_way_for_another() {
    let gate = Arc::new(Notify::new());
    let upstream = holding(&gate).await;
    let mut setup = Setup::before(&upstream);
    setup.proxy.max_connections = 4;
    let sidecar = setup.start();
    let mut busy = sidecar.client().await;
    busy.send(HELD).await;
    eventually(|| upstream.received().len() == 1).await;
    let mut slow = sidecar.client().await;
    slow.send("GET / HTTP/1.1\r\nHo").await;
    let mut idle = [sidecar.client().await, sidecar.client().await];
    for client in &mut idle {
        client.get("/").await;
    }

    let mut newcomers = Vec::new();
    for count in 0..3 {
        let mut client = sidecar.client().await;
        client.send(HELD).await;
        eventually(|| upstream.received().len() == 4 + count).await;
        newcomers.push(client);
    }

    let [mut first, mut second] = idle;
    assert_eq!(first.rest().await, "");
    assert_eq!(second.rest().await, "");
    let refused = slow.response().await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.field("retry-after"), Some("1"));
    for client in [&mut busy].into_iter().chain(&mut newcomers) {
        gate.notify_one();
        assert_eq!(client.response().await.status(), 200);
    }
}

#[tokio::test]
async fn a_head_that_is_slow_makes_way_when_there_is_no_memory_for_another() {
    let upstream = Upstream::json("{}").await;
    let mut setup = Setup::before(&upstream);
    setup.proxy.buffers = Arc::new(Buffers::new(256 * 1024));
    let sidecar = setup.start();
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(60_000));

    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut client = sidecar.client().await;
        client.send(&long).await;
        slow.push(client);
    }
    let refused = slow[0].response().await;
    let mut next = sidecar.client().await;
    let served = next.ask(format!("{long}\r\n\r\n")).await;

    assert_eq!(refused.status(), 503);
    assert_eq!(refused.field("connection"), Some("close"));
    assert_eq!(served.status(), 200);
    drop(slow);
    drop(next);
    eventually(|| sidecar.server.connections() == 0).await;
    let mut whole = sidecar.client().await;
    for _ in 0..20 {
        assert_eq!(whole.ask(format!("{long}\r\n\r\n")).await.status(), 200);
    }
}

#[tokio::test]
async fn a_request_as_a_whole_has_its_limit() {
    let late = Act::Wait(Arc::new(Notify::new()));
    let upstream = Upstream::acting(move |_, request| {
        let part = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\npart";
        if request.starts_with("GET /part") {
            vec![Act::send(part), late.clone()]
        } else {
            vec![late.clone()]
        }
    })
    .await;
    for (path, handlers) in every_path() {
        let mut setup = Setup::before(&upstream).handlers(handlers);
        setup.proxy.request_timeout = Some(Duration::from_millis(200));
        let sidecar = setup.start();

        let began = Instant::now();
        let answer = sidecar.client().await.get("/").await;
        assert_eq!(answer.status(), 504, "{path}");
        assert!(began.elapsed() >= Duration::from_millis(200), "{path}");
        let upload = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
        let answer = sidecar.client().await.ask(upload).await;
        assert_eq!(answer.status(), 408, "{path}");
        let mut client = sidecar.client().await;
        client.send("GET /part HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.try_rest().await.unwrap_or_default();
        assert!(!answer.contains("part12345"), "{path}: {answer}");
        eventually(|| sidecar.finished().len() == 3).await;
        let outcomes: Vec<_> = sidecar.finished().iter().map(|it| it.outcome).collect();
        let [late, unsent] = [Outcome::UpstreamTimedOut, Outcome::ClientError];
        assert_eq!(outcomes, [late, unsent, late], "{path}");
    }
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
