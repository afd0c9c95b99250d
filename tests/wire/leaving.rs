//! A client that leaves before its answer is there: a request that has come whole is carried
//! out all the same. One that has only closed its side reads on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interpose::transaction::Outcome;
use tokio::sync::Notify;

use crate::support::{Act, Setup, Sidecar, Upstream, eventually, every_path, ok, soon};

/// How a client leaves.
#[derive(Debug, Clone, Copy)]
enum Leaves {
    /// It says that it sends no more, and reads on.
    HalfCloses,
    Closes,
    /// It takes back all that was on its way.
    Resets,
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
const CHUNKED: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

#[tokio::test]
async fn a_request_that_has_come_whole_is_delivered_whether_its_client_waits_or_not() {
    for (path, handlers) in every_path() {
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let mut sent = 0;
        for _ in 0..14 {
            for request in [GET, POST, CHUNKED] {
                let mut client = sidecar.client().await;
                client.send(request).await;
                drop(client);
                sent += 1;
            }
        }

        eventually(|| upstream.received().len() == sent).await;
        eventually(|| sidecar.finished().len() == sent).await;
        println!("{path}: {sent}");
    }
}

#[tokio::test]
async fn a_request_goes_on_when_its_client_leaves_while_the_upstream_is_busy_with_it() {
    for (path, handlers) in every_path() {
        for leaves in [Leaves::HalfCloses, Leaves::Closes, Leaves::Resets] {
            let gate = Arc::new(Notify::new());
            let wait = Act::Wait(Arc::clone(&gate));
            let upstream =
                Upstream::acting(move |_, _| vec![wait.clone(), Act::send(ok("", "done"))]).await;
            let sidecar = Sidecar::with(&upstream, handlers.clone());
            let mut client = sidecar.client().await;

            client.send(POST).await;
            eventually(|| upstream.received().len() == 1).await;
            let stays = match leaves {
                Leaves::HalfCloses => {
                    client.half_close().await;
                    Some(client)
                }
                Leaves::Closes => None,
                Leaves::Resets => {
                    client.reset();
                    None
                }
            };
            gate.notify_one();

            if let Some(mut client) = stays {
                assert_eq!(client.response().await.text(), "done", "{path}");
                assert_eq!(client.rest().await, "", "{path}");
            }
            eventually(|| !sidecar.finished().is_empty()).await;
            assert_eq!(upstream.connections(), 1, "{path}, {leaves:?}");
            let outcome = sidecar.finished()[0].outcome;
            let is_known = [Outcome::Forwarded, Outcome::ClientGone].contains(&outcome);
            assert!(is_known, "{path}, {leaves:?}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn every_request_before_a_half_close_is_answered() {
    for (path, handlers) in every_path() {
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client.send([GET, POST, CHUNKED, GET].concat()).await;
        client.half_close().await;

        for _ in 0..4 {
            assert_eq!(client.response().await.status(), 200, "{path}");
        }
        assert_eq!(client.rest().await, "", "{path}");
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_a_half_close_and_ends_when_its_client_is_gone() {
    let event = Act::send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    for (path, handlers) in every_path() {
        let gate = Arc::new(Notify::new());
        let told = Arc::new(Notify::new());
        let acts = [
            event.clone(),
            Act::Wait(Arc::clone(&gate)),
            Act::send("data: 2\n\n"),
            Act::UntilClosed(Arc::clone(&told)),
        ];
        let upstream = Upstream::acting(move |_, _| acts.to_vec()).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client.send(GET).await;
        client.until(b"data: 1\n\n").await;
        client.half_close().await;
        gate.notify_one();
        client.until(b"data: 2\n\n").await;
        client.reset();

        soon(told.notified()).await;
        eventually(|| !sidecar.finished().is_empty()).await;
        assert_eq!(sidecar.finished()[0].outcome, Outcome::ClientGone, "{path}");
    }
}

#[tokio::test]
async fn a_request_that_is_pipelined_is_no_leaving() {
    for (path, handlers) in every_path() {
        let gate = Arc::new(Notify::new());
        let end = Act::Wait(Arc::clone(&gate));
        let upstream = Upstream::acting(move |number, _| {
            let answer = Act::send(ok("", "x"));
            match number {
                0 => vec![end.clone(), answer],
                _ => vec![answer],
            }
        })
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client.send(POST).await;
        eventually(|| upstream.received().len() == 1).await;
        client.send(GET).await;
        gate.notify_one();

        assert_eq!(client.response().await.status(), 200, "{path}");
        assert_eq!(client.response().await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_tunnel_that_its_client_has_left_does_not_wait_for_a_silent_upstream() {
    let never = Arc::new(Notify::new());
    let silence = Act::Wait(Arc::clone(&never));
    let upstream = Upstream::acting(move |_, _| {
        vec![
            Act::send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            silence.clone(),
        ]
    })
    .await;
    let mut setup = Setup::before(&upstream);
    setup.upstream.read = Duration::from_millis(100);
    let sidecar = setup.start();
    let mut client = sidecar.client().await;

    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    client.head().await;
    drop(client);

    eventually(|| !sidecar.finished().is_empty()).await;
    assert_eq!(sidecar.finished()[0].status, 101);
}

#[tokio::test]
async fn a_tunnel_lasts_as_long_as_either_end_has_something_to_say() {
    let upstream = Upstream::acting_early(|_, _| {
        vec![
            Act::send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            Act::Echo,
        ]
    })
    .await;
    for (path, handlers) in every_path() {
        let mut setup = Setup::before(&upstream).handlers(handlers);
        setup.upstream.tunnel_idle = Duration::from_millis(300);
        setup.upstream.read = Duration::from_millis(50);
        let sidecar = setup.start();
        let mut client = sidecar.client().await;
        client
            .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        client.head().await;

        // Longer than the limit in all, and never silent for as long.
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(400) {
            client.send("ping").await;
            client.until(b"ping").await;
        }
        assert_eq!(sidecar.server.connections(), 1, "{path}");

        assert_eq!(client.rest().await, "", "{path}");
        eventually(|| !sidecar.finished().is_empty()).await;
        assert_eq!(sidecar.finished()[0].outcome, Outcome::Forwarded, "{path}");
    }
}
