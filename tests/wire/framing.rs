//! Where a response ends, for every way it can come about: its upstream's status and framing,
//! the status that handlers make of it, the method, the version, and the path it takes.
//!
//! Each client asks twice on one connection and reads as [RFC 9112 §6.3] says: whatever is
//! not where it belongs is seen as a second response that is none.

use http::StatusCode;
use interpose::handler::{Answer, Call, Content, Fault, Rejection, Verdict};
use interpose::message::Body;

use crate::support::{Act, Handlers, Sidecar, Upstream, every_path, ok};

const PROBE: &str = "GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What the upstream says of its body, and what it sends of one whether or not there may be
/// one.
const FRAMINGS: [(&str, &str); 8] = [
    ("", "hello"),
    ("Content-Length: 0\r\n", ""),
    ("Content-Length: 5\r\n", "hello"),
    ("Content-Length: 2, 2\r\n", "ab"),
    ("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"),
    ("content-length: 0002\r\n", "ab"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    (
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
    ),
];

const STATUSES: [u16; 5] = [200, 204, 205, 304, 404];
const FINAL_STATUSES: [u16; 5] = [200, 201, 204, 205, 304];
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];
const VERSIONS: [&str; 2] = ["1.1", "1.0"];

/// An upstream that answers `/STATUS/FRAMING` so, and everything else with a probe.
async fn upstream() -> Upstream {
    Upstream::acting(|_, request| {
        let path = request.split(' ').nth(1).expect("a path");
        let mut parts = path.split('/').skip(1);
        let (Some(status), Some(framing)) = (parts.next(), parts.next()) else {
            return vec![Act::send(ok("X-Probe: 1\r\n", "probe"))];
        };
        let (fields, body) = FRAMINGS[framing.parse::<usize>().expect("a number")];
        let answer = format!("HTTP/1.1 {status} X\r\nX-First: 1\r\n{fields}\r\n{body}");
        if fields.is_empty() {
            vec![Act::send(answer), Act::Close]
        } else {
            vec![Act::send(answer)]
        }
    })
    .await
}

/// One response, as a client takes it off what has come.
struct Taken<'a> {
    status: u16,
    head: &'a str,
    rest: &'a str,
    is_kept: bool,
}

impl Taken<'_> {
    fn values(&self, name: &str) -> Vec<&str> {
        let named = |line: &'_ str| {
            line.split_once(':')
                .is_some_and(|(it, _)| it.eq_ignore_ascii_case(name))
        };
        let lines = self.head.lines().filter(|line| named(line));
        lines
            .map(|line| line.split_once(':').expect("named").1.trim())
            .collect()
    }
}

/// Takes the response to `method` off the start of `came`.
fn take<'a>(came: &'a str, method: &str) -> Taken<'a> {
    let (head, rest) = came.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.starts_with("HTTP/1.1 "), "no head: {head:?}");
    let mut taken = Taken {
        status: head[9..12].parse().expect("a status"),
        head,
        rest,
        is_kept: head.contains("\r\nConnection: keep-alive"),
    };
    let lengths = taken.values("content-length");
    let codings = taken.values("transfer-encoding");
    assert!(lengths.len() + codings.len() <= 1, "framed twice: {head}");
    for length in &lengths {
        let number: u64 = length.parse().expect("one number");
        assert_eq!(number.to_string(), *length, "{head}");
    }
    let has_none = method == "HEAD" || [204, 304].contains(&taken.status);
    taken.rest = if has_none {
        rest
    } else if let Some(length) = lengths.first() {
        &rest[length.parse().expect("a number")..]
    } else if codings == ["chunked"] {
        let end = rest.find("0\r\n\r\n").expect("a last chunk");
        &rest[end + 5..]
    } else {
        assert!(!taken.is_kept, "it never ends: {head}");
        ""
    };
    taken
}

/// Asks for `path`, then for a probe, and looks at all that comes.
async fn look(sidecar: &Sidecar, what: &str, path: &str, expected: impl Fn(&str) -> Option<u16>) {
    for method in METHODS {
        for version in VERSIONS {
            let what = format!("{what}: {method} {path} HTTP/{version}");
            let body = if method == "POST" {
                "Content-Length: 3\r\n\r\nabc"
            } else {
                "\r\n"
            };
            let mut client = sidecar.client().await;
            client
                .send(format!(
                    "{method} {path} HTTP/{version}\r\nHost: a\r\nConnection: keep-alive\r\n{body}{PROBE}"
                ))
                .await;
            let came = client.rest().await;
            println!("{what} gave {came:?}");

            let first = take(&came, method);
            if let Some(expected) = expected(method) {
                assert_eq!(first.status, expected, "{what}");
            }
            let (lengths, codings) = (
                first.values("content-length"),
                first.values("transfer-encoding"),
            );
            match first.status {
                204 => assert!(lengths.is_empty() && codings.is_empty(), "{what}"),
                205 => assert!(lengths == ["0"] && codings.is_empty(), "{what}"),
                304 => assert!(codings.is_empty(), "{what}"),
                _ => {}
            }
            assert!(version == "1.1" || codings.is_empty(), "{what}");
            assert!(version == "1.0" || first.is_kept, "{what}");
            if first.is_kept {
                let second = take(first.rest, "GET");
                assert_eq!(second.status, 200, "{what}");
                assert_eq!(second.values("x-probe"), ["1"], "{what}");
                assert_eq!(second.rest, "", "{what}");
            } else {
                assert_eq!(first.rest, "", "{what}");
            }
        }
    }
}

/// Looks at every answer of the upstream, whose status handlers have `made` another one
/// where they ran: `sees_bodies` of them run where there may be one.
async fn look_at_all(handlers: Handlers, what: &str, made: Option<u16>, sees_bodies: bool) {
    let upstream = upstream().await;
    let sidecar = Sidecar::with(&upstream, handlers);
    for status in STATUSES {
        for framing in 0..FRAMINGS.len() {
            let path = format!("/{status}/{framing}");
            let expected = |method: &str| match made {
                Some(_) if sees_bodies && (method == "HEAD" || status == 304) => None,
                Some(made) => Some(made),
                None => Some(status),
            };
            look(&sidecar, what, &path, expected).await;
        }
    }
}

fn is_first(call: &Call) -> bool {
    call.request.path != "/probe"
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a status")
}

#[tokio::test]
async fn a_response_that_nobody_changes_ends_where_its_head_says() {
    for (path, handlers) in every_path() {
        look_at_all(handlers, path, None, false).await;
    }
}

#[tokio::test]
async fn a_response_ends_where_its_head_says_whatever_status_handlers_give_it() {
    for made in FINAL_STATUSES {
        let sets = move |call: &mut Call| {
            if is_first(call) {
                call.response.status = status(made);
            }
            Verdict::Continue
        };
        let looks = |_: &mut Call| Verdict::Continue;
        for (path, handlers) in [
            ("on heads", Handlers::default().on_response_head(sets)),
            (
                "with the response's body",
                Handlers::default().on_response(sets),
            ),
            (
                "with both bodies",
                Handlers::default().on_request(looks).on_response(sets),
            ),
        ] {
            let what = format!("{path}, made {made}");
            look_at_all(handlers, &what, Some(made), path != "on heads").await;
        }
    }
}

#[tokio::test]
async fn an_answer_or_a_rejection_ends_where_its_head_says() {
    for made in FINAL_STATUSES.into_iter().chain([404, 500]) {
        for text in ["", "hello"] {
            let answers = move |call: &mut Call| {
                if !is_first(call) {
                    return Verdict::Continue;
                }
                call.response.status = status(made);
                call.response.body = Body::Edited(text.into());
                Verdict::Answer(Answer::Open)
            };
            let rejects = move |call: &mut Call| {
                if !is_first(call) {
                    return Verdict::Continue;
                }
                Verdict::Reject(Rejection {
                    status: status(made),
                    content: Content::Own {
                        fields: Vec::new(),
                        body: text.into(),
                    },
                    fault: Fault::Handler,
                })
            };
            for (kind, handlers) in [
                ("answer", Handlers::default().on_request_head(answers)),
                (
                    "answer with bodies",
                    Handlers::default().on_request(answers),
                ),
                ("rejection", Handlers::default().on_request_head(rejects)),
                ("late rejection", Handlers::default().on_response(rejects)),
            ] {
                let upstream = upstream().await;
                let sidecar = Sidecar::with(&upstream, handlers);
                let what = format!("{kind} {made} {text:?}");
                let is_left_out = |method: &str| kind == "late rejection" && method == "HEAD";
                let expected = |method: &str| (!is_left_out(method)).then_some(made);
                look(&sidecar, &what, "/200/2", expected).await;
            }
        }
    }
}

#[tokio::test]
async fn what_old_servers_write_is_put_right() {
    for (path, handlers) in every_path() {
        let upstream = Upstream::answering(
            b"HTTP/1.1 200 Zur\xfcck\r\nX-A : 1\r\nX-B: one\r\n  two\r\nContent-Length\t: 2\r\n\r\nab",
        )
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.until(b"\r\n\r\n").await;
        client.until(b"ab").await;

        let expected =
            b"HTTP/1.1 200 Zur\xfcck\r\nX-A: 1\r\nX-B: one    two\r\nContent-Length: 2\r\n";
        assert!(
            head.starts_with(expected),
            "{path}: {}",
            head.escape_ascii()
        );
    }
}
