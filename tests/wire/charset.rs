//! Texts in other character sets than UTF-8: handlers see characters, the wire has the bytes
//! that the label says.

use http::{HeaderValue, header};
use interpose::handler::{Call, Verdict};
use interpose::message::Body;

use crate::support::{Handlers, Sidecar, Upstream};

/// A message's fields and body, in bytes.
fn message(start: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{start}\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn replace(body: &mut Body, from: &str, to: &str) {
    if let Some(pieces) = body.pieces().cloned() {
        let text = String::from_utf8(pieces.joined().to_vec()).expect("handlers see UTF-8");
        *body = Body::Edited(text.replace(from, to).into());
    }
}

/// Handlers that put one text in the place of another, in the bodies of both.
fn replacing(from: &'static str, to: &'static str) -> Handlers {
    Handlers::default()
        .on_request(move |call| {
            replace(&mut call.request.body, from, to);
            Verdict::Continue
        })
        .on_response(move |call| {
            replace(&mut call.response.body, from, to);
            Verdict::Continue
        })
}

/// What the upstream and the client get of this body.
async fn both(handlers: Handlers, content_type: &str, body: &[u8]) -> [(String, Vec<u8>); 2] {
    let answer = message("HTTP/1.1 200 OK", content_type, body);
    let upstream = Upstream::answering(answer).await;
    let sidecar = Sidecar::with(&upstream, handlers);
    let post = message("POST / HTTP/1.1", content_type, body);

    let response = sidecar.client().await.ask(post).await;

    assert_eq!(response.status(), 200, "{content_type}");
    let request = upstream.only_request();
    let labelled = |head: &str| {
        let value = crate::support::field(head, "content-type");
        value.unwrap_or("").to_owned()
    };
    [
        (labelled(&request), upstream.last_body()),
        (labelled(&response.head), response.body),
    ]
}

const LATIN: &str = "application/json; charset=iso-8859-1";

#[tokio::test]
async fn an_untouched_text_keeps_its_bytes() {
    let looks = || {
        let looks = |_: &mut Call| Verdict::Continue;
        Handlers::default().on_request(looks).on_response(looks)
    };
    for (content_type, body) in [
        (LATIN, &b"{\"a\": \"caf\xe9\"}"[..]),
        ("application/json; charset=utf-16", b"\xff\xfe{\0}\0"),
        (
            "application/json; charset=Shift_JIS",
            b"{\"a\": \"\x93\xfa\"}",
        ),
        (LATIN, b"\xef\xbb\xbf{\"a\": \"caf\xc3\xa9\"}"),
    ] {
        for (label, bytes) in both(looks(), content_type, body).await {
            assert_eq!(label, content_type);
            assert_eq!(bytes, body, "{content_type}");
        }
    }
}

#[tokio::test]
async fn an_edited_text_is_in_what_its_label_says() {
    for (content_type, body, from, to, expected) in [
        (
            LATIN,
            &b"{\"a\": \"caf\xe9\"}"[..],
            "caf",
            "th",
            &b"{\"a\": \"th\xe9\"}"[..],
        ),
        (
            LATIN,
            b"{\"a\": \"caf\xe9\"}",
            "caf",
            "\u{20ac}",
            b"{\"a\": \"\x80\xe9\"}",
        ),
        (
            LATIN,
            b"{\"a\": \"caf\xe9\"}",
            "caf",
            "\u{65e5}",
            b"{\"a\": \"\\u65e5\xe9\"}",
        ),
        (
            "application/json; charset=utf-16",
            b"\xfe\xff\0{\0}",
            "{}",
            "[1]",
            b"\xfe\xff\0[\x001\0]",
        ),
    ] {
        for (label, bytes) in both(replacing(from, to), content_type, body).await {
            assert_eq!(label, content_type);
            assert_eq!(bytes, expected, "{content_type} {to}");
        }
    }
}

#[tokio::test]
async fn a_handlers_own_label_holds_for_its_text() {
    let labels = |label: &'static str| {
        Handlers::default().on_response(move |call| {
            let value = HeaderValue::from_static(label);
            call.response.fields.insert(header::CONTENT_TYPE, value);
            Verdict::Continue
        })
    };
    let answers = Handlers::default().on_request(|call| {
        let value = HeaderValue::from_static("text/plain; charset=iso-8859-1");
        call.response.fields.insert(header::CONTENT_TYPE, value);
        call.response.body = Body::Edited("caf\u{e9}".into());
        Verdict::Answer(interpose::handler::Answer::Open)
    });
    let utf8 = "{\"a\": \"caf\u{e9}\"}".as_bytes();
    let latin = &b"{\"a\": \"caf\xe9\"}"[..];
    for (handlers, sent, body, received) in [
        (labels(LATIN), "application/json", utf8, latin),
        (
            labels("application/json; charset=utf-8"),
            LATIN,
            latin,
            utf8,
        ),
        (labels("application/json"), LATIN, latin, utf8),
        (answers, "application/json", utf8, b"caf\xe9"),
    ] {
        let upstream = Upstream::answering(message("HTTP/1.1 200 OK", sent, body)).await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let response = sidecar.client().await.get("/").await;

        assert_eq!(response.body, received, "{sent}");
    }
}

#[tokio::test]
async fn what_is_not_what_its_label_says_is_refused_and_so_is_an_unknown_label() {
    for (content_type, body, of_request) in [
        ("text/plain; charset=ebcdic", &b"a"[..], 415),
        ("application/json; charset=ebcdic", b"{}", 415),
        ("text/plain; charset=utf-16", b"a", 400),
        ("text/plain; charset=utf-8", b"\xe9", 400),
    ] {
        let upstream = Upstream::answering(message("HTTP/1.1 200 OK", content_type, body)).await;
        let sidecar = Sidecar::with(&upstream, replacing("a", "b"));
        let post = message("POST / HTTP/1.1", content_type, body);

        let response = sidecar.client().await.ask(post).await;

        assert_eq!(response.status(), of_request, "{content_type}");
        assert_eq!(upstream.connections(), 0);
    }
    let json = "application/json; charset=ebcdic";
    let upstream = Upstream::answering(message("HTTP/1.1 200 OK", json, b"{}")).await;
    let handlers = Handlers::default().on_response(|_| Verdict::Continue);
    let sidecar = Sidecar::with(&upstream, handlers);
    assert_eq!(sidecar.client().await.get("/").await.status(), 502);
}
