//! Whether a body that a client keeps is still good, where handlers may have edited it.
//! The generation of these tests is 000000000000.

use http::{HeaderValue, header};
use interpose::handler::{Call, Verdict};
use interpose::message::Body;

use crate::support::{Act, Handlers, Sidecar, Upstream, every_path, ok};

fn edits(call: &mut Call) -> Verdict {
    if call.response.body.pieces().is_some() {
        call.response.body = Body::Edited("{\"edited\":1}".into());
    }
    Verdict::Continue
}

fn looks(_: &mut Call) -> Verdict {
    Verdict::Continue
}

fn json_with(tag: &str) -> String {
    let fields = format!("Content-Type: application/json\r\n{tag}");
    ok(&fields, "{}")
}

/// An upstream that answers 304 to a request with this tag.
async fn upstream_with(tag: &'static str) -> Upstream {
    Upstream::acting(move |_, request| {
        let asked = field(request, "If-None-Match");
        let field = format!("ETag: {tag}\r\n");
        let is_good = asked.is_some_and(|list| list.split(", ").any(|asked| asked == tag));
        vec![if is_good {
            Act::send(format!("HTTP/1.1 304 Not Modified\r\n{field}\r\n"))
        } else {
            Act::send(json_with(&field))
        }]
    })
    .await
}

fn field(request: &str, name: &str) -> Option<String> {
    let line = request.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.strip_prefix(": "))
        .map(str::to_owned)
}

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[tokio::test]
async fn what_this_generation_edited_is_still_good_when_the_upstream_says_so() {
    for tag in ["\"a\"", "W/\"a\""] {
        let upstream = upstream_with(tag).await;
        let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));
        let mut client = sidecar.client().await;

        let first = client.get("/").await;
        let shown = first.field("etag").expect("a tag").to_owned();
        client
            .send(get(&format!("If-None-Match: {shown}\r\n")))
            .await;
        let second = client.head().await;

        assert_eq!(shown, "W/\"a-000000000000\"");
        assert!(second.starts_with("HTTP/1.1 304 "), "{second}");
        assert!(
            second.contains(&format!("\r\nETag: {shown}\r\n")),
            "{second}"
        );
    }
}

/// An upstream with one resource of this type and tag, which knows conditions, ranges and HEAD.
async fn upstream_of(content_type: &'static str, tag: &'static str) -> Upstream {
    Upstream::acting(move |_, request| {
        let asked = field(request, "If-None-Match");
        let since = field(request, "If-Modified-Since");
        let is_good = asked.map_or(since.is_some(), |list| {
            list.split(", ").any(|asked| asked == tag)
        });
        let fields = format!("ETag: {tag}\r\n");
        let body = "{\"a\":17}";
        let length = body.len();
        vec![Act::send(if is_good {
            format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n")
        } else if request.starts_with("HEAD ") {
            format!("HTTP/1.1 200 OK\r\n{fields}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n")
        } else if field(request, "Range").is_some() {
            format!("HTTP/1.1 206 Partial Content\r\n{fields}Content-Type: {content_type}\r\nContent-Range: bytes 0-1/{length}\r\nContent-Length: 2\r\n\r\n{{\"")
        } else {
            format!("HTTP/1.1 200 OK\r\n{fields}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}")
        })]
    })
    .await
}

#[tokio::test]
async fn what_another_generation_made_or_left_alone_is_not_revived() {
    for kept in [
        "If-None-Match: W/\"a-ffffffffffff\"\r\n",
        "If-None-Match: \"a\"\r\n",
        "If-None-Match: \"a\", W/\"b-000000000000\"\r\n",
        "If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n",
        "If-None-Match: W/\"a-ffffffffffff\"\r\nIf-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n",
        "If-Range: \"a\"\r\nRange: bytes=0-1\r\n",
        "Range: bytes=0-1\r\n",
        "If-None-Match: \"b\"\r\nRange: bytes=0-1\r\n",
    ] {
        let upstream = upstream_of("application/json", "\"a\"").await;
        let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));

        let response = sidecar.client().await.ask(get(kept)).await;

        assert!(response.head.starts_with("HTTP/1.1 200 "), "{kept}");
        assert_eq!(response.text(), "{\"edited\":1}", "{kept}");
    }
}

#[tokio::test]
async fn ranges_and_kept_copies_of_what_handlers_do_not_see_stay_good() {
    for (path, handlers) in every_path() {
        for asked in [
            "If-None-Match: \"a\"\r\n",
            "If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n",
        ] {
            let upstream = upstream_of("image/png", "\"a\"").await;
            let sidecar = Sidecar::with(&upstream, handlers.clone());
            let mut client = sidecar.client().await;

            client.send(get(asked)).await;

            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 304 "), "{path} {asked}: {head}");
            assert!(
                head.contains("\r\nETag: \"a\"\r\n"),
                "{path} {asked}: {head}"
            );
            // The connection goes on.
            assert_eq!(client.get("/").await.text(), "{\"a\":17}", "{path} {asked}");
        }
        let upstream = upstream_of("image/png", "\"a\"").await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let part = sidecar
            .client()
            .await
            .ask(get("Range: bytes=0-1\r\n"))
            .await;

        assert!(part.head.starts_with("HTTP/1.1 206 "), "{path}");
        assert_eq!(part.text(), "{\"", "{path}");
        assert_eq!(upstream.received().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn a_part_that_handlers_would_see_is_never_passed() {
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Type: application/json\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\n{\"";
    for request in [
        // It may have changed something: it is not sent again.
        "POST / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
        // The upstream sends parts whatever it is asked for.
        get("Range: bytes=0-1\r\n"),
    ] {
        let upstream = Upstream::answering(part).await;
        let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));

        let response = sidecar.client().await.ask(&request).await;

        assert!(response.head.starts_with("HTTP/1.1 502 "), "{request}");
        assert!(!response.text().contains("{\"\""), "{request}");
    }
}

#[tokio::test]
async fn several_parts_may_be_of_what_handlers_see() {
    let upstream = Upstream::acting(|_, request| {
        vec![Act::send(if field(request, "Range").is_some() {
            "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=b\r\nContent-Length: 3\r\n\r\n--b".to_owned()
        } else {
            json_with("")
        })]
    })
    .await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));

    let response = sidecar
        .client()
        .await
        .ask(get("Range: bytes=0-1,3-4\r\n"))
        .await;

    assert_eq!(response.text(), "{\"edited\":1}");
}

#[tokio::test]
async fn a_write_on_condition_names_the_tag_that_the_upstream_knows() {
    let upstream = Upstream::json("{}").await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));

    sidecar
        .client()
        .await
        .ask("PUT / HTTP/1.1\r\nHost: a\r\nIf-Match: W/\"a-ffffffffffff\"\r\nIf-None-Match: *\r\nContent-Length: 2\r\n\r\n{}")
        .await;

    let request = upstream.only_request();
    assert_eq!(
        field(&request, "If-Match").as_deref(),
        Some("\"a\", W/\"a-ffffffffffff\", W/\"a\"")
    );
    assert_eq!(field(&request, "If-None-Match").as_deref(), Some("*"));
}

#[tokio::test]
async fn a_write_names_the_upstreams_tag_whatever_handlers_apply_to_it() {
    for (path, handlers) in every_path() {
        for method in ["PUT", "PATCH", "DELETE", "POST"] {
            let upstream = Upstream::json("{}").await;
            let sidecar = Sidecar::with(&upstream, handlers.clone());

            sidecar
                .client()
                .await
                .ask(format!(
                    "{method} / HTTP/1.1\r\nHost: a\r\nIf-Match: W/\"a-ffffffffffff\"\r\nContent-Length: 2\r\n\r\n{{}}"
                ))
                .await;

            assert_eq!(
                field(&upstream.only_request(), "If-Match").as_deref(),
                Some("\"a\", W/\"a-ffffffffffff\", W/\"a\""),
                "{path} {method}"
            );
        }
    }
}

#[tokio::test]
async fn the_answer_to_head_is_not_true_of_an_unedited_body_that_a_client_keeps() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"a\"\r\nLast-Modified: x\r\nX-A: 1\r\nContent-Length: 7\r\n\r\n";
    let upstream = Upstream::answering(answer).await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));
    let mut client = sidecar.client().await;

    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = client.head().await;

    assert!(
        head.contains("\r\nETag: W/\"a-000000000000\"\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nX-A: 1\r\n"), "{head}");
    for gone in ["Last-Modified", "Content-Length"] {
        assert!(!head.contains(gone), "{head}");
    }
}

#[tokio::test]
async fn the_answer_to_head_stays_where_handlers_would_not_see_the_body() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nETag: \"a\"\r\nLast-Modified: x\r\nContent-Length: 7\r\nDate: x\r\n";
    let upstream = Upstream::answering(format!("{answer}\r\n")).await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));
    let mut client = sidecar.client().await;

    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;

    let expected = format!("{answer}Connection: keep-alive\r\n\r\n");
    assert_eq!(client.head().await, expected);
}

#[tokio::test]
async fn a_read_on_condition_names_the_tag_that_the_upstream_knows() {
    let upstream = Upstream::json("{}").await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));

    sidecar
        .client()
        .await
        .ask(get(
            "If-Match: W/\"a-000000000000\"\r\nIf-Unmodified-Since: x\r\n",
        ))
        .await;

    let request = upstream.only_request();
    assert_eq!(
        field(&request, "If-Match").as_deref(),
        Some("\"a\", W/\"a-000000000000\", W/\"a\"")
    );
    assert_eq!(field(&request, "If-Unmodified-Since").as_deref(), Some("x"));
}

#[tokio::test]
async fn where_no_handler_sees_a_body_conditions_and_ranges_arrive_as_they_were_sent() {
    let asked = "Range: bytes=0-1\r\nIf-Range: \"a\"\r\nIf-None-Match: \"b\", W/\"c-ffffffffffff\"\r\nIf-Modified-Since: x\r\nIf-Match: \"d\"\r\nIf-Unmodified-Since: y\r\n";
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Type: application/json\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 0-1/9\r\nDate: x\r\nContent-Length: 2\r\n";
    for (path, handlers) in every_path().into_iter().take(2) {
        let upstream = Upstream::answering(format!("{part}\r\n{{\"")).await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let response = sidecar.client().await.ask(get(asked)).await;

        let expected = format!("{part}Connection: keep-alive\r\n\r\n");
        assert_eq!(response.head, expected, "{path}");
        assert_eq!(response.text(), "{\"", "{path}");
        let request = upstream.only_request();
        assert!(request.contains(asked), "{path}: {request}");
    }
}

#[tokio::test]
async fn a_tag_that_is_none_is_not_shown_with_an_edited_body() {
    let upstream = Upstream::answering(json_with("ETag: a\r\n")).await;
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response(edits));

    let response = sidecar.client().await.get("/").await;

    assert_eq!(response.field("etag"), None);
}

#[tokio::test]
async fn what_is_untouched_keeps_its_validators_and_handlers_on_heads_its_conditions() {
    let upstream = upstream_with("\"a\"").await;
    let sees = Sidecar::with(&upstream, Handlers::default().on_response(looks));
    let heads = Sidecar::with(&upstream, Handlers::default().on_response_head(looks));

    let whole = sees.client().await.get("/").await;
    let mut client = heads.client().await;
    client.send(get("If-None-Match: \"a\"\r\n")).await;
    let good = client.head().await;

    assert_eq!(whole.field("etag"), Some("\"a\""));
    assert!(good.starts_with("HTTP/1.1 304 "), "{good}");
    assert!(good.contains("\r\nETag: \"a\"\r\n"), "{good}");
}

#[tokio::test]
async fn an_answer_in_place_of_a_streamed_body_has_a_tag_of_its_own() {
    let upstream = upstream_with("\"a\"").await;
    let answers = |call: &mut Call| {
        call.response.body = Body::Edited("mine".into());
        Verdict::Continue
    };
    let sidecar = Sidecar::with(&upstream, Handlers::default().on_response_head(answers));

    let response = sidecar.client().await.get("/").await;

    assert_eq!(response.text(), "mine");
    assert_eq!(response.field("etag"), Some("W/\"a-000000000000\""));
}

#[tokio::test]
async fn a_handler_that_only_changes_the_coding_makes_another_body() {
    let body =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
    let head = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n";
    let upstream = Upstream::answering([head.as_bytes(), body].concat()).await;
    let handlers = Handlers::default().on_response(|call| {
        let plain = HeaderValue::from_static("identity");
        call.response.fields.insert(header::CONTENT_ENCODING, plain);
        Verdict::Continue
    });
    let sidecar = Sidecar::with(&upstream, handlers);

    let response = sidecar.client().await.get("/").await;

    assert_eq!(response.text(), "{}");
    assert_eq!(response.field("etag"), Some("W/\"a-000000000000\""));
}
