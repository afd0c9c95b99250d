//! Bodies that pass without the handlers that would see them: counted, each with its reason.

use interpose::transaction::Unseen;
use interpose::transaction::pipeline::Unavailable;
use interpose::transaction::unseen::Reason;

use crate::support::{Setup, Upstream, eventually, every_path, ok};

/// The bodies that nobody saw in a transaction of handlers that see both.
async fn unseen(request: impl AsRef<[u8]>, answer: impl AsRef<[u8]>) -> Unseen {
    let upstream = Upstream::answering(answer).await;
    let [.., (_, both)] = every_path();
    let mut setup = Setup::before(&upstream).handlers(both);
    setup.unavailable = Unavailable::Pass;
    setup.request_body = 10;
    let sidecar = setup.start();
    let mut client = sidecar.client().await;

    client.send(request).await;
    client.until(b"\r\n\r\n").await;

    drop(client);
    eventually(|| !sidecar.finished().is_empty()).await;
    sidecar.finished()[0].unseen
}

fn post(fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_request_body_that_passes_unseen_has_its_reason() {
    let json = ok("Content-Type: application/json\r\n", "{}");
    for (request, reason) in [
        (post("", b"{}"), None),
        (post("", b"12345678901"), Some(Reason::TooLarge)),
        (
            post("Content-Encoding: exi\r\n", b"1"),
            Some(Reason::UnknownCoding),
        ),
        (
            post("Content-Encoding: gzip\r\n", b"1"),
            Some(Reason::Corrupt),
        ),
        (post("", b"\xff"), Some(Reason::NotText)),
    ] {
        let expected = Unseen {
            request: reason,
            response: None,
        };
        assert_eq!(unseen(request, &json).await, expected);
    }
}

#[tokio::test]
async fn a_response_body_that_passes_unseen_has_its_reason() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    let handshake =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let json =
        |fields: &str, body| ok(&format!("Content-Type: application/json\r\n{fields}"), body);
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            .to_owned();
    for (request, answer, reason) in [
        (get, json("", "{}"), None),
        (
            get,
            json("Content-Encoding: exi\r\n", "{}"),
            Some(Reason::UnknownCoding),
        ),
        (
            get,
            json("Content-Encoding: gzip\r\n", "{}"),
            Some(Reason::Corrupt),
        ),
        (
            get,
            ok("Content-Type: image/png\r\n", "{}"),
            Some(Reason::OtherType),
        ),
        (
            get,
            ok("Content-Type: text/event-stream; a=b\r\n", "{}"),
            Some(Reason::EventStream),
        ),
        (head, json("", ""), Some(Reason::LeftOut)),
        (handshake, json("", "{}"), None),
        (handshake, switched, Some(Reason::Upgrade)),
    ] {
        let expected = Unseen {
            request: None,
            response: reason,
        };
        assert_eq!(
            unseen(request, &answer).await,
            expected,
            "{request} {answer}"
        );
    }
}
