//! An upstream that fails: never a response that looks whole and isn't.

use std::sync::Arc;
use std::time::{Duration, Instant};

use interpose::transaction::Outcome;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::support::{Act, Handlers, Setup, Sidecar, Upstream, eventually, every_path, ok};

/// Handlers that change nothing, for each path.
fn ways() -> [Handlers; 4] {
    every_path().map(|(_, handlers)| handlers)
}

async fn fails(acts: Vec<Act>, status: u16, outcome: Outcome) {
    for handlers in ways() {
        let acts = acts.clone();
        let upstream = Upstream::acting(move |_, _| acts.clone()).await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let response = sidecar.client().await.get("/").await;

        assert_eq!(response.status(), status);
        assert_eq!(response.field("server"), None);
        assert!(
            response.text().contains(r#""errorMessage""#),
            "{}",
            response.text()
        );
        assert!(
            !response.text().contains("127.0.0.1"),
            "{}",
            response.text()
        );
        eventually(|| !sidecar.finished().is_empty()).await;
        assert_eq!(sidecar.finished()[0].outcome, outcome);
    }
}

#[tokio::test]
async fn no_usable_response_is_502() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    ] {
        fails(
            vec![Act::send(answer), Act::Close],
            502,
            Outcome::UpstreamFailed,
        )
        .await;
    }
    fails(vec![Act::Reset], 502, Outcome::UpstreamFailed).await;
}

#[tokio::test]
async fn a_head_whose_connection_ends_with_it_is_502() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n",
    ] {
        fails(vec![Act::LastWords(head)], 502, Outcome::UpstreamFailed).await;
    }
}

#[tokio::test]
async fn a_head_without_a_body_may_be_the_last_thing_on_its_connection() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        for handlers in ways() {
            let upstream = Upstream::acting(move |_, _| vec![Act::LastWords(head)]).await;
            let sidecar = Sidecar::with(&upstream, handlers);

            let response = sidecar.client().await.get("/").await;

            assert_eq!(response.status().to_string(), head[9..12], "{head}");
            eventually(|| !sidecar.finished().is_empty()).await;
            assert_eq!(sidecar.finished()[0].outcome, Outcome::Forwarded, "{head}");
        }
    }
}

#[tokio::test]
async fn a_head_beyond_all_measure_is_502() {
    let head = |fields: String| format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
    for answer in [
        head("X-A: y\r\n".repeat(256)),
        head(format!("X-A: {}\r\n", "y".repeat(300 * 1024))),
    ] {
        fails(
            vec![Act::send(answer), Act::Close],
            502,
            Outcome::UpstreamFailed,
        )
        .await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_502() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    for handlers in ways() {
        let sidecar = Setup::at(address).handlers(handlers).start();

        let began = Instant::now();
        let response = sidecar.client().await.get("/").await;

        assert_eq!(response.status(), 502);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn an_upstream_that_hangs_is_504() {
    for handlers in ways() {
        let upstream = Upstream::acting(|_, _| vec![Act::Wait(Arc::new(Notify::new()))]).await;
        let mut setup = Setup::before(&upstream).handlers(handlers);
        setup.upstream.read = Duration::from_millis(50);
        let sidecar = setup.start();

        let response = sidecar.client().await.get("/").await;

        assert_eq!(response.status(), 504);
        eventually(|| !sidecar.finished().is_empty()).await;
        assert_eq!(sidecar.finished()[0].outcome, Outcome::UpstreamTimedOut);
    }
}

#[tokio::test]
async fn a_cut_body_that_a_handler_sees_is_502() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"a\":",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n\r\n",
    ] {
        let upstream = Upstream::acting(move |_, _| vec![Act::send(answer), Act::Close]).await;
        let sidecar = Sidecar::with(&upstream, ways()[3].clone());

        assert_eq!(
            sidecar.client().await.get("/").await.status(),
            502,
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_cut_body_that_streams_is_visibly_broken() {
    for handlers in ways() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Type: text/plain\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n5\r\nhello\r\nxx\r\n",
        ] {
            let upstream = Upstream::acting(move |_, _| vec![Act::send(answer), Act::Close]).await;
            let sidecar = Sidecar::with(&upstream, handlers.clone());
            let mut client = sidecar.client().await;

            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let response = client.try_rest().await.unwrap_or_default();

            assert!(
                !response.ends_with("0\r\n\r\n"),
                "{answer:?} gave {response:?}"
            );
            assert!(
                !response.contains("hello1234"),
                "{answer:?} gave {response:?}"
            );
            eventually(|| !sidecar.finished().is_empty()).await;
            assert_eq!(
                sidecar.finished()[0].outcome,
                Outcome::UpstreamFailed,
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_cut_body_without_a_length_ends_with_a_reset() {
    let gate = Arc::new(Notify::new());
    for handlers in ways() {
        let end = Act::Wait(Arc::clone(&gate));
        let upstream = Upstream::acting(move |_, _| {
            vec![
                Act::send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n5\r\nhello\r\n"),
                end.clone(),
                Act::Close,
            ]
        })
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client.send("GET / HTTP/1.0\r\n\r\n").await;
        client.until(b"hello").await;
        gate.notify_one();

        assert!(client.try_rest().await.is_err());
    }
}

#[tokio::test]
async fn surplus_bytes_behind_a_response_harm_nobody() {
    for handlers in ways() {
        let upstream = Upstream::answering(ok("", "hello") + "HTTP/1.1 500 Smuggled\r\n\r\n").await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        for _ in 0..2 {
            let response = client.get("/").await;
            assert_eq!((response.status(), response.text()), (200, "hello"));
        }
        assert_eq!(upstream.connections(), 2);
    }
}

#[tokio::test]
async fn a_body_that_was_announced_and_comes_late_is_nobodys_response() {
    for handlers in ways() {
        for (method, head) in [
            ("HEAD", "200 OK\r\nContent-Length: 5\r\n"),
            ("HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n"),
            ("GET", "204 No Content\r\nContent-Length: 5\r\n"),
            ("GET", "304 Not Modified\r\nContent-Length: 5\r\n"),
        ] {
            let closed = Arc::new(Notify::new());
            let until_closed = Act::UntilClosed(Arc::clone(&closed));
            let upstream = Upstream::acting(move |number, _| match number {
                0 => vec![
                    Act::send(format!("HTTP/1.1 {head}\r\n")),
                    until_closed.clone(),
                ],
                _ => vec![Act::send(ok("", "hello"))],
            })
            .await;
            let sidecar = Sidecar::with(&upstream, handlers.clone());
            let mut client = sidecar.client().await;

            client
                .send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"))
                .await;
            client.head().await;

            // Whatever it sends now is read by nobody.
            crate::support::soon(closed.notified()).await;
            assert_eq!(client.get("/").await.text(), "hello", "{head}");
        }
    }
}

#[tokio::test]
async fn bytes_on_a_connection_that_waits_end_it() {
    for handlers in ways() {
        let gate = Arc::new(Notify::new());
        let sent = Arc::new(Notify::new());
        let (wait, tell) = (Act::Wait(Arc::clone(&gate)), Act::Tell(Arc::clone(&sent)));
        let upstream = Upstream::acting(move |number, _| match number {
            0 => vec![
                Act::send(ok("", "first")),
                wait.clone(),
                Act::send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"),
                tell.clone(),
            ],
            _ => vec![Act::send(ok("", "second"))],
        })
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        assert_eq!(client.get("/").await.text(), "first");
        gate.notify_one();
        crate::support::soon(sent.notified()).await;

        assert_eq!(client.get("/").await.text(), "second");
        assert_eq!(upstream.connections(), 2);
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_clear_end() {
    for handlers in ways() {
        let upstream = Upstream::answering(ok("", "hello")).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        for _ in 0..5 {
            assert_eq!(client.get("/").await.status(), 200);
        }

        assert_eq!(upstream.connections(), 1);
    }
}

#[tokio::test]
async fn a_stale_connection_costs_no_get_that_streams_and_doubles_no_post() {
    let upstream = Upstream::acting(|number, _| match number % 2 {
        0 => vec![Act::send(ok("", ""))],
        _ => vec![Act::Close],
    })
    .await;
    let sidecar = Sidecar::plain(&upstream);
    let mut client = sidecar.client().await;

    assert_eq!(client.get("/1").await.status(), 200);
    assert_eq!(client.get("/2").await.status(), 200);
    assert_eq!(upstream.received().len(), 3);

    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(client.ask(post).await.status(), 502);
    assert_eq!(upstream.received().len(), 4);
}

#[tokio::test]
async fn a_client_that_leaves_within_its_body_leaves_no_whole_request_behind() {
    for handlers in ways() {
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let mut client = sidecar.client().await;
        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
            .await;
        drop(client);

        eventually(|| !sidecar.finished().is_empty()).await;
        assert_eq!(upstream.received(), [""; 0]);
    }
}

#[tokio::test]
async fn a_name_with_several_addresses_is_reached_at_one_that_answers() {
    for handlers in ways() {
        let upstream = Upstream::json("{}").await;
        let mut setup = Setup::before(&upstream).handlers(handlers);
        let port = upstream.address.port();
        setup.upstream.url = format!("http://localhost:{port}")
            .parse()
            .expect("an address");
        let sidecar = setup.start();

        assert_eq!(sidecar.client().await.get("/").await.status(), 200);
    }
}
