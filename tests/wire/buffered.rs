//! A handler sees a body: the exchange is ours.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};
use interpose::handler::{Call, Verdict};
use interpose::message::{Body, Fields, Pieces};
use interpose::transaction::Outcome;
use tokio::sync::Notify;

use crate::support::{Act, Handlers, Setup, Sidecar, Upstream, eventually, ok, reject};

fn shouts(body: &mut Body) {
    if let Some(pieces) = body.pieces().cloned() {
        *body = Body::Edited(pieces.joined().to_ascii_uppercase().into());
    }
}

fn shouts_request(call: &mut Call) -> Verdict {
    shouts(&mut call.request.body);
    Verdict::Continue
}

fn longer_response(call: &mut Call) -> Verdict {
    let body = call
        .response
        .body
        .pieces()
        .cloned()
        .unwrap_or_default()
        .joined();
    call.response.body = Body::Edited([&body[..], b" and more"].concat().into());
    Verdict::Continue
}

fn looks(_: &mut Call) -> Verdict {
    Verdict::Continue
}

#[tokio::test]
async fn an_edited_request_has_its_new_length_where_the_old_one_stood() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_request(|call| {
        call.request.body = Body::Edited("shorter".into());
        Verdict::Continue
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    sidecar
        .client()
        .await
        .ask("POST /a?b HTTP/1.1\r\nhost: api.test\r\nConnection: keep-alive\r\ncontent-length: 11\r\nx-LAST: 1\r\n\r\n{\"long\": 1}")
        .await;

    let request = upstream.only_request();
    assert!(
        request.starts_with("POST /a?b HTTP/1.1\r\nhost: api.test\r\ncontent-length: 7\r\nx-LAST: 1\r\nX-Forwarded-For: 127.0.0.1\r\n"),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\nshorter"), "{request}");
}

#[tokio::test]
async fn a_chunked_request_is_sent_with_its_length() {
    let upstream = Upstream::json("{}").await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_request(shouts_request));

    sidecar
        .client()
        .await
        .ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        .await;

    let request = upstream.only_request();
    assert!(request.contains("\r\nContent-Length: 3\r\n"), "{request}");
    assert!(!request.contains("chunked"), "{request}");
    assert!(request.ends_with("\r\n\r\nABC"), "{request}");
}

#[tokio::test]
async fn an_edited_response_has_its_new_length_and_a_tag_of_its_own_and_loses_what_was_true_of_the_old_one()
 {
    let answer = ok(
        "Server: legacy\r\nETag: \"1\"\r\ncontent-type: application/json\r\nLast-Modified: x\r\nAccept-Ranges: bytes\r\nDigest: y\r\nset-cookie: a\r\nset-cookie: b\r\ndate: Mon, 01 Jan 2001 00:00:00 GMT\r\n",
        "{}",
    );
    let upstream = Upstream::answering(answer).await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(longer_response));

    let response = sidecar.client().await.get("/").await;

    assert_eq!(
        response.head,
        "HTTP/1.1 200 OK\r\nServer: legacy\r\nETag: W/\"1-000000000000\"\r\ncontent-type: application/json\r\nset-cookie: a\r\nset-cookie: b\r\ndate: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: 11\r\nConnection: keep-alive\r\n\r\n"
    );
    assert_eq!(response.text(), "{} and more");
}

#[tokio::test]
async fn an_untouched_response_arrives_as_it_was_sent() {
    let answer = "HTTP/1.1 200 Quite Fine\r\nETag: \"1\"\r\nContent-Type: application/json\r\nContent-Length: 11\r\nX-a: 1\r\n\r\n{ \"a\":1.10}";
    let upstream = Upstream::answering(answer).await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(looks));

    let response = sidecar.client().await.get("/").await;

    let lines: Vec<_> = response
        .head
        .lines()
        .filter(|line| !line.starts_with("Date"))
        .collect();
    assert_eq!(
        lines,
        [
            "HTTP/1.1 200 Quite Fine",
            "ETag: \"1\"",
            "Content-Type: application/json",
            "Content-Length: 11",
            "X-a: 1",
            "Connection: keep-alive",
            ""
        ]
    );
    assert_eq!(response.text(), "{ \"a\":1.10}");
}

#[tokio::test]
async fn a_validator_that_a_handler_wrote_stays() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_response(|call| {
        call.response
            .fields
            .insert(header::ETAG, HeaderValue::from_static("\"mine\""));
        longer_response(call)
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    let response = sidecar.client().await.get("/").await;

    assert_eq!(response.field("etag"), Some("\"mine\""));
}

/// The fields that are computed from a body.
const DIGESTS: [&str; 4] = ["Content-MD5", "Digest", "Content-Digest", "Repr-Digest"];

#[tokio::test]
async fn digests_go_with_the_body_they_are_of_unless_a_handler_wrote_them_in_both_directions() {
    let same: fn(&mut Body) = |_| {};
    let edited: fn(&mut Body) = shouts;
    let removed: fn(&mut Body) = |body| *body = Body::Edited(Pieces::default());
    let taken: fn(&mut Body) = |body| *body = Body::Empty;
    for (way, edit, written, left) in [
        ("untouched", same, false, 4),
        ("edited", edited, false, 0),
        ("removed", removed, false, 0),
        ("edited and written", edited, true, 4),
        ("untouched and written", same, true, 4),
        ("taken away", taken, false, 0),
    ] {
        let fields = DIGESTS
            .map(|name| format!("{name}: old\r\nWant-{name}: old\r\n"))
            .concat();
        let json = format!("Content-Type: application/json\r\n{fields}");
        let upstream = Upstream::answering(ok(&json, "{\"a\": 1}")).await;
        let write = move |fields: &mut Fields| {
            for name in DIGESTS.iter().filter(|_| written) {
                let name: HeaderName = name.to_ascii_lowercase().parse().expect("a name");
                fields.insert(name, HeaderValue::from_static("new"));
            }
        };
        let handlers = Handlers::default()
            .on_request(move |call| {
                edit(&mut call.request.body);
                write(&mut call.request.fields);
                Verdict::Continue
            })
            .on_response(move |call| {
                edit(&mut call.response.body);
                write(&mut call.response.fields);
                Verdict::Continue
            });
        let sidecar = Sidecar::with(&upstream, handlers);

        let post =
            format!("POST / HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 8\r\n\r\n{{\"b\": 2}}");
        let response = sidecar.client().await.ask(post).await;

        let value = if written { "new" } else { "old" };
        for head in [&upstream.only_request(), &response.head] {
            let count = |prefix: &str, value: &str| {
                let line = |name: &str| format!("\r\n{prefix}{name}: {value}\r\n");
                DIGESTS
                    .iter()
                    .filter(|name| head.contains(&line(name)))
                    .count()
            };
            assert_eq!(count("", value), left, "{way}: {head}");
            assert_eq!(count("Want-", "old"), 4, "{way}: {head}");
        }
    }
}

#[tokio::test]
async fn the_upstream_is_asked_for_a_known_coding_and_handlers_do_not_see_it() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_response(|call| {
        let seen = call
            .request
            .fields
            .get_str("accept-encoding")
            .unwrap_or("none")
            .to_owned();
        assert!(!call.request.fields.contains("x-forwarded-for"));
        call.response.body = Body::Edited(seen.into());
        Verdict::Continue
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    let response = sidecar
        .client()
        .await
        .ask("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: exi, gzip\r\n\r\n")
        .await;

    assert_eq!(response.text(), "exi, gzip");
    let request = upstream.only_request();
    assert!(
        request.contains("\r\nAccept-Encoding: gzip\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_rejection_keeps_the_connection() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_request(|call| {
        let body = call.request.body.pieces().and_then(Pieces::as_one);
        if body.is_some_and(|body| body.starts_with(b"bad")) {
            reject(422, "bad")
        } else {
            Verdict::Continue
        }
    });
    let sidecar = Sidecar::with(&upstream, handlers);
    let mut client = sidecar.client().await;

    let post = |body: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let refused = client.ask(post("bad")).await;
    let accepted = client.ask(post("good")).await;

    assert_eq!(refused.status(), 422);
    assert_eq!(accepted.status(), 200);
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused() {
    let upstream = Upstream::json("{}").await;
    let mut setup = Setup::before(&upstream).handlers(Handlers::default().on_request(looks));
    setup.request_body = 10;
    let sidecar = setup.start();
    let mut client = sidecar.client().await;

    let response = client
        .ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n12345678901")
        .await;

    assert_eq!(response.status(), 413);
    assert_eq!(client.get("/").await.status(), 200);
    eventually(|| sidecar.finished().len() == 2).await;
    assert_eq!(sidecar.finished()[0].outcome, Outcome::ClientError);
}

#[tokio::test]
async fn a_client_that_waits_for_leave_is_given_it() {
    let upstream = Upstream::json("{}").await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_request(shouts_request));
    let mut client = sidecar.client().await;

    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc").await;
    let response = client.response().await;

    assert_eq!(response.status(), 200);
    assert_eq!(response.field("connection"), Some("keep-alive"));
    let request = upstream.only_request();
    assert!(
        request.ends_with("ABC") && !request.contains("Expect"),
        "{request}"
    );
}

#[tokio::test]
async fn a_request_body_that_nobody_sees_streams_to_the_upstream() {
    let upstream = Upstream::acting(|_, request| {
        let body = request.split_once("\r\n\r\n").expect("a head").1.to_owned();
        vec![Act::send(ok("Content-Type: application/json\r\n", &body))]
    })
    .await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(longer_response));
    let mut client = sidecar.client().await;

    let known = client
        .ask("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabc")
        .await;
    let chunked = client
        .ask(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        )
        .await;

    assert_eq!(known.text(), "abc and more");
    assert_eq!(chunked.text(), "3\r\nabc\r\n0\r\n\r\n and more");
    assert!(upstream.received()[0].contains("\r\ncontent-length: 3\r\n"));
    assert!(upstream.received()[1].contains("\r\nTransfer-Encoding: chunked\r\n"));
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_large_request_body_streams_to_the_upstream() {
    let upstream = Upstream::acting(|_, request| {
        let last = request[request.len() - 3..].to_owned();
        vec![Act::send(ok("", &last))]
    })
    .await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(looks));
    let body = "a".repeat(3_000_000);

    let response = sidecar
        .client()
        .await
        .ask(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000003\r\n\r\n{body}end"
        ))
        .await;

    assert_eq!(response.text(), "end");
}

#[tokio::test]
async fn a_response_body_that_nobody_sees_streams_to_the_client() {
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
    let handlers = Handlers::default()
        .on_request(shouts_request)
        .on_response(longer_response);
    let sidecar = Sidecar::with(&upstream, handlers);
    let mut client = sidecar.client().await;

    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = client.head().await;
    client.until(b"data: 1\n\n").await;
    gate.notify_one();

    client.until(b"data: 2\n\n").await;
    client.until(b"0\r\n\r\n").await;
    assert!(
        head.contains("\r\nTransfer-Encoding: chunked\r\n"),
        "{head}"
    );
    gate.notify_one();
    assert_eq!(client.get("/").await.status(), 200);
}

#[tokio::test]
async fn responses_without_a_body_have_none() {
    let upstream = Upstream::acting(|number, _| {
        let answer = [
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 777\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 777\r\n\r\n",
            "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        ];
        vec![Act::send(answer[number])]
    })
    .await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(looks));
    let mut client = sidecar.client().await;

    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = client.head().await;
    let mut statuses = vec![head[9..12].to_owned()];
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.head().await;
        assert!(!head.contains("777"), "{head}");
        statuses.push(head[9..12].to_owned());
    }

    assert!(
        !head.contains("777"),
        "a handler might change the length: {head}"
    );
    assert_eq!(statuses, ["200", "204", "304", "205"]);
    // Where a body was announced, it may follow all the same.
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(looks));
    let mut client = sidecar.client().await;

    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let response = client.rest().await;

    assert!(
        !response.contains("chunked") && response.ends_with("\r\n\r\nhello"),
        "{response}"
    );
}

#[tokio::test]
async fn a_stale_connection_costs_no_get_and_doubles_no_post() {
    let upstream = Upstream::acting(|number, _| match number % 2 {
        0 => vec![Act::send(ok("", ""))],
        _ => vec![Act::Close],
    })
    .await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_request(looks));
    let mut client = sidecar.client().await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

    // The second request finds the first one's connection closed under it.
    assert_eq!(client.get("/1").await.status(), 200);
    assert_eq!(client.get("/2").await.status(), 200);
    assert_eq!(upstream.received().len(), 3);

    // The fourth that arrives is the POST, on a connection that closes; it fails.
    assert_eq!(client.ask(post).await.status(), 502);
    assert_eq!(upstream.received().len(), 4);
}

#[tokio::test]
async fn an_early_answer_to_a_large_body_is_no_deadlock() {
    let upstream = Upstream::acting_early(|_, _| {
        vec![Act::send(
            "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno",
        )]
    })
    .await;
    let mut setup = Setup::before(&upstream).handlers(Handlers::default().on_request(looks));
    setup.request_body = 64 * 1024 * 1024;
    let sidecar = setup.start();
    let body = "a".repeat(20_000_000);

    let response = sidecar
        .client()
        .await
        .ask(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;

    assert_eq!(response.status(), 413);
    assert_eq!(response.text(), "no");
}
