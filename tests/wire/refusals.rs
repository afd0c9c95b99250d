//! What is unsound is answered by us, in our form, and never forwarded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use interpose::handler::Verdict;
use interpose::transaction::{Outcome, Unseen};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Finished, Handlers, Setup, Sidecar, Upstream, eventually, every_path};

async fn refused(request: impl AsRef<[u8]>, status: u16) {
    let upstream = Upstream::json("{}").await;
    let sidecar = Sidecar::plain(&upstream);
    let mut client = sidecar.client().await;
    let shown = request.as_ref().escape_ascii().to_string();

    client.send(request).await;
    let response = client.response().await;

    assert_eq!(response.status(), status, "{shown}");
    assert_eq!(response.field("connection"), Some("close"), "{shown}");
    assert_eq!(response.field("server"), None, "{shown}");
    assert!(response.text().contains(r#""errorMessage""#), "{shown}");
    assert_eq!(client.rest().await, "", "{shown}");
    assert_eq!(upstream.connections(), 0, "{shown}");
    let finished = Finished {
        status,
        outcome: Outcome::ClientError,
        unseen: Unseen::default(),
    };
    assert_eq!(sidecar.finished(), [finished], "{shown}");
}

#[tokio::test]
async fn an_unsound_head_is_refused_and_the_connection_closed() {
    for head in [
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        refused(head, 400).await;
    }
}

#[tokio::test]
async fn what_can_become_no_head_is_refused_before_its_time_is_over() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\x16",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"EHLO a.test\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/0.9\r\n",
        b"\r\n\r\n\x80",
    ] {
        // Nothing more is sent, and a head has ten seconds.
        let began = std::time::Instant::now();
        refused(bytes, 400).await;
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_body_that_is_refused_by_its_head_is_not_asked_for() {
    let [.., (_, sees_bodies)] = every_path();
    for (fields, status) in [
        ("Content-Length: 2000000\r\n", 413),
        ("Content-Length: 3\r\nContent-Encoding: x-unknown\r\n", 415),
    ] {
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, sees_bodies.clone());
        let mut client = sidecar.client().await;

        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{fields}\r\n"
            ))
            .await;

        let response = client.response().await;
        assert_eq!(response.status(), status, "{}", response.head);
        assert_eq!(response.field("connection"), Some("close"));
        assert_eq!(client.rest().await, "");
        assert_eq!(upstream.connections(), 0);
    }
}

#[tokio::test]
async fn what_is_not_served_is_refused() {
    refused("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405).await;
    refused("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405).await;
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505).await;
}

#[tokio::test]
async fn a_method_that_is_not_served_is_refused_with_those_that_are() {
    let upstream = Upstream::json("{}").await;
    let sidecar = Sidecar::plain(&upstream);

    let response = sidecar
        .client()
        .await
        .ask("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;

    assert_eq!(
        response.field("allow"),
        Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
    );
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000));
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: 1\r\n".repeat(200)
    );

    refused(long, 431).await;
    refused(many, 431).await;

    let parameters = format!("GET /?{} HTTP/1.1\r\nHost: a\r\n\r\n", "a=1&".repeat(4096));
    refused(parameters, 414).await;
}

#[tokio::test]
async fn an_unsound_head_behind_a_sound_request_is_refused_in_its_turn() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers.clone());
        let mut client = sidecar.client().await;

        client
            .send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost : a\r\n\r\n")
            .await;

        assert_eq!(client.response().await.status(), 200);
        assert_eq!(client.response().await.status(), 400);
        assert_eq!(upstream.received().len(), 1);
    }
}

#[tokio::test]
async fn a_malformed_body_never_looks_whole_to_the_upstream() {
    for (path, handlers) in every_path() {
        println!("{path}");
        for body in [
            "\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "zz\r\n",
        ] {
            let upstream = Upstream::json("{}").await;
            let sidecar = Sidecar::with(&upstream, handlers.clone());
            let mut client = sidecar.client().await;

            client
                .send(format!(
                    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
                ))
                .await;

            let response = client.response().await;
            assert_eq!(response.status(), 400, "{body:?}");
            assert_eq!(response.field("connection"), Some("close"), "{body:?}");
            assert_eq!(upstream.received(), [""; 0], "{body:?}");
        }
    }
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_refused() {
    let upstream = Upstream::json("{}").await;
    let mut setup = Setup::before(&upstream);
    setup.proxy.head_time = Duration::from_millis(50);
    let sidecar = setup.start();
    let mut client = sidecar.client().await;

    client.send("GET / HTTP/1.1\r\nHo").await;

    assert_eq!(client.response().await.status(), 408);
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed_without_a_word() {
    let upstream = Upstream::json("{}").await;
    let mut setup = Setup::before(&upstream);
    setup.proxy.idle_time = Duration::from_millis(50);
    let sidecar = setup.start();

    let mut fresh = sidecar.client().await;
    assert_eq!(fresh.rest().await, "");

    let mut used = sidecar.client().await;
    used.get("/").await;
    assert_eq!(used.rest().await, "");
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_refused() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::json("{}").await;
        let mut setup = Setup::before(&upstream).handlers(handlers);
        setup.proxy.body_time = Duration::from_millis(50);
        let sidecar = setup.start();
        let mut client = sidecar.client().await;

        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
            .await;

        assert_eq!(client.response().await.status(), 408);
        assert_eq!(upstream.received(), [""; 0]);
    }
}

/// A sidecar whose upstream is itself.
async fn circle(handlers: Handlers) -> (Sidecar, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let setup = Setup::at(listener.local_addr().expect("an address"));
    let sidecar = setup.handlers(handlers).start();
    let back = sidecar.address();
    let passes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&passes);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut to = TcpStream::connect(back).await.expect("it listens");
                let _ = copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    (sidecar, passes)
}

#[tokio::test]
async fn a_request_that_goes_in_circles_is_stopped_whatever_handlers_do_to_its_fields() {
    let forgets = Handlers::default().on_request_head(|call| {
        call.request.fields.remove("x-interpose-hops");
        call.request.fields.remove("via");
        Verdict::Continue
    });
    let ways = every_path().into_iter().chain([("forgets", forgets)]);
    for (path, handlers) in ways {
        println!("{path}");
        let (sidecar, passes) = circle(handlers).await;

        let response = sidecar.client().await.get("/").await;

        assert_eq!(response.status(), 508);
        assert_eq!(passes.load(Ordering::SeqCst), 8);
    }
}

#[tokio::test]
async fn before_there_is_a_generation_nothing_is_forwarded() {
    let upstream = Upstream::json("{}").await;
    let sidecar = Setup::before(&upstream).without_generation().start();
    let mut client = sidecar.client().await;

    let response = client.get("/").await;

    assert_eq!(response.status(), 503);
    assert_eq!(response.field("retry-after"), Some("1"));
    assert_eq!(upstream.connections(), 0);
    assert_eq!(client.get("/again").await.status(), 503);
    eventually(|| sidecar.finished().len() == 2).await;
    assert_eq!(sidecar.finished()[0].outcome, Outcome::Unavailable);
}
