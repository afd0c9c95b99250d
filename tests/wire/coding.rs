//! Bodies in content codings: handlers see the text, both sides see the coding.

use bytes::Bytes;
use http::{HeaderValue, header};
use interpose::handler::{Call, Verdict};
use interpose::message::coding::{Codings, Room};
use interpose::message::{Body, Fields, Pieces};
use interpose::transaction::pipeline::{CodedRequests, Unavailable};

use crate::support::{Handlers, Setup, Sidecar, Upstream};

const LISTS: [&str; 5] = ["gzip", "deflate", "br", "zstd", "gzip, br"];

const TEXT: &str = r#"{"name": "Zoë"}"#;

/// `{"id": 1, "name": "Zoë"}` by another program, in other bytes than ours would be.
const FOREIGN_GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\xca\x4c\x51\xb2\x52\x30\xd4\x51\x50\xca\x4b\xcc\x4d\x05\x32\x95\xa2\xf2\x0f\xaf\x56\xaa\x05\x00\xd3\xae\x88\x32\x19\x00\x00\x00";

fn codings(list: &'static str) -> Codings {
    let mut fields = Fields::default();
    fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(list));
    Codings::of(&fields).expect("known codings")
}

/// Memory for whatever a test decodes.
struct Boundless;

impl Room for Boundless {
    fn take(&mut self, _: usize) -> bool {
        true
    }

    fn give_back(&mut self, _: usize) {}
}

fn encoded(list: &'static str, text: impl Into<Bytes>) -> Bytes {
    codings(list).encode(text.into())
}

fn decoded(list: &'static str, body: Vec<u8>) -> String {
    let text = codings(list).decode(&body.into(), 1024 * 1024, &mut Boundless);
    String::from_utf8(text.expect("a sound body").to_vec()).expect("text")
}

fn answer(list: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-ENCODING: {list}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn post(list: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: {list}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn get(accept: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accept}\r\n\r\n")
}

fn add(body: &mut Body) {
    let text = body.pieces().cloned().unwrap_or_default().joined();
    *body = Body::Edited([&text[..], b" and more"].concat().into());
}

fn adds_to_request(call: &mut Call) -> Verdict {
    add(&mut call.request.body);
    Verdict::Continue
}

fn adds_to_response(call: &mut Call) -> Verdict {
    add(&mut call.response.body);
    Verdict::Continue
}

fn looks(call: &mut Call) -> Verdict {
    let seen = call.response.body.pieces().or(call.request.body.pieces());
    let seen = seen.cloned().map(Pieces::joined);
    assert!(
        seen.as_ref().is_none_or(|text| text.starts_with(b"{")),
        "{seen:?}"
    );
    Verdict::Continue
}

#[tokio::test]
async fn an_edited_response_is_sent_in_the_coding_it_came_in() {
    for list in LISTS {
        let upstream = Upstream::answering(answer(list, &encoded(list, TEXT))).await;
        let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(adds_to_response));

        let response = sidecar.client().await.ask(get(list)).await;

        assert_eq!(response.field("content-encoding"), Some(list));
        assert_eq!(decoded(list, response.body), format!("{TEXT} and more"));
    }
}

#[tokio::test]
async fn an_edited_request_is_sent_in_the_coding_it_came_in_where_that_is_configured() {
    for list in LISTS {
        let upstream = Upstream::json("{}").await;
        let mut setup = Setup::before(&upstream);
        setup.coded_requests = CodedRequests::Keep;
        let sidecar = setup
            .handlers(Handlers::default().on_request(adds_to_request))
            .start();

        sidecar
            .client()
            .await
            .ask(post(list, &encoded(list, TEXT)))
            .await;

        let request = &upstream.received()[0];
        assert!(request.contains(&format!("\r\nContent-Encoding: {list}\r\n")));
        let sent = decoded(list, upstream.last_body());
        assert_eq!(sent, format!("{TEXT} and more"));
    }
}

#[tokio::test]
async fn a_request_that_a_handler_has_seen_goes_on_decoded() {
    let text = r#"{"id": 1, "name": "Zoë"}"#;
    for (handlers, sent) in [
        (Handlers::default().on_request(looks), text.to_owned()),
        (
            Handlers::default().on_request(adds_to_request),
            format!("{text} and more"),
        ),
    ] {
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let request = post("gzip", FOREIGN_GZIP);
        let digests =
            b"\r\nContent-Digest: a\r\nDigest: b\r\nContent-MD5: c\r\nX-Digest: d\r\n\r\n";
        let end = request.len() - FOREIGN_GZIP.len() - 4;
        let request = [&request[..end], digests, FOREIGN_GZIP].concat();

        sidecar.client().await.ask(request).await;

        let head = &upstream.received()[0].to_ascii_lowercase();
        assert!(!head.contains("content-encoding"), "{head}");
        assert!(!head.contains("content-digest: a"), "{head}");
        assert!(!head.contains("content-md5"), "{head}");
        assert!(head.contains("x-digest: d"), "{head}");
        assert!(
            head.contains(&format!("content-length: {}\r\n", sent.len())),
            "{head}"
        );
        assert_eq!(upstream.last_body(), sent.as_bytes());
    }
}

#[tokio::test]
async fn a_request_that_no_handler_has_seen_keeps_its_coding() {
    let heads_only = Handlers::default().on_request_head(|_| Verdict::Continue);
    for handlers in [Handlers::default(), heads_only] {
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, handlers);

        sidecar.client().await.ask(post("gzip", FOREIGN_GZIP)).await;

        assert!(upstream.received()[0].contains("\r\nContent-Encoding: gzip\r\n"));
        assert_eq!(upstream.last_body(), FOREIGN_GZIP);
    }
}

#[tokio::test]
async fn a_coded_request_is_refused_where_that_is_configured_and_a_handler_would_see_it() {
    let upstream = Upstream::json("{}").await;
    let mut setup = Setup::before(&upstream);
    setup.coded_requests = CodedRequests::Refuse;
    let sidecar = setup
        .handlers(Handlers::default().on_request(looks))
        .start();

    let coded = sidecar.client().await.ask(post("gzip", FOREIGN_GZIP)).await;
    let plain = sidecar.client().await.ask(post("identity", b"{}")).await;

    assert_eq!((coded.status(), plain.status()), (415, 200));
    assert_eq!(upstream.received().len(), 1);
}

#[tokio::test]
async fn a_handler_that_names_a_coding_gets_it() {
    let upstream = Upstream::json("{}").await;
    let handlers = Handlers::default().on_request(|call| {
        let other = HeaderValue::from_static("br");
        call.request.fields.insert(header::CONTENT_ENCODING, other);
        Verdict::Continue
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    sidecar.client().await.ask(post("gzip", FOREIGN_GZIP)).await;

    assert!(upstream.received()[0].contains("\r\nContent-Encoding: br\r\n"));
    let sent = decoded("br", upstream.last_body());
    assert_eq!(sent, r#"{"id": 1, "name": "Zoë"}"#);
}

#[tokio::test]
async fn a_large_body_is_edited_like_a_small_one() {
    let text = "x".repeat(500_000);
    let upstream = Upstream::answering(answer("br", &encoded("br", text.clone()))).await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(adds_to_response));

    let response = sidecar.client().await.ask(get("br")).await;

    assert_eq!(decoded("br", response.body), format!("{text} and more"));
}

#[tokio::test]
async fn what_no_handler_touches_keeps_its_encoded_bytes_both_ways() {
    let upstream = Upstream::answering(answer("gzip", FOREIGN_GZIP)).await;
    let handlers = Handlers::default().on_request(looks).on_response(looks);
    let mut setup = Setup::before(&upstream).handlers(handlers);
    setup.coded_requests = CodedRequests::Keep;
    let sidecar = setup.start();

    let response = sidecar.client().await.ask(post("gzip", FOREIGN_GZIP)).await;

    assert_eq!(response.body, FOREIGN_GZIP);
    assert!(response.head.contains("\r\ncontent-ENCODING: gzip\r\n"));
    assert_eq!(upstream.last_body(), FOREIGN_GZIP);
}

#[tokio::test]
async fn an_edited_response_is_plain_for_a_client_that_did_not_ask_for_its_coding() {
    let upstream = Upstream::answering(answer("gzip", FOREIGN_GZIP)).await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(adds_to_response));

    let response = sidecar.client().await.ask(get("br, gzip;q=0")).await;

    assert_eq!(response.field("content-encoding"), None);
    assert_eq!(response.text(), r#"{"id": 1, "name": "Zoë"} and more"#);
}

#[tokio::test]
async fn a_handler_decides_on_the_coding_by_writing_its_field() {
    let upstream = Upstream::answering(answer("gzip", FOREIGN_GZIP)).await;
    let takes_off = Handlers::default().on_response(|call| {
        call.response.fields.remove(header::CONTENT_ENCODING);
        Verdict::Continue
    });
    let writes = Handlers::default().on_response(|call| {
        let other = HeaderValue::from_static("br");
        call.response.fields.insert(header::CONTENT_ENCODING, other);
        Verdict::Continue
    });

    let plain = Sidecar::with(&upstream, takes_off)
        .client()
        .await
        .ask(get("br"))
        .await;
    let other = Sidecar::with(&upstream, writes)
        .client()
        .await
        .ask(get("br"))
        .await;

    assert_eq!(plain.field("content-encoding"), None);
    assert_eq!(plain.text(), r#"{"id": 1, "name": "Zoë"}"#);
    assert_eq!(other.field("content-encoding"), Some("br"));
    assert_eq!(decoded("br", other.body), r#"{"id": 1, "name": "Zoë"}"#);
}

#[tokio::test]
async fn a_body_without_text_has_no_coding() {
    let upstream = Upstream::answering(answer("gzip", FOREIGN_GZIP)).await;
    let handlers = Handlers::default().on_response(|call| {
        call.response.body = Body::Edited(Bytes::new().into());
        Verdict::Continue
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    let response = sidecar.client().await.ask(get("gzip")).await;

    assert_eq!(response.field("content-encoding"), None);
    assert_eq!(response.field("content-length"), Some("0"));
}

/// Bodies that handlers can't have, and what their sender is told.
fn undecodable() -> [(&'static str, Vec<u8>, u16); 5] {
    let bomb = encoded("gzip", vec![b' '; 2 * 1024 * 1024]);
    [
        ("exi", b"whatever".to_vec(), 415),
        ("gzip", b"{}".to_vec(), 400),
        ("gzip", FOREIGN_GZIP[..30].to_vec(), 400),
        ("gzip", [FOREIGN_GZIP, b"junk"].concat(), 400),
        ("gzip", bomb.to_vec(), 413),
    ]
}

#[tokio::test]
async fn a_request_that_can_not_be_decoded_is_refused_and_reaches_nobody() {
    for (list, body, status) in undecodable() {
        let upstream = Upstream::json("{}").await;
        let sidecar = Sidecar::with(&upstream, Handlers::default().on_request(looks));

        let response = sidecar.client().await.ask(post(list, &body)).await;

        assert_eq!(response.status(), status, "{list}");
        assert!(upstream.received().is_empty());
    }
}

#[tokio::test]
async fn a_response_that_can_not_be_decoded_is_502() {
    for (list, body, _) in undecodable() {
        let upstream = Upstream::answering(answer(list, &body)).await;
        let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(looks));

        let response = sidecar.client().await.ask(get("gzip")).await;

        assert_eq!(response.status(), 502, "{list}");
        assert_eq!(response.field("content-encoding"), None);
    }
}

#[tokio::test]
async fn what_can_not_be_decoded_passes_where_that_is_configured() {
    for (list, body, _) in undecodable() {
        let upstream = Upstream::answering(answer(list, &body)).await;
        let handlers = Handlers::default()
            .on_request(adds_to_request)
            .on_response(adds_to_response);
        let mut setup = Setup::before(&upstream).handlers(handlers);
        setup.unavailable = Unavailable::Pass;
        let sidecar = setup.start();

        let response = sidecar.client().await.ask(post(list, &body)).await;

        assert_eq!(upstream.last_body(), body, "{list}");
        assert_eq!(response.body, body, "{list}");
        assert_eq!(response.field("content-encoding"), Some(list));
    }
}

#[tokio::test]
async fn the_upstream_is_asked_for_what_can_be_decoded_only_where_a_handler_sees_the_body() {
    let upstream = Upstream::json("{}").await;
    let sees = Sidecar::with(&upstream, Handlers::default().on_response(looks));
    let heads = Sidecar::with(&upstream, Handlers::default().on_response_head(looks));

    sees.client()
        .await
        .ask(get("gzip, deflate, br, zstd"))
        .await;
    sees.client().await.ask(get("dcb, *")).await;
    sees.client().await.get("/").await;
    heads.client().await.ask(get("dcb, *")).await;

    let asked = |number: usize| {
        let request = upstream.received().remove(number);
        let field = request
            .lines()
            .find_map(|line| line.strip_prefix("Accept-Encoding: "));
        field.map(str::to_owned)
    };
    assert_eq!(asked(0).as_deref(), Some("gzip, deflate, br, zstd"));
    assert_eq!(asked(1).as_deref(), Some("identity"));
    assert_eq!(asked(2).as_deref(), Some("identity"));
    assert_eq!(asked(3).as_deref(), Some("dcb, *"));
}
