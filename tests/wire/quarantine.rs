//! Handlers that are in quarantine: nothing that would come to them passes, nothing else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use interpose::generation::{Quarantine, Quarantined};
use interpose::handler::{Answer, Kind, Verdict};

use crate::support::{Handlers, KINDS, Setup, Upstream, ok};

/// The handler of this number and kind, in quarantine.
fn quarantined(kind: Kind, number: usize) -> Vec<Quarantined> {
    vec![Quarantined {
        kind,
        name: format!("{number}-test"),
        file: String::new(),
        since: SystemTime::now(),
        deaths: 2,
    }]
}

/// The status of a request that every kind applies to: a preflight with a body.
async fn status(setup: Setup) -> String {
    let sidecar = setup.start();
    let mut client = sidecar.client().await;
    let head = "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\
                Access-Control-Request-Method: GET\r\nContent-Type: application/json\r\n\
                Content-Length: 2\r\n\r\n{}";
    client.send(head).await;
    let answer = client.until(b"\r\n\r\n").await;
    String::from_utf8_lossy(&answer)[9..12].to_owned()
}

#[tokio::test]
async fn a_request_that_comes_to_a_quarantined_handler_is_refused_until_it_is_released() {
    let upstream = Upstream::answering(ok("Content-Type: application/json\r\n", "{}")).await;
    for (kind, facts) in KINDS {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let handlers = Handlers::default().with(kind, facts, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Verdict::Continue
        });
        let quarantine = Arc::new(Quarantine::default());
        let setup = || {
            Setup::before(&upstream)
                .handlers(handlers.clone())
                .quarantine(&quarantine)
        };

        assert_eq!(status(setup()).await, "200", "{kind:?}");
        assert_eq!(runs.load(Ordering::Relaxed), 1, "{kind:?}");

        quarantine.set(quarantined(kind, 0));
        assert_eq!(status(setup()).await, "500", "{kind:?}");
        assert_eq!(runs.load(Ordering::Relaxed), 1, "{kind:?}: it did not run");

        quarantine.set(quarantined(kind, 1));
        assert_eq!(status(setup()).await, "200", "{kind:?}: another one");
        quarantine.set(Vec::new());
        assert_eq!(status(setup()).await, "200", "{kind:?}: released");
        assert_eq!(runs.load(Ordering::Relaxed), 3, "{kind:?}");
    }
}

#[tokio::test]
async fn what_the_handlers_before_decide_counts() {
    let upstream = Upstream::answering(ok("", "{}")).await;
    for answers in [true, false] {
        let handlers = Handlers::default()
            .on_request_head(move |call| {
                if !answers {
                    return Verdict::Continue;
                }
                call.response.status = http::StatusCode::IM_A_TEAPOT;
                Verdict::Answer(Answer::Final)
            })
            .on_request_head(|_| unreachable!("it is in quarantine"));
        let quarantine = Arc::new(Quarantine::default());
        quarantine.set(quarantined(Kind::Request, 1));

        let setup = Setup::before(&upstream)
            .handlers(handlers)
            .quarantine(&quarantine);

        let expected = if answers { "418" } else { "500" };
        assert_eq!(status(setup).await, expected);
    }
}
