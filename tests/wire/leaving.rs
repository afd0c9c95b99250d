//! A client that leaves before its answer is there: what is done for it ends.

use std::sync::Arc;
use std::time::Duration;

use interpose::transaction::{Outcome, Unseen};
use tokio::sync::Notify;

use crate::support::{Act, Finished, Setup, Sidecar, Upstream, eventually, every_path, soon};

const GONE: Finished = Finished {
    status: 0,
    outcome: Outcome::ClientGone,
    unseen: Unseen {
        request: None,
        response: None,
    },
};

/// A client asks an upstream that acts so, gets all of `answered`, and leaves; the upstream
/// is told, and the record says so.
async fn leaves(request: &str, acts: &[Act], answered: &str) {
    for (path, handlers) in every_path() {
        let told = Arc::new(Notify::new());
        let mut acts = acts.to_vec();
        acts.push(Act::UntilClosed(Arc::clone(&told)));
        let upstream = Upstream::acting(move |_, _| acts.clone()).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client.send(request).await;
        eventually(|| upstream.received().len() == 1).await;
        if !answered.is_empty() {
            client.until(answered.as_bytes()).await;
        }
        drop(client);

        soon(told.notified()).await;
        eventually(|| !sidecar.finished().is_empty()).await;
        let finished = sidecar.finished();
        assert_eq!(finished[0].outcome, GONE.outcome, "{path}");
        if answered.is_empty() {
            assert_eq!(finished, [GONE], "{path}");
        }
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

#[tokio::test]
async fn a_client_that_leaves_before_the_response_ends_the_exchange() {
    for request in [GET, POST] {
        leaves(request, &[], "").await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_within_a_silent_stream_ends_it() {
    let event = Act::send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    for request in [GET, POST] {
        leaves(request, std::slice::from_ref(&event), "data: 1\n\n").await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_handlers_wait_for_a_body_ends_the_exchange() {
    let part = Act::send(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    );
    for (path, handlers) in every_path().into_iter().skip(2) {
        let told = Arc::new(Notify::new());
        let acts = [part.clone(), Act::UntilClosed(Arc::clone(&told))];
        let upstream = Upstream::acting(move |_, _| acts.to_vec()).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client.send(POST).await;
        eventually(|| upstream.received().len() == 1).await;
        drop(client);

        soon(told.notified()).await;
        eventually(|| !sidecar.finished().is_empty()).await;
        assert_eq!(sidecar.finished(), [GONE], "{path}");
    }
}

#[tokio::test]
async fn a_request_that_is_pipelined_is_no_leaving() {
    for (path, handlers) in every_path() {
        let gate = Arc::new(Notify::new());
        let end = Act::Wait(Arc::clone(&gate));
        let upstream = Upstream::acting(move |number, _| {
            let answer = Act::send(crate::support::ok("", "x"));
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
