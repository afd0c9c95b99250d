//! What clients may ask, as it is configured.

use super::support::client::{connect, request};
use super::support::sidecar::Sidecar;
use super::support::upstream::{Upstream, json};

fn with_field(field: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n").into()
}

#[test]
fn heads_and_connections_have_the_limits_that_are_set() {
    let upstream = Upstream::answering(|_| json("{}"));
    let sidecar = Sidecar::before(upstream.url())
        .config("[limits]\nhead_size = \"1KiB\"\nhead_fields = 3\nrequests = 2\n")
        .start();

    let long = format!("X-Long: {}\r\n", "a".repeat(1000));
    assert_eq!(sidecar.exchange(&with_field(&long)).status(), 431);
    let many = "X: 1\r\n".repeat(3);
    assert_eq!(sidecar.exchange(&with_field(&many)).status(), 431);

    let mut client = connect(sidecar.proxy);
    for kept in ["keep-alive", "close"] {
        client.send(&request("GET", "/", "")).unwrap();
        let response = client.response("GET").unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.head.value("Connection"), Some(kept));
    }
}

#[test]
fn a_client_that_asks_for_nothing_or_stops_has_as_long_as_is_set() {
    let upstream = Upstream::answering(|_| json("{}"));
    let sidecar = Sidecar::before(upstream.url())
        .config("[limits]\nidle_time = \"50ms\"\nbody_time = \"50ms\"\n")
        .start();

    assert_eq!(connect(sidecar.proxy).rest().unwrap(), b"");
    let stops = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na";
    assert_eq!(sidecar.exchange(stops).status(), 408);
}

#[test]
fn the_api_is_told_of_the_proxy_unless_that_is_switched_off() {
    for (config, via) in [("", Some("1.1 interpose")), ("via = \"off\"\n", None)] {
        let upstream = Upstream::answering(|_| json("{}"));
        let sidecar = Sidecar::before(upstream.url()).config(config).start();

        sidecar.get("/");

        assert_eq!(upstream.requests()[0].head.value("Via"), via, "{config}");
    }
}
