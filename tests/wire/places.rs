//! Fields that repeat stay where they were sent.

use crate::support::{Sidecar, Upstream, every_path};

#[tokio::test]
async fn fields_that_repeat_keep_their_places() {
    for (path, handlers) in every_path() {
        let fields = "X-A: 1\r\nX-B: 1\r\nx-a: 2\r\nX-C: 1\r\n";
        let upstream = Upstream::answering(format!(
            "HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"
        ))
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let response = sidecar
            .client()
            .await
            .ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
            .await;

        assert!(response.head.contains(fields), "{path}: {}", response.head);
        let request = upstream.only_request();
        assert!(request.contains(fields), "{path}: {request}");
    }
}
