//! What the HTTP library moves on its way through: fields that repeat come together. Held
//! here so that nobody believes otherwise, and so that nothing else moves.

use crate::support::{Sidecar, Upstream, every_path};

#[tokio::test]
async fn fields_that_repeat_come_together_at_the_place_of_the_first() {
    for (path, handlers) in every_path() {
        println!("{path}");
        let upstream = Upstream::answering(
            "HTTP/1.1 200 OK\r\nX-A: 1\r\nX-B: 1\r\nx-a: 2\r\nX-C: 1\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        let sidecar = Sidecar::with(&upstream, handlers);

        let response = sidecar
            .client()
            .await
            .ask("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B: 1\r\nx-a: 2\r\nX-C: 1\r\n\r\n")
            .await;

        let together = "\r\nX-A: 1\r\nx-a: 2\r\nX-B: 1\r\nX-C: 1\r\n";
        assert!(response.head.contains(together), "{}", response.head);
        let request = upstream.only_request();
        assert!(request.contains(together), "{request}");
    }
}
