//! Handlers that see no body run on the heads of a request that streams.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, header};
use interpose::handler::{Answer, Verdict};
use interpose::transaction::Outcome;
use tokio::sync::Notify;

use crate::support::{Act, Handlers, Sidecar, Upstream, eventually, ok, reject};

fn marks(call: &mut interpose::handler::Call) -> Verdict {
    let mark = HeaderName::from_static("x-mark");
    call.request
        .fields
        .insert(mark, HeaderValue::from_static("1"));
    call.request.fields.remove("x-gone");
    Verdict::Continue
}

#[tokio::test]
async fn a_handler_changes_the_head_and_the_body_streams_past() {
    let gate = Arc::new(Notify::new());
    let end = Act::Wait(Arc::clone(&gate));
    let upstream = Upstream::acting(move |_, _| {
        vec![
            Act::send("HTTP/1.1 200 OK\r\nServer: legacy\r\nX-A: 1\r\nX-B: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"),
            end.clone(),
            Act::send("3\r\ntwo\r\n0\r\n\r\n"),
        ]
    })
    .await;
    let handlers = Handlers::default()
        .on_request_head(marks)
        .on_response_head(|call| {
            call.response.fields.remove("server");
            call.response
                .fields
                .insert(header::AGE, HeaderValue::from_static("7"));
            Verdict::Continue
        });
    let sidecar = Sidecar::with(&upstream, handlers);
    let mut client = sidecar.client().await;

    client
        .send("POST /a?b=%7e HTTP/1.1\r\nhost: api.test\r\nX-Gone: 1\r\nx-KEPT: 1\r\nContent-Length: 3\r\nX-Last: 1\r\n\r\nabc")
        .await;
    let head = client.head().await;
    client.until(b"one\r\n").await;
    gate.notify_one();
    client.until(b"two\r\n0\r\n\r\n").await;

    let lines: Vec<_> = head
        .lines()
        .filter(|line| !line.starts_with("Date"))
        .collect();
    assert_eq!(
        lines,
        [
            "HTTP/1.1 200 OK",
            "X-A: 1",
            "X-B: 2",
            "Transfer-Encoding: chunked",
            "Age: 7",
            "Connection: keep-alive",
            ""
        ]
    );
    let request = upstream.only_request();
    assert!(
        request.starts_with("POST /a?b=%7e HTTP/1.1\r\nhost: api.test\r\nx-KEPT: 1\r\nContent-Length: 3\r\nX-Last: 1\r\nX-Mark: 1\r\nX-Forwarded-For: 127.0.0.1\r\n"),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\nabc"), "{request}");
}

#[tokio::test]
async fn a_handler_changes_method_and_target() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_request_head(|call| {
        call.request.method = Method::PUT;
        call.request.set_target("/other?x=1");
        Verdict::Continue
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    sidecar.client().await.get("/a").await;

    assert!(
        upstream
            .only_request()
            .starts_with("PUT /other?x=1 HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn a_rejection_keeps_the_connection_whose_body_nobody_read() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_request_head(|call| {
        if call.request.method == Method::POST {
            reject(403, "no")
        } else {
            Verdict::Continue
        }
    });
    let sidecar = Sidecar::with(&upstream, handlers);
    let mut client = sidecar.client().await;

    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        .await;
    let response = client.response().await;
    client.send("def").await;

    assert_eq!(response.status(), 403);
    assert_eq!(response.field("connection"), Some("keep-alive"));
    assert!(response.text().contains(r#""errorMessage":"no""#));
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(upstream.received().len(), 1);
    eventually(|| sidecar.finished().len() == 2).await;
    assert_eq!(sidecar.finished()[0].outcome, Outcome::Rejected);
}

#[tokio::test]
async fn a_rejection_of_a_body_too_long_to_drain_closes_the_connection() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_request_head(|_| reject(403, "no"));
    let sidecar = Sidecar::with(&upstream, handlers);
    let mut client = sidecar.client().await;

    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\nabc")
        .await;
    let response = client.response().await;

    assert_eq!(response.status(), 403);
    assert_eq!(response.field("connection"), Some("close"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_client_that_waits_for_leave_gets_the_rejection_instead() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_request_head(|_| reject(403, "no"));
    let sidecar = Sidecar::with(&upstream, handlers);
    let mut client = sidecar.client().await;

    let response = client
        .ask("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;

    assert_eq!(response.status(), 403);
    assert_eq!(response.field("connection"), Some("close"));
}

#[tokio::test]
async fn an_answer_skips_the_upstream() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_request_head(|call| {
        call.response.body = interpose::message::Body::Edited("{\"a\":1}".into());
        Verdict::Answer(Answer::Final)
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    let response = sidecar.client().await.get("/").await;

    assert_eq!(response.status(), 200);
    assert_eq!(response.text(), "{\"a\":1}");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_rejection_of_a_response_takes_its_place() {
    let gate = Arc::new(Notify::new());
    let end = Act::Wait(Arc::clone(&gate));
    let upstream = Upstream::acting(move |_, _| {
        vec![
            Act::send("HTTP/1.1 200 OK\r\nSecret: 1\r\nContent-Length: 9\r\n\r\nsec"),
            end.clone(),
        ]
    })
    .await;
    let handlers = Handlers::default().on_response_head(|call| {
        if call.response.status == 200 {
            reject(404, "gone")
        } else {
            Verdict::Continue
        }
    });
    let sidecar = Sidecar::with(&upstream, handlers);
    let mut client = sidecar.client().await;

    let response = client.get("/").await;

    assert_eq!(response.status(), 404);
    assert_eq!(response.field("secret"), None);
    assert!(response.text().contains("gone"));
    assert_eq!(client.get("/again").await.status(), 404);
    assert_eq!(sidecar.finished()[0].outcome, Outcome::Rejected);
    gate.notify_one();
}

#[tokio::test]
async fn a_rejection_reaches_a_client_that_is_still_sending() {
    let upstream = Upstream::acting_early(|_, _| {
        vec![Act::send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsec")]
    })
    .await;
    let rejects = |call: &mut interpose::handler::Call| match call.response.status.as_u16() {
        200 => reject(403, "no"),
        _ => Verdict::Continue,
    };
    for handlers in [
        Handlers::default().on_request_head(|_| reject(403, "no")),
        Handlers::default().on_response_head(rejects),
    ] {
        let sidecar = Sidecar::with(&upstream, handlers);
        let client = sidecar.client().await;

        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000\r\n\r\n";
        let response = client.send_without_end(head).await;

        let response = response.expect("the connection ends well");
        assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
        assert!(response.contains("Connection: close"), "{response}");
        assert!(response.contains(r#""errorMessage":"no""#), "{response}");
    }
}

#[tokio::test]
async fn handlers_see_the_failure_of_the_upstream() {
    let upstream = Upstream::acting(|_, _| vec![Act::Close]).await;
    let handlers = Handlers::default().on_response_head(|call| {
        let seen = HeaderValue::from(call.response.status.as_u16());
        call.response
            .fields
            .insert(HeaderName::from_static("x-seen"), seen);
        Verdict::Continue
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    let response = sidecar.client().await.get("/").await;

    assert_eq!(response.status(), 502);
    assert_eq!(response.field("x-seen"), Some("502"));
}

#[tokio::test]
async fn a_handler_refuses_a_handshake_and_lets_another_pass() {
    let upstream = Upstream::acting_early(|_, _| {
        vec![
            Act::send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            Act::Echo,
        ]
    })
    .await;
    let handlers = Handlers::default()
        .on_request(|call| {
            if call.request.path == "/no" {
                reject(403, "no")
            } else {
                Verdict::Continue
            }
        })
        .on_response(|_| Verdict::Continue);
    let sidecar = Sidecar::with(&upstream, handlers);
    let handshake = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
    };

    let refused = sidecar.client().await.ask(handshake("/no")).await;
    let mut client = sidecar.client().await;
    client.send(handshake("/yes")).await;

    assert_eq!(refused.status(), 403);
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.send("ping").await;
    client.until(b"ping").await;
}

#[tokio::test]
async fn what_other_proxies_pass_is_passed() {
    for (path, handlers) in crate::support::every_path() {
        for (line, fields) in [
            (r#"GET /a<b>`c"d?q="x"&<y>{z}|\^` HTTP/1.1"#, "Host: a\r\n"),
            ("GET http://API.test:80/a HTTP/1.1", "Host: api.TEST\r\n"),
            ("GET http://api.test/a?b HTTP/1.0", ""),
        ] {
            let upstream = Upstream::json("{}").await;
            let sidecar = Sidecar::with(&upstream, handlers.clone());

            let response = sidecar
                .client()
                .await
                .ask(format!("{line}\r\n{fields}\r\n"))
                .await;

            assert_eq!(response.status(), 200, "{path}: {line}");
            let request = upstream.only_request();
            let target = line.rsplit_once(' ').expect("three words").0;
            let expected = format!("{target} HTTP/1.1\r\n");
            assert!(request.starts_with(&expected), "{path}: {request}");
            let host = if fields.is_empty() {
                "Host: api.test\r\n"
            } else {
                fields
            };
            assert!(request.contains(host), "{path}: {request}");
        }
    }
}

#[tokio::test]
async fn a_whole_address_is_forwarded_as_it_came() {
    let upstream = Upstream::answering(ok("", "")).await;
    let handlers = Handlers::default().on_request_head(|call| {
        assert_eq!(call.request.path, "/a");
        Verdict::Continue
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    sidecar
        .client()
        .await
        .ask("GET http://api.test/a?b HTTP/1.1\r\nHost: api.test\r\n\r\n")
        .await;

    assert!(
        upstream
            .only_request()
            .starts_with("GET http://api.test/a?b HTTP/1.1\r\n")
    );
}
