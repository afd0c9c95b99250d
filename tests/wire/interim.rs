//! Responses before the response (1xx): they pass as they come, on every path.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::{Act, Sidecar, Upstream, every_path, ok};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-Hint: 1\r\n\r\n";

fn json() -> String {
    ok("Content-Type: application/json\r\n", "{}")
}

#[tokio::test]
async fn an_interim_response_arrives_before_the_final_one_is_there() {
    for (path, handlers) in every_path() {
        let gate = Arc::new(Notify::new());
        let end = Act::Wait(Arc::clone(&gate));
        let upstream =
            Upstream::acting(move |_, _| vec![Act::send(HINTS), end.clone(), Act::send(json())])
                .await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        for request in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        ] {
            client.send(request).await;
            assert_eq!(client.head().await, HINTS, "{path}");
            gate.notify_one();
            let response = client.response().await;

            assert_eq!(response.text(), "{}", "{path}");
            assert_eq!(response.field("connection"), Some("keep-alive"), "{path}");
        }
    }
}

#[tokio::test]
async fn an_interim_response_that_comes_with_the_final_one_comes_first() {
    for (path, handlers) in every_path() {
        let upstream = Upstream::answering(format!("{HINTS}{HINTS}{}", json())).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client
            .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            .await;

        assert_eq!(client.head().await, HINTS, "{path}");
        assert_eq!(client.head().await, HINTS, "{path}");
        assert_eq!(client.response().await.text(), "{}", "{path}");
    }
}

#[tokio::test]
async fn a_client_that_still_sends_its_body_gets_an_interim_response_all_the_same() {
    for (path, handlers) in every_path() {
        if path == "with both bodies" {
            // Nothing is sent upstream before handlers have seen the whole body.
            continue;
        }
        let upstream = Upstream::acting_early(|_, _| vec![Act::send(HINTS), Act::Echo]).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;
        let answer = json();

        client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            ))
            .await;
        assert_eq!(client.head().await, HINTS, "{path}");
        client.send(answer).await;

        assert_eq!(client.response().await.text(), "{}", "{path}");
    }
}

#[tokio::test]
async fn an_upstream_that_sends_them_without_end_is_502() {
    for (_, handlers) in every_path() {
        let answer = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(16) + &ok("", "");
        let upstream = Upstream::answering(answer).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        client
            .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await;
        let answer = client.try_rest().await.expect("a whole response");

        assert_eq!(answer.matches("HTTP/1.1 103 ").count(), 16);
        assert!(answer.contains("HTTP/1.1 502 "), "{answer}");
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_interim_response() {
    for (path, handlers) in every_path() {
        let upstream = Upstream::answering(format!("{HINTS}{}", json())).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        // It may not expect one either: what it says of that is not passed on.
        client
            .send("POST / HTTP/1.0\r\nHost: a\r\nX-A: 1\r\nExpect: 100-continue\r\nX-B: 1\r\nContent-Length: 3\r\n\r\nabc")
            .await;
        let response = client.rest().await;

        assert!(response.starts_with("HTTP/1.1 200 "), "{path}: {response}");
        assert!(!response.contains("HTTP/1.1 1"), "{path}: {response}");
        let request = upstream.only_request();
        assert!(!request.contains("Expect"), "{path}: {request}");
        assert!(
            request.contains("\r\nX-A: 1\r\nX-B: 1\r\n"),
            "{path}: {request}"
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_for_leave_is_given_it_once() {
    for (path, handlers) in every_path() {
        let upstream = Upstream::answering(json()).await;
        let sidecar = Sidecar::with(&upstream, handlers);
        let mut client = sidecar.client().await;

        for _ in 0..2 {
            client
                .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
                .await;
            let leave = client.head().await;
            client.send("abc").await;
            let response = client.response().await;

            assert_eq!(leave, "HTTP/1.1 100 Continue\r\n\r\n", "{path}");
            assert_eq!((response.status(), response.text()), (200, "{}"), "{path}");
        }

        for request in upstream.received() {
            assert!(request.ends_with("\r\n\r\nabc"), "{path}: {request}");
        }
    }
}

#[tokio::test]
async fn a_final_answer_instead_of_leave_is_passed_on_and_the_connection_closed() {
    for (path, handlers) in every_path() {
        if path == "with both bodies" || path == "with the response's body" {
            // There we give leave ourselves, since we are the ones who read.
            continue;
        }
        let upstream = Upstream::acting_early(|_, _| {
            vec![Act::send("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")]
        })
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let response = sidecar
            .client()
            .await
            .ask("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            .await;

        assert_eq!(response.status(), 417, "{path}");
        assert_eq!(response.field("connection"), Some("close"), "{path}");
    }
}
