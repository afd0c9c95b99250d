//! Handlers change nothing, or there are none: neither side can tell that we are there.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::{Act, Setup, Sidecar, Upstream, every_path, ok, soon};

const TOLD: &str =
    "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: api.test\r\n";

/// Whether request bodies are read whole on this path.
fn reads_requests(path: &str) -> bool {
    path == "with both bodies"
}

/// Whether no handler sees a body on this path.
fn streams(path: &str) -> bool {
    path == "streamed" || path == "on heads"
}

/// What arrived, without the name that each transaction is given.
fn without_id(request: &str) -> String {
    let id = request
        .split("\r\n")
        .find(|line| line.to_ascii_lowercase().starts_with("x-request-id: "))
        .expect("every request has a name");
    request.replace(&format!("{id}\r\n"), "")
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers);

        sidecar
            .client()
            .await
            .ask("M-SEARCH /zür/%2f/../a;b?x=%7e&&y HTTP/1.1\r\nHOST: api.test\r\nx-Weird_CASE: 1\r\nAccept-Encoding: gzip\r\nX-Rep: 1\r\nX-Rep: 2\r\nEmpty:\r\n\r\n")
            .await;

        let expected = format!(
            "M-SEARCH /zür/%2f/../a;b?x=%7e&&y HTTP/1.1\r\nHOST: api.test\r\nx-Weird_CASE: 1\r\nAccept-Encoding: gzip\r\nX-Rep: 1\r\nX-Rep: 2\r\nEmpty: \r\n{TOLD}X-Interpose-Hops: 1\r\n\r\n"
        );
        assert_eq!(without_id(&upstream.only_request()), expected);
    }
}

#[tokio::test]
async fn a_response_arrives_as_it_was_sent() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::answering("HTTP/1.1 200 Quite Fine\r\nserver: legacy\r\ndate: Mon, 01 Jan 2001 00:00:00 GMT\r\nX-Weird-CASE: 1\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-LENGTH: 5\r\n\r\nhello").await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let mut client = sidecar.client().await;
        client
            .send("GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n")
            .await;

        assert_eq!(
            client.rest().await,
            "HTTP/1.1 200 Quite Fine\r\nserver: legacy\r\ndate: Mon, 01 Jan 2001 00:00:00 GMT\r\nX-Weird-CASE: 1\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-LENGTH: 5\r\nConnection: close\r\n\r\nhello"
        );
    }
}

#[tokio::test]
async fn fields_of_one_connection_stay_there_and_the_others_keep_their_order() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::answering(ok("Keep-Alive: timeout=5\r\nConnection: x-gone, keep-alive\r\nX-Gone: 1\r\nX-A: 1\r\nProxy-Authenticate: Basic\r\nTrailer: X-T\r\nX-B: 2\r\n", "")).await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let response = sidecar
            .client()
            .await
            .ask("GET / HTTP/1.1\r\nHost: api.test\r\nConnection: keep-alive, X-Gone\r\nX-A: 1\r\nKeep-Alive: 5\r\nX-Gone: 1\r\nTE: trailers\r\nX-B: 2\r\nAccept-Encoding: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\nProxy-Authorization: x\r\nX-C: 3\r\n\r\n")
            .await;

        let expected = format!(
            "GET / HTTP/1.1\r\nHost: api.test\r\nX-A: 1\r\nX-B: 2\r\nAccept-Encoding: gzip\r\nX-C: 3\r\n{TOLD}X-Interpose-Hops: 1\r\n\r\n"
        );
        assert_eq!(without_id(&upstream.only_request()), expected);
        let head: Vec<_> = response
            .head
            .lines()
            .filter(|line| !line.starts_with("Date"))
            .collect();
        assert_eq!(
            head,
            [
                "HTTP/1.1 200 OK",
                "X-A: 1",
                "X-B: 2",
                "Content-Length: 0",
                "Connection: keep-alive",
                ""
            ]
        );
    }
}

#[tokio::test]
async fn chunked_bodies_arrive_in_chunks_unless_a_handler_sees_them() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::answering(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
        )
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let response = sidecar
            .client()
            .await
            .ask("POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n")
            .await;

        assert_eq!(response.text(), "hello!");
        let request = upstream.only_request();
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        if reads_requests(path) {
            assert!(head.contains("\r\nContent-Length: 5\r\n"), "{head}");
            assert_eq!(body, "abcde");
        } else {
            assert!(head.contains("\r\nTransfer-Encoding: chunked"), "{head}");
            assert!(
                body.ends_with("0\r\n\r\n") && body.contains("abc"),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn equal_lengths_become_one() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers);

        sidecar
            .client()
            .await
            .ask("POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\nabc")
            .await;

        let request = upstream.only_request();
        assert_eq!(
            request
                .to_ascii_lowercase()
                .matches("content-length")
                .count(),
            1,
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\nabc"), "{request}");
    }
}

#[tokio::test]
async fn responses_without_a_body_have_none_and_the_connection_goes_on() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let answers = [
            // Handlers that might edit it leave no length for JSON.
            (
                "HEAD",
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 777\r\n\r\n",
            ),
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
            (
                "GET",
                "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 777\r\n\r\n",
            ),
        ];
        let upstream = Upstream::acting(move |number, _| vec![Act::send(answers[number].1)]).await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let mut client = sidecar.client().await;
        for (method, answer) in answers {
            client
                .send(format!("{method} / HTTP/1.1\r\nHost: api.test\r\n\r\n"))
                .await;
            let head = client.head().await;
            // What 304 describes is a body that handlers may have edited.
            let is_known = !answer.contains(" 304 ") || streams(path);
            let tells = answer.contains("777") && is_known;
            assert_eq!(head.contains("777"), tells, "{head}");
            assert!(!head.contains("Transfer-Encoding"), "{head}");
        }
    }
}

#[tokio::test]
async fn the_first_event_of_a_stream_arrives_before_its_end() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let gate = Arc::new(Notify::new());
        let end = Act::Wait(Arc::clone(&gate));
        let upstream = Upstream::acting(move |_, _| {
            vec![
                Act::send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"),
                end.clone(),
                Act::send("data: 2\n\n"),
                Act::Close,
            ]
        })
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client
            .send("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
            .await;
        client.until(b"data: 1\n\n").await;
        gate.notify_one();

        client.until(b"data: 2\n\n").await;
        client.until(b"0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn a_websocket_passes_in_both_directions() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::acting_early(|_, _| {
            vec![
                Act::send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi"),
                Act::Echo,
            ]
        })
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client
            .send("GET /chat HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
            .await;
        let head = client.head().await;
        client.until(b"hi").await;
        client.send(b"GET / no HTTP at all\0\r\n").await;

        assert_eq!(
            head,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
        client.until(b"GET / no HTTP at all\0\r\n").await;
        let request = upstream.only_request();
        assert!(
            request.contains("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
            "{request}"
        );
    }
}

#[tokio::test]
async fn what_a_client_sends_before_its_tunnel_stands_is_kept_for_it() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let gate = Arc::new(Notify::new());
        let stands = Act::Wait(Arc::clone(&gate));
        let upstream = Upstream::acting_early(move |_, _| {
            vec![
                stands.clone(),
                Act::send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
                Act::Echo,
            ]
        })
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client
            .send("GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
            .await;
        gate.notify_one();

        client.head().await;
        client.until(b"early").await;
        assert_eq!(upstream.received().len(), 1);
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::answering(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client
            .send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .await;
        let head = client.head().await;
        client.until(b"hello").await;

        assert!(!head.contains("chunked"), "{head}");
        if head.contains("Content-Length: 5\r\n") {
            assert!(head.contains("Connection: keep-alive"), "{head}");
        } else {
            assert!(head.contains("Connection: close"), "{head}");
            assert_eq!(client.rest().await, "");
        }
        assert!(
            upstream
                .only_request()
                .contains(&format!("\r\nHost: {}\r\n", upstream.address))
        );
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::acting(|_, request| {
            let path = request.split(' ').nth(1).expect("a path");
            vec![Act::send(ok("", path))]
        })
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client
            .send("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\nHost: a\r\n\r\nPOST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;

        for path in ["/1", "/2", "/3", "/4"] {
            assert_eq!(client.response().await.text(), path);
        }
    }
}

#[tokio::test]
async fn a_request_in_single_bytes_arrives_whole() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        for byte in
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        {
            client.send([*byte]).await;
        }

        assert_eq!(client.response().await.status(), 200);
        let request = upstream.only_request();
        let end = if reads_requests(path) {
            "\r\nab"
        } else {
            "0\r\n\r\n"
        };
        assert!(request.ends_with(end), "{request}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_before_us_is_believed() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::json("{}").await;
        let sidecar = Setup::before(&upstream)
            .handlers(handlers)
            .trusting("127.0.0.0/8")
            .start();

        sidecar
            .client()
            .await
            .ask("GET / HTTP/1.1\r\nHost: api.test\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Request-Id: one\r\n\r\n")
            .await;

        let request = upstream.only_request();
        for line in [
            "X-Forwarded-For: 1.2.3.4, 127.0.0.1",
            "X-Forwarded-Proto: https",
            "X-Request-Id: one",
        ] {
            assert!(
                request
                    .to_ascii_lowercase()
                    .contains(&format!("\r\n{}\r\n", line.to_ascii_lowercase())),
                "{line}: {request}"
            );
        }
    }
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::acting(|_, request| {
            let fields = "Content-Type: text/plain\r\n";
            vec![Act::send(ok(fields, &request[request.len() - 3_000_000..]))]
        })
        .await;
        let mut setup = Setup::before(&upstream).handlers(handlers);
        setup.request_body = 4_000_000;
        let sidecar = setup.start();
        let body: String = ('a'..='z').cycle().take(3_000_000).collect();

        let mut client = sidecar.client().await;
        let response = soon(client.ask(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )))
        .await;

        assert!(response.text() == body);
    }
}
